//! Namespaces (namespaces(7)): leaving one's own for new ones, joining others by descriptor, and what only their owner sets up inside:
//! the loopback link, the session keyring. May touch: the calling process.

use crate::process::errno;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// user_namespaces(7)
    User,
    /// mount_namespaces(7)
    Mount,
    /// pid_namespaces(7)
    Pid,
    /// network_namespaces(7)
    Net,
    /// ipc_namespaces(7)
    Ipc,
    /// uts_namespaces(7)
    Uts,
    /// cgroup_namespaces(7)
    Cgroup,
}

impl Kind {
    /// The kinds in the order in which descriptors of all of them are passed.
    pub const ALL: [Self; 7] = [
        Self::User,
        Self::Mount,
        Self::Pid,
        Self::Net,
        Self::Ipc,
        Self::Uts,
        Self::Cgroup,
    ];

    /// The name below `/proc/PID/ns`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mnt",
            Self::Pid => "pid",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
        }
    }

    /// The `CLONE_NEW*` flag.
    pub const fn flag(self) -> CloneFlags {
        match self {
            Self::User => CloneFlags::CLONE_NEWUSER,
            Self::Mount => CloneFlags::CLONE_NEWNS,
            Self::Pid => CloneFlags::CLONE_NEWPID,
            Self::Net => CloneFlags::CLONE_NEWNET,
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
            Self::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        }
    }
}

/// Leaves these namespaces for new ones (unshare(2)).
pub fn unshare(kinds: &[Kind]) -> nix::Result<()> {
    nix::sched::unshare(flags(kinds))
}

/// The flags of several kinds, for [`crate::process::clone_into`].
pub fn flags(kinds: &[Kind]) -> CloneFlags {
    kinds.iter().fold(CloneFlags::empty(), |all, kind| all | kind.flag())
}

/// Joins the namespace behind a descriptor (setns(2)), which must be of that kind.
pub fn join(namespace: impl AsFd, kind: Kind) -> nix::Result<()> {
    nix::sched::setns(namespace, kind.flag())
}

/// A descriptor of one of the caller's own namespaces; `proc` is a procfs in which the caller is visible.
pub fn own(proc: impl AsFd, kind: Kind) -> nix::Result<OwnedFd> {
    let path = format!("thread-self/ns/{}", kind.name());
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::openat(proc, path, flags, rustix::fs::Mode::empty()).map_err(errno)
}

/// Whether two descriptors are of one namespace (ioctl_ns(2): device and inode number tell).
pub fn same(a: impl AsFd, b: impl AsFd) -> nix::Result<bool> {
    let (a, b) = (
        rustix::fs::fstat(a).map_err(errno)?,
        rustix::fs::fstat(b).map_err(errno)?,
    );
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

/// Whether a descriptor is of a namespace of that kind, whatever else it could be (ioctl_ns(2); statfs(2), `NSFS_MAGIC`).
pub fn is(namespace: impl AsFd, kind: Kind) -> nix::Result<bool> {
    const NSFS: i64 = 0x6e73_6673;
    if rustix::fs::fstatfs(&namespace).map_err(errno)?.f_type != NSFS {
        return Ok(false);
    }
    // SAFETY: NS_GET_NSTYPE takes no argument; the descriptor is alive, and is of the file system whose files know this operation.
    let flag = Errno::result(unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), libc::NS_GET_NSTYPE) })?;
    Ok(flag == kind.flag().bits())
}

/// The user namespace that owns a namespace, or the one above a user namespace (ioctl_ns(2)).
pub fn owning(namespace: impl AsFd) -> nix::Result<OwnedFd> {
    // SAFETY: NS_GET_USERNS takes no argument; the descriptor is alive. On any other file it fails.
    let raw = Errno::result(unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), libc::NS_GET_USERNS) })?;
    // SAFETY: the call has just made this descriptor, which therefore is open and has no other owner; two would close it twice.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// The user namespace in which a user namespace was made (ioctl_ns(2), `NS_GET_PARENT`). `EPERM`: it is none that the caller may know of.
pub fn parent(user: impl AsFd) -> nix::Result<OwnedFd> {
    const NS_GET_PARENT: libc::Ioctl = 0xb702;
    // SAFETY: the request takes no argument; of anything but a user namespace it gives an error.
    let parent = Errno::result(unsafe { libc::ioctl(user.as_fd().as_raw_fd(), NS_GET_PARENT) })?;
    // SAFETY: the kernel has just made this descriptor for nobody else, close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(parent) })
}

/// Who made a user namespace, as the caller's own numbers it (ioctl_ns(2), `NS_GET_OWNER_UID`).
pub fn owner(user: impl AsFd) -> nix::Result<u32> {
    const NS_GET_OWNER_UID: libc::Ioctl = 0xb704;
    let mut uid: libc::uid_t = 0;
    // SAFETY: the request writes one `uid_t`, which is alive; of anything but a user namespace it gives an error.
    Errno::result(unsafe { libc::ioctl(user.as_fd().as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) })?;
    Ok(uid)
}

/// Brings up the loopback link of the caller's network namespace (netdevice(7), `SIOCSIFFLAGS`).
pub fn raise_loopback() -> nix::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain data of the C library, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::try_from(*from).map_err(|_| Errno::EINVAL)?;
    }
    let up = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(up).map_err(|_| Errno::EINVAL)?;
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which is alive, has a terminated name and carries flags, as the request demands.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }).map(drop)
}

/// Gives the caller a new, empty session keyring (keyctl(2), `KEYCTL_JOIN_SESSION_KEYRING`), so that nothing can be looked up in the one
/// that it was started with. A kernel without keys has none to hide.
pub fn new_session_keyring() -> nix::Result<()> {
    let none: libc::c_long = 0;
    // include/uapi/linux/keyctl.h
    let join: libc::c_long = 1;
    // SAFETY: the operation takes a name that may be null, which makes the keyring anonymous; nothing else is read.
    match Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, join, none, none, none, none) }) {
        Ok(_) | Err(Errno::ENOSYS) => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_descriptor_of_another_kind_is_refused() {
        let proc = File::open("/proc").unwrap();
        let uts = own(&proc, Kind::Uts).unwrap();
        assert_eq!(join(&uts, Kind::Net), Err(Errno::EINVAL));
    }

    #[test]
    fn a_user_namespace_has_an_owner_and_a_parent_and_no_other_has() {
        let proc = File::open("/proc").unwrap();
        let uts = own(&proc, Kind::Uts).unwrap();
        assert!(owner(&uts).is_err());
        // Where this test runs in the first one, that has no parent; in any other it may not know of one.
        assert_eq!(parent(own(&proc, Kind::User).unwrap()).unwrap_err(), Errno::EPERM);
    }

    #[test]
    fn kind_and_owner_are_told_of_namespaces_alone() {
        let proc = File::open("/proc").unwrap();
        let uts = own(&proc, Kind::Uts).unwrap();
        assert_eq!((is(&uts, Kind::Uts), is(&uts, Kind::Net)), (Ok(true), Ok(false)));
        assert_eq!(is(&proc, Kind::Uts), Ok(false));
        assert!(owning(&proc).is_err());
        // Of the initial user namespace the maker is root; who is in another one may not look above it.
        if let Ok(user) = owning(&uts) {
            assert_eq!(owner(&user), Ok(0));
        }
    }

    #[test]
    fn tells_namespaces_apart() {
        let proc = File::open("/proc").unwrap();
        let (a, b) = (own(&proc, Kind::Net).unwrap(), own(&proc, Kind::Net).unwrap());
        assert_eq!(same(&a, &b), Ok(true));
        assert_eq!(same(&a, own(&proc, Kind::Uts).unwrap()), Ok(false));
    }
}
