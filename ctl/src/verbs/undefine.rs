//! `undefine`: forgets a definition, or what is kept of a container that has ended. May touch: the store.

use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::output::done;
use crate::session::Session;
use crate::state::record::{Origin, Phase, Record};

/// Forgets. What runs goes on, and is gone when it ends.
pub fn undefine(session: &Session, address: &str) -> Outcome<()> {
    let lock = session.store.lock()?;
    let found = find(&session.store, address)?;
    let defined = session.store.undefine(&lock, &found.name)?;
    match (&found.place, found.record) {
        (Some(place), Some(record)) if record.occupies() && record.origin == Origin::Defined => {
            place.write_record(&Record {
                origin: Origin::Transient,
                ..record
            })?;
        }
        (Some(_), Some(record)) if record.phase == Phase::Ended => session.store.remove_place(&lock, &found.name)?,
        _ if !defined => {
            return Err(Error::caller(format!(
                "{} is running and has no definition",
                found.name
            )));
        }
        _ => {}
    }
    drop(lock);
    done(&format!("Domain '{}' has been undefined", found.name))
}
