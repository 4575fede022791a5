//! Filesystems that show the namespaces of whoever makes them: proc, sysfs, mqueue, cgroup. The builder joins those of the first process for
//! that; a user namespace above another has every power over it. May touch: the builder's namespaces, but user and mount.

use nix::errno::Errno;
use payload::Step;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::pair;
use sys::mount::{Attr, Superblock};
use sys::namespace::{self, Kind};
use sys::process::{Fork, exit_now, fork};
use wire::failure::Failure;
use wire::frame::Message;

/// The namespaces that are shown.
#[derive(Debug)]
pub struct Shown<'a> {
    /// Whose processes /proc shows.
    pub pid: &'a OwnedFd,
    /// Whose links /sys shows.
    pub net: &'a OwnedFd,
    /// Whose queues /dev/mqueue shows.
    pub ipc: &'a OwnedFd,
    /// Whose groups /sys/fs/cgroup shows.
    pub cgroup: &'a OwnedFd,
    /// Whether there is any that is the container's.
    pub grouped: bool,
}

/// Joins all but the one of processes, which cannot be left again and is needed for one view only. The builder has no use for its own ones
/// any more; but where it will have children of its own, it keeps that of control groups, which see `cgroup_from_outside`.
pub fn join(shown: &Shown<'_>, restarts: bool) -> Result<(), Failure> {
    let proc = rustix::fs::open(
        "/proc",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .to("open /proc")?;
    for (namespace, kind) in [
        (shown.net, Kind::Net),
        (shown.ipc, Kind::Ipc),
        (shown.cgroup, Kind::Cgroup),
    ] {
        let what = format!("join the {} namespace of the first process", kind.name());
        if kind == Kind::Cgroup && restarts {
            continue;
        }
        // What is shared this process was born in, and nobody here may join it.
        if kind != Kind::Cgroup
            && namespace::own(&proc, kind)
                .and_then(|own| namespace::same(&own, namespace))
                .to(&what)?
        {
            continue;
        }
        namespace::join(namespace.as_fd(), kind).to(&what)?;
    }
    Ok(())
}

const QUIET: Attr = Attr::MOUNT_ATTR_NOSUID
    .union(Attr::MOUNT_ATTR_NODEV)
    .union(Attr::MOUNT_ATTR_NOEXEC);

/// What a helper in a namespace of the payload's answers.
#[derive(Debug, Serialize, Deserialize)]
enum Made {
    /// The mount (one descriptor).
    Mount,
    /// It was not made.
    Failed(Failure),
}

/// Nothing is ever sent to the helper.
#[derive(Debug, Serialize, Deserialize)]
enum Never {}

impl Message for Made {
    fn descriptors(&self) -> usize {
        match self {
            Self::Mount => 1,
            Self::Failed(_) => 0,
        }
    }
}

impl Message for Never {
    fn descriptors(&self) -> usize {
        match *self {}
    }
}

/// `/proc`. The kernel makes one only for a process that is itself in the pid namespace shown, and setns(2) moves but the children: so a child
/// makes it and hands it over. The caller has no children elsewhere afterwards.
pub fn proc(shown: &Shown<'_>) -> Result<OwnedFd, Failure> {
    namespace::join(shown.pid.as_fd(), Kind::Pid).to("join the pid namespace of the first process")?;
    by_child("make /proc", || plain(c"proc", QUIET).to("make /proc"))
}

/// `/proc`, for a builder that will have children of its own: it leaves the joining to a child too.
pub fn proc_from_outside(shown: &Shown<'_>) -> Result<OwnedFd, Failure> {
    by_child("make /proc", || proc(shown))
}

/// Has a child make a mount and hand it over.
fn by_child(what: &str, make: impl FnOnce() -> Result<OwnedFd, Failure>) -> Result<OwnedFd, Failure> {
    let (ours, theirs) = pair::<Never, Made>().to(what)?;
    let pid = match fork().to(what)? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            let sent = match make() {
                Ok(mount) => theirs.send(&Made::Mount, &[mount.as_fd()]),
                Err(failure) => theirs.send(&Made::Failed(failure), &[]),
            };
            exit_now(i32::from(sent.is_err()))
        }
    };
    drop(theirs);
    let received = ours.receive();
    sys::process::wait(pid).to(what)?;
    match received {
        Ok((Made::Mount, descriptors)) => descriptors.into_iter().next().ok_or_else(|| Failure::bug(what)),
        Ok((Made::Failed(failure), _)) => Err(failure),
        Err(e) => Err(Failure::bug(&format!("{what}: {e}"))),
    }
}

/// `/sys`, read-only.
pub fn sysfs() -> Result<OwnedFd, Failure> {
    plain(c"sysfs", QUIET | Attr::MOUNT_ATTR_RDONLY).to("make /sys")
}

/// `/dev/mqueue`, unless this kernel has no message queues.
pub fn mqueue() -> Result<Option<OwnedFd>, Failure> {
    match plain(c"mqueue", QUIET) {
        Err(Errno::ENODEV) => Ok(None),
        other => other.map(Some).to("make /dev/mqueue"),
    }
}

/// The unified hierarchy, or, where there is none, the one that systemd names its own by.
pub fn cgroup(unified: bool, writable: bool) -> Result<OwnedFd, Failure> {
    let flags = if writable {
        QUIET
    } else {
        QUIET | Attr::MOUNT_ATTR_RDONLY
    };
    if unified {
        return plain(c"cgroup2", flags).to("make the mount of the control groups");
    }
    let named = || {
        let cgroup = Superblock::open(c"cgroup")?;
        cgroup.string(c"source", c"cgroup")?;
        cgroup.flag(c"none")?;
        cgroup.string(c"name", c"systemd")?;
        cgroup.create()?;
        cgroup.mount(flags)
    };
    named().to("make the mount of the control groups (name=systemd)")
}

/// The same, for a builder that has to stay in a cgroup namespace from which its own group is seen: where such namespaces bound what was
/// delegated (`nsdelegate`, with which service managers mount version 2), nobody else may give birth from that group into another, and one
/// that was left cannot be returned to.
pub fn cgroup_from_outside(shown: &Shown<'_>, unified: bool, writable: bool) -> Result<OwnedFd, Failure> {
    by_child("make the mount of the control groups", || {
        namespace::join(shown.cgroup.as_fd(), Kind::Cgroup).to("join the cgroup namespace of the first process")?;
        cgroup(unified, writable)
    })
}

fn plain(kind: &std::ffi::CStr, flags: Attr) -> nix::Result<OwnedFd> {
    let superblock = Superblock::open(kind)?;
    superblock.string(c"source", kind)?;
    superblock.create()?;
    superblock.mount(flags)
}
