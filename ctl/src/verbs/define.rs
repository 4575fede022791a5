//! `define`: keeps a definition, in canonical form and with everything made up that it leaves out. May touch: the file, the store.

use super::run::random;
use crate::domain::{self, Domain, MAX_BYTES};
use crate::error::{Error, Outcome};
use crate::lookup::{definition, refuse_foreign_uuid};
use crate::options::DefinitionFile;
use crate::output::{done, say};
use crate::plan::run::absolute;
use crate::session::Session;
use crate::state::files::read_open;

/// Reads a definition that was named on the command line, and makes up a uuid and what else is missing.
pub fn read(session: &Session, file: &str, validate: bool) -> Outcome<Domain> {
    let fd = session.launcher.open(&absolute(file, session.directory.as_deref())?)?;
    let Some(bytes) = read_open(fd, file, MAX_BYTES)? else {
        return Err(Error::caller(format!("{file} has more than 1 MiB")));
    };
    let (domain, told) = domain::parse_telling(&bytes, file).map_err(|e| Error::caller(e.to_string()))?;
    if let Some(first) = told.first().filter(|_| validate) {
        return Err(Error::caller(first.to_string()));
    }
    told.iter().for_each(|t| say(&format!("warning: {t}")));
    Ok(domain)
}

/// Makes up what is missing; the uuid is that of the definition of the same name, if there is one.
pub fn complete(session: &Session, mut domain: Domain) -> Outcome<Domain> {
    if domain.uuid.is_none() {
        domain.uuid = definition(&session.store, &domain.name)
            .ok()
            .flatten()
            .and_then(|d| d.uuid);
    }
    domain::complete(domain, random)
}

/// Keeps the definition.
pub fn define(session: &Session, options: &DefinitionFile) -> Outcome<()> {
    let file = &options.file;
    let domain = complete(session, read(session, file, options.validate)?)?;
    let name = &domain.name;
    let uuid = domain.uuid.map(|u| u.to_string()).unwrap_or_default();
    let lock = session.store.lock()?;
    refuse_foreign_uuid(&session.store, name, &uuid)?;
    // One that is refused is in no other's way.
    let kept = definition(&session.store, name)
        .ok()
        .flatten()
        .and_then(|d| d.uuid)
        .map(|u| u.to_string());
    let live = match session.store.place(name)? {
        Some(place) => place.record()?.map(|r| r.uuid),
        None => None,
    };
    if let Some(other) = kept.or(live).filter(|other| *other != uuid) {
        return Err(Error::caller(format!(
            "a container called {name} has the uuid {other} already"
        )));
    }
    session.store.define(&lock, name, &domain::format(&domain))?;
    drop(lock);
    done(&format!("Domain '{name}' defined from {file}"))
}
