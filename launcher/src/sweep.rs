//! Groups that nobody would clear away any more: their container is gone, and so is its state directory, which says that it was. Only what is
//! below `lazaret`, has the name of no container of this host, and holds no process, is removed. May touch: those groups, through `cgroupd`.

use crate::claim;
use crate::clear;
use crate::groups;
use crate::host::Host;
use std::collections::BTreeSet;
use wire::ids::IdBlock;
use wire::{ContainerName, Failure, cgroupd};

/// Removes them, and says whose name they had.
pub fn sweep(host: &Host, block: IdBlock) -> Result<Vec<ContainerName>, Failure> {
    let hierarchies = groups::existing(&host.mountinfo()?)?;
    let mut found = BTreeSet::new();
    for (directory, _) in &hierarchies {
        found.extend(groups::names(directory)?);
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // Until it is given up no name is claimed by anybody, neither for a start nor to clear away.
    let turn = claim::turn()?;
    let mut nobodys = Vec::new();
    for name in found {
        let mut keeps = !turn.is_nobodys(&name)?;
        for (directory, unified) in &hierarchies {
            // Whose a process is nobody can say: nothing is taken from it.
            keeps = keeps || groups::is_in_use(directory, *unified, &name)?;
        }
        if !keeps {
            nobodys.push(name);
        }
    }
    if nobodys.is_empty() {
        return Ok(nobodys);
    }
    let (cgroupd, hierarchies) = clear::writer(host, block)?;
    let mut swept = Vec::new();
    for name in nobodys {
        let hierarchies = hierarchies.clone();
        let remove = cgroupd::Request::RemoveEmpty {
            name: name.clone(),
            hierarchies,
        };
        cgroupd.send(&remove, &[])?;
        match cgroupd.receive()? {
            (cgroupd::Reply::Removed, _) => swept.push(name),
            // A process is in one below.
            (cgroupd::Reply::Refused(_), _) => {}
            _ => return Err(cgroupd.confused()),
        }
    }
    Ok(swept)
}
