//! Groups that nobody would clear away any more: their container is gone, and so is its state directory, which says that it was. Only what is
//! below `lazaret`, has the name of no container of this host and of none that another state directory had last, and holds no process, is
//! removed. May touch: those groups, through `cgroupd`.

use crate::claim::{self, Turn};
use crate::clear;
use crate::delegated;
use crate::groups::{self, Group};
use crate::host::Host;
use crate::partition;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use wire::ids::IdBlock;
use wire::{ContainerName, Failure, cgroupd};

/// The names of such groups in these hierarchies. Whether a process is in one is asked first, since a claim is sought among those of all names.
/// Every container that lives is in every hierarchy: of those that have just as many groups as the first, which are all kept, nothing is listed.
fn nobodys(hierarchies: &[(OwnedFd, bool)], turn: &Turn, home: u64) -> Result<Vec<ContainerName>, Failure> {
    let mut hierarchies: Vec<&(OwnedFd, bool)> = hierarchies.iter().collect();
    // First the one in which one file tells of all groups below.
    hierarchies.sort_by_key(|(_, unified)| !unified);
    let Some(((first, _), others)) = hierarchies.split_first() else {
        return Ok(Vec::new());
    };
    let is_nobodys = |name: &ContainerName| -> Result<bool, Failure> {
        for (directory, unified) in &hierarchies {
            // Whose a process is nobody can say: nothing is taken from it.
            if groups::is_in_use(directory, *unified, name)? {
                return Ok(false);
            }
        }
        Ok(turn.is_nobodys(name)? && !turn.is_anothers(name, home)?)
    };
    let looked: BTreeSet<ContainerName> = groups::names(first)?.into_iter().collect();
    let mut nobodys = Vec::new();
    for name in &looked {
        if is_nobodys(name)? {
            nobodys.push(name.clone());
        }
    }
    let alike = |(other, _): &&(OwnedFd, bool)| groups::count(other).is_ok_and(|count| count == looked.len());
    if nobodys.is_empty() && others.iter().all(alike) {
        return Ok(nobodys);
    }
    let mut found = BTreeSet::new();
    for (directory, _) in others {
        found.extend(groups::names(directory)?);
    }
    for name in found.difference(&looked) {
        if is_nobodys(name)? {
            nobodys.push(name.clone());
        }
    }
    Ok(nobodys)
}

/// Removes them, and says whose name they had.
pub fn sweep(host: &Host, block: IdBlock) -> Result<Vec<ContainerName>, Failure> {
    if host.user.is_some() {
        return users(host, block);
    }
    // Until it is given up no name is claimed by anybody, neither for a start nor to clear away: what is nobody's stays so until it is removed.
    let turn = claim::turn()?;
    let existing = groups::existing(&host.mountinfo()?)?;
    let found = nobodys(&existing, &turn, host.home.get())?;
    let mut swept = match found.is_empty() {
        true => found,
        false => remove(host, block, &host.groups()?, found)?,
    };
    if partition::any(existing.iter().map(|(directory, _)| directory)) {
        let base = host.groups()?;
        for groups in partition::every(&base)? {
            let mut within = Vec::new();
            for group in &groups {
                let directory = group.directory.try_clone();
                let directory =
                    directory.map_err(|_| Failure::kernel("look through the partitions", Errno::EMFILE as i32))?;
                within.push((directory, group.hierarchy.unified));
            }
            let found = nobodys(&within, &turn, host.home.get())?;
            if !found.is_empty() {
                swept.extend(remove(host, block, &groups, found)?);
            }
        }
        partition::prune(&base);
    }
    Ok(swept)
}

/// Removes those of these names that lie in these groups, as far as nobody is in them; which.
fn remove(
    host: &Host,
    block: IdBlock,
    groups: &[Group],
    nobodys: Vec<ContainerName>,
) -> Result<Vec<ContainerName>, Failure> {
    let (cgroupd, hierarchies) = clear::of(host, block, groups)?;
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

/// The same for an ordinary user's, each of which is where it is noted.
fn users(host: &Host, block: IdBlock) -> Result<Vec<ContainerName>, Failure> {
    let turn = claim::turn()?;
    let mut swept = Vec::new();
    for name in delegated::names()? {
        if !turn.is_nobodys(&name)? || turn.is_anothers(&name, host.home.get())? {
            continue;
        }
        let (group, base) = (delegated::of(&name)?, delegated::base_of(&name)?);
        if let Some(group) = &group {
            if groups::is_in_use(&group.directory, true, &name)? {
                continue;
            }
            let (cgroupd, hierarchies) = clear::writer(host, block, &name)?;
            let remove = cgroupd::Request::RemoveEmpty {
                name: name.clone(),
                hierarchies,
            };
            cgroupd.send(&remove, &[])?;
            match cgroupd.receive()? {
                (cgroupd::Reply::Removed, _) => {}
                (cgroupd::Reply::Refused(_), _) => continue,
                _ => return Err(cgroupd.confused()),
            }
        }
        base.iter()
            .for_each(|base| partition::prune(std::slice::from_ref(base)));
        delegated::forget(&name)?;
        swept.extend(group.map(|_| name));
    }
    Ok(swept)
}
