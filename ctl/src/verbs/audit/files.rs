//! The files of the log, one item after the other. May touch: the files that the launcher opens, to read them, and a lock on the head.

use crate::error::{Error, Outcome};
use crate::session::Session;
use chain::{HEAD, Head, Item, Walk};
use nix::errno::Errno;
use rustix::fs::FlockOperation;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use wire::recordd::Record;

/// One item of the log, and what it says if it is a record that this build understands.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The item.
    pub item: &'a Item,
    /// What the record says.
    pub record: Option<Record>,
    /// Whether it is the first of its file.
    pub first: bool,
}

fn failed(what: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |e| Error::kernel(what, Errno::from_raw(e.raw_os_error()))
}

/// Goes through the older files, in their order, and then the log; gives the head as it was when the log was as long as it was read.
pub fn walk(
    session: &Session,
    older: &[String],
    see: &mut dyn FnMut(Seen<'_>) -> Outcome<()>,
) -> Outcome<Option<Head>> {
    for path in older {
        let path = crate::plan::run::absolute(path, session.directory.as_deref())?;
        file(session.launcher.open(&path)?, u64::MAX, see)?;
    }
    let (log, size, head) = current(session)?;
    file(log, size, see)?;
    Ok(head)
}

/// The log, how long it is, and its head, of one moment.
fn current(session: &Session) -> Outcome<(OwnedFd, u64, Option<Head>)> {
    for _ in 0..8 {
        let [log, head] = session.launcher.log()?;
        rustix::fs::flock(&head, FlockOperation::LockShared).map_err(failed("lock the log of deeds"))?;
        let about = rustix::fs::fstat(&log).map_err(failed("look at the log of deeds"))?;
        let mut bytes = [0; HEAD];
        let read = rustix::io::pread(&head, &mut bytes, 0).map_err(failed("read the head of the log of deeds"))?;
        rustix::fs::flock(&head, FlockOperation::Unlock).map_err(failed("unlock the log of deeds"))?;
        let found = bytes.get(..read).and_then(Head::read);
        // A log that was rotated between the opening of the two has no name any more that it could be found by.
        let rotated = about.st_nlink == 1 && found.is_some_and(|h| h.file != about.st_ino);
        if !rotated || about.st_size == 0 {
            return Ok((log, u64::try_from(about.st_size).unwrap_or(0), found));
        }
        // Or it is another file than the writer left: then it stays that.
        if about.st_size > 0 && !still_rotating(session, about.st_ino)? {
            return Ok((log, u64::try_from(about.st_size).unwrap_or(0), found));
        }
    }
    Err(Error::caller("the log of deeds is rotated again and again"))
}

/// Whether the log is by now another file.
fn still_rotating(session: &Session, inode: u64) -> Outcome<bool> {
    let [log, _] = session.launcher.log()?;
    let about = rustix::fs::fstat(&log).map_err(failed("look at the log of deeds"))?;
    Ok(about.st_ino != inode)
}

fn file(fd: OwnedFd, size: u64, see: &mut dyn FnMut(Seen<'_>) -> Outcome<()>) -> Outcome<()> {
    let fail =
        |e: std::io::Error| Error::kernel("read the log of deeds", Errno::from_raw(e.raw_os_error().unwrap_or(0)));
    let mut walk = Walk::new(BufReader::with_capacity(64 * 1024, File::from(fd)).take(size));
    let mut first = true;
    while let Some(item) = walk.step().map_err(fail)? {
        let record = match &item {
            Item::Record(r) => Record::decode(&r.body),
            Item::Strange { .. } => None,
        };
        see(Seen {
            item: &item,
            record,
            first,
        })?;
        first = false;
    }
    Ok(())
}
