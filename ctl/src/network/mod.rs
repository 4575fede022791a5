//! A network of Lazaret's own: what its document says, and the addresses that it gives. Pure.
//! The meaning of each part is libvirt's (<https://libvirt.org/formatnetwork.html>), as far as it is done here.

mod format;
mod parse;
mod portgroup;

pub use format::document;
pub use parse::parse;
pub use portgroup::PortGroup;

use crate::domain::xml::Tree;
use crate::domain::{Mac, Uuid};
use crate::error::Error;
use crate::escape::escape;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::netd::{Address, Bridge, Through};
use wire::network::{BRIDGE, GATEWAY_V4, GATEWAY_V6};
use wire::{ContainerName, LinkName};

/// The network that is there without a definition.
pub const DEFAULT: &str = "default";

/// The uuid of that, the same on every host.
const UUID: Uuid = Uuid([
    0x1a, 0x2a, 0x8e, 0x0b, 0x4c, 0x3e, 0x4d, 0x5f, 0x9b, 0x61, 0x6c, 0x7a, 0x72, 0x64, 0x66, 0x6c,
]);

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `name`
    pub name: ContainerName,
    /// `uuid`; one is made up at its definition.
    pub uuid: Option<Uuid>,
    /// `title`
    pub title: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `metadata`, as it is said.
    pub metadata: Option<Tree>,
    /// `forward`
    pub forward: Forward,
    /// `bridge@name`: one of ours, or, where `forward` is [`Forward::Bridge`], of the host's; one of ours is chosen at its definition.
    pub bridge: Option<LinkName>,
    /// `bridge@stp`: whether the bridge looks for loops.
    pub stp: bool,
    /// `bridge@delay`, in seconds.
    pub delay: u32,
    /// `mac`: the bridge's hardware address.
    pub mac: Option<Mac>,
    /// `mtu@size`, in bytes.
    pub mtu: Option<u32>,
    /// `port@isolated`: whether containers on it reach the host alone.
    pub isolated: bool,
    /// Whether `<dns enable='no'/>` is said, which is how it is.
    pub dns: bool,
    /// `ip`, in order, at most one of each family.
    pub subnets: Vec<Subnet>,
    /// `portgroup`, in order.
    pub groups: Vec<PortGroup>,
}

/// `forward@mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// `nat`
    Nat,
    /// `route`
    Route,
    /// `open`
    Open,
    /// No `forward`.
    Isolated,
    /// `bridge`: a bridge of the host's.
    Bridge,
}

impl Forward {
    /// The word that documents use.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Nat => Some("nat"),
            Self::Route => Some("route"),
            Self::Open => Some("open"),
            Self::Bridge => Some("bridge"),
            Self::Isolated => None,
        }
    }
}

/// `ip`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// `@address`: the bridge's.
    pub address: IpAddr,
    /// `@prefix`, or what `@netmask` says.
    pub prefix: u8,
    /// `dhcp/range`: first and last; containers are given these, in order.
    pub ranges: Vec<(IpAddr, IpAddr)>,
    /// `dhcp/host`
    pub hosts: Vec<Fixed>,
}

/// `dhcp/host`: an address that is one container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// `@mac`: of its interface.
    pub mac: Option<Mac>,
    /// `@name`: its own.
    pub name: Option<String>,
    /// `@ip`
    pub address: IpAddr,
}

impl Network {
    /// The one that is there without a definition.
    pub fn built_in() -> Option<Self> {
        let v6 = |last| IpAddr::V6(Ipv6Addr::new(0xfd6c, 0x7a72, 0, 0, 0, 0, 0, last));
        let v4 = |high, low| IpAddr::V4(Ipv4Addr::new(10, 209, high, low));
        let subnet = |address, prefix, range| Subnet {
            address,
            prefix,
            ranges: vec![range],
            hosts: vec![],
        };
        Some(Self {
            name: ContainerName::new(DEFAULT).ok()?,
            uuid: Some(UUID),
            title: None,
            description: None,
            metadata: None,
            forward: Forward::Nat,
            bridge: Some(LinkName::new(BRIDGE).ok()?),
            stp: false,
            delay: 0,
            mac: None,
            mtu: None,
            isolated: false,
            dns: false,
            subnets: vec![
                subnet(IpAddr::V4(GATEWAY_V4.0), GATEWAY_V4.1, (v4(0, 2), v4(255, 254))),
                subnet(IpAddr::V6(GATEWAY_V6.0), GATEWAY_V6.1, (v6(2), v6(0xfffe))),
            ],
            groups: vec![],
        })
    }

    /// The bridge of ours that it is; `None` where it is one of the host's.
    pub fn own_bridge(&self) -> Option<Bridge> {
        if self.forward == Forward::Bridge {
            return None;
        }
        let on = |s: &Subnet| Address {
            address: s.address,
            prefix: s.prefix,
            peer: None,
        };
        Some(Bridge {
            name: self.bridge.clone()?,
            addresses: self.subnets.iter().map(on).collect(),
            mac: self.mac.map(|m| m.bytes()),
            stp: self.stp,
            delay: self.delay,
        })
    }

    /// The group of ports that an interface belongs to which names this one, or none.
    pub fn group(&self, named: Option<&str>) -> Result<Option<&PortGroup>, String> {
        let found = self
            .groups
            .iter()
            .find(|g| named.map_or(g.default, |name| g.name == name));
        match (found, named) {
            (None, Some(name)) => Err(format!(
                "the network {} has no <portgroup> called {}",
                self.name,
                escape(name)
            )),
            (found, _) => Ok(found),
        }
    }

    /// What is let through between it and what lies beyond the host.
    pub const fn through(&self) -> Through {
        match self.forward {
            Forward::Nat => Through::Translated,
            Forward::Route | Forward::Open | Forward::Bridge => Through::Routed,
            Forward::Isolated => Through::Nothing,
        }
    }

    /// Whether containers reach what lies beyond the host.
    pub fn leads_on(&self) -> bool {
        self.through() != Through::Nothing
    }
}

impl Subnet {
    /// The address that a container has: its own, or the one of its slot, of which no two are the same.
    pub fn address_of(&self, name: &ContainerName, mac: [u8; 6], slot: u32) -> Result<Option<IpAddr>, String> {
        let its = |h: &&Fixed| h.mac.is_some_and(|m| m.bytes() == mac) || h.name.as_deref() == Some(name.as_str());
        if let Some(fixed) = self.hosts.iter().find(its) {
            return Ok(Some(fixed.address));
        }
        if self.ranges.is_empty() {
            return Ok(None);
        }
        let taken = |n: u128| n == number(self.address) || self.hosts.iter().any(|h| number(h.address) == n);
        let mut left = u128::from(slot);
        for (first, last) in &self.ranges {
            let mut at = number(*first);
            let end = number(*last);
            let reserved = self
                .hosts
                .iter()
                .map(|h| number(h.address))
                .chain([number(self.address)]);
            let inside = reserved.filter(|n| (at..=end).contains(n));
            let size = end.saturating_sub(at).saturating_add(1);
            let free = size.saturating_sub(u128::try_from(inside.count()).unwrap_or(u128::MAX));
            if left >= free {
                left = left.saturating_sub(free);
                continue;
            }
            while at <= end {
                if !taken(at) {
                    if left == 0 {
                        return Ok(Some(like(self.address, at)));
                    }
                    left = left.saturating_sub(1);
                }
                at = at.saturating_add(1);
            }
        }
        Err(
            "has no address for this container: addresses go by the number of its block of ids, and the ranges hold fewer"
                .to_owned(),
        )
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

fn like(family: IpAddr, number: u128) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(0))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// That there is none of this name.
pub fn none(word: &str, names: &[String]) -> Error {
    Error::caller(format!(
        "there is no network {}; there is {}",
        escape(word),
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        let whole = format!("<network><name>n</name><bridge name='lzr1'/>{text}</network>");
        parse(whole.as_bytes(), "n.xml").unwrap().subnets.remove(0)
    }

    fn given(subnet: &Subnet, slot: u32) -> Result<Option<String>, String> {
        let name = ContainerName::new("web").unwrap();
        let address = subnet.address_of(&name, [2, 0, 0, 0, 0, 9], slot)?;
        Ok(address.map(|a| a.to_string()))
    }

    #[test]
    fn addresses_are_given_out_of_the_ranges_by_slot_and_none_twice() {
        let s = subnet(
            "<ip address='192.168.5.3' netmask='255.255.255.0'><dhcp><range start='192.168.5.2' end='192.168.5.5'/>\
             <range start='192.168.5.9' end='192.168.5.9'/><host mac='02:00:00:00:00:07' ip='192.168.5.4'/></dhcp></ip>",
        );
        let all: Vec<_> = (0..3).map(|slot| given(&s, slot).unwrap().unwrap()).collect();
        assert_eq!(all, ["192.168.5.2", "192.168.5.5", "192.168.5.9"]);
        assert!(given(&s, 3).is_err());
    }

    #[test]
    fn a_container_has_its_own_address_by_its_link_or_its_name() {
        let host = |attribute: &str| {
            subnet(&format!(
                "<ip address='192.168.5.1' prefix='24'><dhcp><host {attribute} ip='192.168.5.77'/></dhcp></ip>"
            ))
        };
        assert_eq!(
            given(&host("mac='02:00:00:00:00:09'"), 0),
            Ok(Some("192.168.5.77".into()))
        );
        assert_eq!(given(&host("name='web'"), 5), Ok(Some("192.168.5.77".into())));
        assert_eq!(
            given(&host("name='other'"), 5),
            Ok(None),
            "without a range nothing is given"
        );
    }

    #[test]
    fn the_built_in_network_gives_what_it_always_gave() {
        let network = Network::built_in().unwrap();
        let of = |n: usize, slot| given(&network.subnets[n], slot);
        assert_eq!(of(0, 0), Ok(Some("10.209.0.2".into())));
        assert_eq!(of(0, 254), Ok(Some("10.209.1.0".into())));
        assert_eq!(of(1, 1), Ok(Some("fd6c:7a72::3".into())));
        assert!(of(0, 65533).is_err() && of(1, 65533).is_err());
        assert_eq!(network.own_bridge(), wire::network::bridge());
    }
}
