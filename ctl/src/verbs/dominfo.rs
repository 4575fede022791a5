//! `dominfo`: what is known of one container. May touch: the store; what `figures/read.rs` reads.

use super::list::{exit_status, first_host_id, maps_host_root};
use crate::domain::Domain;
use crate::error::{Error, Outcome};
use crate::figures::read::Groups;
use crate::lookup::{Found, find};
use crate::options::Facts;
use crate::output::{facts, print, print_json};
use crate::session::Session;
use crate::state::Place;
use nix::errno::Errno;
use serde_json::{Value, json};
use wire::launcher::{Plan, Step};

/// What is known of one container beside its record.
struct Known {
    found: Found,
    plan: Option<Plan>,
    domain: Option<Domain>,
    counted: Option<(u64, u64)>,
    autostart: bool,
}

/// What was done to start it, if that is known.
pub fn plan(found: &Found) -> Outcome<Option<Plan>> {
    let recorded = found.place.as_ref().filter(|_| found.record.is_some());
    recorded.map(Place::plan).transpose()
}

/// The most memory that a container may be given, and what it is given now, in KiB: of one that runs the limit in force, else what its
/// definition says.
pub fn memory(domain: Option<&Domain>, plan: Option<&Plan>) -> Option<(u64, u64)> {
    let limit = |s: &Step| if let Step::Groups(l) = s { l.memory } else { None };
    let live = plan
        .and_then(|p| p.steps.iter().find_map(limit))
        .map(|bytes| bytes / 1024);
    match (domain, live) {
        (Some(domain), Some(kib)) => Some((domain.memory.max(kib), kib)),
        (Some(domain), None) => Some((domain.memory, domain.current_memory)),
        (None, live) => live.map(|kib| (kib, kib)),
    }
}

/// What the kernel counts of a container that runs and has a group: nanoseconds of processor time, and KiB of memory.
fn counted(found: &Found) -> Outcome<Option<(u64, u64)>> {
    if found.running().is_err() {
        return Ok(None);
    }
    let Some(groups) = Groups::if_any(found)?.filter(|g| g.counts("memory")) else {
        return Ok(None);
    };
    let memory = groups.memory().map(|m| m.usage / 1024);
    match groups.cpu().and_then(|cpu| Ok((cpu.total, memory?))) {
        // It has not come so far, or has ended since.
        Err(Error::Kernel(_, Errno::ENOENT | Errno::ENODEV)) => Ok(None),
        counted => counted.map(Some),
    }
}

/// Nanoseconds as seconds, to the nearest tenth.
fn seconds(nanoseconds: u64) -> String {
    let tenths = nanoseconds.saturating_add(50_000_000) / 100_000_000;
    format!("{}.{}s", tenths / 10, tenths % 10)
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

fn as_json(known: &Known) -> Value {
    let found = &known.found;
    let record = found.record.as_ref();
    json!({
        "id": found.id(),
        "name": found.name,
        "uuid": found.uuid(),
        "os_type": "exe",
        "state": found.state(),
        "cpus": known.domain.as_ref().map(|d| d.vcpu.count),
        "cpu_time_ns": known.counted.map(|c| c.0),
        "max_memory_kib": memory(known.domain.as_ref(), known.plan.as_ref()).map(|m| m.0),
        "used_memory_kib": known.counted.map(|c| c.1),
        "persistent": found.persistent,
        "autostart": known.autostart,
        "exit_status": exit_status(found),
        "host_ids": record.and_then(|r| first_host_id(r.block)),
        "addresses": addresses(known.plan.as_ref()),
        "pids": found.pids(),
        "started": record.map(|r| r.started),
        "maps_host_root": maps_host_root(found),
    })
}

/// What virsh tells, under its names and in its order.
fn virshs(known: &Known) -> Vec<(&'static str, String)> {
    let found = &known.found;
    let shown = |kib: Option<u64>| kib.map_or_else(|| "-".to_owned(), |kib| format!("{kib} KiB"));
    let memory = memory(known.domain.as_ref(), known.plan.as_ref());
    // Of what does not run, what it would be given.
    let used = known
        .counted
        .or(memory.filter(|_| found.running().is_err()))
        .map(|c| c.1);
    let persistent = if found.persistent { "yes" } else { "no" };
    let mut pairs = vec![
        ("Id", found.id().map_or_else(|| "-".to_owned(), |id| id.to_string())),
        ("Name", found.name.to_string()),
        ("UUID", found.uuid()),
        ("OS Type", "exe".to_owned()),
        ("State", found.state().to_owned()),
        ("CPU(s)", known.domain.as_ref().map_or(1, |d| d.vcpu.count).to_string()),
    ];
    pairs.extend(known.counted.map(|(time, _)| ("CPU time", seconds(time))));
    pairs.extend([
        ("Max memory", shown(memory.map(|m| m.0))),
        ("Used memory", shown(used)),
        ("Persistent", persistent.to_owned()),
        (
            "Autostart",
            if known.autostart { "enable" } else { "disable" }.to_owned(),
        ),
        ("Managed save", "no".to_owned()),
    ]);
    let command = known.plan.as_ref().and_then(|p| p.container()).map(|c| &c.command);
    let profile = command.and_then(|c| c.apparmor.as_ref());
    let context = command.and_then(|c| c.selinux.as_ref());
    let model = match (profile, context) {
        (Some(_), _) => "apparmor",
        (None, Some(_)) => "selinux",
        (None, None) => "none",
    };
    pairs.extend([("Security model", model.to_owned()), ("Security DOI", "0".to_owned())]);
    pairs.extend(profile.map(|p| ("Security label", format!("{p} (enforcing)"))));
    let mode = match super::check::selinux_enforces() {
        Some(true) => "enforcing",
        Some(false) => "permissive",
        None => "not enabled",
    };
    pairs.extend(context.map(|c| ("Security label", format!("{c} ({mode})"))));
    pairs
}

/// Shows it.
pub fn dominfo(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let known = Known {
        plan: plan(&found)?,
        domain: found.domain(),
        counted: counted(&found)?,
        autostart: session.store.marked()?.contains(&found.name),
        found,
    };
    if options.json {
        return print_json(&as_json(&known));
    }
    let found = &known.found;
    let mut pairs = virshs(&known);
    if let Some(status) = exit_status(found) {
        pairs.push(("Exit status", status.to_string()));
    }
    if let Some(record) = found.record.as_ref().filter(|r| r.occupies()) {
        let ids = crate::user::on_host(record.block);
        let ids: Vec<String> = ids.iter().map(|(first, count)| format!("{first}+{count}")).collect();
        pairs.push(("Host ids", ids.join(", ")));
    }
    if maps_host_root(found) {
        pairs.push(("Host root", "mapped, by the host's policy".to_owned()));
    }
    pairs.extend(addresses(known.plan.as_ref()).into_iter().map(|a| ("Address", a)));
    print(&facts(&pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_told_in_tenths_of_a_second() {
        assert_eq!(
            [0, 49_999_999, 50_000_000, 61_230_000_000].map(seconds),
            ["0.0s", "0.0s", "0.1s", "61.2s"]
        );
    }
}
