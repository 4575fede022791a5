//! `interface`: where a link ends on the host, and how it is configured inside. Pure.

use crate::domain::error::Fault;
use crate::domain::identity::Mac;
use crate::domain::interface::{Address, Attached, Interface, LinkState, Mode, Route, width};
use crate::domain::units::number;
use crate::domain::xml::{Given, Parts};
use core::net::IpAddr;
use wire::LinkName;

/// `interface`
pub fn interface(parts: &mut Parts) -> Result<Interface, Fault> {
    let interface = Interface {
        attached: attached(parts)?,
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
        link: only_attribute(parts, "link", "state")?
            .map(|v| v.read("\"up\" or \"down\"", link_state))
            .transpose()?,
    };
    let configured = !interface.addresses.is_empty() || !interface.routes.is_empty();
    if interface.link == Some(LinkState::Down) && configured {
        return Err(parts.fault("an interface that is down inside has neither <ip> nor <route>"));
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

fn attached(parts: &mut Parts) -> Result<Attached, Fault> {
    let kind = parts.required("type")?;
    let reader = kind.read(
        "\"network\", \"bridge\", \"ethernet\" or \"direct\", which alone are supported",
        source_reader,
    )?;
    match parts.child("source")? {
        Some(source) => source.read(reader),
        None if kind.value == "ethernet" => Ok(Attached::Ethernet(Vec::new())),
        None => Err(parts.lacks("source")),
    }
}

/// What reads the `source` of one type.
type SourceReader = fn(&mut Parts) -> Result<Attached, Fault>;

fn source_reader(kind: &str) -> Option<SourceReader> {
    match kind {
        "network" => Some(network),
        "bridge" => Some(|parts| link_name(&parts.required("bridge")?).map(Attached::Bridge)),
        "ethernet" => Some(|parts| addresses(parts).map(Attached::Ethernet)),
        "direct" => Some(direct),
        _ => None,
    }
}

fn direct(parts: &mut Parts) -> Result<Attached, Fault> {
    let parent = link_name(&parts.required("dev")?)?;
    let mode = |word: &str| Mode::ALL.into_iter().find(|m| m.name() == word);
    let given = parts.attribute("mode");
    let mode = given.map(|v| v.read("\"vepa\", \"bridge\", \"private\" or \"passthrough\"", mode));
    Ok(Attached::Direct(parent, mode.transpose()?.unwrap_or(Mode::Vepa)))
}

fn network(parts: &mut Parts) -> Result<Attached, Fault> {
    let name = |v: &str| (!v.is_empty()).then(|| Attached::Network(v.to_owned()));
    parts.required("network")?.read("the name of a network", name)
}

fn addresses(parts: &mut Parts) -> Result<Vec<Address>, Fault> {
    parts.children("ip").into_iter().map(|e| e.read(address)).collect()
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
    let prefix = prefix(parts, address, 1)?;
    let peer = parts.attribute("peer").map(|v| same_family(&v, address)).transpose()?;
    Ok(Address { address, prefix, peer })
}

/// `route`; without `family` its addresses are IPv4, as libvirt has it.
fn route(parts: &mut Parts) -> Result<Route, Fault> {
    let given = parts.required("address")?;
    let destination = ip(&given)?;
    family(parts, destination, Some("ipv4"))?;
    let prefix = prefix(parts, destination, 0)?;
    let gateway = same_family(&parts.required("gateway")?, destination)?;
    let metric = parts
        .attribute("metric")
        .map(|v| v.read("a number above 0", |v| number(v, 1, u32::MAX)))
        .transpose()?;
    let route = Route {
        destination,
        prefix,
        gateway,
        metric,
    };
    if !route.is_network() {
        return Err(given.fault(&format!(
            "is no network: it has bits beyond its prefix of {}",
            route.prefix()
        )));
    }
    Ok(route)
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

fn family(parts: &mut Parts, address: IpAddr, default: Option<&str>) -> Result<(), Fault> {
    let actual = crate::domain::interface::family(address);
    match parts.attribute("family") {
        Some(given) => given.read(&format!("\"{actual}\", the address's own"), |v| {
            (v == actual).then_some(())
        }),
        None if default.is_none_or(|d| d == actual) => Ok(()),
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
