//! The file system that is on a block device. Touches the descriptor of the order.

use crate::pseudo::superblock;
use crate::tree::own;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use sys::mount::Attr;
use wire::Failure;
use wire::mountd::FileSystem;

/// What makes the file system itself read-only.
const READ_ONLY: [&CStr; 1] = [c"ro"];

/// Makes the superblock, or takes the one that the kernel has of it, and a mount of it whose files have the namespace's ids. The kernel finds the
/// device by the descriptor's own link, so that no path leads elsewhere meanwhile.
pub fn make(at: &OwnedFd, kind: FileSystem, flags: Attr, idmap: &OwnedFd) -> Result<OwnedFd, Failure> {
    let (kind, source) = (kind.name(), format!("/proc/self/fd/{}", at.as_raw_fd()));
    let source = CString::new(source).unwrap_or_default();
    let read_only = usize::from(flags.contains(Attr::MOUNT_ATTR_RDONLY));
    let words = READ_ONLY.get(..read_only).unwrap_or_default();
    let what = format!("mount the {} file system of a disk", kind.to_string_lossy());
    let made = superblock(kind, &[(c"source", &source)], words, flags);
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
        assert!(make(&open(), FileSystem::Ext4, Attr::MOUNT_ATTR_NODEV, &open()).is_err());
    }
}
