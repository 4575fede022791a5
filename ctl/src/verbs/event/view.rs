//! What there is at one moment, and what has happened between two. May touch: the store, to read.

use crate::error::Outcome;
use crate::state::record::{End, Phase};
use crate::state::{Place, Store};
use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use wire::ContainerName;

/// The end of a process that SIGKILL ended, as wait(2) has it: what `destroy` does.
const KILLED: i32 = 9;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A definition is kept that was not there.
    Added,
    /// It is another one now.
    Updated,
    /// It is kept no longer.
    Removed,
    /// It runs.
    Started,
    /// It is frozen.
    Suspended,
    /// It goes on.
    Resumed,
    /// It has ended, in this way.
    Stopped(End),
}

impl Happened {
    /// The words that virsh has for it.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Added => ("Defined", "Added"),
            Self::Updated => ("Defined", "Updated"),
            Self::Removed => ("Undefined", "Removed"),
            Self::Started => ("Started", "Booted"),
            Self::Suspended => ("Suspended", "Paused"),
            Self::Resumed => ("Resumed", "Unpaused"),
            Self::Stopped(End::Status(KILLED)) => ("Stopped", "Destroyed"),
            Self::Stopped(End::Status(_)) => ("Stopped", "Shutdown"),
            Self::Stopped(End::Crashed) => ("Stopped", "Crashed"),
            Self::Stopped(End::Looped(_)) => ("Stopped", "Failed"),
        }
    }
}

/// What runs.
#[derive(Debug)]
struct Live {
    id: u32,
    paused: bool,
    /// Kept open: how it ended can be read when its place is gone.
    exit: Option<OwnedFd>,
    ended: Option<End>,
}

/// All that there is.
#[derive(Debug, Default)]
pub struct View {
    defined: BTreeMap<ContainerName, Vec<u8>>,
    live: BTreeMap<ContainerName, Live>,
}

impl View {
    /// A look. Each place is watched before it is looked at, so that what changes in between is seen by the next look.
    pub fn of(store: &Store, watch: impl Fn(BorrowedFd<'_>) -> Outcome<()>) -> Outcome<Self> {
        let mut next = Self::default();
        for name in store.definitions()? {
            if let Some(text) = store.definition(&name)? {
                next.defined.insert(name, text);
            }
        }
        for name in store.names()? {
            let Some(place) = store.place(&name)? else { continue };
            watch(place.directory())?;
            // What is damaged is for the verbs to tell that use it.
            if let Ok(Some(record)) = place.record()
                && record.phase == Phase::Running
            {
                let exit = place.exit()?;
                let ended = exit.as_ref().and_then(Place::ended);
                let live = Live {
                    id: record.id,
                    paused: record.paused,
                    exit,
                    ended,
                };
                next.live.insert(name, live);
            }
        }
        Ok(next)
    }

    /// What has happened since, in the order of the names.
    pub fn since(&self, before: &Self) -> Vec<(ContainerName, Happened)> {
        let names = [&self.defined, &before.defined].into_iter().flat_map(BTreeMap::keys);
        let live = [&self.live, &before.live].into_iter().flat_map(BTreeMap::keys);
        let mut names: Vec<&ContainerName> = names.chain(live).collect();
        names.sort();
        names.dedup();
        let mut all = Vec::new();
        for name in names {
            let mut add = |happened: Option<Happened>| all.extend(happened.map(|h| (name.clone(), h)));
            let (was, is) = (before.defined.get(name), self.defined.get(name));
            let (lived, lives) = (before.running(name), self.running(name));
            if is.is_some() && was != is {
                add(Some(if was.is_some() {
                    Happened::Updated
                } else {
                    Happened::Added
                }));
            }
            if let Some(old) = lived.filter(|old| lives.is_none_or(|new| new.id != old.id)) {
                let end = self.live.get(name).filter(|l| l.id == old.id).and_then(|l| l.ended);
                let end = end.or_else(|| old.exit.as_ref().and_then(Place::ended));
                add(Some(Happened::Stopped(end.unwrap_or(End::Crashed))));
            }
            match (lived, lives) {
                (Some(old), Some(new)) if old.id == new.id => {
                    let other = if new.paused {
                        Happened::Suspended
                    } else {
                        Happened::Resumed
                    };
                    add((old.paused != new.paused).then_some(other));
                }
                (_, Some(_)) => add(Some(Happened::Started)),
                _ => {}
            }
            add((was.is_some() && is.is_none()).then_some(Happened::Removed));
        }
        all
    }

    fn running(&self, name: &ContainerName) -> Option<&Live> {
        self.live.get(name).filter(|l| l.ended.is_none())
    }
}
