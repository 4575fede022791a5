//! `dominfo`: what is known of one container. May touch: the store.

use super::list::{exit_status, maps_host_root};
use crate::error::Outcome;
use crate::lookup::{Found, find};
use crate::options::Facts;
use crate::output::{facts, print, print_json};
use crate::session::Session;
use crate::state::Place;
use serde_json::{Value, json};
use wire::launcher::{Plan, Step};

/// The memory limit in KiB: the running one's, or else the definition's.
fn memory(found: &Found, plan: Option<&Plan>) -> Option<u64> {
    let memory = |s: &Step| if let Step::Groups(l) = s { l.memory } else { None };
    let live = plan.and_then(|p| p.steps.iter().find_map(memory));
    live.and_then(|b| b.checked_div(1024))
        .or_else(|| found.definition.as_ref().map(|d| d.memory))
}

fn addresses(plan: Option<&Plan>) -> Vec<String> {
    let links = plan
        .iter()
        .flat_map(|p| &p.steps)
        .filter_map(|s| if let Step::Connect(l) = s { Some(l) } else { None })
        .flatten();
    links
        .flat_map(|l| &l.addresses)
        .map(|a| format!("{}/{}", a.address, a.prefix))
        .collect()
}

fn as_json(found: &Found, plan: Option<&Plan>) -> Value {
    let record = found.record.as_ref();
    json!({
        "id": found.id(),
        "name": found.name,
        "uuid": found.uuid(),
        "os_type": "exe",
        "state": found.state(),
        "cpus": found.definition.as_ref().map(|d| d.vcpu.count),
        "max_memory_kib": memory(found, plan),
        "persistent": found.definition.is_some(),
        "autostart": false,
        "exit_status": exit_status(found),
        "host_ids": record.map(|r| r.block.first()),
        "addresses": addresses(plan),
        "pids": found.pids(),
        "started": record.map(|r| r.started),
        "maps_host_root": maps_host_root(found),
    })
}

/// Shows it.
pub fn dominfo(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let recorded = found.place.as_ref().filter(|_| found.record.is_some());
    let plan = recorded.map(Place::plan).transpose()?;
    let plan = plan.as_ref();
    if options.json {
        return print_json(&as_json(&found, plan));
    }
    let memory = memory(&found, plan).map_or_else(|| "-".to_owned(), |kib| format!("{kib} KiB"));
    let mut pairs = vec![
        ("Id", found.id().map_or_else(|| "-".to_owned(), |id| id.to_string())),
        ("Name", found.name.to_string()),
        ("UUID", found.uuid()),
        ("OS Type", "exe".to_owned()),
        ("State", found.state().to_owned()),
        (
            "CPU(s)",
            found
                .definition
                .as_ref()
                .map_or_else(|| "1".to_owned(), |d| d.vcpu.count.to_string()),
        ),
        ("Max memory", memory.clone()),
        ("Used memory", memory),
        (
            "Persistent",
            if found.definition.is_some() { "yes" } else { "no" }.to_owned(),
        ),
        ("Autostart", "disable".to_owned()),
    ];
    if let Some(status) = exit_status(&found) {
        pairs.push(("Exit status", status.to_string()));
    }
    if let Some(record) = found.record.as_ref().filter(|r| r.occupies()) {
        pairs.push(("Host ids", format!("{}+{}", record.block.first(), wire::ids::BLOCK)));
    }
    if maps_host_root(&found) {
        pairs.push(("Host root", "mapped, by the host's policy".to_owned()));
    }
    pairs.extend(addresses(plan).into_iter().map(|a| ("Address", a)));
    print(&facts(&pairs))
}
