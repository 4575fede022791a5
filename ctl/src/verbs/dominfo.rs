//! `dominfo`: what is known of one container. May touch: the store.

use super::list::{exit_status, maps_host_root};
use crate::error::Outcome;
use crate::lookup::{Found, find};
use crate::options::Facts;
use crate::output::{facts, print, print_json};
use crate::session::Session;
use serde_json::{Value, json};
use wire::launcher::Step;

/// The memory limit in KiB: the running one's, or else the definition's.
fn memory(found: &Found) -> Option<u64> {
    let live = found.record.as_ref().and_then(|r| {
        r.plan
            .steps
            .iter()
            .find_map(|s| if let Step::Groups(l) = s { l.memory } else { None })
    });
    live.and_then(|b| b.checked_div(1024))
        .or_else(|| found.definition.as_ref().map(|d| d.memory))
}

fn addresses(found: &Found) -> Vec<String> {
    let Some(record) = &found.record else { return Vec::new() };
    let links = record
        .plan
        .steps
        .iter()
        .filter_map(|s| if let Step::Connect(l) = s { Some(l) } else { None })
        .flatten();
    links
        .flat_map(|l| &l.addresses)
        .map(|a| format!("{}/{}", a.address, a.prefix))
        .collect()
}

fn as_json(found: &Found) -> Value {
    let record = found.record.as_ref();
    json!({
        "id": found.id(),
        "name": found.name,
        "uuid": found.uuid(),
        "os_type": "exe",
        "state": found.state(),
        "cpus": found.definition.as_ref().map(|d| d.vcpu.count),
        "max_memory_kib": memory(found),
        "persistent": found.definition.is_some(),
        "autostart": false,
        "exit_status": exit_status(found),
        "host_ids": record.map(|r| r.plan.block.first()),
        "addresses": addresses(found),
        "pids": found.pids(),
        "started": record.map(|r| r.started),
        "maps_host_root": maps_host_root(found),
    })
}

/// Shows it.
pub fn dominfo(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    if options.json {
        return print_json(&as_json(&found));
    }
    let memory = memory(&found).map_or_else(|| "-".to_owned(), |kib| format!("{kib} KiB"));
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
        pairs.push((
            "Host ids",
            format!("{}+{}", record.plan.block.first(), wire::ids::BLOCK),
        ));
    }
    if maps_host_root(&found) {
        pairs.push(("Host root", "mapped, by the host's policy".to_owned()));
    }
    pairs.extend(addresses(&found).into_iter().map(|a| ("Address", a)));
    print(&facts(&pairs))
}
