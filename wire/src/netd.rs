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
mod tests {
    use super::*;
    use crate::frame::{HEADER, decode, encode};

    fn name(name: &str) -> LinkName {
        LinkName::new(name).unwrap()
    }

    fn payload(request: &Request) -> Vec<u8> {
        let bytes = encode(request).unwrap();
        assert_eq!(&decode::<Request>(&bytes, request.descriptors()).unwrap(), request);
        bytes[HEADER..].to_vec()
    }

    fn lent() -> Lent {
        let v4 = IpAddr::V4(Ipv4Addr::new(10, 209, 0, 2));
        let found = Found {
            name: name("p"),
            kind: Text::new("k").unwrap(),
            mac: [2, 0, 0, 0, 0, 5],
            permanent: Some([2, 0, 0, 0, 0, 6]),
            mtu: 1500,
            also: vec![Text::new("a").unwrap()],
            flags: 0x80,
            group: 3,
            queue: 4,
        };
        let (prefix, peer) = (16, None);
        let address = Address {
            address: v4,
            prefix,
            peer,
        };
        let route = Route {
            destination: v4,
            prefix: 32,
            gateway: v4,
            metric: None,
        };
        Lent {
            found,
            guest: name("e"),
            addresses: vec![address],
            routes: vec![route],
        }
    }

    fn link(side: HostSide) -> Link {
        Link {
            host: name("v"),
            guest: name("e"),
            mac: [2, 0, 0, 0, 0, 9],
            side,
            addresses: vec![],
            routes: vec![],
            up: true,
            mtu: None,
            isolated: false,
            bandwidth: Bandwidth::default(),
            vlans: vec![],
            outside: vec![],
        }
    }

    #[test]
    #[rustfmt::skip]
    fn bytes_are_frozen() {
        let on = |address: IpAddr, peer| Address { address, prefix: 16, peer };
        let v4 = IpAddr::V4(Ipv4Addr::new(10, 209, 0, 2));
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let bridge = Bridge { name: name("b"), addresses: vec![on(v4, None)], mac: Some([2, 0, 0, 0, 0, 7]), stp: true, delay: 5 };
        let mut full = link(HostSide::Network(bridge));
        (full.mtu, full.isolated) = (Some(1500), true);
        full.addresses = vec![on(v6, Some(v6))];
        full.routes = vec![Route { destination: v4, prefix: 32, gateway: v4, metric: Some(300) }];
        assert_eq!(payload(&Request::Connect(vec![full])), [
            0, 1,
            1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9,
            0, 1, b'b', 1, 0, 10, 209, 0, 2, 16, 0, 1, 2, 0, 0, 0, 0, 7, 1, 5,
            1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 16,
                1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            1, 0, 10, 209, 0, 2, 32, 0, 10, 209, 0, 2, 1, 0xac, 0x02,
            1, 1, 0xdc, 0x0b, 1, 0, 0, 0, 0,
        ]);
        assert_eq!(payload(&Request::Connect(vec![link(HostSide::Bridge(name("b")))])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 1, 1, b'b', 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);
        assert_eq!(payload(&Request::Connect(vec![link(HostSide::Alone(vec![]))])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);
        let mut carried = link(HostSide::Alone(vec![]));
        let rate = |peak| Some(Rate { average: 1000, peak, burst: 1024 });
        carried.bandwidth = Bandwidth { inbound: rate(Some(2000)), outbound: rate(None) };
        carried.vlans = vec![Membership { id: 200, native: true, untagged: false }];
        carried.outside = vec![Route { destination: v4, prefix: 32, gateway: v4, metric: None }];
        assert_eq!(payload(&Request::Connect(vec![carried])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 1, 0, 0,
            1, 0xe8, 0x07, 1, 0xd0, 0x0f, 0x80, 0x08, 1, 0xe8, 0x07, 0, 0x80, 0x08,
            1, 0xc8, 0x01, 1, 0,
            1, 0, 10, 209, 0, 2, 32, 0, 10, 209, 0, 2, 0,
        ]);
        let vlan = HostSide::Vlan { parent: name("p"), id: 7 };
        assert_eq!(payload(&Request::Connect(vec![link(vlan)])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 4, 1, b'p', 7, 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);
        let modes = [Ipvlan::L2, Ipvlan::L3, Ipvlan::L3s];
        let isolations = [Isolation::Bridge, Isolation::Private, Isolation::Vepa];
        for (number, (mode, isolation)) in (0..).zip(modes.into_iter().zip(isolations)) {
            let side = HostSide::Ipvlan { parent: name("p"), mode, isolation };
            assert_eq!(payload(&Request::Connect(vec![link(side)])), [
                0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 5, 1, b'p', number, number, 0, 0, 1, 0, 0, 0, 0, 0, 0,
            ]);
        }
        let modes = [Macvlan::Private, Macvlan::Vepa, Macvlan::Bridge, Macvlan::Passthrough];
        for (number, mode) in (0..).zip(modes) {
            let direct = HostSide::Direct { parent: name("p"), mode };
            assert_eq!(payload(&Request::Connect(vec![link(direct)])), [
                0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 3, 1, b'p', number, 0, 0, 1, 0, 0, 0, 0, 0, 0,
            ]);
        }
        let firewall = Firewall {
            name: ContainerName::new("c").unwrap(),
            bridge: name("b"),
            link: name("v"),
            v4: Some(Ipv4Addr::new(10, 209, 0, 2)),
            v6: Some(Ipv6Addr::LOCALHOST),
            publish: vec![
                Publish { address: None, host: 8080, container: 80, udp: false },
                Publish { address: Some(v4), host: 53, container: 53, udp: true },
            ],
            through: Through::Routed,
        };
        assert_eq!(payload(&Request::Protect(firewall)), [
            1, 1, b'c', 1, b'b', 1, b'v', 1, 10, 209, 0, 2,
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            2, 0, 0x90, 0x3f, 80, 0, 1, 0, 10, 209, 0, 2, 53, 53, 1, 1,
        ]);
        assert_eq!(payload(&Request::Forward), [2]);
        assert_eq!(payload(&Request::RemoveBridge(name("b"))), [3, 1, b'b']);
        assert_eq!(payload(&Request::RemoveLink(name("v"))), [4, 1, b'v']);
        assert_eq!(payload(&Request::FindDropping(name("b"))), [5, 1, b'b']);
        let kept = Bridge { name: name("b"), addresses: vec![], mac: None, stp: false, delay: 0 };
        assert_eq!(payload(&Request::KeepBridge(kept)), [6, 1, b'b', 0, 0, 0, 0]);
        assert_eq!(payload(&Request::EndBridge(name("b"))), [7, 1, b'b']);
        assert_eq!(payload(&Request::Find(vec![name("p")])), [8, 1, 1, b'p']);
        let lent = |requested: fn(Vec<Lent>) -> Request| payload(&requested(vec![lent()]));
        let bytes = [
            1, 1, b'p', 1, b'k', 2, 0, 0, 0, 0, 5, 1, 2, 0, 0, 0, 0, 6, 0xdc, 0x0b,
            1, 1, b'a', 0x80, 0x01, 3, 4, 1, b'e',
            1, 0, 10, 209, 0, 2, 16, 0, 1, 0, 10, 209, 0, 2, 32, 0, 10, 209, 0, 2, 0,
        ];
        assert_eq!(lent(Request::Lend), [&[9][..], &bytes].concat());
        assert_eq!(lent(Request::TakeBack), [&[10][..], &bytes].concat());
        assert_eq!(lent(Request::Restore), [&[11][..], &bytes].concat());
        assert_eq!(payload(&Request::Disconnect(Box::new(link(HostSide::Bridge(name("b")))))), [
            12, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 1, 1, b'b', 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);

        let reply = |r: &Reply| encode(r).unwrap()[HEADER..].to_vec();
        assert_eq!(reply(&Reply::Connected), [0]);
        assert_eq!(reply(&Reply::Protected), [1]);
        assert_eq!(reply(&Reply::Forwarding { v4_changed: true, v6_changed: false }), [2, 1, 0]);
        assert_eq!(reply(&Reply::Removed(true)), [3, 1]);
        assert_eq!(reply(&Reply::Refused(Failure::kernel("x", 17))), [4, 1, 1, b'x', 34]);
        let dropping = |family| Dropping { family, table: Text::cut("t"), chain: Text::cut("c") };
        let all = [Family::V4, Family::V6, Family::Both].map(dropping).to_vec();
        assert_eq!(reply(&Reply::Dropping(all)), [
            5, 3, 0, 1, b't', 1, b'c', 1, 1, b't', 1, b'c', 2, 1, b't', 1, b'c',
        ]);
        assert_eq!(reply(&Reply::Found(vec![])), [6, 0]);
        assert_eq!(reply(&Reply::Lent), [7]);
        assert_eq!(reply(&Reply::Missing(vec![name("p")])), [8, 1, 1, b'p']);
    }

    #[test]
    fn hardware_is_what_no_software_has_made() {
        let kind = |kind: &str| {
            let mut found = lent().found;
            found.kind = Text::cut(kind);
            found.is_moved_back()
        };
        assert!(kind("") && kind("can") && !kind("vcan") && !kind("veth"));
    }

    #[test]
    fn publications_name_ports() {
        let p = |s: &str| s.parse::<Publish>();
        assert_eq!(
            p("8080:80"),
            Ok(Publish {
                address: None,
                host: 8080,
                container: 80,
                udp: false
            })
        );
        let local = Some("127.0.0.1".parse().unwrap());
        assert_eq!(
            p("127.0.0.1:53:5353/udp"),
            Ok(Publish {
                address: local,
                host: 53,
                container: 5353,
                udp: true
            })
        );
        let six = Some("::1".parse().unwrap());
        assert_eq!(
            p("[::1]:1:2/tcp"),
            Ok(Publish {
                address: six,
                host: 1,
                container: 2,
                udp: false
            })
        );
        for bad in ["80", "0:80", "80:0", "80:99999", "x:1:2", "1:2/sctp", ""] {
            assert!(p(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_message_says_how_many_descriptors_it_needs() {
        assert_eq!(Request::Connect(vec![]).descriptors(), 2);
        assert_eq!(Request::Forward.descriptors(), 2);
        assert_eq!(Request::Lend(vec![]).descriptors(), 3);
        assert_eq!(Request::TakeBack(vec![]).descriptors(), 2);
        let alone = Box::new(link(HostSide::Alone(vec![])));
        assert_eq!(Request::Disconnect(alone).descriptors(), 0);
        assert_eq!(Request::RemoveBridge(name("b")).descriptors(), 0);
        assert_eq!((Reply::Protected.descriptors(), Reply::Connected.descriptors()), (1, 0));
    }

    #[test]
    fn a_name_that_is_a_pattern_or_too_long_is_no_request() {
        let good = encode(&Request::RemoveLink(name("lzv0"))).unwrap();
        let mut pattern = good.clone();
        pattern[HEADER + 2] = b'%';
        assert!(decode::<Request>(&pattern, 0).is_err());
        assert!(decode::<Request>(&good, 0).is_ok());
    }
}
