//! What passes the firewall and what does not, and that its tables go with their socket.

use crate::stage::*;
use nix::errno::Errno;
use std::os::fd::AsFd;
use wire::Kind;
use wire::netd::{Reply, Request};

#[test]
fn what_goes_out_has_the_hosts_address_and_nothing_unasked_comes_in() {
    if !is_possible() {
        return;
    }
    let (host, outside) = host_and_outside();
    let netd = Netd::start(&host);
    assert_eq!(
        netd.forward(&host),
        Reply::Forwarding {
            v4_changed: true,
            v6_changed: true
        }
    );
    assert_eq!(
        netd.forward(&host),
        Reply::Forwarding {
            v4_changed: false,
            v6_changed: false
        }
    );
    let container = connected(&netd, 2);
    let wall = netd.protect(wall(2, vec![])).unwrap();
    let server = outside.listen(8000);
    assert_eq!(container.reaches("192.0.2.2:8000", &server).to_string(), "192.0.2.1");
    assert_eq!(container.reaches("[fd00:2::2]:8000", &server).to_string(), "fd00:2::1");

    let private = container.listen(9000);
    outside.run("ip route add 10.209.0.0/16 via 192.0.2.1");
    outside.run("ip route add fd6c:7a72::/64 via fd00:2::1");
    assert!(outside.is_cut_off_from("10.209.0.2:9000"));
    assert!(outside.is_cut_off_from("[fd6c:7a72::2]:9000"));
    drop(wall);
    assert_eq!(
        outside.reaches("10.209.0.2:9000", &private).to_string(),
        "192.0.2.2",
        "it was the wall that held"
    );
}

#[test]
fn refuses_to_forward_where_the_host_would_lose_its_default_route() {
    if !is_possible() {
        return;
    }
    let (host, _outside) = host_and_outside();
    host.run("ip -6 route add default via fd00:2::2 dev uplink proto ra");
    let netd = Netd::start(&host);
    let Reply::Refused(refused) = netd.forward(&host) else {
        panic!("it was not refused")
    };
    assert_eq!(refused.kind, Kind::Caller);
    assert!(
        refused
            .what
            .as_str()
            .contains("`sysctl net.ipv6.conf.uplink.accept_ra=2`"),
        "{refused:?}"
    );
    host.within(|| std::fs::write("/proc/sys/net/ipv6/conf/uplink/accept_ra", "2").unwrap());
    assert_eq!(
        netd.forward(&host),
        Reply::Forwarding {
            v4_changed: true,
            v6_changed: true
        }
    );
}

#[test]
fn published_ports_answer_outside_on_the_host_and_next_door() {
    if !is_possible() {
        return;
    }
    let (host, outside) = host_and_outside();
    host.run("ip addr add 192.0.2.9/24 dev uplink");
    let netd = Netd::start(&host);
    netd.forward(&host);
    let (web, neighbour) = (connected(&netd, 2), connected(&netd, 3));
    let ports = vec![
        publish(None, 8080, 80, false),
        publish(None, 5353, 53, true),
        publish(Some("192.0.2.9"), 8081, 80, false),
        publish(Some("::"), 8086, 80, false),
    ];
    let _walls = [
        netd.protect(wall(2, ports)).unwrap(),
        netd.protect(wall(3, vec![])).unwrap(),
    ];
    let server = web.listen(80);
    assert_eq!(outside.reaches("192.0.2.1:8080", &server).to_string(), "192.0.2.2");
    assert_eq!(outside.reaches("[fd00:2::1]:8080", &server).to_string(), "fd00:2::2");
    assert_eq!(outside.reaches("192.0.2.9:8081", &server).to_string(), "192.0.2.2");
    assert_eq!(outside.reaches("[fd00:2::1]:8086", &server).to_string(), "fd00:2::2");
    assert!(
        outside.is_cut_off_from("192.0.2.1:8081"),
        "published on another address only"
    );
    assert!(outside.is_cut_off_from("192.0.2.1:8086"), "published for IPv6 only");
    assert!(outside.is_cut_off_from("192.0.2.1:80"), "not published");

    assert_eq!(host.reaches("192.0.2.1:8080", &server).to_string(), "192.0.2.1");
    assert_eq!(host.reaches("[fd00:2::1]:8080", &server).to_string(), "fd00:2::1");
    assert_eq!(host.reaches("10.209.0.1:8080", &server).to_string(), "10.209.0.1");
    assert!(host.is_cut_off_from("127.0.0.1:8080"));
    assert!(host.is_cut_off_from("[::1]:8080"));
    let own = host.listen(8080);
    assert!(
        host.reaches("127.0.0.1:8080", &own).is_loopback(),
        "the loopback is the host's own"
    );

    // Where bridged packets pass the IP hooks too, a neighbour is seen as it is; elsewhere the host stands between.
    host.bridge_netfilter(true);
    neighbour.reaches("192.0.2.1:8080", &server);
    neighbour.reaches("[fd6c:7a72::1]:8080", &server);
    host.bridge_netfilter(false);
    for from in [&neighbour, &web] {
        assert_eq!(from.reaches("192.0.2.1:8080", &server).to_string(), "10.209.0.1");
        from.reaches("[fd6c:7a72::1]:8080", &server);
    }

    let (question, answer) = (outside.datagrams("192.0.2.2:0"), web.datagrams("0.0.0.0:53"));
    question.send_to(b"question", "192.0.2.1:5353").unwrap();
    let mut buffer = [0; 16];
    let (_, from) = received(&answer, &mut buffer);
    assert_eq!(from, question.local_addr().unwrap());
    answer.send_to(b"answer", from).unwrap();
    assert_eq!(received(&question, &mut buffer), (6, "192.0.2.1:5353".parse().unwrap()));
}

#[test]
fn forged_packets_do_not_leave_the_link() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let container = connected(&netd, 2);
    let wall = netd.protect(wall(2, vec![])).unwrap();
    let heard = host.datagrams("[::]:6000");
    let hears = |word: &str| {
        let mut buffer = [0; 16];
        let (length, _) = received(&heard, &mut buffer);
        assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), word);
    };
    let say = |from: &str, word: &str| {
        let to = if from.contains('[') {
            "[fd6c:7a72::1]:6000"
        } else {
            "10.209.0.1:6000"
        };
        let _ = container.datagrams(from).send_to(word.as_bytes(), to);
    };
    for (own, other, plus) in [
        ("10.209.0.2:0", "10.209.0.77:0", "10.209.0.77/16"),
        ("[fd6c:7a72::2]:0", "[fd6c:7a72::77]:0", "fd6c:7a72::77/64 nodad"),
    ] {
        container.run(&format!("ip addr add {plus} dev eth0"));
        // The first forged packet needs a neighbour, and asks for it with the forged address; the second knows it.
        container.run("ip neigh flush dev eth0");
        say(other, "forged");
        say(own, "own");
        hears("own");
        say(other, "forged");
        say(own, "own");
        hears("own");
    }
    let neighbours = host.run("ip neigh show dev lzr0");
    assert!(neighbours.contains("10.209.0.2 ") && !neighbours.contains("::77") && !neighbours.contains(".77"));

    // A router's word makes no default route.
    let advertised = || {
        container.advertise("eth0", "fe80::1");
        say("10.209.0.2:0", "own");
        hears("own");
        host.run("ip -6 route show default").contains("proto ra")
    };
    assert!(!advertised());

    // Nor does another hardware address help.
    container.run("ip link set eth0 address 02:10:20:30:40:99");
    say("10.209.0.2:0", "forged");
    container.run("ip link set eth0 address 02:10:20:30:40:02");
    say("10.209.0.2:0", "own");
    hears("own");

    // All this was the wall's doing.
    drop(wall);
    say("10.209.0.77:0", "forged");
    hears("forged");
    assert!((0..100).any(|_| advertised()), "without the wall the host believes it");
}

#[test]
fn the_tables_stand_as_long_as_their_socket_and_no_longer() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let container = connected(&netd, 2);
    let socket = netd.protect(wall(2, vec![])).unwrap();
    let both = ["inet lazaret-c/202", "netdev lazaret-c/202"];
    assert_eq!(host.tables(), both);
    let refused = netd.protect(wall(2, vec![])).unwrap_err();
    assert_eq!((refused.kind, refused.errno), (Kind::Kernel, Errno::EPERM as i32));
    assert!(
        refused
            .what
            .as_str()
            .starts_with("make the firewall table lazaret-c/202, "),
        "{refused:?}"
    );
    drop(netd);
    assert_eq!(host.tables(), both, "the socket keeps them, not the network writer");
    drop(socket);
    assert_eq!(host.tables(), Vec::<String>::new());
    drop(container);
}

#[test]
fn the_rules_read_back_as_nft_writes_them() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let _container = connected(&netd, 2);
    let many = (1..=64).map(|n| publish(None, 1000 + n, n, n % 2 == 0)).collect();
    let _wall = netd.protect(wall(2, many)).unwrap();
    let rules = host.run("nft list ruleset");
    for line in [
        "ip saddr 10.209.0.2 oifname != \"lzr0\" masquerade",
        "ip6 saddr fd6c:7a72::2 oifname != \"lzr0\" masquerade",
        "fib daddr type local tcp dport 1001 dnat ip to 10.209.0.2:1",
        "fib daddr type local udp dport 1064 dnat ip6 to [fd6c:7a72::2]:64",
        "ip6 daddr ::1 return",
        "ct state established,related accept",
        "@ll,48,48 != 0x21020304002 drop",
        "icmpv6 type nd-router-advert drop",
        "ip6 saddr fe80::10:20ff:fe30:4002 accept",
    ] {
        assert!(rules.contains(line), "{line}: {rules}");
    }
}

#[test]
fn chains_of_others_that_drop_are_found_until_they_let_the_bridge_through() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let _container = connected(&netd, 2);
    let _wall = netd.protect(wall(2, vec![])).unwrap();
    let find = || match netd.ask(Request::FindDropping(name("lzr0")), &[]).0 {
        Reply::Dropping(found) => found
            .iter()
            .map(|d| format!("{} {} {}", d.family.name(), d.table, d.chain))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert!(find().is_empty(), "our own tables drop nothing by policy");
    let hooked = "{ type filter hook forward priority 0 ; policy drop ; }";
    for (family, table) in [
        ("ip", "filter"),
        ("ip6", "filter"),
        ("inet", "other"),
        ("bridge", "other"),
    ] {
        host.run(&format!("nft add table {family} {table}"));
        host.run(&format!("nft add chain {family} {table} FORWARD {hooked}"));
    }
    host.run("nft add chain inet other in { type filter hook input priority 0 ; policy drop ; }");
    let mut all = find();
    all.sort();
    assert_eq!(all, ["inet other FORWARD", "ip filter FORWARD", "ip6 filter FORWARD"]);
    host.run("nft insert rule ip filter FORWARD iifname lzr0 counter accept");
    assert_eq!(find().len(), 3, "one way is not both");
    host.run("nft insert rule ip filter FORWARD oifname lzr1 accept");
    assert_eq!(find().len(), 3, "nor is another bridge");
    host.run("nft insert rule ip filter FORWARD oifname lzr0 accept");
    host.run("nft add rule inet other FORWARD accept");
    assert_eq!(find(), ["ip6 filter FORWARD"]);
    assert!(matches!(
        netd.ask(Request::FindDropping(name("br0")), &[]).0,
        Reply::Refused(f) if f.kind == Kind::Caller
    ));
}

#[test]
fn a_running_container_does_not_say_which_address_its_rules_are_made_for() {
    if !is_possible() {
        return;
    }
    let host = Namespace::new();
    let netd = Netd::start(&host);
    let container = Namespace::container();
    let join = Request::Join {
        link: Box::new(link(2)),
        firewall: Box::new(wall(2, vec![])),
    };
    let there = || container.links().contains(&"eth0".to_owned());
    let is_called = |mac: &str| drop(container.run(&format!("ip link set eth0 address {mac}")));
    let neighbour = || is_called("02:10:20:30:40:09");
    let (reply, _rules) = netd.ask_and_meanwhile(join, &[container.as_fd()], there, neighbour);
    assert_eq!(reply, Reply::Protected);
    is_called("02:10:20:30:40:02");
    let inside = container.rtnetlink();
    let raised = netd.ask(Request::Raise(Box::new(link(2))), &[inside.as_fd()]).0;
    assert_eq!(raised, Reply::Connected);
    let rules = host.run("nft list ruleset");
    assert!(rules.contains("02:10:20:30:40:02"), "{rules}");
    assert!(!rules.contains("02:10:20:30:40:09"), "{rules}");
}
