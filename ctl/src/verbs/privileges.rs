//! `privileges`: what every living process of a container may do, as the kernel tells it. May touch: `/proc`, to read.

use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::options::Facts;
use crate::output::{print, print_json, table};
use crate::processes::{NAMESPACES, Process, all, read};
use crate::session::Session;
use crate::state::record::Pids;
use wire::ids::IdRange;

/// The container's processes: whatever runs under an id of its own, mapped or not, and what its supervisor knows by number.
fn living(ids: &[IdRange], known: Pids) -> Vec<Process> {
    let ours = |uid: u32| {
        ids.iter()
            .any(|r| uid.checked_sub(r.outside).is_some_and(|n| n < r.count))
    };
    let known = [known.pid1, known.init, known.supervisor, known.fused];
    all()
        .into_iter()
        .filter_map(read)
        .filter(|p| known.contains(&p.pid) || ours(p.uid))
        .collect()
}

/// Shows them.
pub fn privileges(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (_, record) = found.running()?;
    let known = found
        .pids()
        .ok_or_else(|| Error::caller(format!("{} is still starting", found.name)))?;
    let pid1 = known.pid1;
    let processes = living(&record.ids(), known);
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
