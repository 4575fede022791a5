//! What confinement needs and no crate wraps: closing descriptors by range (close_range(2)), and which Landlock the kernel has
//! (landlock_create_ruleset(2)). May touch: the caller's own descriptor table.

use nix::errno::Errno;
use std::os::fd::RawFd;

/// Closes every descriptor but those in `keep`, which need not be sorted.
///
/// Only for the start of a program, before anything in it owns a descriptor above 2: an owner elsewhere would later close a
/// number that has become somebody else's. (Rust's own objects for 0 to 2 own nothing.)
pub fn close_all_except(keep: &[RawFd]) -> nix::Result<()> {
    let mut kept: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    kept.sort_unstable();
    let mut next = 0u32;
    for fd in kept {
        if let Some(last) = fd.checked_sub(1).filter(|last| *last >= next) {
            close_range(next, last)?;
        }
        next = next.max(fd.saturating_add(1));
    }
    close_range(next, u32::MAX)
}

fn close_range(first: u32, last: u32) -> nix::Result<()> {
    // SAFETY: the call touches no memory. That nobody owns these descriptors is the caller's promise (see above); were it
    // broken, an owner would close a stranger's descriptor.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(result).map(drop)
}

/// The version of Landlock's interface that the kernel offers; `None` if it has no Landlock, has it switched off, or a filter around this
/// process forbids it. Any other error tells nothing of that.
pub fn landlock_abi() -> nix::Result<Option<u32>> {
    const VERSION: u32 = 1; // LANDLOCK_CREATE_RULESET_VERSION
    let (nothing, size) = (std::ptr::null::<libc::c_void>(), 0usize);
    // SAFETY: with no attributes, size 0 and this flag the call only answers a number; it reads and writes no memory.
    let result = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, size, VERSION) };
    match Errno::result(result) {
        Ok(version) => Ok(u32::try_from(version).ok().filter(|v| *v > 0)),
        Err(Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EPERM) => Ok(None),
        Err(e) => Err(e),
    }
}
