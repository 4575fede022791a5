//! `domiflist` and `domifaddr`: the links of a container, and its addresses. May touch: the store; what `figures/read.rs` reads.

use crate::domain::kept::What;
use crate::domain::xml::Tree;
use crate::domain::{Attached, Domain, Interface, LinkState};
use crate::error::{Error, Outcome};
use crate::figures::links::hardware;
use crate::figures::read;
use crate::lookup::{Found, find};
use crate::networks::{self, Known};
use crate::options::{Addresses, DomifGetlink, Domifaddr, Domiflist};
use crate::output::{end, gap, print, print_json, table};
use crate::plan::network::DEFAULT;
use crate::session::Session;
use crate::state::Place;
use serde::Serialize;
use std::net::IpAddr;
use wire::launcher::{Outward, Plan, Step};
use wire::netd::{HostSide, Link};

/// The links that a container was started with.
pub fn links(plan: &Plan) -> Vec<Link> {
    let steps = plan.steps.iter();
    let connected = steps.filter_map(|s| if let Step::Connect(l) = s { Some(l) } else { None });
    connected.flatten().cloned().collect()
}

/// One link of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Listed {
    interface: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    source: Option<String>,
    mac: Option<String>,
    guest: Option<String>,
}

/// Whether a link has an end on the host under its name: what lies on another link has none there, and what an ordinary user is lent is called there
/// by who lends it.
pub fn has_end(link: &Link) -> bool {
    link.side.parent().is_none() && crate::user::here().is_none()
}

/// The name of a link's end on the host, if it has one.
fn on_host(link: &Link) -> Option<String> {
    has_end(link).then(|| link.host.to_string())
}

/// What a link is called: its end on the host, or, where it has none, the one inside.
pub fn called(link: &Link) -> &str {
    if has_end(link) {
        link.host.as_str()
    } else {
        link.guest.as_str()
    }
}

fn live(link: &Link, networks: &[Known]) -> Listed {
    let (kind, source) = match &link.side {
        HostSide::Network(bridge) => {
            let its = networks.iter().find(|k| k.bridge() == bridge.name.as_str());
            (
                "network",
                Some(its.map_or_else(|| DEFAULT.to_owned(), |k| k.name.to_string())),
            )
        }
        HostSide::Bridge(name) => ("bridge", Some(name.to_string())),
        HostSide::Alone(_) => ("ethernet", None),
        HostSide::Direct { parent, .. } | HostSide::Vlan { parent, .. } | HostSide::Ipvlan { parent, .. } => {
            ("direct", Some(parent.to_string()))
        }
    };
    Listed {
        interface: on_host(link),
        kind: kind.to_owned(),
        source,
        mac: Some(hardware(link.mac)),
        guest: Some(link.guest.to_string()),
    }
}

fn defined(interface: &Interface) -> Listed {
    let (kind, source) = match &interface.attached {
        Attached::Network(name) => ("network", Some(name.clone())),
        Attached::Bridge(name) => ("bridge", Some(name.to_string())),
        Attached::Ethernet(..) => ("ethernet", None),
        Attached::Direct(parent, _) => ("direct", Some(parent.to_string())),
        Attached::User => ("user", None),
    };
    Listed {
        interface: interface.target.as_ref().map(ToString::to_string),
        kind: kind.to_owned(),
        source,
        mac: interface.mac.map(|m| m.to_string()),
        guest: interface.guest.as_ref().map(ToString::to_string),
    }
}

/// The link by `pasta` of a container that runs.
fn outward(link: &Outward) -> Listed {
    Listed {
        interface: None,
        kind: "user".to_owned(),
        source: None,
        mac: Some(hardware(link.mac)),
        guest: Some(link.guest.to_string()),
    }
}

/// An attribute of an element.
pub fn attribute(tree: &Tree, names: &[&str]) -> Option<String> {
    let is = |(name, _): &&(String, String)| names.contains(&name.as_str());
    tree.attributes.iter().find(is).map(|(_, value)| value.clone())
}

/// An attribute of a child.
pub fn of_child(tree: &Tree, child: &str, names: &[&str]) -> Option<String> {
    attribute(tree.children.iter().find(|c| c.name == child)?, names)
}

/// The elements of this name that a definition keeps as they stand.
pub fn kept<'a>(domain: &'a Domain, name: &'a str) -> impl Iterator<Item = &'a Tree> {
    domain.kept.iter().filter_map(move |k| match &k.what {
        What::Element(tree, _) if tree.name == name => Some(tree),
        _ => None,
    })
}

fn only_kept(tree: &Tree) -> Listed {
    Listed {
        interface: of_child(tree, "target", &["dev"]),
        kind: attribute(tree, &["type"]).unwrap_or_default(),
        source: of_child(tree, "source", &["network", "bridge", "dev"]),
        mac: of_child(tree, "mac", &["address"]),
        guest: of_child(tree, "guest", &["dev"]),
    }
}

/// What runs and is asked for, or else the definition.
pub fn running(found: &Found, inactive: bool) -> Outcome<Option<&Place>> {
    match (found.running(), &found.definition) {
        (Ok((place, _)), _) if !inactive => Ok(Some(place)),
        (_, Some(_)) => Ok(None),
        _ => Err(found.undefined()),
    }
}

/// Lists the links.
pub fn domiflist(session: &Session, options: &Domiflist) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let listed: Vec<Listed> = match (running(&found, options.inactive)?, &found.definition) {
        (Some(place), _) => {
            let networks = networks::all(&session.store)?;
            let plan = place.plan()?;
            let by_pasta = plan.steps.iter().filter_map(|s| match s {
                Step::Outward(link) => Some(outward(link)),
                _ => None,
            });
            links(&plan)
                .iter()
                .map(|l| live(l, &networks))
                .chain(by_pasta)
                .collect()
        }
        (None, Some(domain)) => {
            let own = domain.interfaces.iter().map(defined);
            own.chain(kept(domain, "interface").map(only_kept)).collect()
        }
        (None, None) => vec![],
    };
    if options.json {
        return print_json(&listed);
    }
    let or_hyphen = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let row = |l: &Listed| {
        let (interface, source, mac) = (or_hyphen(&l.interface), or_hyphen(&l.source), or_hyphen(&l.mac));
        vec![interface, l.kind.clone(), source, "-".to_owned(), mac]
    };
    print(&table(
        &["Interface", "Type", "Source", "Model", "MAC"],
        &listed.iter().map(row).collect::<Vec<_>>(),
    ))
}

/// Tells whether a link is up.
pub fn domif_getlink(session: &Session, options: &DomifGetlink) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let wanted = options.interface.as_str();
    // What runs knows links by names that its definition need not have.
    let (domain, mac) = match running(&found, options.config)? {
        Some(place) => {
            let link = links(&place.plan()?).into_iter().find(|l| called(l) == wanted);
            (found.domain(), link.map(|l| hardware(l.mac)))
        }
        None => (found.definition.clone(), None),
    };
    let mac = mac.unwrap_or_else(|| wanted.to_owned());
    let is = |l: &Listed| {
        l.interface.as_deref() == Some(wanted) || l.mac.as_ref().is_some_and(|m| m.eq_ignore_ascii_case(&mac))
    };
    let own = domain
        .iter()
        .flat_map(|d| &d.interfaces)
        .map(|i| (defined(i), i.link == Some(LinkState::Down)));
    let others = domain.iter().flat_map(|d| kept(d, "interface"));
    let others = others.map(|t| (only_kept(t), of_child(t, "link", &["state"]).as_deref() == Some("down")));
    let down = own.chain(others).find(|(l, _)| is(l)).map(|(_, down)| down);
    let down = down.ok_or_else(|| {
        let how = if wanted.contains(':') { "mac" } else { "dev" };
        Error::caller(format!("Interface ({how}: {wanted}) not found."))
    })?;
    let state = if down { "down" } else { "up" };
    if options.json {
        return print_json(&serde_json::json!({"interface": wanted, "state": state}));
    }
    print(&format!("{wanted} {state}{}", end()))
}

/// One address of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Addressed {
    name: String,
    mac: Option<String>,
    protocol: &'static str,
    address: IpAddr,
    prefix: u8,
}

fn addressed(name: &str, mac: Option<&str>, address: IpAddr, prefix: u8) -> Addressed {
    Addressed {
        name: name.to_owned(),
        mac: mac.map(str::to_owned),
        protocol: if address.is_ipv4() { "ipv4" } else { "ipv6" },
        address,
        prefix,
    }
}

/// Whether an address means something on its own link only.
fn is_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_loopback() || a.is_link_local(),
        IpAddr::V6(a) => a.is_loopback() || a.is_unicast_link_local(),
    }
}

/// What the container's own network has: on these links, and, if it is asked as from inside, on all others too.
fn inside(pid1: u32, links: &[Link], agent: bool, others: bool) -> Outcome<Vec<Addressed>> {
    let all = read::addresses(pid1, links)?;
    let mut found = Vec::new();
    for link in links {
        let mac = hardware(link.mac);
        let name = if agent { link.guest.as_str() } else { called(link) };
        let own = all
            .iter()
            .filter(|(on, address, _)| on == link.guest.as_str() && (agent || !is_local(address)));
        found.extend(own.map(|(_, address, prefix)| addressed(name, Some(&mac), *address, *prefix)));
    }
    if others {
        let other = all
            .iter()
            .filter(|(on, ..)| links.iter().all(|l| l.guest.as_str() != on));
        found.extend(other.map(|(on, address, prefix)| addressed(on, None, *address, *prefix)));
    }
    Ok(found)
}

fn heard(links: &[Link]) -> Outcome<Vec<Addressed>> {
    let mut found = Vec::new();
    for link in links {
        let mac = hardware(link.mac);
        // The host does not know how long their prefixes are.
        let addresses = read::neighbours(&mac)?.into_iter();
        found.extend(addresses.map(|address| addressed(called(link), Some(&mac), address, 0)));
    }
    Ok(found)
}

/// The lines below virsh's head. What is the same as in the line before is a hyphen, unless it is to be full.
fn lines(found: &[Addressed], full: bool) -> String {
    let mut out = format!(
        " {:<10} {:<20} {:<8}     Address\n{}\n",
        "Name",
        "MAC address",
        "Protocol",
        "-".repeat(79)
    );
    let mut last = None;
    for one in found {
        let (mut name, mut mac) = (one.name.as_str(), one.mac.as_deref().unwrap_or("N/A"));
        if last == Some(name) && !full {
            (name, mac) = ("-", "-");
        } else {
            last = Some(name);
        }
        out.push_str(&format!(
            " {name:<10} {mac:<17}    {:<12} {}/{}\n",
            one.protocol, one.address, one.prefix
        ));
    }
    out.push_str(gap());
    out
}

/// Lists the addresses.
pub fn domifaddr(session: &Session, options: &Domifaddr) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (place, _) = found.running()?;
    let mut links = links(&place.plan()?);
    let wanted = options.interface.as_ref().or(options.only.as_ref());
    if let Some(wanted) = wanted {
        links.retain(|l| [l.host.as_str(), l.guest.as_str(), &hardware(l.mac)].contains(&wanted.as_str()));
        if links.is_empty() {
            return Err(Error::caller(format!("{} has no link {wanted}", found.name)));
        }
    }
    let agent = options.source == Addresses::Agent;
    let addresses = match options.source {
        Addresses::Arp => heard(&links)?,
        Addresses::Lease | Addresses::Agent => {
            let pids = found
                .pids()
                .ok_or_else(|| Error::Peer("the container's processes are not known".into()))?;
            inside(pids.pid1, &links, agent, agent && wanted.is_none())?
        }
    };
    if options.json {
        return print_json(&addresses);
    }
    print(&lines(&addresses, options.full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_where_virsh_has_them() {
        let mac = Some("52:54:00:00:00:01");
        let found = [
            addressed("lzv0", mac, "10.209.0.2".parse().unwrap(), 16),
            addressed("lzv0", mac, "fd6c:7a72::2".parse().unwrap(), 64),
        ];
        let head = " Name       MAC address          Protocol     Address\n\
            -------------------------------------------------------------------------------\n\
            \u{20}lzv0       52:54:00:00:00:01    ipv4         10.209.0.2/16\n";
        let second = " -          -                    ipv6         fd6c:7a72::2/64\n\n";
        assert_eq!(lines(&found, false), format!("{head}{second}"));
        assert!(lines(&found, true).ends_with(" lzv0       52:54:00:00:00:01    ipv6         fd6c:7a72::2/64\n\n"));
    }

    #[test]
    fn what_is_local_to_a_link_is_known() {
        for (address, local) in [
            ("fe80::1", true),
            ("::1", true),
            ("169.254.0.1", true),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_local(&address.parse().unwrap()), local, "{address}");
        }
    }
}
