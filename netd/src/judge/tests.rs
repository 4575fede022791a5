//! Requests that are allowed and such that are not.

use super::*;
use wire::ContainerName;
use wire::netd::{Found, Ipvlan, Isolation, Macvlan};

pub fn name(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn on(text: &str, prefix: u8) -> Address {
    Address {
        address: ip(text),
        prefix,
        peer: None,
    }
}

fn to(destination: &str, prefix: u8, gateway: &str) -> Route {
    Route {
        destination: ip(destination),
        prefix,
        gateway: ip(gateway),
        metric: None,
    }
}

pub fn lent(link: &str) -> Lent {
    let found = Found {
        name: name(link),
        kind: wire::Text::cut("dummy"),
        mac: [2, 0, 0, 0, 0, 4],
        permanent: None,
        mtu: 1500,
        also: vec![],
        flags: 0,
        group: 0,
        queue: 0,
    };
    Lent {
        found,
        guest: name("lan0"),
        addresses: vec![on("10.1.0.5", 16)],
        routes: vec![to("0.0.0.0", 0, "10.1.0.1")],
    }
}

#[test]
fn a_link_is_lent_that_the_host_can_be_without_and_once() {
    let judged = |change: fn(&mut Vec<Lent>)| {
        let mut links = vec![self::lent("wan0")];
        change(&mut links);
        super::lent(links).is_ok()
    };
    assert!(judged(|_| {}));
    assert!(!judged(Vec::clear));
    assert!(!judged(|l| l.push(l[0].clone())));
    assert!(!judged(|l| l[0].found.name = name("lo")));
    assert!(!judged(|l| l[0].found.name = name("lzr0")));
    assert!(!judged(|l| l[0].guest = name("lo")));
    assert!(!judged(|l| l[0].found.mac = [1, 0, 0, 0, 0, 0]));
    assert!(!judged(|l| l[0].found.mtu = 20));
    assert!(judged(|l| l[0].found.flags = 0x80) && !judged(|l| l[0].found.flags = 1));
    assert!(!judged(|l| l[0].found.also = vec![wire::Text::cut("a"); 9]));
    assert!(!judged(|l| l[0].addresses[0].prefix = 33));
    assert!(!judged(|l| l[0].routes[0].gateway = ip("::1")));
    assert!(!judged(|l| l[0].routes = vec![l[0].routes[0]; 65]));
    assert!(looked_at(vec![name("wan0")]).is_ok() && looked_at(vec![name("default")]).is_err());
}

pub fn good() -> Link {
    Link {
        host: name("lzv3"),
        guest: name("eth0"),
        mac: [2, 0, 0, 0, 0, 3],
        side: HostSide::Network(Bridge {
            name: name("lzr0"),
            addresses: vec![on("10.209.0.1", 16)],
            mac: None,
            stp: false,
            delay: 0,
        }),
        addresses: vec![on("10.209.0.5", 16), on("fd6c:7a72::5", 64)],
        routes: vec![to("0.0.0.0", 0, "10.209.0.1"), to("fd00::", 8, "fd6c:7a72::1")],
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: vec![],
        outside: vec![],
    }
}

pub fn wall() -> Firewall {
    Firewall {
        name: ContainerName::new("web").unwrap(),
        bridge: name("lzr0"),
        link: name("lzv3"),
        v4: Some(Ipv4Addr::new(10, 209, 0, 5)),
        v6: None,
        publish: vec![],
        through: Through::Translated,
    }
}

fn port(address: Option<&str>, host: u16) -> Publish {
    Publish {
        address: address.map(ip),
        host,
        container: 80,
        udp: false,
    }
}

#[test]
fn accepts_what_the_default_network_asks() {
    assert!(links(vec![good()]).is_ok());
    let pair = vec![port(Some("192.0.2.1"), 80), port(Some("192.0.2.2"), 80)];
    assert!(
        firewall(Firewall {
            publish: pair,
            ..wall()
        })
        .is_ok()
    );
    assert!(bridge(name("lzr0")).is_ok() && link(name("lzv0")).is_ok());
}

#[test]
fn refuses_links_that_no_kernel_or_no_container_should_have() {
    let with = |change: fn(&mut Link)| {
        let mut link = good();
        change(&mut link);
        links(vec![link])
    };
    assert!(links(vec![]).is_err());
    assert!(links(vec![good(); 17]).is_err());
    assert!(links(vec![good(), good()]).is_err());
    assert!(
        links(vec![
            good(),
            Link {
                host: name("lzv4"),
                ..good()
            }
        ])
        .is_err(),
        "two of one guest name"
    );
    assert!(with(|l| l.mac = [3, 0, 0, 0, 0, 1]).is_err());
    assert!(with(|l| l.mac = [0; 6]).is_err());
    assert!(with(|l| l.host = name("lzr7")).is_err());
    assert!(with(|l| l.guest = name("lo")).is_err());
    assert!(with(|l| l.addresses = vec![on("10.0.0.1", 33)]).is_err());
    assert!(with(|l| l.addresses = vec![on("::2", 129)]).is_err());
    assert!(with(|l| l.addresses = vec![on("10.0.0.1", 0)]).is_err());
    assert!(with(|l| l.addresses = vec![on("127.0.0.5", 8)]).is_err());
    assert!(with(|l| l.addresses = vec![on("224.0.0.5", 8)]).is_err());
    assert!(with(|l| l.addresses = vec![on("10.0.0.1", 8); 17]).is_err());
    assert!(with(|l| l.addresses[0].peer = Some(ip("fd00::1"))).is_err());
    assert!(with(|l| l.routes = vec![to("0.0.0.0", 0, "fd00::1")]).is_err());
    assert!(with(|l| l.routes = vec![to("10.0.0.1", 8, "10.209.0.1")]).is_err());
    assert!(with(|l| l.routes = vec![to("0.0.0.0", 0, "0.0.0.0")]).is_err());
    assert!(with(|l| l.routes = vec![to("10.0.0.0", 33, "10.209.0.1")]).is_err());
    assert!(with(|l| l.routes = vec![to("10.0.0.0", 8, "10.209.0.1"); 65]).is_err());
    assert!(with(|l| (l.up, l.addresses) = (false, vec![])).is_err());
    assert!(with(|l| l.side = HostSide::Bridge(name("lo"))).is_err());
    assert!(with(|l| l.side = HostSide::Alone(vec![on("10.0.0.1", 40)])).is_err());
    let on_link = |parent| HostSide::Direct {
        parent: name(parent),
        mode: Macvlan::Bridge,
    };
    assert!(
        links(vec![Link {
            side: on_link("eth0"),
            ..good()
        }])
        .is_ok()
    );
    for bad in ["lo", "lzr0", "lzv5"] {
        assert!(
            links(vec![Link {
                side: on_link(bad),
                ..good()
            }])
            .is_err(),
            "{bad}"
        );
    }
    assert!(
        links(vec![Link {
            side: on_link("eth0"),
            isolated: true,
            ..good()
        }])
        .is_err()
    );
    let foreign = Link {
        side: on_link("eth0"),
        host: name("v5"),
        ..good()
    };
    assert!(links(vec![foreign]).is_err());
    let above = |side| {
        links(vec![Link {
            side,
            mac: [0; 6],
            ..good()
        }])
    };
    let ipvlan = |parent| HostSide::Ipvlan {
        parent: name(parent),
        mode: Ipvlan::L3,
        isolation: Isolation::Private,
    };
    assert!(above(ipvlan("eth0")).is_ok() && above(ipvlan("lzr0")).is_err());
    assert!(with(|l| l.mac = [0; 6]).is_err(), "only an ipvlan has none of its own");
    let vlan = |id| {
        links(vec![Link {
            side: HostSide::Vlan {
                parent: name("eth0"),
                id,
            },
            ..good()
        }])
    };
    assert!(vlan(7).is_ok() && vlan(0).is_err() && vlan(4095).is_err());
    let rate = |average, peak, burst| Some(Rate { average, peak, burst });
    let carrying = |inbound, outbound| {
        links(vec![Link {
            bandwidth: Bandwidth { inbound, outbound },
            ..good()
        }])
    };
    assert!(carrying(rate(1000, Some(1000), 1), rate(1000, None, 1)).is_ok());
    assert!(carrying(rate(0, None, 1), None).is_err() && carrying(None, rate(1, None, 0)).is_err());
    assert!(carrying(rate(1000, Some(999), 1), None).is_err());
    assert!(
        links(vec![Link {
            side: on_link("eth0"),
            bandwidth: Bandwidth {
                inbound: rate(1, None, 1),
                outbound: None
            },
            ..good()
        }])
        .is_err()
    );
    let member = |id, native| Membership {
        id,
        native,
        untagged: native,
    };
    let of = |side, vlans| links(vec![Link { side, vlans, ..good() }]);
    let br0 = || HostSide::Bridge(name("br0"));
    assert!(of(br0(), vec![member(1, true), member(2, false)]).is_ok());
    assert!(of(br0(), vec![member(1, true), member(2, true)]).is_err());
    assert!(of(br0(), vec![member(1, false); 2]).is_err() && of(br0(), vec![member(4095, false)]).is_err());
    assert!(of(HostSide::Alone(vec![]), vec![member(1, false)]).is_err());
    assert!(with(|l| (l.side, l.outside) = (HostSide::Alone(vec![]), vec![to("10.9.0.0", 16, "10.209.0.5")])).is_ok());
    assert!(with(|l| l.outside = vec![to("10.9.0.0", 16, "10.209.0.5")]).is_err());
    assert!(with(|l| (l.side, l.outside) = (HostSide::Alone(vec![]), vec![to("10.9.0.1", 16, "10.209.0.5")])).is_err());
    assert!(with(|l| l.mtu = Some(67)).is_err() && with(|l| l.mtu = Some(65_536)).is_err());
    assert!(with(|l| (l.mtu, l.isolated) = (Some(1400), true)).is_ok());
    assert!(
        with(|l| l.side = HostSide::Network(Bridge {
            name: name("br0"),
            addresses: vec![],
            mac: None,
            stp: false,
            delay: 0,
        }))
        .is_err()
    );
    let spanning = |stp, delay| {
        kept(Bridge {
            name: name("lzr1"),
            addresses: vec![],
            mac: None,
            stp,
            delay,
        })
        .is_ok()
    };
    assert!(spanning(true, 2) && spanning(false, 0) && !spanning(true, 1) && !spanning(true, 31));
    let carried = |average, burst| {
        let rate = Rate {
            average,
            peak: None,
            burst,
        };
        let mut link = good();
        link.bandwidth.inbound = Some(rate);
        links(vec![link]).is_ok()
    };
    assert!(carried(1000, 274_000) && !carried(1000, 274_001) && carried(u32::MAX, u32::MAX));
}

#[test]
fn refuses_rules_that_would_not_hold_or_reach_nothing() {
    let publishes = |publish: Vec<Publish>| firewall(Firewall { publish, ..wall() });
    assert!(
        firewall(Firewall {
            bridge: name("br0"),
            ..wall()
        })
        .is_err()
    );
    assert!(
        firewall(Firewall {
            link: name("lzr0"),
            ..wall()
        })
        .is_err()
    );
    assert!(
        firewall(Firewall {
            v4: Some(Ipv4Addr::LOCALHOST),
            ..wall()
        })
        .is_err()
    );
    assert!(
        firewall(Firewall {
            v6: Some("::ffff:10.0.0.1".parse().unwrap()),
            ..wall()
        })
        .is_err()
    );
    assert!(publishes(vec![port(None, 0)]).is_err());
    assert!(
        publishes(vec![Publish {
            container: 0,
            ..port(None, 8080)
        }])
        .is_err()
    );
    assert!(publishes((1..=65).map(|n| port(None, n)).collect()).is_err());
    assert!(publishes(vec![port(Some("127.0.0.1"), 80)]).is_err());
    assert!(publishes(vec![port(Some("224.0.0.1"), 80)]).is_err());
    assert!(
        publishes(vec![port(Some("fd00::1"), 80)]).is_err(),
        "the container has no IPv6 address"
    );
    assert!(publishes(vec![port(None, 80), port(Some("192.0.2.1"), 80)]).is_err());
    assert!(publishes(vec![port(None, 80), port(None, 80)]).is_err());
    assert!(
        publishes(vec![
            port(None, 80),
            Publish {
                udp: true,
                ..port(None, 80)
            }
        ])
        .is_ok()
    );
}

#[test]
fn refuses_to_remove_what_is_not_ours() {
    for other in ["eth0", "docker0", "lzv0", "lz"] {
        assert!(bridge(name(other)).is_err(), "{other}");
    }
    for other in ["eth0", "lzr0", "l"] {
        assert!(link(name(other)).is_err(), "{other}");
    }
}
