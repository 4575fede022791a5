//! What the plan attaches in the container's tree, in its order. May touch: the places it names, which are made where they are missing.

use crate::dev::tmpfs;
use crate::place;
use crate::undo::Places;
use payload::Step;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Change, clone_tree, set_attributes};
use wire::failure::Failure;
use wire::init::{Attachment, Source};

/// Attaches them all. `factory` gives the factory's mounts in order.
pub fn lay(
    root: BorrowedFd<'_>,
    attachments: &[Attachment],
    factory: &mut impl Iterator<Item = OwnedFd>,
    places: &mut Places,
) -> Result<(), Failure> {
    for a in attachments {
        let target = a.target.as_str();
        let what = format!("make the mount for {target}");
        let mount = match &a.source {
            Source::Factory => factory
                .next()
                .ok_or_else(|| Failure::protocol(&format!("{what}: it did not come")))?,
            Source::Tmpfs { size, mode } => fresh(*size, *mode, &what)?,
            Source::Inside(path) => {
                let from = place::find(root, path.as_str()).to(&format!("find {path} in the container"))?;
                clone_tree(from.as_fd(), true).to(&what)?
            }
        };
        if a.read_only {
            let change = Change {
                set: Attr::MOUNT_ATTR_RDONLY,
                ..Change::default()
            };
            set_attributes(mount.as_fd(), true, change).to(&format!("make the mount for {target} read-only"))?;
        }
        places.lay(root, target, mount.as_fd())?.verify(root)?;
    }
    Ok(())
}

fn fresh(size: u64, mode: u32, what: &str) -> Result<OwnedFd, Failure> {
    let text = |t: String| CString::new(t).map_err(|_| Failure::bug(what));
    let flags = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV;
    tmpfs(&text(size.to_string())?, &text(format!("{:o}", mode & 0o1777))?, flags).to(what)
}
