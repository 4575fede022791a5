//! Namespaces of other containers that one is to share (`lxc:namespace`): their supervisors hand them out. May touch: the state store, to
//! read, and control sockets.

use crate::domain::{Domain, Share};
use crate::error::{Error, Outcome};
use crate::lookup::{all, find};
use crate::plan::network;
use crate::session::Session;
use crate::supervisor::Supervisor;
use std::os::fd::OwnedFd;

/// Where the namespaces network, ipc and uts stand among those that a supervisor hands out.
const PLACES: [usize; 3] = [3, 4, 5];

/// Where the network stands.
const NETWORK: usize = 3;

/// The domain, with the name of the container in the place of a process that is the first one of a container.
pub fn told(session: &Session, domain: &Domain) -> Outcome<Domain> {
    let mut told = domain.clone();
    if !domain.shares.iter().any(|s| matches!(s, Some(Share::Process(_)))) {
        return Ok(told);
    }
    let running = all(&session.store)?;
    for share in told.shares.iter_mut().flatten() {
        if let Share::Process(pid) = share
            && let Some(found) = running.iter().find(|f| f.pids().is_some_and(|p| p.pid1 == *pid))
        {
            *share = Share::Container(found.name.clone());
        }
    }
    Ok(told)
}

/// What other containers hand out of what it shares with them, in the order in which a start takes it.
pub fn of_others(session: &Session, told: &Domain) -> Outcome<Vec<OwnedFd>> {
    let mut given = Vec::new();
    for (share, place) in told.shares.iter().zip(PLACES) {
        let Some(Share::Container(name)) = share else { continue };
        let found = find(&session.store, name.as_str())?;
        let (state, _) = found.running()?;
        if place == NETWORK && network::outlives(&state.plan()?) {
            return Err(Error::caller(format!(
                "share the network of {name}: what holds its link to its own addresses ends with {name}, and the link would not (a network whose only \
                 links are to bridges of the host's, or none, can be shared)"
            )));
        }
        let mut namespaces = Supervisor::reach(state)?.namespaces()?;
        if place >= namespaces.len() {
            return Err(Error::Peer("the supervisor gave too few namespaces".into()));
        }
        given.push(namespaces.swap_remove(place));
    }
    Ok(given)
}
