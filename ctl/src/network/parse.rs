//! From the text of a document to a [`Network`]: every element and attribute is done, or the document is refused. Pure.

use super::{Fixed, Forward, Network, Subnet};
use crate::domain::error::{Fault, ParseError};
use crate::domain::units::number;
use crate::domain::xml::{Element, Given, Parts, read};
use crate::domain::{Mac, Uuid, said_tree};
use std::net::{IpAddr, Ipv4Addr};
use wire::network::within;
use wire::{ContainerName, LinkName};

/// Why elements that libvirt knows are refused.
const REFUSED: [(&str, &str); 5] = [
    (
        "domain",
        "no DNS server of a network's own is run, so that nobody would know the domain",
    ),
    (
        "bandwidth",
        "a bandwidth is shared out by none: <bandwidth> of an interface, or of a <portgroup>, holds that of each",
    ),
    ("virtualport", "Open vSwitch is not used"),
    (
        "vlan",
        "a VLAN is a member's of a bridge of the host's: <vlan> of an interface, or of a <portgroup>",
    ),
    ("route", "routes of the host's lie on its own links"),
];

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
    for (name, why) in REFUSED {
        if let Some(element) = parts.child(name)? {
            return Err(Fault::new(
                element.line,
                format!("<{name}> in <network> is refused: {why}"),
            ));
        }
    }
    let name = parts.leaf("name")?.ok_or_else(|| parts.lacks("name"))?;
    let forward = parts.child("forward")?.map(|e| e.read(forward)).transpose()?;
    let (forward, v6_too) = forward.unwrap_or((Forward::Isolated, false));
    let (bridge, stp, delay) = parts
        .child("bridge")?
        .map(|e| e.read(bridge))
        .transpose()?
        .unwrap_or((None, false, 0));
    let attribute = |parts: &mut Parts, child: &str, name: &str| {
        let child = parts.child(child)?;
        child.map(|e| e.read(|parts| parts.required(name))).transpose()
    };
    let network = Network {
        name: name.try_read(ContainerName::new)?,
        uuid: parts.leaf("uuid")?.map(|v| v.read("a uuid", Uuid::parse)).transpose()?,
        title: parts.leaf("title")?.map(|v| v.value).filter(|t| !t.is_empty()),
        description: parts.leaf("description")?.map(|v| v.value).filter(|t| !t.is_empty()),
        metadata: parts.child("metadata")?.map(|e| said_tree(&e)).transpose()?,
        forward,
        bridge,
        stp,
        delay,
        mac: attribute(parts, "mac", "address")?
            .map(|v| v.read("the hardware address of one station", Mac::parse))
            .transpose()?,
        mtu: attribute(parts, "mtu", "size")?
            .map(|v| v.read("a number from 68 to 65535", |v| number(v, 68, 65_535)))
            .transpose()?,
        isolated: attribute(parts, "port", "isolated")?
            .map(|v| v.read("\"yes\" or \"no\"", yes_or_no))
            .transpose()?
            .unwrap_or(false),
        dns: parts.child("dns")?.map(|e| e.read(dns)).transpose()?.is_some(),
        subnets: parts
            .children("ip")
            .into_iter()
            .map(|e| e.read(subnet))
            .collect::<Result<_, _>>()?,
        groups: super::portgroup::read(parts)?,
    };
    fits(&network, v6_too).map_err(|what| parts.fault(what))?;
    Ok(network)
}

/// What the parts say to each other.
fn fits(network: &Network, v6_too: bool) -> Result<(), String> {
    let families = |v4: bool| network.subnets.iter().filter(|s| s.address.is_ipv4() == v4).count();
    if families(true) > 1 || families(false) > 1 {
        return Err("a network has one <ip> of each family".into());
    }
    let own = network.bridge.as_ref().is_none_or(|b| b.as_str().starts_with("lzr"));
    if network.forward == Forward::Bridge {
        if own {
            return Err("a network of mode bridge names a <bridge> of the host's".into());
        }
        let more = network.stp || network.delay > 0 || network.mac.is_some() || !network.subnets.is_empty();
        if more {
            return Err("of a bridge of the host's neither addresses, stp, delay nor <mac> are changed".into());
        }
        return Ok(());
    }
    if let Some(bridge) = network.bridge.as_ref().filter(|_| !own) {
        return Err(format!(
            "the bridge of a network of Lazaret's is called lzr and what you like, not {bridge}; without a name one is chosen"
        ));
    }
    let translated = network.forward == Forward::Nat;
    if translated && !v6_too && families(false) > 0 {
        return Err(
            "IPv6 is translated too where addresses are: <forward mode='nat'> then holds <nat ipv6='yes'/>".into(),
        );
    }
    if network.forward != Forward::Isolated && network.subnets.is_empty() {
        return Err("a network that leads beyond the host has an <ip>".into());
    }
    Ok(())
}

/// The mode, and whether IPv6 is translated too.
fn forward(parts: &mut Parts) -> Result<(Forward, bool), Fault> {
    let mode = |word: &str| {
        let all = [Forward::Nat, Forward::Route, Forward::Open, Forward::Bridge];
        all.into_iter().find(|m| m.name() == Some(word))
    };
    let given = parts.attribute("mode");
    let said = "\"nat\", \"route\", \"open\" or \"bridge\", which alone are supported";
    let mode = given.map_or(Ok(Forward::Nat), |v| v.read(said, mode))?;
    let nat = |parts: &mut Parts| {
        let v6 = parts.attribute("ipv6").map(|v| v.read("\"yes\" or \"no\"", yes_or_no));
        if let Some(port) = parts.child("port")? {
            port.read(|parts| {
                // What is chosen anyway.
                parts.required("start")?.only("1024")?;
                parts.required("end")?.only("65535")
            })?;
        }
        Ok(v6.transpose()?.unwrap_or(false))
    };
    let v6 = match parts.child("nat")? {
        Some(element) if mode == Forward::Nat => element.read(nat)?,
        Some(element) => return Err(Fault::new(element.line, "<nat> is for <forward mode='nat'>")),
        None => false,
    };
    Ok((mode, v6))
}

fn bridge(parts: &mut Parts) -> Result<(Option<LinkName>, bool, u32), Fault> {
    let on_or_off = |word: &str| match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    let name = parts.attribute("name").map(|v| v.try_read(LinkName::new)).transpose()?;
    let stp = parts
        .attribute("stp")
        .map(|v| v.read("\"on\" or \"off\"", on_or_off))
        .transpose()?;
    let delay = parts.attribute("delay");
    let delay = delay
        .map(|v| v.read("a number from 0 to 30", |v| number(v, 0, 30)))
        .transpose()?;
    let (stp, delay) = (stp.unwrap_or(false), delay.unwrap_or(0));
    if stp && delay < 2 {
        return Err(parts.fault("a bridge with stp='on' has a delay of 2 to 30 s: the kernel waits no less"));
    }
    Ok((name, stp, delay))
}

fn dns(parts: &mut Parts) -> Result<(), Fault> {
    let why = "no DNS server of a network's own is run: <dns enable='no'/> says that";
    let off = parts.attribute("enable").is_some_and(|v| v.value == "no");
    if off { Ok(()) } else { Err(parts.fault(why)) }
}

/// What these two words mean.
pub fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn ip(given: &Given) -> Result<IpAddr, Fault> {
    given.read("an IP address", |v| v.parse().ok())
}

fn subnet(parts: &mut Parts) -> Result<Subnet, Fault> {
    let given = parts.required("address")?;
    let address = ip(&given)?;
    let family = crate::domain::interface::family(address);
    let said = parts.attribute("family").map_or_else(|| "ipv4".to_owned(), |v| v.value);
    if said != family {
        return Err(parts.fault(format!("an {family} address here needs family='{family}'")));
    }
    let most = crate::domain::interface::width(address);
    let prefix = parts.attribute("prefix");
    let prefix = prefix.map(|v| v.read(&format!("a number from 1 to {most}"), |v| number(v, 1, most)));
    let mask = parts.attribute("netmask").filter(|_| address.is_ipv4());
    let mask = mask.map(|v| v.read("the mask of a network", prefix_of));
    let prefix = match (prefix.transpose()?, mask.transpose()?) {
        (Some(_), Some(_)) => return Err(parts.fault("an <ip> has a prefix or a netmask, not both")),
        (Some(prefix), None) | (None, Some(prefix)) => prefix,
        (None, None) => return Err(parts.fault("an <ip> of a network has a prefix, or a netmask")),
    };
    let inside = |given: &Given| {
        let one = ip(given)?;
        if !within(one, address, prefix) {
            return Err(given.fault(&format!("does not lie in the network {address}/{prefix}")));
        }
        if is_nobodys(one, prefix) {
            return Err(given.fault(&format!(
                "is the address of the whole network {address}/{prefix}, or the one that all in it hear"
            )));
        }
        Ok(one)
    };
    if is_nobodys(address, prefix) {
        return Err(given.fault("is the address of the whole network, or the one that all in it hear"));
    }
    let mut subnet = Subnet {
        address,
        prefix,
        ranges: Vec::new(),
        hosts: Vec::new(),
    };
    let Some(dhcp) = parts.child("dhcp")? else {
        return Ok(subnet);
    };
    dhcp.read(|parts| {
        for element in parts.children("range") {
            subnet.ranges.push(element.read(|parts| {
                let (first, given) = (inside(&parts.required("start")?)?, parts.required("end")?);
                let last = inside(&given)?;
                if last < first {
                    return Err(given.fault("comes before the start of the range"));
                }
                Ok((first, last))
            })?);
        }
        for element in parts.children("host") {
            subnet.hosts.push(element.read(|parts| {
                let mac = parts.attribute("mac");
                let mac = mac
                    .map(|v| v.read("the hardware address of one station", Mac::parse))
                    .transpose()?;
                let name = parts.attribute("name").map(|v| v.value);
                if mac.is_none() && name.is_none() {
                    return Err(parts.fault("a <host> has a mac or a name"));
                }
                let given = parts.required("ip")?;
                let own = inside(&given)?;
                if own == address {
                    return Err(given.fault("is the network's own"));
                }
                Ok(Fixed {
                    mac,
                    name,
                    address: own,
                })
            })?);
        }
        Ok(())
    })?;
    let mut ranges = subnet.ranges.clone();
    ranges.sort_unstable();
    if ranges
        .windows(2)
        .any(|pair| matches!(pair, [(_, end), (start, _)] if start <= end))
    {
        return Err(parts.fault("two <range> have an address in common"));
    }
    let mut fixed: Vec<IpAddr> = subnet.hosts.iter().map(|h| h.address).collect();
    fixed.sort_unstable();
    if fixed.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(parts.fault("two <host> have one address"));
    }
    Ok(subnet)
}

/// Whether an address is that of the whole network, or, with IPv4, the one that all in it hear.
fn is_nobodys(address: IpAddr, prefix: u8) -> bool {
    match address {
        IpAddr::V4(a) => {
            let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            prefix < 31 && [0, hosts].contains(&(a.to_bits() & hosts))
        }
        IpAddr::V6(a) => {
            let hosts = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            prefix < 127 && a.to_bits() & hosts == 0
        }
    }
}

/// The prefix length of a mask.
fn prefix_of(mask: &str) -> Option<u8> {
    let bits = mask.parse::<Ipv4Addr>().ok()?.to_bits();
    let ones = bits.leading_ones();
    let whole = u32::MAX.checked_shl(32u32.checked_sub(ones)?).unwrap_or(0);
    (whole == bits && ones > 0).then_some(u8::try_from(ones).ok()?)
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
            ("<domain name='x'/>", "n.xml:3: <domain> in <network> is refused"),
            ("<bandwidth/>", "<bandwidth> in <network> is refused"),
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
                "<portgroup name='a'><virtualport type='openvswitch'/></portgroup>",
                "Open vSwitch",
            ),
            (
                "<portgroup name='a'><bandwidth><inbound/></bandwidth></portgroup>",
                "a rate has an average",
            ),
            ("<dns><host ip='1.2.3.4'/></dns>", "no DNS server"),
            ("<forward mode='passthrough'/>", "which alone are supported"),
            ("<forward mode='nat' dev='eth0'/>", "attribute dev of <forward>"),
            ("<forward mode='route'><nat/></forward>", "<nat> is for"),
            (
                "<forward mode='nat'><nat><port start='1' end='9'/></nat></forward>",
                "\"1024\"",
            ),
            ("<forward mode='nat'/>", "has an <ip>"),
            ("<forward mode='bridge'/>", "names a <bridge> of the host's"),
            (
                "<forward mode='bridge'/><bridge name='br0'/><ip address='192.168.5.1' prefix='24'/>",
                "neither addresses",
            ),
            ("<bridge name='virbr9'/>", "called lzr and what you like, not virbr9"),
            ("<bridge name='lzr9' delay='31'/>", "from 0 to 30"),
            ("<bridge name='lzr9' stp='on'/>", "a delay of 2 to 30 s"),
            ("<bridge name='lzr9' stp='on' delay='1'/>", "a delay of 2 to 30 s"),
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
            ("<bridge name='lzr9' macTableManager='libvirt'/>", "macTableManager"),
            ("<ip address='192.168.5.1'/>", "has a prefix, or a netmask"),
            (
                "<ip address='192.168.5.1' netmask='255.0.255.0'/>",
                "the mask of a network",
            ),
            ("<ip address='fd00::1' prefix='64'/>", "needs family='ipv6'"),
            ("<ip address='192.168.5.1' prefix='24'><tftp root='/x'/></ip>", "<tftp>"),
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
                "<ip address='192.168.5.1' prefix='24'/><ip address='192.168.6.1' prefix='24'/>",
                "one <ip> of each family",
            ),
            (
                "<forward mode='nat'/><ip family='ipv6' address='fd00::1' prefix='64'/>",
                "<nat ipv6='yes'/>",
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
        assert_eq!(of("").unwrap().forward, Forward::Isolated);
        assert_eq!(of(&format!("<forward/>{HOLDS}")).unwrap().forward, Forward::Nat);
        assert_eq!(
            of(&format!("<forward mode='open'/>{HOLDS}")).unwrap().forward,
            Forward::Open
        );
        let both = "<forward mode='nat'><nat ipv6='yes'/></forward><ip family='ipv6' address='fd00::1' prefix='64'/>";
        assert_eq!(of(&format!("{both}{HOLDS}")).unwrap().subnets.len(), 2);
        let host = of("<forward mode='bridge'/><bridge name='br0'/>").unwrap();
        assert!(host.own_bridge().is_none());
    }
}
