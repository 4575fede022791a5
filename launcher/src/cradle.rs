//! A container's groups in the unified hierarchy, in which its processes are born (clone3(2), `CLONE_INTO_CGROUP`): for a move between groups the
//! kernel waits until every processor has passed through the scheduler, which takes milliseconds; a birth waits for nobody.
//! May touch: `lazaret/NAME` in that hierarchy.

use crate::groups::{self, Group};
use crate::open;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::process::errno;
use wire::{ContainerName, Failure};

/// Where a container's processes are born.
#[derive(Debug)]
pub struct Cradle {
    /// For `init`'s outer half, which is not a part of the container.
    pub keep: OwnedFd,
    /// For the container's first process.
    pub payload: OwnedFd,
}

/// Makes the groups, of which `payload` belongs to `owner`; `None` where there is no unified hierarchy. The kernel lets a process give birth in
/// another group if it may write the membership of that group and of the one above both: here the group `keeper` may.
/// `EEXIST`: there is one of that name still.
pub fn make(groups: &[Group], name: &ContainerName, owner: u32, keeper: u32) -> Result<Option<Cradle>, Failure> {
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
