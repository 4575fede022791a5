//! Files of /etc that the container has of its own, whatever its image says: laid over the image's, which is not touched.
//! May touch: these two places of the tree.

use crate::place::{self, Kind, Laid};
use nix::errno::Errno;
use payload::Step;
use rustix::fs::AtFlags;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Change, Superblock, clone_tree, set_attributes};
use wire::failure::Failure;

/// An empty file that a writable image was given, because it had nothing to lay a file over. It goes with the container.
#[derive(Debug)]
pub struct Placeholder {
    directory: OwnedFd,
    name: CString,
    path: CString,
    made: (u64, u64),
}

impl Placeholder {
    fn new(root: BorrowedFd<'_>, name: &str, path: &str) -> Result<Self, Failure> {
        let what = format!("remember the place {path}");
        let directory = place::find(root, "/etc").to(&what)?;
        let text = |t: &str| CString::new(t).map_err(|_| Failure::bug(&what));
        let (name, path) = (text(name)?, text(path)?);
        let stat = rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW).to(&what)?;
        Ok(Self {
            directory,
            name,
            path,
            made: (stat.st_dev, stat.st_ino),
        })
    }

    /// Takes the file off its place in the builder's own namespace, once the payload has a copy: a place that is in use cannot be removed.
    pub fn uncover(&self) {
        // Where it is covered still, removing it fails too, and an empty file stays behind.
        let _ = sys::mount::unmount(&self.path, true);
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        self.uncover();
        let stat = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        if stat.is_ok_and(|s| (s.st_dev, s.st_ino) == self.made && s.st_size == 0) {
            let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Makes places for those of `names` that a read-only image lacks: a read-only overlay of /etc in which they are empty files. To be called
/// before anything is attached below /etc.
pub fn prepare(root: BorrowedFd<'_>, staging: BorrowedFd<'_>, names: &[&str]) -> Result<(), Failure> {
    let lacks = |name: &&&str| place::find_link(root, &format!("/etc/{name}")).err() == Some(Errno::ENOENT);
    let missing: Vec<_> = names.iter().filter(lacks).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = "make places in /etc, which the read-only image lacks";
    let image = place::find(root, "/etc").to(what)?;
    place::directory(staging, "etc").to(what)?;
    let ours = place::find(staging, "etc").to(what)?;
    for name in missing {
        place::file(ours.as_fd(), name).to(what)?;
    }
    let layers = format!("/proc/self/fd/{}:/proc/self/fd/{}", ours.as_raw_fd(), image.as_raw_fd());
    let layers = CString::new(layers).map_err(|_| Failure::bug(what))?;
    let overlay = || {
        let overlay = Superblock::open(c"overlay")?;
        overlay.string(c"source", c"overlay")?;
        overlay.string(c"lowerdir", &layers)?;
        overlay.flag(c"userxattr")?;
        overlay.create()?;
        overlay.mount(Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV)
    };
    let overlay = overlay().to(what)?;
    place::over("/etc", image.as_fd(), overlay.as_fd()).map(drop)
}

/// Lays `text` over `/etc/NAME`. The file itself lies in `staging`, a tmpfs that is attached and about to vanish with the builder's tree.
pub fn lay(
    root: BorrowedFd<'_>,
    staging: BorrowedFd<'_>,
    name: &str,
    text: &str,
) -> Result<(Laid, Option<Placeholder>), Failure> {
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
    let (target, placeholder) = match place::find_link(root, &path) {
        Err(Errno::ENOENT) => {
            let made = place::make(root, &path, Kind::File)?;
            (made, Some(Placeholder::new(root, name, &path)?))
        }
        other => (other.to(&format!("find the place {path}"))?, None),
    };
    Ok((place::over(&path, target.as_fd(), mount.as_fd())?, placeholder))
}
