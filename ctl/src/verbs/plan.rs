//! `plan`: what a start would ask of each program, changing nothing. May touch: the store, to read.

use crate::begin::lot;
use crate::domain::Uuid;
use crate::error::{Error, Outcome};
use crate::lent;
use crate::lookup::find;
use crate::options::Facts;
use crate::output::{print, print_json};
use crate::session::Session;
use wire::launcher::Plan;

/// Prints a plan.
pub fn show(plan: &Plan, json: bool) -> Outcome<()> {
    if json {
        print_json(plan)
    } else {
        print(&crate::plan::show::show(plan, crate::user::here().is_some()))
    }
}

/// Plans a start of what is defined, or shows what was done to start what runs without a definition.
pub fn plan(session: &Session, options: &Facts) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    match (&found.definition, &found.place) {
        (Some(domain), _) => {
            let mut host = session.host()?;
            lent::find(session, domain, &mut host)?;
            let Some(Uuid(uuid)) = domain.uuid else {
                return Err(Error::Bug("the definition has no uuid".into()));
            };
            let lot = lot(session, &host.policy, uuid)?;
            let plan = crate::plan::domain::plan(domain, &lot, &host)?;
            crate::existing::check(&plan)?;
            show(&plan, options.json)
        }
        (None, Some(place)) => show(&place.plan()?, options.json),
        (None, None) => Err(found.undefined()),
    }
}
