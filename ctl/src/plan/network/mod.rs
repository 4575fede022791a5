//! The network of a container: its addresses on a network of ours, and the links that a domain describes. Pure.

mod bandwidth;
mod files;
mod names;
mod publish;
mod side;

pub use crate::network::DEFAULT;
pub use files::{hosts, resolv_conf};
pub use names::{free_guest, free_host};
pub use publish::check_publish;

use super::Lot;
use crate::domain::lent::Wanted;
use crate::domain::{self, Attached, Interface};
use crate::error::{Error, Outcome};
use crate::network::{Network, none};
use bandwidth::bandwidth;
use names::{host_link, link_name};
use side::{memberships, side};
use std::net::IpAddr;
use wire::ContainerName;
use wire::launcher::{Outward, Plan, Step};
use wire::netd::{Address, Bridge, Firewall, Found, HostSide, Lent, Link, Publish, Route};
use wire::network::{is_on, within};

const fn own(address: IpAddr, prefix: u8) -> Address {
    Address {
        address,
        prefix,
        peer: None,
    }
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
    /// What its network calls others, for the same.
    pub others: Vec<(IpAddr, Vec<String>)>,
    /// The networks that call them so.
    pub naming: Vec<String>,
    /// The domain of its network, for that and its `/etc/resolv.conf`.
    pub domain: Option<String>,
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
            side => {
                let its = interface.vlan.as_ref().or_else(|| group?.vlan.as_ref());
                memberships(side, its.or_else(|| network?.vlan.as_ref()))?
            }
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
            isolated: interface.isolated == Some(true) || network.is_some_and(|n| n.isolated == Some(true)),
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
        if let Some(network) = network {
            if !network.dns.hosts.is_empty() {
                wiring.naming.push(network.name.to_string());
            }
            wiring.others.extend(network.dns.hosts.iter().cloned());
            let domain = network.domain.as_ref().map(|d| d.name.clone());
            wiring.domain = wiring.domain.or(domain);
        }
        wiring.own.extend(link.addresses.iter().map(|a| a.address));
        wiring.links.push(link);
    }
    Ok(wiring)
}

/// The link by `pasta` that one of these interfaces describes; it is a container's only one. Whether it is an ordinary user's is known later.
pub fn outward(interfaces: &[Interface], others: bool) -> Outcome<Option<Outward>> {
    let Some(interface) = interfaces.iter().find(|i| i.attached == Attached::User) else {
        return Ok(None);
    };
    if interfaces.len() > 1 || others {
        return Err(Error::caller(
            "an interface of type user is a container's only one: two ways out would contradict each other",
        ));
    }
    let mac = interface.mac.map(|mac| mac.bytes());
    Ok(Some(Outward {
        guest: interface.guest.clone().map_or_else(|| link_name("eth0"), Ok)?,
        mac: mac.ok_or_else(|| Error::Bug("an interface has no hardware address".into()))?,
    }))
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
    let found = found.ok_or_else(|| none(name, &names()))?;
    match found.hindrance() {
        Some(why) => Err(Error::caller(why)),
        None => Ok(Some(found)),
    }
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
            link.addresses.extend(given.map(|a| own(a, subnet.net.prefix())));
        }
    }
    for given in &link.addresses {
        if !is_on(bridge, given.address) {
            let all: Vec<String> = network
                .subnets
                .iter()
                .map(|s| format!("{}/{}", s.net.address, s.net.prefix()))
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
        // Of several networks of one family it is the first in which the container has an address.
        let reached = |v4: bool| {
            let mut nets = network
                .subnets
                .iter()
                .map(|s| s.net)
                .filter(|n| n.address.is_ipv4() == v4);
            nets.find(|n| link.addresses.iter().any(|a| within(a.address, n.address, n.prefix())))
        };
        let gateways = [true, false].into_iter().filter_map(reached);
        link.routes = gateways.map(|n| route(&domain::Route::default_by(n.address))).collect();
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

#[cfg(test)]
mod tests {
    use super::super::testing::lot;
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
}
