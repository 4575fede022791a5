//! Control groups of an ordinary user's containers: below the group of version 2 that the user was given (cgroups(7), "Delegating a hierarchy to a
//! less privileged user") and in which `lazaret` was called. The next command may be called in another, so where a container's groups lie is noted,
//! by its name, as a link in the user's state directory. May touch: that group, `/proc/self/cgroup`, the file of the unit whose group it is, those links.

use crate::groups::{self, Group};
use crate::open;
use crate::user;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use sys::process::errno;
use wire::cgroupd::Hierarchy;
use wire::partition::PARTITIONS;
use wire::user::{CALLERS, delegates, transient, unit, within};
use wire::{ContainerName, Failure};

/// How often whoever is in a group is moved on, until nobody is: what is forked meanwhile is in it again.
const ROUNDS: usize = 100;

fn kernel(what: impl Into<String>) -> impl Fn(Errno) -> Failure {
    let what = what.into();
    move |e| Failure::kernel(&what, errno(e) as i32)
}

/// A group that is the user's: its directory, and where that is.
struct Own {
    path: String,
    directory: OwnedFd,
}

/// The group in which `lazaret` was called, if it is the user's own. What the kernel asks for is that the user may write the files that
/// delegation gives away. Where a service manager of the user's made it, that one has to have given it away.
fn own(mountinfo: &str, uid: u32) -> Result<Option<Own>, Failure> {
    let Some(place) = groups::unified(mountinfo) else {
        return Ok(None);
    };
    let how = OFlags::RDONLY | OFlags::CLOEXEC;
    let text = rustix::fs::open("/proc/self/cgroup", how, Mode::empty()).and_then(open::text);
    let text = text.map_err(kernel("read /proc/self/cgroup"))?;
    let Some(path) = within(&text).filter(|path| unit(path).is_none_or(|unit| is_given(uid, unit))) else {
        return Ok(None);
    };
    let path = format!("{place}{path}");
    let directory = open_group(&path).map_err(kernel(format!("open the control group {path}")))?;
    let users =
        |name: &str| rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|s| s.st_uid == 0);
    let all = [".", "cgroup.procs", "cgroup.subtree_control"].into_iter().all(users);
    Ok(all.then_some(Own { path, directory }))
}

/// Whether the user's service manager was asked to give that unit's group away.
fn is_given(uid: u32, unit: &str) -> bool {
    let how = OFlags::RDONLY | OFlags::CLOEXEC;
    let text = rustix::fs::open(transient(uid, unit), how, Mode::empty()).and_then(open::text);
    text.is_ok_and(|text| delegates(&text))
}

/// What a new container's group would have, if the user has one to place it in: nothing is made, and nobody moved.
pub fn possible(mountinfo: &str, uid: u32) -> Result<Option<Hierarchy>, Failure> {
    let Some(own) = own(mountinfo, uid)? else {
        return Ok(None);
    };
    groups::possible(&own.directory)
        .map(Some)
        .map_err(kernel(format!("look at the control group {}", own.path)))
}

fn open_group(path: &str) -> Result<OwnedFd, Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, how, Mode::empty())
}

/// Where a new container of the user's is placed: `lazaret` in the user's own group, with the controllers that this has. Whoever is in the group
/// itself goes to one below, since the kernel passes no controller on past a process.
pub fn new(mountinfo: &str, uid: u32) -> Result<Option<Group>, Failure> {
    let Some(own) = own(mountinfo, uid)? else {
        return Ok(None);
    };
    let fail = kernel(format!("use the control group {}", own.path));
    open::make(own.directory.as_fd(), groups::LAZARET).map_err(&fail)?;
    let path = format!("{}/{}", own.path, groups::LAZARET);
    let directory = open_group(&path).map_err(&fail)?;
    open::make(directory.as_fd(), CALLERS).map_err(&fail)?;
    vacate(&own, &directory)?;
    for group in [&own.directory, &directory] {
        // Who then asks for processors by number is refused.
        let on = groups::pass_on_what_may(group);
        on.map_err(|e| Failure::kernel(&format!("turn on the controllers of {path}"), e as i32))?;
    }
    Group::of_version2(directory).map(Some).map_err(fail)
}

/// Has whoever is in the user's group moved to the callers'.
fn vacate(own: &Own, lazaret: &OwnedFd) -> Result<(), Failure> {
    let fail = kernel(format!(
        "move your processes out of {}, whose controllers are passed on",
        own.path
    ));
    for _ in 0..ROUNDS {
        let members = groups::read(&own.directory, "cgroup.procs").map_err(&fail)?;
        if members.is_empty() {
            return Ok(());
        }
        for pid in members.lines() {
            match groups::write(lazaret, &format!("{CALLERS}/cgroup.procs"), pid) {
                // It has ended.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(e) => return Err(fail(e)),
            }
        }
    }
    Err(fail(Errno::BUSY))
}

/// The directory of links; made if it is missing.
fn notes() -> Result<OwnedFd, Failure> {
    let path = user::groups();
    let fail = kernel("note where control groups of yours lie");
    match rustix::fs::mkdir(&*path, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(fail(e)),
    }
    open_group(&path).map_err(fail)
}

/// Notes that a container's groups are about to be made in that one.
pub fn note(group: &Group, name: &ContainerName) -> Result<(), Failure> {
    let place = group
        .place()
        .ok_or_else(|| Failure::bug("find where a control group is"))?;
    let notes = notes()?;
    forget(name)?;
    rustix::fs::symlinkat(&*place, &notes, name.as_str()).map_err(kernel("note where control groups of yours lie"))
}

/// Where a container's groups lie, if they are noted and that group is there still: systemd takes a scope's groups away with its last process.
pub fn of(name: &ContainerName) -> Result<Option<Group>, Failure> {
    let fail = kernel(format!("find the control groups of {name}"));
    let place = match rustix::fs::readlinkat(notes()?, name.as_str(), Vec::new()) {
        Err(Errno::NOENT) => return Ok(None),
        place => place.map_err(&fail)?,
    };
    let Ok(place) = place.to_str() else { return Ok(None) };
    match open_group(place) {
        Err(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => Ok(None),
        opened => Group::of_version2(opened.map_err(&fail)?).map(Some).map_err(&fail),
    }
}

/// The directory `lazaret` below which they lie, in a partition or not.
pub fn base_of(name: &ContainerName) -> Result<Option<Group>, Failure> {
    let Some(group) = of(name)? else { return Ok(None) };
    let place = group.place();
    let within = format!("/{}/{PARTITIONS}/", groups::LAZARET);
    let Some((above, _)) = place.as_ref().and_then(|p| p.split_once(&within)) else {
        return Ok(Some(group));
    };
    let opened = open_group(&format!("{above}/{}", groups::LAZARET)).and_then(Group::of_version2);
    opened
        .map(Some)
        .map_err(kernel(format!("find the control groups of {name}")))
}

/// A container's groups are gone.
pub fn forget(name: &ContainerName) -> Result<(), Failure> {
    match rustix::fs::unlinkat(notes()?, name.as_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(kernel("forget where control groups of yours lay")(e)),
    }
}

/// Every container of which it is noted.
pub fn names() -> Result<Vec<ContainerName>, Failure> {
    notes()?;
    let entries = std::fs::read_dir(Path::new(&user::groups())).map_err(|e| {
        let errno = e.raw_os_error().unwrap_or(0);
        Failure::kernel("list where control groups of yours lie", errno)
    })?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| ContainerName::new(entry.ok()?.file_name().to_str()?).ok();
    Ok(entries.filter_map(name).collect())
}
