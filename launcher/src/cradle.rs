//! A container's groups in the unified hierarchy, in which its processes are born (clone3(2), `CLONE_INTO_CGROUP`): for a move between groups the
//! kernel waits until every processor has passed through the scheduler, which takes milliseconds; a birth waits for nobody.
//! Before that, what a start that crashed left of the name is removed, in whatever partition. May touch: `lazaret/NAME` in that hierarchy, and through
//! `cgroupd` in the others.

use crate::clear;
use crate::delegated;
use crate::expect;
use crate::groups::{self, Group};
use crate::host::Host;
use crate::judge::Start;
use crate::open;
use crate::partition;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::process::errno;
use wire::{ContainerName, Failure, cgroupd};

/// Where a container's processes are born.
#[derive(Debug)]
pub struct Cradle {
    /// For `init`'s outer half, which is not a part of the container.
    pub keep: OwnedFd,
    /// For the container's first process.
    pub payload: OwnedFd,
}

/// The partition in which its groups are to lie, if it names one.
pub fn placed(base: &[Group], start: &Start) -> Result<Option<partition::Place>, Failure> {
    match &start.partition {
        Some(partition) if base.is_empty() => Err(Failure::caller(&format!(
            "have control groups in the partition {partition}: an ordinary user's container has some only if it is started in one of the user's own"
        ))),
        Some(partition) => partition::make(base, partition).map(Some),
        None => Ok(None),
    }
}

/// The groups in which the container's processes are born. What a crashed start left there, or in another partition, is removed first.
pub fn ready(host: &Host, [base, groups]: [&[Group]; 2], start: &Start, owner: u32) -> Result<Option<Cradle>, Failure> {
    match (host.user, groups) {
        (Some(_), [group]) => settled(host, start, group)?,
        (Some(_), _) => {}
        (None, _) => nowhere_else(host, base, groups, start)?,
    }
    let again = || make(groups, &start.name, owner, start.block.keeper());
    match again() {
        Err(failure) if failure.errno == Errno::EEXIST as i32 => {
            remove(clear::of(host, start.block, groups)?, &start.name)?;
            again()
        }
        made => made,
    }
}

fn remove((cgroupd, hierarchies): clear::Writer, name: &ContainerName) -> Result<(), Failure> {
    let name = name.clone();
    cgroupd.send(&cgroupd::Request::Remove { name, hierarchies }, &[])?;
    expect!(cgroupd, cgroupd, (cgroupd::Reply::Removed, _) => ());
    Ok(())
}

/// Removes what a start that crashed left in a partition that this one does not name.
fn nowhere_else(host: &Host, base: &[Group], groups: &[Group], start: &Start) -> Result<(), Failure> {
    let own = groups.first().and_then(Group::place);
    let mut others = partition::holding(base, &start.name)?;
    others.retain(|other| other.first().and_then(Group::place) != own);
    let also = start.partition.is_some() && base.iter().any(|g| open::exists(&g.directory, start.name.as_str()));
    for other in others.iter().map(Vec::as_slice).chain(also.then_some(base)) {
        remove(clear::of(host, start.block, other)?, &start.name)?;
    }
    Ok(())
}

/// Notes where an ordinary user's container will have its groups. What a start that crashed left in another group goes first.
fn settled(host: &Host, start: &Start, group: &Group) -> Result<(), Failure> {
    if let Some(other) = delegated::of(&start.name)?
        && other.place() != group.place()
    {
        remove(clear::writer(host, start.block, &start.name)?, &start.name)?;
    }
    delegated::note(group, &start.name)
}

/// Makes the groups, of which `payload` belongs to `owner`; `None` where there is no unified hierarchy. The kernel lets a process give birth in
/// another group if it may write the membership of that group and of the one above both: here the group `keeper` may.
/// `EEXIST`: there is one of that name still.
fn make(groups: &[Group], name: &ContainerName, owner: u32, keeper: u32) -> Result<Option<Cradle>, Failure> {
    let Some(group) = groups.iter().find(|g| g.hierarchy.unified) else {
        return Ok(None);
    };
    let name = name.as_str();
    let fail = |e: Errno| Failure::kernel(&format!("make the control group {name}"), e as i32);
    one(group.directory.as_fd(), name, 0, keeper).map_err(fail)?;
    let above = groups::directory(group, name)?;
    groups::pass_on(&above).map_err(fail)?;
    one(above.as_fd(), "keep", 0, 0).map_err(fail)?;
    one(above.as_fd(), "payload", owner, keeper).map_err(fail)?;
    Ok(Some(Cradle {
        keep: groups::directory(group, &format!("{name}/keep"))?,
        payload: groups::directory(group, &format!("{name}/payload"))?,
    }))
}

/// One new group, whose membership its owner may write, and `keeper` if that is not the host's root.
fn one(parent: BorrowedFd<'_>, name: &str, owner: u32, keeper: u32) -> Result<(), Errno> {
    let done = open::with_ids(owner, keeper, || {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
        if keeper != 0 {
            let members = format!("{name}/cgroup.procs");
            rustix::fs::chmodat(parent, members, Mode::from_raw_mode(0o664), AtFlags::empty())?;
        }
        Ok(())
    });
    done.map_err(errno)
}
