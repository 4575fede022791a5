//! One group: its directory, its files and the groups below it (cgroups(7)). Touches what lies beneath the directory it is given.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most that is read of a control file. Longer lists of processes are read in several turns.
const MOST: usize = 64 * 1024;

/// A group's directory.
#[derive(Debug)]
pub struct Group(OwnedFd);

/// What [`Group::sweep`] came to.
#[derive(Debug)]
pub enum Swept {
    /// No group is left below.
    Empty,
    /// This one could not be removed: it has groups below it, or processes. With its inode number.
    Busy(Group, u64),
}

impl Group {
    /// The group `name` below `parent`.
    pub fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::empty()).map(Self)
    }

    /// Makes the group `name` below `parent`. Anyone may look into it; what can be written there, its maker alone may write.
    pub fn make(parent: BorrowedFd<'_>, name: &CStr) -> Result<Self, Errno> {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
        Self::open(parent, name)
    }

    /// The group above.
    pub fn above(&self) -> Result<Self, Errno> {
        Self::open(self.as_fd(), c"..")
    }

    /// The inode number, which names the group within its hierarchy.
    pub fn inode(&self) -> Result<u64, Errno> {
        rustix::fs::fstat(self).map(|s| s.st_ino)
    }

    /// Writes a control file with one write: the kernel takes every write for a whole value.
    pub fn write(&self, file: &CStr, value: &str) -> Result<(), Errno> {
        let file = self.file(file, OFlags::WRONLY)?;
        match rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes()))? {
            n if n == value.len() => Ok(()),
            _ => Err(Errno::IO),
        }
    }

    /// Reads a control file, or its first 64 KiB.
    pub fn read(&self, file: &CStr) -> Result<String, Errno> {
        read_all(self.file(file, OFlags::RDONLY)?.as_fd())
    }

    /// Opens a control file, to be read again and again, or waited on.
    pub fn file(&self, file: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(self, file, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    }

    /// Removes `name` if it is an empty group. True: it is gone, or never was.
    pub fn remove(&self, name: &CStr) -> Result<bool, Errno> {
        match rustix::fs::unlinkat(self, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Removes the groups directly below, until one cannot be.
    pub fn sweep(&self) -> Result<Swept, Errno> {
        // A descriptor of its own begins with the first entry.
        let listing = Self::open(self.as_fd(), c".")?;
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&listing, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            let group = entry.file_type() == FileType::Directory && name != c"." && name != c"..";
            if group && !self.remove(name)? {
                let busy = Self::open(self.as_fd(), name)?;
                let inode = busy.inode()?;
                return Ok(Swept::Busy(busy, inode));
            }
        }
        Ok(Swept::Empty)
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads a control file from its beginning.
pub fn read_all(file: BorrowedFd<'_>) -> Result<String, Errno> {
    let mut bytes = vec![0; MOST];
    let mut length = 0;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        let offset = u64::try_from(length).map_err(|_| Errno::OVERFLOW)?;
        match rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *free, offset))? {
            0 => break,
            n => length = length.saturating_add(n),
        }
    }
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(|_| Errno::ILSEQ)
}
