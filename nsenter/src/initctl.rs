//! Asks the container's init for a runlevel by the pipe that System V's init listens on (initctl(5)), which others have too. May touch: the calling
//! process, which joins the container's namespaces of users and of mounts, and that pipe.
//!
//! No symbolic link is followed, so that nobody is led out of the container; what is there is looked at before it is opened, and opened without
//! waiting for whoever reads it.

use crate::node::join;
use nix::errno::Errno;
use payload::Step;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{name_beneath, open_beneath};
use wire::failure::Failure;
use wire::nsenter::Runlevel;

/// Where such a pipe is: the directory, and its name there.
const PLACES: [(&std::ffi::CStr, &std::ffi::CStr, &str); 3] = [
    (c"run", c"initctl", "/run/initctl"),
    (c"dev", c"initctl", "/dev/initctl"),
    (c"etc", c".initctl", "/etc/.initctl"),
];
/// Bytes of `struct init_request`.
const LENGTH: usize = 384;
/// Its `magic`.
const MAGIC: i32 = 0x0309_1969;
/// Its `cmd` for another runlevel.
const RUNLEVEL: i32 = 1;

const WITHIN: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// The request: `magic`, `cmd`, `runlevel`, `sleeptime`, and data of other requests.
fn request(runlevel: Runlevel) -> [u8; LENGTH] {
    let level = match runlevel {
        Runlevel::Halt => b'0',
        Runlevel::Reboot => b'6',
    };
    let words = [MAGIC, RUNLEVEL, i32::from(level), 0].map(i32::to_ne_bytes);
    let mut bytes = [0; LENGTH];
    let head = words.iter().flatten();
    bytes.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
    bytes
}

/// Writes it to the first pipe that somebody reads; whether there is one.
pub fn ask(user: &OwnedFd, mount: &OwnedFd, runlevel: Runlevel) -> Result<bool, Failure> {
    // The host's own, which a container may see that has the host's root.
    let hosts: Vec<(u64, u64)> = PLACES
        .iter()
        .filter_map(|(.., path)| rustix::fs::lstat(*path).ok())
        .map(|stat| (stat.st_dev, stat.st_ino))
        .collect();
    let root = join(user, mount)?;
    for (directory, name, path) in PLACES {
        if let Some(pipe) = open(root.as_fd(), directory, name, &hosts).to(&format!("open the container's {path}"))? {
            let written =
                rustix::io::write(&pipe, &request(runlevel)).to(&format!("write to the container's {path}"))?;
            if written == LENGTH {
                return Ok(true);
            }
            return Err(Failure::kernel(
                &format!("write to the container's {path}"),
                Errno::EIO as i32,
            ));
        }
    }
    Ok(false)
}

/// The pipe, if there is one that somebody reads and that is not the host's.
fn open(
    root: BorrowedFd<'_>,
    directory: &std::ffi::CStr,
    name: &std::ffi::CStr,
    hosts: &[(u64, u64)],
) -> Result<Option<OwnedFd>, Errno> {
    // None of these is the place of a pipe.
    let none = |e: Errno| match e {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV => Ok(None),
        e => Err(e),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let at = match open_beneath(root, directory, flags, Mode::empty(), WITHIN) {
        Ok(at) => at,
        Err(e) => return none(e),
    };
    let is_pipe = |fd: &OwnedFd| {
        let stat = rustix::fs::fstat(fd).map_err(sys::process::errno)?;
        let pipe = FileType::from_raw_mode(stat.st_mode) == FileType::Fifo;
        Ok(pipe && !hosts.contains(&(stat.st_dev, stat.st_ino)))
    };
    match name_beneath(at.as_fd(), name) {
        Ok(seen) if is_pipe(&seen)? => {}
        Ok(_) => return Ok(None),
        Err(e) => return none(e),
    }
    let how = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    match open_beneath(at.as_fd(), name, how, Mode::empty(), WITHIN) {
        // Something else may have been put there meanwhile.
        Ok(pipe) if is_pipe(&pipe)? => Ok(Some(pipe)),
        Ok(_) => Ok(None),
        // Nobody reads it (fifo(7)).
        Err(Errno::ENXIO) => Ok(None),
        Err(e) => none(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_request_has_the_bytes_of_struct_init_request() {
        let bytes = request(Runlevel::Halt);
        assert_eq!(bytes.len(), 384);
        assert_eq!(bytes[..4], 0x0309_1969i32.to_ne_bytes());
        assert_eq!(bytes[4..16], [[1, 0, 0, 0], [48, 0, 0, 0], [0; 4]].concat()[..]);
        assert!(bytes[16..].iter().all(|b| *b == 0));
        assert_eq!(request(Runlevel::Reboot)[8], b'6');
    }

    #[test]
    fn only_a_pipe_that_somebody_reads_is_opened() {
        let root = std::env::temp_dir().join(format!("initctl-{}", std::process::id()));
        std::fs::create_dir_all(root.join("run")).unwrap();
        let directory: OwnedFd = std::fs::File::open(&root).unwrap().into();
        let path = root.join("run/initctl");
        let opened = |hosts: &[(u64, u64)]| open(directory.as_fd(), c"run", c"initctl", hosts).map(|fd| fd.is_some());
        assert_eq!(opened(&[]), Ok(false), "nothing is there");
        std::fs::write(&path, "a file").unwrap();
        assert_eq!(opened(&[]), Ok(false), "a file");
        std::fs::remove_file(&path).unwrap();
        let pipe = root.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("../pipe", &path).unwrap();
        let reader = nix::fcntl::open(&pipe, nix::fcntl::OFlag::O_RDWR, nix::sys::stat::Mode::empty()).unwrap();
        assert_eq!(opened(&[]), Ok(false), "a link");
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&pipe, &path).unwrap();
        assert_eq!(opened(&[]), Ok(true), "a pipe that is read");
        let stat = rustix::fs::fstat(&reader).unwrap();
        assert_eq!(opened(&[(stat.st_dev, stat.st_ino)]), Ok(false), "the host's own");
        assert!(reader.as_raw_fd() > 2);
        drop(reader);
        assert_eq!(opened(&[]), Ok(false), "a pipe that nobody reads");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
