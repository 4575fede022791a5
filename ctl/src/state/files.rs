//! Files below an open directory: read with a bound, written by temporary file, fsync and rename, listed, removed.
//! May touch: what lies in the directory that it is given, never above it, and never through a link.

use crate::error::{Error, Outcome};
use nix::errno::Errno;
use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, ResolveFlags};
use std::os::fd::{AsFd, OwnedFd};

/// The most bytes of a definition or a state file.
pub const MOST: usize = 1024 * 1024;

fn says(what: &str, name: &str) -> impl FnOnce(rustix::io::Errno) -> Error {
    let what = format!("{what} {name}");
    move |e| Error::kernel(what, Errno::from_raw(e.raw_os_error()))
}

const OWN_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Opens a file, which must be there; `None` if it is not.
pub fn open(directory: impl AsFd, name: &str, flags: OFlags) -> Outcome<Option<OwnedFd>> {
    match rustix::fs::openat(
        directory,
        name,
        flags | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    ) {
        Ok(fd) => Ok(Some(fd)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(e) => Err(says("open", name)(e)),
    }
}

/// Opens a file for reading and writing, and makes it if it is not there.
pub fn open_or_make(directory: impl AsFd, name: &str) -> Outcome<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(directory, name, flags, OWN_FILE).map_err(says("open", name))
}

/// Opens a file for reading alone, and makes it if it is not there: whoever is handed it cannot write it.
pub fn open_or_make_to_read(directory: impl AsFd, name: &str) -> Outcome<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(directory, name, flags, OWN_FILE).map_err(says("open", name))
}

/// Writes a short file that is there in its place, so that it stays the same file: who reads it meanwhile may find nothing, or a part.
pub fn overwrite(directory: impl AsFd, name: &str, content: &[u8]) -> Outcome<()> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(says("open", name))?;
    write_whole(&fd, name, content)
}

fn write_whole(fd: &OwnedFd, name: &str, content: &[u8]) -> Outcome<()> {
    let mut rest = content;
    while !rest.is_empty() {
        match rustix::io::write(fd, rest) {
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(says("write", name)(e)),
        }
    }
    Ok(())
}

/// Opens a file in a directory of that directory, following no link in either; `None` if there is none.
pub fn open_below(directory: impl AsFd, inner: &str, name: &str, flags: OFlags) -> Outcome<Option<OwnedFd>> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let path = format!("{inner}/{name}");
    match rustix::fs::openat2(directory, &path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Ok(fd) => Ok(Some(fd)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(e) => Err(says("open", &path)(e)),
    }
}

/// Opens a directory; `None` if it is not there.
pub fn open_directory(directory: impl AsFd, name: &str) -> Outcome<Option<OwnedFd>> {
    open(directory, name, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Makes a directory, unless it is there.
pub fn make_directory(directory: impl AsFd, name: &str) -> Outcome<()> {
    match rustix::fs::mkdirat(directory, name, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(says("make", name)(e)),
    }
}

/// Reads what is open, up to `most` bytes; `None` if there is more.
pub fn read_open(fd: impl AsFd, name: &str, most: usize) -> Outcome<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let mut part = [0u8; 16384];
    loop {
        match rustix::io::read(&fd, &mut part) {
            Ok(0) => return Ok(Some(content)),
            Ok(n) => content.extend_from_slice(part.get(..n).unwrap_or_default()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(says("read", name)(e)),
        }
        if content.len() > most {
            return Ok(None);
        }
    }
}

/// Reads a whole file; `None` if it is not there.
pub fn read(directory: impl AsFd, name: &str) -> Outcome<Option<Vec<u8>>> {
    let Some(fd) = open(directory, name, OFlags::RDONLY)? else {
        return Ok(None);
    };
    read_whole(fd, name).map(Some)
}

/// Reads a regular file that most often is short, with one call then: a read that does not fill its room has come to the end.
pub fn read_short(fd: impl AsFd, name: &str) -> Outcome<Vec<u8>> {
    let mut content = vec![0u8; 4096];
    match rustix::io::read(&fd, content.as_mut_slice()) {
        Ok(length) if length < content.len() => {
            content.truncate(length);
            Ok(content)
        }
        Ok(_) => {
            content.extend(read_whole(fd, name)?);
            Ok(content)
        }
        Err(rustix::io::Errno::INTR) => read_whole(fd, name),
        Err(e) => Err(says("read", name)(e)),
    }
}

/// Reads what is open, which must not have more than [`MOST`] bytes.
pub fn read_whole(fd: impl AsFd, name: &str) -> Outcome<Vec<u8>> {
    let content = read_open(fd, name, MOST)?;
    content.ok_or_else(|| Error::caller(format!("{name} has more than {MOST} bytes")))
}

/// Whether what is written is there after the machine itself has crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// It is: both the file and its name have reached the disk.
    Always,
    /// It need not be, since what it tells of is gone then too: after that the file may be an empty one.
    UntilReboot,
}

/// Writes a whole file: whoever reads it sees the old content or the new, whichever process dies in between.
pub fn write(directory: impl AsFd, name: &str, content: &[u8], lasting: Lasting) -> Outcome<()> {
    let directory = directory.as_fd();
    let temporary = format!(".{name}.new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::openat(directory, &temporary, flags, OWN_FILE).map_err(says("make", name))?;
    write_whole(&fd, name, content)?;
    if lasting == Lasting::Always {
        rustix::fs::fsync(&fd).map_err(says("write", name))?;
    }
    rustix::fs::renameat(directory, &temporary, directory, name).map_err(says("write", name))?;
    if lasting == Lasting::Always {
        rustix::fs::fsync(directory).map_err(says("write", name))?;
    }
    Ok(())
}

/// Makes a link to a path, unless there is one of that name, and sees that it lasts.
pub fn link(directory: impl AsFd, to: &str, name: &str) -> Outcome<()> {
    match rustix::fs::symlinkat(to, &directory, name) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(e) => return Err(says("make", name)(e)),
    }
    rustix::fs::fsync(directory).map_err(says("make", name))
}

/// Removes a file; `false` if it was not there.
pub fn remove(directory: impl AsFd, name: &str) -> Outcome<bool> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(e) => Err(says("remove", name)(e)),
    }
}

/// Removes a directory that has nothing in it; one that has is left.
pub fn remove_if_empty(directory: impl AsFd, name: &str) -> Outcome<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(says("remove", name)(e)),
    }
}

/// Removes a directory and the files in it.
pub fn remove_directory(directory: impl AsFd, name: &str) -> Outcome<()> {
    let directory = directory.as_fd();
    let Some(inner) = open_directory(directory, name)? else {
        return Ok(());
    };
    for (entry, _) in entries(&inner, name)? {
        remove(&inner, &entry)?;
    }
    match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(e) => Err(says("remove", name)(e)),
    }
}

/// The names in a directory, sorted, and whether each is a directory. Names that are not UTF-8 are none of ours.
pub fn entries(directory: impl AsFd, name: &str) -> Outcome<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory).map_err(says("list", name))? {
        let entry = entry.map_err(says("list", name))?;
        if let Ok(text) = entry.file_name().to_str()
            && !matches!(text, "." | "..")
        {
            found.push((text.to_owned(), entry.file_type() == FileType::Directory));
        }
    }
    found.sort();
    Ok(found)
}

/// Takes a lock that no other open file description holds, waiting for it.
pub fn lock(fd: impl AsFd, name: &str) -> Outcome<()> {
    loop {
        match rustix::fs::flock(&fd, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(says("lock", name)(e)),
        }
    }
}

/// Takes a lock if no other open file description holds it.
pub fn try_lock(fd: impl AsFd, name: &str) -> Outcome<bool> {
    match rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(says("lock", name)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (std::path::PathBuf, OwnedFd) {
        let path = std::env::temp_dir().join(format!(
            "lazaret-files-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&path).unwrap();
        let fd = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        (path, fd)
    }

    #[test]
    fn files_are_written_whole_and_never_through_a_link() {
        let (path, fd) = place();
        write(&fd, "a", b"one", Lasting::Always).unwrap();
        write(&fd, "a", b"two", Lasting::Always).unwrap();
        assert_eq!(read(&fd, "a").unwrap().unwrap(), b"two");
        assert_eq!(read(&fd, "b").unwrap(), None);
        std::os::unix::fs::symlink("/etc/passwd", path.join("l")).unwrap();
        assert!(read(&fd, "l").is_err());
        make_directory(&fd, "d").unwrap();
        write(open_directory(&fd, "d").unwrap().unwrap(), "x", b"", Lasting::Always).unwrap();
        remove_directory(&fd, "d").unwrap();
        assert!(remove(&fd, "a").unwrap() && !remove(&fd, "a").unwrap());
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let (path, fd) = place();
        let a = open_or_make(&fd, "lock").unwrap();
        let b = open_or_make(&fd, "lock").unwrap();
        assert!(try_lock(&a, "lock").unwrap() && !try_lock(&b, "lock").unwrap());
        drop(a);
        assert!(try_lock(&b, "lock").unwrap());
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn refuses_a_file_that_is_too_long() {
        let (path, fd) = place();
        std::fs::write(path.join("big"), vec![0u8; MOST + 1]).unwrap();
        assert!(read(&fd, "big").is_err());
        std::fs::remove_dir_all(path).unwrap();
    }
}
