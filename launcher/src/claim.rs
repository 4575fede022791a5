//! Claims a block of ids for one container, across every state directory and policy of this host: a lock on as many bytes of a file of
//! root's as the block has ids, one for each, that goes with its last holder, the supervisor (fcntl(2), open file description locks); and,
//! at the first of them, the name of whoever claimed it last. The file is sparse. May touch: that file.

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

fn padded(name: &ContainerName) -> [u8; NAME] {
    let mut bytes = [0u8; NAME];
    bytes
        .iter_mut()
        .zip(name.as_str().bytes())
        .for_each(|(to, from)| *to = from);
    bytes
}

/// Claims a block, or says `EBUSY`: the planner then chooses another.
pub fn claim(block: IdBlock, name: &ContainerName) -> Result<OwnedFd, Failure> {
    let what = "claim ids for the container";
    let kernel = |e: Errno| Failure::kernel(what, e as i32);
    let file = open(what)?;
    let place = i64::from(block.first());
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: place,
        l_len: i64::from(BLOCK),
        l_pid: 0,
    };
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => {}
        Err(Errno::EAGAIN | Errno::EACCES) => return Err(kernel(Errno::EBUSY)),
        Err(e) => return Err(kernel(e)),
    }
    let written = pwrite(&file, &padded(name), place).map_err(kernel)?;
    if written == NAME {
        Ok(file)
    } else {
        Err(kernel(Errno::ENOSPC))
    }
}

/// Whether what runs under a block may be ended in the name of `name`: nobody claims it, or whoever did so last had that name.
pub fn may_clear(block: IdBlock, name: &ContainerName) -> Result<(), Failure> {
    let what = "clear this container away: its ids belong to another one now";
    match claim(block, name) {
        Ok(_) => Ok(()),
        Err(failure) if failure.errno == Errno::EBUSY as i32 => {
            let mut last = [0u8; NAME];
            let read = pread(&open(what)?, &mut last, i64::from(block.first()))
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
