//! `privileges`: what every living process of a container may do, as the kernel tells it. May touch: `/proc`, to read.

use crate::error::Outcome;
use crate::lookup::find;
use crate::options::Facts;
use crate::output::{print, print_json, table};
use crate::processes::{NAMESPACES, Process, all, read};
use crate::session::Session;
use crate::supervisor::Supervisor;
use wire::IdBlock;

/// The container's processes that are shown: its PID 1, and whatever runs under one of the ids that belong to its programs.
fn living(block: IdBlock, pid1: u32) -> Vec<Process> {
    let ours = |uid: u32| uid.checked_sub(block.first()).is_some_and(|n| n < wire::ids::UNMAPPED);
    all()
        .into_iter()
        .filter_map(read)
        .filter(|p| p.pid == pid1 || ours(p.uid))
        .collect()
}

/// Shows them.
pub fn privileges(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (place, record) = found.running()?;
    let pid1 = Supervisor::reach(place)?.identify()?.pid1;
    let processes = living(record.plan.block, pid1);
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
        let mut cells = vec![p.pid.to_string(), name(p), p.uid.to_string()];
        cells.extend([c.inheritable, c.permitted, c.effective, c.bounding, c.ambient].map(|set| format!("{set:x}")));
        cells.push(p.seccomp.to_string());
        cells.push(if p.no_new_privileges { "yes" } else { "no" }.to_owned());
        cells
    };
    let head = [
        "PID",
        "Program",
        "Uid",
        "Inh",
        "Prm",
        "Eff",
        "Bnd",
        "Amb",
        "Seccomp",
        "NoNewPrivs",
    ];
    print(&table(&head, &processes.iter().map(row).collect::<Vec<_>>()))?;
    let spaces = |p: &Process| {
        let mut cells = vec![p.pid.to_string()];
        cells.extend(p.namespaces.iter().map(|(_, inode)| inode.clone()));
        cells
    };
    let head: Vec<&str> = std::iter::once("PID").chain(NAMESPACES).collect();
    print(&table(&head, &processes.iter().map(spaces).collect::<Vec<_>>()))
}
