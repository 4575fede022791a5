//! The container's group of version 2 before its next start: the groups that the last one made below it go, and the controllers go off that it
//! turned on for them, for nobody can be born in a group that passes controllers on (cgroups(7), "no internal processes").
//! May touch: that group and what is below it, which is the container's own.

use nix::errno::Errno;
use payload::Step;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::process::errno;
use wire::failure::Failure;

/// The most that is read of a list of controllers.
const MOST: usize = 4096;

/// Makes the group as it was before the first start. Nobody is in it any more, nor below it.
pub fn vacate(group: BorrowedFd<'_>) -> Result<(), Failure> {
    remove_below(group).to("remove the control groups that the container has made")?;
    turn_off(group).to("turn off the controllers that the container has turned on")
}

/// Removes every group below, the deepest first.
fn remove_below(top: BorrowedFd<'_>) -> nix::Result<()> {
    let mut way: Vec<(CString, OwnedFd)> = Vec::new();
    loop {
        let here = way.last().map_or(top, |(_, group)| group.as_fd());
        if let Some(name) = sweep(here)? {
            let below = open(here, &name, OFlags::DIRECTORY)?;
            way.push((name, below));
            continue;
        }
        let Some((name, _)) = way.pop() else {
            return Ok(());
        };
        let above = way.last().map_or(top, |(_, group)| group.as_fd());
        rustix::fs::unlinkat(above, &name, AtFlags::REMOVEDIR).map_err(errno)?;
    }
}

/// Removes the groups directly below, until one is found in which there is something.
fn sweep(group: BorrowedFd<'_>) -> nix::Result<Option<CString>> {
    // A descriptor of its own begins with the first entry.
    let listing = open(group, c".", OFlags::DIRECTORY)?;
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(&listing, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(errno)?;
        let name = entry.file_name();
        if entry.file_type() != FileType::Directory || name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::unlinkat(group, name, AtFlags::REMOVEDIR).map_err(errno) {
            Ok(()) => {}
            Err(Errno::EBUSY | Errno::ENOTEMPTY) => return Ok(Some(name.to_owned())),
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

fn turn_off(group: BorrowedFd<'_>) -> nix::Result<()> {
    let control = open(group, c"cgroup.subtree_control", OFlags::RDWR)?;
    let mut bytes = [0; MOST];
    let length = nix::unistd::read(&control, &mut bytes)?;
    let on = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned();
    let off: Vec<String> = on.split_ascii_whitespace().map(|c| format!("-{c}")).collect();
    if off.is_empty() {
        return Ok(());
    }
    nix::unistd::write(&control, off.join(" ").as_bytes()).map(drop)
}

fn open(group: BorrowedFd<'_>, name: &CStr, how: OFlags) -> nix::Result<OwnedFd> {
    let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(group, name, flags, Mode::empty()).map_err(errno)
}
