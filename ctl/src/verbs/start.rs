//! `start`: a defined container. May touch: what `begin` touches, and with its options what `console` and `autodestroy` do.

use super::autodestroy::Tie;
use super::console::{self, Key};
use super::destroy;
use crate::begin::{Start, begin};
use crate::domain::device::pinned;
use crate::domain::{Domain, Uuid};
use crate::error::{Error, Needed, Outcome};
use crate::hooks;
use crate::lent;
use crate::lookup::find;
use crate::options::{self, Starting};
use crate::output::{done, say};
use crate::passing;
use crate::plan::domain::plan;
use crate::session::Session;
use crate::sharing;
use crate::state::Place;
use crate::state::record::Origin;

/// Starts a domain, however it came to be, says so, and stays as long as is asked for.
pub fn begin_domain(
    session: &Session,
    domain: &Domain,
    origin: Origin,
    starting: &Starting,
    said: &str,
) -> Outcome<()> {
    if starting.paused {
        return Err(Error::caller(
            "unsupported flags (0x1): a container cannot be frozen before it has begun",
        ));
    }
    let mut host = session.host()?;
    let domain = &pinned(sharing::told(session, domain)?, host.usb)?;
    lent::find(session, domain, &mut host)?;
    let shared = sharing::of_others(session, domain)?;
    let Some(Uuid(uuid)) = domain.uuid else {
        return Err(Error::Bug("the definition has no uuid".into()));
    };
    let text = crate::domain::format(domain);
    let beyond = session.passed.as_slice();
    let make = |lot: &_| {
        let mut plan = plan(domain, lot, &host)?;
        if let Some(container) = plan.container_mut() {
            passing::announce(container, beyond.len())?;
        }
        Ok(plan)
    };
    let mut tie = None;
    let mut before = |place: &Place| {
        if starting.autodestroy {
            tie = Some(Tie::prepare(place)?);
        }
        Ok(())
    };
    let mut start = Start {
        name: &domain.name,
        uuid,
        origin,
        definition: Some(&text),
        passed: false,
        tied: starting.autodestroy,
        output: [rustix::stdio::stdout(), rustix::stdio::stderr()],
        beyond,
        shared: &shared,
        learner: None,
        plan: &make,
        before: &mut before,
    };
    let (place, record) = begin(session, &host.policy, &mut start)?;
    if let Err(refused) = hooks::started(session, &place) {
        let ended = find(&session.store, domain.name.as_str()).and_then(|found| destroy::end(session, &found));
        // That it is refused is what counts; the next command tries again to end it.
        ended.unwrap_or_else(|e| say(&e.to_string()));
        return Err(refused);
    }
    done(said)?;
    let console = starting.console.then(Key::default);
    match (tie, console) {
        (Some(tie), console) => tie.stay(session, &domain.name, record.id, console),
        (None, Some(key)) => console::attach(session, &find(&session.store, domain.name.as_str())?, 0, key, true),
        (None, None) => Ok(()),
    }
}

/// Starts the container.
pub fn start(session: &Session, options: &options::Start) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    if found.running().is_ok() {
        return Err(Error::Container(Needed::Inactive, found.name.to_string()));
    }
    let domain = found.kept()?;
    let said = format!("Domain '{}' started", found.name);
    begin_domain(session, domain, Origin::Defined, &options.starting, &said)
}
