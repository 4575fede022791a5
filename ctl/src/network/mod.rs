//! A network of Lazaret's own: what its document says, and the addresses that it gives. Pure.
//! The meaning of each part is libvirt's (<https://libvirt.org/formatnetwork.html>), as far as it is done here.

mod dns;
mod format;
mod forward;
mod given;
mod hindrance;
mod length;
mod parse;
mod portgroup;
mod route;
mod subnet;
mod virtualport;

pub use dns::{Dns, Named};
pub use format::{document, started};
pub use forward::{Forward, Mode};
pub use parse::parse;
pub use portgroup::PortGroup;
pub use route::Static;
pub use subnet::Subnet;

use crate::domain::xml::Tree;
use crate::domain::{Bandwidth, Mac, Uuid, Vlan};
use crate::error::Error;
use crate::escape::escape;
use wire::netd::{Address, Bridge, Through};
use wire::{ContainerName, LinkName};

/// The network that is there without a definition.
pub const DEFAULT: &str = "default";

/// What that is, the same on every host.
const BUILT_IN: &str = include_str!("default.xml");

/// Seconds that the kernel waits at least with a port of a bridge that looks for loops (`BR_MIN_FORWARD_DELAY` in linux/net/bridge/br_private.h).
pub const STP_DELAY: u32 = 2;

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
    /// `@ipv6`: whether containers speak IPv6 to each other where the network has no address of it.
    pub v6: bool,
    /// `@trustGuestRxFilters`: between a hypervisor and its guest.
    pub filters: Option<bool>,
    /// `forward`
    pub forward: Forward,
    /// `bridge@name`: one of ours, or, where the mode is [`Mode::Bridge`], of the host's; one of ours is chosen at its definition.
    pub bridge: Option<LinkName>,
    /// `bridge@zone`: of firewalld.
    pub zone: Option<String>,
    /// `bridge@stp`: whether the bridge looks for loops, where it is said.
    pub stp: Option<bool>,
    /// `bridge@delay`, in seconds.
    pub delay: u32,
    /// `bridge@macTableManager`: whether that is libvirt, and not the kernel.
    pub managed: Option<bool>,
    /// `mac`: the bridge's hardware address.
    pub mac: Option<Mac>,
    /// `mtu@size`, in bytes.
    pub mtu: Option<u32>,
    /// `domain`
    pub domain: Option<Named>,
    /// `dns`
    pub dns: Dns,
    /// `vlan`: that of each port that has none of its own.
    pub vlan: Option<Vlan>,
    /// `bandwidth`: of all together.
    pub bandwidth: Bandwidth,
    /// `port@isolated`: whether containers on it reach the host alone; where it is said.
    pub isolated: Option<bool>,
    /// `ip`, in order.
    pub subnets: Vec<Subnet>,
    /// `route`, in order.
    pub routes: Vec<Static>,
    /// `virtualport`, as it is printed.
    pub virtualport: Option<Tree>,
    /// `portgroup`, in order.
    pub groups: Vec<PortGroup>,
    /// `dnsmasq:options`, as it is printed.
    pub options: Option<Tree>,
}

impl Network {
    /// The one that is there without a definition.
    pub fn built_in() -> Option<Self> {
        parse(BUILT_IN.as_bytes(), DEFAULT).ok()
    }

    /// Whether it has a bridge of ours.
    pub const fn is_own(&self) -> bool {
        self.forward.mode.is_own()
    }

    /// Whether its bridge looks for loops: it does, unless something else is said.
    pub fn looks_for_loops(&self) -> bool {
        self.stp.unwrap_or(true)
    }

    /// The bridge of ours that it is; `None` where it is one of the host's, or none.
    pub fn own_bridge(&self) -> Option<Bridge> {
        if !self.is_own() {
            return None;
        }
        let on = |s: &Subnet| Address {
            address: s.net.address,
            prefix: s.net.prefix(),
            peer: None,
        };
        Some(Bridge {
            name: self.bridge.clone()?,
            addresses: self.subnets.iter().map(on).collect(),
            mac: self.mac.map(|m| m.bytes()),
            stp: self.looks_for_loops(),
            delay: if self.looks_for_loops() {
                self.delay.max(STP_DELAY)
            } else {
                self.delay
            },
        })
    }

    /// The link of the host's that containers on it lie on, where there is no bridge.
    pub fn parent(&self) -> Option<&LinkName> {
        let direct = !self.is_own() && self.bridge.is_none();
        self.forward.devices.first().filter(|_| direct)
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
        match self.forward.mode {
            Mode::Nat => Through::Translated,
            Mode::Isolated => Through::Nothing,
            Mode::Route
            | Mode::Open
            | Mode::Bridge
            | Mode::Private
            | Mode::Vepa
            | Mode::Passthrough
            | Mode::Hostdev => Through::Routed,
        }
    }

    /// Whether containers reach what lies beyond the host.
    pub fn leads_on(&self) -> bool {
        self.through() != Through::Nothing
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
