//! Mounts made from nothing: a procfs that nothing covers, a sysfs of the host's network namespace, a tmpfs for device nodes; and
//! what every new file system is made by. Touches nothing else.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use sys::mount::{Attr, Superblock};
use wire::Failure;

/// A new instance. A procfs is of the host's pid namespace, which `init` needs to see before the kernel lets it mount one of the container's own
/// (`mnt_already_visible`); it is detached before the payload.
pub fn make(kind: &CStr, flags: Attr) -> Result<OwnedFd, Failure> {
    let what = format!("make a file system of type {}", kind.to_string_lossy());
    superblock(kind, &[], &[], flags).map_err(|e| Failure::kernel(&what, e as i32))
}

/// A mount of a file system with these parameters: those with a value, and those that are but a word.
pub fn superblock(kind: &CStr, strings: &[(&CStr, &CStr)], words: &[&CStr], flags: Attr) -> nix::Result<OwnedFd> {
    let new = Superblock::open(kind)?;
    strings.iter().try_for_each(|(key, value)| new.string(key, value))?;
    words.iter().try_for_each(|word| new.flag(word))?;
    new.create()?;
    new.mount(flags)
}
