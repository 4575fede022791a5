//! `domstate`, `domid`, `domuuid`, `domname`, `domhostname`: one fact of one container in one line. May touch: the store.

use crate::error::{Error, Needed, Outcome};
use crate::lookup::{Found, find};
use crate::manner::manner;
use crate::options::{Domhostname, Domstate, One};
use crate::output::{gap, print, print_json};
use crate::session::Session;
use crate::state::record::{End, Record};
use serde_json::{Value, json};

/// virsh's numbers of a state and of its reason, with the reason in its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The number of the state.
    pub state: u8,
    /// The number of the reason, among those of the state.
    pub number: u8,
    /// The reason.
    pub word: &'static str,
}

/// Why a container is in its state, as far as its record tells.
pub fn reason(record: Option<&Record>) -> Reason {
    let (state, number, word) = match record {
        None => (5, 0, "unknown"),
        Some(r) => match (r.state(), r.end) {
            ("running", _) if r.resumed => (1, 5, "unpaused"),
            ("running", _) => (1, 1, "booted"),
            ("paused", _) => (3, 1, "user"),
            ("in shutdown", _) => (4, 0, "unknown"),
            ("crashed", _) => (6, 0, "unknown"),
            // It ended by itself; if by a signal, whose is not recorded.
            ("shut off", Some(End::Status(status))) if status & 0x7f == 0 => (5, 1, "shutdown"),
            ("shut off", _) => (5, 0, "unknown"),
            _ => (0, 0, "unknown"),
        },
    };
    Reason { state, number, word }
}

/// The state.
pub fn domstate(session: &Session, options: &Domstate) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let reason = reason(found.record.as_ref());
    if options.json {
        return print_json(&json!({"name": found.name, "state": found.state(), "reason": reason.word}));
    }
    if options.reason {
        return print(&format!("{} ({})\n{}", found.state(), reason.word, gap()));
    }
    print(&format!("{}\n{}", found.state(), gap()))
}

fn tell(found: &Found, json: bool, key: &str, value: Value, text: &str) -> Outcome<()> {
    if json {
        return print_json(&json!({"name": found.name, key: value}));
    }
    print(&format!("{}\n{}", crate::escape::escape(text), gap()))
}

/// Refuses what virsh does not take here: it finds the name by what is no name, and the uuid by what is none.
fn by_another(found: Found, address: &str, own: &str) -> Outcome<Found> {
    if manner().virsh && address == own {
        return Err(Error::Container(Needed::Known, address.to_owned()));
    }
    Ok(found)
}

/// The id, or a hyphen.
pub fn domid(session: &Session, options: &One) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let text = found.id().map_or_else(|| "-".to_owned(), |id| id.to_string());
    tell(&found, options.json, "id", json!(found.id()), &text)
}

/// The uuid.
pub fn domuuid(session: &Session, options: &One) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let own = found.uuid();
    let found = by_another(found, &options.container, &own)?;
    tell(&found, options.json, "uuid", json!(found.uuid()), &found.uuid())
}

/// The name.
pub fn domname(session: &Session, options: &One) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let own = found.name.to_string();
    let found = by_another(found, &options.container, &own)?;
    tell(&found, options.json, "name", json!(found.name), found.name.as_str())
}

/// The terminal of its first console: it has none, since it is one of the container's own devpts.
pub fn ttyconsole(session: &Session, options: &One) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    found.running()?;
    Err(Error::caller(format!(
        "its terminals have no name on the host; lazaret console {} attaches to one",
        found.name
    )))
}

/// The host name that it was started with.
pub fn domhostname(session: &Session, options: &Domhostname) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (place, _) = found.running()?;
    let name = place.plan()?.container().map(|c| c.hostname.as_str().to_owned());
    let name = name.ok_or_else(|| Error::Bug("the plan has no container".into()))?;
    tell(&found, options.json, "hostname", json!(name), &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_was_never_started_is_off_for_no_reason() {
        let expected = Reason {
            state: 5,
            number: 0,
            word: "unknown",
        };
        assert_eq!(reason(None), expected);
    }
}
