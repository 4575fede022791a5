//! Lines of the files below `/proc/net`, taken apart (proc_net(5)). Pure; what is no such line is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A route of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub network: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// What it is like: [`GATEWAY`] and others.
    pub flags: u32,
    /// The link that it leads over.
    pub link: String,
}

/// The flag of a route through a gateway (linux/route.h).
pub const GATEWAY: u32 = 0x2;
/// The flag of a route that leads nowhere.
pub const REJECT: u32 = 0x200;
/// The flag of an IPv6 route to the host itself (linux/ipv6_route.h).
pub const LOCAL: u32 = 0x8000_0000;

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// An IPv4 address, as the kernel prints its bytes as one number of the machine's order.
fn v4(text: &str) -> Option<Ipv4Addr> {
    let whole = (text.len() == 8).then(|| hex(text)).flatten()?;
    Some(Ipv4Addr::from(whole.to_ne_bytes()))
}

/// 32 digits, as they stand.
pub fn v6(text: &str) -> Option<Ipv6Addr> {
    let whole = (text.len() == 32)
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()?;
    Some(Ipv6Addr::from_bits(whole))
}

/// A line of `/proc/net/route`.
pub fn v4_route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [link, network, _, flags, _, _, _, mask, ..] = words.as_slice() else {
        return None;
    };
    Some(Route {
        network: v4(network)?.into(),
        prefix: u8::try_from(v4(mask)?.to_bits().leading_ones()).ok()?,
        flags: hex(flags)?,
        link: (*link).to_owned(),
    })
}

/// A line of `/proc/net/ipv6_route`.
pub fn v6_route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [network, prefix, _, _, _, _, _, _, flags, link] = words.as_slice() else {
        return None;
    };
    Some(Route {
        network: v6(network)?.into(),
        prefix: u8::from_str_radix(prefix, 16).ok()?,
        flags: hex(flags)?,
        link: (*link).to_owned(),
    })
}

/// The networks of which every address is the host's own: in `/proc/net/fib_trie`, an address stands on the line before.
pub fn v4_own(text: &str) -> Vec<(Ipv4Addr, u8)> {
    let mut address = None;
    let mut own = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = leaf.parse().ok();
        } else if let (Some(address), Some(rest)) = (address, line.strip_prefix('/')) {
            let mut words = rest.split_whitespace();
            if let (Some(Ok(prefix)), Some("host"), Some("LOCAL")) =
                (words.next().map(str::parse), words.next(), words.next())
            {
                own.push((address, prefix));
            }
        }
    }
    own
}

/// Address and port of a socket that waits for anybody: one that listens (TCP), or that has no peer (UDP).
pub fn socket(line: &str, state: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_whitespace();
    let (_, local, _, found) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (address, port) = local.split_once(':').filter(|_| found == state)?;
    let address = match address.len() {
        8 => v4(address)?.into(),
        32 => {
            let mut bytes = Vec::new();
            for digits in address.as_bytes().chunks(8) {
                bytes.extend(v4(std::str::from_utf8(digits).ok()?)?.octets());
            }
            Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_its_network_its_prefix_and_its_link() {
        let words = |bytes| format!("{:08X}", u32::from_ne_bytes(bytes));
        let line = format!(
            "eth0\t{}\t00000000\t0001\t0\t0\t0\t{}\t0\t0\t0",
            words([192, 0, 2, 128]),
            words([255, 255, 255, 128])
        );
        let route = v4_route(&line).unwrap();
        assert_eq!(
            (
                route.network.to_string().as_str(),
                route.prefix,
                route.flags,
                route.link.as_str()
            ),
            ("192.0.2.128", 25, 1, "eth0")
        );
        let zero = "0".repeat(32);
        let line = format!(
            "fe80{:0>28} 40 {zero} 00 {zero} 00000100 00000002 00000000 80000001     eth0",
            ""
        );
        let route = v6_route(&line).unwrap();
        assert_eq!((route.network.to_string().as_str(), route.prefix), ("fe80::", 64));
        assert_eq!(route.flags & LOCAL, LOCAL);
    }

    #[test]
    fn what_is_no_such_line_is_none() {
        for bad in [
            "",
            "Iface Destination Gateway Flags RefCnt Use Metric Mask",
            "a b c d e f g h",
            "é é é é é é é é é é",
        ] {
            assert_eq!(
                (v4_route(bad), v6_route(bad), socket(bad, "d")),
                (None, None, None),
                "{bad}"
            );
        }
        for bad in [
            "0: 00000000 x 0A",
            "0: 0000000é:0050 x 0A",
            "0: 00000000:x x 0A",
            "0: 00:0050 x 0A",
        ] {
            assert_eq!(socket(bad, "0A"), None, "{bad}");
        }
        assert!(v4_own("|-- x\n/32 host LOCAL\n|-- 192.0.2.1\n/32 link UNICAST\n/x host LOCAL").is_empty());
    }
}
