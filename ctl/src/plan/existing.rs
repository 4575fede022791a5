//! What the host's network has already, and whether a plan would be laid over it: routes, sockets, addresses and bridges, as the files
//! below `/proc/net` tell (proc_net(5)). Pure: what reads them is given.

use super::proc_net::{GATEWAY, LOCAL, REJECT, Route, socket, v4_own, v4_route, v6, v6_route};
use crate::error::{Error, Outcome};
use std::net::{IpAddr, Ipv6Addr};
use wire::launcher::{Plan, Step};
use wire::netd::{Address, Bridge, Firewall, HostSide, Link, Publish};
use wire::network::within;

/// Gives the text of a file below `/proc/net`; empty where the kernel has none, because it lacks the family.
pub type Read<'a> = &'a dyn Fn(&str) -> Outcome<String>;

/// Refuses a plan whose links or ports would take what the host itself uses, or need what it has not.
pub fn check(plan: &Plan, read: Read<'_>) -> Outcome<()> {
    let links = plan
        .steps
        .iter()
        .filter_map(|s| if let Step::Connect(l) = s { Some(l) } else { None });
    let own = |l: &Link| {
        if let HostSide::Network(bridge) = &l.side {
            Some(bridge.clone())
        } else {
            None
        }
    };
    let bridges: Vec<Bridge> = links.flatten().filter_map(own).collect();
    for step in &plan.steps {
        match step {
            Step::Connect(links) => {
                for link in links {
                    match &link.side {
                        HostSide::Network(bridge) => network_is_free(bridge, read)?,
                        HostSide::Bridge(name) => is_there("bridge", name.as_str(), read)?,
                        HostSide::Direct { parent, .. }
                        | HostSide::Vlan { parent, .. }
                        | HostSide::Ipvlan { parent, .. } => is_there("link", parent.as_str(), read)?,
                        HostSide::Alone(_) => {}
                    }
                }
            }
            Step::Protect { firewall, .. } => {
                for port in &firewall.publish {
                    is_the_hosts(port, &bridges, read)?;
                    is_not_served(port, firewall, read)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_there(what: &str, name: &str, read: Read<'_>) -> Outcome<()> {
    let links = read("dev")?;
    let mut names = links.lines().filter_map(|l| l.split_once(':')).map(|(n, _)| n.trim());
    // Those that are Lazaret's own are nobody's to name, whether they are there or not: the launcher refuses them.
    if name.starts_with("lz") || names.any(|n| n == name) {
        return Ok(());
    }
    Err(Error::caller(format!("there is no {what} {name} on this host")))
}

/// Whether a route leads to this network or to a part of it, or is one of a link's own in which it lies. A wider one through a gateway is
/// what a default route is, however it is cut: the network is taken out of it, as that of any link is.
fn reaches(route: &Route, (network, prefix): (IpAddr, u8), bridge: &str) -> bool {
    let part = route.prefix >= prefix && within(route.network, network, prefix);
    let around = route.prefix > 1 && route.flags & GATEWAY == 0 && within(network, route.network, route.prefix);
    (part || around) && route.flags & (REJECT | LOCAL) == 0 && route.link != bridge
}

/// Refuses a network that the host reaches by another link than its bridge.
pub fn network_is_free(bridge: &Bridge, read: Read<'_>) -> Outcome<()> {
    for Address { address, prefix, .. } in &bridge.addresses {
        let (text, line) = match address {
            IpAddr::V4(_) => (read("route")?, v4_route as fn(&str) -> Option<Route>),
            IpAddr::V6(_) => (read("ipv6_route")?, v6_route as fn(&str) -> Option<Route>),
        };
        let own = (*address, *prefix);
        if let Some(route) = text
            .lines()
            .filter_map(line)
            .find(|r| reaches(r, own, bridge.name.as_str()))
        {
            return Err(Error::caller(format!(
                "the network of the bridge {} is {address}/{prefix}, and this host reaches {}/{} by its link {} already (ip route)",
                bridge.name, route.network, route.prefix, route.link
            )));
        }
    }
    Ok(())
}

/// Refuses an address that this host does not have: nothing would ever come to it.
fn is_the_hosts(port: &Publish, bridges: &[Bridge], read: Read<'_>) -> Outcome<()> {
    let has = match port.address {
        None => true,
        // The bridge is made by the first start.
        Some(own) if bridges.iter().flat_map(|b| &b.addresses).any(|a| a.address == own) => true,
        Some(IpAddr::V4(a)) => v4_own(&read("fib_trie")?)
            .into_iter()
            .any(|(network, prefix)| within(a.into(), network.into(), prefix)),
        Some(IpAddr::V6(a)) => {
            let given = |line: &str| line.split_whitespace().next().and_then(v6) == Some(a);
            let local = |r: Route| r.flags & LOCAL != 0 && within(a.into(), r.network, r.prefix);
            read("if_inet6")?.lines().any(given) || read("ipv6_route")?.lines().filter_map(v6_route).any(local)
        }
    };
    match port.address {
        Some(address) if !has => Err(Error::caller(format!(
            "port {} is published on {address}, which is no address of this host (ip address)",
            port.host
        ))),
        _ => Ok(()),
    }
}

/// Whether what is sent to a socket at `bound` could be sent to a published port. An IPv6 socket at every address is one for IPv4 too,
/// unless it says otherwise, which cannot be seen from here. What is sent to a loopback is never led away.
fn meets(port: &Publish, firewall: &Firewall, bound: IpAddr) -> bool {
    if bound.is_loopback() {
        return false;
    }
    match port.address {
        Some(address) => {
            bound == address || bound == IpAddr::V6(Ipv6Addr::UNSPECIFIED) || {
                bound.is_unspecified() && address.is_ipv4()
            }
        }
        None => {
            let both = bound == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            (bound.is_ipv4() || both) && firewall.v4.is_some() || bound.is_ipv6() && firewall.v6.is_some()
        }
    }
}

/// Refuses a port that a program of the host's serves: what is sent to it would come to the container instead.
fn is_not_served(port: &Publish, firewall: &Firewall, read: Read<'_>) -> Outcome<()> {
    let (files, state, kind) = if port.udp {
        (["udp", "udp6"], "07", "UDP")
    } else {
        (["tcp", "tcp6"], "0A", "TCP")
    };
    for file in files {
        let text = read(file)?;
        let mut sockets = text.lines().filter_map(|l| socket(l, state));
        if let Some((address, _)) = sockets.find(|(a, p)| *p == port.host && meets(port, firewall, *a)) {
            let number = port.host;
            return Err(Error::caller(format!(
                "port {number} is published, and a program of this host serves it already, at {address} ({kind}; ss -lntup 'sport = {number}')"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::network::{DEFAULT, plain, wire};
    use super::super::testing::lot;
    use super::*;
    use crate::domain::Attached;
    use std::collections::BTreeMap;
    use wire::{ContainerName, LinkName};

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    fn plan(publish: &[&str]) -> Plan {
        let ports = publish.iter().map(|p| p.parse().unwrap()).collect();
        let interface = plain(Attached::Network(DEFAULT.into()), &lot());
        let wiring = wire(&ContainerName::new("web").unwrap(), &lot(), &[interface], ports).unwrap();
        Plan {
            name: ContainerName::new("web").unwrap(),
            block: lot().block,
            steps: vec![
                Step::Connect(wiring.links),
                Step::Protect {
                    firewall: wiring.firewall.unwrap(),
                    forward: true,
                },
            ],
            processors: None,
        }
    }

    fn says(plan: &Plan, files: &[(&str, String)]) -> String {
        let files: BTreeMap<&str, &String> = files.iter().map(|(name, text)| (*name, text)).collect();
        let read = |name: &str| Ok(files.get(name).map(|t| (*t).clone()).unwrap_or_default());
        check(plan, &read).map_or_else(|e| e.to_string(), |()| String::new())
    }

    fn v4_line(link: &str, network: [u8; 4], mask: [u8; 4], flags: u32) -> String {
        let word = |bytes| format!("{:08X}", u32::from_ne_bytes(bytes));
        format!(
            "{ROUTES}{link}\t{}\t00000000\t{flags:04X}\t0\t0\t0\t{}\t0\t0\t0\n",
            word(network),
            word(mask)
        )
    }

    #[test]
    fn the_default_network_is_laid_over_nothing_of_the_hosts() {
        let route = |link, network, mask, flags| says(&plan(&[]), &[("route", v4_line(link, network, mask, flags))]);
        for (network, mask, flags) in [
            ([10, 209, 0, 0], [255, 255, 0, 0], 1),
            ([10, 209, 7, 0], [255, 255, 255, 0], 3),
            ([10, 0, 0, 0], [255, 0, 0, 0], 1),
        ] {
            let said = route("other0", network, mask, flags);
            assert!(said.contains("other0") && said.contains("10.209.0.1/16"), "{said}");
            assert_eq!(route("lzr0", network, mask, flags), "");
        }
        for (network, mask, flags) in [
            ([0, 0, 0, 0], [0, 0, 0, 0], 3),
            ([0, 0, 0, 0], [128, 0, 0, 0], 1),
            ([10, 0, 0, 0], [255, 0, 0, 0], 3),
            ([10, 209, 0, 0], [255, 255, 0, 0], 0x201),
            ([10, 210, 0, 0], [255, 255, 0, 0], 1),
        ] {
            assert_eq!(route("other0", network, mask, flags), "", "{network:?}");
        }
    }

    #[test]
    fn nor_is_it_over_ipv6() {
        let zero = "0".repeat(32);
        let route = |network: &str, prefix: &str, flags: &str, link: &str| {
            let line = format!("{network} {prefix} {zero} 00 {zero} 00000100 00000001 00000000 {flags}     {link}\n");
            says(&plan(&[]), &[("ipv6_route", line)])
        };
        let own = "fd6c7a72000000000000000000000000";
        assert!(route(own, "40", "00000001", "other0").contains("by its link other0"));
        assert!(route("fd6c7a72000000000000000000000005", "80", "00000001", "other0").contains("other0"));
        assert!(route("fd000000000000000000000000000000", "08", "00000001", "other0").contains("other0"));
        assert_eq!(route(own, "40", "00000001", "lzr0"), "");
        assert_eq!(route("fd6c7a72000000000000000000000001", "80", "80200001", "lo"), "");
        assert_eq!(
            route("fd000000000000000000000000000000", "08", "00000003", "other0"),
            ""
        );
        assert_eq!(route(&zero, "00", "00200200", "lo"), "");
    }

    fn listening(address: &str, port: u16, state: &str) -> String {
        format!(
            "  sl  local_address rem_address   st\n   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000\n"
        )
    }

    fn at(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    fn at6(address: &str) -> String {
        let octets = address.parse::<Ipv6Addr>().unwrap().octets();
        octets.as_chunks::<4>().0.iter().map(|c| at(*c)).collect()
    }

    #[test]
    fn a_port_that_the_host_serves_is_not_published() {
        let said = says(&plan(&["8090:80"]), &[("tcp", listening(&at([0; 4]), 8090, "0A"))]);
        assert!(said.contains("port 8090") && said.contains("0.0.0.0"), "{said}");
        let taken = |publish: &str, file: &'static str, address: &str, port: u16, state: &str| {
            let own = "Local:\n     |-- 192.0.2.1\n        /32 host LOCAL\n".to_owned();
            let own6 = "20010db8000000000000000000000001 01 40 00 80     eth0\n".to_owned();
            let files = [
                (file, listening(address, port, state)),
                ("fib_trie", own),
                ("if_inet6", own6),
            ];
            !says(&plan(&[publish]), &files).is_empty()
        };
        let (any, any6, one) = (at([0; 4]), at6("::"), at([192, 0, 2, 1]));
        for (publish, file, address, state) in [
            ("80:80", "tcp", &one, "0A"),
            ("80:80", "tcp6", &any6, "0A"),
            ("80:80", "tcp6", &at6("2001:db8::1"), "0A"),
            ("192.0.2.1:80:80", "tcp", &any, "0A"),
            ("192.0.2.1:80:80", "tcp", &one, "0A"),
            ("192.0.2.1:80:80", "tcp6", &any6, "0A"),
            ("192.0.2.1:80:80", "tcp6", &at6("::ffff:192.0.2.1"), "0A"),
            ("[2001:db8::1]:80:80", "tcp6", &any6, "0A"),
            ("80:80/udp", "udp", &any, "07"),
            ("80:80/udp", "udp6", &any6, "07"),
        ] {
            assert!(taken(publish, file, address, 80, state), "{publish} {file} {address}");
        }
        for (publish, file, address, port, state) in [
            ("80:80", "tcp", &any, 81, "0A"),
            ("80:80", "tcp", &one, 80, "01"),
            ("80:80", "udp", &any, 80, "07"),
            ("80:80/udp", "tcp", &any, 80, "0A"),
            ("80:80/udp", "udp", &one, 80, "01"),
            ("80:80", "tcp", &at([127, 0, 0, 53]), 80, "0A"),
            ("80:80", "tcp6", &at6("::1"), 80, "0A"),
            ("192.0.2.1:80:80", "tcp", &at([192, 0, 2, 9]), 80, "0A"),
            ("[2001:db8::1]:80:80", "tcp", &any, 80, "0A"),
        ] {
            assert!(
                !taken(publish, file, address, port, state),
                "{publish} {file} {address}"
            );
        }
    }

    #[test]
    fn an_address_that_ports_are_published_on_is_the_hosts() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.0\n        /24 link UNICAST\n     |-- 192.0.2.1\n        /32 host LOCAL\n     \
            |-- 198.51.100.0\n        /24 host LOCAL\n";
        let files = [
            ("fib_trie", trie.to_owned()),
            (
                "if_inet6",
                "20010db8000000000000000000000001 01 40 00 80     eth0\n".to_owned(),
            ),
        ];
        for good in [
            "192.0.2.1:1:1",
            "198.51.100.7:1:1",
            "[2001:db8::1]:1:1",
            "10.209.0.1:1:1",
            "1:1",
        ] {
            assert_eq!(says(&plan(&[good]), &files), "", "{good}");
        }
        for bad in ["192.0.2.2:1:1", "192.0.2.0:1:1", "[2001:db8::2]:1:1"] {
            assert!(says(&plan(&[bad]), &files).contains("no address of this host"), "{bad}");
        }
    }

    #[test]
    fn a_bridge_of_the_hosts_is_there() {
        let mut plan = plan(&[]);
        let Some(Step::Connect(links)) = plan.steps.first_mut() else {
            panic!()
        };
        links[0].side = HostSide::Bridge(LinkName::new("br0").unwrap());
        let dev = "Inter-|   Receive\n face |bytes\n   br0:    1 2\n".to_owned();
        assert_eq!(says(&plan, &[("dev", dev.clone())]), "");
        assert!(says(&plan, &[("dev", dev.replace("br0", "br01"))]).contains("no bridge br0"));
    }
}
