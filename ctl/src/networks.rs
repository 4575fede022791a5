//! Which networks there are. May touch: the store; `/proc/net/dev`, to look.

use crate::domain::Uuid;
use crate::error::{Error, Outcome};
use crate::figures::machine::text;
use crate::network::{self, DEFAULT, Network, none};
use crate::output::say;
use crate::state::Store;
use std::collections::BTreeSet;
use wire::ContainerName;

/// A network, as far as it is known.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub name: ContainerName,
    /// What is kept of it.
    pub kept: Option<Network>,
    /// What it was started from; whether it is still there is another matter.
    pub started: Option<Network>,
    /// Whether it is marked to be started with the host.
    pub marked: bool,
    /// What it is: what it was started from, if it is active, what is kept of it, or what is built in.
    pub network: Network,
}

impl Known {
    /// Whether it is there without a definition.
    pub const fn is_built_in(&self) -> bool {
        self.kept.is_none() && self.started.is_none()
    }

    /// Whether it is there after it was ended.
    pub fn persists(&self) -> bool {
        self.kept.is_some() || self.name.as_str() == DEFAULT
    }

    /// Whether it is started by itself: the one that is built in is made by whoever uses it.
    pub fn starts_itself(&self) -> bool {
        self.marked || (self.kept.is_none() && self.name.as_str() == DEFAULT)
    }

    /// Whether it was started, and is there still.
    pub fn is_started(&self) -> Outcome<bool> {
        Ok(self.started.is_some() && self.is_active()?)
    }

    /// Its uuid as text.
    pub fn uuid(&self) -> String {
        self.network.uuid.map(|u| u.to_string()).unwrap_or_default()
    }

    /// The name of its bridge.
    pub fn bridge(&self) -> &str {
        self.network.bridge.as_ref().map_or("-", |b| b.as_str())
    }

    /// Whether it is active: its bridge is there, or, where that is one of the host's, it was started.
    pub fn is_active(&self) -> Outcome<bool> {
        if !self.network.is_own() {
            return Ok(self.started.is_some());
        }
        Ok(has_link(&text("/proc/net/dev")?, self.bridge()))
    }
}

/// Whether `/proc/net/dev` (proc_pid_net(5)) of the caller's network shows that link.
pub fn has_link(dev: &str, name: &str) -> bool {
    dev.lines()
        .any(|line| line.split_once(':').is_some_and(|(link, _)| link.trim() == name))
}

fn read(name: &ContainerName, bytes: Option<Vec<u8>>) -> Outcome<Option<Network>> {
    let read = |bytes: Vec<u8>| network::parse(&bytes, &format!("the network {name}"));
    bytes.map(read).transpose().map_err(|e| Error::caller(e.to_string()))
}

/// Whether the bridge of a network that was started is there, or is the host's own; `/proc/net/dev` is read once.
fn is_there(started: &Network, dev: &mut Option<String>) -> Outcome<bool> {
    if !started.is_own() {
        return Ok(true);
    }
    let dev = match dev {
        Some(dev) => dev,
        None => dev.insert(text("/proc/net/dev")?),
    };
    Ok(started.bridge.as_ref().is_some_and(|b| has_link(dev, b.as_str())))
}

/// The name, where a network of that name is kept as something that this version refuses.
pub fn refused(store: &Store, word: &str) -> Outcome<Option<ContainerName>> {
    let Ok(name) = ContainerName::new(word) else {
        return Ok(None);
    };
    let kept = store.network(&name)?;
    Ok(read(&name, kept).is_err().then_some(name))
}

/// What was read; what is refused is said, and is none.
fn or_said(read: Outcome<Option<Network>>) -> Option<Network> {
    read.unwrap_or_else(|e| {
        say(&e.to_string());
        None
    })
}

/// Every network, by name. One that is refused is said, and left out.
pub fn all(store: &Store) -> Outcome<Vec<Known>> {
    let marked = store.marked_networks()?;
    let mut names: BTreeSet<ContainerName> = store.networks()?.into_iter().collect();
    names.extend(store.started_networks()?);
    let built_in = Network::built_in().ok_or_else(|| Error::Bug("the default network has no name".into()))?;
    names.insert(built_in.name.clone());
    let mut dev = None;
    let mut all = Vec::new();
    for name in names {
        let kept = read(&name, store.network(&name)?);
        // What is kept in its place and refused is not what is built in.
        let its_own = (kept.is_ok() && name == built_in.name).then(|| built_in.clone());
        let kept = or_said(kept);
        let started = or_said(read(&name, store.started_network(&name)?));
        let mut network = kept.clone().or(its_own);
        if let Some(started) = &started {
            // A note that has outlived its bridge does not say what is.
            if network.is_none() || is_there(started, &mut dev)? {
                network = Some(started.clone());
            }
        }
        let Some(network) = network else { continue };
        let marked = marked.contains(&name);
        all.push(Known {
            name,
            kept,
            started,
            marked,
            network,
        });
    }
    Ok(all)
}

/// The network of this name or uuid.
pub fn find(store: &Store, word: &str) -> Outcome<Known> {
    let all = all(store)?;
    let uuid = Uuid::parse(word);
    let is = |k: &Known| k.name.as_str() == word || (uuid.is_some() && k.network.uuid == uuid);
    let names: Vec<String> = all.iter().map(|k| k.name.to_string()).collect();
    all.into_iter().find(is).ok_or_else(|| none(word, &names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_by_its_whole_name() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n    lo:  10 1 0\nlazaret0: 0 0 0\n";
        assert!(has_link(dev, "lo") && has_link(dev, "lazaret0"));
        assert!(!has_link(dev, "lazaret") && !has_link(dev, "face"));
    }
}
