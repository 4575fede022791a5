//! Places in the container's tree, by descriptor beneath its root: found, or made where they are missing. No path is resolved twice, and
//! none through a symbolic link. May touch: the tree under construction, whose missing mount points it makes.

use crate::undo::Made;
use nix::errno::Errno;
use payload::Step;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{name_beneath, open_beneath};
use wire::failure::Failure;

/// What kind of place a mount needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// Anything else; an empty file is made.
    File,
    /// An empty file that bears the mark of those that are taken away again ([`wire::placeholder`]).
    Placeholder,
}

impl Kind {
    /// The kind that the root of this mount asks for.
    pub fn of(mount: BorrowedFd<'_>) -> nix::Result<Self> {
        let directory = file_type(mount)? == FileType::Directory;
        Ok(if directory { Self::Directory } else { Self::File })
    }
}

/// The type of an open file.
pub fn file_type(at: BorrowedFd<'_>) -> nix::Result<FileType> {
    let stat = rustix::fs::fstat(at).map_err(sys::process::errno)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

fn c(text: &str) -> nix::Result<CString> {
    CString::new(text).map_err(|_| Errno::EINVAL)
}

/// An absolute path as it is below the root.
fn below(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        rest => rest,
    }
}

/// What is at `path`; a symbolic link anywhere on the way is ELOOP.
pub fn find(root: BorrowedFd<'_>, path: &str) -> nix::Result<OwnedFd> {
    name_beneath(root, &c(below(path))?)
}

/// What is at `path`, and be it a symbolic link itself.
pub fn find_link(root: BorrowedFd<'_>, path: &str) -> nix::Result<OwnedFd> {
    open(root, path, OFlags::PATH | OFlags::NOFOLLOW)
}

/// Opens what is at `path`.
pub fn open(root: BorrowedFd<'_>, path: &str, how: OFlags) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    open_beneath(root, &c(below(path))?, how, Mode::empty(), resolve)
}

/// The place at `path` for a mount of this kind, made with all that leads to it if it is missing; what was made is added to `made`.
pub fn make(root: BorrowedFd<'_>, path: &str, kind: Kind, made: &mut Vec<Made>) -> Result<OwnedFd, Failure> {
    match find(root, path) {
        Err(Errno::ENOENT) => build(root, path, kind, made).map_err(|e| explain(path, e)),
        other => other.map_err(|e| explain(path, e)),
    }
}

fn explain(path: &str, e: Errno) -> Failure {
    match e {
        Errno::EROFS => Failure::caller(&format!("mount {path}: there is no such place on the read-only root")),
        Errno::ELOOP => Failure::caller(&format!("mount {path}: a part of the place is a symbolic link")),
        Errno::ENOTDIR => Failure::caller(&format!("mount {path}: a part of the place is not a directory")),
        e => Failure::kernel(&format!("find or make the place {path}"), e as i32),
    }
}

fn build(root: BorrowedFd<'_>, path: &str, kind: Kind, made: &mut Vec<Made>) -> nix::Result<OwnedFd> {
    let mut at = name_beneath(root, c".")?;
    let mut parts = below(path).split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        at = match name_beneath(at.as_fd(), &c(part)?) {
            Err(Errno::ENOENT) => {
                let new = match kind {
                    Kind::File if last => file(at.as_fd(), part).map(|_| true)?,
                    Kind::Placeholder if last => empty(at.as_fd(), part, wire::placeholder::MODE).map(|_| true)?,
                    _ => new_directory(at.as_fd(), part)?,
                };
                let found = name_beneath(at.as_fd(), &c(part)?)?;
                if new {
                    made.push(Made::new(at.as_fd(), c(part)?, found.as_fd())?);
                }
                found
            }
            other => other?,
        };
    }
    Ok(at)
}

/// Makes a directory of mode 755, or finds that somebody else just has.
pub fn directory(at: BorrowedFd<'_>, name: &str) -> nix::Result<()> {
    new_directory(at, name).map(drop)
}

fn new_directory(at: BorrowedFd<'_>, name: &str) -> nix::Result<bool> {
    match rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(e) => Err(sys::process::errno(e)),
    }
}

/// Makes an empty file of mode 644.
pub fn file(at: BorrowedFd<'_>, name: &str) -> nix::Result<OwnedFd> {
    empty(at, name, 0o644)
}

fn empty(at: BorrowedFd<'_>, name: &str, mode: u32) -> nix::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    open_beneath(at, &c(name)?, flags, Mode::from_raw_mode(mode), resolve)
}

/// A mount that was attached, by its id, so that it can be looked for at its place again.
#[derive(Debug)]
pub struct Laid {
    path: String,
    id: u64,
}

/// Attaches `mount`, which is of this kind, over `target`, which `path` names, if that is of the same.
pub fn lay(path: &str, kind: Kind, target: BorrowedFd<'_>, mount: BorrowedFd<'_>) -> Result<Laid, Failure> {
    let found = Kind::of(target).to(&format!("look at {path}"))?;
    match (kind, found) {
        (Kind::File, Kind::Directory) => Err(Failure::caller(&format!(
            "mount {path}: it is a directory, and what is to lie there is not"
        ))),
        (Kind::Directory, Kind::File) => Err(Failure::caller(&format!(
            "mount {path}: what is to lie there is a directory, and it is not"
        ))),
        _ => over(path, target, mount),
    }
}

/// Attaches `mount` over `target`, which `path` names.
pub fn over(path: &str, target: BorrowedFd<'_>, mount: BorrowedFd<'_>) -> Result<Laid, Failure> {
    sys::mount::attach(mount, target).to(&format!("attach the mount for {path}"))?;
    let id = sys::mount::mount_id(mount).to(&format!("look at the mount for {path}"))?;
    Ok(Laid {
        path: path.to_owned(),
        id,
    })
}

impl Laid {
    /// Opens the place again and compares: whatever lies there must be the mount that was attached.
    pub fn verify(&self, root: BorrowedFd<'_>) -> Result<(), Failure> {
        let at = find_link(root, &self.path).to(&format!("find {} again", self.path))?;
        let id = sys::mount::mount_id(at.as_fd()).to(&format!("look at {} again", self.path))?;
        if id == self.id {
            return Ok(());
        }
        Err(Failure::caller(&format!(
            "trust {}: something else is mounted there",
            self.path
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> (std::path::PathBuf, OwnedFd) {
        let path = std::env::temp_dir().join(format!("place-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let fd = std::fs::File::open(&path).unwrap().into();
        (path, fd)
    }

    #[test]
    fn makes_what_is_missing_and_finds_it_again() {
        let (path, root) = scratch("make");
        make(root.as_fd(), "/a/b/c", Kind::Directory, &mut Vec::new()).unwrap();
        make(root.as_fd(), "/a/b/f", Kind::File, &mut Vec::new()).unwrap();
        assert!(path.join("a/b/c").is_dir() && path.join("a/b/f").is_file());
        assert!(find(root.as_fd(), "/a/b/f").is_ok());
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn refuses_a_link_on_the_way_and_at_the_end() {
        let (path, root) = scratch("link");
        std::os::unix::fs::symlink("/etc", path.join("out")).unwrap();
        for place in ["/out", "/out/x"] {
            let failure = make(root.as_fd(), place, Kind::Directory, &mut Vec::new()).unwrap_err();
            assert!(failure.what.as_str().contains("symbolic link"), "{failure:?}");
        }
        assert_eq!(
            file_type(find_link(root.as_fd(), "/out").unwrap().as_fd()),
            Ok(FileType::Symlink)
        );
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn refuses_a_file_on_the_way() {
        let (path, root) = scratch("file");
        std::fs::write(path.join("f"), "").unwrap();
        let failure = make(root.as_fd(), "/f/x", Kind::Directory, &mut Vec::new()).unwrap_err();
        assert!(failure.what.as_str().contains("not a directory"), "{failure:?}");
        std::fs::remove_dir_all(path).unwrap();
    }
}
