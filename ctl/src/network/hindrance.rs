//! What a network's document says and is not done: what would make it another network stops its start, all else is told once. Pure.

use super::{Mode, Network, forward};
use wire::network::within;

/// What nobody here runs.
const NO_SERVER: &str = "no DNS server of a network's own is run";
/// Why a switch other than the kernel's bridge is none.
const NO_SWITCH: &str = "of switches there is the kernel's bridge alone, and neither Open vSwitch nor 802.1Qbg";

impl Network {
    /// Why nothing starts on it: what of it cannot be done, and the reason.
    pub fn hindrance(&self) -> Option<String> {
        let (what, why) = self.obstacle()?;
        Some(format!(
            "the network {} has {what}, and does not start: {why}",
            self.name
        ))
    }

    /// The first thing that stops a start, and the reason.
    pub fn obstacle(&self) -> Option<(String, &'static str)> {
        let first = self.hindrances().into_iter().find(|(there, ..)| *there);
        first.map(|(_, what, why)| (what, why))
    }

    /// Everything that stops a start, and whether it is said.
    fn hindrances(&self) -> Vec<(bool, String, &'static str)> {
        let mut all = self.of_the_bridge();
        all.extend(self.of_names());
        all.extend(self.of_forward());
        let groups = self.groups.iter().any(|g| g.virtualport.is_some());
        let row = |there, what: &str, why| (there, what.to_owned(), why);
        let own = self.is_own();
        all.extend([
            row(self.virtualport.is_some() || groups, "a <virtualport>", NO_SWITCH),
            row(
                self.bandwidth.said,
                "a <bandwidth>",
                "none is shared out: that of an interface, or of a <portgroup>, holds each for itself",
            ),
            row(
                self.vlan.is_some() && (own || self.bridge.is_none()),
                "a <vlan>",
                "a VLAN is a member's of a bridge of the host's",
            ),
            row(
                !self.routes.is_empty(),
                "a <route>",
                "routes of the host's lie on its own links",
            ),
            row(
                self.v6 && self.subnets.iter().all(|s| s.net.address.is_ipv4()),
                "ipv6='yes' and no <ip> of it",
                "a container sends from the addresses that it was given, and from no others",
            ),
            row(
                self.lies_in_itself(),
                "two <ip> of one network",
                "a container could be given the bridge's other address",
            ),
        ]);
        all
    }

    /// Whether one of its subnets lies in another.
    fn lies_in_itself(&self) -> bool {
        let nets = || self.subnets.iter().map(|s| s.net).enumerate();
        let lies = |(at, a): (usize, super::length::Net)| {
            nets().any(|(other, b)| other != at && within(a.address, b.address, a.prefix().min(b.prefix())))
        };
        nets().any(lies)
    }

    fn of_the_bridge(&self) -> Vec<(bool, String, &'static str)> {
        let foreign = self.bridge.as_ref().filter(|b| !b.as_str().starts_with("lzr"));
        let own = self.bridge.as_ref().filter(|b| b.as_str().starts_with("lzr"));
        let named = |bridge: Option<&wire::LinkName>| bridge.map_or(String::new(), |b| format!("the bridge {b}"));
        vec![
            (
                self.is_own() && foreign.is_some(),
                named(foreign),
                "the bridge of a network of Lazaret's is called lzr and what you like; without a name one is chosen",
            ),
            (
                !self.is_own() && own.is_some(),
                named(own),
                "a network of mode bridge has a bridge of the host's, and that is one of ours",
            ),
            (
                self.zone.is_some(),
                "a zone".to_owned(),
                "firewalld is told of nothing, and its zone would not be in force",
            ),
            (
                self.managed == Some(true),
                "macTableManager='libvirt'".to_owned(),
                "the kernel learns where addresses are",
            ),
        ]
    }

    fn of_names(&self) -> Vec<(bool, String, &'static str)> {
        let row = |there, what: &str, why| (there, what.to_owned(), why);
        let domain = self.domain.as_ref();
        let dns = &self.dns;
        let forwarders = &dns.forwarders;
        vec![
            row(
                domain.is_some_and(|d| d.local == Some(true)),
                "a <domain> with localOnly='yes'",
                "containers ask the host's name servers, and those would be asked for it",
            ),
            row(
                domain.is_some_and(|d| d.register == Some(true)),
                "a <domain> with register='yes'",
                NO_SERVER,
            ),
            row(dns.enable == Some(true), "a <dns enable='yes'>", NO_SERVER),
            row(dns.plain == Some(false), "forwardPlainNames='no'", NO_SERVER),
            row(!dns.texts.is_empty(), "a <txt> in <dns>", NO_SERVER),
            row(!dns.services.is_empty(), "a <srv> in <dns>", NO_SERVER),
            row(!forwarders.is_empty(), "a <forwarder> in <dns>", NO_SERVER),
            row(
                self.subnets.iter().any(|s| s.local == Some(true)),
                "an <ip> with localPtr='yes'",
                NO_SERVER,
            ),
            row(self.options.is_some(), "<dnsmasq:options>", "dnsmasq is not run"),
        ]
    }

    fn of_forward(&self) -> Vec<(bool, String, &'static str)> {
        let row = |there, what: &str, why| (there, what.to_owned(), why);
        let f = &self.forward;
        let v6 = self.subnets.iter().any(|s| s.net.address.is_ipv6());
        let direct = !self.is_own() && f.mode != Mode::Hostdev && self.bridge.is_none();
        vec![
            row(
                f.mode == Mode::Hostdev || f.physical.is_some() || f.driver.is_some(),
                "functions of a device of the host's",
                "<hostdev> of a container names a link of the host's that it has",
            ),
            row(
                self.is_own() && !f.devices.is_empty(),
                "an <interface> that it leads over",
                "it leads wherever the host's routes do",
            ),
            row(
                direct && f.devices.is_empty(),
                "neither a <bridge> nor an <interface>",
                "there is nothing that a container could be on",
            ),
            row(
                direct && f.devices.len() > 1,
                "more than one <interface>",
                "nobody chooses one for each container",
            ),
            row(
                f.addresses.is_some(),
                "an <address> in <nat>",
                "what leaves has the address of the host's link that it leaves by",
            ),
            row(
                f.ports.is_some_and(|p| p != forward::PORTS),
                "a <port> in <nat>",
                "ports are chosen from 1024 to 65535",
            ),
            row(
                f.mode == Mode::Nat && v6 && f.v6 != Some(true),
                "an <ip> of IPv6 and no <nat ipv6='yes'/>",
                "where addresses are translated, those of IPv6 are too",
            ),
            row(
                direct && self.isolated == Some(true),
                "isolated ports",
                "only a port of a bridge can be isolated",
            ),
        ]
    }

    /// What has no effect, and is in nobody's way.
    pub fn idle(&self) -> Vec<String> {
        let subnets = || self.subnets.iter();
        let lasts = |s: &super::Subnet| {
            let ranges = s.ranges.iter().filter_map(|r| r.lease);
            ranges.chain(s.hosts.iter().filter_map(|h| h.lease)).any(|l| l.0 > 0)
        };
        let rows = [
            (
                self.filters == Some(true) || self.groups.iter().any(|g| g.filters == Some(true)),
                "trustGuestRxFilters",
                "it is between a hypervisor and its guest",
            ),
            (
                subnets().any(|s| s.tftp.is_some() || s.bootp.is_some()),
                "<tftp> and <bootp>",
                "no container boots from a network",
            ),
            (
                subnets().any(lasts),
                "<lease>",
                "an address is a container's as long as it runs",
            ),
            (
                subnets().any(|s| {
                    s.hosts
                        .iter()
                        .any(|h| h.id.is_some() && h.name.is_none() && h.mac.is_none())
                }),
                "id of <host>",
                "no container asks for an address by DHCPv6: its name or its mac is looked for",
            ),
        ];
        let said = rows.into_iter().filter(|(there, ..)| *there);
        let mut idle: Vec<String> = said
            .map(|(_, what, why)| format!("{what} of the network {} has no effect: {why}", self.name))
            .collect();
        if self.domain.is_some() || !self.dns.hosts.is_empty() {
            idle.push(format!(
                "<domain>, and <host> of <dns>, of the network {} has no effect in a container that is defined, whose files are its own; \
                 `run` writes them into /etc/hosts and /etc/resolv.conf",
                self.name
            ));
        }
        idle
    }

    /// Everything that is to be told of a document that is kept.
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.hindrance().into_iter().collect();
        told.extend(self.idle());
        if self.is_own() && self.looks_for_loops() && self.delay < super::STP_DELAY {
            told.push(format!(
                "the bridge of the network {} has stp='on', and the kernel lets nothing through a new link of such a bridge for {} s; \
                 stp='off' lets it through at once",
                self.name,
                super::STP_DELAY.saturating_mul(2),
            ));
        }
        told
    }
}
