//! `wait`: until a container has ended. May touch: the control socket, the store.

use crate::error::{Error, Outcome, status_of_wait};
use crate::lookup::find;
use crate::options::Facts;
use crate::output::{print, print_json};
use crate::reconcile::finish;
use crate::session::Session;
use crate::state::Place;
use crate::state::record::{End, Phase};
use crate::supervisor::Supervisor;

/// What a supervisor noted of the end that it did not live to tell.
fn recorded(place: &Place) -> Option<i32> {
    place.end().ok().and_then(End::status)
}

/// Waits, and prints the exit status.
pub fn wait(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (Some(place), Some(record)) = (&found.place, &found.record) else {
        return Err(Error::caller(format!("{} is not running", found.name)));
    };
    let mut told = None;
    if record.phase != Phase::Ended {
        match Supervisor::connect(place)? {
            // However long that takes, nobody holds power for it. The next command clears away what is left.
            Some(supervisor) => {
                session.launcher.leave();
                told = supervisor.wait()?.or_else(|| recorded(place));
            }
            None => finish(session, &found.name, record.id)?,
        }
    }
    // The directory is still open: what the supervisor wrote there last can be read even if it is gone from its place.
    let kept = match place.record()? {
        Some(record) => record.end,
        None => None,
    };
    let Some(status) = told.or_else(|| kept.and_then(End::status)) else {
        return Err(Error::Peer(format!(
            "{} crashed, or its supervisor was killed",
            found.name
        )));
    };
    let status = status_of_wait(status);
    if options.json {
        return print_json(&serde_json::json!({"name": found.name, "exit_status": status}));
    }
    print(&format!("{status}\n"))
}
