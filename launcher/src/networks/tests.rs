//! What the policy's statements on networks allow and what they do not.

use super::*;
use wire::netd::{Bandwidth, Membership};

fn networks(statements: &[&str]) -> Networks {
    let mut networks = Networks::default();
    for statement in statements {
        let (word, rest) = statement.split_once(' ').unwrap();
        networks.state(word, rest).unwrap();
    }
    networks
}

fn on(text: &str, prefix: u8, peer: Option<&str>) -> Address {
    Address {
        address: text.parse().unwrap(),
        prefix,
        peer: peer.map(|p| p.parse().unwrap()),
    }
}

fn link(side: HostSide) -> Link {
    Link {
        host: LinkName::new("lzv0").unwrap(),
        guest: LinkName::new("eth0").unwrap(),
        mac: [2, 0, 0, 0, 0, 1],
        side,
        addresses: vec![on("10.209.0.2", 16, None)],
        routes: vec![],
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: vec![],
        outside: vec![],
    }
}

fn says(result: Result<(), Failure>, words: &str) {
    let failure = result.unwrap_err();
    assert!(failure.what.as_str().contains(words), "{failure:?}");
}

#[test]
fn the_default_network_is_just_what_it_is() {
    let networks = networks(&["bridge none"]);
    let bridge = network::bridge().unwrap();
    assert!(networks.link(&link(HostSide::Network(bridge.clone()))).is_ok());
    let captures = Bridge {
        addresses: vec![on("8.8.8.8", 1, None)],
        ..bridge.clone()
    };
    let other = Bridge {
        name: LinkName::new("lzr1").unwrap(),
        addresses: vec![on("203.0.113.1", 24, None)],
        ..bridge.clone()
    };
    for (bad, line) in [(captures, "`network 8.8.8.8/1`"), (other, "`network 203.0.113.1/24`")] {
        says(networks.link(&link(HostSide::Network(bad))), line);
    }
    for foreign in ["192.0.2.7", "10.209.0.1"] {
        let link = Link {
            addresses: vec![on(foreign, 24, None)],
            ..link(HostSide::Network(bridge.clone()))
        };
        says(networks.link(&link), foreign);
    }
}

#[test]
fn the_hosts_own_network_is_shared_unless_a_line_says_no() {
    assert!(networks(&[]).host().is_ok() && networks(&["host-network yes"]).host().is_ok());
    says(networks(&["host-network no"]).host(), "`host-network no`");
}

#[test]
fn a_network_is_private_or_has_a_line() {
    let of = |statements: &[&str], address, prefix, peer| {
        networks(statements).network(&Bridge {
            name: LinkName::new("lzr1").unwrap(),
            addresses: vec![on(address, prefix, peer)],
            mac: None,
            stp: false,
            delay: 0,
        })
    };
    assert!(of(&[], "192.168.150.1", 24, None).is_ok() && of(&[], "fd00:5::1", 64, None).is_ok());
    assert!(of(&[], "10.0.0.1", 8, None).is_err() && of(&[], "2001:db8::1", 64, None).is_err());
    for (address, prefix) in [
        ("192.168.150.1", 30),
        ("192.168.150.1", 32),
        ("fd00:5::1", 65),
        ("fd00:5::1", 128),
    ] {
        assert!(of(&[], address, prefix, None).is_err(), "{address}/{prefix}");
    }
    assert!(of(&["network 192.168.150.0/24"], "192.168.150.1", 32, None).is_ok());
    assert!(of(&[], "192.168.150.1", 24, Some("192.168.150.2")).is_err());
    says(
        of(&["network none"], "192.168.150.1", 24, None),
        "`network 192.168.150.1/24`",
    );
    let one = ["network 203.0.113.0/24"];
    assert!(of(&one, "203.0.113.1", 25, None).is_ok() && of(&one, "203.0.113.1", 23, None).is_err());
    assert!(of(&one, "192.168.150.1", 24, None).is_err());
}

#[test]
fn a_vlan_of_a_bridge_and_a_route_of_the_hosts_need_lines_of_their_own() {
    let port_of = |statements: &[&str], id| {
        let vlans = vec![Membership {
            id,
            native: true,
            untagged: true,
        }];
        networks(statements).link(&Link {
            vlans,
            ..link(HostSide::Bridge(LinkName::new("br0").unwrap()))
        })
    };
    says(
        port_of(&["bridge br0"], 7),
        "`bridge br0 vlan 7` in /etc/lazaret.policy",
    );
    assert!(port_of(&["bridge br0", "bridge br0 vlan 7"], 7).is_ok());
    assert!(port_of(&["bridge br0 vlan 5-8"], 8).is_ok() && port_of(&["bridge br0 vlan 5-8"], 9).is_err());
    says(port_of(&["bridge br1 vlan 7"], 7), "`bridge br0 vlan 7`");
    says(port_of(&["bridge none", "bridge br0 vlan 7"], 7), "`bridge br0`");
    for bad in [
        "br0 vlan 0",
        "br0 vlan 4095",
        "br0 vlan 8-7",
        "br0 vlan x",
        " vlan 7",
        "br0 vlan",
    ] {
        assert!(Networks::default().state("bridge", bad).is_none(), "{bad}");
    }
    let led = |statements: &[&str]| {
        let outside = vec![Route {
            destination: "10.9.0.0".parse().unwrap(),
            prefix: 16,
            gateway: "10.209.0.2".parse().unwrap(),
            metric: None,
        }];
        networks(statements).link(&Link {
            outside,
            ..link(HostSide::Alone(vec![]))
        })
    };
    says(led(&["address 10.9.0.0/24"]), "`address 10.9.0.0/16`");
    assert!(led(&["address 10.8.0.0/15"]).is_ok());
}

#[test]
fn any_bridge_of_the_hosts_unless_lines_say_which_and_never_one_of_ours() {
    let port_of = |networks: &Networks, name| networks.link(&link(HostSide::Bridge(LinkName::new(name).unwrap())));
    assert!(port_of(&networks(&[]), "br0").is_ok());
    says(port_of(&networks(&[]), "lzr0"), "Lazaret's own");
    let one = networks(&["bridge br0"]);
    assert!(port_of(&one, "br0").is_ok());
    says(port_of(&one, "br1"), "`bridge br1` in /etc/lazaret.policy");
    says(port_of(&networks(&["bridge none"]), "br0"), "`bridge br0`");
}

#[test]
fn no_address_of_the_hosts_unless_a_line_gives_a_network_for_them() {
    let alone = |networks: &Networks, addresses| networks.link(&link(HostSide::Alone(addresses)));
    assert!(alone(&networks(&[]), vec![]).is_ok());
    says(
        alone(&networks(&[]), vec![on("10.1.0.1", 24, None)]),
        "`address 10.1.0.1/24`",
    );
    let given = networks(&["address 10.1.0.0/16", "address fd00::/8"]);
    for good in [
        on("10.1.0.1", 24, None),
        on("10.1.0.1", 16, None),
        on("fd01::1", 64, None),
        on("10.1.0.1", 32, Some("10.1.0.2")),
    ] {
        assert!(alone(&given, vec![good]).is_ok(), "{good:?}");
    }
    for bad in [
        on("10.1.0.1", 15, None),
        on("10.2.0.1", 24, None),
        on("fe80::1", 64, None),
        on("10.1.0.1", 32, Some("192.0.2.1")),
    ] {
        assert!(alone(&given, vec![bad]).is_err(), "{bad:?}");
    }
}

#[test]
fn ports_are_those_that_the_command_line_names_unless_lines_say_which() {
    let words: Vec<String> = ["run", "--publish", "8080:80", "--publish", "192.0.2.1:53:53/udp", "sh"]
        .map(str::to_owned)
        .into();
    let named = Named::new(&words, vec![], Some("/"));
    let port = |text: &str| text.parse::<Publish>().unwrap();
    let plain = networks(&[]);
    assert!(plain.publish(&named, &port("8080:80")).is_ok());
    assert!(plain.publish(&named, &port("192.0.2.1:53:53/udp")).is_ok());
    says(
        plain.publish(&named, &port("22:22")),
        "`publish 22` in /etc/lazaret.policy",
    );
    says(
        plain.publish(&named, &port("[2001:db8::1]:53:53/udp")),
        "`publish [2001:db8::1]:53/udp`",
    );
    assert!(plain.publish(&named, &port("8080:81")).is_err());
    let lines = networks(&["publish 8000-8079", "publish 192.0.2.1:443", "publish 53/udp"]);
    for good in ["8000:80", "8079:80", "192.0.2.1:443:1", "192.0.2.9:53:53/udp"] {
        assert!(lines.publish(&named, &port(good)).is_ok(), "{good}");
    }
    for bad in ["8080:80", "443:1", "192.0.2.2:443:1", "53:53"] {
        assert!(lines.publish(&named, &port(bad)).is_err(), "{bad}");
    }
    assert!(networks(&["publish none"]).publish(&named, &port("8080:80")).is_err());
    let both = networks(&["publish named", "publish 443"]);
    assert!(both.publish(&named, &port("8080:80")).is_ok() && both.publish(&named, &port("443:1")).is_ok());
}

#[test]
fn refuses_statements_that_say_nothing() {
    for (word, rest) in [
        ("bridge", "a/b"),
        ("host-network", "maybe"),
        ("address", "10.0.0.1"),
        ("address", "10.0.0.0/33"),
        ("publish", "0"),
        ("publish", "9-8"),
        ("publish", "x"),
        ("publish", "80/tcp/udp"),
        ("route", "x"),
    ] {
        assert!(Networks::default().state(word, rest).is_none(), "{word} {rest}");
    }
}
