//! What comes back over netlink, taken apart: messages, attributes, answers (netlink(7)). Pure; every length is checked, and what does
//! not add up is an error, because the socket may have been opened by a less trusted process.

use crate::encode::{HEADER, Malformed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::netd::Address;

/// An answer: done, or an error.
pub const ERROR: u16 = 2;
/// The end of a dump.
pub const DONE: u16 = 3;
/// The dump was taken while its objects changed.
pub const DUMP_INTERRUPTED: u16 = 0x10;

/// One message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// The sequence number of the request that it answers.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of one datagram, in order; after an error there are no more.
pub struct Messages<'a>(&'a [u8]);

/// Takes a datagram apart.
pub const fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages(datagram)
}

fn half(bytes: &[u8], at: usize) -> Result<u16, Malformed> {
    let rest = bytes.get(at..).ok_or(Malformed)?;
    rest.first_chunk().map(|b| u16::from_ne_bytes(*b)).ok_or(Malformed)
}

fn word(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    let rest = bytes.get(at..).ok_or(Malformed)?;
    rest.first_chunk().map(|b| u32::from_ne_bytes(*b)).ok_or(Malformed)
}

/// A number in network order, as nf_tables writes them.
pub fn network_word(bytes: &[u8]) -> Result<u32, Malformed> {
    bytes.first_chunk().map(|b| u32::from_be_bytes(*b)).ok_or(Malformed)
}

/// Splits off the first `length` bytes and the padding behind them, which the last element may lack.
fn split(bytes: &[u8], length: usize) -> Result<(&[u8], &[u8]), Malformed> {
    let (this, _) = bytes.split_at_checked(length).ok_or(Malformed)?;
    let padded = length.checked_next_multiple_of(4).ok_or(Malformed)?;
    Ok((this, bytes.get(padded..).unwrap_or_default()))
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let parsed = (|| {
            let length = usize::try_from(word(self.0, 0)?).map_err(|_| Malformed)?;
            let (this, rest) = split(self.0, length)?;
            let body = this.get(HEADER..).ok_or(Malformed)?;
            let message = Message {
                kind: half(this, 4)?,
                flags: half(this, 6)?,
                sequence: word(this, 8)?,
                body,
            };
            Ok((message, rest))
        })();
        self.0 = parsed.map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(message, _)| message))
    }
}

/// One attribute: its type without flags, and its value.
pub type Attribute<'a> = (u16, &'a [u8]);

/// A run of attributes, in order; after an error there are no more.
pub struct Attributes<'a>(&'a [u8]);

/// Takes a run of attributes apart.
pub const fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes(bytes)
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let parsed = (|| {
            let (this, rest) = split(self.0, usize::from(half(self.0, 0)?))?;
            Ok(((half(this, 2)? & 0x3fff, this.get(4..).ok_or(Malformed)?), rest))
        })();
        self.0 = parsed.map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(attribute, _)| attribute))
    }
}

/// The errno of an answer's body; 0 says that it was done.
pub fn answer(body: &[u8]) -> Result<i32, Malformed> {
    let status = word(body, 0)?.cast_signed();
    let errno = status.checked_neg().ok_or(Malformed)?;
    if (0..4096).contains(&errno) {
        Ok(errno)
    } else {
        Err(Malformed)
    }
}

/// What a bridge makes of VLANs (`IFLA_BR_*` in linux/if_link.h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vlans {
    /// Whether it keeps them apart.
    pub filters: bool,
    /// The VLAN that a new port is a member of; 0 for none.
    pub default: u16,
}

fn vlans(data: &[u8]) -> Result<Vlans, Malformed> {
    let mut vlans = Vlans::default();
    for attribute in attributes(data) {
        match attribute? {
            (7, filters) => vlans.filters = filters.first().is_some_and(|f| *f != 0),
            (39, default) => vlans.default = half(default, 0)?,
            _ => {}
        }
    }
    Ok(vlans)
}

/// How long a bridge's ports wait, in hundredths of a second, where it looks for loops.
fn spanning(data: &[u8]) -> Result<Option<u32>, Malformed> {
    let (mut delay, mut looks) = (0, false);
    for attribute in attributes(data) {
        match attribute? {
            (1, hundredths) => delay = word(hundredths, 0)?,
            (5, state) => looks = word(state, 0)? != 0,
            _ => {}
        }
    }
    Ok(looks.then_some(delay))
}

/// What the kernel says of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What else it is called, as bytes: any are allowed (`IFLA_ALT_IFNAME`).
    pub also: Vec<Vec<u8>>,
    /// Its kind: `bridge`, `veth`; empty for hardware.
    pub kind: String,
    /// Whether it is up.
    pub up: bool,
    /// All its flags, that one among them (`IFF_*` in linux/if.h).
    pub flags: u32,
    /// Its hardware address.
    pub mac: Vec<u8>,
    /// The hardware address that it was made with, where it has one (`IFLA_PERM_ADDRESS`).
    pub permanent: Vec<u8>,
    /// The longest packet, in bytes.
    pub mtu: u32,
    /// How many packets wait in it at most (`IFLA_TXQLEN`).
    pub queue: u32,
    /// What somebody noted of it (`IFLA_IFALIAS`).
    pub note: String,
    /// The group of links that it is in.
    pub group: u32,
    /// How long a bridge's ports wait, in hundredths of a second, where it looks for loops.
    pub spanning: Option<u32>,
    /// What a bridge makes of VLANs.
    pub vlans: Vlans,
    /// The link whose port it is.
    pub master: Option<u32>,
    /// The number of a veth's other end, in that end's namespace.
    pub peer: Option<u32>,
    /// The number that this namespace gives to the other end's; none where both are in one.
    pub peer_namespace: Option<u32>,
}

/// Bytes of the fixed part of a link's message (`struct ifinfomsg`).
const LINK_FIXED: usize = 16;

/// A string up to its terminating NUL.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// A link's other names (`IFLA_PROP_LIST`).
fn names(list: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut names = Vec::new();
    for attribute in attributes(list) {
        if let (53, name) = attribute? {
            names.push(name.split(|b| *b == 0).next().unwrap_or_default().to_vec());
        }
    }
    Ok(names)
}

/// Reads the body of a link's message (linux/if_link.h).
pub fn link(body: &[u8]) -> Result<Link, Malformed> {
    let mut link = Link {
        index: word(body, 4)?,
        up: word(body, 8)? & 1 != 0,
        flags: word(body, 8)?,
        ..Link::default()
    };
    for attribute in attributes(body.get(LINK_FIXED..).ok_or(Malformed)?) {
        match attribute? {
            (1, mac) => link.mac = mac.to_vec(),
            (3, name) => link.name = text(name),
            (4, mtu) => link.mtu = word(mtu, 0)?,
            (13, queue) => link.queue = word(queue, 0)?,
            (52, list) => link.also = names(list)?,
            (54, permanent) => link.permanent = permanent.to_vec(),
            (5, peer) => link.peer = Some(word(peer, 0)?),
            (10, master) => link.master = Some(word(master, 0)?),
            (20, note) => link.note = text(note),
            (27, group) => link.group = word(group, 0)?,
            (18, info) => {
                for attribute in attributes(info) {
                    match attribute? {
                        (1, kind) => link.kind = text(kind),
                        (2, data) if link.kind == "bridge" => {
                            link.vlans = vlans(data)?;
                            link.spanning = spanning(data)?;
                        }
                        _ => {}
                    }
                }
            }
            // The kernel writes -1 for a namespace that has no number here.
            (37, id) => link.peer_namespace = Some(word(id, 0)?).filter(|id| id.cast_signed() >= 0),
            _ => {}
        }
    }
    Ok(link)
}

/// Bytes of the fixed part of a route's message (`struct rtmsg`).
const ROUTE_FIXED: usize = 12;

/// An address of this family, out of its bytes.
fn ip(family: u8, bytes: &[u8]) -> Result<IpAddr, Malformed> {
    match family {
        2 => bytes.first_chunk::<4>().map(|b| Ipv4Addr::from(*b).into()),
        10 => bytes.first_chunk::<16>().map(|b| Ipv6Addr::from(*b).into()),
        _ => None,
    }
    .ok_or(Malformed)
}

/// Reads the body of an address's message (`struct ifaddrmsg` in linux/if_addr.h): the link that has it, and what it is; `None` for one of
/// another family than those of IP.
pub fn address(body: &[u8]) -> Result<Option<(u32, Address)>, Malformed> {
    let (fixed, rest) = body.split_at_checked(8).ok_or(Malformed)?;
    let [family @ (2 | 10), prefix, ..] = *fixed else {
        return Ok(None);
    };
    let (mut far, mut own) = (None, None);
    for attribute in attributes(rest) {
        match attribute? {
            (1, bytes) => far = Some(ip(family, bytes)?),
            (2, bytes) => own = Some(ip(family, bytes)?),
            _ => {}
        }
    }
    let address = own.or(far).ok_or(Malformed)?;
    let peer = far.filter(|far| *far != address);
    Ok(Some((word(fixed, 4)?, Address { address, prefix, peer })))
}

/// A route of the main table's to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub network: IpAddr,
    /// How many bits of that count.
    pub prefix: u8,
    /// The one link over which it leads.
    pub link: Option<u32>,
    /// Whether a router, or one of several ways, is between.
    pub through: bool,
}

/// Reads the body of a route's message (`struct rtmsg` in linux/rtnetlink.h); `None` for one of another table, or that leads to nobody else.
pub fn route(body: &[u8]) -> Result<Option<Route>, Malformed> {
    const MAIN: u8 = 254;
    const UNICAST: u8 = 1;
    let (fixed, rest) = body.split_at_checked(ROUTE_FIXED).ok_or(Malformed)?;
    let [family @ (2 | 10), prefix, _, _, MAIN, _, _, UNICAST, ..] = *fixed else {
        return Ok(None);
    };
    let mut route = Route {
        network: ip(family, &[0; 16])?,
        prefix,
        link: None,
        through: false,
    };
    for attribute in attributes(rest) {
        match attribute? {
            (1, bytes) => route.network = ip(family, bytes)?,
            (4, link) => route.link = Some(word(link, 0)?),
            // A gateway, several ways, a gateway of the other family, an object that says the way.
            (5 | 9 | 18 | 30, _) => route.through = true,
            _ => {}
        }
    }
    Ok(Some(route))
}

/// The link over which a default route leads that was learnt by router advertisement (linux/rtnetlink.h, `RTPROT_RA`); `None` for
/// any other route.
pub fn advertised_default(body: &[u8]) -> Result<Option<u32>, Malformed> {
    let (fixed, rest) = body.split_at_checked(ROUTE_FIXED).ok_or(Malformed)?;
    let is_one = fixed.get(1) == Some(&0) && fixed.get(5) == Some(&9);
    for attribute in attributes(rest) {
        match attribute? {
            (4, out) if is_one => return word(out, 0).map(Some),
            _ => {}
        }
    }
    Ok(None)
}

/// The IPv6 setting `accept_ra` in the body of a link's message (linux/if_link.h, `IFLA_INET6_CONF`; linux/ipv6.h,
/// `DEVCONF_ACCEPT_RA`); `None` where the link has no IPv6.
pub fn accept_ra(body: &[u8]) -> Result<Option<u32>, Malformed> {
    const PATH: [u16; 3] = [26, 10, 2];
    let mut inner = body.get(LINK_FIXED..).ok_or(Malformed)?;
    for kind in PATH {
        match attributes(inner).find(|a| a.is_err() || a.is_ok_and(|(k, _)| k == kind)) {
            Some(found) => (_, inner) = found?,
            None => return Ok(None),
        }
    }
    word(inner, 12).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    fn sample() -> Vec<u8> {
        let info = encode::Attributes::new()
            .text(1, "veth")
            .nest(2, encode::Attributes::new());
        let attributes = encode::Attributes::new()
            .text(3, "lzv3")
            .bytes(1, &[2, 0, 0, 0, 0, 9])
            .number(5, 2)
            .number(10, 4)
            .number(37, 0)
            .number(13, 1000)
            .nest(52, encode::Attributes::new().text(53, "uplink").bytes(53, &[0xff, 0]))
            .nest(
                26,
                encode::Attributes::new().nest(10, encode::Attributes::new().bytes(2, &[1; 32])),
            )
            .nest(18, info);
        let mut fixed = [0u8; 16];
        fixed[4] = 12;
        let first = encode::Message::new(16, 0, &fixed, attributes).bytes(7).unwrap();
        let second = encode::Message::new(ERROR, 0, &(-17i32).to_ne_bytes(), encode::Attributes::new())
            .bytes(7)
            .unwrap();
        [first, second].concat()
    }

    fn read_all(datagram: &[u8]) -> Result<(), Malformed> {
        for message in messages(datagram) {
            let message = message?;
            match message.kind {
                ERROR => drop(answer(message.body)?),
                _ => drop((
                    link(message.body)?,
                    address(message.body),
                    route(message.body),
                    advertised_default(message.body),
                    accept_ra(message.body),
                )),
            }
        }
        Ok(())
    }

    #[test]
    fn a_bridge_says_whether_it_keeps_vlans_apart() {
        let data = encode::Attributes::new()
            .number(1, 400)
            .number(5, 1)
            .bytes(7, &[1])
            .bytes(39, &300u16.to_ne_bytes());
        let info = encode::Attributes::new().text(1, "bridge").nest(2, data);
        let message = encode::Message::new(16, 0, &[0; 16], encode::Attributes::new().nest(18, info));
        let bytes = message.bytes(1).unwrap();
        let found = link(&bytes[HEADER..]).unwrap();
        assert_eq!((found.vlans.filters, found.vlans.default), (true, 300));
        assert_eq!(found.spanning, Some(400));
    }

    #[test]
    fn reads_a_link_and_an_answer() {
        let datagram = sample();
        let all: Vec<_> = messages(&datagram).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        let expected = Link {
            index: 12,
            name: "lzv3".into(),
            also: vec![b"uplink".to_vec(), b"\xff".to_vec()],
            kind: "veth".into(),
            up: all[0].body[8] & 1 != 0,
            flags: u32::from_ne_bytes(all[0].body[8..12].try_into().unwrap()),
            mac: vec![2, 0, 0, 0, 0, 9],
            permanent: vec![],
            mtu: 0,
            queue: 1000,
            note: String::new(),
            group: 0,
            spanning: None,
            vlans: Vlans::default(),
            master: Some(4),
            peer: Some(2),
            peer_namespace: Some(0),
        };
        assert_eq!(link(all[0].body), Ok(expected));
        assert_eq!(accept_ra(all[0].body), Ok(Some(0x0101_0101)));
        assert_eq!((all[1].sequence, answer(all[1].body)), (7, Ok(17)));
    }

    #[test]
    fn knows_a_default_route_that_was_advertised() {
        let route = |prefix, protocol| {
            let mut body = vec![10, prefix, 0, 0, 254, protocol, 0, 1, 0, 0, 0, 0, 8, 0, 4, 0];
            body.extend_from_slice(&3u32.to_ne_bytes());
            advertised_default(&body)
        };
        assert_eq!(
            (route(0, 9), route(0, 3), route(64, 9)),
            (Ok(Some(3)), Ok(None), Ok(None))
        );
    }

    #[test]
    fn knows_routes_of_the_main_table_and_addresses_of_links() {
        let of = |table, kind, through: bool| {
            let attributes = encode::Attributes::new()
                .bytes(1, &[10, 9, 0, 0])
                .number(4, 3)
                .maybe(through.then_some([10, 0, 0, 1]), |a, gateway| a.bytes(5, &gateway));
            let fixed = [2, 16, 0, 0, table, 3, 0, kind, 0, 0, 0, 0];
            let bytes = encode::Message::new(24, 0, &fixed, attributes).bytes(1).unwrap();
            route(&bytes[HEADER..]).unwrap()
        };
        let direct = of(254, 1, false).unwrap();
        let network: IpAddr = "10.9.0.0".parse().unwrap();
        assert_eq!(
            (direct.network, direct.prefix, direct.link, direct.through),
            (network, 16, Some(3), false)
        );
        assert!(of(254, 1, true).unwrap().through);
        assert_eq!((of(255, 1, false), of(254, 2, false)), (None, None));
        let there = Address {
            address: "fd00::1".parse().unwrap(),
            prefix: 64,
            peer: None,
        };
        let far = Address {
            peer: Some("10.0.0.9".parse().unwrap()),
            prefix: 32,
            address: "10.0.0.1".parse().unwrap(),
        };
        for one in [there, far] {
            let bytes = crate::request::new_address(7, &one).bytes(1).unwrap();
            assert_eq!(address(&bytes[HEADER..]), Ok(Some((7, one))));
        }
    }

    #[test]
    fn refuses_lengths_that_do_not_add_up() {
        let header = |length: u32| [&length.to_ne_bytes()[..], &[0; 12]].concat();
        for length in [0, 4, 15, 17, u32::MAX] {
            assert_eq!(messages(&header(length)).next(), Some(Err(Malformed)), "{length}");
        }
        for attribute in [[0u8, 0, 1, 0], [3, 0, 1, 0], [5, 0, 1, 0], [0xff, 0xff, 1, 0]] {
            assert_eq!(
                attributes(&attribute).collect::<Vec<_>>(),
                [Err(Malformed)],
                "{attribute:?}"
            );
        }
        for status in [1i32, -4096, i32::MIN] {
            assert_eq!(answer(&status.to_ne_bytes()), Err(Malformed), "{status}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_read_without_harm() {
        let datagram = sample();
        for n in 0..datagram.len() {
            let _ = read_all(&datagram[..n]);
            for byte in 0..=255 {
                let mut changed = datagram.clone();
                changed[n] = byte;
                let _ = read_all(&changed);
            }
        }
        // A fixed walk through longer garbage (xorshift).
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            let mut changed = datagram.clone();
            for _ in 0..4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = usize::try_from(state % 128).unwrap() % changed.len();
                changed[at] = state.to_le_bytes()[5];
            }
            let _ = read_all(&changed);
        }
    }
}
