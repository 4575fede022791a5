//! Symbolic links on the way to a host path: they are followed only where nobody but root can have laid them, since a container's root lays
//! links in its own tree, on disk as uid 0. May touch: what lies on the way, as `O_PATH`.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// As many links as the kernel follows (path_resolution(7)).
const MOST: usize = 40;
/// As many directories as a path can have (`PATH_MAX`).
const DEEPEST: usize = 2048;
/// Who an ordinary user's host shows root as, and everybody else whom it has no number for (`fs.overflowuid`).
const NOBODY: u32 = 65534;

/// Why a way was not gone.
#[derive(Debug)]
pub enum Denied {
    /// The kernel said no.
    Kernel(Errno),
    /// There is a link on it, at this place below the directory, that somebody else than root may have laid.
    Laid(String),
}

impl From<Errno> for Denied {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

/// Opens what lies `below` a directory, as `O_PATH`, without following a link that a container could have laid. `users`: on an ordinary
/// user's host, where a container writes in no directory but those of its own ids.
pub fn open(top: BorrowedFd<'_>, below: &str, within: ResolveFlags, users: bool) -> Result<OwnedFd, Denied> {
    let mut way = below.to_owned();
    for _ in 0..=MOST {
        match step(top, &way, OFlags::empty(), within) {
            Err(Errno::LOOP) => way = past_first_link(top, &way, within, users)?,
            other => return Ok(other?),
        }
    }
    Err(Errno::LOOP.into())
}

fn step(top: BorrowedFd<'_>, way: &str, more: OFlags, within: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    let how = OFlags::PATH | OFlags::CLOEXEC | more;
    rustix::fs::openat2(top, way, how, Mode::empty(), within | ResolveFlags::NO_SYMLINKS)
}

/// The way with what its first link says in the place of that.
fn past_first_link(top: BorrowedFd<'_>, way: &str, within: ResolveFlags, users: bool) -> Result<String, Denied> {
    let parts: Vec<&str> = way.split('/').filter(|part| !part.is_empty()).collect();
    for (above, part) in parts.iter().enumerate() {
        let (before, rest) = parts.split_at(above);
        let here = if before.is_empty() {
            ".".to_owned()
        } else {
            before.join("/")
        };
        let place = format!("{here}/{part}");
        let holder = step(top, &here, OFlags::DIRECTORY, within)?;
        // Where it climbs, the directory that it is in is not the one before it.
        let found = match *part {
            ".." => step(top, &place, OFlags::NOFOLLOW, within)?,
            part => step(holder.as_fd(), part, OFlags::NOFOLLOW, ResolveFlags::BENEATH)?,
        };
        let stat = rustix::fs::fstat(&found)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            continue;
        }
        if !roots(holder, &stat, users)? {
            return Err(Denied::Laid(place.trim_start_matches("./").to_owned()));
        }
        let said = rustix::fs::readlinkat(&found, "", Vec::new())?;
        let said = said.into_string().map_err(|_| Errno::ILSEQ)?;
        let mut led = match said.starts_with('/') {
            true => said,
            false => format!("{here}/{said}"),
        };
        for part in rest.iter().skip(1) {
            led.push('/');
            led.push_str(part);
        }
        return Ok(led);
    }
    // It was a link a moment ago.
    Err(Errno::LOOP.into())
}

/// Whether only root can have laid a link in this directory. A tree that a container may write belongs to its ids, lies on a nosuid mount, or
/// below a directory that is closed (`open::closed_to_others`); one that is open to a group alone may be another runtime's.
fn roots(directory: OwnedFd, link: &Stat, users: bool) -> rustix::io::Result<bool> {
    let of_root = |stat: &Stat| stat.st_uid == 0 || (users && stat.st_uid == NOBODY);
    let open_and_kept = |stat: &Stat| users || (stat.st_mode & 0o022 == 0 && stat.st_mode & 0o001 != 0);
    let mount = rustix::fs::fstatvfs(&directory)?;
    if !of_root(link) || (!users && mount.f_flag.contains(StatVfsMountFlags::NOSUID)) {
        return Ok(false);
    }
    let mut here = directory;
    for _ in 0..DEEPEST {
        let now = rustix::fs::fstat(&here)?;
        if !of_root(&now) || !open_and_kept(&now) {
            return Ok(false);
        }
        let up = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let above = rustix::fs::openat(&here, "..", up, Mode::empty())?;
        let next = rustix::fs::statat(&above, "", AtFlags::EMPTY_PATH)?;
        if (now.st_dev, now.st_ino) == (next.st_dev, next.st_ino) {
            return Ok(true);
        }
        here = above;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    /// A directory of root's below `/`, which is not closed, and what it is called below `/`.
    struct Scratch(String);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = format!("/lazaret-links-{name}-{}", std::process::id());
            std::fs::create_dir(&path).unwrap();
            std::fs::create_dir(format!("{path}/tree")).unwrap();
            std::fs::create_dir(format!("{path}/away")).unwrap();
            Self(path)
        }
        fn open(&self, below: &str, users: bool) -> Result<OwnedFd, Denied> {
            let root = std::fs::File::open("/").unwrap();
            let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            open(root.as_fd(), &format!("{}/{below}", &self.0[1..]), within, users)
        }
        fn leads(&self, below: &str, place: &str) -> bool {
            let look = |fd: OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
            let there = look(self.open(place, false).unwrap());
            self.open(below, false).is_ok_and(|fd| look(fd) == there)
        }
        fn mode(&self, below: &str, mode: u32) {
            std::fs::set_permissions(format!("{}/{below}", self.0), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn can() -> bool {
        let root = std::fs::File::open("/").unwrap();
        let can = nix::unistd::geteuid().is_root()
            && !rustix::fs::fstatvfs(&root)
                .unwrap()
                .f_flag
                .contains(StatVfsMountFlags::NOSUID);
        if !can {
            eprintln!("skipped: needs root, and a root that is not nosuid");
        }
        can
    }

    #[test]
    fn a_link_of_roots_is_followed_as_the_kernel_does() {
        if !can() {
            return;
        }
        let scratch = Scratch::new("roots");
        let lay = |target: &str, at: &str| symlink(target, format!("{}/{at}", scratch.0)).unwrap();
        lay("away", "beside");
        lay(&format!("{}/away", scratch.0), "absolute");
        lay("../away", "tree/up");
        lay("beside/", "chain");
        lay("itself", "itself");
        std::fs::write(format!("{}/away/file", scratch.0), "x").unwrap();
        lay("away/file", "file");
        for way in [
            "beside",
            "absolute",
            "tree/up",
            "chain",
            "tree/../beside/.",
            "absolute/../tree/up/",
        ] {
            assert!(scratch.leads(way, "away"), "{way}");
        }
        assert!(scratch.leads("file", "away/file") && scratch.leads("tree/up/../file", "away/file"));
        assert!(matches!(
            scratch.open("itself", false),
            Err(Denied::Kernel(Errno::LOOP))
        ));
        assert!(matches!(
            scratch.open("beside/none", false),
            Err(Denied::Kernel(Errno::NOENT))
        ));
        assert!(matches!(
            scratch.open("file/none", false),
            Err(Denied::Kernel(Errno::NOTDIR))
        ));
    }

    #[test]
    fn a_link_that_a_container_may_have_laid_is_not() {
        if !can() {
            return;
        }
        let scratch = Scratch::new("containers");
        symlink("../away", format!("{}/tree/up", scratch.0)).unwrap();
        let followed = || match scratch.open("tree/up/.", false) {
            Ok(_) => true,
            Err(Denied::Laid(at)) => {
                assert_eq!(at, format!("{}/tree/up", &scratch.0[1..]));
                false
            }
            Err(other) => panic!("{other:?}"),
        };
        assert!(followed());
        // Where trees lie that are written with mapped ids: nobody else comes there; and where others write.
        for (place, mode) in [
            ("tree", 0o700),
            ("tree", 0o710),
            ("", 0o700),
            ("tree", 0o777),
            ("tree", 0o1777),
            ("tree", 0o775),
        ] {
            scratch.mode(place, mode);
            assert!(!followed(), "{place} {mode:o}");
            scratch.mode(place, 0o755);
        }
        for place in ["tree", "."] {
            chown(format!("{}/{place}", scratch.0), Some(100_016), None).unwrap();
            assert!(!followed(), "{place}");
            assert!(matches!(scratch.open("tree/up", true), Err(Denied::Laid(_))), "{place}");
            chown(format!("{}/{place}", scratch.0), Some(0), None).unwrap();
        }
        std::os::unix::fs::lchown(format!("{}/tree/up", scratch.0), Some(100_016), None).unwrap();
        assert!(!followed());
    }
}
