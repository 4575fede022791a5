//! The network writer as it runs: CAP_NET_ADMIN and nothing else, an unprivileged uid, its real confinement. What it made is asked of the
//! kernel, by ip(8), nft(8) and by traffic. Touches: network namespaces of its own.

#[cfg(test)]
mod stage;

#[cfg(test)]
mod tests {
    use super::stage::*;
    use nix::errno::Errno;
    use std::os::fd::AsFd;
    use wire::netd::{Bridge, HostSide, Lent, Link, Macvlan, Publish, Rate, Reply, Request};
    use wire::{Kind, LinkName};

    fn connected(netd: &Netd, n: u8) -> Namespace {
        let container = Namespace::container();
        assert_eq!(netd.connect(&container, vec![link(n)]), Reply::Connected);
        container
    }

    fn publish(address: Option<&str>, host: u16, container: u16, udp: bool) -> Publish {
        Publish {
            address: address.map(|a| a.parse().unwrap()),
            host,
            container,
            udp,
        }
    }

    #[test]
    fn works_with_one_capability_under_its_confinement() {
        if !is_possible() {
            return;
        }
        let host = Namespace::new();
        let netd = Netd::start(&host);
        assert_eq!(
            netd.ask(Request::RemoveBridge(name("lzr0")), &[]).0,
            Reply::Removed(true)
        );
        assert_eq!(netd.status("Uid"), [UID.to_string().as_str(); 4].join(" "));
        assert_eq!(netd.status("Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(netd.status(set), format!("{:016x}", 1u64 << 12), "{set}");
        }
        assert_eq!(
            (netd.status("NoNewPrivs"), netd.status("Seccomp")),
            ("1".into(), "2".into())
        );
    }

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
        let (_, from) = answer.recv_from(&mut buffer).unwrap();
        assert_eq!(from, question.local_addr().unwrap());
        answer.send_to(b"answer", from).unwrap();
        assert_eq!(
            question.recv_from(&mut buffer).unwrap(),
            (6, "192.0.2.1:5353".parse().unwrap())
        );
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
            let (length, _) = heard.recv_from(&mut buffer).unwrap();
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
    fn a_failure_in_the_middle_leaves_nothing() {
        if !is_possible() {
            return;
        }
        let host = Namespace::new();
        let netd = Netd::start(&host);
        let container = Namespace::container();
        let second = |side| {
            let mut second = link(4);
            (second.guest, second.side) = (name("eth1"), side);
            vec![link(2), second]
        };
        host.run("ip link add dummy0 type veth peer name dummy1");
        let before = host.links();

        let refused = netd.refuses(&container, second(HostSide::Bridge(name("br7"))));
        assert_eq!(
            (refused.kind, refused.what.as_str()),
            (Kind::Caller, "use the bridge br7: there is none of that name")
        );
        let refused = netd.refuses(&container, second(HostSide::Bridge(name("dummy0"))));
        assert_eq!(
            refused.what.as_str(),
            "use the bridge dummy0: the link of that name is no bridge"
        );
        let mut lost = link(2);
        lost.routes = vec![to("0.0.0.0/0", "172.31.0.1")];
        let refused = netd.refuses(&container, vec![lost]);
        assert_eq!(refused.what.as_str(), "lead 0.0.0.0/0 through 172.31.0.1 inside");
        assert_eq!((refused.kind, refused.errno), (Kind::Kernel, Errno::ENETUNREACH as i32));
        let mut taken = link(2);
        taken.host = name("dummy0");
        let refused = netd.refuses(&container, vec![taken]);
        assert_eq!(
            (refused.what.as_str(), refused.errno),
            ("add the link dummy0", Errno::EEXIST as i32)
        );
        assert_eq!(host.links(), before);
        assert_eq!(container.links(), ["lo"]);

        // A bridge that somebody else uses stays.
        let _other = connected(&netd, 9);
        netd.refuses(&container, second(HostSide::Bridge(name("br7"))));
        assert_eq!(host.links().len(), before.len() + 2);
        assert!(netd.protect(wall(2, vec![])).is_err());
        assert_eq!(host.tables(), Vec::<String>::new());
    }

    #[test]
    fn refuses_descriptors_of_another_namespace_or_of_nothing() {
        if !is_possible() {
            return;
        }
        let host = Namespace::new();
        let netd = Netd::start(&host);
        let before = host.links();
        let refused = netd.refuses(&host, vec![link(2)]);
        assert!(refused.what.as_str().contains("the host's own"), "{refused:?}");
        let (one, other) = (Namespace::container(), Namespace::container());
        let socket = other.rtnetlink();
        let reply = netd
            .ask(Request::Connect(vec![link(2)]), &[one.as_fd(), socket.as_fd()])
            .0;
        assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
        let null = std::fs::File::open("/dev/null").unwrap();
        for (namespace, socket) in [(one.as_fd(), null.as_fd()), (null.as_fd(), socket.as_fd())] {
            let reply = netd.ask(Request::Connect(vec![link(2)]), &[namespace, socket]).0;
            assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
        }
        // A macvlan leaves nothing either, and takes nothing of the host's for its own, whatever that is called.
        host.run("ip link add name wire0 type veth peer name wire1");
        let direct = Link {
            side: HostSide::Direct {
                parent: name("wire0"),
                mode: Macvlan::Bridge,
            },
            addresses: vec![],
            routes: vec![],
            ..link(2)
        };
        host.run("ip link add link wire1 name eth0 type macvlan");
        let with_wires = host.links();
        let refused = netd.refuses(&host, vec![direct.clone()]);
        assert!(refused.what.as_str().contains("the host's own"), "{refused:?}");
        host.run("ip link add link wire1 name lzv2 type macvlan");
        let refused = netd.refuses(&one, vec![direct.clone()]);
        assert!(refused.what.as_str().contains("already"), "{refused:?}");
        host.run("ip link del lzv2");
        let reply = netd
            .ask(Request::Connect(vec![direct.clone()]), &[one.as_fd(), socket.as_fd()])
            .0;
        assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
        assert_eq!(host.links(), with_wires);
        let good = Namespace::container();
        assert_eq!(netd.connect(&good, vec![direct]), Reply::Connected);
        assert_eq!(
            (good.links(), host.links()),
            (vec!["lo".into(), "eth0".into()], with_wires)
        );
        host.run("ip link del wire0");
        assert_eq!(host.links(), before);
        assert_eq!(other.links(), ["lo"]);
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
    fn a_link_goes_from_the_host_whatever_stands_inside_in_its_place() {
        if !is_possible() {
            return;
        }
        let host = Namespace::new();
        let netd = Netd::start(&host);
        let (container, hidden) = (Namespace::container(), Namespace::container());
        let mut alone = link(3);
        (alone.host, alone.side, alone.addresses, alone.routes) =
            (name("mine0"), HostSide::Alone(vec![]), vec![], vec![]);
        assert_eq!(netd.connect(&container, vec![alone.clone()]), Reply::Connected);
        let disconnect = |link: &Link| netd.ask(Request::Disconnect(Box::new(link.clone())), &[]).0;
        let number = |namespace: &Namespace, link: &str| {
            namespace.json(&format!("ip -j link show {link}"))[0]["ifindex"].clone()
        };
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
        container
            .run("ip link set lan0 group 9 arp on promisc on allmulticast on multicast off txqueuelen 5 alias mine");
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
}
