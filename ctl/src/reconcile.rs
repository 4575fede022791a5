//! What every command with authority does first: containers that have ended, or crashed, are cleared away and recorded as ended.
//! May touch: the state store, and through the launcher what is left of a container.

use crate::error::{Error, Outcome};
use crate::hooks;
use crate::output::say;
use crate::session::Session;
use crate::state::Place;
use crate::state::record::{End, Phase, Record, bare_remains};
use crate::supervisor::Supervisor;
use std::os::fd::OwnedFd;
use std::path::Path;
use wire::init::{MOST_STARTS, RESTART_WINDOW};
use wire::{ContainerName, Hook};

/// A container that nobody keeps any more; its life lock is ours until it is cleared.
struct Dead {
    place: Place,
    record: Record,
    claim: OwnedFd,
}

/// Clears everything that is not alive but has remains. What cannot be cleared is said, and tried again by the next command.
pub fn reconcile(session: &Session) -> Outcome<()> {
    let mut dead = Vec::new();
    let mut orphans = Vec::new();
    {
        let lock = session.store.lock()?;
        let mut living = session.living.borrow_mut();
        living.clear();
        for name in session.store.names()? {
            let life = session.store.life(&name)?;
            if let Some(life) = life.filter(|l| !l.starting) {
                living.insert(name, life.ids);
                continue;
            }
            let Some(place) = session.store.place(&name)? else {
                continue;
            };
            match place.claim()? {
                Some(claim) => match place.record() {
                    Ok(None) => session.store.remove_place(&lock, &name)?,
                    Ok(Some(record)) if record.occupies() => dead.push(condemn(place, record, claim)?),
                    Ok(Some(_)) => {}
                    Err(e) => say(&e.to_string()),
                },
                None => {
                    let asker_is_gone = |id: u32| !Path::new(&format!("/proc/{id}")).exists();
                    match place.record() {
                        Ok(Some(record)) if record.phase != Phase::Starting && !hooks::is_awaited(&record) => {
                            place.started(&record.ids)?;
                        }
                        Ok(Some(record)) if asker_is_gone(record.id) => orphans.push((place, record)),
                        _ => {}
                    }
                }
            }
        }
    }
    for one in dead {
        let name = one.place.name().clone();
        if let Err(e) = clear(session, one) {
            say(&format!("cannot clear away what is left of {name}: {e}"));
        }
    }
    for (place, record) in orphans {
        let name = place.name().clone();
        if let Err(e) = adopt(session, &place, record) {
            say(&format!("cannot clear away what is left of {name}: {e}"));
        }
    }
    Ok(())
}

/// Removes groups that are nobody's, as those of a container whose state directory was removed by hand: only `list` looks for them, so that
/// no start waits for it.
pub fn sweep(session: &Session) -> Outcome<()> {
    let names = match session.launcher.sweep() {
        Ok(names) => names,
        Err(e) => {
            say(&format!("cannot look for control groups that no container has: {e}"));
            return Ok(());
        }
    };
    let mut ended = false;
    for name in names {
        // One that was alive a moment ago: it has ended since, and what else is left of it goes too.
        if session.store.place(&name)?.is_some() {
            ended = true;
            continue;
        }
        say(&format!(
            "the control groups of {name}, which no container has any more, are removed"
        ));
    }
    if ended { reconcile(session) } else { Ok(()) }
}

/// Notes that a container has ended, before anything is cleared: whoever is killed from here on leaves work for the next command.
fn condemn(place: Place, mut record: Record, claim: OwnedFd) -> Outcome<Dead> {
    if record.phase != Phase::Clearing {
        record.phase = Phase::Clearing;
        record.end = Some(place.end()?);
        place.write_record(&record)?;
        if let Some(End::Looped(_)) = record.end {
            say(&format!(
                "{} has ended: it was started {MOST_STARTS} times within {RESTART_WINDOW} s, and so is not started again",
                place.name()
            ));
        }
    }
    Ok(Dead { place, record, claim })
}

fn clear(session: &Session, dead: Dead) -> Outcome<()> {
    let remains = match dead.place.remains() {
        Ok(remains) => remains,
        // The next command may read it: what nothing else names, a bridge or a link of the host's, is not forgotten.
        Err(e @ Error::Kernel(..)) => return Err(e),
        Err(_) => bare_remains(dead.place.name(), &dead.record),
    };
    hooks::end(session, &dead.place, Hook::Stopped, &dead.claim);
    session.launcher.clear(remains)?;
    hooks::end(session, &dead.place, Hook::Release, &dead.claim);
    let lock = session.store.lock()?;
    if dead.record.vanishes() {
        return session.store.remove_place(&lock, dead.place.name());
    }
    let record = Record {
        phase: Phase::Ended,
        pids: None,
        paused: false,
        resumed: false,
        ..dead.record
    };
    dead.place.write_record(&record)
}

/// Waits until one container is not alive, and clears it away. Does nothing if another command has done so, or if it has been
/// started again since.
pub fn finish(session: &Session, name: &ContainerName, id: u32) -> Outcome<()> {
    loop {
        let lock = session.store.lock()?;
        let Some(place) = session.store.place(name)? else {
            return Ok(());
        };
        let Some(claim) = place.claim()? else {
            if place.record()?.is_none_or(|r| r.id != id) {
                return Ok(());
            }
            drop(lock);
            place.claim_when_ended()?;
            continue;
        };
        let Some(record) = place.record()? else {
            return session.store.remove_place(&lock, name);
        };
        if record.id != id || !record.occupies() {
            return Ok(());
        }
        let dead = condemn(place, record, claim)?;
        drop(lock);
        return clear(session, dead);
    }
}

/// A container whose start was asked for by a command that is gone. If the launcher saw it through, it runs, and that is noted; if
/// not, it is cleared away once whoever worked on it has ended. It may have been noted, and the hook script not been heard out.
fn adopt(session: &Session, place: &Place, record: Record) -> Outcome<()> {
    let pids = match Supervisor::connect(place)? {
        Some(supervisor) => supervisor.identify().ok(),
        None => None,
    };
    match (pids, record.phase) {
        (Some(_), _) => {}
        (None, Phase::Starting) => return finish(session, place.name(), record.id),
        // It is ending.
        (None, _) => return Ok(()),
    }
    let lock = session.store.lock()?;
    if place.record()?.as_ref() != Some(&record) {
        return Ok(());
    }
    let record = Record {
        phase: Phase::Running,
        pids: record.pids.or(pids),
        hook: record.hook.map(|_| Hook::Started),
        ..record
    };
    place.write_record(&record)?;
    place.started(&record.ids)?;
    drop(lock);
    // It runs, whatever the hook script says.
    hooks::tell(session, place, Hook::Reconnect, None);
    Ok(())
}
