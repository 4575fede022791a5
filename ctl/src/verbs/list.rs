//! `list`: the containers, as virsh shows them. May touch: the store.

use crate::error::{Outcome, status_of_wait};
use crate::lookup::{Found, all};
use crate::options::List;
use crate::output::{print, print_json, table};
use crate::session::Session;
use crate::state::record::{End, Origin};
use serde::Serialize;

/// What `--json` shows of one container.
#[derive(Debug, Serialize)]
struct Entry {
    id: Option<u32>,
    name: String,
    uuid: String,
    state: &'static str,
    persistent: bool,
    exit_status: Option<u8>,
    pid: Option<u32>,
    host_ids: Option<u32>,
    maps_host_root: bool,
}

/// The exit status of a container that has ended by itself.
pub fn exit_status(found: &Found) -> Option<u8> {
    found.record.as_ref()?.end.and_then(End::status).map(status_of_wait)
}

/// Whether a running container maps host id 0, which shows in every listing.
pub fn maps_host_root(found: &Found) -> bool {
    found
        .record
        .as_ref()
        .is_some_and(|r| r.occupies() && r.maps_host_root())
}

fn entry(found: &Found) -> Entry {
    Entry {
        id: found.id(),
        name: found.name.to_string(),
        uuid: found.uuid(),
        state: found.state(),
        persistent: found.definition.is_some(),
        exit_status: exit_status(found),
        pid: found.pids().map(|p| p.pid1),
        host_ids: found.record.as_ref().filter(|r| r.occupies()).map(|r| r.block.first()),
        maps_host_root: maps_host_root(found),
    }
}

/// Lists.
pub fn list(session: &Session, options: &List) -> Outcome<()> {
    crate::reconcile::sweep(session)?;
    let chosen = |found: &Found| {
        let active = found.id().is_some();
        options.all || active != options.inactive
    };
    let mut found: Vec<Found> = all(&session.store)?.into_iter().filter(chosen).collect();
    found.sort_by_key(|f| (f.id().is_none(), f.id(), f.name.clone()));
    if options.json {
        return print_json(&found.iter().map(entry).collect::<Vec<_>>());
    }
    if options.name || options.uuid {
        let line = |f: &Found| {
            format!(
                "{}\n",
                if options.name {
                    crate::escape::escape(f.name.as_str())
                } else {
                    f.uuid()
                }
            )
        };
        return print(&found.iter().map(line).collect::<String>());
    }
    let row = |f: &Found| {
        let id = f.id().map_or_else(|| "-".to_owned(), |id| id.to_string());
        let kept = matches!(f.record.as_ref().map(|r| r.origin), Some(Origin::Run { .. }));
        let mut state = f.state().to_owned();
        if let (Some(status), true, None) = (exit_status(f), kept, f.id()) {
            state = format!("{state} ({status})");
        }
        if maps_host_root(f) {
            state.push_str(", host root");
        }
        vec![id, f.name.to_string(), state]
    };
    print(&table(
        &["Id", "Name", "State"],
        &found.iter().map(row).collect::<Vec<_>>(),
    ))
}
