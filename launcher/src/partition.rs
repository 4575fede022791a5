//! Partitions, which a domain names by `<resource><partition>`: groups between `lazaret` and a container's own, one in the other, in each hierarchy. What is
//! made here bears the sticky bit, and goes when no container is left below; what an administrator made beforehand, to set limits there, stays. No note says
//! which container is in which: they are looked through. May touch: those groups, where nothing but groups is in them.

use crate::claim::{self, Partitioning};
use crate::groups::{self, Group};
use crate::open;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use sys::process::errno;
use wire::cgroupd::Controller;
use wire::partition::PARTITIONS;
use wire::{ContainerName, Failure, Partition};

/// The permission bits of a group that is ours to remove. Nobody has a use for the sticky bit there, and it comes into being with the group.
const OURS: Mode = Mode::from_raw_mode(0o1755);
/// How deep groups of partitions are looked through: as deep as a [`Partition`] may be, and its directory.
const DEEP: usize = 17;

/// The groups of a partition, and what keeps them there although nothing is in them yet.
#[derive(Debug)]
pub struct Place {
    /// One for each hierarchy.
    pub groups: Vec<Group>,
    /// Others make some as well; who removes partitions is alone.
    _held: Partitioning,
}

/// Makes a partition in every hierarchy, as far as it is not there.
pub fn make(base: &[Group], partition: &Partition) -> Result<Place, Failure> {
    let _held = claim::partitioning()?;
    let one = |group: &Group| one(group, partition).map_err(|e| fail(partition.as_str(), e));
    Ok(Place {
        groups: base.iter().map(one).collect::<Result<_, _>>()?,
        _held,
    })
}

fn fail(what: &str, e: Errno) -> Failure {
    Failure::kernel(&format!("have control groups in the partition {what}"), errno(e) as i32)
}

fn one(group: &Group, partition: &Partition) -> Result<Group, Errno> {
    let mut above = group.directory.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for name in partition.directories() {
        match rustix::fs::mkdirat(&above, &*name, OURS) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
        let directory = descend(&above, &name)?;
        if group.hierarchy.unified {
            groups::pass_on_what_may(&directory).map_err(|e| Errno::from_raw_os_error(e as i32))?;
        } else if group.hierarchy.controllers.contains(&Controller::Cpuset) {
            groups::inherit(&above, &directory)?;
        }
        above = directory;
    }
    group.moved(above)
}

fn descend(above: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, how, Mode::empty())
}

/// Whether there is any partition in these hierarchies.
pub fn any<'a>(mut directories: impl Iterator<Item = &'a OwnedFd>) -> bool {
    directories.any(|directory| open::exists(directory, PARTITIONS))
}

/// The groups of partitions in these hierarchies, by where they are below `lazaret`; each comes before what is below it.
fn all(base: &[Group]) -> Result<BTreeSet<Vec<u8>>, Errno> {
    let mut found = BTreeSet::new();
    for group in base.iter().filter(|g| open::exists(&g.directory, PARTITIONS)) {
        let mut rest = vec![PARTITIONS.as_bytes().to_owned()];
        while let Some(path) = rest.pop() {
            if path.iter().filter(|b| **b == b'/').count() < DEEP {
                rest.extend(below(group, &path)?);
            }
            found.insert(path);
        }
    }
    Ok(found)
}

/// The partitions right below one, which has gone meanwhile if it is not there.
fn below(group: &Group, path: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::openat(&group.directory, path, how, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut found = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let is_one = name.starts_with(b".") && !matches!(name, b"." | b"..");
        if is_one && entry.file_type() == FileType::Directory {
            found.push([path, b"/", name].concat());
        }
    }
    Ok(found)
}

/// A partition's groups, in the hierarchies that have it.
fn at(base: &[Group], path: &[u8]) -> Result<Vec<Group>, Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut found = Vec::new();
    for group in base {
        match rustix::fs::openat(&group.directory, path, how, Mode::empty()) {
            Err(Errno::NOENT | Errno::NODEV) => {}
            opened => found.push(group.moved(opened?)?),
        }
    }
    Ok(found)
}

/// Every partition with its groups.
pub fn every(base: &[Group]) -> Result<Vec<Vec<Group>>, Failure> {
    let every = all(base).and_then(|paths| paths.iter().map(|path| at(base, path)).collect());
    every.map_err(|e| fail("of each container", e))
}

/// The groups of each partition in which a container of that name has some.
pub fn holding(base: &[Group], name: &ContainerName) -> Result<Vec<Vec<Group>>, Failure> {
    let mut found = Vec::new();
    if any(base.iter().map(|g| &g.directory)) {
        found = every(base)?;
        found.retain(|groups| groups.iter().any(|g| open::exists(&g.directory, name.as_str())));
    }
    Ok(found)
}

/// Removes each partition of our making in which nothing is; whoever is placing a container in one keeps all.
pub fn prune(base: &[Group]) {
    if !any(base.iter().map(|g| &g.directory)) {
        return;
    }
    let Ok(_alone) = claim::unpartitioning() else {
        return;
    };
    let paths = all(base).unwrap_or_default();
    for path in paths.iter().rev() {
        for group in base {
            let ours = rustix::fs::statat(&group.directory, &**path, AtFlags::SYMLINK_NOFOLLOW);
            if ours.is_ok_and(|stat| Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX)) {
                // What is not empty stays.
                let _ = rustix::fs::unlinkat(&group.directory, &**path, AtFlags::REMOVEDIR);
            }
        }
    }
}
