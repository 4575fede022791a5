//! What the launcher asks of the network writer, and what it answers. It works in the host's network namespace and never joins
//! another: the inside is configured through an rtnetlink socket that was opened there.

use crate::failure::Failure;
use crate::frame::Message;
use crate::name::{ContainerName, LinkName, Text};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// An address with its network's prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
}

/// A route inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Destination network; the unspecified address with prefix 0 is the default route.
    pub destination: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// The gateway.
    pub gateway: IpAddr,
    /// Metric; lower wins.
    pub metric: Option<u32>,
}

/// A bridge of our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Its name.
    pub name: LinkName,
    /// Its addresses, the containers' gateways.
    pub addresses: Vec<Address>,
    /// Its hardware address; one of its name without.
    pub mac: Option<[u8; 6]>,
    /// Whether it looks for loops (IEEE 802.1D).
    pub stp: bool,
    /// Seconds for which a new port is listened to before it carries anything, where it does.
    pub delay: u32,
}

/// Where a container's link ends on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostSide {
    /// A port of our own bridge, which is made if it is not there.
    Network(Bridge),
    /// A port of a bridge that must be there.
    Bridge(LinkName),
    /// Nothing: the host's end stands alone, with these addresses.
    Alone(Vec<Address>),
    /// No end of its own: the container's end is a macvlan on a link of the host's, which must be there.
    Direct {
        /// That link.
        parent: LinkName,
        /// Whom it reaches.
        mode: Macvlan,
    },
    /// No end of its own: the container's end is a VLAN of a link of the host's, which must be there.
    Vlan {
        /// That link.
        parent: LinkName,
        /// The VLAN's number, 1 to 4094.
        id: u16,
    },
    /// No end of its own: the container's end is an ipvlan on a link of the host's, which must be there, and has its hardware address.
    Ipvlan {
        /// That link.
        parent: LinkName,
        /// Who answers for its addresses.
        mode: Ipvlan,
        /// Whom it reaches.
        isolation: Isolation,
    },
}

impl HostSide {
    /// The link of the host's that one lies on which has no end of its own there.
    pub const fn parent(&self) -> Option<&LinkName> {
        match self {
            Self::Direct { parent, .. } | Self::Vlan { parent, .. } | Self::Ipvlan { parent, .. } => Some(parent),
            Self::Network(_) | Self::Bridge(_) | Self::Alone(_) => None,
        }
    }
}

/// Who answers for the addresses of an ipvlan (`IPVLAN_MODE_*` in linux/if_link.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ipvlan {
    /// The container: it speaks to its neighbours itself.
    L2,
    /// The host's kernel, which routes for it.
    L3,
    /// The same, and the host's firewall sees it.
    L3s,
}

/// Whom an ipvlan reaches of the others on the same link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// The others too.
    Bridge,
    /// None of them (`IPVLAN_F_PRIVATE`).
    Private,
    /// The others by way of a switch beyond the link (`IPVLAN_F_VEPA`).
    Vepa,
}

/// How much goes one way over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Bytes in a second, over time.
    pub average: u32,
    /// Bytes in a second, for as long as `burst` lasts.
    pub peak: Option<u32>,
    /// Bytes that may be saved up.
    pub burst: u32,
}

/// How much goes over a link. The host's end sees to it, where the container cannot undo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bandwidth {
    /// To the container.
    pub inbound: Option<Rate>,
    /// From the container: what is more is dropped.
    pub outbound: Option<Rate>,
}

/// A VLAN of which a bridge's port is a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Its number, 1 to 4094.
    pub id: u16,
    /// Whether frames without a tag belong to it.
    pub native: bool,
    /// Whether its frames leave the bridge without a tag.
    pub untagged: bool,
}

/// Whom a macvlan reaches (`MACVLAN_MODE_*` in linux/if_link.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Macvlan {
    /// None of the others on the same link.
    Private,
    /// The others by way of a switch beyond the link.
    Vepa,
    /// The others too.
    Bridge,
    /// It is the only one on the link, and has its hardware address.
    Passthrough,
}

/// A port of the host that leads to the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The host's address, or every one.
    pub address: Option<IpAddr>,
    /// The host's port.
    pub host: u16,
    /// The container's port.
    pub container: u16,
    /// UDP, or TCP.
    pub udp: bool,
}

impl core::str::FromStr for Publish {
    type Err = &'static str;

    /// Reads `[IP:]HOST:CONT[/udp]`, the IP in brackets or not; an unspecified one is every one.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "a publication is [IP:]HOST:CONT or [IP:]HOST:CONT/udp";
        let port = |s: &str| s.parse::<u16>().ok().filter(|p| *p != 0).ok_or(WRONG);
        let (text, udp) = match text.split_once('/') {
            None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), false),
            Some((text, "udp")) => (text, true),
            Some(_) => return Err(WRONG),
        };
        let (rest, container) = text.rsplit_once(':').ok_or(WRONG)?;
        let (address, host) = match rest.rsplit_once(':') {
            None => (None, rest),
            Some((ip, host)) => {
                let bare = ip.strip_prefix('[').and_then(|s| s.strip_suffix(']')).unwrap_or(ip);
                (Some(bare.parse::<IpAddr>().map_err(|_| WRONG)?), host)
            }
        };
        Ok(Self {
            address: address.filter(|a| !a.is_unspecified()),
            host: port(host)?,
            container: port(container)?,
            udp,
        })
    }
}

/// One link of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The veth's name on the host; of what lies on a link of the host's and has no end there, the name that it is born under.
    pub host: LinkName,
    /// Its name inside.
    pub guest: LinkName,
    /// The hardware address inside.
    pub mac: [u8; 6],
    /// Where the host's end belongs.
    pub side: HostSide,
    /// Addresses inside.
    pub addresses: Vec<Address>,
    /// Routes inside.
    pub routes: Vec<Route>,
    /// Whether it is brought up inside even without an address.
    pub up: bool,
    /// The longest packet, in bytes, on both ends; the kernel's own without.
    pub mtu: Option<u32>,
    /// Whether it reaches no other port of its bridge that is isolated too.
    pub isolated: bool,
    /// How much it carries.
    pub bandwidth: Bandwidth,
    /// The VLANs of its bridge that it is a member of; without any, what the bridge makes of a new port.
    pub vlans: Vec<Membership>,
    /// Routes of the host's that lead over its end there.
    pub outside: Vec<Route>,
}

/// A link's flags that are its owner's to choose, but whether it is up (`IFF_*` in linux/if.h): those of `DEBUG`, `NOTRAILERS`, `NOARP`, `PROMISC`, `ALLMULTI`,
/// `MULTICAST`, `PORTSEL`, `AUTOMEDIA` and `DYNAMIC`.
pub const LINK_FLAGS: u32 = 0xf3a4;

/// A link of the host's, as it is found there: by that it is known again, whatever it is called by then, and made what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its name.
    pub name: LinkName,
    /// Its kind (`veth`, `dummy`); empty for hardware.
    pub kind: Text<31>,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The hardware address that it was made with, where it has one.
    pub permanent: Option<[u8; 6]>,
    /// The longest packet, in bytes.
    pub mtu: u32,
    /// What else it is called (`ip link property`).
    pub also: Vec<Text<127>>,
    /// Those of [`LINK_FLAGS`] that it has.
    pub flags: u32,
    /// The group of links that it is in.
    pub group: u32,
    /// How many packets wait in it at most.
    pub queue: u32,
}

impl Found {
    /// Whether the kernel moves it to the first network namespace when its own ends, as hardware (`netns_refund` in linux/net/rtnetlink.h); it
    /// ends all others.
    pub fn is_moved_back(&self) -> bool {
        matches!(self.kind.as_str(), "" | "can")
    }
}

/// A link of the host's that a container has instead of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// The link.
    pub found: Found,
    /// Its name inside.
    pub guest: LinkName,
    /// Addresses inside.
    pub addresses: Vec<Address>,
    /// Routes inside.
    pub routes: Vec<Route>,
}

/// A container's rules in a table of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// The tables are called `lazaret-` and then this, where a byte other than letters, digits and `_.-` stands as `/` and two digits.
    pub name: ContainerName,
    /// The bridge whose traffic leaves with the host's address.
    pub bridge: LinkName,
    /// The container's link on the host, whose packets must carry the container's own addresses.
    pub link: LinkName,
    /// The container's IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// The container's IPv6 address.
    pub v6: Option<Ipv6Addr>,
    /// Ports that lead to it.
    pub publish: Vec<Publish>,
    /// What is let through between the bridge and what lies beyond the host.
    pub through: Through,
}

/// What is let through between a bridge of ours and what lies beyond the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Through {
    /// What leaves has the host's address; answers to it come in, and published ports.
    Translated,
    /// Everything, with the addresses that it has.
    Routed,
    /// Nothing.
    Nothing,
}

/// The most chains that are told of.
pub const DROPPING: usize = 16;

/// The packets that a table of somebody else's sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Both.
    Both,
}

impl Family {
    /// Its name in nft(8).
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
            Self::Both => "inet",
        }
    }
}

/// A chain of somebody else's that drops what is forwarded, unless one of its rules accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropping {
    /// What it sees.
    pub family: Family,
    /// The table that it belongs to.
    pub table: Text<255>,
    /// Its name.
    pub chain: Text<255>,
}

/// A request to the network writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Makes the links, inside and outside (two descriptors: the container's network namespace, and an rtnetlink socket in it).
    Connect(Vec<Link>),
    /// Makes the container's table, owned by the socket that comes back.
    Protect(Firewall),
    /// Turns forwarding on (two descriptors: `/proc/sys/net/ipv4/ip_forward` and `/proc/sys/net/ipv6/conf/all/forwarding`, open
    /// for reading and writing).
    Forward,
    /// Removes a bridge of our own if it has no port.
    RemoveBridge(LinkName),
    /// Removes a link of ours that a crash left on the host, if it is there.
    RemoveLink(LinkName),
    /// Looks for chains of others that drop what this bridge of ours has forwarded. Nothing is changed.
    FindDropping(LinkName),
    /// Makes a bridge of our own that stays without a port. Answer: `Connected`.
    KeepBridge(Bridge),
    /// Removes a bridge of our own that stays without a port, if it has none.
    EndBridge(LinkName),
    /// Looks at links of the host's. Answer: `Found`. Nothing is changed.
    Find(Vec<LinkName>),
    /// Moves links of the host's into the container, where they are named, up, and have their addresses and routes; all or none (three
    /// descriptors: the container's network namespace, an rtnetlink socket in it, and the host's network namespace). Answer: `Lent`.
    Lend(Vec<Lent>),
    /// Moves them back, down, under their old names and with their old hardware addresses and lengths of packets (two descriptors: an rtnetlink
    /// socket in the container's network namespace, and the host's network namespace). Answer: `Missing`.
    TakeBack(Vec<Lent>),
    /// Gives those that the kernel has moved back by itself their old names, hardware addresses and lengths of packets; it waits a few seconds for those that it
    /// will. Answer: `Missing`.
    Restore(Vec<Lent>),
    /// Takes a link that it made away again by its end on the host, wherever the container's root has put the other. Answer: `Removed`.
    Disconnect(Box<Link>),
    /// Makes one link, a port of a bridge of ours whose end on the host stays down, and the container's table (one descriptor: the container's
    /// network namespace). Answer: `Protected`.
    Join {
        /// The link.
        link: Box<Link>,
        /// Its rules.
        firewall: Box<Firewall>,
    },
    /// Raises the end on the host of a link that was joined, and configures the inside (one descriptor: an rtnetlink socket in the container's
    /// network namespace). Answer: `Connected`.
    Raise(Box<Link>),
}

/// The network writer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The links are up and configured.
    Connected,
    /// The table stands as long as the socket that comes with the frame (one descriptor).
    Protected,
    /// Forwarding is on.
    Forwarding {
        /// Whether IPv4 forwarding was off before.
        v4_changed: bool,
        /// Whether IPv6 forwarding was off before.
        v6_changed: bool,
    },
    /// The bridge or link is gone, or in use.
    Removed(bool),
    /// It was not done.
    Refused(Failure),
    /// The chains that drop, [`DROPPING`] at most.
    Dropping(Vec<Dropping>),
    /// The links, in the order in which they were asked for.
    Found(Vec<Found>),
    /// The container has them.
    Lent,
    /// The host has its links again, but for these.
    Missing(Vec<LinkName>),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Lend(_) => 3,
            Self::Connect(_) | Self::Forward | Self::TakeBack(_) => 2,
            Self::Join { .. } | Self::Raise(_) => 1,
            Self::Find(_)
            | Self::Restore(_)
            | Self::Disconnect(_)
            | Self::Protect(_)
            | Self::RemoveBridge(_)
            | Self::RemoveLink(_)
            | Self::FindDropping(_)
            | Self::KeepBridge(_)
            | Self::EndBridge(_) => 0,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        match self {
            Self::Protected => 1,
            Self::Connected
            | Self::Forwarding { .. }
            | Self::Removed(_)
            | Self::Refused(_)
            | Self::Dropping(_)
            | Self::Found(_)
            | Self::Lent
            | Self::Missing(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
