//! Requests about links, addresses and routes, as rtnetlink messages (rtnetlink(7), linux/if_link.h, linux/if_addr.h). Pure.

use crate::encode::{Attributes, CREATE, DUMP, EXCLUSIVE, Message};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use wire::LinkName;
use wire::netd::{Address, Bridge, Ipvlan, Isolation, Macvlan, Route};

const NEW_LINK: u16 = 16;
const REMOVE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const REMOVE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const REMOVE_PROPERTY: u16 = 109;
const GET_ROUTE: u16 = 26;

const MAC: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const QUEUE: u16 = 13;
const INFO: u16 = 18;
const AF_SPEC: u16 = 26;
const NOTE: u16 = 20;
const GROUP: u16 = 27;
const NAMESPACE_FD: u16 = 28;
const MASK: u16 = 29;
const TARGET_NAMESPACE: u16 = 46;
const PROPERTIES: u16 = 52;
const OTHER_NAME: u16 = 53;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_PORT_KIND: u16 = 4;
const INFO_PORT_DATA: u16 = 5;
const PORT_ISOLATED: u16 = 33;
const MACVLAN_MODE: u16 = 1;
const VLAN_ID: u16 = 1;
const IPVLAN_MODE: u16 = 1;
const IPVLAN_FLAGS: u16 = 2;
const VETH_PEER: u16 = 1;
const BRIDGE_DELAY: u16 = 1;
const BRIDGE_STP: u16 = 5;
const BRIDGE_SNOOPING: u16 = 23;
const V6_GENERATION: u16 = 8;

/// The group of links that every bridge of ours is in, and every end of a container's on the host: "lzr", as a number. Unlike a note, a link is
/// born in it.
pub const OURS: u32 = 0x006c_7a72;

const UP: u32 = 1;
const V4: u8 = 2;
const V6: u8 = 10;

/// `struct ifinfomsg`.
fn link_fixed(index: u32, flags: u32) -> [u8; 16] {
    link_changing(index, flags, flags)
}

/// The same, where these flags of all are meant.
fn link_changing(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut fixed = [0; 16];
    let words = [0, index, flags, change];
    for (at, word) in fixed.chunks_exact_mut(4).zip(words) {
        at.copy_from_slice(&word.to_ne_bytes());
    }
    fixed
}

/// The link of this name.
pub fn get_link(name: &LinkName) -> Message {
    Message::new(
        GET_LINK,
        0,
        &link_fixed(0, 0),
        Attributes::new().text(NAME, name.as_str()),
    )
    .acknowledged()
}

/// The link of this number.
pub fn get_link_by_index(index: u32) -> Message {
    Message::new(GET_LINK, 0, &link_fixed(index, 0), Attributes::new()).acknowledged()
}

/// The link of this number in another namespace.
pub fn get_link_in(namespace: u32, index: u32) -> Message {
    let attributes = Attributes::new().number(TARGET_NAMESPACE, namespace);
    Message::new(GET_LINK, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// Every link, without its statistics. Only where something is said of what is wanted the kernel makes room for the longest answer (`rtnl_calcit` in
/// linux/net/core/rtnetlink.c), and a link has as many other names as its owner likes.
pub fn get_links() -> Message {
    const WITHOUT_STATISTICS: u32 = 8;
    let attributes = Attributes::new().number(MASK, WITHOUT_STATISTICS);
    Message::new(GET_LINK, DUMP, &link_fixed(0, 0), attributes)
}

/// Every port of a bridge.
pub fn get_ports(bridge: u32) -> Message {
    Message::new(
        GET_LINK,
        DUMP,
        &link_fixed(0, 0),
        Attributes::new().number(MASTER, bridge),
    )
}

/// A new bridge of ours that is down, with an address that no port changes. It does not look into multicast.
pub fn new_bridge(bridge: &Bridge, mac: [u8; 6]) -> Message {
    // The kernel counts in hundredths of a second.
    let delay = bridge.delay.saturating_mul(100);
    let data = Attributes::new()
        .maybe(Some(delay).filter(|_| bridge.stp), |a, delay| {
            a.number(BRIDGE_DELAY, delay)
        })
        .maybe(bridge.stp.then_some(1), |a, on| a.number(BRIDGE_STP, on))
        .bytes(BRIDGE_SNOOPING, &[0]);
    let name = &bridge.name;
    let info = Attributes::new().text(INFO_KIND, "bridge").nest(INFO_DATA, data);
    let attributes = Attributes::new()
        .text(NAME, name.as_str())
        .bytes(MAC, &mac)
        .number(GROUP, OURS)
        .nest(INFO, info);
    Message::new(NEW_LINK, CREATE | EXCLUSIVE, &link_fixed(0, 0), attributes).acknowledged()
}

/// One end of a new veth.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Its name.
    pub name: &'a LinkName,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its longest packet.
    pub mtu: Option<u32>,
}

/// A new veth that is down, as a port of `master` if there is one, with its peer born in the namespace.
pub fn new_veth(here: End<'_>, master: Option<u32>, there: End<'_>, namespace: BorrowedFd<'_>) -> Message {
    let peer = Attributes::new()
        .text(NAME, there.name.as_str())
        .bytes(MAC, &there.mac)
        .maybe(there.mtu, |a, mtu| a.number(MTU, mtu))
        .bytes(NAMESPACE_FD, &namespace.as_raw_fd().to_ne_bytes());
    let data = Attributes::new().nest_behind(VETH_PEER, &link_fixed(0, 0), peer);
    let attributes = Attributes::new()
        .text(NAME, here.name.as_str())
        .bytes(MAC, &here.mac)
        .number(GROUP, OURS)
        .maybe(here.mtu, |a, mtu| a.number(MTU, mtu))
        .maybe(master, |a, index| a.number(MASTER, index))
        .nest(INFO, Attributes::new().text(INFO_KIND, "veth").nest(INFO_DATA, data));
    Message::new(NEW_LINK, CREATE | EXCLUSIVE, &link_fixed(0, 0), attributes).acknowledged()
}

/// What a link that lies on another one is.
#[derive(Debug, Clone, Copy)]
pub enum Upper {
    /// A macvlan.
    Macvlan(Macvlan),
    /// A VLAN of this number.
    Vlan(u16),
    /// An ipvlan, whose hardware address is the other one's.
    Ipvlan(Ipvlan, Isolation),
}

impl Upper {
    fn info(self) -> Attributes {
        let (kind, data) = match self {
            Self::Macvlan(mode) => {
                let mode = match mode {
                    Macvlan::Private => 1,
                    Macvlan::Vepa => 2,
                    Macvlan::Bridge => 4,
                    Macvlan::Passthrough => 8,
                };
                ("macvlan", Attributes::new().number(MACVLAN_MODE, mode))
            }
            Self::Vlan(id) => ("vlan", Attributes::new().bytes(VLAN_ID, &id.to_ne_bytes())),
            Self::Ipvlan(mode, isolation) => {
                let mode: u16 = match mode {
                    Ipvlan::L2 => 0,
                    Ipvlan::L3 => 1,
                    Ipvlan::L3s => 2,
                };
                let flags: u16 = match isolation {
                    Isolation::Bridge => 0,
                    Isolation::Private => 1,
                    Isolation::Vepa => 2,
                };
                let data = Attributes::new().bytes(IPVLAN_MODE, &mode.to_ne_bytes());
                ("ipvlan", data.bytes(IPVLAN_FLAGS, &flags.to_ne_bytes()))
            }
        };
        Attributes::new().text(INFO_KIND, kind).nest(INFO_DATA, data)
    }
}

/// A new link on the link `parent`, down, born in the namespace.
pub fn new_upper(parent: u32, there: End<'_>, upper: Upper, namespace: BorrowedFd<'_>) -> Message {
    let mac = Some(there.mac).filter(|_| !matches!(upper, Upper::Ipvlan(..)));
    let attributes = Attributes::new()
        .text(NAME, there.name.as_str())
        .maybe(mac, |a, mac| a.bytes(MAC, &mac))
        .maybe(there.mtu, |a, mtu| a.number(MTU, mtu))
        .number(PARENT, parent)
        .bytes(NAMESPACE_FD, &namespace.as_raw_fd().to_ne_bytes())
        .nest(INFO, upper.info());
    Message::new(NEW_LINK, CREATE | EXCLUSIVE, &link_fixed(0, 0), attributes).acknowledged()
}

/// The port of a bridge is isolated: it reaches no port that is so too.
pub fn isolate(index: u32) -> Message {
    let info = Attributes::new()
        .text(INFO_PORT_KIND, "bridge")
        .nest(INFO_PORT_DATA, Attributes::new().bytes(PORT_ISOLATED, &[1]));
    let attributes = Attributes::new().nest(INFO, info);
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// The link has this note; an empty one is none.
pub fn note(index: u32, text: &str) -> Message {
    let attributes = Attributes::new().bytes(NOTE, text.as_bytes());
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// The link makes itself no IPv6 address (`IN6_ADDR_GEN_MODE_NONE`).
pub fn no_own_address(index: u32) -> Message {
    let v6 = Attributes::new().bytes(V6_GENERATION, &[1]);
    let attributes = Attributes::new().nest(AF_SPEC, Attributes::new().nest(V6.into(), v6));
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// The link is up.
pub fn up(index: u32) -> Message {
    Message::new(NEW_LINK, 0, &link_fixed(index, UP), Attributes::new()).acknowledged()
}

/// The link, which is down, has this name.
pub fn rename(index: u32, name: &LinkName) -> Message {
    let attributes = Attributes::new().text(NAME, name.as_str());
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// The link goes to another namespace, where it has this name. It is down there, and has no address.
pub fn move_link(index: u32, name: &LinkName, namespace: BorrowedFd<'_>) -> Message {
    let attributes = Attributes::new()
        .text(NAME, name.as_str())
        .bytes(NAMESPACE_FD, &namespace.as_raw_fd().to_ne_bytes());
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// The link has this hardware address.
pub fn set_mac(index: u32, mac: [u8; 6]) -> Message {
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), Attributes::new().bytes(MAC, &mac)).acknowledged()
}

/// The link takes packets of so many bytes.
pub fn set_mtu(index: u32, mtu: u32) -> Message {
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), Attributes::new().number(MTU, mtu)).acknowledged()
}

/// The link has of these flags those.
pub fn set_flags(index: u32, change: u32, flags: u32) -> Message {
    Message::new(NEW_LINK, 0, &link_changing(index, flags, change), Attributes::new()).acknowledged()
}

/// The link is in this group of links, and so many packets wait in it at most.
pub fn set_group(index: u32, group: u32, queue: u32) -> Message {
    let attributes = Attributes::new().number(GROUP, group).number(QUEUE, queue);
    Message::new(NEW_LINK, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// The link is not called this as well any more.
pub fn remove_name(index: u32, name: &[u8]) -> Message {
    let name = Attributes::new().bytes(OTHER_NAME, &[name, &[0]].concat());
    let attributes = Attributes::new().nest(PROPERTIES, name);
    Message::new(REMOVE_PROPERTY, 0, &link_fixed(index, 0), attributes).acknowledged()
}

/// The link is a port of a bridge.
pub fn enslave(index: u32, bridge: u32) -> Message {
    Message::new(
        NEW_LINK,
        0,
        &link_fixed(index, 0),
        Attributes::new().number(MASTER, bridge),
    )
    .acknowledged()
}

/// The link is gone.
pub fn remove_link(index: u32) -> Message {
    Message::new(REMOVE_LINK, 0, &link_fixed(index, 0), Attributes::new()).acknowledged()
}

const fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { V4 } else { V6 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// The broadcast address of an IPv4 network that has room for one.
fn broadcast(address: &Address) -> Option<[u8; 4]> {
    match (address.address, address.peer) {
        (IpAddr::V4(a), None) if address.prefix < 31 => {
            let hosts = u32::MAX.checked_shr(address.prefix.into())?;
            Some((a.to_bits() | hosts).to_be_bytes())
        }
        _ => None,
    }
}

/// `struct ifaddrmsg`, and the address on both sides.
fn on_link(index: u32, address: &Address) -> ([u8; 8], Attributes) {
    const FAR: u16 = 1;
    const OWN: u16 = 2;
    let [a, b, c, d] = index.to_ne_bytes();
    let fixed = [family(address.address), address.prefix, 0, 0, a, b, c, d];
    let attributes = Attributes::new()
        .bytes(OWN, &octets(address.address))
        .bytes(FAR, &octets(address.peer.unwrap_or(address.address)));
    (fixed, attributes)
}

/// The link has this address, at once: nobody is asked whether it is taken (`IFA_F_NODAD`).
pub fn new_address(index: u32, address: &Address) -> Message {
    const BROADCAST: u16 = 4;
    const FLAGS: u16 = 8;
    const NO_DETECTION: u32 = 2;
    let (fixed, attributes) = on_link(index, address);
    let attributes = attributes
        .maybe(broadcast(address), |attributes, b| attributes.bytes(BROADCAST, &b))
        .maybe(Some(NO_DETECTION).filter(|_| address.address.is_ipv6()), |a, flags| {
            a.number(FLAGS, flags)
        });
    Message::new(NEW_ADDRESS, CREATE | EXCLUSIVE, &fixed, attributes).acknowledged()
}

/// The link has this address no longer.
pub fn remove_address(index: u32, address: &Address) -> Message {
    let (fixed, attributes) = on_link(index, address);
    Message::new(REMOVE_ADDRESS, 0, &fixed, attributes).acknowledged()
}

/// Every address of every link.
pub fn get_addresses() -> Message {
    Message::new(GET_ADDRESS, DUMP, &[0; 8], Attributes::new())
}

/// `struct rtmsg`: main table, set up by boot or by hand, from anywhere, to one address.
const fn route_fixed(family: u8, prefix: u8) -> [u8; 12] {
    [family, prefix, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]
}

/// The link leads there.
pub fn new_route(index: u32, route: &Route) -> Message {
    const DESTINATION: u16 = 1;
    const OUT: u16 = 4;
    const GATEWAY: u16 = 5;
    const METRIC: u16 = 6;
    let attributes = Attributes::new()
        .maybe(Some(route.destination).filter(|_| route.prefix > 0), |a, to| {
            a.bytes(DESTINATION, &octets(to))
        })
        .number(OUT, index)
        .bytes(GATEWAY, &octets(route.gateway))
        .maybe(route.metric, |a, metric| a.number(METRIC, metric));
    let fixed = route_fixed(family(route.destination), route.prefix);
    Message::new(NEW_ROUTE, CREATE | EXCLUSIVE, &fixed, attributes).acknowledged()
}

/// Every IPv6 route.
pub fn get_v6_routes() -> Message {
    get_routes(false)
}

/// Every route of a family.
pub fn get_routes(v4: bool) -> Message {
    let family = if v4 { V4 } else { V6 };
    Message::new(
        GET_ROUTE,
        DUMP,
        &[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        Attributes::new(),
    )
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn name(name: &str) -> LinkName {
        LinkName::new(name).unwrap()
    }

    #[test]
    #[rustfmt::skip]
    fn a_veth_is_one_message_with_its_peer_inside() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let fd = u8::try_from(file.as_fd().as_raw_fd()).unwrap();
        let here = End { name: &name("lzv3"), mac: [0xfe, 1, 2, 3, 4, 5], mtu: None };
        let there = End { name: &name("eth0"), mac: [2, 1, 2, 3, 4, 5], mtu: None };
        let bytes = new_veth(here, Some(9), there, file.as_fd()).bytes(1).unwrap();
        let expected = [
            144, 0, 0, 0,  16, 0,  5, 6,  1, 0, 0, 0,  0, 0, 0, 0,
            0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
            9, 0, 3, 0,  b'l', b'z', b'v', b'3', 0, 0, 0, 0,
            10, 0, 1, 0,  0xfe, 1, 2, 3, 4, 5, 0, 0,
            8, 0, 27, 0,  b'r', b'z', b'l', 0,
            8, 0, 10, 0,  9, 0, 0, 0,
            72, 0, 18, 0x80,
                9, 0, 1, 0,  b'v', b'e', b't', b'h', 0, 0, 0, 0,
                56, 0, 2, 0x80,
                    52, 0, 1, 0,
                        0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
                        9, 0, 3, 0,  b'e', b't', b'h', b'0', 0, 0, 0, 0,
                        10, 0, 1, 0,  2, 1, 2, 3, 4, 5, 0, 0,
                        8, 0, 28, 0,  fd, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    #[rustfmt::skip]
    fn a_macvlan_is_one_message_with_its_parent_outside() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let fd = u8::try_from(file.as_fd().as_raw_fd()).unwrap();
        let there = End { name: &name("eth0"), mac: [2, 1, 2, 3, 4, 5], mtu: Some(1400) };
        let bytes = new_upper(7, there, Upper::Macvlan(Macvlan::Bridge), file.as_fd()).bytes(1).unwrap();
        assert_eq!(bytes[32..], [
            9, 0, 3, 0,  b'e', b't', b'h', b'0', 0, 0, 0, 0,
            10, 0, 1, 0,  2, 1, 2, 3, 4, 5, 0, 0,
            8, 0, 4, 0,  120, 5, 0, 0,
            8, 0, 5, 0,  7, 0, 0, 0,
            8, 0, 28, 0,  fd, 0, 0, 0,
            28, 0, 18, 0x80,
                12, 0, 1, 0,  b'm', b'a', b'c', b'v', b'l', b'a', b'n', 0,
                12, 0, 2, 0x80,
                    8, 0, 1, 0,  4, 0, 0, 0,
        ]);
        let end = |upper| new_upper(7, there, upper, file.as_fd()).bytes(1).unwrap().split_off(80);
        assert_eq!(end(Upper::Vlan(300)), [
            28, 0, 18, 0x80,
                9, 0, 1, 0,  b'v', b'l', b'a', b'n', 0, 0, 0, 0,
                12, 0, 2, 0x80,
                    6, 0, 1, 0,  44, 1, 0, 0,
        ]);
        let ipvlan = new_upper(7, there, Upper::Ipvlan(Ipvlan::L3s, Isolation::Vepa), file.as_fd());
        assert_eq!(ipvlan.bytes(1).unwrap()[44..], [
            8, 0, 4, 0,  120, 5, 0, 0,
            8, 0, 5, 0,  7, 0, 0, 0,
            8, 0, 28, 0,  fd, 0, 0, 0,
            36, 0, 18, 0x80,
                11, 0, 1, 0,  b'i', b'p', b'v', b'l', b'a', b'n', 0, 0,
                20, 0, 2, 0x80,
                    6, 0, 1, 0,  2, 0, 0, 0,
                    6, 0, 2, 0,  2, 0, 0, 0,
        ]);
        assert_eq!(isolate(9).bytes(1).unwrap()[32..], [
            28, 0, 18, 0x80,
                11, 0, 4, 0,  b'b', b'r', b'i', b'd', b'g', b'e', 0, 0,
                12, 0, 5, 0x80,
                    5, 0, 33, 0,  1, 0, 0, 0,
        ]);
    }

    #[test]
    #[rustfmt::skip]
    fn an_address_says_where_it_ends_and_a_route_where_it_leads() {
        let v4 = Address { address: "10.209.0.2".parse().unwrap(), prefix: 16, peer: None };
        assert_eq!(new_address(5, &v4).bytes(2).unwrap()[16..], [
            2, 16, 0, 0,  5, 0, 0, 0,
            8, 0, 2, 0,  10, 209, 0, 2,
            8, 0, 1, 0,  10, 209, 0, 2,
            8, 0, 4, 0,  10, 209, 255, 255,
        ]);
        let v6 = Address { address: "fd6c:7a72::2".parse().unwrap(), prefix: 64, peer: None };
        assert_eq!(new_address(5, &v6).bytes(2).unwrap()[16..], [
            10, 64, 0, 0,  5, 0, 0, 0,
            20, 0, 2, 0,  0xfd, 0x6c, 0x7a, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
            20, 0, 1, 0,  0xfd, 0x6c, 0x7a, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
            8, 0, 8, 0,  2, 0, 0, 0,
        ]);
        let far = Address { peer: Some("10.0.0.9".parse().unwrap()), prefix: 32, ..v4 };
        assert_eq!(new_address(5, &far).bytes(2).unwrap()[24..], [
            8, 0, 2, 0,  10, 209, 0, 2,
            8, 0, 1, 0,  10, 0, 0, 9,
        ]);
        let any = "0.0.0.0".parse().unwrap();
        let route = Route { destination: any, prefix: 0, gateway: "10.209.0.1".parse().unwrap(), metric: Some(7) };
        assert_eq!(new_route(5, &route).bytes(2).unwrap()[16..], [
            2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0,
            8, 0, 4, 0,  5, 0, 0, 0,
            8, 0, 5, 0,  10, 209, 0, 1,
            8, 0, 6, 0,  7, 0, 0, 0,
        ]);
    }
}
