//! A container's link: what was asked for on both sides, how it goes, and links that are lent.

use crate::stage::*;
use nix::errno::Errno;
use std::os::fd::AsFd;
use wire::Kind;
use wire::netd::{HostSide, Lent, Link, Rate, Reply, Request};

#[test]
fn a_link_is_what_was_asked_for_on_both_sides() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let container = connected(&netd, 5);
    assert_eq!(container.links(), ["lo", "eth0"]);

    let inside = &container.json("ip -j addr show eth0")[0];
    assert_eq!(inside["address"], "02:10:20:30:40:05");
    assert_eq!(inside["operstate"], "UP");
    let addresses: Vec<_> = inside["addr_info"].as_array().unwrap().iter().collect();
    let global = |family: &str| {
        *addresses
            .iter()
            .find(|a| a["family"] == family && a["scope"] == "global")
            .unwrap()
    };
    assert_eq!(
        (&global("inet")["local"], &global("inet")["prefixlen"]),
        (&"10.209.0.5".into(), &16.into())
    );
    assert_eq!(global("inet")["broadcast"], "10.209.255.255");
    assert_eq!(
        (&global("inet6")["local"], &global("inet6")["nodad"]),
        (&"fd6c:7a72::5".into(), &true.into())
    );
    for (family, gateway) in [("4", "10.209.0.1"), ("6", "fd6c:7a72::1")] {
        let routes = container.json(&format!("ip -j -{family} route show default"));
        assert_eq!(routes.as_array().unwrap().len(), 1);
        assert_eq!(
            (&routes[0]["gateway"], &routes[0]["dev"]),
            (&gateway.into(), &"eth0".into())
        );
    }

    let bridge = &host.json("ip -j -d addr show lzr0")[0];
    assert_eq!(bridge["linkinfo"]["info_kind"], "bridge");
    assert_eq!(bridge["linkinfo"]["info_data"]["mcast_snooping"], 0);
    assert_eq!(bridge["operstate"], "UP");
    let addresses: Vec<_> = bridge["addr_info"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["local"].as_str().unwrap())
        .collect();
    assert_eq!(addresses, ["10.209.0.1", "fd6c:7a72::1", "fe80::1"]);
    let outside = &host.json("ip -j -d addr show lzv5")[0];
    assert_eq!(
        (&outside["master"], &outside["address"]),
        (&"lzr0".into(), &"fe:10:20:30:40:05".into())
    );
    assert_eq!(
        outside["addr_info"].as_array().unwrap().len(),
        0,
        "nothing of the host's on a container's wire"
    );
    assert_ne!(
        bridge["address"], outside["address"],
        "no port gives the bridge its address"
    );
}

#[test]
fn a_link_goes_from_the_host_whatever_stands_inside_in_its_place() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let (container, hidden) = (Namespace::container(), Namespace::container());
    let mut alone = link(3);
    (alone.host, alone.side, alone.addresses, alone.routes) = (name("mine0"), HostSide::Alone(vec![]), vec![], vec![]);
    assert_eq!(netd.connect(&container, vec![alone.clone()]), Reply::Connected);
    let disconnect = |link: &Link| netd.ask(Request::Disconnect(Box::new(link.clone())), &[]).0;
    let number =
        |namespace: &Namespace, link: &str| namespace.json(&format!("ip -j link show {link}"))[0]["ifindex"].clone();
    let (outer, inner) = (number(&host, "mine0"), number(&container, "eth0"));
    container.run(&format!("ip link set eth0 netns {}", hidden.pid()));
    let beyond = Namespace::container();
    container.run(&format!(
        "ip link add name eth0 index {inner} address 02:10:20:30:40:03 type veth peer name x index {outer} netns {}",
        beyond.pid()
    ));
    assert_eq!(disconnect(&alone), Reply::Removed(true));
    assert_eq!(
        (host.links(), hidden.links()),
        (vec!["lo".to_owned()], vec!["lo".to_owned()])
    );
    assert_eq!(disconnect(&alone), Reply::Removed(true), "it is gone");

    // What others have made, or are also called so, is not it.
    host.run("ip link add name mine0 address fe:10:20:30:40:03 type veth peer name far0");
    host.run("ip link property add dev far0 altname mine1");
    let before = host.links();
    let Reply::Refused(failure) = disconnect(&alone) else {
        panic!("it is another one");
    };
    assert!(failure.what.as_str().contains("is another one"), "{failure:?}");
    assert_eq!(netd.ask(Request::RemoveLink(name("lzv9")), &[]).0, Reply::Removed(true));
    host.run("ip link property add dev far0 altname lzv9");
    assert_eq!(netd.ask(Request::RemoveLink(name("lzv9")), &[]).0, Reply::Removed(true));
    alone.host = name("mine1");
    assert_eq!(disconnect(&alone), Reply::Removed(true), "none is called that");
    assert_eq!(host.links(), before);
    let mut on_link = link(3);
    on_link.side = HostSide::Vlan {
        parent: name("mine0"),
        id: 7,
    };
    assert!(matches!(disconnect(&on_link), Reply::Refused(_)));
}

#[test]
fn a_link_that_was_lent_is_what_it_was() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let container = Namespace::container();
    host.run("ip link add name wan0 address 02:10:20:30:40:07 mtu 1480 txqueuelen 700 type veth peer name far0");
    host.run("ip link set wan0 group 7 arp off");
    host.run("ip link property add dev wan0 altname uplink");
    let look = || {
        let link = host.json("ip -j link show wan0")[0].clone();
        ["flags", "address", "mtu", "txqlen", "group", "altnames", "ifalias"].map(|key| link[key].to_string())
    };
    let before = look();
    let Reply::Found(found) = netd.ask(Request::Find(vec![name("wan0")]), &[]).0 else {
        panic!("it is there");
    };
    assert!(matches!(
        netd.ask(Request::Find(vec![name("uplink")]), &[]).0,
        Reply::Refused(_)
    ));
    let lent = Lent {
        found: found[0].clone(),
        guest: name("lan0"),
        addresses: vec![],
        routes: vec![],
    };
    let lend = Request::Lend(vec![lent.clone()]);
    let inside = container.rtnetlink();
    let descriptors = [container.as_fd(), inside.as_fd(), host.as_fd()];
    assert_eq!(netd.ask(lend, &descriptors).0, Reply::Lent);
    assert_eq!(host.links(), ["lo", "far0"]);
    // The names would be in the way of others of the host's, or would be taken for theirs.
    for altname in ["far0", "lzv1", "wan0"] {
        container.run(&format!("ip link property add dev lan0 altname {altname}"));
    }
    // As many more as the kernel lets it have: an answer about such a link is a long one.
    while container.calls_also("lan0") {}
    container.run("ip link set lan0 group 9 arp on promisc on allmulticast on multicast off txqueuelen 5 alias mine");
    container.run("ip link set lan0 down");
    container.run("ip link set lan0 name other mtu 1400 address 02:10:20:30:40:08");
    let back = Request::TakeBack(vec![Lent {
        guest: name("other"),
        ..lent
    }]);
    let inside = container.rtnetlink();
    assert_eq!(
        netd.ask(back, &[inside.as_fd(), host.as_fd()]).0,
        Reply::Missing(vec![])
    );
    assert_eq!(look(), before);
    assert_eq!(container.links(), ["lo"]);
}

#[test]
fn a_link_carries_as_much_as_is_asked_for_and_the_host_leads_routes_over_it() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let container = Namespace::container();
    let mut alone = link(2);
    alone.side = HostSide::Alone(vec![on("10.77.0.1/24")]);
    (alone.addresses, alone.routes) = (vec![on("10.77.0.2/24")], vec![to("0.0.0.0/0", "10.77.0.1")]);
    alone.outside = vec![to("10.99.0.0/16", "10.77.0.2")];
    alone.bandwidth.inbound = Some(Rate {
        average: 1_000_000,
        peak: Some(2_000_000),
        burst: 102_400,
    });
    assert_eq!(netd.connect(&container, vec![alone.clone()]), Reply::Connected);
    let text = host.run("tc class show dev lzv2");
    assert!(text.contains("rate 8Mbit ceil 16Mbit burst 100Kb"), "{text}");
    let queue = host.run("tc qdisc show dev lzv2");
    assert!(
        queue.contains("qdisc htb 1: root") && queue.contains("default 0x1"),
        "{queue}"
    );
    let route = &host.json("ip -j route show 10.99.0.0/16")[0];
    assert_eq!(
        (&route["gateway"], &route["dev"]),
        (&"10.77.0.2".into(), &"lzv2".into())
    );
    let server = host.listen(7000);
    assert_eq!(container.reaches("10.77.0.1:7000", &server).to_string(), "10.77.0.2");

    // What this kernel cannot do is not left undone.
    let mut both = alone.clone();
    (both.host, both.outside) = (name("lzv3"), vec![]);
    both.side = HostSide::Alone(vec![]);
    both.bandwidth.outbound = Some(Rate {
        average: 500_000,
        peak: Some(600_000),
        burst: 51_200,
    });
    let other = Namespace::container();
    match netd.connect(&other, vec![both]) {
        Reply::Connected => {
            let filter = host.run("tc filter show dev lzv3 parent ffff:");
            for word in ["police", "rate 4Mbit", "burst 50Kb", "peakrate 4800Kbit", "action drop"] {
                assert!(filter.contains(word), "{word}: {filter}");
            }
        }
        Reply::Refused(failure) => {
            assert_eq!(
                (failure.kind, failure.errno),
                (Kind::Kernel, Errno::ENOENT as i32),
                "{failure:?}"
            );
            assert!(failure.what.as_str().contains("this kernel cannot"), "{failure:?}");
            assert_eq!(other.links(), ["lo"]);
        }
        unexpected => panic!("{unexpected:?}"),
    }
}
