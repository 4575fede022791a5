//! How many requests of one user are served at a time: whoever connects and says nothing keeps only that user's own waiting. Locks on the bytes of
//! one file, which the kernel takes away with their holder. May touch: that file.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use sys::process::errno;
use wire::Failure;

/// Nothing is ever written there.
const FILE: &str = "/run/lazaret-broker.turns";
/// How many.
const EACH: u32 = 4;

/// Takes a turn of this user's, which is held until the descriptor is closed.
pub fn take(uid: u32) -> Result<OwnedFd, Failure> {
    take_in(FILE, uid)
}

fn take_in(file: &str, uid: u32) -> Result<OwnedFd, Failure> {
    let fail = |e: Errno| Failure::kernel(&format!("lock {file}"), e as i32);
    let how = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::open(file, how, Mode::from_raw_mode(0o600)).map_err(|e| fail(errno(e)))?;
    for turn in 0..EACH {
        match fcntl(&held, FcntlArg::F_OFD_SETLK(&of(uid, turn))) {
            Ok(_) => return Ok(held),
            Err(Errno::EAGAIN | Errno::EACCES) => {}
            Err(e) => return Err(fail(e)),
        }
    }
    Err(Failure::caller(&format!(
        "serve more than {EACH} requests of the user {uid} at a time: ask again"
    )))
}

/// The byte of a turn.
const fn of(uid: u32, turn: u32) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: (uid as libc::off_t)
            .saturating_mul(EACH as libc::off_t)
            .saturating_add(turn as libc::off_t),
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_and_another_ones_are_apart() {
        let file = std::env::temp_dir().join(format!("lazaret-turns-{}", std::process::id()));
        let file = file.to_str().unwrap();
        let mut held: Vec<OwnedFd> = (0..EACH).map(|_| take_in(file, 1000).unwrap()).collect();
        assert!(take_in(file, 1000).unwrap_err().what.as_str().contains("at a time"));
        for other in [0, 999, 1001, u32::MAX] {
            let all: Vec<_> = (0..EACH).map(|_| take_in(file, other).unwrap()).collect();
            assert!(take_in(file, other).is_err(), "{other}");
            drop(all);
        }
        held.pop();
        held.push(take_in(file, 1000).unwrap());
        assert!(take_in(file, 1000).is_err());
        std::fs::remove_file(file).unwrap();
    }
}
