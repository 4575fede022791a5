//! What is told of networks. May touch: the store; `/proc/net/dev`, to look.

mod change;

use super::interfaces::links;
use crate::domain::Mac;
use crate::error::{Error, Outcome};
use crate::escape::escape;
use crate::figures::links::hardware;
use crate::network::{document, started};
use crate::networks::{Known, all, find};
use crate::options::{NetDhcpLeases, NetList, Network, Networks};
use crate::output::{facts, gap, print, print_json, table};
use crate::session::Session;
use std::net::IpAddr;
use wire::ContainerName;
use wire::netd::{HostSide, Link};

/// Every container that is on a network, and its link there.
fn members(session: &Session, known: &Known) -> Outcome<Vec<(ContainerName, String, Link)>> {
    let on_it = |link: &Link| match &link.side {
        HostSide::Network(bridge) => bridge.name.as_str() == known.bridge(),
        HostSide::Bridge(name) => name.as_str() == known.bridge(),
        HostSide::Direct { parent, .. } => known.network.parent() == Some(parent),
        _ => false,
    };
    let mut found = Vec::new();
    for name in session.store.names()? {
        let Some(place) = session.store.place(&name)? else {
            continue;
        };
        if place.record()?.is_none_or(|r| !r.occupies()) {
            continue;
        }
        let plan = place.plan()?;
        let hostname = plan.container().map(|c| c.hostname.to_string()).unwrap_or_default();
        let its = links(&plan).into_iter().filter(on_it);
        found.extend(its.map(|link| (name.clone(), hostname.clone(), link)));
    }
    Ok(found)
}

/// Does what is asked.
pub fn networks(session: &Session, asked: &Networks) -> Outcome<()> {
    match asked {
        Networks::List(options) => net_list(session, options),
        Networks::Info(which) => net_info(session, which),
        Networks::Dumpxml(which) => net_dumpxml(session, which),
        Networks::Uuid(which) => told(session, which, |k| k.uuid()),
        Networks::Name(which) => told(session, which, |k| k.name.to_string()),
        Networks::DhcpLeases(options) => net_dhcp_leases(session, options),
        Networks::Define(file) => change::define(session, &file.file),
        Networks::Create(file) => change::create(session, &file.file),
        Networks::Start(which) => change::start(session, &which.network),
        Networks::Destroy(which) => change::destroy(session, &which.network),
        Networks::Undefine(which) => change::undefine(session, &which.network),
        Networks::Autostart(options) => change::autostart(session, options),
        Networks::Edit(_) => Err(Error::Bug(
            "an editor was to be started by a process that may not".into(),
        )),
    }
}

fn told(session: &Session, which: &Network, word: impl Fn(&Known) -> String) -> Outcome<()> {
    let known = find(&session.store, &which.network)?;
    if which.json {
        return print_json(&serde_json::json!({"name": known.name.as_str(), "uuid": known.uuid()}));
    }
    print(&format!("{}\n{}", word(&known), gap()))
}

fn net_list(session: &Session, options: &NetList) -> Outcome<()> {
    let mut shown = Vec::new();
    for known in all(&session.store)? {
        let active = known.is_active()?;
        // A program is told of it whether it is active or not, unless it asks otherwise.
        let whole = options.all || (options.json && !options.inactive);
        let either = |yes: bool, no: bool, is: bool| yes == no || (yes && is) || (no && !is);
        if (whole || options.inactive != active)
            && either(options.persistent, options.transient, known.persists())
            && either(options.autostart, options.no_autostart, known.starts_itself())
        {
            shown.push((known, active));
        }
    }
    let state = |active: bool| if active { "active" } else { "inactive" };
    if options.json {
        let mut list = Vec::new();
        for (known, active) in &shown {
            let names = members(session, known)?.into_iter().map(|(name, ..)| name.to_string());
            let subnets = known.network.subnets.iter();
            let addresses: Vec<String> = subnets
                .map(|s| format!("{}/{}", s.net.address, s.net.prefix()))
                .collect();
            list.push(serde_json::json!({
                "name": known.name.as_str(),
                "uuid": known.uuid(),
                "state": state(*active),
                "autostart": known.starts_itself(),
                "persistent": known.persists(),
                "bridge": known.network.bridge.as_ref().map(|b| b.as_str()),
                "addresses": addresses,
                "containers": names.collect::<Vec<_>>(),
            }));
        }
        return print_json(&list);
    }
    let lines = |word: &dyn Fn(&Known) -> String| {
        let all: String = shown.iter().map(|(k, _)| format!("{}\n", word(k))).collect();
        print(&format!("{all}{}", gap()))
    };
    if options.name {
        return lines(&|k| k.name.to_string());
    }
    if options.uuid {
        return lines(&|k| k.uuid());
    }
    let yes = |is: bool| if is { "yes" } else { "no" };
    let row = |(k, active): &(Known, bool)| {
        let cells = [
            k.name.as_str(),
            state(*active),
            yes(k.starts_itself()),
            yes(k.persists()),
        ];
        cells.map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    print(&table(&["Name", "State", "Autostart", "Persistent"], &rows))
}

fn net_info(session: &Session, which: &Network) -> Outcome<()> {
    let known = find(&session.store, &which.network)?;
    let active = known.is_active()?;
    if which.json {
        return print_json(&serde_json::json!({
            "name": known.name.as_str(), "uuid": known.uuid(), "active": active, "persistent": known.persists(),
            "autostart": known.starts_itself(), "bridge": known.network.bridge.as_ref().map(|b| b.as_str()),
        }));
    }
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let mut told = vec![
        ("Name", known.name.to_string()),
        ("UUID", known.uuid()),
        ("Active", yes(active)),
        ("Persistent", yes(known.persists())),
        ("Autostart", yes(known.starts_itself())),
    ];
    if let Some(bridge) = &known.network.bridge {
        told.push(("Bridge", bridge.to_string()));
    }
    print(&facts(&told))
}

fn net_dumpxml(session: &Session, which: &Network) -> Outcome<()> {
    let known = find(&session.store, &which.network)?;
    let text = match (&known.kept, which.inactive) {
        (Some(kept), true) => document(kept).document(),
        _ => started(&known.network, members(session, &known)?.len()).document(),
    };
    if which.json {
        return print_json(&serde_json::json!({"name": known.name.as_str(), "xml": text}));
    }
    print(&format!("{text}{}", gap()))
}

fn net_dhcp_leases(session: &Session, options: &NetDhcpLeases) -> Outcome<()> {
    let known = find(&session.store, &options.network)?;
    let only = match &options.mac {
        Some(mac) => {
            Some(Mac::parse(mac).ok_or_else(|| Error::caller(format!("{} is no hardware address", escape(mac))))?)
        }
        None => None,
    };
    let mut rows = Vec::new();
    for (_, hostname, link) in members(session, &known)? {
        if only.is_some_and(|mac| mac.bytes() != link.mac) {
            continue;
        }
        for address in &link.addresses {
            let family = match address.address {
                IpAddr::V4(_) => "ipv4",
                IpAddr::V6(_) => "ipv6",
            };
            let lasting = format!("{}/{}", address.address, address.prefix);
            let cells = ["-", &hardware(link.mac), family, &lasting, &hostname, "-"];
            rows.push(cells.map(str::to_owned).to_vec());
        }
    }
    if options.json {
        let one = |row: &Vec<String>| {
            let [_, mac, family, address, hostname, _] = row.as_slice() else {
                return serde_json::Value::Null;
            };
            serde_json::json!({"mac": mac, "protocol": family, "address": address, "hostname": hostname})
        };
        return print_json(&rows.iter().map(one).collect::<Vec<_>>());
    }
    let head = [
        "Expiry Time",
        "MAC address",
        "Protocol",
        "IP address",
        "Hostname",
        "Client ID or DUID",
    ];
    print(&table(&head, &rows))
}
