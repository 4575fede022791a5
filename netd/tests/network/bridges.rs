//! Bridges: who is reached over them, when they go, and those of others.

use crate::stage::*;
use wire::LinkName;
use wire::netd::{Bridge, HostSide, Link, Reply, Request};

#[test]
fn two_containers_reach_each_other_and_the_gateway() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let (a, b) = (connected(&netd, 2), connected(&netd, 3));
    let _walls = [2, 3].map(|n| netd.protect(wall(n, vec![])).unwrap());
    let (server, gateway) = (b.listen(7000), host.listen(7000));
    assert_eq!(a.reaches("10.209.0.3:7000", &server).to_string(), "10.209.0.2");
    assert_eq!(a.reaches("[fd6c:7a72::3]:7000", &server).to_string(), "fd6c:7a72::2");
    assert_eq!(a.reaches("10.209.0.1:7000", &gateway).to_string(), "10.209.0.2");
    assert_eq!(b.reaches("[fd6c:7a72::1]:7000", &gateway).to_string(), "fd6c:7a72::3");
    assert_eq!(host.reaches("[fd6c:7a72::3]:7000", &server).to_string(), "fd6c:7a72::1");
}

#[test]
fn a_link_joins_a_bridge_of_others_or_stands_alone() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    host.run("ip link add br0 type bridge");
    host.run("ip link add nic type veth peer name wire");
    host.run("ip link set nic master br0");
    let address = host.json("ip -j link show br0")[0]["address"].clone();
    let container = Namespace::container();
    let (mut bridged, mut alone) = (link(2), link(3));
    (bridged.side, bridged.routes) = (HostSide::Bridge(name("br0")), vec![]);
    (alone.guest, alone.side) = (
        name("wan0"),
        HostSide::Alone(vec![on("10.77.0.1/24"), on("fd77::1/64")]),
    );
    alone.addresses = vec![on("10.77.0.2/24"), on("fd77::2/64")];
    alone.routes = vec![to("0.0.0.0/0", "10.77.0.1"), to("::/0", "fd77::1")];
    let mut dark = link(4);
    (dark.guest, dark.side, dark.up) = (name("dark0"), HostSide::Alone(vec![]), false);
    (dark.addresses, dark.routes) = (vec![], vec![]);
    assert_eq!(netd.connect(&container, vec![bridged, alone, dark]), Reply::Connected);
    assert_eq!(host.json("ip -j link show lzv2")[0]["master"], "br0");
    assert_eq!(
        host.json("ip -j link show br0")[0]["address"],
        address,
        "it keeps its address"
    );
    let server = host.listen(7000);
    assert_eq!(container.reaches("10.77.0.1:7000", &server).to_string(), "10.77.0.2");
    assert_eq!(container.reaches("[fd77::1]:7000", &server).to_string(), "fd77::2");
    let flags = container.json("ip -j link show dark0")[0]["flags"].to_string();
    assert!(!flags.contains("UP"), "{flags}");
}

#[test]
fn removes_bridges_without_ports_and_links_of_ours() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let remove = |request: fn(LinkName) -> Request, n: &str| netd.ask(request(name(n)), &[]).0;
    let container = connected(&netd, 2);
    assert_eq!(remove(Request::RemoveBridge, "lzr0"), Reply::Removed(false));
    assert_eq!(remove(Request::RemoveLink, "lzv2"), Reply::Removed(true));
    assert_eq!(container.links(), ["lo"]);
    assert_eq!(remove(Request::RemoveLink, "lzv2"), Reply::Removed(true));
    assert_eq!(remove(Request::RemoveBridge, "lzr0"), Reply::Removed(true));
    assert_eq!(remove(Request::RemoveBridge, "lzr0"), Reply::Removed(true));
    host.run("ip link add lzr1 type veth peer name lzr2");
    assert!(matches!(remove(Request::RemoveBridge, "lzr1"), Reply::Refused(_)));
    host.run("ip link add lzv1 type bridge");
    assert!(matches!(remove(Request::RemoveLink, "lzv1"), Reply::Refused(_)));
    assert!(matches!(remove(Request::RemoveLink, "lo"), Reply::Refused(_)));
    assert_eq!(host.links().len(), 4);
}

#[test]
fn a_bridge_that_stays_is_there_without_a_port_until_it_is_ended() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let bridge = |name: &str| Bridge {
        name: self::name(name),
        addresses: vec![on("10.209.0.1/16"), on("fd6c:7a72::1/64")],
        mac: Some([2, 0, 0, 0, 0, 7]),
        stp: true,
        delay: 3,
    };
    let ask = |request| netd.ask(request, &[]).0;
    assert_eq!(ask(Request::KeepBridge(bridge("lzr0"))), Reply::Connected);
    // Again, and nothing is another.
    assert_eq!(ask(Request::KeepBridge(bridge("lzr0"))), Reply::Connected);
    let shown = host.json("ip -j -d link show lzr0")[0].clone();
    let data = &shown["linkinfo"]["info_data"];
    assert_eq!(
        (&shown["address"], &data["stp_state"]),
        (&"02:00:00:00:00:07".into(), &1.into()),
        "{shown}"
    );
    assert_eq!(data["forward_delay"], 300, "{shown}");
    let container = Namespace::container();
    // What is there is not what this link's network has.
    let refused = netd.connect(&container, vec![link(2)]);
    assert!(
        matches!(&refused, Reply::Refused(f) if f.what.as_str().contains("another hardware address")),
        "{refused:?}"
    );
    let joined = Link {
        side: HostSide::Network(bridge("lzr0")),
        ..link(2)
    };
    assert_eq!(netd.connect(&container, vec![joined]), Reply::Connected);
    assert_eq!(ask(Request::EndBridge(name("lzr0"))), Reply::Removed(false));
    drop(container);
    assert_eq!(ask(Request::RemoveLink(name("lzv2"))), Reply::Removed(true));
    assert_eq!(
        ask(Request::RemoveBridge(name("lzr0"))),
        Reply::Removed(false),
        "it stays"
    );
    assert_eq!(ask(Request::EndBridge(name("lzr0"))), Reply::Removed(true));
    assert_eq!(ask(Request::EndBridge(name("lzr0"))), Reply::Removed(true));
    assert!(matches!(ask(Request::KeepBridge(bridge("br0"))), Reply::Refused(_)));
    host.run("ip link add lzr1 type veth peer name lzr2");
    assert!(matches!(ask(Request::KeepBridge(bridge("lzr1"))), Reply::Refused(_)));
    assert_eq!(host.links().len(), 3);
}

#[test]
fn a_bridge_of_others_is_neither_used_nor_removed_and_no_network_is_laid_over_another() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let refused = |words: &str| {
        let container = Namespace::container();
        let reply = netd.connect(&container, vec![link(2)]);
        assert!(
            matches!(&reply, Reply::Refused(f) if f.what.as_str().contains(words)),
            "{words}: {reply:?}"
        );
        assert_eq!(container.links(), ["lo"]);
    };
    host.run("ip link add lzr0 type bridge");
    refused("somebody else made it");
    for request in [Request::RemoveBridge, Request::EndBridge] {
        // None of ours is there, and theirs stays.
        assert_eq!(netd.ask(request(name("lzr0")), &[]).0, Reply::Removed(true));
    }
    assert_eq!(host.links().len(), 2);
    host.run("ip link del lzr0");

    // What the host reaches by another link, or by a router in part.
    host.run("ip link add other type bridge");
    host.run("ip link set other up");
    host.run("ip addr add 192.0.2.1/24 dev other");
    for (route, met) in [
        ("10.209.7.0/24 via 192.0.2.2", true),
        ("10.0.0.0/8 dev other", true),
        ("10.0.0.0/8 via 192.0.2.2", false),
        ("fd6c:7a72::/80 dev other", true),
    ] {
        host.run(&format!("ip route add {route}"));
        if met {
            refused("reaches");
            assert_eq!(host.links().len(), 2, "{route}");
        } else {
            drop(connected(&netd, 3));
            for request in [Request::RemoveLink(name("lzv3")), Request::RemoveBridge(name("lzr0"))] {
                assert_eq!(netd.ask(request, &[]).0, Reply::Removed(true));
            }
        }
        host.run(&format!("ip route del {route}"));
    }

    // One of ours that has an address that it should not have.
    let container = connected(&netd, 3);
    host.run("ip addr add 10.209.0.77/16 dev lzr0");
    refused("10.209.0.77/16");
    host.run("ip addr del 10.209.0.77/16 dev lzr0");
    drop((connected(&netd, 2), container));
    for link in ["lzv2", "lzv3"] {
        netd.ask(Request::RemoveLink(name(link)), &[]);
    }
    assert_eq!(
        netd.ask(Request::RemoveBridge(name("lzr0")), &[]).0,
        Reply::Removed(true)
    );

    // What it was given before the rest could not be is taken back.
    let bare = Bridge {
        name: name("lzr0"),
        addresses: vec![],
        mac: None,
        stp: false,
        delay: 0,
    };
    assert_eq!(netd.ask(Request::KeepBridge(bare), &[]).0, Reply::Connected);
    host.run("sysctl -qw net.ipv6.conf.lzr0.disable_ipv6=1");
    refused("give lzr0 the address fd6c:7a72::1/64");
    let left = host.run("ip -o addr show dev lzr0");
    assert_eq!(left.trim(), "");
}

#[test]
fn eight_starts_at_once_share_one_bridge() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let containers: Vec<Namespace> = std::thread::scope(|scope| {
        let host = &host;
        let start = |n| scope.spawn(move || connected(&Netd::start(host), n));
        let threads: Vec<_> = (2..10).map(start).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let ports = host.json("ip -j link show master lzr0");
    assert_eq!(ports.as_array().unwrap().len(), containers.len());
    let server = containers[0].listen(7000);
    for other in &containers[1..] {
        other.reaches("10.209.0.2:7000", &server);
    }
}
