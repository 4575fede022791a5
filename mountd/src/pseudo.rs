//! Mounts made from nothing: a procfs that nothing covers, and a sysfs of the host's network namespace. Touches nothing else.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use sys::mount::{Attr, INERT, Superblock};
use wire::Failure;

/// A procfs of the host's pid namespace, which `init` needs to see before the kernel lets it mount one of the container's own
/// (`mnt_already_visible`). Writable, because that must be no less than what is asked for then; it is detached before the payload.
pub fn proc() -> Result<OwnedFd, Failure> {
    make(c"proc", INERT).map_err(|e| Failure::kernel("make a procfs", e as i32))
}

/// A read-only sysfs.
pub fn sysfs() -> Result<OwnedFd, Failure> {
    let flags = Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    make(c"sysfs", flags).map_err(|e| Failure::kernel("make a sysfs", e as i32))
}

/// A tmpfs whose device nodes can be opened, as those of the host's own mounts can; nobody executes anything in it.
pub fn nodes() -> Result<OwnedFd, Failure> {
    let flags = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC;
    make(c"tmpfs", flags).map_err(|e| Failure::kernel("make a file system for device nodes", e as i32))
}

fn make(kind: &CStr, flags: Attr) -> nix::Result<OwnedFd> {
    let superblock = Superblock::open(kind)?;
    superblock.create()?;
    superblock.mount(flags)
}
