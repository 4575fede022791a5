//! Makes a container's groups and puts its limits in force. Touches the inherited directories.

use crate::cpus;
use crate::group::Group;
use crate::judge::{Judged, Place};
use crate::remove::remove;
use crate::settings::{Setting, settings};
use crate::wait::Patience;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use wire::Failure;
use wire::cgroupd::{Controller, Hierarchy};

/// The most groups below a container's own, in the unified hierarchy: several times what a system of services makes. The kernel's memory for them is for
/// the most part nobody's, and it has ids for 65,535 groups of memory on the whole host. Version 1 has no such limit.
const BELOW: &str = "1024";

/// Makes `NAME` and its limits everywhere, or nothing. Nothing is made below it: version 1 takes device rules for a group as long as it has
/// none below. In the unified hierarchy `NAME` may be there: what is born in it is started first.
pub fn make(place: &Place, limits: &Judged, directories: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    let settings = settings(limits, &place.hierarchies)?;
    remove(&place.version1(), &version1(place, directories), Patience::none())?;
    let made =
        place
            .hierarchies
            .iter()
            .zip(directories)
            .enumerate()
            .try_for_each(|(position, (hierarchy, directory))| {
                let own: Vec<&Setting> = settings.iter().filter(|s| s.hierarchy == position).collect();
                one(place, hierarchy, *directory, &own)
            });
    made.inspect_err(|_| {
        // What is left after this is removed by the next start, or by Remove; the reason to report is the first.
        let _ = remove(place, directories, Patience::none());
    })
}

fn one(place: &Place, hierarchy: &Hierarchy, directory: BorrowedFd<'_>, settings: &[&Setting]) -> Result<(), Failure> {
    let name = place.name.to_string_lossy();
    let failed =
        |what: &str, e: Errno| Failure::kernel(&format!("{what} of {name} ({})", title(hierarchy)), e.raw_os_error());
    let above = Group::open(directory, c".").map_err(|e| failed("open the directory", e))?;
    if hierarchy.unified {
        enable(&above, settings).map_err(|(file, e)| failed(file, e))?;
    }
    let group = match Group::make(directory, &place.name) {
        Err(Errno::EXIST) if hierarchy.unified => Group::open(directory, &place.name),
        made => made,
    };
    let group = group.map_err(|e| failed("make the group", e))?;
    if hierarchy.unified {
        let limited = group.write(c"cgroup.max.descendants", BELOW);
        limited.map_err(|e| failed("limit how many groups lie below that", e))?;
        enable(&group, settings).map_err(|(file, e)| failed(file, e))?;
    } else if hierarchy.controllers.contains(&Controller::Cpuset) {
        inherit(&above, &group).map_err(|(file, e)| failed(file, e))?;
    }
    for setting in settings {
        let what = || format!("write {} to {}", setting.value, setting.file.to_string_lossy());
        put(&group, setting).map_err(|e| failed(&what(), e))?;
        verify(&group, hierarchy, setting)?;
    }
    Ok(())
}

/// Writes a setting, and says to which file: where the kernel has not the one, to the other that has its meaning.
pub fn put(group: &Group, setting: &Setting) -> Result<&'static std::ffi::CStr, Errno> {
    match (group.write(setting.file, &setting.value), setting.instead) {
        (Err(Errno::NOENT), Some(instead)) => group.write(instead, &setting.value).map(|()| instead),
        (written, _) => written.map(|()| setting.file),
    }
}

/// The directories that belong to [`Place::version1`].
fn version1<'a>(place: &Place, directories: &[BorrowedFd<'a>]) -> Vec<BorrowedFd<'a>> {
    let both = place.hierarchies.iter().zip(directories);
    both.filter(|(h, _)| !h.unified).map(|(_, d)| *d).collect()
}

/// A hierarchy's name for people.
fn title(hierarchy: &Hierarchy) -> String {
    let controllers: Vec<String> = hierarchy
        .controllers
        .iter()
        .map(|c| format!("{c:?}").to_lowercase())
        .collect();
    format!(
        "version {}: {}",
        if hierarchy.unified { 2 } else { 1 },
        controllers.join(",")
    )
}

/// The name by which a version 2 controller is turned on.
const fn name(controller: Controller) -> Option<&'static str> {
    match controller {
        Controller::Cpu => Some("cpu"),
        Controller::Cpuset => Some("cpuset"),
        Controller::Memory => Some("memory"),
        Controller::Io => Some("io"),
        Controller::Pids => Some("pids"),
        Controller::Cpuacct | Controller::Devices | Controller::Freezer | Controller::Other => None,
    }
}

/// Turns on, for the groups below, each controller that is to be had. Only one that a limit needs must be.
fn enable(group: &Group, settings: &[&Setting]) -> Result<(), (&'static str, Errno)> {
    let available = group
        .read(c"cgroup.controllers")
        .map_err(|e| ("read cgroup.controllers", e))?;
    for controller in [
        Controller::Cpu,
        Controller::Cpuset,
        Controller::Memory,
        Controller::Io,
        Controller::Pids,
    ] {
        let Some(name) = name(controller) else { continue };
        let needed = settings.iter().any(|s| s.controller == controller);
        let result = if available.split_whitespace().any(|a| a == name) {
            group.write(c"cgroup.subtree_control", &format!("+{name}"))
        } else {
            Err(Errno::NOENT)
        };
        match result {
            Err(e) if needed => return Err(("turn on a controller that a limit needs in cgroup.subtree_control", e)),
            _ => {}
        }
    }
    Ok(())
}

/// Gives a version 1 cpuset what the one above has, because it begins with nothing and nothing can join it then; and has the kernel
/// do the same for every group that is made below it.
fn inherit(above: &Group, group: &Group) -> Result<(), (&'static str, Errno)> {
    for file in [c"cpuset.cpus", c"cpuset.mems"] {
        let value = above
            .read(file)
            .map_err(|e| ("read the processors and nodes above", e))?;
        if value.trim_end().is_empty() {
            return Err((
                "take processors and nodes, of which the directory above has none,",
                Errno::NOSPC,
            ));
        }
        group
            .write(file, value.trim_end())
            .map_err(|e| ("set the processors and nodes", e))?;
    }
    group
        .write(c"cgroup.clone_children", "1")
        .map_err(|e| ("write cgroup.clone_children", e))
}

/// Asks which processors or nodes can be used now: version 2 takes a list of ones that are not there, and then uses all.
pub fn verify(group: &Group, hierarchy: &Hierarchy, setting: &Setting) -> Result<(), Failure> {
    let (what, file) = match (setting.file.to_bytes(), hierarchy.unified) {
        (b"cpuset.cpus", true) => ("processors", c"cpuset.cpus.effective"),
        (b"cpuset.cpus", false) => ("processors", c"cpuset.effective_cpus"),
        (b"cpuset.mems", true) => ("memory nodes", c"cpuset.mems.effective"),
        (b"cpuset.mems", false) => ("memory nodes", c"cpuset.effective_mems"),
        _ => return Ok(()),
    };
    let used = group
        .read(file)
        .map_err(|e| Failure::kernel(&format!("read which {what} can be used"), e.raw_os_error()))?;
    let asked = &setting.value;
    if cpus::parse(&used) == cpus::parse(asked) {
        Ok(())
    } else {
        Err(Failure::caller(&format!(
            "limit {what} to {asked}: only {} can be used",
            used.trim_end()
        )))
    }
}
