//! What an ordinary user's host cannot give a container, and why. Pure.

use super::Host;
use crate::error::{Error, Outcome};
use crate::values::Network;
use wire::cgroupd::Controller;
use wire::launcher::{Opened, PlannedMount};

/// What an ordinary user is told of what takes consent.
pub const NOBODYS: &str = "an ordinary user has nobody's consent to that (call lazaret as root)";

/// Refuses what no ordinary user can have done.
pub fn within_reach(root: &PlannedMount, linked: bool, host: &Host) -> Outcome<()> {
    if !host.user {
        return Ok(());
    }
    if root.from == Opened::HostRoot {
        return Err(Error::caller(
            "an ordinary user cannot lend the host's own root: the kernel does not take it apart from what is mounted below it \
             (give a root file system of your own)",
        ));
    }
    if linked {
        return Err(Error::caller(
            "an ordinary user cannot join networks of Lazaret's, or lie on a link of the host's: that takes root (network user or none, a bridge of the \
             host's as far as /etc/lazaret.usernet gives links on it, or call lazaret as root)",
        ));
    }
    if host.covered_proc {
        return Err(Error::caller(
            "something is mounted over a part of /proc, and the kernel then gives an ordinary user none for a container \
             (unmount what lies below /proc, or call lazaret as root)",
        ));
    }
    Ok(())
}

/// Refuses the network `user` to root's containers, whose networks the host's kernel carries.
pub fn outward(host: &Host) -> Outcome<()> {
    if host.user {
        return Ok(());
    }
    Err(Error::caller(
        "the network user is for an ordinary user's container (root's has network default, or another by its name)",
    ))
}

/// The network of a container that asks for none: the default one takes root.
pub fn network(asked: Option<&Network>, host: &Host) -> Network {
    match asked {
        Some(network) => network.clone(),
        None if host.user => Network::None,
        None => Network::Default,
    }
}

/// Whether a limit that nobody asked for is set: on a host of root's always, and there it is refused if it cannot be kept; an ordinary user's
/// has it where the controller is delegated.
pub fn sets(host: &Host, controller: Controller) -> bool {
    !host.user || host.hierarchies.iter().any(|h| h.controllers.contains(&controller))
}

#[cfg(test)]
mod tests {
    use super::super::testing::host;
    use super::*;

    #[test]
    fn a_users_default_is_what_needs_no_root() {
        let (root, mut user) = (host(), host());
        (user.user, user.hierarchies) = (true, vec![]);
        assert_eq!(network(None, &root), Network::Default);
        assert_eq!(network(None, &user), Network::None);
        assert_eq!(network(Some(&Network::Default), &user), Network::Default);
        assert!(sets(&root, Controller::Io) && !sets(&user, Controller::Memory));
        user.hierarchies = host().hierarchies;
        assert!(sets(&user, Controller::Memory) && !sets(&user, Controller::Io));
    }
}
