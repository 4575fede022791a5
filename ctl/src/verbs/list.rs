//! `list`: the containers, as virsh shows them. May touch: the store.

use crate::error::{Outcome, status_of_wait};
use crate::escape::escape;
use crate::lookup::{Found, all, all_at_a_glance};
use crate::options::List;
use crate::output::{gap, print, print_json, table};
use crate::session::Session;
use crate::state::record::End;
use serde::Serialize;
use wire::ids::IdBlock;

/// What `--json` shows of one container.
#[derive(Debug, Serialize)]
struct Entry {
    id: Option<u32>,
    name: String,
    uuid: String,
    title: Option<String>,
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

fn title(found: &Found) -> Option<String> {
    found.domain()?.title
}

/// The first of a block's ids, as the host has it.
pub fn first_host_id(block: IdBlock) -> Option<u32> {
    crate::user::on_host(block).first().map(|(first, _)| *first)
}

fn host_ids(found: &Found) -> Option<u32> {
    let record = found.record.as_ref().filter(|r| r.occupies());
    record.and_then(|r| first_host_id(r.block))
}

fn entry(found: &Found) -> Entry {
    Entry {
        id: found.id(),
        name: found.name.to_string(),
        uuid: found.uuid(),
        title: title(found),
        state: found.state(),
        persistent: found.persistent,
        exit_status: exit_status(found),
        pid: found.pids().map(|p| p.pid1),
        host_ids: host_ids(found),
        maps_host_root: maps_host_root(found),
    }
}

/// What is asked for of one trait: if nothing is, whatever it is.
pub fn asked(choices: &[(bool, bool)]) -> bool {
    choices.iter().all(|(asked, _)| !asked) || choices.iter().any(|(asked, is)| *asked && *is)
}

/// Which states are asked for: running, paused, shut off, any other.
pub fn in_state(found: &Found, states: [bool; 4]) -> bool {
    let [running, paused, off, other] = states;
    let state = found.state();
    asked(&[
        (running, state == "running"),
        (paused, state == "paused"),
        (off, state == "shut off"),
        (other, !["running", "paused", "shut off"].contains(&state)),
    ])
}

fn chosen(found: &Found, options: &List, marked: bool) -> bool {
    let active = found.id().is_some();
    let inactive_only = options.inactive || options.state_shutoff;
    let persistent = found.persistent;
    (options.all || active != inactive_only)
        && asked(&[(options.persistent, persistent), (options.transient, !persistent)])
        && asked(&[(options.autostart, marked), (options.no_autostart, !marked)])
        && asked(&[(options.with_managed_save, false), (options.without_managed_save, true)])
        && in_state(
            found,
            [
                options.state_running,
                options.state_paused,
                options.state_shutoff,
                options.state_other,
            ],
        )
}

fn or_hyphen<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

/// The one line of a container without the table: uuid, id and name, of which what is asked for. Alone, an id that is not there is none.
fn line(found: &Found, options: &List) -> Option<String> {
    let alone = !(options.uuid || options.name);
    if alone && found.id().is_none() {
        return None;
    }
    let words = [
        options.uuid.then(|| found.uuid()),
        options.id.then(|| or_hyphen(found.id())),
        options.name.then(|| escape(found.name.as_str())),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    Some(format!("{}\n", words.join(" ")))
}

/// The table: virsh's columns, and those that are asked for beyond.
fn rows(found: &[Found], options: &List) -> String {
    let host_root = found.iter().any(maps_host_root);
    let mut head = vec!["Id", "Name", "State"];
    head.extend(options.title.then_some("Title"));
    head.extend(
        options
            .wide
            .then_some(["Exit", "PID 1", "Host ids"])
            .into_iter()
            .flatten(),
    );
    head.extend(host_root.then_some("Host root"));
    let row = |f: &Found| {
        let mut row = vec![or_hyphen(f.id()), f.name.to_string(), f.state().to_owned()];
        row.extend(options.title.then(|| title(f).unwrap_or_default()));
        if options.wide {
            row.push(or_hyphen(exit_status(f)));
            row.push(or_hyphen(f.pids().map(|p| p.pid1)));
            row.push(or_hyphen(host_ids(f)));
        }
        row.extend(host_root.then(|| if maps_host_root(f) { "mapped" } else { "-" }.to_owned()));
        row
    };
    table(&head, &found.iter().map(row).collect::<Vec<_>>())
}

/// Lists.
pub fn list(session: &Session, options: &List) -> Outcome<()> {
    crate::reconcile::sweep(session)?;
    let beyond = options.json || options.title || options.wide;
    let mut found = if beyond {
        all(&session.store)?
    } else {
        all_at_a_glance(&session.store)?
    };
    let marked = session.store.marked()?;
    found.retain(|f| chosen(f, options, marked.contains(&f.name)));
    found.sort_by_key(|f| (f.id().is_none(), f.id(), f.name.clone()));
    if options.json {
        return print_json(&found.iter().map(entry).collect::<Vec<_>>());
    }
    if options.name || options.uuid || options.id {
        let lines = found.iter().filter_map(|f| line(f, options)).collect::<String>();
        return print(&format!("{lines}{}", gap()));
    }
    print(&rows(&found, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_asked_for_is_no_filter() {
        assert!(asked(&[(false, false), (false, true)]));
        assert!(asked(&[(true, false), (true, true)]));
        assert!(!asked(&[(true, false), (false, true)]));
    }
}
