//! `destroy`: ends a container at once. May touch: the control socket, the store, and through the launcher what is left.

use super::shutdown;
use crate::error::{Error, Outcome};
use crate::lent::Held;
use crate::lookup::{Found, find};
use crate::manner::named;
use crate::options::Destroy;
use crate::output::done;
use crate::reconcile::finish;
use crate::session::Session;
use crate::supervisor::Supervisor;
use std::time::Duration;
use wire::recordd::Deed;

/// How long a container that is asked to end may take.
const GRACE: Duration = Duration::from_secs(10);

/// Destroys it, and comes back when nothing is left of it.
pub fn destroy(session: &Session, options: &Destroy) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    if options.graceful {
        end_gracefully(session, &found)?;
    } else {
        end(session, &found)?;
    }
    let name = named(&options.container, found.name.as_str());
    done(&format!("Domain '{name}' destroyed"))
}

/// Ends a container at once.
pub fn end(session: &Session, found: &Found) -> Outcome<()> {
    let (place, record) = found.running()?;
    let meanwhile = || (Held::of(place), Supervisor::connect(place));
    let (held, supervisor) = session.launcher.announce_while(&found.name, Deed::Destroy, meanwhile)?;
    if record.paused {
        // A frozen process does not die.
        session.launcher.freeze(&found.name, false)?;
    }
    // Before it is killed: its network ends with it.
    if let Some(held) = held? {
        held.take_back(session);
    }
    let ended = match supervisor? {
        // One that cannot be spoken to, or refuses, is ended with the rest.
        Some(supervisor) => supervisor.kill().unwrap_or(false),
        None => true,
    };
    if !ended {
        // The launcher thaws whatever the container froze, and ends every process of its ids, the supervisor among them.
        session.launcher.clear(place.remains()?)?;
    }
    finish(session, &found.name, record.id)
}

/// Asks it to end, and waits for that; it is not killed.
fn end_gracefully(session: &Session, found: &Found) -> Outcome<()> {
    let (place, record) = found.running()?;
    let held = Held::of(place)?;
    let first = shutdown::ask(session, found, Deed::Shutdown, shutdown::ending)?;
    if !first.supervisor.ends_within(GRACE)? {
        return Err(Error::caller(format!(
            "it has been asked to end, and has not within {} s",
            GRACE.as_secs()
        )));
    }
    if let Some(held) = held {
        held.take_back(session);
    }
    finish(session, &found.name, record.id)
}
