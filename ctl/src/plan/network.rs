//! The network of a container: the default one's addresses, and the links that a domain describes. Pure.

use super::{Host, Lot, fit};
use crate::domain::{self, Attached, Interface, Mode};
use crate::error::{Error, Outcome};
use crate::escape::escape;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::init::Container;
use wire::netd::{Address, Bandwidth, Bridge, Firewall, HostSide, Link, Macvlan, Membership, Publish, Rate, Route};
use wire::network::{BRIDGE, GATEWAY_V4, GATEWAY_V6, is_containers};
use wire::{ContainerName, LinkName, Text};

/// The only network there is.
pub const DEFAULT: &str = "default";

/// The addresses that the default network gives to a slot: the slot's number and 2 in the last 16 bits.
pub fn addresses(slot: u32) -> Outcome<(Ipv4Addr, Ipv6Addr)> {
    let number = slot
        .checked_add(2)
        .and_then(|n| u16::try_from(n).ok())
        .filter(|n| *n != u16::MAX);
    let number = number.ok_or_else(|| Error::caller("the default network has no address left"))?;
    let [high, low] = number.to_be_bytes();
    Ok((
        Ipv4Addr::new(10, 209, high, low),
        Ipv6Addr::new(0xfd6c, 0x7a72, 0, 0, 0, 0, 0, number),
    ))
}

const fn own(address: IpAddr, prefix: u8) -> Address {
    Address {
        address,
        prefix,
        peer: None,
    }
}

/// The bridge of the default network, with its addresses.
pub fn bridge() -> Outcome<Bridge> {
    wire::network::bridge().ok_or_else(|| Error::Bug("the default network has no name".into()))
}

fn link_name(name: &str) -> Outcome<LinkName> {
    LinkName::new(name).map_err(|e| Error::caller(format!("the link name {name} is refused: {e}")))
}

fn host_link(slot: u32, number: usize) -> Outcome<LinkName> {
    link_name(&if number == 0 {
        format!("lzv{slot}")
    } else {
        format!("lzv{slot}-{number}")
    })
}

/// Links, and the table that goes with the default network.
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
        let side = side(interface)?;
        let vlans = match &side {
            HostSide::Vlan { .. } => Vec::new(),
            side => memberships(side, interface.vlan.as_ref())?,
        };
        let mut link = Link {
            host,
            guest,
            mac,
            side,
            addresses: interface.addresses.iter().map(address).collect(),
            routes: interface.routes.iter().map(route).collect(),
            up: interface.is_up(),
            mtu: interface.mtu,
            isolated: interface.isolated == Some(true),
            bandwidth: bandwidth(interface)?,
            vlans,
            outside,
        };
        if matches!(link.side, HostSide::Network(_)) {
            if wiring.firewall.is_some() {
                return Err(Error::caller(
                    "two interfaces are on the network 'default'; a container has at most one there",
                ));
            }
            give_addresses(&mut link, interface, lot)?;
            wiring.firewall = Some(table(name, &link, publish.clone())?);
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

fn side(interface: &Interface) -> Outcome<HostSide> {
    match &interface.attached {
        Attached::Network(name) if name == DEFAULT => Ok(HostSide::Network(bridge()?)),
        Attached::Network(name) => Err(Error::caller(format!(
            "there is no network {}; the only one is {DEFAULT}",
            escape(name)
        ))),
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
fn bandwidth(interface: &Interface) -> Outcome<Bandwidth> {
    let domain::Bandwidth { inbound, outbound, .. } = interface.bandwidth;
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
    Ok(Rate {
        average: bytes(average, 1000)?,
        peak: rate.peak.map(|peak| bytes(peak, 1000)).transpose()?,
        burst: bytes(rate.burst.unwrap_or(average), 1024)?,
    })
}

/// Gives the slot's addresses and default routes where the document gives none. Addresses that it does give must lie in the network.
fn give_addresses(link: &mut Link, interface: &Interface, lot: &Lot) -> Outcome<()> {
    link.up = interface.link != Some(domain::LinkState::Down);
    if link.addresses.is_empty() && link.up {
        let (v4, v6) = addresses(lot.slot)?;
        link.addresses = vec![own(IpAddr::V4(v4), GATEWAY_V4.1), own(IpAddr::V6(v6), GATEWAY_V6.1)];
    }
    for given in &link.addresses {
        if !is_containers(given.address) {
            return Err(Error::caller(format!(
                "the address {} does not lie in the network {DEFAULT}, {}/{} and {}/{}",
                given.address, GATEWAY_V4.0, GATEWAY_V4.1, GATEWAY_V6.0, GATEWAY_V6.1
            )));
        }
    }
    if link.routes.is_empty() {
        let families = |v4: bool| link.addresses.iter().any(|a| a.address.is_ipv4() == v4);
        let unspecified = [
            (true, IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(GATEWAY_V4.0)),
            (false, IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(GATEWAY_V6.0)),
        ];
        let routes: Vec<Route> = unspecified
            .into_iter()
            .filter(|(v4, _, _)| families(*v4))
            .map(|(_, destination, gateway)| Route {
                destination,
                prefix: 0,
                gateway,
                metric: None,
            })
            .collect();
        link.routes = routes;
    }
    Ok(())
}

fn table(name: &ContainerName, link: &Link, publish: Vec<Publish>) -> Outcome<Firewall> {
    let v4 = link
        .addresses
        .iter()
        .find_map(|a| if let IpAddr::V4(a) = a.address { Some(a) } else { None });
    let v6 = link
        .addresses
        .iter()
        .find_map(|a| if let IpAddr::V6(a) = a.address { Some(a) } else { None });
    Ok(Firewall {
        name: name.clone(),
        bridge: link_name(BRIDGE)?,
        link: link.host.clone(),
        v4,
        v6,
        publish,
    })
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
    if !publish.is_empty() && wiring.firewall.is_none() {
        let kind = if container.host_network { "the host's" } else { "none" };
        return Err(Error::caller(format!(
            "ports are published on the network {DEFAULT} only, and the network is {kind}"
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
    fn the_default_network_gives_addresses_by_slot() {
        let (v4, v6) = addresses(0).unwrap();
        assert_eq!(
            (v4.to_string(), v6.to_string()),
            ("10.209.0.2".into(), "fd6c:7a72::2".into())
        );
        assert_eq!(addresses(254).unwrap().0.to_string(), "10.209.1.0");
        assert!(addresses(65533).is_err() && addresses(u32::MAX).is_err());
    }

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
