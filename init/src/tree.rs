//! The container's tree, built in the builder's mount namespace and made its root. The order is that of the mounts: what lies over another
//! comes after it. May touch: the builder's mount namespace, which the host does not see.

use crate::judge::Judged;
use crate::place::{self, Kind, Laid};
use crate::undo::Places;
use crate::views::{self, Shown};
use crate::{attachments, dev, etc, masks};
use payload::Step;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Change, open_beneath, set_attributes};
use wire::failure::Failure;
use wire::init::Profile;
use wire::mountd::Device;

/// The old root, if it is not gone with the pivot, and one more than there can be.
const MOST_STACKED: usize = 2;

/// What a tree is built from: mounts that are attached nowhere.
#[derive(Debug)]
pub struct Parts {
    /// The factory's, in its order.
    pub mounts: Vec<OwnedFd>,
    /// The devpts with the consoles.
    pub terminals: OwnedFd,
}

/// The factory's mounts, each for what it is.
struct Delivered {
    root: OwnedFd,
    devices: Vec<(Device, OwnedFd)>,
    meminfo: Option<OwnedFd>,
    sysfs: Option<OwnedFd>,
    lent_proc: Option<OwnedFd>,
    nodes: Option<OwnedFd>,
    rest: std::vec::IntoIter<OwnedFd>,
}

/// Tells the mounts apart by the order in which [`wire::init::Container::factory_mounts`] counts them.
fn sort(container: &Judged, mounts: Vec<OwnedFd>) -> Result<Delivered, Failure> {
    if mounts.len() != container.factory_mounts() {
        return Err(Failure::protocol(
            "build from another number of mounts than was announced",
        ));
    }
    let mut rest = mounts.into_iter();
    let missing = || Failure::protocol("build from fewer mounts than were announced");
    let root = rest.next().ok_or_else(missing)?;
    let devices = container.devices.iter().map(|d| rest.next().map(|m| (*d, m)));
    let devices = devices.collect::<Option<Vec<_>>>().ok_or_else(missing)?;
    let mut next = |wanted: bool| {
        if wanted {
            rest.next().map(Some).ok_or_else(missing)
        } else {
            Ok(None)
        }
    };
    let (meminfo, sysfs, lent_proc, nodes) = (
        next(container.meminfo)?,
        next(container.shares_network())?,
        next(container.lent_proc)?,
        next(!container.nodes.is_empty())?,
    );
    Ok(Delivered {
        root,
        devices,
        meminfo,
        sysfs,
        lent_proc,
        nodes,
        rest,
    })
}

/// Builds the tree and makes it the root of this process and of the first one. `places` are those of this start, whether it succeeds or not.
/// Gives a mount for each device node that the container is given, in its order.
pub fn build(
    container: &Judged,
    parts: Parts,
    shown: &Shown<'_>,
    places: &mut Places,
) -> Result<Vec<OwnedFd>, Failure> {
    let Delivered {
        root,
        devices,
        meminfo,
        sysfs,
        lent_proc,
        nodes,
        mut rest,
    } = sort(container, parts.mounts)?;
    let staging = stage()?;
    attach_root(container, staging.as_fd(), root.as_fd())?;
    if let Some(proc) = &lent_proc {
        // The kernel makes a procfs only for those who see a whole one already; this one vanishes with the staging place.
        attach_at(staging.as_fd(), "proc", proc.as_fd())?;
    }
    let nodes = match &nodes {
        Some(nodes) => {
            attach_at(staging.as_fd(), "nodes", nodes.as_fd())?;
            payload::node::pick(nodes.as_fd(), container.nodes.iter().map(|n| n.writable))?
        }
        None => Vec::new(),
    };
    let proc = if container.restarts() {
        views::proc_from_outside(shown)?
    } else {
        views::proc(shown)?
    };
    views::join(shown, container.restarts())?;
    let root = root.as_fd();
    let mut laid = vec![places.lay(root, "/proc", proc.as_fd())?];
    let sysfs = match sysfs {
        Some(sysfs) => sysfs,
        None => views::sysfs()?,
    };
    laid.push(places.lay(root, "/sys", sysfs.as_fd())?);
    laid.extend(groups(container, shown, root, places)?);
    laid.extend(dev::lay(
        root,
        &devices,
        parts.terminals.as_fd(),
        container.consoles,
        container.shares.ipc.is_none(),
        places,
    )?);
    let files = [("resolv.conf", &container.resolv_conf), ("hosts", &container.hosts)];
    let files: Vec<_> = files
        .iter()
        .filter_map(|(name, text)| text.as_ref().map(|t| (*name, t)))
        .collect();
    if container.read_only_root {
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        etc::prepare(root, staging.as_fd(), &names)?;
    }
    attachments::lay(root, &container.attachments, &mut rest, places)?;
    for (name, text) in files {
        laid.push(etc::lay(root, staging.as_fd(), name, text.as_str(), places)?);
    }
    if container.command.profile == Profile::App {
        forbid_user_namespaces(root)?;
    }
    let null = devices.iter().find(|(d, _)| *d == Device::Null).map(|(_, m)| m.as_fd());
    laid.extend(masks::lay(
        root,
        null.ok_or_else(|| Failure::bug("find the null device"))?,
        container,
    )?);
    if let Some(meminfo) = meminfo {
        laid.push(places.lay(root, "/proc/meminfo", meminfo.as_fd())?);
    }
    laid.iter().try_for_each(|l| l.verify(root))?;
    take_over(root).map(|()| nodes)
}

/// Leaves the tree, built or half built, for an empty place, so that no mount lies in it any more.
pub fn leave() -> Result<(), Failure> {
    take_over(stage()?.as_fd())
}

/// Makes the tree the root and takes everything else out of the namespace: the old root, which comes to lie over the new one, with all that
/// is mounted below it, the place to build at among them. What were left on top would be the root of whoever enters later, and what `/..`
/// leads to.
fn take_over(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = "make the container's tree the root";
    sys::mount::pivot_here(root).to(what)?;
    for _ in 0..MOST_STACKED {
        if uncovered(root).to(what)? {
            return Ok(());
        }
        sys::mount::unmount(c"/..", true).to(what)?;
    }
    Err(Failure::bug(&format!("{what}: the old one cannot be taken off")))
}

/// Whether nothing lies over the root: `/..` is the root itself, through whatever is mounted on it.
pub fn uncovered(root: BorrowedFd<'_>) -> nix::Result<bool> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open("/..", flags, Mode::empty()).map_err(sys::process::errno)?;
    Ok(sys::mount::mount_id(top.as_fd())? == sys::mount::mount_id(root)?)
}

/// A tmpfs over the builder's view of `/sys`, where mounts are attached until they have their place. It lies below the root and not over it,
/// so that both are taken off at once: for each time that something is, the kernel waits for every processor (a grace period).
fn stage() -> Result<OwnedFd, Failure> {
    let what = "make a place to build at";
    let flags = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    let staging = dev::tmpfs(c"1m", c"0700", flags).to(what)?;
    let at = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::open("/sys", at, Mode::empty()).to(what)?;
    sys::mount::attach(staging.as_fd(), place.as_fd()).to(what)?;
    Ok(staging)
}

fn attach_at(staging: BorrowedFd<'_>, name: &str, mount: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = format!("attach the {name} at the place to build at");
    place::directory(staging, name).to(&what)?;
    let target = place::find(staging, name).to(&what)?;
    sys::mount::attach(mount, target.as_fd()).to(&what)
}

fn attach_root(container: &Judged, staging: BorrowedFd<'_>, root: BorrowedFd<'_>) -> Result<(), Failure> {
    if Kind::of(root).to("look at the root file system")? != Kind::Directory {
        return Err(Failure::caller("use the root file system: it is not a directory"));
    }
    attach_at(staging, "root", root)?;
    if container.read_only_root {
        let change = Change {
            set: Attr::MOUNT_ATTR_RDONLY,
            ..Change::default()
        };
        set_attributes(root, false, change).to("make the root file system read-only")?;
    }
    Ok(())
}

/// `/sys/fs/cgroup`: the unified hierarchy itself, or a directory with the named one in it, by which systemd knows the old layout. A container
/// without a group of its own would be shown those of whoever started it: it is shown none.
fn groups(
    container: &Judged,
    shown: &Shown<'_>,
    root: BorrowedFd<'_>,
    places: &mut Places,
) -> Result<Vec<Laid>, Failure> {
    let (unified, writable) = (container.unified, container.cgroup_writable);
    if !shown.grouped {
        let above = above_groups(None)?;
        return Ok(vec![places.lay(root, "/sys/fs/cgroup", above.as_fd())?]);
    }
    let hierarchy = if container.restarts() {
        views::cgroup_from_outside(shown, unified, writable)?
    } else {
        views::cgroup(unified, writable)?
    };
    if container.unified {
        return Ok(vec![places.lay(root, "/sys/fs/cgroup", hierarchy.as_fd())?]);
    }
    let above = above_groups(Some("systemd"))?;
    Ok(vec![
        places.lay(root, "/sys/fs/cgroup", above.as_fd())?,
        places.lay(root, "/sys/fs/cgroup/systemd", hierarchy.as_fd())?,
    ])
}

/// A read-only directory, with one below it to mount at if it has a name.
fn above_groups(below: Option<&str>) -> Result<OwnedFd, Failure> {
    let flags = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    let above = dev::tmpfs(c"4k", c"0755", flags).to("make /sys/fs/cgroup")?;
    if let Some(name) = below {
        place::directory(above.as_fd(), name).to("make a directory below /sys/fs/cgroup")?;
    }
    let change = Change {
        set: Attr::MOUNT_ATTR_RDONLY,
        ..Change::default()
    };
    set_attributes(above.as_fd(), false, change).to("make /sys/fs/cgroup read-only")?;
    Ok(above)
}

/// No user namespace below the builder's but the one that is there: the limit belongs to the builder's, where the payload cannot reach it.
fn forbid_user_namespaces(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = "forbid further user namespaces";
    let resolve = rustix::fs::ResolveFlags::IN_ROOT | rustix::fs::ResolveFlags::NO_SYMLINKS;
    let path = c"proc/sys/user/max_user_namespaces";
    let limit = open_beneath(root, path, OFlags::WRONLY, Mode::empty(), resolve).to(what)?;
    nix::unistd::write(&limit, b"0\n").to(what).map(drop)
}
