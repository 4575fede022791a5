//! What of /proc and /sys a container does not see, and what it sees but cannot write: laid over by mounts that are the container's own, and
//! verified by the first process itself. May touch: these places of the tree.

use crate::place::{self, Kind, Laid};
use nix::errno::Errno;
use payload::Step;
use rustix::fs::{AtFlags, FileType, StatVfsMountFlags, StatxAttributes, StatxFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Change, clone_tree, set_attributes};
use wire::failure::Failure;
use wire::init::Profile;

/// Hidden in both profiles: what tells of the host, or reaches it. A file becomes `/dev/null`, a directory an empty one.
const HIDDEN: [&str; 33] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/bus",
    "/proc/config.gz",
    "/proc/driver",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/pressure",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/tty/driver",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/fuse",
    "/sys/fs/selinux",
    "/sys/hypervisor",
    "/sys/kernel",
    "/sys/module",
    "/sys/power",
    "/sys/dev/block",
];
/// Read-only in both profiles.
const READ_ONLY: [&str; 3] = ["/proc/sys", "/proc/irq", "/sys"];
/// Writable again for a system, which configures its own network namespace: everything below belongs to it.
const SYSTEM_WRITES: &str = "/proc/sys/net";
/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: i64 = 0x0102_1994;

/// Lays every mask and read-only mount. `null` is the container's null device, attached.
pub fn lay(root: BorrowedFd<'_>, null: BorrowedFd<'_>, profile: Profile) -> Result<Vec<Laid>, Failure> {
    let mut laid = read_only(root, profile)?;
    let mut empty: Option<OwnedFd> = None;
    for path in HIDDEN {
        let target = match place::find(root, path) {
            // This kernel has no such file, so that there is nothing to hide.
            Err(Errno::ENOENT) => continue,
            other => other.to(&format!("find {path}"))?,
        };
        let what = format!("make the mask for {path}");
        let mask = match Kind::of(target.as_fd()).to(&what)? {
            Kind::File => clone_tree(null, false).to(&what)?,
            Kind::Directory => match &empty {
                Some(empty) => clone_tree(empty.as_fd(), false).to(&what)?,
                None => nothing().to(&what)?,
            },
        };
        seal(mask.as_fd()).to(&what)?;
        laid.push(place::over(path, target.as_fd(), mask.as_fd())?);
        if empty.is_none() && Kind::of(mask.as_fd()) == Ok(Kind::Directory) {
            empty = Some(mask);
        }
    }
    Ok(laid)
}

/// Lays copies of places over themselves that cannot be written. `/sys` is a read-only mount as it is.
fn read_only(root: BorrowedFd<'_>, profile: Profile) -> Result<Vec<Laid>, Failure> {
    let mut laid = Vec::new();
    let net = match place::find(root, SYSTEM_WRITES) {
        Ok(net) if profile == Profile::System => Some(clone_tree(net.as_fd(), false).to("copy /proc/sys/net")?),
        _ => None,
    };
    for path in READ_ONLY.iter().filter(|p| p.starts_with("/proc")) {
        let target = match place::find(root, path) {
            Err(Errno::ENOENT) => continue,
            other => other.to(&format!("find {path}"))?,
        };
        let what = format!("make {path} read-only");
        let copy = clone_tree(target.as_fd(), false).to(&what)?;
        let change = Change {
            set: Attr::MOUNT_ATTR_RDONLY,
            ..Change::default()
        };
        set_attributes(copy.as_fd(), false, change).to(&what)?;
        laid.push(place::over(path, target.as_fd(), copy.as_fd())?);
    }
    if let Some(net) = net {
        laid.push(place::lay(root, SYSTEM_WRITES, net.as_fd())?);
    }
    Ok(laid)
}

/// An empty directory of which nothing can be made.
fn nothing() -> nix::Result<OwnedFd> {
    crate::dev::tmpfs(c"4k", c"0555", Attr::MOUNT_ATTR_RDONLY)
}

fn seal(mask: BorrowedFd<'_>) -> nix::Result<()> {
    let set = Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC;
    set_attributes(
        mask,
        false,
        Change {
            set,
            ..Change::default()
        },
    )
}

/// Looks again, through the payload's own mounts: everything that exists and is to be hidden is, and what is to be read-only cannot be
/// written.
pub fn verify(root: BorrowedFd<'_>, profile: Profile) -> Result<(), Failure> {
    for path in HIDDEN {
        check(root, path, hides)?;
    }
    for path in READ_ONLY {
        check(root, path, refuses_writing)?;
    }
    if profile == Profile::App && place::find(root, SYSTEM_WRITES).is_ok() {
        let net = place::find(root, SYSTEM_WRITES).to("find /proc/sys/net")?;
        if !flagged_read_only(net.as_fd()).to("look at /proc/sys/net")? {
            return Err(Failure::bug("trust /proc/sys/net: it can be written"));
        }
    }
    Ok(())
}

fn check(root: BorrowedFd<'_>, path: &str, good: fn(BorrowedFd<'_>) -> nix::Result<bool>) -> Result<(), Failure> {
    let at = match place::find(root, path) {
        Err(Errno::ENOENT) => return Ok(()),
        other => other.to(&format!("look at {path}"))?,
    };
    if is_mount(at.as_fd()).to(&format!("look at {path}"))? && good(at.as_fd()).to(&format!("look at {path}"))? {
        return Ok(());
    }
    Err(Failure::bug(&format!("trust {path}: what was to cover it does not")))
}

fn hides(at: BorrowedFd<'_>) -> nix::Result<bool> {
    match place::file_type(at)? {
        FileType::Directory => {
            let filesystem = rustix::fs::fstatfs(at).map_err(sys::process::errno)?.f_type;
            let links = rustix::fs::fstat(at).map_err(sys::process::errno)?.st_nlink;
            Ok(filesystem == TMPFS && links == 2 && flagged_read_only(at)?)
        }
        _ => payload::streams::is_null(at),
    }
}

fn refuses_writing(at: BorrowedFd<'_>) -> nix::Result<bool> {
    flagged_read_only(at)
}

fn flagged_read_only(at: BorrowedFd<'_>) -> nix::Result<bool> {
    let flags = rustix::fs::fstatvfs(at).map_err(sys::process::errno)?.f_flag;
    Ok(flags.contains(StatVfsMountFlags::RDONLY))
}

/// Whether this is the root of a mount (statx(2), `STATX_ATTR_MOUNT_ROOT`).
fn is_mount(at: BorrowedFd<'_>) -> nix::Result<bool> {
    let stat = rustix::fs::statx(at, c"", AtFlags::EMPTY_PATH, StatxFlags::empty()).map_err(sys::process::errno)?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_tree_without_masks_is_not_trusted() {
        let root = File::open("/").unwrap();
        assert!(verify(root.as_fd(), Profile::App).is_err());
    }

    #[test]
    fn the_places_are_in_order_and_once() {
        let mut sorted: Vec<_> = HIDDEN.iter().filter(|p| p.starts_with("/proc")).collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(
            sorted,
            HIDDEN.iter().filter(|p| p.starts_with("/proc")).collect::<Vec<_>>()
        );
    }
}
