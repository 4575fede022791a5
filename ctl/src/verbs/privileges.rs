//! `privileges`: what every living process of a container may do, as the kernel tells it. May touch: `/proc`, to read.

use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::options::Facts;
use crate::output::{print, print_json, table};
use crate::policy::{Difference, View, difference};
use crate::processes::{NAMESPACES, Process, all, read};
use crate::session::Session;
use crate::state::record::Pids;
use crate::supervisor::Supervisor;
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use wire::ids::IdRange;
use wire::init::Container;

/// Ids below this one may be the host's own: a process that has one is the container's only if one of the container's started it.
const HOSTS_OWN: u32 = 65536;

/// The container's processes: whatever runs under an id of its own, mapped or not, what its supervisor knows by number, and what those
/// have started.
pub fn living(ids: &[IdRange], known: Pids) -> Vec<Process> {
    let known = [known.pid1, known.init, known.supervisor, known.fused];
    among(all().into_iter().filter_map(read).collect(), ids, &known)
}

fn among(everything: Vec<Process>, ids: &[IdRange], known: &[u32]) -> Vec<Process> {
    let ours = |uid: u32| {
        ids.iter()
            .any(|r| uid.checked_sub(r.outside).is_some_and(|n| n < r.count))
    };
    let (mut found, mut others): (Vec<_>, Vec<_>) = everything
        .into_iter()
        .partition(|p| known.contains(&p.pid) || (ours(p.uid) && p.uid >= HOSTS_OWN));
    loop {
        let started = |p: &Process| ours(p.uid) && found.iter().any(|f| f.pid == p.parent);
        let (more, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(started);
        if more.is_empty() {
            break;
        }
        found.extend(more);
        others = rest;
    }
    found.sort_by_key(|p| p.pid);
    found
}

/// The numbers of the namespaces that the supervisor holds, under their names, in the order of [`NAMESPACES`].
fn own_namespaces(held: &[OwnedFd]) -> Outcome<Vec<(String, String)>> {
    const HELD: [&str; wire::init::NAMESPACES] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    let mut numbers = Vec::new();
    for (kind, namespace) in HELD.iter().zip(held) {
        let stat = rustix::fs::fstat(namespace)
            .map_err(|e| Error::kernel("look at a namespace", Errno::from_raw(e.raw_os_error())))?;
        numbers.push((*kind, stat.st_ino));
    }
    let number = |kind: &str| {
        let found = numbers.iter().find(|(held, _)| *held == kind);
        found.map_or_else(|| "-".to_owned(), |(_, number)| number.to_string())
    };
    Ok(NAMESPACES
        .iter()
        .map(|kind| ((*kind).to_owned(), number(kind)))
        .collect())
}

/// How a container differs from its profile: in its capabilities as the kernel holds PID 1 to them, in its filter and its masks as it was
/// started with them.
fn from_profile(container: Option<&Container>, first: &Process) -> Outcome<Difference> {
    let container = container.ok_or_else(|| Error::Bug("the record has no container".into()))?;
    let wrong = |e: policies::text::Wrong| Error::Bug(e.to_string());
    let profile = container.command.profile;
    let mut usual = container.clone();
    usual.command.capabilities = policies::payload(profile).capabilities;
    usual.command.no_new_privileges = policies::payload(profile).no_new_privileges;
    usual.command.filter = None;
    usual.unmasked.clear();
    let mut found = container.clone();
    found.command.capabilities = first.capabilities.bounding;
    found.command.no_new_privileges = first.no_new_privileges;
    let mut before = View::of_container(&usual).map_err(wrong)?;
    before.of = format!("the profile {}", policies::texts::profile(profile));
    Ok(difference(&before, &View::of_container(&found).map_err(wrong)?))
}

/// Shows them.
pub fn privileges(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (place, record) = found.running()?;
    let known = found
        .pids()
        .ok_or_else(|| Error::caller(format!("{} is still starting", found.name)))?;
    let pid1 = known.pid1;
    let mut processes = living(&record.ids, known);
    if let Some(first) = processes.iter_mut().find(|p| p.pid == pid1) {
        // The kernel shows the namespaces of a process only to who may trace it; the supervisor has these from their birth.
        first.namespaces = own_namespaces(&Supervisor::reach(place)?.namespaces()?)?;
        first.difference = Some(from_profile(place.plan()?.container(), first)?);
    }
    if options.json {
        return print_json(&processes);
    }
    let name = |p: &Process| {
        if p.pid == pid1 {
            format!("{} (PID 1)", p.program)
        } else {
            p.program.clone()
        }
    };
    let row = |p: &Process| {
        let c = p.capabilities;
        let mut cells = vec![
            p.pid.to_string(),
            name(p),
            p.uid.to_string(),
            p.gid.to_string(),
            p.in_namespace_of.to_owned(),
        ];
        cells.extend([c.inheritable, c.permitted, c.effective, c.bounding, c.ambient].map(|set| format!("{set:x}")));
        cells.push(p.seccomp.to_string());
        cells.push(if p.no_new_privileges { "yes" } else { "no" }.to_owned());
        cells.push(p.label.clone());
        cells
    };
    let head = [
        "PID",
        "Program",
        "Uid",
        "Gid",
        "In",
        "Inh",
        "Prm",
        "Eff",
        "Bnd",
        "Amb",
        "Seccomp",
        "NoNewPrivs",
        "Label",
    ];
    print(&table(&head, &processes.iter().map(row).collect::<Vec<_>>()))?;
    let spaces = |p: &Process| {
        let mut cells = vec![p.pid.to_string()];
        cells.extend(p.namespaces.iter().map(|(_, inode)| inode.clone()));
        cells
    };
    let head: Vec<&str> = std::iter::once("PID").chain(NAMESPACES).collect();
    print(&table(&head, &processes.iter().map(spaces).collect::<Vec<_>>()))?;
    print(
        "- is what the kernel tells only to who may trace the process, which nobody here may; PID 1's namespaces are the supervisor's word\n",
    )?;
    match processes.iter().find_map(|p| p.difference.as_ref()) {
        Some(difference) if difference.is_empty() => print(&format!("as {} has it\n", difference.first())),
        Some(difference) => print(&difference.text()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::parse;

    fn process(pid: u32, parent: u32, uid: u32) -> Process {
        let sets = "CapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t0\nCapAmb:\t0\n";
        let status = format!(
            "Name:\tx\nState:\tS\nPPid:\t{parent}\nUid:\t0\t{uid}\t0\t0\nGid:\t0\t{uid}\t0\t0\n{sets}NoNewPrivs:\t1\nSeccomp:\t2\n"
        );
        parse(pid, &status).unwrap()
    }

    #[test]
    fn a_container_that_maps_host_root_does_not_have_the_hosts_processes() {
        let ids = [
            IdRange {
                inside: 0,
                outside: 0,
                count: 10,
            },
            IdRange {
                inside: 0,
                outside: 100_000,
                count: 16,
            },
        ];
        let everything = vec![
            process(1, 0, 0),
            process(40, 1, 0),
            process(50, 1, 100_000),
            process(60, 40, 0),
            process(61, 60, 3),
            process(70, 1, 0),
            process(80, 70, 2000),
        ];
        let pids: Vec<u32> = among(everything, &ids, &[40]).iter().map(|p| p.pid).collect();
        assert_eq!(pids, [40, 50, 60, 61]);
    }
}
