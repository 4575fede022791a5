//! `suspend` and `resume`. May touch: the store, and through the launcher the container's groups.

use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::manner::named;
use crate::output::done;
use crate::session::Session;
use crate::state::record::Record;

/// Freezes or thaws.
pub fn freeze(session: &Session, address: &str, frozen: bool) -> Outcome<()> {
    let found = find(&session.store, address)?;
    let (place, record) = found.running()?;
    if record.paused == frozen {
        let state = if frozen { "suspended already" } else { "not suspended" };
        return Err(Error::caller(format!("{} is {state}", found.name)));
    }
    session.launcher.freeze(&found.name, frozen)?;
    let _lock = session.store.lock()?;
    if let Some(record) = place.record()? {
        place.write_record(&Record {
            paused: frozen,
            resumed: !frozen,
            ..record
        })?;
    }
    done(&format!(
        "Domain '{}' {}",
        named(address, found.name.as_str()),
        if frozen { "suspended" } else { "resumed" }
    ))
}
