//! A container's links: a veth whose other end is born in the container's network namespace, and what it needs on both sides; or a macvlan,
//! all of which is born there, as is a VLAN or an ipvlan.
//! May touch: links of the host that it makes, and the inside, through a socket that was opened there.

use crate::bridge;
use crate::decode;
use crate::disconnect;
use crate::encode::Message;
use crate::judge::{Joined, Judged, OurLink};
use crate::netlink::{Denied, Netlink, News};
use crate::request::{self, End, Upper};
use crate::undo::Made;
use crate::{member, shape};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use wire::netd::{HostSide, Link, Macvlan, Route};
use wire::{Failure, LinkName};

/// How often a bridge is made anew that somebody removed before it had its port.
const ATTEMPTS: usize = 4;

/// Makes every link, or none.
pub fn connect(
    host: &mut Netlink,
    inside: &mut Netlink,
    namespace: impl AsFd,
    links: &Judged<Vec<Link>>,
) -> Result<(), Failure> {
    let mut made = Made::default();
    for link in links.get() {
        if let Err(failure) = one(host, inside, namespace.as_fd(), link, &mut made) {
            return Err(made.take_back(host, failure));
        }
    }
    Ok(())
}

fn one(
    host: &mut Netlink,
    inside: &mut Netlink,
    namespace: BorrowedFd<'_>,
    link: &Link,
    made: &mut Made,
) -> Result<(), Failure> {
    if let Some((parent, upper)) = upper(&link.side) {
        let guest = on_parent(host, inside, namespace, (link, parent, upper), made)?;
        return within(inside, guest, link);
    }
    let (here, guest) = outside(host, namespace, link, made)?;
    raise(host, here, link)?;
    within(inside, guest, link)?;
    stays_connected(host, link, made)
}

/// Makes a link that carries nothing yet, since its end on the host is down; and, by `protect`, the rules that are in force before it does.
pub fn join<T>(
    host: &mut Netlink,
    namespace: impl AsFd,
    joined: &Judged<Joined>,
    protect: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut made = Made::default();
    let outside = outside(host, namespace.as_fd(), &joined.get().0, &mut made);
    outside
        .and_then(|_| protect())
        .map_err(|failure| made.take_back(host, failure))
}

/// Raises such a link. If that fails it is taken away with [`disconnect`].
pub fn raise_joined(host: &mut Netlink, inside: &mut Netlink, joined: &Judged<Joined>) -> Result<(), Failure> {
    let link = &joined.get().0;
    let gone = || Failure::caller(&format!("raise the link {}: it is not there", link.host));
    let found = bridge::find(host, &link.host)?
        .filter(|found| disconnect::is(found, link))
        .ok_or_else(gone)?;
    raise(host, found.index, link)?;
    within(inside, found.peer.ok_or_else(gone)?, link)?;
    stays_connected(host, link, &mut Made::default())
}

/// The link of the host's that one without an end of its own lies on, and what it is there.
const fn upper(side: &HostSide) -> Option<(&LinkName, Upper)> {
    match side {
        HostSide::Direct { parent, mode } => Some((parent, Upper::Macvlan(*mode))),
        HostSide::Vlan { parent, id } => Some((parent, Upper::Vlan(*id))),
        HostSide::Ipvlan {
            parent,
            mode,
            isolation,
        } => Some((parent, Upper::Ipvlan(*mode, *isolation))),
        HostSide::Network(_) | HostSide::Bridge(_) | HostSide::Alone(_) => None,
    }
}

/// The number of the bridge that the host's end is to be a port of.
fn master(host: &mut Netlink, link: &Link, made: &mut Made) -> Result<Option<u32>, Failure> {
    match &link.side {
        HostSide::Network(bridge) => bridge::ours(host, bridge, made).map(Some),
        HostSide::Bridge(name) => bridge::existing(host, name).map(Some),
        HostSide::Alone(_) | HostSide::Direct { .. } | HostSide::Vlan { .. } | HostSide::Ipvlan { .. } => Ok(None),
    }
}

/// Makes the macvlan, VLAN or ipvlan, which goes with its namespace; returns its number there. It is born under the name that a veth would have on the host: one
/// of ours, so that it is known, and taken back as ours, if the namespace turns out to be the host's.
fn on_parent(
    host: &mut Netlink,
    inside: &mut Netlink,
    namespace: BorrowedFd<'_>,
    (link, parent, upper): (&Link, &LinkName, Upper),
    made: &mut Made,
) -> Result<u32, Failure> {
    let (name, guest) = (&link.host, &link.guest);
    let what = format!("lay the link {guest} on {parent}");
    let refused = |why: &str| Failure::caller(&format!("{what}: {why}"));
    let found = bridge::find(host, parent)?.ok_or_else(|| refused("there is no link of that name"))?;
    if bridge::find(host, name)?.is_some() {
        return Err(refused(&format!("the host has a link called {name} already")));
    }
    let there = End {
        name,
        mac: link.mac,
        mtu: link.mtu,
    };
    // Nothing tells when the kernel has taken one away whose namespace has ended.
    let alone = "one that has a link to itself is the only one there, those that have just ended included";
    host.ask(&request::new_upper(found.index, there, upper, namespace))
        .map_err(|denied| match denied {
            Denied::Kernel(Errno::EOPNOTSUPP) => {
                denied.during(&format!("{what}: this kernel has no links of the kind"))
            }
            Denied::Kernel(Errno::EEXIST) if matches!(upper, Upper::Vlan(_)) => {
                denied.during(&format!("{what}: somebody has this VLAN of it"))
            }
            Denied::Kernel(Errno::EINVAL | Errno::EBUSY) if !matches!(upper, Upper::Vlan(_)) => {
                denied.during(&format!("{what}: {alone}"))
            }
            other => other.during(&what),
        })?;
    if let Some(here) = bridge::find(host, name)? {
        made.link(name, here.index);
        return Err(refused("the network namespace is the host's own"));
    }
    let born = bridge::find(inside, name)?.ok_or_else(|| refused("the socket belongs to another network namespace"))?;
    inside.order(&request::rename(born.index, guest), || {
        format!("call it {guest} inside")
    })?;
    Ok(born.index)
}

/// The hardware address of the host's end of a veth whose other one has this: a high one, so that a bridge that follows the lowest of its ports' keeps the
/// one it has.
pub const fn outer([_, a, b, c, d, e]: [u8; 6]) -> [u8; 6] {
    [0xfe, a, b, c, d, e]
}

/// Makes the veth, with what its end on the host has; returns the numbers of that end and of the other.
fn outside(host: &mut Netlink, namespace: BorrowedFd<'_>, link: &Link, made: &mut Made) -> Result<(u32, u32), Failure> {
    let name = &link.host;
    let what = format!("add the link {name}");
    let here = End {
        name,
        mac: outer(link.mac),
        mtu: link.mtu,
    };
    let there = End {
        name: &link.guest,
        mac: link.mac,
        mtu: link.mtu,
    };
    let mut attempts = 0..ATTEMPTS;
    loop {
        let master = master(host, link, made)?;
        match host.ask(&request::new_veth(here, master, there, namespace)) {
            Ok(_) => break,
            Err(Denied::Kernel(Errno::EINVAL | Errno::ENODEV))
                if matches!(link.side, HostSide::Network(_)) && attempts.next().is_some() => {}
            Err(denied) => return Err(denied.during(&what)),
        }
    }
    let garbled = || Denied::Garbled.during(&what);
    let found = bridge::find(host, name)?.ok_or_else(garbled)?;
    if found.mac != outer(link.mac) {
        return Err(Failure::caller(&format!(
            "{what}: it is gone already, and another one is there"
        )));
    }
    made.link(name, found.index);
    let (Some(peer), Some(_)) = (found.peer, found.peer_namespace) else {
        return Err(Failure::caller(&format!(
            "{what}: the network namespace is the host's own"
        )));
    };
    // Nothing of the host's has an address on a container's wire but the bridge, or what was asked for.
    bridge::no_own_address(host, found.index, name)?;
    if link.isolated {
        host.order(&request::isolate(found.index), || format!("isolate the link {name}"))?;
    }
    is_member(host, found.index, link)?;
    carries(host, found.index, link)?;
    if let HostSide::Alone(addresses) = &link.side {
        for address in addresses {
            bridge::give(host, found.index, name, address)?;
        }
    }
    Ok((found.index, peer))
}

/// Raises the end on the host.
fn raise(host: &mut Netlink, index: u32, link: &Link) -> Result<(), Failure> {
    host.order(&request::up(index), || format!("raise the link {}", link.host))?;
    leads(host, index, &link.outside, "on the host")
}

/// The host's end is a member of just these VLANs of its bridge.
fn is_member(host: &mut Netlink, port: u32, link: &Link) -> Result<(), Failure> {
    let (HostSide::Bridge(name), false) = (&link.side, link.vlans.is_empty()) else {
        return Ok(());
    };
    let what = format!("make {} a member of VLANs of {name}", link.host);
    let bridge = bridge::there(host, name)?;
    if !bridge.vlans.filters {
        return Err(Failure::caller(&format!(
            "{what}: it does not keep them apart (ip link set {name} type bridge vlan_filtering 1)"
        )));
    }
    if bridge.vlans.default != 0 {
        host.order(&member::leave(port, bridge.vlans.default), || what.clone())?;
    }
    for vlan in &link.vlans {
        host.order(&member::join(port, vlan), || what.clone())?;
    }
    Ok(())
}

/// The host's end carries as much as is asked for.
fn carries(host: &mut Netlink, index: u32, link: &Link) -> Result<(), Failure> {
    let mut hold = |what: &str, request: Message| {
        host.ask(&request).map(drop).map_err(|denied| {
            let lacks = matches!(denied, Denied::Kernel(Errno::ENOENT | Errno::EOPNOTSUPP));
            let why = if lacks {
                ": this kernel cannot (tc-htb(8), tc-police(8))"
            } else {
                ""
            };
            denied.during(&format!("hold what goes {what} by {} to a rate{why}", link.host))
        })
    };
    if let Some(rate) = &link.bandwidth.inbound {
        hold("to the container", shape::queue(index))?;
        hold("to the container", shape::class(index, rate))?;
    }
    if let Some(rate) = &link.bandwidth.outbound {
        hold("from the container", shape::entrance(index))?;
        hold("from the container", shape::police(index, rate))?;
    }
    Ok(())
}

/// These routes lead over the link.
pub fn leads(netlink: &mut Netlink, index: u32, routes: &[Route], place: &str) -> Result<(), Failure> {
    for route in routes {
        let Route {
            destination,
            prefix,
            gateway,
            ..
        } = route;
        netlink.order(&request::new_route(index, route), || {
            format!("lead {destination}/{prefix} through {gateway} {place}")
        })?;
    }
    Ok(())
}

/// Configures the inside: link first, because addresses and routes of a link that is down do not last.
fn within(inside: &mut Netlink, index: u32, link: &Link) -> Result<(), Failure> {
    let guest = &link.guest;
    let what = format!("find {guest} inside");
    let bodies = inside
        .ask(&request::get_link_by_index(index))
        .map_err(|denied| denied.during(&what))?;
    let body = bodies.first().ok_or_else(|| Denied::Garbled.during(&what))?;
    let found = decode::link(body).map_err(|e| Denied::from(e).during(&what))?;
    // One that has its parent to itself has its parent's address too.
    let inherits = matches!(
        &link.side,
        HostSide::Direct {
            mode: Macvlan::Passthrough,
            ..
        } | HostSide::Ipvlan { .. }
    );
    if found.name != guest.as_str() || (found.mac != link.mac && !inherits) {
        return Err(Failure::caller(&format!(
            "{what}: the socket belongs to another network namespace"
        )));
    }
    if link.up || !link.addresses.is_empty() {
        inside.order(&request::up(index), || format!("raise {guest} inside"))?;
    }
    for address in &link.addresses {
        bridge::give(inside, index, guest, address)?;
    }
    leads(inside, index, &link.routes, "inside")
}

/// A stop that saw our bridge without ports may have removed it while the link was made.
fn stays_connected(host: &mut Netlink, link: &Link, made: &mut Made) -> Result<(), Failure> {
    let HostSide::Network(bridge) = &link.side else {
        return Ok(());
    };
    let what = || format!("keep {} on the bridge {}", link.host, bridge.name);
    for _ in 0..ATTEMPTS {
        let found = bridge::find(host, &link.host)?.ok_or_else(|| Denied::Garbled.during(&what()))?;
        if found.master.is_some() {
            return Ok(());
        }
        let index = bridge::ours(host, bridge, made)?;
        match host.ask(&request::enslave(found.index, index)) {
            Ok(_) if link.isolated => {
                host.order(&request::isolate(found.index), || format!("isolate {}", link.host))?
            }
            Ok(_) | Err(Denied::Kernel(Errno::EINVAL | Errno::ENODEV)) => {}
            Err(denied) => return Err(denied.during(&what())),
        }
    }
    Err(Failure::caller(&format!("{}: it is removed again and again", what())))
}

/// The hardware address of a veth's other end, wherever that is.
pub fn other_end(host: &mut Netlink, name: &LinkName) -> Result<[u8; 6], Failure> {
    let what = format!("find the other end of {name}");
    let Some(found) = bridge::find(host, name)? else {
        return Err(Failure::caller(&format!("{what}: there is no link of that name")));
    };
    let (Some(peer), Some(namespace)) = (found.peer, found.peer_namespace) else {
        return Err(Failure::caller(&format!("{what}: it does not lead to a container")));
    };
    let bodies = host
        .ask(&request::get_link_in(namespace, peer))
        .map_err(|denied| denied.during(&what))?;
    let body = bodies.first().ok_or_else(|| Denied::Garbled.during(&what))?;
    let link = decode::link(body).map_err(|e| Denied::from(e).during(&what))?;
    link.mac.try_into().map_err(|_| Denied::Garbled.during(&what))
}

/// How long is waited for a link to go with its container's namespace. Who asks for its removal waits for the kernel's callbacks of all kinds, some 15 ms;
/// a thread of the kernel's cleans a namespace that ends, whose links are gone after some 3 ms where no other one is before it. One that somebody else
/// keeps does not end.
const WITH_ITS_NAMESPACE: Duration = Duration::from_millis(10);

/// Removes a link of ours, if it is there. It is gone afterwards.
pub fn remove(host: &mut Netlink, link: &Judged<OurLink>) -> Result<bool, Failure> {
    let OurLink(name) = link.get();
    let denied = |denied: Denied| denied.during(&format!("remove the link {name}"));
    let news = News::listen().map_err(denied)?;
    let until = Instant::now().checked_add(WITH_ITS_NAMESPACE);
    while let Some(found) = bridge::find(host, name)? {
        if !matches!(found.kind.as_str(), "veth" | "macvlan" | "vlan" | "ipvlan") {
            return Err(Failure::caller(&format!(
                "remove the link {name}: it is none of the kinds that are made"
            )));
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => news.wait(left).map_err(denied)?,
            _ => {
                return match host.ask(&request::remove_link(found.index)) {
                    Ok(_) | Err(Denied::Kernel(Errno::ENODEV)) => Ok(true),
                    Err(why) => Err(denied(why)),
                };
            }
        }
    }
    Ok(true)
}
