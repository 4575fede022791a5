//! Device nodes of the host's in a container: a mount for each of the factory's nodes, its place below the container's `/dev`, and how it is taken
//! off again. No path is walked through a symbolic link, nor out of the container's root. May touch: the container's `/dev`.

use crate::Step;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Change, attach, clone_tree, mount_id, name_beneath, open_beneath, set_attributes, unmount};
use wire::NodeName;
use wire::failure::Failure;

const WITHIN: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// A mount for each node of the factory's file system, which must be attached where the caller is: writable or not, in their order.
pub fn pick(within: BorrowedFd<'_>, writable: impl Iterator<Item = bool>) -> Result<Vec<OwnedFd>, Failure> {
    let one = |(number, writable): (usize, bool)| {
        let node = name_beneath(within, &name(&number.to_string())?).to("find a device node of the factory's")?;
        let mount = clone_tree(node.as_fd(), false).to("make a mount of a device node")?;
        if !writable {
            let change = Change {
                set: Attr::MOUNT_ATTR_RDONLY,
                ..Change::default()
            };
            set_attributes(mount.as_fd(), false, change).to("make the mount of a device node read-only")?;
        }
        Ok(mount)
    };
    writable.enumerate().map(one).collect()
}

fn name(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::bug("name a device node"))
}

/// Whether something else is where a directory was looked for: a link, or a file.
const fn no_directory(e: Errno) -> bool {
    matches!(e, Errno::ELOOP | Errno::ENOTDIR | Errno::EXDEV)
}

/// The directory of a node, and its name there. Directories that are missing are made where `make`.
fn directory(root: BorrowedFd<'_>, node: &NodeName, make: bool) -> Result<(OwnedFd, CString), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut at = open_beneath(root, c"dev", flags, Mode::empty(), WITHIN)?;
    let mut parts: Vec<&str> = node.as_str().split('/').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let part = CString::new(part).map_err(|_| Errno::EINVAL)?;
        if make {
            match rustix::fs::mkdirat(&at, &part, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(sys::process::errno(e)),
            }
        }
        at = open_beneath(at.as_fd(), &part, flags, Mode::empty(), WITHIN)?;
    }
    Ok((at, CString::new(last).map_err(|_| Errno::EINVAL)?))
}

/// Lays the mount of a node over an empty file that is made for it. Whatever is there already stays as it is, and the node is refused.
pub fn place(root: BorrowedFd<'_>, node: &NodeName, mount: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = format!("make /dev/{node}");
    let (at, last) = directory(root, node, true).map_err(|e| match e {
        e if no_directory(e) => Failure::caller(&format!(
            "use /dev/{node}: something in the container's /dev is no directory where one leads there"
        )),
        e => Failure::kernel(&format!("find the place of /dev/{node}"), e as i32),
    })?;
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    match open_beneath(at.as_fd(), &last, how, Mode::from_raw_mode(0o644), WITHIN) {
        Err(Errno::EEXIST) => {
            return Err(Failure::caller(&format!(
                "{what}: the container has something of that name"
            )));
        }
        made => made.to(&what)?,
    };
    let laid = name_beneath(at.as_fd(), &last)
        .and_then(|target| attach(mount, target.as_fd()))
        .and_then(|()| name_beneath(at.as_fd(), &last))
        .and_then(|there| Ok(mount_id(there.as_fd())? == mount_id(mount)?));
    match laid {
        Ok(true) => Ok(()),
        other => {
            // What was made for it goes; if that fails an empty file stays.
            let _ = rustix::fs::unlinkat(&at, &last, AtFlags::empty());
            other.to(&what)?;
            Err(Failure::caller(&format!("{what}: something else was put there")))
        }
    }
}

/// Takes the mount of a node off, and the empty file below it away. What else is there is left as it is.
pub fn remove(root: BorrowedFd<'_>, node: &NodeName) -> Result<(), Failure> {
    let what = format!("take away /dev/{node}");
    let (at, last) = match directory(root, node, false) {
        Ok(found) => found,
        // Without its directory it is not there either, whatever there is in its place.
        Err(e) if e == Errno::ENOENT || no_directory(e) => return Ok(()),
        Err(e) => return Err(Failure::kernel(&format!("find the place of /dev/{node}"), e as i32)),
    };
    let there = match name_beneath(at.as_fd(), &last) {
        Ok(there) => there,
        Err(e) if e == Errno::ENOENT || no_directory(e) => return Ok(()),
        Err(e) => return Err(e).to(&what),
    };
    let kind = |stat: &rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode);
    let is = kind(&rustix::fs::fstat(&there).to(&what)?);
    let laid = mount_id(there.as_fd()).to(&what)? != mount_id(at.as_fd()).to(&what)?;
    drop(there);
    if laid && matches!(is, FileType::BlockDevice | FileType::CharacterDevice) {
        nix::unistd::fchdir(&at).to(&what)?;
        unmount(&last, true).to(&what)?;
    } else if laid {
        return Ok(());
    }
    // Over such a file it was laid, or was to be when that was cut off.
    let below = rustix::fs::statat(&at, &last, AtFlags::SYMLINK_NOFOLLOW).to(&what)?;
    if kind(&below) == FileType::RegularFile && below.st_size == 0 {
        rustix::fs::unlinkat(&at, &last, AtFlags::empty()).to(&what)?;
    }
    Ok(())
}
