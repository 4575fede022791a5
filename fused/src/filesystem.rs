//! What the kernel's FUSE client is answered: one regular file, for reading. May touch: the connection, through `fuser`, and the
//! group's files, through `gather`. What is not answered here, `fuser` answers with ENOSYS.

use crate::gather::Files;
use crate::meminfo;
use crate::texts::{Texts, piece};
use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, INodeNo, LockOwner, OpenAccMode,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use policies::{Ended, State, Steady, steady};
use std::ffi::OsStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// How long the kernel may keep the attributes: they never change.
const ATTRIBUTES_LAST: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes that the file is said to have; the longest text has about 1 KiB.
const SIZE: u64 = 4096;

/// The file system, whose root is the file.
#[derive(Debug)]
pub struct Meminfo {
    files: Files,
    attributes: FileAttr,
    texts: Mutex<Texts>,
    steady: OnceLock<Steady>,
}

impl Meminfo {
    /// A file that belongs to these host ids. Its size is more than any text of it has: read(2) does not look at it, but splice(2) and
    /// sendfile(2), which some `cat` use, give nothing beyond the size that a file is said to have.
    pub fn new(files: Files, uid: u32, gid: u32) -> Self {
        let now = SystemTime::now();
        let attributes = FileAttr {
            ino: INodeNo::ROOT,
            size: SIZE,
            blocks: 0,
            atime: now,
            mtime: now,
            ctime: now,
            crtime: now,
            kind: FileType::RegularFile,
            perm: 0o444,
            nlink: 1,
            uid,
            gid,
            rdev: 0,
            blksize: 1024,
            flags: 0,
        };
        Self {
            files,
            attributes,
            texts: Mutex::default(),
            steady: OnceLock::new(),
        }
    }

    fn texts(&self, _steady: &Steady) -> std::sync::MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whatever is asked first, from then on nothing but answering is possible. It cannot come earlier: `fuser` starts a thread that serves,
    /// and asks this file only from there.
    fn steady(&self) -> &Steady {
        self.steady.get_or_init(|| match steady(State::FusedServing) {
            Ok(steady) => steady,
            Err(_) => sys::process::exit_now(Ended::Bug.meaning().0.into()),
        })
    }
}

impl Filesystem for Meminfo {
    fn getattr(&self, _: &Request, _: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.steady();
        reply.attr(&ATTRIBUTES_LAST, &self.attributes);
    }

    fn open(&self, _: &Request, _: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let steady = self.steady();
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EACCES);
        }
        // Without the page cache, each read is asked for here, whatever the size.
        reply.opened(
            FileHandle(self.texts(steady).open()),
            FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH,
        );
    }

    /// A read from the start takes a sample; one from further on continues the text that the same file was shown before.
    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut texts = self.texts(self.steady());
        if let Some(text) = texts.shown(handle.0).filter(|_| offset > 0) {
            return reply.data(piece(text, offset, size));
        }
        let Some(figures) = self.files.sample() else {
            return reply.error(Errno::EIO);
        };
        let text = meminfo::text(&figures);
        reply.data(piece(&text, offset, size));
        texts.show(handle.0, text);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.texts(self.steady()).close(handle.0);
        reply.ok();
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::EROFS);
    }

    fn setattr(
        &self,
        _: &Request,
        _: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.error(Errno::EROFS);
    }

    fn setxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: &[u8], _: i32, _: u32, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn removexattr(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn fallocate(&self, _: &Request, _: INodeNo, _: FileHandle, _: u64, _: u64, _: i32, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }
}
