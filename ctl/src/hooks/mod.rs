//! The host's hook script, as libvirt calls it, for a container that is made from a domain. That it is called is noted before it is, so that
//! `stopped` and `release` come at most once, whoever is killed in between; that nothing was said against `started` is noted after it. May touch: the state store, and through the launcher whoever executes the script.

pub mod runner;
pub mod script;

use crate::error::Outcome;
use crate::output::say;
use crate::session::Session;
use crate::state::Place;
use crate::state::record::{Phase, Record};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::Hook;

/// Calls it, if this host has one and the container is made from a domain, and gives what it says against that.
pub fn call(session: &Session, place: &Place, hook: Hook, claim: Option<BorrowedFd<'_>>) -> Outcome<()> {
    if !session.hooks {
        return Ok(());
    }
    match place.open_live_definition()? {
        Some(document) => session.launcher.hook(place.name(), hook, document.as_fd(), claim),
        None => Ok(()),
    }
}

/// Notes that it is about to be called so; `false` if that was noted before.
fn note(session: &Session, place: &Place, hook: Hook) -> Outcome<bool> {
    let _lock = session.store.lock()?;
    match place.record()? {
        Some(record) if record.hook != Some(hook) => place
            .write_record(&Record {
                hook: Some(hook),
                ..record
            })
            .map(|()| true),
        _ => Ok(false),
    }
}

/// Calls it as `start`; once, though the start may be tried again with other ids.
pub fn start(session: &Session, place: &Place, claim: &OwnedFd) -> Outcome<()> {
    if session.hooks && note(session, place, Hook::Start)? {
        return call(session, place, Hook::Start, Some(claim.as_fd()));
    }
    Ok(())
}

/// Whether a container runs of which nobody has heard yet what the script says against that.
pub fn is_awaited(record: &Record) -> bool {
    record.phase == Phase::Running && record.hook == Some(Hook::Start)
}

/// Calls it as `started`, and notes that nothing was said against that. Until then the next command that finds its asker gone takes it over.
pub fn started(session: &Session, place: &Place) -> Outcome<()> {
    if !session.hooks {
        return Ok(());
    }
    call(session, place, Hook::Started, None)?;
    let _lock = session.store.lock()?;
    match place.record()?.filter(is_awaited) {
        Some(record) => {
            place.write_record(&Record {
                hook: Some(Hook::Started),
                ..record.clone()
            })?;
            place.started(&record.ids)
        }
        // It has ended meanwhile, by itself.
        None => Ok(()),
    }
}

/// Whether it is to be called so for what has ended: it was prepared, or has run, and this has not been noted yet.
fn is_due(record: &Record, hook: Hook) -> bool {
    let begun = record.pids.is_some() || record.hook.is_some();
    let past = match record.hook {
        Some(Hook::Release) => true,
        Some(Hook::Stopped) => hook == Hook::Stopped,
        _ => false,
    };
    begun && !past
}

/// Calls it as `stopped` or `release`, where that is due.
pub fn end(session: &Session, place: &Place, hook: Hook, claim: &OwnedFd) {
    if !session.hooks {
        return;
    }
    let due = place.record().map(|r| r.is_some_and(|r| is_due(&r, hook)));
    match due.and_then(|due| Ok(due && note(session, place, hook)?)) {
        Ok(true) => tell(session, place, hook, Some(claim.as_fd())),
        Ok(false) => {}
        Err(e) => say(&format!(
            "cannot note that {} is {}: {e}",
            place.name(),
            hook.words()[0]
        )),
    }
}

/// Calls it where nothing can be refused any more: what it says against that is told.
pub fn tell(session: &Session, place: &Place, hook: Hook, claim: Option<BorrowedFd<'_>>) {
    if let Err(e) = call(session, place, hook, claim) {
        say(&e.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record::{Origin, Phase, Pids};
    use wire::IdBlock;

    fn record(ran: bool, hook: Option<Hook>) -> Record {
        let pids = Pids {
            pid1: 4,
            init: 3,
            supervisor: 2,
            fused: 0,
        };
        Record {
            uuid: String::new(),
            id: 1,
            slot: 0,
            origin: Origin::Defined,
            phase: Phase::Clearing,
            paused: false,
            resumed: false,
            pids: ran.then_some(pids),
            started: 0,
            end: None,
            block: IdBlock::new(1000).unwrap(),
            ids: Vec::new(),
            forwarding_changed: false,
            hook,
            partition: None,
        }
    }

    #[test]
    fn what_was_said_against_a_start_is_awaited_from_when_it_runs_until_it_is_noted() {
        let awaited = |phase, hook| {
            let record = Record {
                phase,
                ..record(true, hook)
            };
            is_awaited(&record)
        };
        assert!(awaited(Phase::Running, Some(Hook::Start)));
        assert!(!awaited(Phase::Running, Some(Hook::Started)) && !awaited(Phase::Running, None));
        assert!(!awaited(Phase::Starting, Some(Hook::Start)) && !awaited(Phase::Clearing, Some(Hook::Start)));
        assert!(is_due(&record(true, Some(Hook::Started)), Hook::Stopped));
    }

    #[test]
    fn the_end_is_called_once_and_only_of_what_had_a_beginning() {
        let due = |ran, last| [Hook::Stopped, Hook::Release].map(|hook| is_due(&record(ran, last), hook));
        assert_eq!(due(false, None), [false, false]);
        assert_eq!(due(true, None), [true, true]);
        for begun in [Hook::Prepare, Hook::Start] {
            assert_eq!(due(false, Some(begun)), [true, true]);
        }
        assert_eq!(due(true, Some(Hook::Stopped)), [false, true]);
        assert_eq!(due(true, Some(Hook::Release)), [false, false]);
    }
}
