//! File systems on disks: block devices of the host's, and files behind loop devices, as far as its policy consents. The launcher opens both, once
//! each; `loopd`, which holds nothing, puts a file, or a device that is but read, behind a loop device and looks what is on it; `mountd` mounts
//! that. May touch: what the judged plan names, `/dev/loop-control`, loop devices.

use crate::expect;
use crate::host::Host;
use crate::judge::Start;
use crate::open;
use crate::piece::Piece;
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, ResolveFlags, Stat};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use sys::loops::{self, Behind};
use sys::process::errno;
use wire::launcher::Opened;
use wire::mountd::FileSystem;
use wire::{Failure, Program, loopd};

/// How often another loop device is looked for when somebody was faster.
const TRIES: u32 = 64;
/// Major number of loop devices (`Documentation/admin-guide/devices.txt`).
const LOOP: u32 = 7;

/// `loopd`, at work for one start.
#[derive(Debug)]
pub struct Disks {
    loopd: Piece<loopd::Request, loopd::Reply>,
}

/// A disk, opened for reading, and what is on it.
#[derive(Debug)]
pub struct Disk {
    /// The block device.
    pub device: OwnedFd,
    /// Its number, or that of the device behind it.
    pub number: u64,
    /// The file system.
    pub kind: FileSystem,
}

impl Disks {
    /// Starts `loopd`, if the container has a disk. What is done with that is done to the host: it is put on record first.
    pub fn new(host: &Host, start: &Start) -> Result<Option<Self>, Failure> {
        let of_disk = |from: &Opened| matches!(from, Opened::FileSystem { .. });
        if !start.mounts.iter().any(|m| of_disk(&m.from)) {
            return Ok(None);
        }
        host.begin(start.block)?;
        let loopd = host.piece(Program::Loopd, start.block)?;
        Ok(Some(Self { loopd }))
    }

    /// The disk at that path, an image or a block device, and what is on it. Even of a file system that is mounted to be read the kernel writes its journal
    /// anew where the device can be written: what is but read is behind a loop device that cannot.
    pub fn open(&self, path: &str, is_image: bool, writable: bool) -> Result<Disk, Failure> {
        let opened = if is_image {
            image(path, writable)?
        } else {
            block(path, writable)?
        };
        let own = look(&opened, path)?.st_rdev;
        let device = if is_image || !writable {
            self.behind_loop(&opened, path, writable)?
        } else {
            opened
        };
        self.loopd.send(&loopd::Request::Look, &[device.as_fd()])?;
        let kind = match self.loopd.receive()? {
            (loopd::Reply::Found(kind), _) => kind,
            (loopd::Reply::Refused(failure), _) => return Err(about(path, &failure)),
            _ => return Err(self.loopd.confused()),
        };
        let number = if is_image { look(&device, path)?.st_rdev } else { own };
        Ok(Disk { device, number, kind })
    }

    /// A loop device with this behind it, open for reading. The kernel takes that away when nobody has the device any more.
    fn behind_loop(&self, file: &OwnedFd, path: &str, writable: bool) -> Result<OwnedFd, Failure> {
        let control = open::file("/dev/loop-control", true)?;
        for _ in 0..TRIES {
            self.loopd.send(&loopd::Request::Find, &[control.as_fd()])?;
            let number = expect!(self.loopd, loopd, (loopd::Reply::Free(number), _) => number);
            let device = loop_device(number)?;
            let attach = loopd::Request::Attach { read_only: !writable };
            self.loopd.send(&attach, &[device.as_fd(), file.as_fd()])?;
            match self.loopd.receive()? {
                // While this one is open another is opened, with which nobody writes.
                (loopd::Reply::Attached, _) => {
                    let status = loops::status(device.as_fd())
                        .map_err(|e| Failure::kernel("ask what is behind a loop device", e as i32))?;
                    attached(&status, &look(file, path)?, writable, path)?;
                    return again(&device, false, path);
                }
                (loopd::Reply::Taken, _) => {}
                (loopd::Reply::Refused(failure), _) => return Err(about(path, &failure)),
                _ => return Err(self.loopd.confused()),
            }
        }
        Err(Failure::caller(&format!(
            "put {path} behind a loop device: others took each that was free, {TRIES} times"
        )))
    }
}

/// What went wrong with a disk, with the disk's path.
fn about(path: &str, failure: &Failure) -> Failure {
    let what = format!("use the disk {path}: cannot {}", failure.what);
    match failure.errno {
        0 => Failure::caller(&what),
        errno => Failure::kernel(&what, errno),
    }
}

/// Refuses what the kernel has behind a loop device if that is not what was asked for, whatever `loopd` says.
fn attached(status: &Behind, file: &Stat, writable: bool, path: &str) -> Result<(), Failure> {
    if *status == Behind::whole((file.st_dev, file.st_ino), !writable) {
        return Ok(());
    }
    Err(Failure::caller(&format!(
        "use the disk {path}: loopd said that it is behind a loop device as it was asked to put it there, and the kernel says otherwise"
    )))
}

fn look(fd: &OwnedFd, path: &str) -> Result<Stat, Failure> {
    rustix::fs::fstat(fd).map_err(kernel(format!("look at {path}")))
}

fn kernel(what: String) -> impl Fn(rustix::io::Errno) -> Failure {
    move |e| Failure::kernel(&what, errno(e) as i32)
}

/// Opens what a descriptor is open for, or names, once more.
fn again(fd: &OwnedFd, writable: bool, path: &str) -> Result<OwnedFd, Failure> {
    let access = if writable { OFlags::RDWR } else { OFlags::RDONLY };
    anew(fd, access).map_err(kernel(format!("open {path}")))
}

fn anew(fd: &OwnedFd, how: OFlags) -> rustix::io::Result<OwnedFd> {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(link, how | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
}

/// A block device of the host's, whatever links lead there. Never the one that the host's own root is on; and none that the host has mounted
/// if it is to be read, since behind a loop device the kernel does not see that it is the same.
fn block(path: &str, writable: bool) -> Result<OwnedFd, Failure> {
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let named = rustix::fs::openat2(CWD, path, how, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    let named = named.map_err(kernel(format!("open {path}")))?;
    of_kind(&named, FileType::BlockDevice, path, "a block device")?;
    let root = rustix::fs::stat("/").map_err(kernel("look at /".to_owned()))?;
    if look(&named, path)?.st_rdev == root.st_dev {
        return Err(Failure::caller(&format!(
            "use {path} as a disk: the host's own root is on it"
        )));
    }
    if !writable {
        // Nobody is kept from it afterwards: others may read it too.
        match anew(&named, OFlags::RDONLY | OFlags::EXCL) {
            Ok(_) => {}
            Err(rustix::io::Errno::BUSY) => {
                return Err(Failure::caller(&format!(
                    "use {path} as a disk, to be read: the host has it in use, as a file system that is mounted is"
                )));
            }
            Err(e) => return Err(kernel(format!("open {path}"))(e)),
        }
    }
    again(&named, false, path)
}

/// An image: a regular file of one name, to which no symbolic link leads. It is locked as long as it is behind a loop device, since the device has this very
/// description of it: nobody else's container writes what this one's reads.
fn image(path: &str, writable: bool) -> Result<OwnedFd, Failure> {
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let named = rustix::fs::openat2(CWD, path, how, Mode::empty(), resolve).map_err(|e| match e {
        rustix::io::Errno::LOOP => Failure::caller(&format!(
            "use {path} as a disk: there is a symbolic link in that path, which may lead elsewhere another time"
        )),
        e => kernel(format!("open {path}"))(e),
    })?;
    of_kind(&named, FileType::RegularFile, path, "a regular file")?;
    if look(&named, path)?.st_nlink > 1 {
        return Err(Failure::caller(&format!(
            "use {path} as a disk: it has other names (hard links), by one of which it may be somebody else's"
        )));
    }
    let file = again(&named, writable, path)?;
    let lock = if writable {
        FlockOperation::NonBlockingLockExclusive
    } else {
        FlockOperation::NonBlockingLockShared
    };
    match rustix::fs::flock(&file, lock) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::caller(&format!(
            "use {path} as a disk: it is locked, as by another container that has it"
        ))),
        Err(e) => Err(kernel(format!("lock {path}"))(e)),
    }
}

fn of_kind(fd: &OwnedFd, kind: FileType, path: &str, what: &str) -> Result<(), Failure> {
    let stat = look(fd, path)?;
    if FileType::from_raw_mode(stat.st_mode) == kind {
        Ok(())
    } else {
        Err(Failure::caller(&format!("use {path} as a disk: it is not {what}")))
    }
}

/// The loop device of that number, open for writing, which whoever puts a file behind it needs.
fn loop_device(number: u32) -> Result<OwnedFd, Failure> {
    let path = format!("/dev/loop{number}");
    let device = open::file(&path, true)?;
    let stat = look(&device, &path)?;
    let right = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (LOOP, number);
    if right && FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice {
        Ok(device)
    } else {
        Err(Failure::caller(&format!(
            "use {path}: it is not the loop device of that number"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_regular_file_by_its_own_path_and_one_containers() {
        let directory = std::env::temp_dir().join(format!("lazaret-test-disks-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let directory = directory.canonicalize().unwrap();
        let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        std::fs::write(path("a"), b"x").unwrap();
        std::os::unix::fs::symlink("a", path("link")).unwrap();
        std::os::unix::fs::symlink(".", path("here")).unwrap();
        nix::unistd::mkfifo(path("fifo").as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let said = |path: &str| image(path, true).unwrap_err().what.as_str().to_owned();
        assert!(said(&path("link")).contains("a symbolic link"));
        assert!(said(&path("here/a")).contains("a symbolic link"));
        for other in [path("fifo"), path("."), "/dev/null".into()] {
            assert!(said(&other).contains("not a regular file"), "{other}");
        }
        assert!(said(&path("none")).contains("open "));
        let one = image(&path("a"), false).unwrap();
        let two = image(&path("a"), false).unwrap();
        assert!(said(&path("a")).contains("is locked"));
        drop((one, two));
        let one = image(&path("a"), true).unwrap();
        assert!(image(&path("a"), false).is_err());
        drop(one);
        std::fs::hard_link(path("a"), path("other")).unwrap();
        assert!(said(&path("a")).contains("hard links"));
        for other in [path("a"), "/dev/null".into()] {
            let said = block(&other, true).unwrap_err();
            assert!(said.what.as_str().contains("not a block device"), "{said:?}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_loop_device_with_something_else_behind_it_is_refused() {
        let file = OwnedFd::from(std::fs::File::open("/proc/version").unwrap());
        let file = look(&file, "").unwrap();
        let (device, inode) = (file.st_dev, file.st_ino);
        let judged = |of: (u64, u64), read_only| attached(&Behind::whole(of, read_only), &file, false, "/a");
        assert!(judged((device, inode), true).is_ok());
        for (of, read_only) in [
            ((device, inode), false),
            ((device, inode + 1), true),
            ((device + 1, inode), true),
        ] {
            let said = judged(of, read_only).unwrap_err();
            assert!(said.what.as_str().contains("/a: loopd said"), "{said:?}");
        }
    }
}
