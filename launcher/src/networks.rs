//! May a container be joined to the host's networks like this? The statements of the host's policy that say so, and the judgement. Pure.

use crate::host::Named;
use crate::policy::FILE;
use std::net::IpAddr;
use wire::netd::{Address, Bridge, HostSide, Link, Macvlan, Publish, Route};
use wire::network::{self, within};
use wire::{Failure, LinkName};

/// What the host's policy says of networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    /// Whether no container may share the host's own network.
    host_forbidden: bool,
    /// Bridges of the host's that a container may be a port of; `None` is any.
    bridges: Option<Vec<LinkName>>,
    /// VLANs of bridges of the host's that a container's port may be a member of: first and last.
    vlans: Vec<(LinkName, u16, u16)>,
    /// Links of the host's on which a container's may lie, and whether it may have them to itself.
    direct: Vec<(LinkName, bool)>,
    /// Networks in which the host's end of an `ethernet` link may have an address, and its peer be.
    addresses: Vec<(IpAddr, u8)>,
    /// Networks in which those of ours may lie; `None` is any that is private and neither too wide nor too narrow.
    networks: Option<Vec<(IpAddr, u8)>>,
    /// Ports that may be published.
    ports: Option<Vec<Ports>>,
    /// Whether ports may also be those that the command line names; so too where there is no statement on ports.
    named_ports: bool,
}

/// Ports that may be published, on one address of the host's or on any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ports {
    address: Option<IpAddr>,
    first: u16,
    last: u16,
    udp: bool,
}

fn refuse(what: &str) -> Result<(), Failure> {
    Err(Failure::caller(what))
}

impl Networks {
    /// Takes a statement `word rest` of the policy file; `None` if it is none of these, or not said like that.
    pub fn state(&mut self, word: &str, rest: &str) -> Option<()> {
        match (word, rest) {
            ("host-network", "no") => self.host_forbidden = true,
            ("host-network", "yes") => self.host_forbidden = false,
            ("bridge", "none") => self.bridges.get_or_insert_default().clear(),
            ("bridge", name) if name.contains(" vlan ") => self.vlans.push(vlans(name)?),
            ("bridge", name) => self.bridges.get_or_insert_default().push(LinkName::new(name).ok()?),
            ("direct", "none") => self.direct.clear(),
            ("direct", name) => {
                let (name, alone) = match name.strip_suffix(" passthrough") {
                    Some(name) => (name.trim_end(), true),
                    None => (name, false),
                };
                self.direct.push((LinkName::new(name).ok()?, alone));
            }
            ("address", network) => self.addresses.push(cidr(network)?),
            ("network", "none") => self.networks.get_or_insert_default().clear(),
            ("network", network) => self.networks.get_or_insert_default().push(cidr(network)?),
            ("publish", "none") => self.ports.get_or_insert_default().clear(),
            ("publish", "named") => {
                self.ports.get_or_insert_default();
                self.named_ports = true;
            }
            ("publish", ports) => self.ports.get_or_insert_default().push(Ports::read(ports)?),
            _ => return None,
        }
        Some(())
    }

    /// Judges whether a container may share the host's own network.
    pub fn host(&self) -> Result<(), Failure> {
        if self.host_forbidden {
            return refuse("share the host's network: the host's policy says `host-network no`");
        }
        Ok(())
    }

    /// Judges where a link ends on the host.
    pub fn link(&self, link: &Link) -> Result<(), Failure> {
        match &link.side {
            HostSide::Network(bridge) => {
                self.network(bridge)?;
                match link.addresses.iter().find(|a| !network::is_on(bridge, a.address)) {
                    Some(a) => refuse(&format!("have the address {}: it is none of its network's", a.address)),
                    None => Ok(()),
                }
            }
            HostSide::Bridge(name) => {
                self.bridge(name)?;
                link.vlans.iter().try_for_each(|v| self.vlan(name, v.id))
            }
            HostSide::Alone(addresses) => {
                addresses.iter().try_for_each(|a| self.address(a))?;
                link.outside.iter().try_for_each(|r| self.route(r))
            }
            HostSide::Direct { parent, mode } => self.direct(parent, *mode == Macvlan::Passthrough),
            HostSide::Vlan { parent, .. } | HostSide::Ipvlan { parent, .. } => self.direct(parent, false),
        }
    }

    /// Judges a network of ours by the addresses that its bridge has: whatever the host sends there then goes to containers.
    pub fn network(&self, bridge: &Bridge) -> Result<(), Failure> {
        if network::bridge().as_ref() == Some(bridge) {
            return Ok(());
        }
        for Address { address, prefix, peer } in &bridge.addresses {
            let lies = |(network, length): &(IpAddr, u8)| prefix >= length && within(*address, *network, *length);
            let allowed = match &self.networks {
                Some(networks) => networks.iter().any(lies),
                None => is_private(*address) && prefixes(*address).contains(prefix),
            };
            if !allowed || peer.is_some() {
                return refuse(&format!(
                    "have a network {address}/{prefix}: a line `network {address}/{prefix}` in {FILE} would allow it"
                ));
            }
        }
        Ok(())
    }

    /// On the wire of a link of the host's a container is a machine among the others, with whatever addresses it likes. One that has the link
    /// to itself gets all that comes in, and the host nothing.
    fn direct(&self, parent: &LinkName, alone: bool) -> Result<(), Failure> {
        if self
            .direct
            .iter()
            .any(|(name, allowed)| name == parent && (*allowed || !alone))
        {
            return Ok(());
        }
        let (what, more) = if alone {
            ("have", " passthrough")
        } else {
            ("lie on", "")
        };
        let after = if alone { " to itself" } else { "" };
        refuse(&format!(
            "{what} the host's link {parent}{after}: a line `direct {parent}{more}` in {FILE} would allow it"
        ))
    }

    fn bridge(&self, name: &LinkName) -> Result<(), Failure> {
        if name.as_str().starts_with("lz") {
            return refuse(&format!(
                "be a port of {name}: it is Lazaret's own; an interface of type network joins it, with what keeps it to its own address"
            ));
        }
        match &self.bridges {
            Some(bridges) if !bridges.contains(name) => refuse(&format!(
                "be a port of {name}: a line `bridge {name}` in {FILE} would allow it"
            )),
            _ => Ok(()),
        }
    }

    /// Which VLANs there are is what a bridge keeps apart.
    fn vlan(&self, bridge: &LinkName, id: u16) -> Result<(), Failure> {
        let allowed = |(name, first, last): &(LinkName, u16, u16)| name == bridge && (*first..=*last).contains(&id);
        if self.vlans.iter().any(allowed) {
            return Ok(());
        }
        refuse(&format!(
            "be a member of VLAN {id} of {bridge}: a line `bridge {bridge} vlan {id}` in {FILE} would allow it"
        ))
    }

    /// A route of the host's could lead away what goes to another machine.
    fn route(&self, route: &Route) -> Result<(), Failure> {
        let Route {
            destination, prefix, ..
        } = route;
        let allowed = |(network, length): &(IpAddr, u8)| prefix >= length && within(*destination, *network, *length);
        if self.addresses.iter().any(allowed) {
            return Ok(());
        }
        refuse(&format!(
            "lead {destination}/{prefix} of this host's to a container: a line `address {destination}/{prefix}` in {FILE} would allow it"
        ))
    }

    /// An address of the host's, and a peer to which the host then has a route, could take over what is another machine's.
    fn address(&self, Address { address, prefix, peer }: &Address) -> Result<(), Failure> {
        let allowed = |a: IpAddr| {
            self.addresses
                .iter()
                .any(|(network, length)| prefix >= length && within(a, *network, *length))
        };
        if allowed(*address) && peer.is_none_or(allowed) {
            return Ok(());
        }
        let more = peer.map_or_else(String::new, |p| format!(" and one for its peer {p}"));
        refuse(&format!(
            "give this host the address {address}/{prefix} on a container's link: a line `address {address}/{prefix}` in {FILE}{more} \
             would allow it"
        ))
    }

    /// Judges a published port.
    pub fn publish(&self, named: &Named, port: &Publish) -> Result<(), Failure> {
        let by_line = self.ports.iter().flatten().any(|ports| ports.include(port));
        if by_line || ((self.named_ports || self.ports.is_none()) && named.port(port)) {
            return Ok(());
        }
        let address = port.address.map_or_else(String::new, |a| match a {
            IpAddr::V4(a) => format!("{a}:"),
            IpAddr::V6(a) => format!("[{a}]:"),
        });
        let udp = if port.udp { "/udp" } else { "" };
        refuse(&format!(
            "publish the host's port {}: a line `publish {address}{}{udp}` in {FILE} would allow it",
            port.host, port.host
        ))
    }
}

/// Reads `ADDRESS/PREFIX`.
fn cidr(network: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = network.split_once('/')?;
    let (address, prefix): (IpAddr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= most).then_some((address, prefix))
}

/// Whether an address is one that nobody has on the Internet (RFC 1918, RFC 4193).
const fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_private(),
        IpAddr::V6(a) => a.is_unique_local(),
    }
}

/// How wide a network may be, and how narrow: a narrower one is a way to take one machine's address.
const fn prefixes(address: IpAddr) -> std::ops::RangeInclusive<u8> {
    if address.is_ipv4() { 16..=29 } else { 48..=64 }
}

/// Reads `NAME vlan ID[-ID]`.
fn vlans(text: &str) -> Option<(LinkName, u16, u16)> {
    let (name, range) = text.split_once(" vlan ")?;
    let (first, last) = range.trim().split_once('-').unwrap_or((range.trim(), range.trim()));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last && last < 4095).then_some((LinkName::new(name.trim_end()).ok()?, first, last))
}

impl Ports {
    /// Reads `[ADDRESS:]PORT[-PORT][/udp]`.
    fn read(text: &str) -> Option<Self> {
        let (text, udp) = match text.strip_suffix("/udp") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (address, ports) = match text.rsplit_once(':') {
            Some((address, ports)) => {
                let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
                (Some(bare.unwrap_or(address).parse().ok()?), ports)
            }
            None => (None, text),
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        (first != 0 && first <= last).then_some(Self {
            address,
            first,
            last,
            udp,
        })
    }

    fn include(&self, port: &Publish) -> bool {
        let address = self.address.is_none() || self.address == port.address;
        address && self.udp == port.udp && (self.first..=self.last).contains(&port.host)
    }
}

#[cfg(test)]
mod tests;
