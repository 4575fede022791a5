//! The mount interface by descriptor (`Documentation/filesystems/mount_api.rst`, mount_setattr(2), openat2(2)): making, changing,
//! attaching and leaving mounts. May touch: the descriptors it is given; only [`unmount`] and [`pivot_here`] know a path.

use crate::process::errno;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Flags of a mount: `MOUNT_ATTR_*` of mount_setattr(2).
pub type Attr = MountAttrFlags;

/// Every restriction but read-only: `nosuid`, `nodev`, `noexec`, `nosymfollow`.
pub const INERT: Attr = Attr::MOUNT_ATTR_NOSUID
    .union(Attr::MOUNT_ATTR_NODEV)
    .union(Attr::MOUNT_ATTR_NOEXEC)
    .union(Attr::MOUNT_ATTR_NOSYMFOLLOW);

/// A filesystem that is being configured (`fsopen`); it exists once [`Superblock::create`] has succeeded.
#[derive(Debug)]
pub struct Superblock(OwnedFd);

impl Superblock {
    /// Begins a new instance of the filesystem type `kind`.
    pub fn open(kind: &CStr) -> nix::Result<Self> {
        rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
            .map(Self)
            .map_err(errno)
    }

    /// Sets a parameter that has a value. (FUSE takes its `fd` like this too, as a decimal number: it refuses `FSCONFIG_SET_FD`.)
    pub fn string(&self, key: &CStr, value: &CStr) -> nix::Result<()> {
        rustix::mount::fsconfig_set_string(&self.0, key, value).map_err(errno)
    }

    /// Sets a parameter that has none.
    pub fn flag(&self, key: &CStr) -> nix::Result<()> {
        rustix::mount::fsconfig_set_flag(&self.0, key).map_err(errno)
    }

    /// Makes the superblock.
    pub fn create(&self) -> nix::Result<()> {
        rustix::mount::fsconfig_create(&self.0).map_err(errno)
    }

    /// A detached mount of it. Call after [`Superblock::create`].
    pub fn mount(&self, flags: Attr) -> nix::Result<OwnedFd> {
        rustix::mount::fsmount(&self.0, FsMountFlags::FSMOUNT_CLOEXEC, flags).map_err(errno)
    }
}

/// A detached clone of the mount at `at`, seen from there downwards; with everything mounted below if `recursive`.
pub fn clone_tree(at: BorrowedFd<'_>, recursive: bool) -> nix::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(at, c"", flags).map_err(errno)
}

/// Attaches the mount `mount` over what `target` (an `O_PATH` descriptor) refers to. Directories go over directories, other files
/// over other files. `target` must lie in the caller's own mount namespace.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> nix::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", target, c"", flags).map_err(errno)
}

/// How mounts that are made below one mount spread to others (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Propagation {
    /// Neither way.
    Private = libc::MS_PRIVATE,
    /// From the mount it was cloned from, never back.
    Receive = libc::MS_SLAVE,
    /// Both ways, within its group.
    Shared = libc::MS_SHARED,
}

/// What mount_setattr(2) is to change.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Flags to set.
    pub set: Attr,
    /// Flags to clear.
    pub clear: Attr,
    /// The new propagation, if any.
    pub propagation: Option<Propagation>,
    /// A user namespace whose maps the mount shall translate ids by. The mount must be detached and not id-mapped yet, the
    /// filesystem must allow it (`FS_ALLOW_IDMAP`), and the namespace must have its maps.
    pub idmap: Option<BorrowedFd<'a>>,
}

impl Default for Change<'_> {
    fn default() -> Self {
        Self {
            set: Attr::empty(),
            clear: Attr::empty(),
            propagation: None,
            idmap: None,
        }
    }
}

/// Changes the mount at `mount`, and all below it if `recursive`: either all of them or none.
pub fn set_attributes(mount: BorrowedFd<'_>, recursive: bool, change: Change<'_>) -> nix::Result<()> {
    let mut set = u64::from(change.set.bits());
    let mut userns_fd = 0;
    if let Some(namespace) = change.idmap {
        set |= libc::MOUNT_ATTR_IDMAP;
        userns_fd = u64::try_from(namespace.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    }
    let attr = libc::mount_attr {
        attr_set: set,
        attr_clr: u64::from(change.clear.bits()),
        propagation: change.propagation.map_or(0, |p| p as u64),
        userns_fd,
    };
    let below = if recursive { libc::AT_RECURSIVE } else { 0 };
    let (call, path, flags) = (libc::SYS_mount_setattr, c"".as_ptr(), libc::AT_EMPTY_PATH | below);
    let (attr, size) = (&raw const attr, size_of::<libc::mount_attr>());
    // SAFETY: `attr` is alive and as long as the size given says, which the types guarantee, and the path is a terminated empty
    // string; a wrong size would make the kernel read past the structure. The call writes nothing to our memory.
    let result = unsafe { libc::syscall(call, mount.as_raw_fd(), path, flags, attr, size) };
    Errno::result(result).map(drop)
}

/// Opens `path` beneath `root`: symbolic links are followed only as far as `resolve` lets them, magic links never.
/// Callers choose `ResolveFlags::BENEATH` (leaving is an error) or `IN_ROOT` (`root` is taken for `/`).
pub fn open_beneath(
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> nix::Result<OwnedFd> {
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, mode, resolve) {
            // EAGAIN: something was renamed while the path was resolved; openat2(2) says to try again.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return other.map_err(errno),
        }
    }
}

/// The id of the mount that `at` lies on (`stx_mnt_id`, statx(2)): two descriptors on one mount have the same.
pub fn mount_id(at: BorrowedFd<'_>) -> nix::Result<u64> {
    let stat = rustix::fs::statx(at, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map_err(errno)?;
    if stat.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        return Err(Errno::ENOSYS);
    }
    Ok(stat.stx_mnt_id)
}

/// Unmounts what is mounted at `target` (umount2(2)), never following a symbolic link in its last part. `detach` takes it out of
/// the tree at once, even where it is in use.
pub fn unmount(target: &CStr, detach: bool) -> nix::Result<()> {
    let flags = if detach {
        UnmountFlags::DETACH | UnmountFlags::NOFOLLOW
    } else {
        UnmountFlags::NOFOLLOW
    };
    rustix::mount::unmount(target, flags).map_err(errno)
}

/// Makes `root` the root of the caller's mount namespace and detaches the old one, with everything on it (pivot_root(2), "."
/// for both places). `root` must be the root of a mount. The working directory is then `/`.
pub fn pivot_here(root: BorrowedFd<'_>) -> nix::Result<()> {
    nix::unistd::fchdir(root)?;
    rustix::process::pivot_root(c".", c".").map_err(errno)?;
    unmount(c".", true)?;
    nix::unistd::chdir(c"/")
}

/// A descriptor that only names what `path` is, below `root`, following no link at all.
pub fn name_beneath(root: BorrowedFd<'_>, path: &CStr) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    open_beneath(root, path, OFlags::PATH, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn a_descriptor_that_is_no_mount_is_refused() {
        let file = File::open("/proc/self/status").unwrap();
        let change = Change {
            set: Attr::MOUNT_ATTR_NOSUID,
            ..Change::default()
        };
        assert_eq!(set_attributes(file.as_fd(), false, change), Err(Errno::EINVAL));
    }

    #[test]
    fn an_unknown_filesystem_is_refused() {
        assert!(Superblock::open(c"no-such-filesystem").is_err());
    }

    #[test]
    fn a_path_that_leaves_its_root_is_refused() {
        let root = File::open("/proc/self").unwrap();
        assert!(name_beneath(root.as_fd(), c"status").is_ok());
        assert_eq!(name_beneath(root.as_fd(), c"..").map(drop), Err(Errno::EXDEV));
        assert_eq!(name_beneath(root.as_fd(), c"exe").map(drop), Err(Errno::ELOOP));
    }

    #[test]
    fn two_places_of_one_mount_have_one_mount_id() {
        let (a, b) = (File::open("/proc/self").unwrap(), File::open("/proc/version").unwrap());
        let other = File::open("/").unwrap();
        assert_eq!(mount_id(a.as_fd()), mount_id(b.as_fd()));
        assert_ne!(mount_id(a.as_fd()).unwrap(), mount_id(other.as_fd()).unwrap());
    }

    #[test]
    fn a_detached_clone_takes_flags_and_goes_with_its_descriptor() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = File::open("/").unwrap();
        let clone = clone_tree(root.as_fd(), false).unwrap();
        let set = Attr::MOUNT_ATTR_RDONLY | INERT;
        let change = Change {
            set,
            propagation: Some(Propagation::Private),
            ..Change::default()
        };
        set_attributes(clone.as_fd(), true, change).unwrap();
        let flags = rustix::fs::fstatvfs(&clone).unwrap().f_flag;
        for wanted in [
            rustix::fs::StatVfsMountFlags::RDONLY,
            rustix::fs::StatVfsMountFlags::NOSUID,
            rustix::fs::StatVfsMountFlags::NODEV,
            rustix::fs::StatVfsMountFlags::NOEXEC,
        ] {
            assert!(flags.contains(wanted), "{wanted:?}");
        }
        drop(clone);
        assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    }

    /// Everything that needs a mount namespace to be tried in. Each step that goes wrong has a number.
    fn in_a_namespace_of_our_own(directory: &CStr) -> Result<(), i32> {
        let open = |path: &CStr| rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let here = |path: &CStr| open(path).map_err(|_| 1);
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map_err(|_| 2)?;
        let private = Change {
            propagation: Some(Propagation::Private),
            ..Change::default()
        };
        set_attributes(here(c"/")?.as_fd(), true, private).map_err(|_| 3)?;

        let tmpfs = Superblock::open(c"tmpfs").map_err(|_| 4)?;
        tmpfs.string(c"size", c"1m").map_err(|_| 5)?;
        (tmpfs.string(c"no-such-parameter", c"1") == Err(Errno::EINVAL))
            .then_some(())
            .ok_or(6)?;
        (tmpfs.flag(c"no-such-flag") == Err(Errno::EINVAL))
            .then_some(())
            .ok_or(7)?;
        tmpfs.mount(INERT).is_err().then_some(()).ok_or(8)?;
        tmpfs.create().map_err(|_| 9)?;
        let mount = tmpfs.mount(INERT).map_err(|_| 10)?;
        rustix::fs::mkdirat(&mount, c"inside", Mode::RWXU).map_err(|_| 11)?;

        let target = here(directory)?;
        (attach(mount.as_fd(), here(c"/proc/version")?.as_fd()) == Err(Errno::EINVAL))
            .then_some(())
            .ok_or(12)?;
        attach(mount.as_fd(), target.as_fd()).map_err(|_| 13)?;
        let attached = here(directory)?;
        (mount_id(attached.as_fd()) != mount_id(target.as_fd()))
            .then_some(())
            .ok_or(14)?;

        (unmount(c"/proc/version", false) == Err(Errno::EINVAL))
            .then_some(())
            .ok_or(15)?;
        let spare = clone_tree(attached.as_fd(), false).map_err(|_| 18)?;
        unmount(directory, true).map_err(|_| 16)?;
        (mount_id(here(directory)?.as_fd()) == mount_id(target.as_fd()))
            .then_some(())
            .ok_or(17)?;

        let mount = spare;
        attach(mount.as_fd(), target.as_fd()).map_err(|_| 19)?;
        let inside = name_beneath(mount.as_fd(), c"inside").map_err(|_| 20)?;
        (pivot_here(inside.as_fd()) == Err(Errno::EINVAL))
            .then_some(())
            .ok_or(21)?;
        pivot_here(mount.as_fd()).map_err(|_| 22)?;
        open(c"/inside").map_err(|_| 23)?;
        open(c"/proc/version").is_err().then_some(()).ok_or(24)
    }

    #[test]
    fn mounts_are_attached_unmounted_and_pivoted_into() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let directory = std::env::temp_dir().join(format!("lazaret-test-sys-mount-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let name = std::ffi::CString::new(directory.to_str().unwrap()).unwrap();
        let status = match crate::process::fork().unwrap() {
            crate::process::Fork::Child => {
                crate::process::exit_now(in_a_namespace_of_our_own(&name).err().unwrap_or(0));
            }
            crate::process::Fork::Parent(pid) => crate::process::wait(pid).unwrap(),
        };
        std::fs::remove_dir(&directory).unwrap();
        assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
        assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    }
}
