//! What is changed of networks: their definitions, and whether they are started. May touch: the file that is named, the store, `/proc/net` to
//! look, and through the launcher a network's bridge.

use super::members;
use crate::domain::{MAX_BYTES, Mac, Uuid};
use crate::error::{Error, Outcome};
use crate::existing;
use crate::figures::machine::text;
use crate::network::{self, DEFAULT, Network, document};
use crate::networks::{Known, all, find, has_link, refused};
use crate::options::NetAutostart;
use crate::output::{done, print, say};
use crate::plan::run::absolute;
use crate::session::Session;
use crate::state::Global;
use crate::state::files::read_open;
use crate::verbs::run::random;
use wire::LinkName;

/// The most bridges of networks.
const BRIDGES: u32 = 1024;

/// Reads a definition that was named on the command line.
fn read(session: &Session, file: &str) -> Outcome<Network> {
    let fd = session.launcher.open(&absolute(file, session.directory.as_deref())?)?;
    let Some(bytes) = read_open(fd, file, MAX_BYTES)? else {
        return Err(Error::caller(format!("{file} has more than 1 MiB")));
    };
    network::parse(&bytes, file).map_err(|e| Error::caller(e.to_string()))
}

/// Makes up what is missing, and refuses what another network has.
fn complete(network: &mut Network, known: &[Known]) -> Outcome<()> {
    let own = known.iter().find(|k| k.name == network.name);
    let kept = own.map(|k| k.kept.as_ref().unwrap_or(&k.network));
    if network.uuid.is_none() {
        network.uuid = match kept {
            Some(kept) => kept.uuid,
            None => {
                let mut bytes = [0; 16];
                random(&mut bytes)?;
                Some(Uuid::from_random(bytes))
            }
        };
    }
    let others = || {
        known
            .iter()
            .filter(|k| k.name != network.name)
            .flat_map(|k| [Some(&k.network), k.kept.as_ref()])
    };
    if let Some(kept) = kept.filter(|kept| kept.uuid != network.uuid) {
        let uuid = kept.uuid.map(|u| u.to_string()).unwrap_or_default();
        return Err(Error::caller(format!(
            "network '{}' already exists with uuid {uuid}",
            network.name
        )));
    }
    if let Some(other) = others().flatten().find(|o| o.uuid == network.uuid) {
        return Err(Error::caller(format!("network '{}' has this uuid", other.name)));
    }
    let taken = |bridge: &LinkName| others().flatten().any(|o| o.bridge.as_ref() == Some(bridge));
    if !network.is_own() {
        return Ok(());
    }
    // An older version kept stp='off' of what said nothing.
    network.stp = network.stp.or(kept.and_then(|k| k.stp)).or(Some(true));
    // Its address is the same as long as it is kept.
    if network.mac.is_none() {
        network.mac = match kept {
            Some(kept) => kept.mac,
            None => {
                let mut bytes = [0; 3];
                random(&mut bytes)?;
                Some(Mac::from_random(bytes))
            }
        };
    }
    if network.bridge.is_none() {
        network.bridge = kept
            .and_then(|k| k.bridge.clone())
            .filter(|b| b.as_str().starts_with("lzr"));
    }
    if network.bridge.is_none() {
        let dev = text("/proc/net/dev")?;
        let names = (1..BRIDGES).filter_map(|n| LinkName::new(&format!("lzr{n}")).ok());
        let mut free = names.filter(|b| !taken(b) && !has_link(&dev, b.as_str()));
        network.bridge = free.next();
    }
    match &network.bridge {
        Some(bridge) if taken(bridge) => Err(Error::caller(format!(
            "bridge name '{bridge}' already in use by another network"
        ))),
        Some(_) => Ok(()),
        None => Err(Error::caller("no name is left for a bridge")),
    }
}

/// Keeps a definition.
pub fn define(session: &Session, file: &str) -> Outcome<()> {
    let mut network = read(session, file)?;
    let lock = session.store.lock()?;
    let known = all(&session.store)?;
    complete(&mut network, &known)?;
    if let Some(own) = known
        .iter()
        .find(|k| k.name == network.name && k.started.is_none() && k.network != network)
    {
        free(session, own)?;
    }
    let name = network.name.clone();
    session
        .store
        .define_network(&lock, &name, &document(&network).document())?;
    drop(lock);
    network.told().iter().for_each(|t| say(&format!("warning: {t}")));
    done(&format!("Network {name} defined from {file}"))
}

/// Refuses where containers are on it.
fn free(session: &Session, known: &Known) -> Outcome<()> {
    let names: Vec<String> = members(session, known)?
        .into_iter()
        .map(|(name, ..)| name.to_string())
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::caller(format!(
        "containers are on the network {}: {}",
        known.name,
        names.join(", ")
    )))
}

/// Refuses what no ordinary user can have done.
fn takes_root() -> Outcome<()> {
    match crate::user::here() {
        None => Ok(()),
        Some(_) => Err(Error::caller(
            "an ordinary user cannot start or end networks: that takes root",
        )),
    }
}

/// Starts what is not kept.
pub fn create(session: &Session, file: &str) -> Outcome<()> {
    takes_root()?;
    let mut network = read(session, file)?;
    // Nobody else chooses a bridge before this one is noted.
    let lock = session.store.lock()?;
    let mut known = all(&session.store)?;
    let its = known.iter().find(|k| k.name == network.name);
    // One that is not kept and has no bridge was left by a command that was killed.
    let there = |k: &&Known| k.persists() || k.is_active().unwrap_or(true);
    if let Some(own) = its.filter(there) {
        let uuid = own.uuid();
        return Err(Error::caller(format!(
            "network '{}' already exists with uuid {uuid}",
            network.name
        )));
    }
    known.retain(|k| k.name != network.name);
    complete(&mut network, &known)?;
    begin(session, lock, &network)?;
    network.told().iter().for_each(|t| say(&format!("warning: {t}")));
    done(&format!("Network {} created from {file}", network.name))
}

/// Notes that it is started, and makes its bridge: whoever is killed between leaves no bridge that nobody knows.
/// The lock is the one under which the network was looked at.
fn begin(session: &Session, lock: Global, network: &Network) -> Outcome<()> {
    takes_root()?;
    if let Some((what, why)) = network.obstacle() {
        return Err(Error::caller(format!("it has {what}: {why}")));
    }
    let own = network.own_bridge();
    match (&own, network.parent().or(network.bridge.as_ref())) {
        (Some(bridge), _) => existing::network(bridge)?,
        (None, Some(name)) if has_link(&text("/proc/net/dev")?, name.as_str()) => {}
        (None, name) => {
            let kind = if network.parent().is_some() { "link" } else { "bridge" };
            let name = name.map_or("", |n| n.as_str());
            return Err(Error::caller(format!("there is no {kind} {name} on this host")));
        }
    }
    let whole = document(network).document();
    session.store.start_network(&lock, &network.name, &whole)?;
    drop(lock);
    let Some(bridge) = own else { return Ok(()) };
    let its = bridge.name.clone();
    session.launcher.start_network(bridge).inspect_err(|_| {
        // The reason of the start is what counts; a bridge that stays stays noted.
        let _ = session
            .launcher
            .end_network(its)
            .and_then(|()| session.store.lock())
            .and_then(|lock| session.store.end_network(&lock, &network.name));
    })
}

/// Starts what is kept.
pub fn start(session: &Session, word: &str) -> Outcome<()> {
    let lock = session.store.lock()?;
    let known = find(&session.store, word)?;
    if known.is_started()? {
        return Err(Error::caller("network is already active"));
    }
    begin(session, lock, &known.network)?;
    done(&format!("Network {} started", known.name))
}

/// Ends it, which no container may be on.
pub fn destroy(session: &Session, word: &str) -> Outcome<()> {
    takes_root()?;
    let known = find(&session.store, word)?;
    if !known.is_active()? && known.started.is_none() {
        return Err(Error::caller(format!("network '{}' is not active", known.name)));
    }
    if known.network.is_own() {
        free(session, &known)?;
        if let Some(bridge) = known.network.bridge.clone() {
            session.launcher.end_network(bridge)?;
        }
    }
    let lock = session.store.lock()?;
    session.store.end_network(&lock, &known.name)?;
    drop(lock);
    done(&format!("Network {} destroyed", known.name))
}

/// Forgets a definition. What is started goes on until it is ended.
pub fn undefine(session: &Session, word: &str) -> Outcome<()> {
    let lock = session.store.lock()?;
    // What an older version kept and this one refuses is known by its name alone.
    if let Some(name) = refused(&session.store, word)? {
        session.store.undefine_network(&lock, &name)?;
        drop(lock);
        return done(&format!("Network {name} has been undefined"));
    }
    let known = find(&session.store, word)?;
    if known.kept.is_none() {
        let why = if known.name.as_str() == DEFAULT {
            "is built in"
        } else {
            "is transient"
        };
        return Err(Error::caller(format!(
            "network '{}' {why}: nothing is kept of it",
            known.name
        )));
    }
    if known.started.is_none() {
        free(session, &known)?;
    }
    session.store.undefine_network(&lock, &known.name)?;
    drop(lock);
    done(&format!("Network {} has been undefined", known.name))
}

/// Marks one, takes its mark away, or lists those that are marked and not started.
pub fn autostart(session: &Session, options: &NetAutostart) -> Outcome<()> {
    let Some(word) = &options.network else {
        let mut names = String::new();
        for known in all(&session.store)? {
            if known.marked && known.kept.is_some() && !known.is_started()? {
                names.push_str(&format!("{}\n", known.name));
            }
        }
        return print(&names);
    };
    let lock = session.store.lock()?;
    let known = find(&session.store, word)?;
    if known.kept.is_none() && (options.disable || !known.is_built_in()) {
        return Err(Error::caller(format!(
            "network '{}' {}",
            known.name,
            if known.is_built_in() {
                "is built in, and made by whoever uses it: there is no mark to take away"
            } else {
                "is transient, and cannot be marked"
            }
        )));
    }
    if known.kept.is_some() {
        session.store.mark_network(&lock, &known.name, !options.disable)?;
    }
    drop(lock);
    let marked = if options.disable { "unmarked" } else { "marked" };
    done(&format!("Network {} {marked} as autostarted", known.name))
}
