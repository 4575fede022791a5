//! What of /proc and /sys a container does not see, and what it sees but cannot write: laid over by mounts that are the container's own, and
//! verified by the first process itself. May touch: these places of the tree.

use crate::below;
use crate::place::{self, Kind, Laid};
use nix::errno::Errno;
use payload::Step;
use policies::masks::{HIDDEN, PROCESSORS, READ_ONLY, SYSTEM_WRITES, THROTTLE};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxAttributes, StatxFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Change, clone_tree, open_beneath, set_attributes};
use wire::failure::Failure;
use wire::init::{Container, Profile};

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: i64 = 0x0102_1994;

fn covered<'a>(places: &'a [&'a str], container: &'a Container) -> impl Iterator<Item = &'a str> {
    let left = |path: &&str| container.unmasked.iter().any(|u| u.as_str() == *path);
    places.iter().copied().filter(move |p| !left(p))
}

/// What this container does not see.
fn hidden(root: BorrowedFd<'_>, container: &Container) -> Result<Vec<String>, Failure> {
    let mut all: Vec<String> = covered(&HIDDEN, container).map(str::to_owned).collect();
    all.extend(throttles(root).to("look for the processors")?);
    if container.shares_network() {
        let mut more = below::mounted(root).to("look for what is mounted below /sys")?;
        more.retain(|path| !all.contains(path));
        more.sort_unstable();
        more.dedup();
        all.extend(more);
    }
    Ok(all)
}

/// [`THROTTLE`] of each processor that has it.
fn throttles(root: BorrowedFd<'_>) -> nix::Result<Vec<String>> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let below = std::ffi::CString::new(PROCESSORS.trim_start_matches('/')).map_err(|_| Errno::EINVAL)?;
    let directory = match open_beneath(root, &below, flags, Mode::empty(), resolve) {
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in Dir::new(directory).map_err(sys::process::errno)? {
        let entry = entry.map_err(sys::process::errno)?;
        let name = entry.file_name().to_string_lossy();
        let path = format!("{PROCESSORS}/{name}/{THROTTLE}");
        if name.starts_with("cpu") && place::find(root, &path).is_ok() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether the container writes the settings of its network: they are its own.
fn writes_network(container: &Container) -> bool {
    container.command.profile == Profile::System && !container.shares_network()
}

/// Lays every mask and read-only mount. `null` is the container's null device, attached.
pub fn lay(root: BorrowedFd<'_>, null: BorrowedFd<'_>, container: &Container) -> Result<Vec<Laid>, Failure> {
    let mut laid = read_only(root, container)?;
    let mut empty: Option<OwnedFd> = None;
    for path in &hidden(root, container)? {
        let target = match place::find(root, path) {
            // This kernel has no such file, so that there is nothing to hide.
            Err(Errno::ENOENT) => continue,
            other => other.to(&format!("find {path}"))?,
        };
        let what = format!("make the mask for {path}");
        let mask = match Kind::of(target.as_fd()).to(&what)? {
            Kind::File | Kind::Placeholder => clone_tree(null, false).to(&what)?,
            Kind::Directory => match &empty {
                Some(empty) => clone_tree(empty.as_fd(), false).to(&what)?,
                None => nothing().to(&what)?,
            },
        };
        seal(mask.as_fd()).to(&what)?;
        laid.push(place::over(path, target.as_fd(), mask.as_fd())?);
        if empty.is_none() && Kind::of(mask.as_fd()) == Ok(Kind::Directory) {
            empty = Some(mask);
        }
    }
    Ok(laid)
}

/// Lays copies of places over themselves that cannot be written. `/sys` is a read-only mount as it is.
fn read_only(root: BorrowedFd<'_>, container: &Container) -> Result<Vec<Laid>, Failure> {
    let mut laid = Vec::new();
    let mut writable = Vec::new();
    for path in SYSTEM_WRITES.into_iter().filter(|_| writes_network(container)) {
        match place::find(root, path) {
            Err(Errno::ENOENT) => {}
            at => writable.push((
                path,
                at.and_then(|at| clone_tree(at.as_fd(), false))
                    .to(&format!("copy {path}"))?,
            )),
        }
    }
    for path in covered(&READ_ONLY, container).filter(|p| p.starts_with("/proc")) {
        let target = match place::find(root, path) {
            Err(Errno::ENOENT) => continue,
            other => other.to(&format!("find {path}"))?,
        };
        let what = format!("make {path} read-only");
        let copy = clone_tree(target.as_fd(), false).to(&what)?;
        let change = Change {
            set: Attr::MOUNT_ATTR_RDONLY,
            ..Change::default()
        };
        set_attributes(copy.as_fd(), false, change).to(&what)?;
        laid.push(place::over(path, target.as_fd(), copy.as_fd())?);
    }
    for (path, copy) in writable {
        let target = place::find(root, path).to(&format!("find {path}"))?;
        laid.push(place::over(path, target.as_fd(), copy.as_fd())?);
    }
    Ok(laid)
}

/// An empty directory of which nothing can be made.
fn nothing() -> nix::Result<OwnedFd> {
    crate::dev::tmpfs(c"4k", c"0555", Attr::MOUNT_ATTR_RDONLY)
}

fn seal(mask: BorrowedFd<'_>) -> nix::Result<()> {
    let set = Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC;
    set_attributes(
        mask,
        false,
        Change {
            set,
            ..Change::default()
        },
    )
}

/// Looks again, through the payload's own mounts: everything that exists and is to be hidden is, and what is to be read-only cannot be
/// written.
pub fn verify(root: BorrowedFd<'_>, container: &Container) -> Result<(), Failure> {
    for path in &hidden(root, container)? {
        check(root, path, hides)?;
    }
    for path in covered(&READ_ONLY, container) {
        check(root, path, refuses_writing)?;
    }
    if covered(&["/proc/sys"], container).next().is_none() {
        return Ok(());
    }
    for path in std::iter::once("/proc/sys/net").chain(SYSTEM_WRITES) {
        let at = match place::find(root, path) {
            Err(Errno::ENOENT) => continue,
            at => at.to(&format!("find {path}"))?,
        };
        let may_write = writes_network(container) && SYSTEM_WRITES.contains(&path);
        if !may_write && !flagged_read_only(at.as_fd()).to(&format!("look at {path}"))? {
            return Err(Failure::bug(&format!("trust {path}: it can be written")));
        }
    }
    Ok(())
}

fn check(root: BorrowedFd<'_>, path: &str, good: fn(BorrowedFd<'_>) -> nix::Result<bool>) -> Result<(), Failure> {
    let at = match place::find(root, path) {
        Err(Errno::ENOENT) => return Ok(()),
        other => other.to(&format!("look at {path}"))?,
    };
    if is_mount(at.as_fd()).to(&format!("look at {path}"))? && good(at.as_fd()).to(&format!("look at {path}"))? {
        return Ok(());
    }
    Err(Failure::bug(&format!("trust {path}: what was to cover it does not")))
}

fn hides(at: BorrowedFd<'_>) -> nix::Result<bool> {
    match place::file_type(at)? {
        FileType::Directory => {
            let filesystem = rustix::fs::fstatfs(at).map_err(sys::process::errno)?.f_type;
            let links = rustix::fs::fstat(at).map_err(sys::process::errno)?.st_nlink;
            Ok(filesystem == TMPFS && links == 2 && flagged_read_only(at)?)
        }
        _ => payload::streams::is_null(at),
    }
}

fn refuses_writing(at: BorrowedFd<'_>) -> nix::Result<bool> {
    flagged_read_only(at)
}

fn flagged_read_only(at: BorrowedFd<'_>) -> nix::Result<bool> {
    let flags = rustix::fs::fstatvfs(at).map_err(sys::process::errno)?.f_flag;
    Ok(flags.contains(StatVfsMountFlags::RDONLY))
}

/// Whether this is the root of a mount (statx(2), `STATX_ATTR_MOUNT_ROOT`).
fn is_mount(at: BorrowedFd<'_>) -> nix::Result<bool> {
    let stat = rustix::fs::statx(at, c"", AtFlags::EMPTY_PATH, StatxFlags::empty()).map_err(sys::process::errno)?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_tree_without_masks_is_not_trusted() {
        let root = File::open("/").unwrap();
        assert!(verify(root.as_fd(), &crate::judge::tests::container()).is_err());
    }

    #[test]
    fn a_network_is_written_only_by_the_system_that_has_it() {
        let mut c = crate::judge::tests::container();
        assert!(!writes_network(&c));
        c.command.profile = Profile::System;
        assert!(writes_network(&c));
        c.host_network = true;
        assert!(!writes_network(&c));
    }

    #[test]
    fn what_is_left_as_it_is_is_not_hidden_and_nothing_else() {
        let root = File::open("/").unwrap();
        let mut c = crate::judge::tests::container();
        let all = hidden(root.as_fd(), &c).unwrap();
        c.unmasked = vec![wire::init::Path::new("/proc/keys").unwrap()];
        let mut left = hidden(root.as_fd(), &c).unwrap();
        left.push("/proc/keys".to_owned());
        left.sort_unstable();
        assert_eq!(left.len(), all.len());
        assert!(all.iter().all(|p| left.binary_search(p).is_ok()));
    }
}
