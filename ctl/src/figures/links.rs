//! What the files of proc_pid_net(5) say of links and addresses. Pure.

use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What went one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with an error.
    pub errs: u64,
    /// Packets that were dropped.
    pub drop: u64,
}

/// What a link received and sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Received.
    pub rx: Flow,
    /// Sent.
    pub tx: Flow,
}

impl Counters {
    /// The same, from the other end of the cable.
    pub const fn turned(self) -> Self {
        Self {
            rx: self.tx,
            tx: self.rx,
        }
    }
}

/// The counters of a link in `/proc/net/dev`.
pub fn counters(dev: &str, link: &str) -> Option<Counters> {
    let figures = dev
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, figures)| (name.trim() == link).then_some(figures))?;
    let figures: Vec<u64> = figures
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let flow = |figures: &[u64]| match figures {
        [bytes, packets, errs, drop, ..] => Some(Flow {
            bytes: *bytes,
            packets: *packets,
            errs: *errs,
            drop: *drop,
        }),
        _ => None,
    };
    Some(Counters {
        rx: flow(&figures)?,
        tx: flow(figures.get(8..)?)?,
    })
}

/// The IPv4 addresses that `/proc/net/fib_trie` shows as a network's own, without those of the loopback network.
pub fn own_v4(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = leaf.filter(|a| !a.is_loopback() && !found.contains(a))
        {
            found.push(address);
        }
    }
    found
}

/// A network that a link reaches without a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The link.
    pub link: String,
    network: u32,
    /// The length of its prefix in bits.
    pub prefix: u8,
}

impl Near {
    /// Whether the address lies in it.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32u32.saturating_sub(u32::from(self.prefix)));
        u32::from(address) & mask.unwrap_or(0) == self.network
    }
}

/// The networks without a gateway that `/proc/net/route` shows, the narrowest first.
pub fn near(route: &str) -> Vec<Near> {
    // In the kernel's own order of bytes, which is that of the network in memory.
    let hex = |word: &str| Some(u32::from_be(u32::from_str_radix(word, 16).ok()?));
    let one = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [link, network, gateway, _, _, _, _, mask, ..] = words.as_slice() else {
            return None;
        };
        let prefix = u8::try_from(hex(mask)?.leading_ones()).ok()?;
        (hex(gateway)? == 0 && prefix > 0).then_some(Near {
            link: (*link).to_owned(),
            network: hex(network)?,
            prefix,
        })
    };
    let mut all: Vec<Near> = route.lines().filter_map(one).collect();
    all.sort_by_key(|n| std::cmp::Reverse(n.prefix));
    all
}

/// The IPv6 addresses of each link, with the length of their prefixes, that `/proc/net/if_inet6` shows.
pub fn own_v6(if_inet6: &str) -> Vec<(String, Ipv6Addr, u8)> {
    let one = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, prefix, _, _, link] = words.as_slice() else {
            return None;
        };
        let address = u128::from_str_radix(address, 16).ok().filter(|_| address.len() == 32)?;
        let prefix = u8::from_str_radix(prefix, 16).ok()?;
        Some(((*link).to_owned(), Ipv6Addr::from(address), prefix))
    };
    if_inet6.lines().filter_map(one).collect()
}

/// The IPv4 addresses that `/proc/net/arp` shows behind a hardware address.
pub fn neighbours(arp: &str, mac: &str) -> Vec<IpAddr> {
    let one = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, flags, hardware, ..] = words.as_slice() else {
            return None;
        };
        // Without ATF_COM the kernel has asked for it and heard nothing.
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        (hardware.eq_ignore_ascii_case(mac) && flags & 2 != 0).then(|| address.parse().ok())?
    };
    arp.lines().filter_map(one).collect()
}

/// A hardware address as people write it.
pub fn hardware(mac: [u8; 6]) -> String {
    mac.map(|b| format!("{b:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive                   |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n\
        \u{20}   lo:    9631      88    0    0    0     0          0         0     9631      88    0    0    0     0       0          0\n\
        lzv0:10 1 2 3 0 0 0 0 20 4 5 6 0 0 0 0\n";

    #[test]
    fn counters_are_read_by_link_and_turned() {
        let seen = counters(DEV, "lzv0").unwrap();
        let flow = |bytes, packets, errs, drop| Flow {
            bytes,
            packets,
            errs,
            drop,
        };
        assert_eq!((seen.rx, seen.tx), (flow(10, 1, 2, 3), flow(20, 4, 5, 6)));
        assert_eq!(seen.turned().rx.bytes, 20);
        assert_eq!(counters(DEV, "lzv"), None);
        assert_eq!(counters("lzv0: 1 2\n", "lzv0"), None);
    }

    #[test]
    fn addresses_are_those_of_the_network_itself() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.209.0.0\n        /24 link UNICAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n\
            \u{20}    |-- 10.209.0.2\n        /32 host LOCAL\nLocal:\n     |-- 10.209.0.2\n        /32 host LOCAL\n";
        assert_eq!(own_v4(trie), [Ipv4Addr::new(10, 209, 0, 2)]);
        let six = "fd6c7a72000000000000000000000002 04 40 00 82     eth0\nnonsense\n";
        assert_eq!(own_v6(six), [("eth0".to_owned(), "fd6c:7a72::2".parse().unwrap(), 64)]);
    }

    #[test]
    fn an_address_lies_in_the_narrowest_network() {
        let route = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n\
            eth1\t0000D10A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let all = near(route);
        assert_eq!(all.len(), 2);
        let holds = |a: [u8; 4]| all.iter().find(|n| n.holds(a.into())).map(|n| n.link.as_str());
        assert_eq!(holds([10, 209, 0, 2]), Some("eth1"));
        assert_eq!(holds([10, 1, 0, 2]), Some("eth0"));
        assert_eq!(holds([192, 0, 2, 2]), None);
    }

    #[test]
    fn neighbours_that_answered_are_known() {
        let arp = "IP address       HW type     Flags       HW address            Mask     Device\n\
            192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n\
            192.0.2.9        0x1         0x0         02:fc:00:00:00:05     *        eth0\n";
        assert_eq!(neighbours(arp, "02:FC:00:00:00:05"), [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(hardware([2, 0xfc, 0, 0, 0, 5]), "02:fc:00:00:00:05");
    }
}
