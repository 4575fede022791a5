//! Bridges: ours, which are made where they are missing and removed where they have no port, and others, which must be there.
//! May touch: links whose name begins as those of our bridges do.

use crate::decode::{self, Link};
use crate::judge::{Judged, OurBridge};
use crate::netlink::{Denied, Netlink};
use crate::reached;
use crate::request;
use crate::undo::Made;
use nix::errno::Errno;
use std::net::{IpAddr, Ipv6Addr};
use wire::netd::{Address, Bridge};
use wire::{Failure, LinkName};

/// How often a list of ports is asked for that changes while it is read.
const ATTEMPTS: usize = 16;
/// The link-local address of each bridge of ours: a router asks for neighbours from it.
const LINK_LOCAL: Address = Address {
    address: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    prefix: 64,
    peer: None,
};

/// The link of this name, if there is one. The kernel finds one that is also called so, too; whoever has that may have chosen it.
pub fn find(host: &mut Netlink, name: &LinkName) -> Result<Option<Link>, Failure> {
    let what = || format!("look for the link {name}");
    match host.ask(&request::get_link(name)) {
        Ok(bodies) => {
            let body = bodies.first().ok_or_else(|| Denied::Garbled.during(&what()))?;
            decode::link(body)
                .map(|link| Some(link).filter(|link| link.name == name.as_str()))
                .map_err(|e| Denied::from(e).during(&what()))
        }
        Err(Denied::Kernel(Errno::ENODEV)) => Ok(None),
        Err(denied) => Err(denied.during(&what())),
    }
}

/// The number of a bridge that must be there.
pub fn existing(host: &mut Netlink, name: &LinkName) -> Result<u32, Failure> {
    there(host, name).map(|link| link.index)
}

/// A bridge that must be there.
pub fn there(host: &mut Netlink, name: &LinkName) -> Result<Link, Failure> {
    match find(host, name)? {
        None => Err(Failure::caller(&format!(
            "use the bridge {name}: there is none of that name"
        ))),
        Some(link) if link.kind != "bridge" => Err(Failure::caller(&format!(
            "use the bridge {name}: the link of that name is no bridge"
        ))),
        Some(link) => Ok(link),
    }
}

/// A hardware address that does not follow the ports', the same at every start: locally administered, then "lzr", then the name's sum.
fn address_of(name: &LinkName) -> [u8; 6] {
    let sum = name
        .as_str()
        .bytes()
        .fold(0u16, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    let [high, low] = sum.to_be_bytes();
    [0x02, b'l', b'z', b'r', high, low]
}

/// The number of a bridge of ours, made if it is not there, with its addresses, up. Several starts may do this at once: what another
/// one has just done counts as done. Somebody else's of that name, or one that is not as it is to be, is refused.
pub fn ours(host: &mut Netlink, bridge: &Bridge, made: &mut Made) -> Result<u32, Failure> {
    let name = &bridge.name;
    let mac = bridge.mac.unwrap_or_else(|| address_of(name));
    let fresh = match host.ask(&request::new_bridge(bridge, mac)) {
        Ok(_) => {
            made.bridge(name);
            true
        }
        Err(Denied::Kernel(Errno::EEXIST)) => false,
        Err(denied) => return Err(denied.during(&format!("make the bridge {name}"))),
    };
    let link = there(host, name)?;
    let has = match fresh {
        true => Vec::new(),
        false => as_asked(host, bridge, &link, mac)?,
    };
    let index = link.index;
    // What it has was looked for when it was given, and every start on it comes by here.
    let new = bridge.addresses.iter().filter(|a| !has.contains(a));
    reached::refuse(host, bridge, new, index)?;
    no_own_address(host, index, name)?;
    host.order(&request::up(index), || format!("raise the bridge {name}"))?;
    let mut given = Vec::new();
    for address in wanted(bridge) {
        match give(host, index, name, address) {
            Ok(true) => given.push(address),
            Ok(false) => {}
            Err(failure) => {
                // The reason is what counts.
                for address in given {
                    let _ = host.ask(&request::remove_address(index, address));
                }
                return Err(failure);
            }
        }
    }
    Ok(index)
}

/// The addresses that a bridge of ours is to have.
fn wanted(bridge: &Bridge) -> impl Iterator<Item = &Address> {
    let v6 = bridge.addresses.iter().any(|a| a.address.is_ipv6());
    bridge.addresses.iter().chain(v6.then_some(&LINK_LOCAL))
}

/// Whether a bridge is one that was made here.
fn is_ours(link: &Link) -> bool {
    link.group == request::OURS
}

/// The addresses of a bridge that is there; refused if it is not what is asked for, since the host would answer at whatever addresses it has.
fn as_asked(host: &mut Netlink, bridge: &Bridge, link: &Link, mac: [u8; 6]) -> Result<Vec<Address>, Failure> {
    let name = &bridge.name;
    let refuse = |why: String| Err(Failure::caller(&format!("use the bridge {name}: {why}")));
    if !is_ours(link) {
        return refuse(format!(
            "somebody else made it, or a Lazaret of long ago (`ip link delete {name}`)"
        ));
    }
    let spanning = bridge.stp.then_some(bridge.delay.saturating_mul(100));
    if link.mac != mac || link.spanning != spanning {
        return refuse("it is there, with another hardware address, stp or delay than its network has".into());
    }
    let what = || format!("list the addresses of {name}");
    let its = |body: &[u8]| decode::address(body).map_or(true, |found| found.is_some_and(|(on, _)| on == link.index));
    let bodies = host.list(&request::get_addresses(), its);
    let mut all = Vec::new();
    for body in bodies.map_err(|denied| denied.during(&what()))? {
        let found = decode::address(&body).map_err(|e| Denied::from(e).during(&what()))?;
        let Some((_, has)) = found else { continue };
        if wanted(bridge).all(|a| *a != has) {
            return refuse(format!(
                "it is there, with the address {}/{}, which its network has not",
                has.address, has.prefix
            ));
        }
        all.push(has);
    }
    Ok(all)
}

/// The link makes itself no IPv6 address, where the host has IPv6 at all.
pub fn no_own_address(host: &mut Netlink, index: u32, name: &LinkName) -> Result<(), Failure> {
    match host.ask(&request::no_own_address(index)) {
        Ok(_) | Err(Denied::Kernel(Errno::EAFNOSUPPORT)) => Ok(()),
        Err(denied) => Err(denied.during(&format!("keep {name} from giving itself addresses"))),
    }
}

/// Gives a link an address that it may have already; says whether it had not.
pub fn give(netlink: &mut Netlink, index: u32, name: &LinkName, address: &Address) -> Result<bool, Failure> {
    match netlink.ask(&request::new_address(index, address)) {
        Ok(_) => Ok(true),
        Err(Denied::Kernel(Errno::EEXIST)) => Ok(false),
        Err(denied) => Err(denied.during(&format!(
            "give {name} the address {}/{}",
            address.address, address.prefix
        ))),
    }
}

fn has_ports(host: &mut Netlink, index: u32) -> Result<bool, Denied> {
    for _ in 0..ATTEMPTS {
        match host.ask(&request::get_ports(index)) {
            Ok(bodies) => {
                let links: Result<Vec<Link>, _> = bodies.iter().map(|b| decode::link(b)).collect();
                return Ok(links?.iter().any(|l| l.master == Some(index)));
            }
            Err(Denied::Kernel(Errno::EINTR)) => {}
            Err(denied) => return Err(denied),
        }
    }
    // Links come and go all the time: somebody uses it.
    Ok(true)
}

/// The note on a bridge that stays without a port: the kernel keeps it, whoever of ours is killed.
const KEPT: &str = "lazaret: a network that was started";

/// Makes a bridge of ours that stays without a port.
pub fn keep(host: &mut Netlink, bridge: &Judged<Bridge>) -> Result<(), Failure> {
    let bridge = bridge.get();
    let mut made = Made::default();
    let noted = ours(host, bridge, &mut made).and_then(|index| {
        host.order(&request::note(index, KEPT), || {
            format!("keep the bridge {}", bridge.name)
        })
    });
    noted.map_err(|failure| made.take_back(host, failure))
}

/// Removes such a bridge unless it has a port; says whether none of ours is there.
pub fn end(host: &mut Netlink, bridge: &Judged<OurBridge>) -> Result<bool, Failure> {
    let OurBridge(name) = bridge.get();
    unused(host, name, true)
}

/// Removes a bridge of ours unless it has a port; says whether none of ours is there.
pub fn remove(host: &mut Netlink, bridge: &Judged<OurBridge>) -> Result<bool, Failure> {
    let OurBridge(name) = bridge.get();
    remove_unused(host, name)
}

/// Removes a bridge that a judged request named, unless it has a port or stays without one.
pub fn remove_unused(host: &mut Netlink, name: &LinkName) -> Result<bool, Failure> {
    unused(host, name, false)
}

fn unused(host: &mut Netlink, name: &LinkName, kept: bool) -> Result<bool, Failure> {
    let Some(link) = find(host, name)? else {
        return Ok(true);
    };
    if link.kind != "bridge" {
        return Err(Failure::caller(&format!(
            "remove the bridge {name}: the link of that name is no bridge"
        )));
    }
    // Whoever made it removes it.
    if !is_ours(&link) {
        return Ok(true);
    }
    if link.note == KEPT && !kept {
        return Ok(false);
    }
    let what = format!("remove the bridge {name}");
    if has_ports(host, link.index).map_err(|denied| denied.during(&what))? {
        return Ok(false);
    }
    match host.ask(&request::remove_link(link.index)) {
        Ok(_) | Err(Denied::Kernel(Errno::ENODEV)) => Ok(true),
        Err(denied) => Err(denied.during(&what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_has_a_unicast_address_of_its_own() {
        let of = |name| address_of(&LinkName::new(name).unwrap());
        assert_eq!(of("lzr0")[0] & 3, 2);
        assert_eq!(of("lzr0"), of("lzr0"));
        assert_ne!(of("lzr0"), of("lzr1"));
    }
}
