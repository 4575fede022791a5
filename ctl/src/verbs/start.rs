//! `start`: a defined container. May touch: what `begin` touches.

use crate::begin::{Start, begin};
use crate::domain::{Domain, Uuid};
use crate::error::{Error, Needed, Outcome};
use crate::lookup::find;
use crate::output::done;
use crate::plan::domain::plan;
use crate::session::Session;
use crate::state::record::{Origin, Record};

/// Starts a domain, however it came to be.
pub fn begin_domain(session: &Session, domain: &Domain, text: &str, origin: Origin) -> Outcome<Record> {
    let host = session.host()?;
    let Some(Uuid(uuid)) = domain.uuid else {
        return Err(Error::Bug("the definition has no uuid".into()));
    };
    let make = |lot: &_| plan(domain, lot, &host);
    let mut start = Start {
        name: &domain.name,
        uuid,
        origin,
        definition: Some(text),
        passed: false,
        tied: false,
        output: [rustix::stdio::stdout(), rustix::stdio::stderr()],
        learner: None,
        plan: &make,
        before: &mut |_| Ok(()),
    };
    begin(session, &host.policy, &mut start).map(|(_, record)| record)
}

/// Starts the container.
pub fn start(session: &Session, address: &str) -> Outcome<()> {
    let found = find(&session.store, address)?;
    if found.running().is_ok() {
        return Err(Error::Container(Needed::Inactive, found.name.to_string()));
    }
    let Some(domain) = &found.definition else {
        return Err(Error::Container(Needed::Defined, found.name.to_string()));
    };
    begin_domain(session, domain, &crate::domain::format(domain), Origin::Defined)?;
    done(&format!("Domain '{}' started", found.name))
}
