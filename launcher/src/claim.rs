//! Claims a block of ids for one container, across every state directory of this host: a lock on one byte of a file of root's, that goes
//! with its last holder, the supervisor (fcntl(2), open file description locks); and the name of whoever claimed it last. May touch: that
//! file.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::uio::{pread, pwrite};
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use sys::process::errno;
use wire::ids::{BLOCK, IdBlock};
use wire::{ContainerName, Failure};

const FILE: &str = "/run/lazaret.ids";
/// Bytes of a name; the most that [`ContainerName`] has.
const NAME: usize = 64;

fn open(what: &str) -> Result<OwnedFd, Failure> {
    let how = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(FILE, how, Mode::from_raw_mode(0o600)).map_err(|e| Failure::kernel(what, errno(e) as i32))
}

fn index(first: u32, block: IdBlock) -> i64 {
    i64::from(block.first().saturating_sub(first).checked_div(BLOCK).unwrap_or(0))
}

fn place(index: i64) -> i64 {
    index.saturating_mul(i64::try_from(NAME).unwrap_or(0))
}

fn padded(name: &ContainerName) -> [u8; NAME] {
    let mut bytes = [0u8; NAME];
    bytes
        .iter_mut()
        .zip(name.as_str().bytes())
        .for_each(|(to, from)| *to = from);
    bytes
}

/// Claims a block, or says `EBUSY`: the planner then chooses another.
pub fn claim(first: u32, block: IdBlock, name: &ContainerName) -> Result<OwnedFd, Failure> {
    let what = "claim ids for the container";
    let kernel = |e: Errno| Failure::kernel(what, e as i32);
    let file = open(what)?;
    let index = index(first, block);
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: index,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => {}
        Err(Errno::EAGAIN | Errno::EACCES) => return Err(kernel(Errno::EBUSY)),
        Err(e) => return Err(kernel(e)),
    }
    let written = pwrite(&file, &padded(name), place(index)).map_err(kernel)?;
    if written == NAME {
        Ok(file)
    } else {
        Err(kernel(Errno::ENOSPC))
    }
}

/// Whether what runs under a block may be ended in the name of `name`: nobody claims it, or whoever did so last had that name.
pub fn may_clear(first: u32, block: IdBlock, name: &ContainerName) -> Result<(), Failure> {
    let what = "clear this container away: its ids belong to another one now";
    match claim(first, block, name) {
        Ok(_) => Ok(()),
        Err(failure) if failure.errno == Errno::EBUSY as i32 => {
            let mut last = [0u8; NAME];
            let read = pread(&open(what)?, &mut last, place(index(first, block)))
                .map_err(|e| Failure::kernel(what, e as i32))?;
            if read == NAME && last == padded(name) {
                Ok(())
            } else {
                Err(Failure::kernel(what, Errno::EBUSY as i32))
            }
        }
        Err(failure) => Err(failure),
    }
}
