//! What is told of networks, of which there is the default one. May touch: `/proc/net/dev`, to look; the store.

use super::interfaces::links;
use crate::domain::xml::{Tree, Writer};
use crate::domain::{Mac, Uuid};
use crate::error::{Error, Outcome};
use crate::escape::escape;
use crate::figures::links::hardware;
use crate::figures::machine::text;
use crate::options::{NetDhcpLeases, NetList, Network, Networks};
use crate::output::{facts, gap, print, print_json, table};
use crate::plan::network::DEFAULT;
use crate::session::Session;
use std::net::{IpAddr, Ipv4Addr};
use wire::ContainerName;
use wire::launcher::Plan;
use wire::netd::{HostSide, Link};
use wire::network::{BRIDGE, GATEWAY_V4, GATEWAY_V6};

/// The uuid of the default network, the same on every host.
const UUID: Uuid = Uuid([
    0x1a, 0x2a, 0x8e, 0x0b, 0x4c, 0x3e, 0x4d, 0x5f, 0x9b, 0x61, 0x6c, 0x7a, 0x72, 0x64, 0x66, 0x6c,
]);

/// Whether `/proc/net/dev` (proc_pid_net(5)) of the caller's network shows that link.
fn has_link(dev: &str, name: &str) -> bool {
    dev.lines()
        .any(|line| line.split_once(':').is_some_and(|(link, _)| link.trim() == name))
}

fn is_active() -> Outcome<bool> {
    Ok(has_link(&text("/proc/net/dev")?, BRIDGE))
}

/// A container's link to the default network.
fn on_it(plan: &Plan) -> Option<Link> {
    links(plan).into_iter().find(|l| matches!(l.side, HostSide::Network(_)))
}

/// Every container that is on it, and its link there.
fn members(session: &Session) -> Outcome<Vec<(ContainerName, String, Link)>> {
    let mut all = Vec::new();
    for name in session.store.names()? {
        let Some(place) = session.store.place(&name)? else {
            continue;
        };
        if place.record()?.is_none_or(|r| !r.occupies()) {
            continue;
        }
        let plan = place.plan()?;
        let hostname = plan.container().map(|c| c.hostname.to_string()).unwrap_or_default();
        all.extend(on_it(&plan).map(|link| (name, hostname, link)));
    }
    Ok(all)
}

/// Tells what is asked.
pub fn networks(session: &Session, asked: &Networks) -> Outcome<()> {
    match asked {
        Networks::List(options) => net_list(session, options),
        Networks::Info(which) => net_info(which),
        Networks::Dumpxml(which) => net_dumpxml(which),
        Networks::Uuid(which) => told(which, &UUID.to_string()),
        Networks::Name(which) => told(which, DEFAULT),
        Networks::DhcpLeases(options) => net_dhcp_leases(session, options),
    }
}

/// Refuses every network but the one that there is.
fn known(word: &str) -> Outcome<()> {
    if word == DEFAULT || Uuid::parse(word) == Some(UUID) {
        return Ok(());
    }
    Err(Error::caller(format!(
        "there is no network {}; the only one is {DEFAULT}",
        escape(word)
    )))
}

fn told(which: &Network, word: &str) -> Outcome<()> {
    known(&which.network)?;
    if which.json {
        return print_json(&serde_json::json!({"name": DEFAULT, "uuid": UUID.to_string()}));
    }
    print(&format!("{word}\n{}", gap()))
}

fn net_list(session: &Session, options: &NetList) -> Outcome<()> {
    let active = is_active()?;
    let state = if active { "active" } else { "inactive" };
    // A program is told of it whether it is active or not, unless it asks otherwise.
    let all = options.all || (options.json && !options.inactive);
    let shown = (all || options.inactive != active)
        && (!options.transient || options.persistent)
        && (!options.no_autostart || options.autostart);
    if options.json {
        let names = members(session)?.into_iter().map(|(name, ..)| name.to_string());
        let network = serde_json::json!({
            "name": DEFAULT,
            "uuid": UUID.to_string(),
            "state": state,
            "bridge": BRIDGE,
            "addresses": [format!("{}/{}", GATEWAY_V4.0, GATEWAY_V4.1), format!("{}/{}", GATEWAY_V6.0, GATEWAY_V6.1)],
            "containers": names.collect::<Vec<_>>(),
        });
        return print_json(&if shown { vec![network] } else { Vec::new() });
    }
    let lines = |word: String| {
        print(&if shown {
            format!("{word}\n{}", gap())
        } else {
            gap().to_owned()
        })
    };
    if options.name {
        return lines(DEFAULT.to_owned());
    }
    if options.uuid {
        return lines(UUID.to_string());
    }
    let row = [DEFAULT, state, "yes", "yes"].map(str::to_owned).to_vec();
    let rows = if shown { vec![row] } else { Vec::new() };
    print(&table(&["Name", "State", "Autostart", "Persistent"], &rows))
}

fn net_info(which: &Network) -> Outcome<()> {
    known(&which.network)?;
    let active = is_active()?;
    if which.json {
        return print_json(&serde_json::json!({
            "name": DEFAULT, "uuid": UUID.to_string(), "active": active, "persistent": true, "autostart": true, "bridge": BRIDGE,
        }));
    }
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    print(&facts(&[
        ("Name", DEFAULT.to_owned()),
        ("UUID", UUID.to_string()),
        ("Active", yes(active)),
        ("Persistent", yes(true)),
        ("Autostart", yes(true)),
        ("Bridge", BRIDGE.to_owned()),
    ]))
}

/// The network in libvirt's words (<https://libvirt.org/formatnetwork.html>).
fn document() -> Tree {
    let mut writer = Writer::default();
    let mask = u32::MAX
        .checked_shl(32u32.saturating_sub(GATEWAY_V4.1.into()))
        .unwrap_or(0);
    writer.element("network", &[], |w| {
        w.leaf("name", &[], DEFAULT);
        w.leaf("uuid", &[], &UUID.to_string());
        w.empty("forward", &[("mode", Some("nat"))]);
        w.empty(
            "bridge",
            &[("name", Some(BRIDGE)), ("stp", Some("off")), ("delay", Some("0"))],
        );
        let (v4, mask) = (GATEWAY_V4.0.to_string(), Ipv4Addr::from_bits(mask).to_string());
        w.empty("ip", &[("address", Some(&v4)), ("netmask", Some(&mask))]);
        let (v6, prefix) = (GATEWAY_V6.0.to_string(), GATEWAY_V6.1.to_string());
        w.empty(
            "ip",
            &[
                ("family", Some("ipv6")),
                ("address", Some(&v6)),
                ("prefix", Some(&prefix)),
            ],
        );
    });
    writer.finish()
}

fn net_dumpxml(which: &Network) -> Outcome<()> {
    known(&which.network)?;
    let text = document().document();
    if which.json {
        return print_json(&serde_json::json!({"name": DEFAULT, "xml": text}));
    }
    print(&format!("{text}{}", gap()))
}

fn net_dhcp_leases(session: &Session, options: &NetDhcpLeases) -> Outcome<()> {
    known(&options.network)?;
    let only = match &options.mac {
        Some(mac) => {
            Some(Mac::parse(mac).ok_or_else(|| Error::caller(format!("{} is no hardware address", escape(mac))))?)
        }
        None => None,
    };
    let mut rows = Vec::new();
    for (_, hostname, link) in members(session)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_by_its_whole_name() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n    lo:  10 1 0\nlazaret0: 0 0 0\n";
        assert!(has_link(dev, "lo") && has_link(dev, "lazaret0"));
        assert!(!has_link(dev, "lazaret") && !has_link(dev, "face"));
    }

    #[test]
    fn the_network_is_described_as_libvirt_does() {
        let text = document().document();
        for part in [
            "<network>\n  <name>default</name>\n",
            "<bridge name='lzr0' stp='off' delay='0'/>",
            "<ip address='10.209.0.1' netmask='255.255.0.0'/>",
            "<ip family='ipv6' address='fd6c:7a72::1' prefix='64'/>\n</network>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn it_is_known_by_its_name_and_its_uuid_alone() {
        assert!(known("default").is_ok() && known(&UUID.to_string()).is_ok());
        assert!(known("other").is_err() && known("").is_err());
    }
}
