//! Opens host paths, once each, and tells how far others can reach them. May touch: what the judged requests name, for reading or as
//! `O_PATH`; nothing is opened for writing but what is named here.

use crate::links;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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

/// Opens the directory or regular file `below` a directory, as `O_PATH`. No link, symbolic or magic, and no `..` leads out of the directory, and
/// no link is followed that a container may have laid; `users`: on an ordinary user's host.
pub fn place(root: &str, below: &str, users: bool) -> Result<Place, Failure> {
    let path = format!("{}{below}", root.trim_end_matches('/'));
    let fail = kernel(format!("open {path}"));
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let top = rustix::fs::open(root, how | OFlags::DIRECTORY, Mode::empty()).map_err(&fail)?;
    let within = if root == "/" {
        ResolveFlags::IN_ROOT
    } else {
        ResolveFlags::BENEATH
    };
    let below = match below.trim_start_matches('/') {
        "" => ".",
        some => some,
    };
    let denied = |e| match e {
        rustix::io::Errno::XDEV => Failure::caller(&format!("open {path}: a link or .. in it leads out of {root}")),
        e => fail(e),
    };
    let within = within | ResolveFlags::NO_MAGICLINKS;
    // What the kernel would not open is refused with its own reason; a magic link (/proc/PID/cwd), which nobody lays and which says no way, by it alone.
    // What is used is opened below.
    rustix::fs::openat2(&top, below, how, Mode::empty(), within).map_err(&denied)?;
    let fd = links::open(top.as_fd(), below, within, users).map_err(|e| match e {
        links::Denied::Kernel(e) => denied(e),
        links::Denied::Laid(at) => Failure::caller(&format!(
            "open {path}: {}/{at} is a symbolic link where a container may have laid it; name the place that it leads to",
            root.trim_end_matches('/')
        )),
    })?;
    let stat = rustix::fs::fstat(&fd).map_err(&fail)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory | FileType::RegularFile => Ok(Place { fd, stat }),
        _ => Err(Failure::caller(&format!(
            "mount {path}: it is neither a directory nor a regular file"
        ))),
    }
}

impl Place {
    /// Whether it is the directory `/`, by whatever path.
    pub fn is_hosts_root(&self) -> Result<bool, Failure> {
        let root = rustix::fs::stat("/").map_err(kernel("look at /".to_owned()))?;
        Ok(is(&self.stat, &root))
    }

    /// The path that the kernel gives it, without links: where the path that was asked for has led.
    pub fn led(&self) -> Result<String, Failure> {
        let link = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        let path = std::fs::read_link(link)
            .map_err(|e| Failure::kernel("find where a path leads", e.raw_os_error().unwrap_or(0)))?;
        let path = path.into_os_string().into_string();
        path.map_err(|_| Failure::caller("open a path that leads to a name which is not UTF-8"))
    }

    /// The directory in which it lies, or itself if it is one. A file's is found by the path that the kernel gives the open file, never by
    /// the one that was asked for, which a link may have led elsewhere.
    fn directory(&self, path: &str) -> Result<OwnedFd, Failure> {
        let fail = kernel(format!("look at the directory of {path}"));
        let up = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
        if FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory {
            return rustix::fs::openat(&self.fd, ".", up, Mode::empty()).map_err(fail);
        }
        let moved = || {
            Failure::caller(&format!(
                "mount {path} writable: it has another name, or is being moved"
            ))
        };
        let shown = std::path::PathBuf::from(self.led()?);
        let (above, name) = shown.parent().zip(shown.file_name()).ok_or_else(moved)?;
        let above = rustix::fs::openat2(CWD, above, up, Mode::empty(), ResolveFlags::NO_SYMLINKS).map_err(&fail)?;
        let found = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW).map_err(&fail)?;
        if self.stat.st_nlink == 1 && is(&self.stat, &found) {
            Ok(above)
        } else {
            Err(moved())
        }
    }
}

fn is(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Refuses a place where a container could make a setuid file that other users of the host can execute: it must lie on a nosuid
/// mount, or below a directory of root's that is closed to all others, `lazaret` among them. (A file's own access list shows in the bits of
/// its group, acl(5).)
pub fn closed_to_others(path: &str, place: &Place) -> Result<(), Failure> {
    let fail = kernel(format!("look at {path}"));
    let mount = rustix::fs::fstatvfs(&place.fd).map_err(&fail)?;
    if mount.f_flag.contains(StatVfsMountFlags::NOSUID) {
        return Ok(());
    }
    if FileType::from_raw_mode(place.stat.st_mode) == FileType::RegularFile && place.stat.st_nlink > 1 {
        return Err(Failure::caller(&format!(
            "mount {path} writable: it has other names (hard links), and by one of them other users of this host may reach it"
        )));
    }
    let mut here = place.directory(path)?;
    // A path has at most 2048 directories (PATH_MAX); more is a tree that is being moved about under us.
    for _ in 0..2048 {
        let now = rustix::fs::fstat(&here).map_err(&fail)?;
        if now.st_uid == 0 && now.st_mode & 0o011 == 0 {
            return Ok(());
        }
        let up = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let above = rustix::fs::openat(&here, "..", up, Mode::empty()).map_err(&fail)?;
        let next = rustix::fs::fstat(&above).map_err(&fail)?;
        if is(&now, &next) {
            break;
        }
        here = above;
    }
    Err(Failure::caller(&format!(
        "mount {path} writable: other users of this host can reach it, and a setuid file made inside would be root's here; \
         close a directory above it (owned by root, chmod 0700), or mount it nosuid, or read-only"
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

/// What the host path of a device node, whatever links lead there, is; it is opened as `O_PATH` only, so that no driver hears of it.
pub fn device(path: &str) -> Result<Stat, Failure> {
    let fail = kernel(format!("open {path}"));
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let fd = rustix::fs::openat2(CWD, path, how, Mode::empty(), ResolveFlags::NO_MAGICLINKS).map_err(&fail)?;
    rustix::fs::fstat(&fd).map_err(&fail)
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

/// The log of deeds, for reading and appending, and its head, for reading and writing; both are made if they are not there, and so is
/// the directory that they lie in. Root's alone may be what stands on record.
pub fn log(path: &str) -> Result<(OwnedFd, OwnedFd), Failure> {
    let how = OFlags::RDWR | OFlags::CREATE;
    let directory = log_directory(path)?;
    let name = log_name(path)?;
    let log = of_root(&directory, name, path, how | OFlags::APPEND)?;
    let head = of_root(&directory, &format!("{name}.head"), path, how)?;
    Ok((log, head))
}

/// The same, with the head locked: until the writer has it and lets go, the log keeps its name.
pub fn log_locked(path: &str) -> Result<(OwnedFd, OwnedFd), Failure> {
    let directory = log_directory(path)?;
    let name = log_name(path)?;
    let how = OFlags::RDWR | OFlags::CREATE;
    let head = of_root(&directory, &format!("{name}.head"), path, how)?;
    rustix::fs::flock(&head, rustix::fs::FlockOperation::LockExclusive)
        .map_err(kernel(format!("lock the log of deeds {path}")))?;
    let log = of_root(&directory, name, path, how | OFlags::APPEND)?;
    Ok((log, head))
}

/// The log and its head, for reading.
pub fn log_to_read(path: &str) -> Result<(OwnedFd, OwnedFd), Failure> {
    let directory = log_directory(path)?;
    let name = log_name(path)?;
    let head = of_root(
        &directory,
        &format!("{name}.head"),
        path,
        OFlags::RDONLY | OFlags::CREATE,
    )?;
    let log = of_root(&directory, name, path, OFlags::RDONLY | OFlags::CREATE)?;
    Ok((log, head))
}

/// Where the number of the last record stands in the head (`chain/src/head.rs`).
const LAST_NUMBER: u64 = 24;

/// Gives the log the name under which it is kept, which ends in the number of its last record, and gives its head, locked: whoever is to write
/// the first record of the next file has it from here. In the order of these numbers the files are one chain, whoever rotated first.
pub fn log_rotated(path: &str) -> Result<OwnedFd, Failure> {
    let directory = log_directory(path)?;
    let name = log_name(path)?;
    let fail = kernel(format!("begin a new file of {path}"));
    let head = of_root(&directory, &format!("{name}.head"), path, OFlags::RDWR)?;
    rustix::fs::flock(&head, rustix::fs::FlockOperation::LockExclusive).map_err(&fail)?;
    let mut number = [0; 8];
    if rustix::io::pread(&head, &mut number, LAST_NUMBER).map_err(&fail)? != number.len() {
        return Err(Failure::caller(&format!(
            "begin a new file of {path}: its head is cut off"
        )));
    }
    let kept = format!("{name}.{}", u64::from_le_bytes(number));
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    rustix::fs::renameat_with(&directory, name, &directory, &*kept, flags).map_err(&fail)?;
    Ok(head)
}

fn log_name(path: &str) -> Result<&str, Failure> {
    let name = path.rsplit_once('/').map(|(_, name)| name).filter(|n| !n.is_empty());
    name.ok_or_else(|| {
        Failure::caller(&format!(
            "use {path} as the log of deeds: it is not the absolute path of a file"
        ))
    })
}

/// The directory that the log lies in, which only root may write. A missing one is made, closed to others.
fn log_directory(path: &str) -> Result<OwnedFd, Failure> {
    let fail = kernel(format!("open the directory of {path}"));
    let directory = path.rsplit_once('/').map_or("", |(above, _)| above);
    let directory = if directory.is_empty() { "/" } else { directory };
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || rustix::fs::openat2(CWD, directory, how, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    let fd = match open() {
        Err(rustix::io::Errno::NOENT) => {
            match rustix::fs::mkdir(directory, Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(fail(e)),
            }
            open().map_err(&fail)?
        }
        other => other.map_err(&fail)?,
    };
    let stat = rustix::fs::fstat(&fd).map_err(&fail)?;
    if stat.st_uid != 0 || stat.st_mode & 0o022 != 0 {
        return Err(Failure::caller(&format!(
            "use {path} as the log of deeds: others than root may write in its directory"
        )));
    }
    Ok(fd)
}

fn of_root(directory: &OwnedFd, name: &str, path: &str, how: OFlags) -> Result<OwnedFd, Failure> {
    let fail = kernel(format!("open the log of deeds {path}"));
    let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = rustix::fs::openat(directory, name, how, Mode::RUSR | Mode::WUSR).map_err(&fail)?;
    let stat = rustix::fs::fstat(&fd).map_err(&fail)?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || stat.st_uid != 0 || stat.st_mode & 0o077 != 0 || stat.st_nlink != 1 {
        return Err(Failure::caller(&format!(
            "use {path} as the log of deeds: it, or its head, is not a regular file of root's alone (mode 0600, one name)"
        )));
    }
    Ok(fd)
}

/// The path of what was opened, by whatever way it was named.
pub fn path(opened: &OwnedFd) -> Result<String, Failure> {
    let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let path = std::fs::read_link(link);
    let path = path.map_err(|e| Failure::kernel("tell where the state directory is", e.raw_os_error().unwrap_or(0)))?;
    Ok(path.to_string_lossy().into_owned())
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
    with_ids(LAZARET, LAZARET, || {
        match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(e) => Err(fail(e)),
        }
    })?;
    let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&above, name, open, Mode::empty()).map_err(&fail)?;
    let stat = rustix::fs::fstat(&fd).map_err(&fail)?;
    if stat.st_uid != LAZARET || stat.st_mode & 0o077 != 0 {
        return Err(refuse(
            "it does not belong to lazaret alone (uid 1879048192, mode 0700); one that is not there is made so",
        ));
    }
    Ok(fd)
}

/// Does something to files under other ids, with the launcher's capabilities as they are.
pub fn with_ids<T>(uid: u32, gid: u32, act: impl FnOnce() -> T) -> T {
    sys::process::set_file_ids(uid, gid);
    let done = act();
    sys::process::set_file_ids(0, 0);
    done
}

/// Makes a directory below `parent`, which belongs to whoever this process makes files as, unless it is there.
pub fn make(parent: BorrowedFd<'_>, name: &str) -> Result<(), rustix::io::Errno> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(e),
    }
}

/// All of a file that the kernel makes, as text: with room for what such files are, so that it is read in one go.
pub fn text(file: impl AsFd) -> Result<String, rustix::io::Errno> {
    String::from_utf8(bytes(file)?).map_err(|_| rustix::io::Errno::ILSEQ)
}

/// The same, whatever it is.
pub fn bytes(file: impl AsFd) -> Result<Vec<u8>, rustix::io::Errno> {
    let mut bytes = Vec::with_capacity(8192);
    while rustix::io::retry_on_intr(|| rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)))? != 0 {
        bytes.reserve(8192);
    }
    Ok(bytes)
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

/// Refuses a directory as a standard stream: from its descriptor `..` leads to the host's root, past everything around the container.
pub fn no_directories(streams: &[OwnedFd]) -> Result<(), Failure> {
    for stream in streams {
        let stat = rustix::fs::fstat(stream).map_err(kernel("look at a descriptor that is passed".to_owned()))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(Failure::caller("hand over a directory: it leads out of the container"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    /// A directory that goes when the test does.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("lazaret-open-{test}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("root/below")).unwrap();
            std::fs::create_dir(path.join("secret")).unwrap();
            std::fs::write(path.join("secret/file"), "x").unwrap();
            Self(path)
        }

        fn path(&self, below: &str) -> String {
            self.0.join(below).to_str().unwrap().to_owned()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn nothing_leads_out_of_a_root_that_the_policy_names() {
        let scratch = Scratch::new("root");
        let root = scratch.path("root");
        symlink("../secret", scratch.path("root/out")).unwrap();
        symlink(scratch.path("secret"), scratch.path("root/away")).unwrap();
        symlink("below", scratch.path("root/in")).unwrap();
        for good in ["", "/", "/below", "/below/../below"] {
            assert!(place(&root, good, false).is_ok(), "{good}");
        }
        // Everybody may lay one in the directory of temporary files.
        let failure = place(&root, "/in", false).unwrap_err();
        assert!(
            failure
                .what
                .as_str()
                .contains("/root/in is a symbolic link where a container"),
            "{failure:?}"
        );
        for bad in ["/../secret", "/out", "/away", "/out/file", "/in/../../secret"] {
            let failure = place(&root, bad, false).unwrap_err();
            assert!(failure.what.as_str().contains("leads out"), "{bad}: {failure:?}");
        }
        assert!(place(&root, "/missing", false).is_err());
        assert!(place("/", "/proc/self/cwd", false).is_err() && place("/", "/dev/null", false).is_err());
    }

    #[test]
    fn the_hosts_root_is_known_by_whatever_path() {
        for path in ["", "/", "/proc/..", "/./"] {
            assert!(place("/", path, false).unwrap().is_hosts_root().unwrap(), "{path}");
        }
        assert!(!place("/", "/proc", false).unwrap().is_hosts_root().unwrap());
    }

    #[test]
    fn a_file_is_reached_where_it_lies_and_not_where_a_link_to_it_does() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let scratch = Scratch::new("file");
        let closed = |path: &str| closed_to_others(path, &place("/", path, false).unwrap()).is_ok();
        if closed(&scratch.path("secret")) {
            eprintln!("skipped: the directory of temporary files is closed or nosuid");
            return;
        }
        // Where only root lays one.
        let link = format!("/lazaret-open-{}", std::process::id());
        symlink(scratch.path("secret/file"), &link).unwrap();
        let (open, shut, shared) = file_states(&scratch, &link, closed);
        std::fs::remove_file(&link).unwrap();
        assert_eq!((open, shut, shared), (false, true, false));
    }

    fn file_states(scratch: &Scratch, link: &str, closed: impl Fn(&str) -> bool) -> (bool, bool, bool) {
        std::fs::set_permissions(scratch.path("root"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let open = closed(link) || !closed(&scratch.path("root/below"));
        std::fs::set_permissions(scratch.path("secret"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let shut = closed(link);
        std::fs::hard_link(scratch.path("secret/file"), scratch.path("other")).unwrap();
        (open, shut, closed(link))
    }

    #[test]
    fn a_directory_is_closed_only_by_root_and_to_every_group() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let scratch = Scratch::new("closed");
        let below = scratch.path("root/below");
        let closed = || closed_to_others(&below, &place("/", &below, false).unwrap()).is_ok();
        if closed() {
            eprintln!("skipped: the directory of temporary files is closed or nosuid");
            return;
        }
        for (mode, owner, expected) in [
            (0o700, 0, true),
            (0o710, 0, false),
            (0o701, 0, false),
            (0o700, LAZARET, false),
        ] {
            std::fs::set_permissions(scratch.path("root"), std::fs::Permissions::from_mode(mode)).unwrap();
            std::os::unix::fs::chown(scratch.path("root"), Some(owner), None).unwrap();
            assert_eq!(closed(), expected, "{mode:o} {owner}");
        }
    }

    #[test]
    fn a_directory_is_no_stream() {
        let open = |path: &str| OwnedFd::from(std::fs::File::open(path).unwrap());
        assert!(no_directories(&[open("/dev/null"), open("/proc/self/status")]).is_ok());
        assert!(no_directories(&[open("/dev/null"), open("/usr")]).is_err());
        assert!(no_directories(&[place("/", "/usr", false).unwrap().fd]).is_err());
    }

    #[test]
    fn a_file_with_another_name_is_not_closed_to_others() {
        let scratch = Scratch::new("links");
        std::fs::set_permissions(scratch.path("secret"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = scratch.path("secret/file");
        let refused_for_links = || {
            let judged = closed_to_others(&path, &place("/", &path, false).unwrap());
            judged.is_err_and(|f| f.what.as_str().contains("hard links"))
        };
        assert!(!refused_for_links());
        std::fs::hard_link(&path, scratch.path("root/below/open")).unwrap();
        let mount = rustix::fs::statvfs(&*path).unwrap();
        assert_eq!(refused_for_links(), !mount.f_flag.contains(StatVfsMountFlags::NOSUID));
    }
}
