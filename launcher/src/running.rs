//! What is done to the groups of a container that runs: freeze, thaw, limit. May touch: those groups, through `cgroupd`.

use crate::clear::writer;
use crate::expect;
use crate::host::Host;
use wire::cgroupd::Limits;
use wire::ids::IdBlock;
use wire::{ContainerName, Failure, cgroupd};

/// Freezes or thaws a container.
pub fn freeze(host: &Host, block: IdBlock, name: ContainerName, frozen: bool) -> Result<(), Failure> {
    let (cgroupd, hierarchies) = writer(host, block, &name)?;
    let freeze = cgroupd::Request::Freeze {
        name,
        hierarchies,
        frozen,
    };
    cgroupd.send(&freeze, &[])?;
    let state = expect!(cgroupd, cgroupd, (cgroupd::Reply::Frozen(state), _) => state);
    if state == frozen {
        Ok(())
    } else {
        Err(cgroupd.confused())
    }
}

/// Changes limits of a container.
pub fn limit(host: &Host, block: IdBlock, name: ContainerName, limits: Limits) -> Result<(), Failure> {
    let (cgroupd, hierarchies) = writer(host, block, &name)?;
    let limit = cgroupd::Request::Limit {
        name,
        hierarchies,
        limits,
    };
    cgroupd.send(&limit, &[])?;
    expect!(cgroupd, cgroupd, (cgroupd::Reply::Limited, _) => ());
    Ok(())
}
