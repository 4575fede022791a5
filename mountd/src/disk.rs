//! The file system that is on a block device. Touches the descriptor of the order.

use crate::tree::own;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use sys::mount::{Attr, Superblock};
use wire::Failure;
use wire::mountd::FileSystem;

/// Makes the superblock, or takes the one that the kernel has of it, and a mount of it whose files have the namespace's ids. The kernel finds the
/// device by the descriptor's own link, so that no path leads elsewhere meanwhile.
pub fn make(at: &OwnedFd, kind: FileSystem, flags: Attr, idmap: &OwnedFd) -> Result<OwnedFd, Failure> {
    let (kind, source) = (kind.name(), format!("/proc/self/fd/{}", at.as_raw_fd()));
    let made = Superblock::open(kind).and_then(|new| {
        new.string(c"source", &CString::new(source).unwrap_or_default())?;
        if flags.contains(Attr::MOUNT_ATTR_RDONLY) {
            new.flag(c"ro")?;
        }
        new.create().and_then(|()| new.mount(flags))
    });
    let what = format!("mount the {} file system of a disk", kind.to_string_lossy());
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
