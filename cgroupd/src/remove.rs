//! Removes a container's group with every group below it, deepest first. Touches the inherited directories.
//!
//! A container's root may have made a hundred thousand groups, each inside another: nothing here grows with their depth or number.

use crate::group::{Group, Swept};
use crate::judge::Place;
use crate::wait::{Patience, until_empty};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use wire::Failure;
use wire::cgroupd::{Controller, Hierarchy};

/// The most steps up or down in one hierarchy.
const STEPS: u32 = 4_000_000;

/// Removes the groups in all hierarchies, however many fail; the first failure is the answer.
pub fn remove(place: &Place, directories: &[BorrowedFd<'_>], mut patience: Patience) -> Result<(), Failure> {
    let mut all: Vec<(&Hierarchy, &BorrowedFd<'_>)> = place.hierarchies.iter().zip(directories).collect();
    // The freezer first: a process that is frozen there cannot end, whatever else it was sent.
    all.sort_by_key(|(h, _)| !h.controllers.contains(&Controller::Freezer));
    let mut result = Ok(());
    for (hierarchy, directory) in all {
        let thaw = !hierarchy.unified && hierarchy.controllers.contains(&Controller::Freezer);
        result = result.and(one(*directory, &place.name, thaw, &mut patience));
    }
    result
}

/// Walks down into the first group that cannot be removed, and up again once it has none below it. A group that still cannot be
/// removed then has processes, which are waited for.
fn one(directory: BorrowedFd<'_>, name: &CStr, thaw: bool, patience: &mut Patience) -> Result<(), Failure> {
    let failed = |what: &str, e: rustix::io::Errno| {
        Failure::kernel(&format!("{what} {}", name.to_string_lossy()), e.raw_os_error())
    };
    let top = Group::open(directory, c".").map_err(|e| failed("open the directory above", e))?;
    let (mut here, mut depth, mut emptied) = (None::<Group>, 0u32, None);
    for _ in 0..STEPS {
        let swept = match &here {
            Some(group) => group.sweep().map_err(|e| failed("remove groups below", e))?,
            None if top.remove(name).map_err(|e| failed("remove the group", e))? => return Ok(()),
            None => {
                let group = Group::open(top.as_fd(), name).map_err(|e| failed("open the group", e))?;
                let inode = group.inode().map_err(|e| failed("look at the group", e))?;
                Swept::Busy(group, inode)
            }
        };
        match swept {
            Swept::Busy(group, inode) if emptied == Some(inode) => {
                until_empty(&group, patience)?;
                emptied = None;
            }
            Swept::Busy(group, _) => {
                if thaw {
                    // Best effort: a group that stays frozen is found out when its processes do not end.
                    let _ = group.write(c"freezer.state", "THAWED");
                }
                here = Some(group);
                depth = depth.saturating_add(1);
            }
            Swept::Empty => {
                let Some(group) = here.take() else { return Ok(()) };
                emptied = Some(group.inode().map_err(|e| failed("look at a group below", e))?);
                depth = depth.saturating_sub(1);
                if depth > 0 {
                    here = Some(group.above().map_err(|e| failed("leave a group below", e))?);
                }
            }
        }
    }
    Err(Failure::caller(&format!(
        "remove the group {}: too many groups lie below it",
        name.to_string_lossy()
    )))
}
