//! What the launcher asks of the network writer, and what it answers. It works in the host's network namespace and never joins
//! another: the inside is configured through an rtnetlink socket that was opened there.

use crate::failure::Failure;
use crate::frame::Message;
use crate::name::{ContainerName, LinkName};
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

/// One link of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The veth's name on the host.
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
}

/// A container's rules in a table of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// The table is called `lazaret-` and then this.
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
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Connect(_) | Self::Forward => 2,
            Self::Protect(_) | Self::RemoveBridge(_) | Self::RemoveLink(_) => 0,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        match self {
            Self::Protected => 1,
            Self::Connected | Self::Forwarding { .. } | Self::Removed(_) | Self::Refused(_) => 0,
        }
    }
}
