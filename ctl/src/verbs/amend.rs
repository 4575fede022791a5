//! What verbs that change a definition have in common: which one is meant, and that it is changed under the lock. May touch: the store.

use crate::domain::{Domain, format, parse};
use crate::error::{Error, Needed, Outcome};
use crate::lookup::{Found, find};
use crate::options::Affect;
use crate::session::Session;
use wire::ContainerName;

/// Whether that of the container that runs is meant, and whether the kept one is.
pub fn meant(found: &Found, affect: Affect) -> Outcome<(bool, bool)> {
    let runs = found.running().is_ok();
    let named = affect.live || affect.config;
    let (live, config) = if named {
        (affect.live, affect.config)
    } else {
        (runs, !runs)
    };
    if live && !runs {
        return Err(Error::Container(Needed::Running, found.name.to_string()));
    }
    if config {
        found.kept()?;
    }
    Ok((live, config))
}

fn live(found: &Found) -> Outcome<Domain> {
    let (place, _) = found.running()?;
    let Some(bytes) = place.live_definition()? else {
        return Err(Error::Container(Needed::Defined, found.name.to_string()));
    };
    parse(&bytes, "domain.xml").map_err(|e| Error::caller(e.to_string()))
}

/// The definition that is meant; of two, the one that runs.
pub fn read(session: &Session, address: &str, affect: Affect) -> Outcome<Domain> {
    let found = find(&session.store, address)?;
    match (meant(&found, affect)?, &found.definition) {
        ((false, _), Some(kept)) => Ok(kept.clone()),
        _ => live(&found),
    }
}

/// Changes the definitions that are meant, all or none of them as far as the change itself is concerned; gives the name.
pub fn amend(
    session: &Session,
    address: &str,
    affect: Affect,
    change: &dyn Fn(&mut Domain) -> Outcome<()>,
) -> Outcome<ContainerName> {
    let lock = session.store.lock()?;
    let found = find(&session.store, address)?;
    let (of_live, of_kept) = meant(&found, affect)?;
    let changed = |domain: Domain| {
        let mut domain = domain;
        change(&mut domain).map(|()| format(&domain))
    };
    let running = of_live.then(|| live(&found).and_then(changed)).transpose()?;
    let kept = found.definition.clone().filter(|_| of_kept).map(changed).transpose()?;
    if let Some(text) = kept {
        session.store.define(&lock, &found.name, &text)?;
    }
    if let (Some(text), Ok((place, _))) = (running, found.running()) {
        place.write_live_definition(&text)?;
    }
    Ok(found.name)
}
