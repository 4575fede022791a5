//! What there is at one moment, and what has happened between two. May touch: the store, to read.

use crate::domain::{Domain, metadata, parse};
use crate::error::Outcome;
use crate::options::Kind;
use crate::state::record::{End, Phase};
use crate::state::{Place, Store};
use crate::supervisor::Supervisor;
use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use wire::ContainerName;

/// The end of a process that SIGKILL ended, as wait(2) has it: what `destroy` does.
const KILLED: i32 = 9;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// It has started itself anew.
    Rebooted,
    /// It says something else of itself.
    Changed {
        /// What: its title, its description, or an element of metadata.
        what: &'static str,
        /// The namespace of that element.
        uri: Option<String>,
    },
}

impl Happened {
    /// The kind of event that it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Rebooted => Kind::Reboot,
            Self::Changed { .. } => Kind::MetadataChange,
            _ => Kind::Lifecycle,
        }
    }

    /// The words that virsh has for it.
    pub fn words(&self) -> Option<(&str, &str)> {
        Some(match self {
            Self::Rebooted => return None,
            Self::Changed { what, uri } => (what, uri.as_deref().unwrap_or("<null>")),
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
        })
    }
}

/// What runs.
#[derive(Debug)]
struct Live {
    id: u32,
    paused: bool,
    /// How often it has started itself anew.
    restarts: u32,
    /// What it was started from, with what has changed since.
    definition: Option<Vec<u8>>,
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
                    // One that ends just now is not asked any more.
                    restarts: restarts(&place, ended.is_some()),
                    definition: place.live_definition()?,
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
            match (was, is) {
                (Some(was), Some(is)) if was != is => match changes(was, is) {
                    said if said.is_empty() => add(Some(Happened::Updated)),
                    said => said.into_iter().for_each(|s| add(Some(s))),
                },
                (None, Some(_)) => add(Some(Happened::Added)),
                _ => {}
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
                    add((old.restarts < new.restarts).then_some(Happened::Rebooted));
                    if let (Some(was), Some(is)) = (&old.definition, &new.definition) {
                        changes(was, is).into_iter().for_each(|s| add(Some(s)));
                    }
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

/// How often a container has started itself anew, as its supervisor tells.
fn restarts(place: &Place, ended: bool) -> u32 {
    if ended {
        return 0;
    }
    let supervisor = Supervisor::connect(place).ok().flatten();
    supervisor.and_then(|s| s.restarts().ok()).unwrap_or(0)
}

/// What two definitions say otherwise of the container for people and their programs; nothing if that is not all.
fn changes(was: &[u8], is: &[u8]) -> Vec<Happened> {
    if was == is {
        return Vec::new();
    }
    let read = |text: &[u8]| parse(text, "domain.xml").ok();
    let (Some(was), Some(is)) = (read(was), read(is)) else {
        return Vec::new();
    };
    let bare = |domain: &Domain| {
        let mut bare = metadata::without(domain);
        (bare.title, bare.description) = (None, None);
        bare
    };
    if bare(&was) != bare(&is) {
        return Vec::new();
    }
    let changed = |what, uri: Option<String>| Happened::Changed { what, uri };
    let mut all = Vec::new();
    all.extend((was.description != is.description).then(|| changed("description", None)));
    all.extend((was.title != is.title).then(|| changed("title", None)));
    let (before, after) = (metadata::uris(&was), metadata::uris(&is));
    let mut uris: Vec<&String> = before.iter().chain(&after).collect();
    uris.sort();
    uris.dedup();
    let other = |uri: &&String| metadata::get(&was, uri) != metadata::get(&is, uri);
    all.extend(
        uris.into_iter()
            .filter(other)
            .map(|uri| changed("element", Some(uri.clone()))),
    );
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(more: &str) -> Vec<u8> {
        format!("<domain type='lxc'><name>vm1</name>{more}<memory>1</memory><os><type>exe</type><init>/i</init></os></domain>").into_bytes()
    }

    #[test]
    fn what_is_said_for_people_is_told_apart_from_what_has_an_effect() {
        let words = |was: &str, is: &str| -> Vec<String> {
            let all = changes(&text(was), &text(is));
            all.iter()
                .map(|h| h.words().map_or(String::new(), |(w, d)| format!("{w} {d}")))
                .collect()
        };
        assert_eq!(words("", "<title>a</title>"), ["title <null>"]);
        assert_eq!(
            words("<title>a</title>", "<description>b</description>"),
            ["description <null>", "title <null>"]
        );
        let (one, two) = (
            "<metadata><a xmlns='u:1'/></metadata>",
            "<metadata><a xmlns='u:1'>x</a><b xmlns='u:2'/></metadata>",
        );
        assert_eq!(
            (words("", one), words(one, two)),
            (
                vec!["element u:1".into()],
                vec!["element u:1".into(), "element u:2".into()]
            )
        );
        assert_eq!(
            changes(
                &text(""),
                &text("<currentMemory>1</currentMemory><vcpu>3</vcpu><title>x</title>")
            ),
            []
        );
        assert_eq!(changes(&text(""), b"<nonsense/>"), []);
    }
}
