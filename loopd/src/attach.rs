//! Loop devices. Touches the descriptors of the order, after it has asked what they are.

use rustix::fs::{AtFlags, FileType, StatxFlags, statx};
use std::os::fd::{AsFd, OwnedFd};
use sys::loops;
use wire::Failure;
use wire::loopd::Reply;

/// Number of `/dev/loop-control`, and the major number of loop devices (`Documentation/admin-guide/devices.txt`).
const CONTROL: (u32, u32) = (10, 237);
const MAJOR: u32 = 7;
/// What the kernel says of a device that has a file already.
const BUSY: i32 = 16;

fn number(fd: &OwnedFd, kind: FileType) -> Option<(u32, u32)> {
    let found = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).ok()?;
    let right = FileType::from_raw_mode(found.stx_mode.into()) == kind;
    right.then_some((found.stx_rdev_major, found.stx_rdev_minor))
}

/// The number of a loop device that nobody has.
pub fn find(control: OwnedFd) -> Result<u32, Failure> {
    if number(&control, FileType::CharacterDevice) != Some(CONTROL) {
        return Err(Failure::caller(
            "take what was opened for /dev/loop-control: it is something else",
        ));
    }
    loops::free(control.as_fd()).map_err(|e| Failure::kernel("find a free loop device", e as i32))
}

/// Puts the file behind the device, unless somebody was faster.
pub fn attach(device: OwnedFd, file: &OwnedFd, read_only: bool) -> Result<Reply, Failure> {
    if number(&device, FileType::BlockDevice).is_none_or(|(major, _)| major != MAJOR) {
        return Err(Failure::caller(
            "take what was opened for a loop device: it is something else",
        ));
    }
    match loops::configure(device.as_fd(), file.as_fd(), read_only) {
        Ok(()) => Ok(Reply::Attached),
        Err(e) if e as i32 == BUSY => Ok(Reply::Taken),
        Err(e) => Err(Failure::kernel("put a file behind a loop device", e as i32)),
    }
}
