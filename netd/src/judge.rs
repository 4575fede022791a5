//! May this be done? What passes is returned as a value that only the acting code accepts. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use wire::netd::{
    Address, Bandwidth, Bridge, Firewall, HostSide, LINK_FLAGS, Lent, Link, Membership, Publish, Rate, Route, Through,
};
use wire::{Failure, LinkName};

/// The most links of one container.
const LINKS: usize = 16;
/// The most addresses of one link, or of a bridge.
const ADDRESSES: usize = 16;
/// The most routes of one link.
const ROUTES: usize = 64;
/// Bytes of the longest packet: what IPv4 needs at least, and what a link can have at most (linux/if_ether.h).
const MTU: std::ops::RangeInclusive<u32> = 68..=65_535;
/// Seconds that a bridge's ports wait at most (IEEE 802.1D).
const DELAY: u32 = 30;
/// Seconds that they wait at least where it looks for loops: the kernel would make it so.
const STP_DELAY: u32 = 2;
/// The longest that a burst may take at the average, in seconds: what the kernel can count (linux/pkt_sched.h).
const BURST: u32 = 274;
/// The most other names of a link that is lent.
pub const NAMES: usize = 8;
/// The most VLANs that one port is a member of.
const VLANS: usize = 64;
/// The most published ports of one container.
const PUBLISHED: usize = 64;
/// How the name of a bridge of ours begins.
const BRIDGE_PREFIX: &str = "lzr";
/// How the names of all links of ours begin.
const LINK_PREFIX: &str = "lz";

/// Something that may be done.
#[derive(Debug)]
pub struct Judged<T>(T);

impl<T> Judged<T> {
    /// What was judged.
    pub const fn get(&self) -> &T {
        &self.0
    }
}

/// A bridge of ours.
#[derive(Debug)]
pub struct OurBridge(pub LinkName);

/// A link of ours, to be removed.
#[derive(Debug)]
pub struct OurLink(pub LinkName);

/// A link that is made with its rules.
#[derive(Debug)]
pub struct Joined(pub Link);

fn refuse<T>(what: impl AsRef<str>) -> Result<T, Failure> {
    Err(Failure::caller(what.as_ref()))
}

/// Judges a container's links.
pub fn links(links: Vec<Link>) -> Result<Judged<Vec<Link>>, Failure> {
    if links.is_empty() || links.len() > LINKS {
        return refuse(format!("make {} links: it must be 1 to {LINKS}", links.len()));
    }
    let (mut hosts, mut guests) = (BTreeSet::new(), BTreeSet::new());
    for link in &links {
        one_link(link)?;
        if !hosts.insert(&link.host) || !guests.insert(&link.guest) {
            return refuse(format!(
                "make the link {}: another link of the container has a name of its",
                link.host
            ));
        }
    }
    Ok(Judged(links))
}

/// Judges a link that comes with rules, which are its own: a port of a bridge of ours.
pub fn joined(link: Link, firewall: Option<&Firewall>) -> Result<Judged<Joined>, Failure> {
    one_link(&link)?;
    let HostSide::Network(bridge) = &link.side else {
        return refuse(format!(
            "join the link {}: it is no port of a bridge of ours",
            link.host
        ));
    };
    if firewall.is_some_and(|f| f.link != link.host || f.bridge != bridge.name) {
        return refuse(format!("join the link {}: its rules are another one's", link.host));
    }
    Ok(Judged(Joined(link)))
}

fn one_link(link: &Link) -> Result<(), Failure> {
    let subject = format!("make the link {}", link.host);
    let Link {
        host,
        guest,
        mac,
        side,
        addresses: inside,
        routes,
        up,
        mtu,
        isolated,
        bandwidth,
        vlans,
        outside: led,
    } = link;
    ordinary_name(host)?;
    ordinary_name(guest)?;
    if host.as_str().starts_with(BRIDGE_PREFIX) {
        return refuse(format!(
            "{subject}: names that begin with {BRIDGE_PREFIX} are those of bridges"
        ));
    }
    // An ipvlan has that of the link that it lies on.
    let none = matches!(side, HostSide::Ipvlan { .. });
    if mac.first().is_some_and(|b| b & 1 != 0) || (*mac == [0; 6]) != none {
        return refuse(format!("{subject}: its hardware address is none that a link can have"));
    }
    addresses(&subject, inside)?;
    match side {
        HostSide::Network(bridge) => own_bridge(bridge)?,
        HostSide::Bridge(name) => ordinary_name(name)?,
        HostSide::Alone(outside) => addresses(&subject, outside)?,
        HostSide::Direct { .. } | HostSide::Vlan { .. } | HostSide::Ipvlan { .. }
            if !host.as_str().starts_with(LINK_PREFIX) =>
        {
            return refuse(format!(
                "{subject}: what lies on a link of the host's is born under a name that begins with {LINK_PREFIX}"
            ));
        }
        HostSide::Vlan { id, .. } if !is_vlan(*id) => {
            return refuse(format!("{subject}: there is no VLAN {id}"));
        }
        HostSide::Direct { parent, mode: _ } | HostSide::Vlan { parent, id: _ } | HostSide::Ipvlan { parent, .. } => {
            parent_of(parent)?;
        }
    }
    carried(&subject, side, bandwidth)?;
    memberships(&subject, side, vlans)?;
    if !led.is_empty() && (!matches!(side, HostSide::Alone(_)) || led.len() > ROUTES) {
        return refuse(format!(
            "{subject}: the host leads more than {ROUTES} routes over it, or it does not stand alone there"
        ));
    }
    led.iter().try_for_each(|r| route(&subject, r))?;
    if mtu.is_some_and(|bytes| !MTU.contains(&bytes)) {
        return refuse(format!(
            "{subject}: its longest packet must have {} to {} bytes",
            MTU.start(),
            MTU.end()
        ));
    }
    if *isolated && !matches!(side, HostSide::Network(_) | HostSide::Bridge(_)) {
        return refuse(format!("{subject}: only a port of a bridge can be isolated"));
    }
    if routes.len() > ROUTES {
        return refuse(format!("{subject}: it has more than {ROUTES} routes"));
    }
    if !routes.is_empty() && !up && inside.is_empty() {
        return refuse(format!("{subject}: it has a route and stays down"));
    }
    routes.iter().try_for_each(|r| route(&subject, r))
}

/// Judges links of the host's that a container has, or is to have.
pub fn lent(links: Vec<Lent>) -> Result<Judged<Vec<Lent>>, Failure> {
    if links.is_empty() || links.len() > LINKS {
        return refuse(format!("lend {} links: it must be 1 to {LINKS}", links.len()));
    }
    let (mut names, mut guests) = (BTreeSet::new(), BTreeSet::new());
    for link in &links {
        let Lent {
            found,
            guest,
            addresses: inside,
            routes,
        } = link;
        let subject = format!("lend the link {}", found.name);
        lendable(&found.name)?;
        ordinary_name(guest)?;
        if !names.insert(&found.name) || !guests.insert(guest) {
            return refuse(format!("{subject}: another link of the container has a name of its"));
        }
        if !is_stations(found.mac) || !MTU.contains(&found.mtu) {
            return refuse(format!("{subject}: it is none that has the addresses of an Ethernet"));
        }
        if found.also.len() > NAMES || found.flags & !LINK_FLAGS != 0 {
            return refuse(format!("{subject}: it has other names or flags than are noted"));
        }
        addresses(&subject, inside)?;
        if routes.len() > ROUTES {
            return refuse(format!("{subject}: it has more than {ROUTES} routes"));
        }
        routes.iter().try_for_each(|r| route(&subject, r))?;
    }
    Ok(Judged(links))
}

/// Judges links of the host's that are to be looked at.
pub fn looked_at(links: Vec<LinkName>) -> Result<Judged<Vec<LinkName>>, Failure> {
    if links.len() > LINKS {
        return refuse(format!("look at more than {LINKS} links"));
    }
    links.iter().try_for_each(lendable)?;
    Ok(Judged(links))
}

/// A link that the host can be without.
fn lendable(name: &LinkName) -> Result<(), Failure> {
    ordinary_name(name)?;
    if name.as_str().starts_with(LINK_PREFIX) {
        return refuse(format!("lend the link {name}: it is one of ours"));
    }
    Ok(())
}

/// Whether there is a VLAN of this number (IEEE 802.1Q).
const fn is_vlan(id: u16) -> bool {
    id > 0 && id < 4095
}

/// What a link carries is held by its end on the host.
fn carried(subject: &str, side: &HostSide, bandwidth: &Bandwidth) -> Result<(), Failure> {
    let has_end = matches!(side, HostSide::Network(_) | HostSide::Bridge(_) | HostSide::Alone(_));
    let Bandwidth { inbound, outbound } = bandwidth;
    for Rate { average, peak, burst } in [inbound, outbound].into_iter().flatten() {
        if !has_end {
            return refuse(format!(
                "{subject}: it has no end on the host that could hold it to a rate"
            ));
        }
        if *average == 0 || *burst == 0 || peak.is_some_and(|p| p < *average) {
            return refuse(format!(
                "{subject}: {average} bytes in a second are no rate, or more than its peak"
            ));
        }
        if *burst > average.saturating_mul(BURST) {
            return refuse(format!(
                "{subject}: a burst of {burst} bytes is more than {BURST} s of {average} bytes in a second"
            ));
        }
    }
    Ok(())
}

fn memberships(subject: &str, side: &HostSide, vlans: &[Membership]) -> Result<(), Failure> {
    if !vlans.is_empty() && !matches!(side, HostSide::Bridge(_)) {
        return refuse(format!(
            "{subject}: only a port of a bridge of the host's is a member of VLANs"
        ));
    }
    let ids: BTreeSet<u16> = vlans.iter().map(|v| v.id).collect();
    let natives = vlans.iter().filter(|v| v.native).count();
    if ids.len() != vlans.len() || vlans.len() > VLANS || natives > 1 || !ids.iter().all(|id| is_vlan(*id)) {
        return refuse(format!(
            "{subject}: it is a member of a VLAN twice, of one that is none, or of more than {VLANS}"
        ));
    }
    Ok(())
}

/// Names that mean something else to the kernel's settings.
fn ordinary_name(name: &LinkName) -> Result<(), Failure> {
    if ["lo", "all", "default"].contains(&name.as_str()) {
        return refuse(format!("use the link name {name}: it is reserved"));
    }
    Ok(())
}

/// A macvlan lies on a link of the host's, not on one of ours.
fn parent_of(name: &LinkName) -> Result<(), Failure> {
    ordinary_name(name)?;
    if name.as_str().starts_with(LINK_PREFIX) {
        return refuse(format!("lay a link on {name}: it is one of ours"));
    }
    Ok(())
}

fn own_bridge(bridge: &Bridge) -> Result<(), Failure> {
    if !bridge.name.as_str().starts_with(BRIDGE_PREFIX) {
        return refuse(format!(
            "make the bridge {}: those of ours begin with {BRIDGE_PREFIX}",
            bridge.name
        ));
    }
    if bridge.mac.is_some_and(|mac| !is_stations(mac)) {
        return refuse(format!(
            "make the bridge {}: its hardware address is none that a link can have",
            bridge.name
        ));
    }
    if bridge.delay > DELAY || (bridge.stp && bridge.delay < STP_DELAY) {
        return refuse(format!(
            "make the bridge {}: its ports wait for {DELAY} s at most, and for {STP_DELAY} s at least where it looks for loops",
            bridge.name
        ));
    }
    addresses(&format!("make the bridge {}", bridge.name), &bridge.addresses)
}

/// Whether a hardware address is that of one station.
const fn is_stations(mac: [u8; 6]) -> bool {
    let [first, ..] = mac;
    first & 1 == 0 && !matches!(mac, [0, 0, 0, 0, 0, 0])
}

/// Judges a bridge that is to stay.
pub fn kept(bridge: Bridge) -> Result<Judged<Bridge>, Failure> {
    own_bridge(&bridge)?;
    Ok(Judged(bridge))
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether a link can have this address, or a packet come from it.
fn is_unicast(address: IpAddr) -> bool {
    let all = IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || address == all)
}

fn addresses(subject: &str, addresses: &[Address]) -> Result<(), Failure> {
    if addresses.len() > ADDRESSES {
        return refuse(format!("{subject}: it has more than {ADDRESSES} addresses"));
    }
    for Address { address, prefix, peer } in addresses {
        let peer_fits = peer.is_none_or(|p| p.is_ipv4() == address.is_ipv4() && is_unicast(p));
        if *prefix > bits(*address) || *prefix == 0 || !is_unicast(*address) || !peer_fits {
            return refuse(format!("{subject}: {address}/{prefix} is no address of a link"));
        }
    }
    Ok(())
}

/// Whether an address has bits beyond the prefix, so that it names no network.
fn passes_prefix(address: IpAddr, prefix: u8) -> bool {
    match address {
        IpAddr::V4(a) => u32::MAX
            .checked_shr(prefix.into())
            .is_some_and(|hosts| a.to_bits() & hosts != 0),
        IpAddr::V6(a) => u128::MAX
            .checked_shr(prefix.into())
            .is_some_and(|hosts| a.to_bits() & hosts != 0),
    }
}

fn route(subject: &str, route: &Route) -> Result<(), Failure> {
    let Route {
        destination,
        prefix,
        gateway,
        metric: _,
    } = route;
    let fits = *prefix <= bits(*destination)
        && destination.is_ipv4() == gateway.is_ipv4()
        && is_unicast(*gateway)
        && !destination.is_multicast()
        && !passes_prefix(*destination, *prefix);
    if !fits {
        return refuse(format!(
            "{subject}: {destination}/{prefix} through {gateway} is no route"
        ));
    }
    Ok(())
}

/// Judges a container's rules.
pub fn firewall(firewall: Firewall) -> Result<Judged<Firewall>, Failure> {
    let subject = format!("protect {}", firewall.name);
    let Firewall {
        name: _,
        bridge,
        link,
        v4,
        v6,
        publish,
        through,
    } = &firewall;
    if !bridge.as_str().starts_with(BRIDGE_PREFIX) || link.as_str().starts_with(BRIDGE_PREFIX) {
        return refuse(format!("{subject}: {bridge} is no bridge of ours, or {link} is one"));
    }
    ordinary_name(link)?;
    let own = [v4.map(IpAddr::V4), v6.map(IpAddr::V6)];
    if !own.into_iter().flatten().all(is_unicast) || v6.is_some_and(|a| a.to_ipv4_mapped().is_some()) {
        return refuse(format!("{subject}: it has an address that no link can have"));
    }
    if !publish.is_empty() && *through != Through::Translated {
        return refuse(format!(
            "{subject}: ports are published only where addresses are translated"
        ));
    }
    if publish.len() > PUBLISHED {
        return refuse(format!("{subject}: it publishes more than {PUBLISHED} ports"));
    }
    for (n, one) in publish.iter().enumerate() {
        published(&subject, one, v4.is_some(), v6.is_some())?;
        if publish
            .iter()
            .skip(n.saturating_add(1))
            .any(|other| collide(one, other))
        {
            return refuse(format!("{subject}: the host's port {} is published twice", one.host));
        }
    }
    Ok(Judged(firewall))
}

/// Whether a publication is for IPv4, and whether for IPv6: an unspecified address stands for every one of its family.
pub fn families(publish: &Publish) -> (bool, bool) {
    publish.address.map_or((true, true), |a| (a.is_ipv4(), a.is_ipv6()))
}

fn published(subject: &str, publish: &Publish, v4: bool, v6: bool) -> Result<(), Failure> {
    let (wants_v4, wants_v6) = families(publish);
    if publish.host == 0 || publish.container == 0 {
        return refuse(format!("{subject}: no port has the number 0"));
    }
    if !(wants_v4 && v4 || wants_v6 && v6) {
        return refuse(format!(
            "{subject}: it has no address of the kind that port {} is published on",
            publish.host
        ));
    }
    match publish.address {
        Some(a) if a.is_loopback() => refuse(format!(
            "publish port {} on {a}: what is sent there never leaves the loopback; name an address of a link, or none",
            publish.host
        )),
        Some(a) if !a.is_unspecified() && !is_unicast(a) => refuse(format!(
            "publish port {} on {a}: it is no address of a host",
            publish.host
        )),
        _ => Ok(()),
    }
}

fn collide(a: &Publish, b: &Publish) -> bool {
    let every = |p: &Publish| p.address.is_none_or(|a| a.is_unspecified());
    let (a4, a6) = families(a);
    let (b4, b6) = families(b);
    let meet = a.address == b.address || (a4 && b4 || a6 && b6) && (every(a) || every(b));
    a.host == b.host && a.udp == b.udp && meet
}

/// Judges whether a bridge is one of ours, which can be removed, or asked about.
pub fn bridge(name: LinkName) -> Result<Judged<OurBridge>, Failure> {
    if name.as_str().starts_with(BRIDGE_PREFIX) {
        return Ok(Judged(OurBridge(name)));
    }
    refuse(format!("touch {name}: a bridge of ours begins with {BRIDGE_PREFIX}"))
}

/// Judges the removal of a link.
pub fn link(name: LinkName) -> Result<Judged<OurLink>, Failure> {
    if name.as_str().starts_with(LINK_PREFIX) && !name.as_str().starts_with(BRIDGE_PREFIX) {
        return Ok(Judged(OurLink(name)));
    }
    refuse(format!(
        "remove {name}: a link of ours begins with {LINK_PREFIX}, and not with {BRIDGE_PREFIX}"
    ))
}

#[cfg(test)]
pub mod tests;
