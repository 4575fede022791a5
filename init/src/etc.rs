//! Files of /etc that the container has of its own, whatever its image says: laid over the image's, which is not touched.
//! May touch: these two places of the tree.

use crate::place::{self, Kind, Laid};
use nix::errno::Errno;
use payload::Step;
use std::os::fd::{AsFd, BorrowedFd};
use sys::mount::{Attr, Change, clone_tree, set_attributes};
use wire::failure::Failure;

/// Lays `text` over `/etc/NAME`. The file itself lies in `staging`, a tmpfs that is attached and about to vanish with the builder's tree.
pub fn lay(root: BorrowedFd<'_>, staging: BorrowedFd<'_>, name: &str, text: &str) -> Result<Laid, Failure> {
    let path = format!("/etc/{name}");
    let what = format!("make {path}");
    let file = place::file(staging, name).to(&what)?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = nix::unistd::write(&file, rest).to(&what)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    let mount = clone_tree(place::find(staging, name).to(&what)?.as_fd(), false).to(&what)?;
    let set = Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    set_attributes(
        mount.as_fd(),
        false,
        Change {
            set,
            ..Change::default()
        },
    )
    .to(&what)?;
    let target = match place::find_link(root, &path) {
        Err(Errno::ENOENT) => place::make(root, &path, Kind::File)?,
        other => other.to(&format!("find the place {path}"))?,
    };
    place::over(&path, target.as_fd(), mount.as_fd())
}
