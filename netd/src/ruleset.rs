//! A container's two tables, as the messages that make them: `inet` for translation and what may come in, `netdev` on the host's end of
//! its link for what may come out. Pure.

use crate::encode::Message;
use crate::judge::families;
use crate::rule::{Family, Header, Hook, Meta, Rule, Tracked, chain, owned_table};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::netd::{Firewall, Publish, Through};
use wire::{ContainerName, LinkName};

/// A message, and what it does, as a phrase that follows "cannot".
pub type Step = (String, Message);

const IPV4: [u8; 2] = 0x0800u16.to_be_bytes();
const ARP: [u8; 2] = 0x0806u16.to_be_bytes();
const IPV6: [u8; 2] = 0x86ddu16.to_be_bytes();
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// ICMPv6 (RFC 4861): what a router says of itself, whether anybody has an address, what a neighbour says of one, and what a router says of
/// other ways.
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;
/// Bits of a packet's state (`NF_CT_STATE_BIT`): established or related.
const ANSWERS: u32 = 2 | 4;
/// The bit of a connection's status that says its destination was changed (`IPS_DST_NAT`).
const REDIRECTED: u32 = 1 << 5;

/// A table's name: `lazaret-` and the container's name, in which every byte that nft(8) would not read back as part of a name stands as
/// `/` and two hexadecimal digits. No container's name has a `/`, so no two tables have one name.
pub fn table_name(container: &ContainerName) -> String {
    let mut name = String::from("lazaret-");
    for byte in container.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => name.push(byte.into()),
            _ => name.push_str(&format!("/{byte:02x}")),
        }
    }
    name
}

/// The link-local address that a link gives itself from its hardware address (RFC 4291, appendix A).
pub const fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let low = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    let low = u64::from_be_bytes(low) as u128;
    Ipv6Addr::from_bits(0xfe80_u128 << 112 | low)
}

struct Tables<'a> {
    name: String,
    firewall: &'a Firewall,
    steps: Vec<Step>,
}

/// Everything, in order; `mac` is that of the container's end of the link.
pub fn ruleset(firewall: &Firewall, mac: [u8; 6]) -> Vec<Step> {
    let mut tables = Tables {
        name: table_name(&firewall.name),
        firewall,
        steps: Vec::new(),
    };
    tables.translation();
    tables.entrance();
    tables.exit(mac);
    tables.steps
}

impl Tables<'_> {
    fn own(&self) -> impl Iterator<Item = IpAddr> + use<> {
        [self.firewall.v4.map(IpAddr::V4), self.firewall.v6.map(IpAddr::V6)]
            .into_iter()
            .flatten()
    }

    fn table(&mut self, family: Family) {
        let what = format!("make the firewall table {}", self.name);
        self.steps.push((what, owned_table(family, &self.name)));
    }

    fn chain(&mut self, family: Family, name: &str, hook: Option<Hook<'_>>) {
        let what = format!("make the chain {name} of the firewall table {}", self.name);
        self.steps.push((what, chain(family, &self.name, name, hook)));
    }

    fn rule(&mut self, family: Family, chain: &str, rule: Rule) {
        let what = format!("add a rule to the chain {chain} of the firewall table {}", self.name);
        self.steps.push((what, rule.within(family, &self.name, chain)));
    }

    /// Published ports lead in; what goes out has the host's address.
    fn translation(&mut self) {
        const FAMILY: Family = Family::Inet;
        let hook = |number, priority| {
            Some(Hook {
                kind: "nat",
                number,
                priority,
                link: None,
            })
        };
        let bridge = self.firewall.bridge.as_str();
        self.table(FAMILY);
        self.chain(FAMILY, "published", None);
        self.chain(FAMILY, "prerouting", hook(0, -100));
        self.chain(FAMILY, "output", hook(3, -100));
        self.chain(FAMILY, "postrouting", hook(4, 100));
        // What goes to the loopback stays there: nothing could come back to it from a container.
        let loopback = Rule::new()
            .meta(Meta::Family)
            .equals(&[2])
            .bytes(Header::Network, 16, 1)
            .equals(&[127]);
        self.rule(FAMILY, "published", loopback.leave());
        self.rule(
            FAMILY,
            "published",
            Rule::new().destination(Ipv6Addr::LOCALHOST.into()).leave(),
        );
        for publish in &self.firewall.publish {
            self.publish(publish);
        }
        self.rule(FAMILY, "prerouting", Rule::new().jump("published"));
        self.rule(FAMILY, "output", Rule::new().jump("published"));
        let translated = self.firewall.through == Through::Translated;
        for address in self.own().filter(|_| translated) {
            self.rule(
                FAMILY,
                "postrouting",
                Rule::new().source(address).leaves_elsewhere(bridge).masquerade(),
            );
            // A neighbour that used a published port would not know the answer that came to it straight.
            let back = Rule::new()
                .arrives_by(bridge)
                .leaves_by(bridge)
                .tracked(Tracked::Status, REDIRECTED);
            self.rule(FAMILY, "postrouting", back.destination(address).masquerade());
        }
    }

    fn publish(&mut self, publish: &Publish) {
        let (v4, v6) = families(publish);
        let what = format!("publish port {}", publish.host);
        let own = self
            .own()
            .filter(|a| a.is_ipv4() && v4 || a.is_ipv6() && v6)
            .collect::<Vec<_>>();
        for address in own {
            let rule = match publish.address {
                Some(host) if !host.is_unspecified() => Rule::new().destination(host),
                _ => Rule::new()
                    .meta(Meta::Family)
                    .equals(&[if address.is_ipv4() { 2 } else { 10 }]),
            };
            let rule = rule
                .for_host()
                .meta(Meta::Transport)
                .equals(&[if publish.udp { UDP } else { TCP }])
                .bytes(Header::Transport, 2, 2)
                .equals(&publish.host.to_be_bytes())
                .redirect(address, publish.container);
            self.steps
                .push((what.clone(), rule.within(Family::Inet, &self.name, "published")));
        }
    }

    /// From outside, only answers and what was published come in; or all, or nothing, and then nothing goes out either. Neighbours on the
    /// bridge are not outside.
    fn entrance(&mut self) {
        if self.firewall.through == Through::Routed {
            return;
        }
        const FAMILY: Family = Family::Inet;
        const CHAIN: &str = "forward";
        self.chain(
            FAMILY,
            CHAIN,
            Some(Hook {
                kind: "filter",
                number: 2,
                priority: 0,
                link: None,
            }),
        );
        let bridge = self.firewall.bridge.as_str();
        let shut = self.firewall.through == Through::Nothing;
        for address in self.own().filter(|_| shut) {
            self.rule(
                FAMILY,
                CHAIN,
                Rule::new().source(address).leaves_elsewhere(bridge).drop(),
            );
        }
        self.rule(FAMILY, CHAIN, Rule::new().arrives_by(bridge).accept());
        if !shut {
            self.rule(FAMILY, CHAIN, Rule::new().tracked(Tracked::State, ANSWERS).accept());
            self.rule(FAMILY, CHAIN, Rule::new().tracked(Tracked::Status, REDIRECTED).accept());
        }
        for address in self.own() {
            self.rule(FAMILY, CHAIN, Rule::new().destination(address).drop());
        }
    }

    /// Only packets that carry the container's own addresses leave its link, and none that speak for a router.
    fn exit(&mut self, mac: [u8; 6]) {
        const FAMILY: Family = Family::Netdev;
        const CHAIN: &str = "ingress";
        let firewall = self.firewall;
        let link: &LinkName = &firewall.link;
        let hook = Hook {
            kind: "filter",
            number: 0,
            priority: -300,
            link: Some(link.as_str()),
        };
        self.table(FAMILY);
        self.chain(FAMILY, CHAIN, Some(hook));
        let mut rule = |rule: Rule| self.rule(FAMILY, CHAIN, rule);
        rule(Rule::new().bytes(Header::Link, 6, 6).differs(&mac).drop());
        if let Some(v4) = firewall.v4 {
            rule(
                Rule::new()
                    .meta(Meta::Protocol)
                    .equals(&IPV4)
                    .bytes(Header::Network, 12, 4)
                    .equals(&v4.octets())
                    .accept(),
            );
            for sender in [v4, Ipv4Addr::UNSPECIFIED] {
                rule(arp(mac, sender).accept());
            }
        }
        let local = link_local(mac);
        for kind in [ROUTER_ADVERTISEMENT, REDIRECT] {
            rule(icmpv6(kind).drop());
        }
        // Who asks from no address is about to take the one it asks for (RFC 4862): whoever else is doing so lets go of it.
        let taking = icmpv6(NEIGHBOUR_SOLICITATION)
            .bytes(Header::Network, 8, 16)
            .equals(&Ipv6Addr::UNSPECIFIED.octets());
        for kind in [icmpv6(NEIGHBOUR_ADVERTISEMENT), taking] {
            let mut foreign = kind.bytes(Header::Transport, 8, 16).differs(&local.octets());
            if let Some(v6) = firewall.v6 {
                foreign = foreign.differs(&v6.octets());
            }
            rule(foreign.drop());
        }
        for source in firewall.v6.into_iter().chain([local, Ipv6Addr::UNSPECIFIED]) {
            rule(
                Rule::new()
                    .meta(Meta::Protocol)
                    .equals(&IPV6)
                    .bytes(Header::Network, 8, 16)
                    .equals(&source.octets())
                    .accept(),
            );
        }
        rule(Rule::new().drop());
    }
}

/// ARP for IPv4 over Ethernet from this sender (RFC 826); a sender of 0.0.0.0 only asks whether an address is taken (RFC 5227).
fn arp(mac: [u8; 6], sender: Ipv4Addr) -> Rule {
    Rule::new()
        .meta(Meta::Protocol)
        .equals(&ARP)
        .bytes(Header::Network, 0, 6)
        .equals(&[0, 1, 8, 0, 6, 4])
        .bytes(Header::Network, 8, 6)
        .equals(&mac)
        .bytes(Header::Network, 14, 4)
        .equals(&sender.octets())
}

fn icmpv6(kind: u8) -> Rule {
    let transport = Rule::new()
        .meta(Meta::Protocol)
        .equals(&IPV6)
        .meta(Meta::Transport)
        .equals(&[ICMPV6]);
    transport.bytes(Header::Transport, 0, 1).equals(&[kind])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::wall;

    #[test]
    fn a_link_makes_its_own_address_from_its_hardware_address() {
        assert_eq!(
            link_local([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]).to_string(),
            "fe80::11:22ff:fe33:4455"
        );
    }

    #[test]
    fn no_name_of_a_table_is_another_ones_or_more_than_a_name() {
        let name = |text: &str| table_name(&ContainerName::new(text).unwrap());
        assert_eq!(name("web-1.a_b"), "lazaret-web-1.a_b");
        assert_eq!(name("a { }"), "lazaret-a/20/7b/20/7d");
        assert_eq!(name("ä"), "lazaret-/c3/a4");
        assert!(name(&"ä".repeat(32)).len() < 256);
    }

    #[test]
    fn the_most_ports_fit_into_one_batch() {
        let publish = (1..=64)
            .map(|host| Publish {
                address: None,
                host,
                container: host,
                udp: host % 2 == 0,
            })
            .collect();
        let firewall = Firewall {
            publish,
            v6: Some(Ipv6Addr::new(0xfd6c, 0x7a72, 0, 0, 0, 0, 0, 5)),
            ..wall()
        };
        let steps = ruleset(&firewall, [2, 0, 0, 0, 0, 1]);
        let bytes: usize = steps.iter().map(|(_, m)| m.bytes(0).unwrap().len()).sum();
        assert_eq!(
            steps
                .iter()
                .filter(|(what, _)| what.starts_with("publish port"))
                .count(),
            128
        );
        assert!(
            bytes < 100_000,
            "{bytes}: more than the send buffer of a socket holds by default"
        );
    }
}
