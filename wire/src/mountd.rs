//! What the launcher asks of the mount factory, and what it answers. The factory makes mounts that are attached nowhere; it
//! never sees a path.

use crate::devd::Rule;
use crate::failure::Failure;
use crate::frame::Message;
use core::ffi::CStr;
use serde::{Deserialize, Serialize};

/// Flags of a mount (mount_setattr(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Flags {
    /// `MOUNT_ATTR_RDONLY`
    pub read_only: bool,
    /// `MOUNT_ATTR_NOSUID`
    pub no_suid: bool,
    /// `MOUNT_ATTR_NODEV`
    pub no_dev: bool,
    /// `MOUNT_ATTR_NOEXEC`
    pub no_exec: bool,
}

/// A character device that every container has (Linux allocated devices, `Documentation/admin-guide/devices.txt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/full`
    Full,
    /// `/dev/random`
    Random,
    /// `/dev/urandom`
    Urandom,
    /// `/dev/tty`
    Tty,
}

impl Device {
    /// Every device, in the order in which they are laid out.
    pub const ALL: [Self; 6] = [
        Self::Null,
        Self::Zero,
        Self::Full,
        Self::Random,
        Self::Urandom,
        Self::Tty,
    ];

    /// The node's name below `/dev`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Zero => "zero",
            Self::Full => "full",
            Self::Random => "random",
            Self::Urandom => "urandom",
            Self::Tty => "tty",
        }
    }

    /// Major and minor number.
    pub const fn number(self) -> (u32, u32) {
        match self {
            Self::Null => (1, 3),
            Self::Zero => (1, 5),
            Self::Full => (1, 7),
            Self::Random => (1, 8),
            Self::Urandom => (1, 9),
            Self::Tty => (5, 0),
        }
    }
}

/// A file system of a disk's: all that are mounted. Those that can name other devices, or whose drivers map no ids, are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileSystem {
    /// `ext4`, which is ext2 and ext3 too: the driver of the newest knows all three, and it alone maps ids in all of them.
    Ext4,
    /// `xfs`
    Xfs,
    /// `squashfs`
    Squashfs,
    /// `erofs`
    Erofs,
}

impl FileSystem {
    /// Every one, with what the kernel calls it (`/proc/filesystems`).
    pub const ALL: [(Self, &'static CStr); 4] = [
        (Self::Ext4, c"ext4"),
        (Self::Xfs, c"xfs"),
        (Self::Squashfs, c"squashfs"),
        (Self::Erofs, c"erofs"),
    ];

    /// What the kernel calls it.
    pub fn name(self) -> &'static CStr {
        let mut all = Self::ALL.iter();
        all.find(|(kind, _)| *kind == self).map_or(c"", |(_, name)| name)
    }
}

/// One detached mount to make, with the descriptors that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mount {
    /// A clone of the mount at an `O_PATH` descriptor (one descriptor; a second one, of a mapped user namespace, if `idmapped`).
    Tree {
        /// Whether mounts below it are cloned too.
        recursive: bool,
        /// Flags that the clone gets, on every mount of it.
        flags: Flags,
        /// Whether files appear under the ids that the user namespace gives them.
        idmapped: bool,
    },
    /// A clone of one device node (one `O_PATH` descriptor, whose type and number are checked).
    Node(Device),
    /// A FUSE superblock whose root is one regular file (one descriptor, of `/dev/fuse`, which belongs to the host's user namespace).
    Meminfo,
    /// A procfs that nothing covers, lent to `init` where the host's own is covered (no descriptor).
    Proc,
    /// A sysfs of the host's network namespace, read-only, for a container that shares it (no descriptor).
    Sysfs,
    /// A tmpfs with nothing in it, in which whoever has the capability for it makes device nodes that can be opened (no descriptor).
    Nodes,
    /// What is on a disk (two descriptors: the block device, `O_PATH` or open, and a mapped user namespace, which gives its files their ids).
    Disk {
        /// The file system that is on it.
        kind: FileSystem,
        /// Flags of the mount; read-only is the file system itself then, too.
        flags: Flags,
    },
}

impl Mount {
    /// Descriptors that this mount consumes, in order.
    pub const fn descriptors(&self) -> usize {
        match self {
            Self::Tree { idmapped: true, .. } | Self::Disk { .. } => 2,
            Self::Tree { idmapped: false, .. } | Self::Node(_) | Self::Meminfo => 1,
            Self::Proc | Self::Sysfs | Self::Nodes => 0,
        }
    }
}

/// A request to the mount factory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Makes all of these, in order, or none; descriptors come in the order of the mounts.
    Make(Vec<Mount>),
    /// Not a mount, but what takes the same capability: has the version 1 group, whose `devices.deny` and `devices.allow` come open for writing
    /// in that order, allow just these. It must have no group below it: the kernel gives EINVAL otherwise
    /// (`Documentation/admin-guide/cgroup-v1/devices.rst`). Answer: `Made(0)`.
    Allow(Vec<Rule>),
    /// Of a version 1 group with groups below it, which the kernel never has deny everything: writes these to its `devices.deny`, which takes them
    /// from those below as well, or to its `devices.allow`; that one comes open for writing. Answer: `Made(0)`.
    Change(Vec<Rule>),
}

/// The mount factory's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// One descriptor for each mount asked for, in order.
    Made(u16),
    /// Nothing was made.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Allow(_) => 2,
            Self::Change(_) => 1,
            Self::Make(mounts) => mounts.iter().map(Mount::descriptors).fold(0, usize::saturating_add),
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        match self {
            Self::Made(n) => usize::from(*n),
            Self::Refused(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, encode};

    fn payload(mount: Mount) -> Vec<u8> {
        encode(&Request::Make(vec![mount])).unwrap()[HEADER..].to_vec()
    }

    #[test]
    fn bytes_are_frozen() {
        let flags = Flags {
            read_only: true,
            no_suid: false,
            no_dev: true,
            no_exec: false,
        };
        assert_eq!(
            payload(Mount::Tree {
                recursive: true,
                flags,
                idmapped: true
            }),
            [0, 1, 0, 1, 1, 0, 1, 0, 1]
        );
        for (position, device) in (0u8..).zip(Device::ALL) {
            assert_eq!(payload(Mount::Node(device)), [0, 1, 1, position]);
        }
        let disks = Rule {
            block: true,
            major: Some(259),
            minor: None,
            read: true,
            write: false,
            make: true,
        };
        let allow = encode(&Request::Allow(vec![disks])).unwrap();
        assert_eq!(&allow[HEADER..], [1, 1, 1, 1, 0x83, 0x02, 0, 1, 0, 1]);
        let change = encode(&Request::Change(vec![disks])).unwrap();
        assert_eq!(&change[HEADER..], [2, 1, 1, 1, 0x83, 0x02, 0, 1, 0, 1]);
        assert_eq!(payload(Mount::Meminfo), [0, 1, 2]);
        assert_eq!(payload(Mount::Proc), [0, 1, 3]);
        assert_eq!(payload(Mount::Sysfs), [0, 1, 4]);
        assert_eq!(payload(Mount::Nodes), [0, 1, 5]);
        for (position, (kind, _)) in (0u8..).zip(FileSystem::ALL) {
            assert_eq!(payload(Mount::Disk { kind, flags }), [0, 1, 6, position, 1, 0, 1, 0]);
        }
        assert_eq!(&encode(&Reply::Made(128)).unwrap()[HEADER..], [0, 0x80, 0x01]);
        let refused = encode(&Reply::Refused(Failure::kernel("x", 22))).unwrap();
        assert_eq!(&refused[HEADER..], [1, 1, 1, b'x', 44]);
    }

    #[test]
    fn descriptors_are_those_of_all_mounts() {
        let plain = Mount::Tree {
            recursive: false,
            flags: Flags::default(),
            idmapped: false,
        };
        let mapped = Mount::Tree {
            recursive: false,
            flags: Flags::default(),
            idmapped: true,
        };
        let all = vec![
            plain,
            mapped,
            Mount::Node(Device::Null),
            Mount::Meminfo,
            Mount::Proc,
            Mount::Sysfs,
            Mount::Nodes,
        ];
        assert_eq!(Request::Make(all).descriptors(), 5);
        assert_eq!(Request::Allow(vec![]).descriptors(), 2);
        assert_eq!(Request::Change(vec![]).descriptors(), 1);
        assert_eq!(Reply::Made(6).descriptors(), 6);
    }
}
