//! Namespaces that a container does not have of its own but shares with somebody (libvirt's `lxc:namespace`). Plain data.

use crate::name::Text;
use serde::{Deserialize, Serialize};

/// A kind of namespace that can be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Space {
    /// network_namespaces(7)
    Net,
    /// ipc_namespaces(7)
    Ipc,
    /// uts_namespaces(7)
    Uts,
}

impl Space {
    /// The kinds in the order in which descriptors of them are passed.
    pub const ALL: [Self; 3] = [Self::Net, Self::Ipc, Self::Uts];

    /// The name below `/proc/PID/ns`, and in the host's policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
        }
    }
}

/// Whose namespace is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sharing {
    /// Another container's: a descriptor of it comes with the start.
    Container,
    /// The network namespace of this name below `/run/netns` (ip-netns(8)).
    Netns(Text<255>),
    /// That of a process of the host's.
    Process(u32),
}

/// What a container shares, and with whom.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shares {
    /// The network.
    pub net: Option<Sharing>,
    /// System V objects and POSIX message queues.
    pub ipc: Option<Sharing>,
    /// The host name.
    pub uts: Option<Sharing>,
}

impl Shares {
    /// Whose namespace of this kind it has, if not its own.
    pub const fn of(&self, space: Space) -> Option<&Sharing> {
        match space {
            Space::Net => self.net.as_ref(),
            Space::Ipc => self.ipc.as_ref(),
            Space::Uts => self.uts.as_ref(),
        }
    }

    /// How many descriptors come with a start.
    pub fn passed(&self) -> usize {
        let passed = |space: &&Space| self.of(**space) == Some(&Sharing::Container);
        Space::ALL.iter().filter(passed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_another_containers_is_passed() {
        let shares = Shares {
            net: Some(Sharing::Container),
            ipc: Some(Sharing::Process(1)),
            uts: Some(Sharing::Container),
        };
        assert_eq!((shares.passed(), Shares::default().passed()), (2, 0));
        assert_eq!(shares.of(Space::Ipc), Some(&Sharing::Process(1)));
    }
}
