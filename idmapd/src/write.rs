//! Writes the two map files of one process (user_namespaces(7)). Touches `/proc/PID`, by the descriptor that came with the frame.

use crate::judge::Judged;
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::Failure;

/// Opens both files, then writes each with one write; the group map last, so that a map of users alone is never taken for all.
pub fn write(maps: &Judged, process: BorrowedFd<'_>) -> Result<(), Failure> {
    let kind = rustix::fs::fstatfs(process).map_err(|e| refused("look at the process's directory", e))?;
    if kind.f_type != PROC_SUPER_MAGIC {
        return Err(Failure::caller("write maps outside of procfs"));
    }
    let uid = open(process, c"uid_map")?;
    let gid = open(process, c"gid_map")?;
    put(&uid, &maps.uid, "write the uid map")?;
    put(&gid, &maps.gid, "write the gid map")
}

fn open(process: BorrowedFd<'_>, file: &CStr) -> Result<OwnedFd, Failure> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    sys::mount::open_beneath(process, file, OFlags::WRONLY, Mode::empty(), resolve)
        .map_err(|e| Failure::kernel(&format!("open {}", file.to_string_lossy()), e as i32))
}

fn put(file: &OwnedFd, text: &str, what: &str) -> Result<(), Failure> {
    let written = rustix::io::write(file.as_fd(), text.as_bytes()).map_err(|e| refused(what, e))?;
    if written == text.len() {
        Ok(())
    } else {
        Err(Failure::bug(what))
    }
}

fn refused(what: &str, e: rustix::io::Errno) -> Failure {
    Failure::kernel(what, e.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::judge;
    use wire::ids::IdRange;

    #[test]
    fn refuses_a_directory_that_is_no_process() {
        let r = IdRange {
            inside: 0,
            outside: 100_000,
            count: 1,
        };
        let maps = judge(&[r], &[r], false).unwrap();
        let directory = std::fs::File::open("/").unwrap();
        assert_eq!(write(&maps, directory.as_fd()).unwrap_err().kind, wire::Kind::Caller);
        let directory = std::fs::File::open("/proc").unwrap();
        assert_eq!(
            write(&maps, directory.as_fd()).unwrap_err(),
            Failure::kernel("open uid_map", 2)
        );
    }
}
