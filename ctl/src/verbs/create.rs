//! `create`: starts a container from a file and keeps no definition. May touch: what `define` and `start` touch.

use super::define::{complete, read};
use super::start::begin_domain;
use crate::error::Outcome;
use crate::lookup::refuse_foreign_uuid;
use crate::options::Create;
use crate::session::Session;
use crate::state::record::Origin;

/// Creates the container.
pub fn create(session: &Session, options: &Create) -> Outcome<()> {
    let file = &options.file;
    let domain = complete(session, read(session, file, options.validate)?)?;
    let uuid = domain.uuid.map(|u| u.to_string()).unwrap_or_default();
    refuse_foreign_uuid(&session.store, &domain.name, &uuid)?;
    let said = format!("Domain '{}' created from {file}", domain.name);
    begin_domain(session, &domain, Origin::Transient, &options.starting, &said)
}
