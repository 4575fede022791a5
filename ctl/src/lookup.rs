//! Which container is meant by a name, a uuid or an id; and all that there are. May touch: the state store, to read.

use crate::domain::{self, Domain, Uuid};
use crate::error::{Error, Needed, Outcome};
use crate::output::say;
use crate::state::record::{Phase, Pids, Record};
use crate::state::{Place, Store};
use crate::supervisor::Supervisor;
use std::collections::BTreeSet;
use wire::ContainerName;

/// One container, as far as it is known.
#[derive(Debug)]
pub struct Found {
    /// Its name.
    pub name: ContainerName,
    /// Whether a definition of it is kept.
    pub persistent: bool,
    /// Its kept definition, if it was read and is not refused.
    pub definition: Option<Domain>,
    /// What runs, or has ended and is kept, if that was looked at.
    pub place: Option<Place>,
    /// The record of that.
    pub record: Option<Record>,
}

impl Found {
    /// The uuid.
    pub fn uuid(&self) -> String {
        let defined = || self.definition.as_ref().and_then(|d| d.uuid).map(|u| u.to_string());
        self.record
            .as_ref()
            .map(|r| r.uuid.clone())
            .or_else(defined)
            .unwrap_or_default()
    }

    /// What it was started from, if it runs; or else its kept definition.
    pub fn domain(&self) -> Option<Domain> {
        let live = self.running().ok().and_then(|(place, _)| place.live_definition().ok()?);
        live.and_then(|bytes| domain::parse(&bytes, "domain.xml").ok())
            .or_else(|| self.definition.clone())
    }

    /// Its kept definition, where something is to be done with it.
    pub fn kept(&self) -> Outcome<&Domain> {
        let none = || match self.persistent {
            true => self.undefined(),
            false => Error::Container(Needed::Defined, self.name.to_string()),
        };
        self.definition.as_ref().ok_or_else(none)
    }

    /// Why there is no definition of it.
    pub fn undefined(&self) -> Error {
        Error::caller(match self.persistent {
            true => format!("the kept definition of {} is refused", self.name),
            false => format!("{} has no definition", self.name),
        })
    }

    /// The id, if it runs.
    pub fn id(&self) -> Option<u32> {
        self.record.as_ref().filter(|r| r.occupies()).map(|r| r.id)
    }

    /// The state in virsh's words.
    pub fn state(&self) -> &'static str {
        self.record.as_ref().map_or("shut off", Record::state)
    }

    /// Its processes, if it runs. PID 1 changes when a container starts anew, which only its supervisor knows.
    pub fn pids(&self) -> Option<Pids> {
        let (place, record) = self.running().ok()?;
        let told = Supervisor::connect(place)
            .ok()
            .flatten()
            .and_then(|s| s.identify().ok());
        let supervisor = record.pids.map_or(0, |p| p.supervisor);
        told.map(|p| Pids { supervisor, ..p }).or(record.pids)
    }

    /// Its state directory and record, if it runs.
    pub fn running(&self) -> Outcome<(&Place, &Record)> {
        match (&self.place, &self.record) {
            (Some(place), Some(record)) if matches!(record.phase, Phase::Running | Phase::Starting) => {
                Ok((place, record))
            }
            _ => Err(Error::Container(Needed::Running, self.name.to_string())),
        }
    }
}

/// Reads a kept definition.
pub fn definition(store: &Store, name: &ContainerName) -> Outcome<Option<Domain>> {
    let Some(text) = store.definition(name)? else {
        return Ok(None);
    };
    domain::parse(&text, &format!("{name}.xml"))
        .map(Some)
        .map_err(|e| Error::caller(e.to_string()))
}

/// What its definition says is no hindrance: one that is refused is said, and what runs can be ended, and what is kept forgotten.
fn known(store: &Store, name: ContainerName) -> Outcome<Found> {
    let (definition, persistent) = match definition(store, &name) {
        Ok(found) => {
            let persistent = found.is_some();
            (found, persistent)
        }
        Err(e) => {
            say(&e.to_string());
            (None, true)
        }
    };
    let place = store.place(&name)?;
    let record = match &place {
        Some(place) => place.record()?,
        None => None,
    };
    Ok(Found {
        name,
        persistent,
        definition,
        place,
        record,
    })
}

/// Every container, sorted by name. One that cannot be read is said, and left out.
pub fn all(store: &Store) -> Outcome<Vec<Found>> {
    let mut names = store.definitions()?;
    names.extend(store.names()?);
    names.sort();
    names.dedup();
    let found = names.into_iter().map(|name| known(store, name));
    Ok(found.filter_map(is_there_or_said).collect())
}

/// Every container, sorted by name, for a table of them: of one that runs no more is read than its record.
pub fn all_at_a_glance(store: &Store) -> Outcome<Vec<Found>> {
    let kept: BTreeSet<ContainerName> = store.definitions()?.into_iter().collect();
    let there: BTreeSet<ContainerName> = store.names()?.into_iter().collect();
    let glance = |name: &ContainerName| -> Outcome<Found> {
        let record = if there.contains(name) {
            store.record(name)?.filter(Record::occupies)
        } else {
            None
        };
        match record {
            None => known(store, name.clone()),
            Some(_) => Ok(Found {
                name: name.clone(),
                persistent: kept.contains(name),
                definition: None,
                place: None,
                record,
            }),
        }
    };
    let found = kept.union(&there).map(glance);
    Ok(found.filter_map(is_there_or_said).collect())
}

/// Nothing where neither a definition nor a record was found; what could not be read is said.
fn is_there_or_said(found: Outcome<Found>) -> Option<Found> {
    match found {
        Ok(one) => (one.persistent || one.record.is_some()).then_some(one),
        Err(e) => {
            say(&e.to_string());
            None
        }
    }
}

/// The container that runs under that id, if the word is a number; failing that, of that name; failing that, of that uuid.
pub fn find(store: &Store, address: &str) -> Outcome<Found> {
    if let Ok(id) = address.parse::<u32>()
        && let Some(running) = all(store)?.into_iter().find(|f| f.id() == Some(id))
    {
        return Ok(running);
    }
    if let Ok(name) = ContainerName::new(address) {
        let found = known(store, name)?;
        if found.persistent || found.record.is_some() {
            return Ok(found);
        }
    }
    let uuid = Uuid::parse(address).map(|u| u.to_string());
    let found = all(store)?
        .into_iter()
        .find(|f| uuid.as_ref().is_some_and(|u| *u == f.uuid()));
    match found {
        Some(found) => Ok(found),
        None => Err(Error::Container(Needed::Known, address.to_owned())),
    }
}

/// Refuses a uuid that a container of another name has.
pub fn refuse_foreign_uuid(store: &Store, name: &ContainerName, uuid: &str) -> Outcome<()> {
    match all(store)?.iter().find(|f| f.name != *name && f.uuid() == uuid) {
        Some(other) => Err(Error::caller(format!("{} has the uuid {uuid} already", other.name))),
        None => Ok(()),
    }
}
