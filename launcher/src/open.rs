//! Opens host paths, once each, and tells how far others can reach them. May touch: what the judged requests name, for reading or as
//! `O_PATH`; nothing is opened for writing but what is named here.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::process::errno;
use wire::Failure;
use wire::ids::{IdRange, LAZARET};
use wire::launcher::Directory;

fn kernel(what: String) -> impl Fn(rustix::io::Errno) -> Failure {
    move |e| Failure::kernel(&what, errno(e) as i32)
}

/// A host path that is to appear in a container.
#[derive(Debug)]
pub struct Place {
    /// The `O_PATH` descriptor.
    pub fd: OwnedFd,
    /// Its owner and mode.
    pub stat: Stat,
}

/// Opens a directory or regular file as `O_PATH`. Magic links are not followed.
pub fn place(path: &str) -> Result<Place, Failure> {
    let fail = kernel(format!("open {path}"));
    let fd = rustix::fs::openat2(
        CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    )
    .map_err(&fail)?;
    let stat = rustix::fs::fstat(&fd).map_err(&fail)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory | FileType::RegularFile => Ok(Place { fd, stat }),
        _ => Err(Failure::caller(&format!(
            "mount {path}: it is neither a directory nor a regular file"
        ))),
    }
}

/// Refuses a place where a container could make a setuid file that other users of the host can execute: it must lie on a nosuid
/// mount, or below a directory that is closed to others.
pub fn closed_to_others(path: &str, place: &Place) -> Result<(), Failure> {
    let fail = kernel(format!("look at {path}"));
    if rustix::fs::fstatvfs(&place.fd)
        .map_err(&fail)?
        .f_flag
        .contains(StatVfsMountFlags::NOSUID)
    {
        return Ok(());
    }
    let up = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let mut here = if FileType::from_raw_mode(place.stat.st_mode) == FileType::Directory {
        rustix::fs::openat(&place.fd, ".", up, Mode::empty()).map_err(&fail)?
    } else {
        let parent = std::path::Path::new(path).parent().unwrap_or(std::path::Path::new("/"));
        rustix::fs::openat2(CWD, parent, up, Mode::empty(), ResolveFlags::NO_MAGICLINKS).map_err(&fail)?
    };
    // A path has at most 2048 directories (PATH_MAX); more is a tree that is being moved about under us.
    for _ in 0..2048 {
        let now = rustix::fs::fstat(&here).map_err(&fail)?;
        let ours = now.st_uid == 0 || now.st_uid == LAZARET;
        let open_to_group = now.st_mode & 0o010 != 0 && now.st_gid != 0 && now.st_gid != LAZARET;
        if ours && now.st_mode & 0o001 == 0 && !open_to_group {
            return Ok(());
        }
        let above = rustix::fs::openat(&here, "..", up, Mode::empty()).map_err(&fail)?;
        let next = rustix::fs::fstat(&above).map_err(&fail)?;
        if (next.st_dev, next.st_ino) == (now.st_dev, now.st_ino) {
            break;
        }
        here = above;
    }
    Err(Failure::caller(&format!(
        "mount {path} writable: other users of this host can reach it, and a setuid file made inside would be root's here; \
         close a directory above it (chmod 0700), or mount it nosuid, or read-only"
    )))
}

/// Whether a place's owner is already one of the container's ids, so that it must not be mapped again.
pub fn already_shifted(place: &Place, map: &[IdRange]) -> bool {
    map.iter()
        .any(|r| place.stat.st_uid.checked_sub(r.outside).is_some_and(|d| d < r.count))
}

/// A device node of the host, as `O_PATH`.
pub fn node(name: &str) -> Result<OwnedFd, Failure> {
    let path = format!("/dev/{name}");
    rustix::fs::openat2(
        CWD,
        &*path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    )
    .map_err(kernel(format!("open {path}")))
}

/// A file for reading and writing, or reading alone, by absolute path: `/dev/fuse`, `/dev/null`, and the two forwarding switches.
pub fn file(path: &str, write: bool) -> Result<OwnedFd, Failure> {
    let how = if write { OFlags::RDWR } else { OFlags::RDONLY };
    rustix::fs::open(
        path,
        how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY,
        Mode::empty(),
    )
    .map_err(kernel(format!("open {path}")))
}

/// A regular file that the command line names. It may be any that root can read: root named it.
pub fn named(path: &str) -> Result<OwnedFd, Failure> {
    let fail = kernel(format!("open {path}"));
    let fd = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(&fail)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&fd).map_err(&fail)?.st_mode) {
        FileType::RegularFile | FileType::Fifo => {
            rustix::fs::fcntl_setfl(&fd, OFlags::empty()).map_err(&fail)?;
            Ok(fd)
        }
        _ => Err(Failure::caller(&format!("read {path}: it is not a regular file"))),
    }
}

/// One of `lazaret`'s own directories. A missing one is made, owned by `lazaret`'s uid, in a directory that nobody else may write; one
/// that is there must be `lazaret`'s, and closed to others.
pub fn own_directory(which: Directory, path: &str) -> Result<OwnedFd, Failure> {
    let what = match which {
        Directory::Run => "the directory of runtime state",
        Directory::Definitions => "the directory of definitions",
        Directory::Data => "the directory of data",
    };
    let fail = kernel(format!("open {what} {path}"));
    let refuse = |why: &str| Failure::caller(&format!("use {what} {path}: {why}"));
    let (Some(parent), Some(name)) = (
        std::path::Path::new(path).parent(),
        std::path::Path::new(path).file_name(),
    ) else {
        return Err(refuse("it is not the absolute path of a directory"));
    };
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if !path.starts_with('/') {
        return Err(refuse("it is not an absolute path"));
    }
    let above = rustix::fs::openat2(CWD, parent, how, Mode::empty(), ResolveFlags::NO_MAGICLINKS).map_err(&fail)?;
    let stat = rustix::fs::fstat(&above).map_err(&fail)?;
    if (stat.st_uid != 0 && stat.st_uid != LAZARET) || stat.st_mode & 0o022 != 0 {
        return Err(refuse("the directory above it may be written by others"));
    }
    as_lazaret(|| match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(fail(e)),
    })?;
    let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&above, name, open, Mode::empty()).map_err(&fail)?;
    let stat = rustix::fs::fstat(&fd).map_err(&fail)?;
    if stat.st_uid != LAZARET || stat.st_mode & 0o077 != 0 {
        return Err(refuse(
            "it does not belong to lazaret alone (uid 1879048192, mode 0700)",
        ));
    }
    Ok(fd)
}

fn as_lazaret<T>(act: impl FnOnce() -> T) -> T {
    sys::process::set_file_ids(LAZARET);
    let done = act();
    sys::process::set_file_ids(0);
    done
}

/// Makes a directory below `parent` that belongs to `owner`, unless it is there.
pub fn make_for(parent: BorrowedFd<'_>, name: &str, owner: u32) -> Result<(), rustix::io::Errno> {
    sys::process::set_file_ids(owner);
    let made = rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755));
    sys::process::set_file_ids(0);
    match made {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(e),
    }
}

/// `/proc/PID` of a child that has not been waited for.
pub fn proc_directory(pid: nix::unistd::Pid) -> Result<OwnedFd, Failure> {
    let path = format!("/proc/{pid}");
    rustix::fs::open(
        &*path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(kernel(format!("open {path}")))
}

/// Whether a directory entry of that name is there, whatever it is.
pub fn exists(parent: impl AsFd, name: &str) -> bool {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}
