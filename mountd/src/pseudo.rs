//! Mounts made from nothing: a procfs that nothing covers, a sysfs of the host's network namespace, a tmpfs for device nodes. Touches nothing
//! else.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use sys::mount::{Attr, Superblock};
use wire::Failure;

/// A new instance. A procfs is of the host's pid namespace, which `init` needs to see before the kernel lets it mount one of the container's own
/// (`mnt_already_visible`); it is detached before the payload.
pub fn make(kind: &CStr, flags: Attr) -> Result<OwnedFd, Failure> {
    let made = Superblock::open(kind).and_then(|new| new.create().and_then(|()| new.mount(flags)));
    made.map_err(|e| {
        Failure::kernel(
            &format!("make a file system of type {}", kind.to_string_lossy()),
            e as i32,
        )
    })
}
