//! `dumpxml`: the definition as XML. May touch: the store.

use crate::domain;
use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::options::Dumpxml;
use crate::output::print;
use crate::session::Session;

/// Prints the definition that runs, or else the kept one.
pub fn dumpxml(session: &Session, options: &Dumpxml) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let live = match (found.running(), options.inactive) {
        (Ok((place, record)), false) => place.live_definition()?.map(|bytes| (bytes, record.id)),
        _ => None,
    };
    let text = match (live, &found.definition) {
        (Some((bytes, id)), _) => {
            let domain = domain::parse(&bytes, "domain.xml").map_err(|e| Error::caller(e.to_string()))?;
            domain::format_live(&domain, id)
        }
        (None, Some(domain)) => crate::domain::format(domain),
        (None, None) => return Err(Error::caller(format!("{} has no definition", found.name))),
    };
    print(&format!("{text}\n"))
}
