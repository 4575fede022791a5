//! `interface`: where a link ends on the host, and how it is configured inside. Pure.

use crate::domain::error::Fault;
use crate::domain::identity::Mac;
use crate::domain::interface::{
    Address, Attached, Bandwidth, Interface, LinkState, Mode, Native, Rate, Route, Tag, Vlan, width,
};
use crate::domain::units::number;
use crate::domain::xml::{Given, Parts};
use core::net::{IpAddr, Ipv4Addr};
use wire::LinkName;

/// How the names begin that libvirt gives to what runs: no part of a definition, in which none is meant.
const GIVEN: [&str; 3] = ["vnet", "macvtap", "macvlan"];

/// `interface`
pub fn interface(parts: &mut Parts) -> Result<Interface, Fault> {
    let (attached, portgroup) = attached(parts)?;
    let interface = Interface {
        attached,
        portgroup,
        mac: only_attribute(parts, "mac", "address")?
            .map(|v| v.read("the hardware address of one station", Mac::parse))
            .transpose()?,
        addresses: parts
            .children("ip")
            .into_iter()
            .map(|e| e.read(address))
            .collect::<Result<_, _>>()?,
        routes: parts
            .children("route")
            .into_iter()
            .map(|e| e.read(route))
            .collect::<Result<_, _>>()?,
        target: only_attribute(parts, "target", "dev")?
            .filter(|given| !GIVEN.iter().any(|begin| given.value.starts_with(begin)))
            .as_ref()
            .map(link_name)
            .transpose()?,
        guest: only_attribute(parts, "guest", "dev")?
            .as_ref()
            .map(link_name)
            .transpose()?,
        mtu: only_attribute(parts, "mtu", "size")?
            .map(|v| v.read("a number from 68 to 65535", |v| number(v, 68, 65_535)))
            .transpose()?,
        isolated: only_attribute(parts, "port", "isolated")?
            .map(|v| v.read("\"yes\" or \"no\"", yes_or_no))
            .transpose()?,
        bandwidth: parts
            .child("bandwidth")?
            .map_or(Ok(Bandwidth::default()), |e| e.read(bandwidth))?,
        vlan: parts.child("vlan")?.map(|e| e.read(vlan)).transpose()?,
        link: only_attribute(parts, "link", "state")?
            .map(|v| v.read("\"up\" or \"down\"", link_state))
            .transpose()?,
    };
    let configured = !interface.addresses.is_empty() || !interface.routes.is_empty();
    let floor = |rate: Option<Rate>| rate.is_some_and(|rate| rate.floor.is_some());
    let of_network = matches!(interface.attached, Attached::Network(_));
    if floor(interface.bandwidth.outbound) || floor(interface.bandwidth.inbound) && !of_network {
        return Err(parts.fault("only <inbound> of an interface of type network has a floor"));
    }
    if interface.link == Some(LinkState::Down) && configured {
        return Err(parts.fault("an interface that is down inside has neither <ip> nor <route>"));
    }
    if interface.is_ipvlan() && interface.mac.is_some() {
        return Err(parts.fault("an ipvlan has the hardware address of the link that it lies on, and no <mac>"));
    }
    if interface.isolated == Some(true) && !matches!(interface.attached, Attached::Network(_) | Attached::Bridge(_)) {
        return Err(parts.fault("only a port of a bridge can be isolated"));
    }
    // An interface of a network is given an address, and so needs none of its own for its routes.
    let given = matches!(interface.attached, Attached::Network(_));
    if !interface.is_up() && configured && !given {
        return Err(parts.fault("an interface with a <route> needs an <ip> or <link state='up'/>"));
    }
    Ok(interface)
}

/// Where it belongs, and the group of the network's that it names.
fn attached(parts: &mut Parts) -> Result<(Attached, Option<String>), Fault> {
    let kind = parts.required("type")?;
    let reader = kind.read(
        "\"network\", \"bridge\", \"ethernet\", \"direct\" or \"user\", which alone are supported",
        source_reader,
    )?;
    match parts.child("source")? {
        Some(source) => source.read(|parts| {
            let attached = reader(parts)?;
            let group = match attached {
                Attached::Network(_) => parts.attribute("portgroup").map(|v| v.value),
                _ => None,
            };
            Ok((attached, group.filter(|g| !g.is_empty())))
        }),
        None if kind.value == "ethernet" => Ok((Attached::Ethernet(Vec::new(), Vec::new()), None)),
        None if kind.value == "user" => Ok((Attached::User, None)),
        None => Err(parts.lacks("source")),
    }
}

/// What reads the `source` of one type.
type SourceReader = fn(&mut Parts) -> Result<Attached, Fault>;

fn source_reader(kind: &str) -> Option<SourceReader> {
    match kind {
        "network" => Some(network),
        "bridge" => Some(|parts| link_name(&parts.required("bridge")?).map(Attached::Bridge)),
        "ethernet" => Some(ethernet),
        "direct" => Some(direct),
        "user" => Some(|_| Ok(Attached::User)),
        _ => None,
    }
}

fn direct(parts: &mut Parts) -> Result<Attached, Fault> {
    let parent = link_name(&parts.required("dev")?)?;
    let mode = |word: &str| Mode::ALL.into_iter().find(|m| m.name() == word);
    let given = parts.attribute("mode");
    let mode = given.map(|v| {
        let words = "\"vepa\", \"bridge\", \"private\", \"passthrough\", \"vlan\" or \"ipvlan-l2\" and the like";
        v.read(words, mode)
    });
    Ok(Attached::Direct(parent, mode.transpose()?.unwrap_or(Mode::Vepa)))
}

fn network(parts: &mut Parts) -> Result<Attached, Fault> {
    // Which bridge it was on while it ran is no part of a definition.
    parts.attribute("bridge");
    let name = |v: &str| (!v.is_empty()).then(|| Attached::Network(v.to_owned()));
    parts.required("network")?.read("the name of a network", name)
}

fn ethernet(parts: &mut Parts) -> Result<Attached, Fault> {
    // Nor is what it was called on the host then.
    parts.attribute("dev");
    let addresses = parts.children("ip").into_iter().map(|e| e.read(address));
    let addresses = addresses.collect::<Result<_, _>>()?;
    let routes = parts.children("route").into_iter().map(|e| e.read(route));
    Ok(Attached::Ethernet(addresses, routes.collect::<Result<_, _>>()?))
}

/// `bandwidth`. Which values fit each other is said where it takes effect.
pub fn bandwidth(parts: &mut Parts) -> Result<Bandwidth, Fault> {
    let mut way = |name: &str| parts.child(name)?.map(|e| e.read(rate)).transpose();
    Ok(Bandwidth {
        said: true,
        inbound: way("inbound")?,
        outbound: way("outbound")?,
    })
}

fn rate(parts: &mut Parts) -> Result<Rate, Fault> {
    let mut value = |name: &str| {
        let given = parts.attribute(name);
        given
            .map(|v| v.read("a number above 0", |v| number(v, 1, u32::MAX)))
            .transpose()
    };
    let rate = Rate {
        average: value("average")?,
        peak: value("peak")?,
        floor: value("floor")?,
        burst: value("burst")?,
    };
    if rate.average.is_none() && (rate.floor.is_none() || rate.peak.is_some() || rate.burst.is_some()) {
        return Err(parts.fault("a rate has an average"));
    }
    Ok(rate)
}

/// `vlan`
pub fn vlan(parts: &mut Parts) -> Result<Vlan, Fault> {
    let tags: Vec<Tag> = parts
        .children("tag")
        .into_iter()
        .map(|e| e.read(tag))
        .collect::<Result<_, _>>()?;
    let said = parts
        .attribute("trunk")
        .map(|v| v.read("\"yes\" or \"no\"", yes_or_no))
        .transpose()?;
    let natives = tags.iter().filter(|t| t.native.is_some()).count();
    let needed = tags.len() > 1 || natives > 0;
    if tags.is_empty() {
        return Err(parts.lacks("tag"));
    }
    if natives > 1 {
        return Err(parts.fault("only one <tag> of a <vlan> is its native one"));
    }
    if said == Some(false) && needed {
        return Err(parts.fault("a <vlan> with several tags or a native one has trunk='yes'"));
    }
    Ok(Vlan {
        trunk: said.unwrap_or(needed),
        tags,
    })
}

fn tag(parts: &mut Parts) -> Result<Tag, Fault> {
    let id = parts
        .required("id")?
        .read("a number from 0 to 4095", |v| number(v, 0, 4095))?;
    let mode = |word: &str| match word {
        "tagged" => Some(Native::Tagged),
        "untagged" => Some(Native::Untagged),
        _ => None,
    };
    let native = parts.attribute("nativeMode");
    let native = native.map(|v| v.read("\"tagged\" or \"untagged\"", mode)).transpose()?;
    Ok(Tag { id, native })
}

/// The attribute of a child that is nothing but that attribute.
fn only_attribute(parts: &mut Parts, child: &str, attribute: &str) -> Result<Option<Given>, Fault> {
    parts
        .child(child)?
        .map(|e| e.read(|parts| parts.required(attribute)))
        .transpose()
}

fn link_name(given: &Given) -> Result<LinkName, Fault> {
    given.try_read(LinkName::new)
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn link_state(word: &str) -> Option<LinkState> {
    match word {
        "up" => Some(LinkState::Up),
        "down" => Some(LinkState::Down),
        _ => None,
    }
}

fn address(parts: &mut Parts) -> Result<Address, Fault> {
    let address = ip(&parts.required("address")?)?;
    family(parts, address, None)?;
    let prefix = prefix(parts, address, 0)?.filter(|prefix| *prefix > 0);
    let peer = parts.attribute("peer").map(|v| same_family(&v, address)).transpose()?;
    Ok(Address { address, prefix, peer })
}

/// `route`; without `family` its addresses are IPv4, as libvirt has it.
fn route(parts: &mut Parts) -> Result<Route, Fault> {
    let given = parts.required("address")?;
    let destination = ip(&given)?;
    let said = family(parts, destination, Some("ipv4"))?;
    let mask = parts.attribute("netmask");
    let mask = mask.map(|v| v.read("a mask of an IPv4 network", |v| of_mask(v, destination)));
    let mask = mask.transpose()?;
    let prefix = prefix(parts, destination, 0)?;
    if mask.is_some() && prefix.is_some() {
        return Err(parts.fault("a <route> has a prefix or a netmask, not both"));
    }
    let gateway = same_family(&parts.required("gateway")?, destination)?;
    let metric = parts
        .attribute("metric")
        .map(|v| v.read("a number above 0", |v| number(v, 1, u32::MAX)))
        .transpose()?;
    let route = Route {
        destination,
        prefix: prefix.or(mask),
        gateway,
        metric,
        family: said,
        netmask: mask.is_some(),
    };
    if !route.is_network() {
        return Err(given.fault(&format!(
            "is no network: it has bits beyond its prefix of {}",
            route.prefix()
        )));
    }
    Ok(route)
}

/// The length of the prefix that a mask says.
fn of_mask(text: &str, of: IpAddr) -> Option<u8> {
    let mask: Ipv4Addr = text.parse().ok().filter(|_| of.is_ipv4())?;
    let ones = mask.to_bits().leading_ones();
    let rest = mask.to_bits().checked_shl(ones).unwrap_or(0);
    u8::try_from(ones).ok().filter(|_| rest == 0)
}

fn ip(given: &Given) -> Result<IpAddr, Fault> {
    given.read("an IP address", |v| v.parse().ok())
}

fn same_family(given: &Given, other: IpAddr) -> Result<IpAddr, Fault> {
    let address = ip(given)?;
    if address.is_ipv4() != other.is_ipv4() {
        return Err(given.fault("is of another family"));
    }
    Ok(address)
}

/// Whether it is said.
fn family(parts: &mut Parts, address: IpAddr, default: Option<&str>) -> Result<bool, Fault> {
    let actual = crate::domain::interface::family(address);
    match parts.attribute("family") {
        Some(given) => given.read(&format!("\"{actual}\", the address's own"), |v| {
            (v == actual).then_some(true)
        }),
        None if default.is_none_or(|d| d == actual) => Ok(false),
        None => Err(parts.fault(format!("an {actual} address here needs family='{actual}'"))),
    }
}

fn prefix(parts: &mut Parts, address: IpAddr, least: u8) -> Result<Option<u8>, Fault> {
    let most = width(address);
    let read = |v: &str| number(v, least, most);
    parts
        .attribute("prefix")
        .map(|v| v.read(&format!("a number from {least} to {most}"), read))
        .transpose()
}
