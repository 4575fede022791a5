//! `metadata`: elements of somebody's own in a definition. May touch: the store.

use super::amend::{amend, read};
use crate::domain::metadata;
use crate::error::{Error, Outcome};
use crate::options::Metadata;
use crate::output::{done, gap, print};
use crate::session::Session;

fn missing() -> Error {
    Error::caller("metadata not found: Requested metadata element is not present")
}

/// Shows one, puts one there, or takes one away.
pub fn metadata(session: &Session, options: &Metadata) -> Outcome<()> {
    let (uri, address) = (&options.uri, &options.container);
    if options.edit {
        return Err(Error::Bug(
            "an editor was to be started by a process that may not".into(),
        ));
    }
    if let (Some(text), Some(key)) = (&options.set, &options.key) {
        amend(session, address, options.affect, &|domain| {
            metadata::set(domain, uri, key, text).map_err(Error::Caller)
        })?;
        return done("Metadata modified");
    }
    if options.remove {
        amend(session, address, options.affect, &|domain| {
            // As in virsh, what is not there is gone.
            metadata::remove(domain, uri);
            Ok(())
        })?;
        return done("Metadata removed");
    }
    match metadata::get(&read(session, address, options.affect)?, uri) {
        Some(text) => print(&format!("{text}{}", gap())),
        None if options.bare => Ok(()),
        None => Err(missing()),
    }
}
