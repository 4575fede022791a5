//! Tables, chains and rules of nf_tables as netlink messages (linux/netfilter/nf_tables.h, nft(8)). Pure.

use crate::encode::{APPEND, Attributes, CREATE, EXCLUSIVE, Message};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The number of nf_tables among the parts of netfilter; the high byte of its messages' types.
pub const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const NEW_CHAIN: u16 = SUBSYSTEM << 8 | 3;
const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

/// A table's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    /// One link's own packets.
    Netdev = 5,
}

/// `struct nfgenmsg`.
const fn fixed(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// Opens a batch: what follows happens whole or not at all.
pub fn batch_begin() -> Message {
    Message::new(BATCH_BEGIN, 0, &fixed(0, SUBSYSTEM), Attributes::new())
}

/// Closes a batch.
pub fn batch_end() -> Message {
    Message::new(BATCH_END, 0, &fixed(0, SUBSYSTEM), Attributes::new())
}

/// A new table that belongs to the socket over which it is made, and vanishes with it.
pub fn owned_table(family: Family, table: &str) -> Message {
    const OWNER: u32 = 2;
    let attributes = Attributes::new().text(1, table).network_number(2, OWNER);
    Message::new(NEW_TABLE, CREATE | EXCLUSIVE, &fixed(family as u8, 0), attributes)
}

/// Where a chain is hooked in.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'a> {
    /// `filter` or `nat`.
    pub kind: &'a str,
    /// The hook's number in its family.
    pub number: u32,
    /// Lower comes first.
    pub priority: i32,
    /// The link, in the family `netdev`.
    pub link: Option<&'a str>,
}

/// A new chain; without a hook it is only jumped to.
pub fn chain(family: Family, table: &str, chain: &str, hook: Option<Hook<'_>>) -> Message {
    const ACCEPT: u32 = 1;
    let attributes = Attributes::new()
        .text(1, table)
        .text(3, chain)
        .maybe(hook, |attributes, hook| {
            let place = Attributes::new()
                .network_number(1, hook.number)
                .network_number(2, hook.priority.cast_unsigned())
                .maybe(hook.link, |a, link| a.text(3, link));
            attributes.nest(4, place).network_number(5, ACCEPT).text(7, hook.kind)
        });
    Message::new(NEW_CHAIN, CREATE | EXCLUSIVE, &fixed(family as u8, 0), attributes)
}

/// A packet's header.
#[derive(Debug, Clone, Copy)]
pub enum Header {
    /// Ethernet.
    Link = 0,
    /// IP, or ARP.
    Network = 1,
    /// TCP, UDP, ICMP.
    Transport = 2,
}

/// What a packet is asked about that does not stand in it.
#[derive(Debug, Clone, Copy)]
pub enum Meta {
    /// The Ethernet type.
    Protocol = 1,
    /// The link's name that it came from.
    FromLink = 6,
    /// The link's name that it leaves by.
    ToLink = 7,
    /// The IP family.
    Family = 15,
    /// The transport protocol.
    Transport = 16,
}

/// What connection tracking says.
#[derive(Debug, Clone, Copy)]
pub enum Tracked {
    /// The packet's state.
    State = 0,
    /// The connection's status.
    Status = 2,
}

/// One rule: expressions in order. The first that does not hold ends it.
#[derive(Debug, Clone, Default)]
pub struct Rule(Attributes);

/// The registers: 16 bytes each.
const FIRST: u32 = 1;
const SECOND: u32 = 2;
const VERDICT: u32 = 0;
const LOCAL: u32 = 2;

impl Rule {
    /// No expression yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn expression(self, name: &str, data: Attributes) -> Self {
        Self(self.0.nest(1, Attributes::new().text(1, name).nest(2, data)))
    }

    fn compare(self, differs: bool, value: &[u8]) -> Self {
        let data = Attributes::new()
            .network_number(1, FIRST)
            .network_number(2, differs.into())
            .nest(3, Attributes::new().bytes(1, value));
        self.expression("cmp", data)
    }

    /// What was loaded last is this.
    pub fn equals(self, value: &[u8]) -> Self {
        self.compare(false, value)
    }

    /// What was loaded last is not this.
    pub fn differs(self, value: &[u8]) -> Self {
        self.compare(true, value)
    }

    /// Loads a fact about the packet.
    pub fn meta(self, meta: Meta) -> Self {
        self.expression(
            "meta",
            Attributes::new()
                .network_number(1, FIRST)
                .network_number(2, meta as u32),
        )
    }

    /// Loads bytes of a header.
    pub fn bytes(self, header: Header, offset: u32, length: u32) -> Self {
        let data = Attributes::new()
            .network_number(1, FIRST)
            .network_number(2, header as u32)
            .network_number(3, offset)
            .network_number(4, length);
        self.expression("payload", data)
    }

    /// One of these bits of connection tracking is set.
    pub fn tracked(self, what: Tracked, bits: u32) -> Self {
        let load = Attributes::new()
            .network_number(1, FIRST)
            .network_number(2, what as u32);
        self.expression("ct", load).masked(&bits.to_ne_bytes()).differs(&[0; 4])
    }

    /// What was loaded last, with only these bits of it.
    pub fn masked(self, mask: &[u8]) -> Self {
        let length = u32::try_from(mask.len()).unwrap_or(0);
        let data = Attributes::new()
            .network_number(1, FIRST)
            .network_number(2, FIRST)
            .network_number(3, length)
            .nest(4, Attributes::new().bytes(1, mask))
            .nest(5, Attributes::new().bytes(1, &vec![0; mask.len()]));
        self.expression("bitwise", data)
    }

    /// The packet is for an address of the host's own.
    pub fn for_host(self) -> Self {
        const TYPE: u32 = 3;
        const DESTINATION: u32 = 2;
        let data = Attributes::new()
            .network_number(1, FIRST)
            .network_number(2, TYPE)
            .network_number(3, DESTINATION);
        self.expression("fib", data).equals(&LOCAL.to_ne_bytes())
    }

    /// It came from this link.
    pub fn arrives_by(self, link: &str) -> Self {
        self.meta(Meta::FromLink).equals(&name(link))
    }

    /// It leaves by this link.
    pub fn leaves_by(self, link: &str) -> Self {
        self.meta(Meta::ToLink).equals(&name(link))
    }

    /// It leaves by another link.
    pub fn leaves_elsewhere(self, link: &str) -> Self {
        self.meta(Meta::ToLink).differs(&name(link))
    }

    /// It is IPv4 or IPv6, as the address is, and has the address at one of two places.
    fn address(self, address: IpAddr, v4_offset: u32, v6_offset: u32) -> Self {
        match address {
            IpAddr::V4(a) => self
                .meta(Meta::Family)
                .equals(&[2])
                .bytes(Header::Network, v4_offset, 4)
                .equals(&a.octets()),
            IpAddr::V6(a) => self
                .meta(Meta::Family)
                .equals(&[10])
                .bytes(Header::Network, v6_offset, 16)
                .equals(&a.octets()),
        }
    }

    /// It comes from this address.
    pub fn source(self, address: IpAddr) -> Self {
        self.address(address, 12, 8)
    }

    /// It goes to this address.
    pub fn destination(self, address: IpAddr) -> Self {
        self.address(address, 16, 24)
    }

    fn load(self, register: u32, value: &[u8]) -> Self {
        let data = Attributes::new()
            .network_number(1, register)
            .nest(2, Attributes::new().bytes(1, value));
        self.expression("immediate", data)
    }

    fn verdict(self, code: i32, chain: Option<&str>) -> Self {
        let verdict = Attributes::new()
            .network_number(1, code.cast_unsigned())
            .maybe(chain, |a, c| a.text(2, c));
        let data = Attributes::new()
            .network_number(1, VERDICT)
            .nest(2, Attributes::new().nest(2, verdict));
        self.expression("immediate", data)
    }

    /// Then it passes this chain.
    pub fn accept(self) -> Self {
        self.verdict(1, None)
    }

    /// Then it is dropped.
    pub fn drop(self) -> Self {
        self.verdict(0, None)
    }

    /// Then it leaves this chain.
    pub fn leave(self) -> Self {
        self.verdict(-5, None)
    }

    /// Then it goes through another chain.
    pub fn jump(self, chain: &str) -> Self {
        self.verdict(-3, Some(chain))
    }

    /// Then it gets the address of the link that it leaves by.
    pub fn masquerade(self) -> Self {
        self.expression("masq", Attributes::new())
    }

    /// Then it goes to this address and port instead.
    pub fn redirect(self, address: IpAddr, port: u16) -> Self {
        const DESTINATION: u32 = 1;
        let (family, rule) = match address {
            IpAddr::V4(a) => (2, self.load(FIRST, &Ipv4Addr::octets(&a))),
            IpAddr::V6(a) => (10, self.load(FIRST, &Ipv6Addr::octets(&a))),
        };
        let data = Attributes::new()
            .network_number(1, DESTINATION)
            .network_number(2, family)
            .network_number(3, FIRST)
            .network_number(5, SECOND);
        rule.load(SECOND, &port.to_be_bytes()).expression("nat", data)
    }

    /// The rule at the end of a chain.
    pub fn within(self, family: Family, table: &str, chain: &str) -> Message {
        let attributes = Attributes::new().text(1, table).text(2, chain).nest(4, self.0);
        Message::new(NEW_RULE, CREATE | APPEND, &fixed(family as u8, 0), attributes)
    }
}

/// A link's name as the kernel compares it: 16 bytes.
fn name(link: &str) -> [u8; 16] {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(link.bytes().take(15)) {
        *to = from;
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    #[cfg(target_endian = "little")]
    fn a_table_and_a_rule_have_the_bytes_of_the_header() {
        assert_eq!(owned_table(Family::Inet, "t").bytes(3).unwrap(), [
            36, 0, 0, 0,  0, 10,  1, 6,  3, 0, 0, 0,  0, 0, 0, 0,
            1, 0, 0, 0,
            6, 0, 1, 0,  b't', 0, 0, 0,
            8, 0, 2, 0,  0, 0, 0, 2,
        ]);
        assert_eq!(batch_begin().bytes(1).unwrap()[4..], [16, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10]);
        let rule = Rule::new().meta(Meta::Transport).equals(&[6]).drop();
        assert_eq!(rule.within(Family::Netdev, "t", "c").bytes(1).unwrap()[16..], [
            5, 0, 0, 0,
            6, 0, 1, 0,  b't', 0, 0, 0,
            6, 0, 2, 0,  b'c', 0, 0, 0,
            132, 0, 4, 0x80,
              36, 0, 1, 0x80,  9, 0, 1, 0,  b'm', b'e', b't', b'a', 0, 0, 0, 0,
                20, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 1,  8, 0, 2, 0, 0, 0, 0, 16,
              44, 0, 1, 0x80,  8, 0, 1, 0,  b'c', b'm', b'p', 0,
                32, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 1,  8, 0, 2, 0, 0, 0, 0, 0,
                  12, 0, 3, 0x80,  5, 0, 1, 0, 6, 0, 0, 0,
              48, 0, 1, 0x80,  14, 0, 1, 0,  b'i', b'm', b'm', b'e', b'd', b'i', b'a', b't', b'e', 0, 0, 0,
                28, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 0,
                  16, 0, 2, 0x80,  12, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 0,
        ]);
    }

    #[test]
    fn a_name_is_compared_whole() {
        assert_eq!(name("lzr0")[..6], *b"lzr0\0\0");
        assert_eq!(name("fifteen-bytes-x")[15], 0);
    }
}
