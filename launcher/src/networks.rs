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
mod tests {
    use super::*;
    use wire::netd::{Bandwidth, Membership};

    fn networks(statements: &[&str]) -> Networks {
        let mut networks = Networks::default();
        for statement in statements {
            let (word, rest) = statement.split_once(' ').unwrap();
            networks.state(word, rest).unwrap();
        }
        networks
    }

    fn on(text: &str, prefix: u8, peer: Option<&str>) -> Address {
        Address {
            address: text.parse().unwrap(),
            prefix,
            peer: peer.map(|p| p.parse().unwrap()),
        }
    }

    fn link(side: HostSide) -> Link {
        Link {
            host: LinkName::new("lzv0").unwrap(),
            guest: LinkName::new("eth0").unwrap(),
            mac: [2, 0, 0, 0, 0, 1],
            side,
            addresses: vec![on("10.209.0.2", 16, None)],
            routes: vec![],
            up: true,
            mtu: None,
            isolated: false,
            bandwidth: Bandwidth::default(),
            vlans: vec![],
            outside: vec![],
        }
    }

    fn says(result: Result<(), Failure>, words: &str) {
        let failure = result.unwrap_err();
        assert!(failure.what.as_str().contains(words), "{failure:?}");
    }

    #[test]
    fn the_default_network_is_just_what_it_is() {
        let networks = networks(&["bridge none"]);
        let bridge = network::bridge().unwrap();
        assert!(networks.link(&link(HostSide::Network(bridge.clone()))).is_ok());
        let captures = Bridge {
            addresses: vec![on("8.8.8.8", 1, None)],
            ..bridge.clone()
        };
        let other = Bridge {
            name: LinkName::new("lzr1").unwrap(),
            addresses: vec![on("203.0.113.1", 24, None)],
            ..bridge.clone()
        };
        for (bad, line) in [(captures, "`network 8.8.8.8/1`"), (other, "`network 203.0.113.1/24`")] {
            says(networks.link(&link(HostSide::Network(bad))), line);
        }
        for foreign in ["192.0.2.7", "10.209.0.1"] {
            let link = Link {
                addresses: vec![on(foreign, 24, None)],
                ..link(HostSide::Network(bridge.clone()))
            };
            says(networks.link(&link), foreign);
        }
    }

    #[test]
    fn the_hosts_own_network_is_shared_unless_a_line_says_no() {
        assert!(networks(&[]).host().is_ok() && networks(&["host-network yes"]).host().is_ok());
        says(networks(&["host-network no"]).host(), "`host-network no`");
    }

    #[test]
    fn a_network_is_private_or_has_a_line() {
        let of = |statements: &[&str], address, prefix, peer| {
            networks(statements).network(&Bridge {
                name: LinkName::new("lzr1").unwrap(),
                addresses: vec![on(address, prefix, peer)],
                mac: None,
                stp: false,
                delay: 0,
            })
        };
        assert!(of(&[], "192.168.150.1", 24, None).is_ok() && of(&[], "fd00:5::1", 64, None).is_ok());
        assert!(of(&[], "10.0.0.1", 8, None).is_err() && of(&[], "2001:db8::1", 64, None).is_err());
        for (address, prefix) in [("192.168.150.1", 30), ("192.168.150.1", 32), ("fd00:5::1", 65), ("fd00:5::1", 128)] {
            assert!(of(&[], address, prefix, None).is_err(), "{address}/{prefix}");
        }
        assert!(of(&["network 192.168.150.0/24"], "192.168.150.1", 32, None).is_ok());
        assert!(of(&[], "192.168.150.1", 24, Some("192.168.150.2")).is_err());
        says(
            of(&["network none"], "192.168.150.1", 24, None),
            "`network 192.168.150.1/24`",
        );
        let one = ["network 203.0.113.0/24"];
        assert!(of(&one, "203.0.113.1", 25, None).is_ok() && of(&one, "203.0.113.1", 23, None).is_err());
        assert!(of(&one, "192.168.150.1", 24, None).is_err());
    }

    #[test]
    fn a_vlan_of_a_bridge_and_a_route_of_the_hosts_need_lines_of_their_own() {
        let port_of = |statements: &[&str], id| {
            let vlans = vec![Membership {
                id,
                native: true,
                untagged: true,
            }];
            networks(statements).link(&Link {
                vlans,
                ..link(HostSide::Bridge(LinkName::new("br0").unwrap()))
            })
        };
        says(
            port_of(&["bridge br0"], 7),
            "`bridge br0 vlan 7` in /etc/lazaret.policy",
        );
        assert!(port_of(&["bridge br0", "bridge br0 vlan 7"], 7).is_ok());
        assert!(port_of(&["bridge br0 vlan 5-8"], 8).is_ok() && port_of(&["bridge br0 vlan 5-8"], 9).is_err());
        says(port_of(&["bridge br1 vlan 7"], 7), "`bridge br0 vlan 7`");
        says(port_of(&["bridge none", "bridge br0 vlan 7"], 7), "`bridge br0`");
        for bad in [
            "br0 vlan 0",
            "br0 vlan 4095",
            "br0 vlan 8-7",
            "br0 vlan x",
            " vlan 7",
            "br0 vlan",
        ] {
            assert!(Networks::default().state("bridge", bad).is_none(), "{bad}");
        }
        let led = |statements: &[&str]| {
            let outside = vec![Route {
                destination: "10.9.0.0".parse().unwrap(),
                prefix: 16,
                gateway: "10.209.0.2".parse().unwrap(),
                metric: None,
            }];
            networks(statements).link(&Link {
                outside,
                ..link(HostSide::Alone(vec![]))
            })
        };
        says(led(&["address 10.9.0.0/24"]), "`address 10.9.0.0/16`");
        assert!(led(&["address 10.8.0.0/15"]).is_ok());
    }

    #[test]
    fn any_bridge_of_the_hosts_unless_lines_say_which_and_never_one_of_ours() {
        let port_of = |networks: &Networks, name| networks.link(&link(HostSide::Bridge(LinkName::new(name).unwrap())));
        assert!(port_of(&networks(&[]), "br0").is_ok());
        says(port_of(&networks(&[]), "lzr0"), "Lazaret's own");
        let one = networks(&["bridge br0"]);
        assert!(port_of(&one, "br0").is_ok());
        says(port_of(&one, "br1"), "`bridge br1` in /etc/lazaret.policy");
        says(port_of(&networks(&["bridge none"]), "br0"), "`bridge br0`");
    }

    #[test]
    fn no_address_of_the_hosts_unless_a_line_gives_a_network_for_them() {
        let alone = |networks: &Networks, addresses| networks.link(&link(HostSide::Alone(addresses)));
        assert!(alone(&networks(&[]), vec![]).is_ok());
        says(
            alone(&networks(&[]), vec![on("10.1.0.1", 24, None)]),
            "`address 10.1.0.1/24`",
        );
        let given = networks(&["address 10.1.0.0/16", "address fd00::/8"]);
        for good in [
            on("10.1.0.1", 24, None),
            on("10.1.0.1", 16, None),
            on("fd01::1", 64, None),
            on("10.1.0.1", 32, Some("10.1.0.2")),
        ] {
            assert!(alone(&given, vec![good]).is_ok(), "{good:?}");
        }
        for bad in [
            on("10.1.0.1", 15, None),
            on("10.2.0.1", 24, None),
            on("fe80::1", 64, None),
            on("10.1.0.1", 32, Some("192.0.2.1")),
        ] {
            assert!(alone(&given, vec![bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ports_are_those_that_the_command_line_names_unless_lines_say_which() {
        let words: Vec<String> = ["run", "--publish", "8080:80", "--publish", "192.0.2.1:53:53/udp", "sh"]
            .map(str::to_owned)
            .into();
        let named = Named::new(&words, vec![], Some("/"));
        let port = |text: &str| text.parse::<Publish>().unwrap();
        let plain = networks(&[]);
        assert!(plain.publish(&named, &port("8080:80")).is_ok());
        assert!(plain.publish(&named, &port("192.0.2.1:53:53/udp")).is_ok());
        says(
            plain.publish(&named, &port("22:22")),
            "`publish 22` in /etc/lazaret.policy",
        );
        says(
            plain.publish(&named, &port("[2001:db8::1]:53:53/udp")),
            "`publish [2001:db8::1]:53/udp`",
        );
        assert!(plain.publish(&named, &port("8080:81")).is_err());
        let lines = networks(&["publish 8000-8079", "publish 192.0.2.1:443", "publish 53/udp"]);
        for good in ["8000:80", "8079:80", "192.0.2.1:443:1", "192.0.2.9:53:53/udp"] {
            assert!(lines.publish(&named, &port(good)).is_ok(), "{good}");
        }
        for bad in ["8080:80", "443:1", "192.0.2.2:443:1", "53:53"] {
            assert!(lines.publish(&named, &port(bad)).is_err(), "{bad}");
        }
        assert!(networks(&["publish none"]).publish(&named, &port("8080:80")).is_err());
        let both = networks(&["publish named", "publish 443"]);
        assert!(both.publish(&named, &port("8080:80")).is_ok() && both.publish(&named, &port("443:1")).is_ok());
    }

    #[test]
    fn refuses_statements_that_say_nothing() {
        for (word, rest) in [
            ("bridge", "a/b"),
            ("host-network", "maybe"),
            ("address", "10.0.0.1"),
            ("address", "10.0.0.0/33"),
            ("publish", "0"),
            ("publish", "9-8"),
            ("publish", "x"),
            ("publish", "80/tcp/udp"),
            ("route", "x"),
        ] {
            assert!(Networks::default().state(word, rest).is_none(), "{word} {rest}");
        }
    }
}
