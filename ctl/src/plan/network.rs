//! The network of a container: its addresses on a network of ours, and the links that a domain describes. Pure.

use super::{Host, Lot, fit};
use crate::domain::lent::Wanted;
use crate::domain::{self, Attached, Interface, Mode};
use crate::error::{Error, Outcome};
use crate::network::{Network, PortGroup, none};
use std::net::IpAddr;
use wire::init::Container;
use wire::launcher::{Plan, Step};
use wire::netd::{
    Address, Bandwidth, Bridge, Firewall, Found, HostSide, Lent, Link, Macvlan, Membership, Publish, Rate, Route,
    Through,
};
use wire::network::is_on;
use wire::{ContainerName, LinkName, Text};

pub use crate::network::DEFAULT;

const fn own(address: IpAddr, prefix: u8) -> Address {
    Address {
        address,
        prefix,
        peer: None,
    }
}

fn link_name(name: &str) -> Outcome<LinkName> {
    LinkName::new(name).map_err(|e| Error::caller(format!("the link name {name} is refused: {e}")))
}

/// The first name for another link's end on the host that none of these has.
pub fn free_host(slot: u32, links: &[Link]) -> Outcome<LinkName> {
    let numbers = 0..=links.len();
    let names = numbers
        .map(|number| host_link(slot, number))
        .collect::<Outcome<Vec<_>>>()?;
    let free = names.into_iter().find(|name| links.iter().all(|l| l.host != *name));
    free.ok_or_else(|| Error::Bug("no name for a link is free".into()))
}

/// The first of `eth0`, `eth1`, ... that none of these has inside.
pub fn free_guest(taken: &[&LinkName]) -> Outcome<LinkName> {
    let numbers = 0..=taken.len();
    let names = numbers
        .map(|n| link_name(&format!("eth{n}")))
        .collect::<Outcome<Vec<_>>>()?;
    let free = names.into_iter().find(|name| !taken.contains(&name));
    free.ok_or_else(|| Error::Bug("no name for a link is free".into()))
}

fn host_link(slot: u32, number: usize) -> Outcome<LinkName> {
    link_name(&if number == 0 {
        format!("lzv{slot}")
    } else {
        format!("lzv{slot}-{number}")
    })
}

/// Links, and the table that goes with a network of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// The links.
    pub links: Vec<Link>,
    /// The table.
    pub firewall: Option<Firewall>,
    /// The container's own addresses, for its `/etc/hosts`.
    pub own: Vec<IpAddr>,
}

/// An interface that is up, with a hardware address of the container's uuid, and of which nothing else is said.
pub fn plain(attached: Attached, lot: &Lot) -> Interface {
    let [a, b, c, ..] = lot.uuid;
    let mac = Some(domain::Mac::from_random([a, b, c]));
    Interface {
        mac: mac.filter(|_| !attached.is_ipvlan()),
        attached,
        portgroup: None,
        addresses: vec![],
        routes: vec![],
        target: None,
        guest: None,
        mtu: None,
        isolated: None,
        bandwidth: domain::Bandwidth::default(),
        vlan: None,
        link: Some(domain::LinkState::Up),
    }
}

/// The links that these interfaces describe.
pub fn wire(name: &ContainerName, lot: &Lot, interfaces: &[Interface], publish: Vec<Publish>) -> Outcome<Wiring> {
    let mut wiring = Wiring::default();
    let mut unnamed = 0u32;
    for (number, interface) in interfaces.iter().enumerate() {
        let guest = match &interface.guest {
            Some(name) => name.clone(),
            None => {
                let name = link_name(&format!("eth{unnamed}"))?;
                unnamed = unnamed.saturating_add(1);
                name
            }
        };
        // Names that libvirt makes up for a running domain mean nothing when it starts again.
        let target = interface.target.clone().filter(|t| !t.as_str().starts_with("vnet"));
        // A macvlan has no end on the host that anybody could call.
        let target = target.filter(|_| !matches!(interface.attached, Attached::Direct(..)));
        let host = target.map_or_else(|| host_link(lot.slot, number), Ok)?;
        let mac = match interface.mac {
            Some(mac) => mac.bytes(),
            None if interface.is_ipvlan() => [0; 6],
            None => return Err(Error::Bug("an interface has no hardware address".into())),
        };
        let outside = match &interface.attached {
            Attached::Ethernet(_, routes) => routes.iter().map(route).collect(),
            _ => Vec::new(),
        };
        let network = network(interface, lot)?;
        let group = network.map(|n| n.group(interface.portgroup.as_deref()));
        let group = group.transpose().map_err(Error::caller)?.flatten();
        let side = side(interface, network)?;
        let vlans = match &side {
            HostSide::Vlan { .. } => Vec::new(),
            side => memberships(side, interface.vlan.as_ref().or_else(|| group?.vlan.as_ref()))?,
        };
        let mut link = Link {
            host,
            guest,
            mac,
            side,
            addresses: interface.addresses.iter().map(address).collect(),
            routes: interface.routes.iter().map(route).collect(),
            up: interface.is_up(),
            mtu: interface.mtu.or_else(|| network.and_then(|n| n.mtu)),
            isolated: interface.isolated == Some(true) || network.is_some_and(|n| n.isolated),
            bandwidth: bandwidth(interface, group)?,
            vlans,
            outside,
        };
        if let (HostSide::Network(bridge), Some(network)) = (link.side.clone(), network) {
            if wiring.firewall.is_some() {
                return Err(Error::caller(
                    "two interfaces are on networks of Lazaret's; a container has at most one there",
                ));
            }
            give_addresses(name, &mut link, (interface, network, &bridge), lot)?;
            wiring.firewall = Some(table(name, &link, (network, &bridge), publish.clone()));
        }
        if wiring
            .links
            .iter()
            .any(|l| l.guest == link.guest || l.host == link.host)
        {
            return Err(Error::caller(format!(
                "two interfaces are called {} or {}",
                link.guest, link.host
            )));
        }
        wiring.own.extend(link.addresses.iter().map(|a| a.address));
        wiring.links.push(link);
    }
    Ok(wiring)
}

/// The links of the host's that are asked for, as they were found.
pub fn lent(wanted: &[Wanted], found: &[Found]) -> Outcome<Vec<Lent>> {
    let one = |wanted: &Wanted| {
        let found = found.iter().find(|f| f.name == wanted.link);
        let missing = || Error::Bug(format!("the link {} was not looked for", wanted.link));
        Ok(Lent {
            found: found.ok_or_else(missing)?.clone(),
            guest: wanted.guest.clone(),
            addresses: wanted.addresses.iter().map(address).collect(),
            routes: wanted.routes.iter().map(route).collect(),
        })
    };
    wanted.iter().map(one).collect()
}

/// Refuses names that two links would have.
pub fn distinct(links: &[Link], lent: &[Lent]) -> Outcome<()> {
    for (at, one) in lent.iter().enumerate() {
        let others = lent.iter().skip(at.saturating_add(1));
        let twice = others.clone().any(|o| o.guest == one.guest) || links.iter().any(|l| l.guest == one.guest);
        if twice {
            return Err(Error::caller(format!("two links are called {} inside", one.guest)));
        }
        if others.clone().any(|o| o.found.name == one.found.name) {
            return Err(Error::caller(format!(
                "the host's link {} is asked for twice",
                one.found.name
            )));
        }
    }
    Ok(())
}

/// The network that an interface is on.
fn network<'a>(interface: &Interface, lot: &'a Lot) -> Outcome<Option<&'a Network>> {
    let Attached::Network(name) = &interface.attached else {
        return Ok(None);
    };
    let found = lot.networks.iter().find(|n| n.name.as_str() == name);
    let names = || lot.networks.iter().map(|n| n.name.to_string()).collect::<Vec<_>>();
    found.map(Some).ok_or_else(|| none(name, &names()))
}

fn side(interface: &Interface, network: Option<&Network>) -> Outcome<HostSide> {
    match &interface.attached {
        Attached::Network(_) => {
            let nameless = || Error::Bug("a network has no bridge".into());
            let network = network.ok_or_else(nameless)?;
            match network.own_bridge() {
                Some(bridge) => Ok(HostSide::Network(bridge)),
                None => network.bridge.clone().map(HostSide::Bridge).ok_or_else(nameless),
            }
        }
        Attached::Bridge(name) => Ok(HostSide::Bridge(name.clone())),
        Attached::Ethernet(addresses, _) => Ok(HostSide::Alone(addresses.iter().map(address).collect())),
        Attached::Direct(parent, mode) => on_link(parent.clone(), *mode, interface.vlan.as_ref()),
    }
}

fn on_link(parent: LinkName, mode: Mode, vlan: Option<&domain::Vlan>) -> Outcome<HostSide> {
    let mode = match mode {
        Mode::Vepa => Macvlan::Vepa,
        Mode::Bridge => Macvlan::Bridge,
        Mode::Private => Macvlan::Private,
        Mode::Passthrough => Macvlan::Passthrough,
        Mode::Ipvlan(mode, isolation) => {
            return Ok(HostSide::Ipvlan {
                parent,
                mode,
                isolation,
            });
        }
        Mode::Vlan => {
            let one = vlan.filter(|v| !v.trunk).and_then(|v| v.tags.first());
            let one = one.filter(|tag| (1..4095).contains(&tag.id));
            let id = one.map(|tag| tag.id).ok_or_else(|| {
                Error::caller(format!(
                    "an interface of mode vlan on {parent} needs a <vlan> with one <tag> from 1 to 4094"
                ))
            })?;
            return Ok(HostSide::Vlan { parent, id });
        }
    };
    Ok(HostSide::Direct { parent, mode })
}

/// What a port is a member of: one VLAN without tags, or several with tags, of which one may be native.
fn memberships(side: &HostSide, vlan: Option<&domain::Vlan>) -> Outcome<Vec<Membership>> {
    let Some(vlan) = vlan else { return Ok(Vec::new()) };
    if let Some(parent) = side.parent() {
        return Err(Error::caller(format!(
            "<vlan> of an interface on {parent} takes mode='vlan' in <source>, or a link of the host's that is that VLAN of it"
        )));
    }
    if !matches!(side, HostSide::Bridge(_)) {
        return Err(Error::caller(
            "<vlan> is for an interface of type bridge, and for one of type direct with mode='vlan'",
        ));
    }
    let member = |tag: &domain::Tag| {
        let native = !vlan.trunk || tag.native.is_some();
        let untagged = !vlan.trunk || tag.native == Some(domain::Native::Untagged);
        let there = (1..4095).contains(&tag.id);
        there
            .then_some(Membership {
                id: tag.id,
                native,
                untagged,
            })
            .ok_or_else(|| {
                Error::caller(format!(
                    "a port can be a member of VLAN 1 to 4094, and <tag> says {}",
                    tag.id
                ))
            })
    };
    vlan.tags.iter().map(member).collect()
}

/// Refuses what could not be held as it is said.
fn bandwidth(interface: &Interface, group: Option<&PortGroup>) -> Outcome<Bandwidth> {
    let own = Some(interface.bandwidth).filter(|b| b.said);
    let given = own.or_else(|| group.map(|g| g.bandwidth)).unwrap_or_default();
    let domain::Bandwidth { inbound, outbound, .. } = given;
    if (inbound.is_some() || outbound.is_some()) && !interface.attached.has_end() {
        return Err(Error::caller(
            "<bandwidth> is for an interface with an end on the host, and one of type direct has none",
        ));
    }
    Ok(Bandwidth {
        inbound: inbound.map(rate).transpose()?,
        outbound: outbound.map(rate).transpose()?,
    })
}

/// Seconds of a rate that a burst may have at most: what the kernel can count.
const BURST: u32 = 274;

/// Kilobytes of 1000 bytes a second, and kibibytes at once: as much as a second brings where nothing is said, as libvirt has it.
fn rate(rate: domain::Rate) -> Outcome<Rate> {
    if rate.floor.is_some() {
        return Err(Error::caller(
            "<bandwidth> with a floor needs a network that shares out a bandwidth of its own, and none here does",
        ));
    }
    let average = rate.average.ok_or_else(|| Error::Bug("a rate has no average".into()))?;
    let bytes = |n: u32, unit: u32| {
        n.checked_mul(unit).ok_or_else(|| {
            Error::caller(format!(
                "<bandwidth> of {n} is more than the {} that can be held",
                u32::MAX.checked_div(unit).unwrap_or(0)
            ))
        })
    };
    if rate.peak.is_some_and(|peak| peak < average) {
        return Err(Error::caller(format!(
            "<bandwidth> has a peak below its average of {average}"
        )));
    }
    let rate = Rate {
        average: bytes(average, 1000)?,
        peak: rate.peak.map(|peak| bytes(peak, 1000)).transpose()?,
        burst: bytes(rate.burst.unwrap_or(average), 1024)?,
    };
    if rate.burst > rate.average.saturating_mul(BURST) {
        return Err(Error::caller(format!(
            "<bandwidth> has a burst of {} bytes: more than its average of {average} lets through in {BURST} s cannot be held",
            rate.burst
        )));
    }
    Ok(rate)
}

/// Gives the network's addresses and default routes where the document gives none. Addresses that it does give must lie in the network.
fn give_addresses(
    name: &ContainerName,
    link: &mut Link,
    (interface, network, bridge): (&Interface, &Network, &Bridge),
    lot: &Lot,
) -> Outcome<()> {
    link.up = interface.link != Some(domain::LinkState::Down);
    if link.addresses.is_empty() && link.up {
        for subnet in &network.subnets {
            let given = subnet.address_of(name, link.mac, lot.slot);
            let given = given.map_err(|why| Error::caller(format!("the network {} {why}", network.name)))?;
            link.addresses.extend(given.map(|a| own(a, subnet.prefix)));
        }
    }
    for given in &link.addresses {
        if !is_on(bridge, given.address) {
            let all: Vec<String> = network
                .subnets
                .iter()
                .map(|s| format!("{}/{}", s.address, s.prefix))
                .collect();
            return Err(Error::caller(format!(
                "the address {} does not lie in the network {}, {}",
                given.address,
                network.name,
                all.join(" and ")
            )));
        }
    }
    if link.routes.is_empty() && network.leads_on() {
        let gateways = network.subnets.iter().map(|s| s.address);
        let reached = |g: &IpAddr| link.addresses.iter().any(|a| a.address.is_ipv4() == g.is_ipv4());
        link.routes = gateways
            .filter(reached)
            .map(|g| route(&domain::Route::default_by(g)))
            .collect();
    }
    Ok(())
}

fn table(name: &ContainerName, link: &Link, (network, bridge): (&Network, &Bridge), publish: Vec<Publish>) -> Firewall {
    let v4 = link
        .addresses
        .iter()
        .find_map(|a| if let IpAddr::V4(a) = a.address { Some(a) } else { None });
    let v6 = link
        .addresses
        .iter()
        .find_map(|a| if let IpAddr::V6(a) = a.address { Some(a) } else { None });
    Firewall {
        name: name.clone(),
        bridge: bridge.name.clone(),
        link: link.host.clone(),
        v4,
        v6,
        publish,
        through: network.through(),
    }
}

fn address(a: &domain::Address) -> Address {
    Address {
        address: a.address,
        prefix: a.prefix(),
        peer: a.peer,
    }
}

fn route(r: &domain::Route) -> Route {
    Route {
        destination: r.destination,
        prefix: r.prefix(),
        gateway: r.gateway,
        metric: r.metric,
    }
}

/// Whether a link of this container's is bound by more than its own end: the rules of a network of ours vanish with its supervisor, and a link
/// that has no end on the host cannot be taken back while another one holds the namespace, nor one that was the host's.
pub fn outlives(plan: &Plan) -> bool {
    if plan.steps.iter().any(|s| matches!(s, Step::Lend(_))) {
        return true;
    }
    let bound = |l: &Link| !matches!(l.side, HostSide::Bridge(_) | HostSide::Alone(_));
    let links = plan.steps.iter().filter_map(|s| match s {
        Step::Connect(links) => Some(links),
        _ => None,
    });
    links.flatten().any(bound)
}

/// The content of `/etc/resolv.conf` for a container behind NAT: the host's name servers that can be reached from there (not those on
/// a loopback), from the first file that has any, and its search domains (resolv.conf(5)).
pub fn resolv_conf(host: &Host, shares_network: bool) -> Text<4096> {
    let servers = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|l| l.strip_prefix("nameserver")).map(str::trim);
        let address = |s: &str| s.split('%').next().and_then(|s| s.parse::<IpAddr>().ok());
        let reachable = |s: &&str| match address(s) {
            Some(a) => shares_network || !(a.is_loopback() || is_link_local(a)),
            None => false,
        };
        lines.filter(reachable).take(3).map(ToOwned::to_owned).collect()
    };
    let Some((text, found)) = host.resolv.iter().map(|t| (t, servers(t))).find(|(_, s)| !s.is_empty()) else {
        return Text::cut("# the host has no name server that can be reached from here\n");
    };
    let mut out: String = found.iter().map(|s| format!("nameserver {s}\n")).collect();
    let plain = |l: &&str| l.starts_with("search ") || l.starts_with("options ");
    for line in text
        .lines()
        .filter(plain)
        .filter(|l| l.len() < 1024 && !l.chars().any(char::is_control))
    {
        out.push_str(line);
        out.push('\n');
    }
    Text::cut(&out)
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

/// The content of `/etc/hosts`: the loopback, and the container's own name and addresses (hosts(5)).
pub fn hosts(hostname: &Text<64>, own: &[IpAddr]) -> Outcome<Text<4096>> {
    let mut out = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    if own.is_empty() {
        out.push_str(&format!("127.0.1.1\t{hostname}\n"));
    }
    for address in own {
        out.push_str(&format!("{address}\t{hostname}\n"));
    }
    fit("/etc/hosts", &out)
}

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

#[cfg(test)]
mod tests {
    use super::super::testing::{host, lot};
    use super::*;

    #[test]
    fn one_link_with_both_families_and_a_table() {
        let name = ContainerName::new("web").unwrap();
        let on_default = plain(Attached::Network(DEFAULT.into()), &lot());
        let wiring = wire(&name, &lot(), &[on_default], vec![]).unwrap();
        let link = &wiring.links[0];
        assert_eq!(
            (link.host.as_str(), link.guest.as_str(), link.up),
            ("lzv1", "eth0", true)
        );
        assert_eq!((link.addresses.len(), link.routes.len()), (2, 2));
        let firewall = wiring.firewall.unwrap();
        assert_eq!(
            (firewall.v4.unwrap().to_string().as_str(), firewall.link.as_str()),
            ("10.209.0.3", "lzv1")
        );
    }

    #[test]
    fn refuses_networks_that_are_not_there_and_foreign_addresses() {
        let name = ContainerName::new("web").unwrap();
        let mac = Some(domain::Mac::from_random([1, 2, 3]));
        let on = |network: &str, addresses| Interface {
            attached: Attached::Network(network.into()),
            portgroup: None,
            mac,
            addresses,
            routes: vec![],
            target: None,
            guest: None,
            mtu: None,
            isolated: None,
            bandwidth: domain::Bandwidth::default(),
            vlan: None,
            link: None,
        };
        assert!(wire(&name, &lot(), &[on("other", vec![])], vec![]).is_err());
        assert!(wire(&name, &lot(), &[on("default", vec![]), on("default", vec![])], vec![]).is_err());
        let foreign = domain::Address {
            address: "192.0.2.7".parse().unwrap(),
            prefix: Some(24),
            peer: None,
        };
        assert!(wire(&name, &lot(), &[on("default", vec![foreign])], vec![]).is_err());
        let within = domain::Address {
            address: "10.209.9.9".parse().unwrap(),
            prefix: Some(16),
            peer: None,
        };
        let wiring = wire(&name, &lot(), &[on("default", vec![within])], vec![]).unwrap();
        assert_eq!((wiring.links[0].addresses.len(), wiring.links[0].routes.len()), (1, 1));
    }

    #[test]
    fn what_a_port_group_says_is_said_of_an_interface_that_says_nothing_else() {
        let text = "<network><name>quay</name><bridge name='lzr7'/><ip address='192.168.5.1' prefix='24'/>\
            <portgroup name='slow' default='yes'><bandwidth><inbound average='10'/></bandwidth></portgroup>\
            <portgroup name='free'/></network>";
        let lot = Lot {
            networks: vec![crate::network::parse(text.as_bytes(), "n.xml").unwrap()],
            ..lot()
        };
        let held = |group: Option<&str>, own: Option<u32>| {
            let mut interface = plain(Attached::Network("quay".into()), &lot);
            interface.portgroup = group.map(str::to_owned);
            if let Some(average) = own {
                interface.bandwidth.said = true;
                interface.bandwidth.inbound = Some(domain::Rate {
                    average: Some(average),
                    peak: None,
                    floor: None,
                    burst: None,
                });
            }
            let name = ContainerName::new("web").unwrap();
            let wiring = wire(&name, &lot, &[interface], vec![])?;
            Ok::<_, Error>(wiring.links[0].bandwidth.inbound.map(|r| r.average))
        };
        assert_eq!(held(None, None).unwrap(), Some(10_000));
        assert_eq!(held(Some("slow"), None).unwrap(), Some(10_000));
        assert_eq!(held(Some("free"), None).unwrap(), None);
        assert_eq!(held(None, Some(20)).unwrap(), Some(20_000));
        let why = held(Some("none"), None).unwrap_err().to_string();
        assert!(why.contains("the network quay has no <portgroup> called none"), "{why}");
    }

    #[test]
    fn name_servers_on_a_loopback_are_left_out() {
        let text = resolv_conf(&host(), false);
        assert_eq!(text.as_str(), "nameserver 192.0.2.1\nsearch example.org\n");
        assert_eq!(resolv_conf(&host(), true).as_str(), "nameserver 127.0.0.53\n");
        let nothing = Host {
            resolv: vec!["nameserver ::1\n".into()],
            ..host()
        };
        assert!(resolv_conf(&nothing, false).as_str().starts_with('#'));
    }
}
