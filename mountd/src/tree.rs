//! Clones of what is mounted somewhere, with flags and id maps of their own. Touches the descriptors of the order.

use std::os::fd::{AsFd, OwnedFd};
use sys::mount::{Attr, Change, Propagation, clone_tree, set_attributes};
use wire::Failure;

/// Clones, and sets flags, id map and private propagation on every mount of the clone at once.
pub fn make(at: &OwnedFd, recursive: bool, flags: Attr, idmap: Option<&OwnedFd>) -> Result<OwnedFd, Failure> {
    let clone = clone_tree(at.as_fd(), recursive).map_err(|e| Failure::kernel("clone the tree", e as i32))?;
    own(clone, recursive, flags, idmap)
}

/// Sets flags, id map and private propagation on what nobody else has.
pub fn own(mount: OwnedFd, recursive: bool, flags: Attr, idmap: Option<&OwnedFd>) -> Result<OwnedFd, Failure> {
    let change = Change {
        set: flags,
        propagation: Some(Propagation::Private),
        idmap: idmap.map(AsFd::as_fd),
        ..Change::default()
    };
    let what = if idmap.is_some() {
        "map the ids of a tree: this kernel may not do so for its file system, as before 6.3 for a tmpfs"
    } else {
        "set the flags of a tree"
    };
    set_attributes(mount.as_fd(), recursive, change).map_err(|e| Failure::kernel(what, e as i32))?;
    Ok(mount)
}
