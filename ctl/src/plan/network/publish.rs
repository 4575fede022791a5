//! Which ports of the host's lead to a container. Pure.

use super::{DEFAULT, Wiring};
use crate::error::{Error, Outcome};
use wire::init::Container;
use wire::netd::{Publish, Through};

/// Refuses ports that are published where nothing can lead to them.
pub fn check_publish(container: &Container, wiring: &Wiring, publish: &[Publish]) -> Outcome<()> {
    let translated = wiring
        .firewall
        .as_ref()
        .is_some_and(|f| f.through == Through::Translated);
    if !publish.is_empty() && !translated {
        let kind = match (container.host_network, wiring.links.is_empty()) {
            (true, _) => "the host's",
            (_, true) => "none",
            _ => "none of that kind",
        };
        return Err(Error::caller(format!(
            "ports are published on a network of mode nat, as {DEFAULT} is, only, and the network is {kind}"
        )));
    }
    for (n, p) in publish.iter().enumerate() {
        let same = |q: &&Publish| {
            q.host == p.host && q.udp == p.udp && (q.address == p.address || q.address.is_none() || p.address.is_none())
        };
        if publish.iter().skip(n.saturating_add(1)).any(|q| same(&q)) {
            return Err(Error::caller(format!("the host's port {} is published twice", p.host)));
        }
    }
    Ok(())
}
