//! From the text of a document to a [`Network`]: every element and attribute of libvirt's schema is known, or the document is refused. Pure.

use super::format::DNSMASQ;
use super::{Mode, Network, dns, forward, portgroup, route, subnet, virtualport};
use crate::domain::error::{Fault, ParseError};
use crate::domain::interface::family;
use crate::domain::parts::{read_bandwidth, read_vlan};
use crate::domain::units::number;
use crate::domain::xml::{Element, Given, Parts, Tree, read};
use crate::domain::{Bandwidth, Mac, Uuid, metadata, said_tree};
use std::net::IpAddr;
use wire::network::within;
use wire::{ContainerName, LinkName};

/// Reads a network's document; `file` is the name under which errors speak of it.
pub fn parse(bytes: &[u8], file: &str) -> Result<Network, ParseError> {
    read(bytes).and_then(root).map_err(|fault| fault.of(file))
}

fn root(element: Element) -> Result<Network, Fault> {
    if element.name != "network" {
        let name = crate::domain::error::shown_name(&element.name);
        return Err(Fault::new(
            element.line,
            format!("the root element is <{name}>, not <network>"),
        ));
    }
    element.read(network)
}

fn network(parts: &mut Parts) -> Result<Network, Fault> {
    let name = parts.leaf("name")?.ok_or_else(|| parts.lacks("name"))?;
    // How many are on it is counted, not said.
    parts.attribute("connections");
    let forward = parts.child("forward")?.map(|e| e.read(forward::read)).transpose()?;
    let bridge = parts.child("bridge")?.map(|e| e.read(bridge)).transpose()?;
    let bridge = bridge.unwrap_or_default();
    let network = Network {
        name: name.try_read(ContainerName::new)?,
        uuid: parts.leaf("uuid")?.map(|v| v.read("a uuid", Uuid::parse)).transpose()?,
        title: parts.leaf("title")?.map(|v| v.value).filter(|t| !t.is_empty()),
        description: parts.leaf("description")?.map(|v| v.value).filter(|t| !t.is_empty()),
        metadata: parts.child("metadata")?.map(own).transpose()?,
        v6: said(parts, "ipv6")?.unwrap_or(false),
        filters: said(parts, "trustGuestRxFilters")?,
        forward: forward.unwrap_or_default(),
        bridge: bridge.name,
        zone: bridge.zone,
        stp: bridge.stp,
        delay: bridge.delay.unwrap_or(0),
        managed: bridge.managed,
        mac: attribute(parts, "mac", "address")?
            .map(|v| v.read("the hardware address of one station", Mac::parse))
            .transpose()?,
        mtu: attribute(parts, "mtu", "size")?
            .map(|v| v.read("a number from 68 to 65535", |v| number(v, 68, 65_535)))
            .transpose()?,
        domain: parts.child("domain")?.map(|e| e.read(dns::read_domain)).transpose()?,
        dns: parts
            .child("dns")?
            .map(|e| e.read(dns::read))
            .transpose()?
            .unwrap_or_default(),
        vlan: parts.child("vlan")?.map(|e| e.read(read_vlan)).transpose()?,
        bandwidth: parts
            .child("bandwidth")?
            .map_or(Ok(Bandwidth::default()), |e| e.read(shared))?,
        isolated: parts
            .child("port")?
            .map(|e| e.read(|parts| said(parts, "isolated")))
            .transpose()?
            .flatten(),
        subnets: all(parts, "ip", subnet::read)?,
        routes: all(parts, "route", route::read)?,
        virtualport: parts
            .child("virtualport")?
            .map(|e| e.read(virtualport::read))
            .transpose()?,
        groups: portgroup::read(parts)?,
        options: options(parts)?,
    };
    let host_has = bridge.stp.is_some() || bridge.delay.is_some() || network.zone.is_some();
    fits(&network, host_has).map_err(|what| parts.fault(what))?;
    Ok(network)
}

fn all<T>(parts: &mut Parts, name: &str, one: fn(&mut Parts) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    parts.children(name).into_iter().map(|e| e.read(one)).collect()
}

fn attribute(parts: &mut Parts, child: &str, name: &str) -> Result<Option<Given>, Fault> {
    let child = parts.child(child)?;
    child.map(|e| e.read(|parts| parts.required(name))).transpose()
}

/// What an attribute says that is a yes or a no.
fn said(parts: &mut Parts, name: &str) -> Result<Option<bool>, Fault> {
    let given = parts.attribute(name);
    given.map(|v| v.read("\"yes\" or \"no\"", yes_or_no)).transpose()
}

/// What is somebody's own, the first of each namespace, as libvirt keeps it.
fn own(element: Element) -> Result<Tree, Fault> {
    let mut tree = said_tree(&element)?;
    metadata::first_of_each(&mut tree);
    Ok(tree)
}

/// A bandwidth of which nothing is kept free for anybody; one that says nothing is none.
pub fn shared(parts: &mut Parts) -> Result<Bandwidth, Fault> {
    let read = read_bandwidth(parts)?;
    if [read.inbound, read.outbound]
        .into_iter()
        .flatten()
        .any(|r| r.floor.is_some())
    {
        return Err(parts.fault("a floor is for the <bandwidth> of an interface"));
    }
    let says = read.inbound.is_some() || read.outbound.is_some();
    Ok(if says { read } else { Bandwidth::default() })
}

/// What only dnsmasq is told.
fn options(parts: &mut Parts) -> Result<Option<Tree>, Fault> {
    if let Some(declared) = parts.attribute("xmlns:dnsmasq") {
        declared.only(DNSMASQ)?;
    }
    let Some(element) = parts.child("dnsmasq:options")? else {
        return Ok(None);
    };
    let one = |parts: &mut Parts| Ok(Tree::new("dnsmasq:option").with("value", parts.required("value")?.value));
    let options = element.read(|parts| all(parts, "dnsmasq:option", one))?;
    Ok((!options.is_empty()).then(|| Tree::new("dnsmasq:options").holding(options)))
}

/// `bridge`
#[derive(Debug, Default)]
struct Said {
    name: Option<LinkName>,
    zone: Option<String>,
    stp: Option<bool>,
    delay: Option<u32>,
    managed: Option<bool>,
}

fn bridge(parts: &mut Parts) -> Result<Said, Fault> {
    let on_or_off = |word: &str| match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    let manager = |word: &str| match word {
        "libvirt" => Some(true),
        "kernel" => Some(false),
        _ => None,
    };
    let stp = parts.attribute("stp");
    let delay = parts.attribute("delay");
    let managed = parts.attribute("macTableManager");
    Ok(Said {
        name: parts.attribute("name").as_ref().map(link).transpose()?,
        zone: parts.attribute("zone").map(|v| v.value).filter(|z| !z.is_empty()),
        stp: stp.map(|v| v.read("\"on\" or \"off\"", on_or_off)).transpose()?,
        delay: delay
            .map(|v| v.read("a number from 0 to 30", |v| number(v, 0, 30)))
            .transpose()?,
        managed: managed
            .map(|v| v.read("\"kernel\" or \"libvirt\"", manager))
            .transpose()?,
    })
}

/// What the parts say to each other; `host_has` where something of a bridge is said that is its own.
fn fits(network: &Network, host_has: bool) -> Result<(), String> {
    for v4 in [true, false] {
        let its = network.subnets.iter().filter(|s| s.net.address.is_ipv4() == v4);
        if its.filter(|s| !(s.ranges.is_empty() && s.hosts.is_empty())).count() > 1 {
            return Err("addresses are given out of one <ip> of each family".into());
        }
    }
    let reached = |gateway| {
        let mut nets = network.subnets.iter().map(|s| s.net);
        nets.any(|n| within(gateway, n.address, n.prefix()))
    };
    if let Some(lost) = network.routes.iter().find(|r| !reached(r.gateway)) {
        return Err(format!("the gateway {} of a <route> lies in no <ip>", lost.gateway));
    }
    let mode = network.forward.mode;
    if mode.is_own() {
        if mode != Mode::Isolated && network.subnets.is_empty() {
            return Err("a network that leads beyond the host has an <ip>".into());
        }
        return Ok(());
    }
    let more = host_has || network.mac.is_some() || network.domain.is_some();
    if more || !network.subnets.is_empty() {
        return Err(
            "of a link of the host's neither addresses, stp, delay, zone, <mac> nor <domain> are changed".into(),
        );
    }
    if network.bridge.is_some() && (mode != Mode::Bridge || !network.forward.devices.is_empty()) {
        return Err("a <bridge> is for <forward mode='bridge'> without an <interface>".into());
    }
    Ok(())
}

/// What these two words mean.
pub fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The word for it.
pub const fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// The name of a link of the host's.
pub fn link(given: &Given) -> Result<LinkName, Fault> {
    given.try_read(LinkName::new)
}

/// An address of IPv4 or IPv6.
pub fn ip(given: &Given) -> Result<IpAddr, Fault> {
    given.read("an IP address", |v| v.parse().ok())
}

/// Whether the family of an address is said; refused where it is another, or where an address of IPv6 has none.
pub fn known_family(parts: &mut Parts, address: IpAddr) -> Result<bool, Fault> {
    let said = parts.attribute("family").map(|v| v.value);
    let its = family(address);
    if said.as_deref().unwrap_or("ipv4") != its {
        return Err(parts.fault(format!("an {its} address here needs family='{its}'")));
    }
    Ok(said.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDS: &str = "<ip address='192.168.5.1' netmask='255.255.255.0'/>";

    fn of(inside: &str) -> Result<Network, String> {
        let whole = format!("<network>\n<name>n</name>\n{inside}\n</network>");
        parse(whole.as_bytes(), "n.xml").map_err(|e| e.to_string())
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name_and_line() {
        for (inside, what) in [
            ("<domain/>", "n.xml:3: <domain> has no attribute name"),
            ("<domain name='a b'/>", "a name of letters"),
            ("<dns><host ip='1.2.3.4'/></dns>", "<host> has no <hostname>"),
            ("<dns><forwarder/></dns>", "has an addr or a domain"),
            ("<dns><txt name='a b' value='1'/></dns>", "has a space"),
            ("<dns><srv service='a' protocol='icmp'/></dns>", "\"tcp\" or \"udp\""),
            (
                "<bandwidth><inbound average='1' floor='2'/></bandwidth>",
                "a floor is for",
            ),
            ("<virtualport/>", "<virtualport> has no attribute type"),
            ("<virtualport type='x'/>", "\"802.1Qbg\""),
            (
                "<route address='10.0.0.0' prefix='8' gateway='192.168.5.9'/>",
                "lies in no <ip>",
            ),
            (
                "<route address='10.0.0.1' prefix='8' gateway='10.0.0.1'/>",
                "is not that of a network",
            ),
            ("<portgroup/>", "<portgroup> has no attribute name"),
            ("<portgroup name=''/>", "is empty"),
            ("<portgroup name='a' default='1'/>", "\"yes\" or \"no\""),
            (
                "<portgroup name='a'/><portgroup name='a'/>",
                "a second <portgroup> is called \"a\"",
            ),
            (
                "<portgroup name='a' default='yes'/><portgroup name='b' default='yes'/>",
                "a second <portgroup> is the default",
            ),
            (
                "<portgroup name='a'><bandwidth><inbound/></bandwidth></portgroup>",
                "a rate has an average",
            ),
            ("<forward mode='tunnel'/>", "a mode of a network"),
            (
                "<forward dev='a'><interface dev='b'/></forward>",
                "is not the first <interface>",
            ),
            (
                "<forward mode='vepa'><pf dev='a'/><interface dev='b'/></forward>",
                "<interface>, <address> or <pf>",
            ),
            (
                "<forward mode='route'><interface dev='a'/><interface dev='b'/></forward>",
                "over one <interface>",
            ),
            ("<forward mode='route'><nat/></forward>", "<nat> is for"),
            (
                "<forward mode='nat'><nat><port start='10' end='9'/></nat></forward>",
                "comes before",
            ),
            ("<forward mode='nat'/>", "has an <ip>"),
            (
                "<forward mode='bridge' dev='eth0'/><bridge name='br0'/>",
                "without an <interface>",
            ),
            (
                "<forward mode='bridge'/><bridge name='br0'/><ip address='192.168.5.1' prefix='24'/>",
                "neither addresses",
            ),
            ("<bridge name='lzr9' delay='31'/>", "from 0 to 30"),
            ("<bridge name='lzr9' stp='maybe'/>", "\"on\" or \"off\""),
            ("<ip address='192.168.5.0' prefix='24'/>", "of the whole network"),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><range start='192.168.5.0' end='192.168.5.3'/></dhcp></ip>",
                "of the whole network",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><range start='192.168.5.2' end='192.168.5.255'/></dhcp></ip>",
                "all in it hear",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><host name='a' ip='192.168.5.255'/></dhcp></ip>",
                "all in it hear",
            ),
            (
                "<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host name='a' ip='fd00::'/></dhcp></ip>",
                "of the whole network",
            ),
            ("<bridge name='lzr9' macTableManager='me'/>", "macTableManager"),
            (
                "<ip address='192.168.5.1' prefix='24' netmask='255.255.255.0'/>",
                "not both",
            ),
            (
                "<ip address='192.168.5.1' netmask='255.0.255.0'/>",
                "the mask of a network",
            ),
            ("<ip address='fd00::1' prefix='64'/>", "needs family='ipv6'"),
            (
                "<ip address='192.168.5.1' prefix='24'><tftp/></ip>",
                "<tftp> has no attribute root",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><range start='192.168.6.2' end='192.168.6.3'/></dhcp></ip>",
                "does not lie",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><range start='192.168.5.9' end='192.168.5.3'/></dhcp></ip>",
                "comes before",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><host ip='192.168.5.3'/></dhcp></ip>",
                "a mac or a name",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><host name='a' ip='192.168.5.1'/></dhcp></ip>",
                "the network's own",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><range start='192.168.5.2' end='192.168.5.3'><lease expiry='1'/></range></dhcp></ip>",
                "less than two minutes",
            ),
            (
                "<ip address='192.168.5.1' prefix='24'><dhcp><host name='a' ip='192.168.5.2'/></dhcp></ip>\
                 <ip address='192.168.6.1' prefix='24'><dhcp><host name='a' ip='192.168.6.2'/></dhcp></ip>",
                "one <ip> of each family",
            ),
            ("<colour/>", "<colour> in <network> is not known"),
        ] {
            let said = of(inside).unwrap_err();
            assert!(said.starts_with("n.xml:") && said.contains(what), "{inside}: {said}");
        }
        assert!(parse(b"<domain/>", "n.xml").is_err() && parse(b"<network/>", "n.xml").is_err());
        assert!(parse(b"<network><name>../x</name></network>", "n.xml").is_err());
    }

    #[test]
    fn a_network_is_what_its_modes_say() {
        assert_eq!(of("").unwrap().forward.mode, Mode::Isolated);
        assert_eq!(of(&format!("<forward/>{HOLDS}")).unwrap().forward.mode, Mode::Nat);
        assert_eq!(
            of(&format!("<forward mode='open'/>{HOLDS}")).unwrap().forward.mode,
            Mode::Open
        );
        let both = "<forward mode='nat'><nat ipv6='yes'/></forward><ip family='ipv6' address='fd00::1' prefix='64'/>";
        assert_eq!(of(&format!("{both}{HOLDS}")).unwrap().subnets.len(), 2);
        let host = of("<forward mode='bridge'/><bridge name='br0'/>").unwrap();
        assert!(host.own_bridge().is_none());
    }

    #[test]
    fn what_would_make_it_another_network_stops_a_start_and_all_else_is_told() {
        for (inside, what) in [
            (
                format!("<forward mode='nat' dev='eth0'/>{HOLDS}"),
                "an <interface> that it leads over",
            ),
            ("<bridge name='virbr9'/>".into(), "the bridge virbr9"),
            ("<bridge name='lzr9' zone='a'/>".into(), "a zone"),
            ("<domain name='a' localOnly='yes'/>".into(), "localOnly='yes'"),
            ("<dns><txt name='a' value='1'/></dns>".into(), "a <txt> in <dns>"),
            ("<bandwidth><inbound average='1'/></bandwidth>".into(), "a <bandwidth>"),
            (
                "<forward mode='hostdev'><pf dev='eth0'/></forward>".into(),
                "functions of a device",
            ),
            (
                "<forward mode='bridge'/><bridge name='lzr1'/>".into(),
                "that is one of ours",
            ),
            ("<forward mode='vepa'/>".into(), "neither a <bridge> nor an <interface>"),
            (
                "<forward mode='nat'/><ip family='ipv6' address='fd00::1' prefix='64'/>".into(),
                "no <nat ipv6='yes'/>",
            ),
            (
                "<portgroup name='a'><virtualport type='midonet'/></portgroup>".into(),
                "a <virtualport>",
            ),
            ("<vlan><tag id='3'/></vlan>".into(), "a <vlan>"),
            (
                format!("{HOLDS}<ip address='192.168.5.9' prefix='29'/>"),
                "two <ip> of one network",
            ),
            (
                "<ip family='ipv6' address='fd00::1' prefix='64'/><ip family='ipv6' address='fd00:0:0:1::1' prefix='48'/>"
                    .into(),
                "two <ip> of one network",
            ),
        ] {
            let network = of(&inside).unwrap();
            let why = network.hindrance().unwrap_or_default();
            assert!(why.contains(what) && network.told().contains(&why), "{inside}: {why}");
        }
        for good in [
            format!("<forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>{HOLDS}"),
            "<forward mode='vepa' dev='eth0'/>".into(),
            "<forward mode='bridge'/><bridge name='br0'/><vlan><tag id='3'/></vlan>".into(),
            "<forward mode='bridge'/><bridge name='br0'/><mtu size='1400'/>".into(),
            "<portgroup name='a'><vlan><tag id='3'/></vlan></portgroup>".into(),
            "<ip address='192.168.5.1' prefix='24'/><ip address='192.168.6.1' prefix='24'/>".into(),
            "<domain name='a' localOnly='no'/><dns enable='no'><host ip='1.2.3.4'><hostname>b</hostname></host></dns>"
                .into(),
        ] {
            assert_eq!(of(&good).unwrap().hindrance(), None, "{good}");
        }
        let idle = of("<bridge stp='off'/><ip address='192.168.5.1' prefix='24'><tftp root='/x'/></ip>").unwrap();
        assert!(
            idle.hindrance().is_none() && idle.told().len() == 1,
            "{:?}",
            idle.told()
        );
    }

    #[test]
    fn a_bridge_that_looks_for_loops_waits_as_long_as_the_kernel_does_at_least() {
        let delay = |said: &str| {
            of(&format!("<bridge name='lzr9'{said}/>"))
                .unwrap()
                .own_bridge()
                .map(|b| b.delay)
        };
        assert_eq!(
            (delay(""), delay(" stp='on' delay='5'"), delay(" stp='off'")),
            (Some(2), Some(5), Some(0))
        );
        assert!(
            of("<bridge stp='on' delay='1'/>")
                .unwrap()
                .told()
                .iter()
                .any(|t| t.contains("stp='on'"))
        );
    }
}
