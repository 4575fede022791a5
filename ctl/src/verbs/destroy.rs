//! `destroy`: ends a container at once. May touch: the control socket, the store, and through the launcher what is left.

use crate::error::Outcome;
use crate::lookup::find;
use crate::output::done;
use crate::reconcile::finish;
use crate::session::Session;
use crate::supervisor::Supervisor;
use wire::recordd::Deed;

/// Destroys it, and comes back when nothing is left of it.
pub fn destroy(session: &Session, address: &str) -> Outcome<()> {
    let found = find(&session.store, address)?;
    let (place, record) = found.running()?;
    session.launcher.announce(&found.name, Deed::Destroy)?;
    if record.paused {
        // A frozen process does not die.
        session.launcher.freeze(&found.name, false)?;
    }
    let ended = match Supervisor::connect(place)? {
        // One that cannot be spoken to, or refuses, is ended with the rest.
        Some(supervisor) => supervisor.kill().unwrap_or(false),
        None => true,
    };
    if !ended {
        // The launcher thaws whatever the container froze, and ends every process of its ids, the supervisor among them.
        session.launcher.clear(place.remains()?)?;
    }
    finish(session, &found.name, record.id)?;
    done(&format!("Domain '{}' destroyed", found.name))
}
