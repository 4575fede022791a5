//! The file system that is on a block device. Touches the descriptor of the order.

use crate::pseudo::superblock;
use crate::tree::own;
use rustix::fs::{AtFlags, FileType, StatxFlags, statx};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use sys::mount::Attr;
use wire::Failure;
use wire::mountd::FileSystem;

/// What makes the file system itself read-only.
const READ_ONLY: [&CStr; 1] = [c"ro"];
/// What ext4 does when it finds itself damaged, whatever its superblock says: that may say that the kernel is to stop the host.
const DAMAGED: (&CStr, &CStr) = (c"errors", c"remount-ro");

/// Makes the superblock, or takes the one that the kernel has of it, and a mount of it whose files have the namespace's ids. The kernel finds the
/// device by the descriptor's own link, so that no path leads elsewhere meanwhile.
pub fn make(at: &OwnedFd, kind: FileSystem, flags: Attr, idmap: &OwnedFd) -> Result<OwnedFd, Failure> {
    let found = statx(at, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
    let found = found.map_err(|e| Failure::kernel("look at a disk", e.raw_os_error()))?;
    if FileType::from_raw_mode(found.stx_mode.into()) != FileType::BlockDevice {
        return Err(Failure::caller("mount what is no block device as a disk"));
    }
    let source = CString::new(format!("/proc/self/fd/{}", at.as_raw_fd())).unwrap_or_default();
    let strings = [(c"source", source.as_c_str()), DAMAGED];
    let of_kind = if kind == FileSystem::Ext4 { 2 } else { 1 };
    let strings = strings.get(..of_kind).unwrap_or_default();
    let read_only = usize::from(flags.contains(Attr::MOUNT_ATTR_RDONLY));
    let words = READ_ONLY.get(..read_only).unwrap_or_default();
    let what = format!("mount the {} file system of a disk", kind.name().to_string_lossy());
    let made = superblock(kind.name(), strings, words, flags);
    own(
        made.map_err(|e| Failure::kernel(&what, e as i32))?,
        false,
        flags,
        Some(idmap),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_block_device() {
        let open = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let said = make(&open(), FileSystem::Ext4, Attr::MOUNT_ATTR_NODEV, &open()).unwrap_err();
        assert!(said.what.as_str().contains("no block device"), "{said:?}");
    }
}
