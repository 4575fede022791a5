//! Files of /etc that the container has of its own, whatever its image says: laid over the image's, which is not touched.
//! May touch: these two places of the tree.

use crate::place::{self, Kind, Laid};
use crate::undo::{Made, Places};
use nix::errno::Errno;
use payload::Step;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, ResolveFlags, Stat};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Change, Superblock, clone_tree, open_beneath, set_attributes};
use wire::failure::Failure;
use wire::placeholder::is_placeholder;

/// How often a place may come and go, with containers that share a writable image, before it is given up.
const TURNS: u32 = 10_000;

/// An empty file over which a file is laid. Whoever removes its name takes the mount off in every namespace: so each container that uses it
/// holds a shared lock on it (flock(2)). One that was made because the image had nothing there bears a mark ([`wire::placeholder`]), and goes
/// with the last container that holds it, whichever made it; if that is killed, the launcher takes it away.
#[derive(Debug)]
pub struct Placeholder {
    directory: OwnedFd,
    name: CString,
    path: CString,
    file: (u64, u64),
    held: OwnedFd,
    ours: bool,
}

/// What was found where a file is to be laid.
enum Place {
    /// An empty file, which will not go.
    Held(OwnedFd, Placeholder),
    /// What the image has of its own.
    Images(OwnedFd),
    /// It came or went at that moment.
    Again,
}

impl Placeholder {
    /// Holds what is at the place `target`, if it is an empty file that is still there.
    fn hold(root: BorrowedFd<'_>, name: &str, path: &str, target: OwnedFd, made: bool) -> Result<Place, Failure> {
        let what = format!("hold the place {path}");
        let stat = rustix::fs::fstat(&target).to(&what)?;
        let empty = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size == 0;
        if !empty {
            return Ok(Place::Images(target));
        }
        let directory = place::find(root, "/etc").to(&what)?;
        let text = |t: &str| CString::new(t).map_err(|_| Failure::bug(&what));
        let (name, path) = (text(name)?, text(path)?);
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let held = match open_beneath(directory.as_fd(), &name, how, Mode::empty(), resolve) {
            Err(Errno::ENOENT) => return Ok(Place::Again),
            other => other.to(&what)?,
        };
        let file = (stat.st_dev, stat.st_ino);
        match rustix::fs::flock(&held, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Place::Again),
            other => other.to(&what)?,
        }
        let opened = rustix::fs::fstat(&held).to(&what)?;
        let there = rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW);
        let same = |s: &Stat| (s.st_dev, s.st_ino) == file;
        if !same(&opened) || !there.is_ok_and(|s| same(&s)) {
            return Ok(Place::Again);
        }
        let held = Self {
            directory,
            name,
            path,
            file,
            held,
            ours: made || is_placeholder(opened.st_mode, opened.st_size, opened.st_nlink),
        };
        Ok(Place::Held(target, held))
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
        if !self.ours || rustix::fs::flock(&self.held, FlockOperation::NonBlockingLockExclusive).is_err() {
            return;
        }
        let stat = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        if stat.is_ok_and(|s| (s.st_dev, s.st_ino) == self.file && s.st_size == 0) {
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
    places: &mut Places,
) -> Result<Laid, Failure> {
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
    for _ in 0..TURNS {
        let target = match look(root, name, &path, &mut places.made)? {
            Place::Held(target, placeholder) => {
                places.placeholders.push(placeholder);
                target
            }
            Place::Images(target) => target,
            Place::Again => {
                rustix::thread::sched_yield();
                continue;
            }
        };
        return place::over(&path, target.as_fd(), mount.as_fd());
    }
    Err(Failure::caller(&format!(
        "lay a file over {path}: the place comes and goes"
    )))
}

/// Finds the place, or makes it where the image has none.
fn look(root: BorrowedFd<'_>, name: &str, path: &str, new: &mut Vec<Made>) -> Result<Place, Failure> {
    match place::find_link(root, path) {
        Err(Errno::ENOENT) => match place::make(root, path, Kind::Placeholder, new) {
            // Another container was first, or has just taken its own away.
            Err(failure) if [Errno::EEXIST as i32, Errno::ENOENT as i32].contains(&failure.errno) => Ok(Place::Again),
            made => Placeholder::hold(root, name, path, made?, true),
        },
        found => Placeholder::hold(root, name, path, found.to(&format!("find the place {path}"))?, false),
    }
}
