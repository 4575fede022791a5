//! The bytes of `netd`'s frames, which are frozen.

use super::*;
use crate::frame::{HEADER, decode, encode};

fn name(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn payload(request: &Request) -> Vec<u8> {
    let bytes = encode(request).unwrap();
    assert_eq!(&decode::<Request>(&bytes, request.descriptors()).unwrap(), request);
    bytes[HEADER..].to_vec()
}

fn lent() -> Lent {
    let v4 = IpAddr::V4(Ipv4Addr::new(10, 209, 0, 2));
    let found = Found {
        name: name("p"),
        kind: Text::new("k").unwrap(),
        mac: [2, 0, 0, 0, 0, 5],
        permanent: Some([2, 0, 0, 0, 0, 6]),
        mtu: 1500,
        also: vec![Text::new("a").unwrap()],
        flags: 0x80,
        group: 3,
        queue: 4,
    };
    let (prefix, peer) = (16, None);
    let address = Address {
        address: v4,
        prefix,
        peer,
    };
    let route = Route {
        destination: v4,
        prefix: 32,
        gateway: v4,
        metric: None,
    };
    Lent {
        found,
        guest: name("e"),
        addresses: vec![address],
        routes: vec![route],
    }
}

fn link(side: HostSide) -> Link {
    Link {
        host: name("v"),
        guest: name("e"),
        mac: [2, 0, 0, 0, 0, 9],
        side,
        addresses: vec![],
        routes: vec![],
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: vec![],
        outside: vec![],
    }
}

#[test]
    #[rustfmt::skip]
    fn bytes_are_frozen() {
        let on = |address: IpAddr, peer| Address { address, prefix: 16, peer };
        let v4 = IpAddr::V4(Ipv4Addr::new(10, 209, 0, 2));
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let bridge = Bridge { name: name("b"), addresses: vec![on(v4, None)], mac: Some([2, 0, 0, 0, 0, 7]), stp: true, delay: 5 };
        let mut full = link(HostSide::Network(bridge));
        (full.mtu, full.isolated) = (Some(1500), true);
        full.addresses = vec![on(v6, Some(v6))];
        full.routes = vec![Route { destination: v4, prefix: 32, gateway: v4, metric: Some(300) }];
        assert_eq!(payload(&Request::Connect(vec![full])), [
            0, 1,
            1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9,
            0, 1, b'b', 1, 0, 10, 209, 0, 2, 16, 0, 1, 2, 0, 0, 0, 0, 7, 1, 5,
            1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 16,
                1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            1, 0, 10, 209, 0, 2, 32, 0, 10, 209, 0, 2, 1, 0xac, 0x02,
            1, 1, 0xdc, 0x0b, 1, 0, 0, 0, 0,
        ]);
        assert_eq!(payload(&Request::Connect(vec![link(HostSide::Bridge(name("b")))])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 1, 1, b'b', 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);
        assert_eq!(payload(&Request::Connect(vec![link(HostSide::Alone(vec![]))])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);
        let mut carried = link(HostSide::Alone(vec![]));
        let rate = |peak| Some(Rate { average: 1000, peak, burst: 1024 });
        carried.bandwidth = Bandwidth { inbound: rate(Some(2000)), outbound: rate(None) };
        carried.vlans = vec![Membership { id: 200, native: true, untagged: false }];
        carried.outside = vec![Route { destination: v4, prefix: 32, gateway: v4, metric: None }];
        assert_eq!(payload(&Request::Connect(vec![carried])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 1, 0, 0,
            1, 0xe8, 0x07, 1, 0xd0, 0x0f, 0x80, 0x08, 1, 0xe8, 0x07, 0, 0x80, 0x08,
            1, 0xc8, 0x01, 1, 0,
            1, 0, 10, 209, 0, 2, 32, 0, 10, 209, 0, 2, 0,
        ]);
        let vlan = HostSide::Vlan { parent: name("p"), id: 7 };
        assert_eq!(payload(&Request::Connect(vec![link(vlan)])), [
            0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 4, 1, b'p', 7, 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);
        let modes = [Ipvlan::L2, Ipvlan::L3, Ipvlan::L3s];
        let isolations = [Isolation::Bridge, Isolation::Private, Isolation::Vepa];
        for (number, (mode, isolation)) in (0..).zip(modes.into_iter().zip(isolations)) {
            let side = HostSide::Ipvlan { parent: name("p"), mode, isolation };
            assert_eq!(payload(&Request::Connect(vec![link(side)])), [
                0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 5, 1, b'p', number, number, 0, 0, 1, 0, 0, 0, 0, 0, 0,
            ]);
        }
        let modes = [Macvlan::Private, Macvlan::Vepa, Macvlan::Bridge, Macvlan::Passthrough];
        for (number, mode) in (0..).zip(modes) {
            let direct = HostSide::Direct { parent: name("p"), mode };
            assert_eq!(payload(&Request::Connect(vec![link(direct)])), [
                0, 1, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 3, 1, b'p', number, 0, 0, 1, 0, 0, 0, 0, 0, 0,
            ]);
        }
        let firewall = Firewall {
            name: ContainerName::new("c").unwrap(),
            bridge: name("b"),
            link: name("v"),
            v4: Some(Ipv4Addr::new(10, 209, 0, 2)),
            v6: Some(Ipv6Addr::LOCALHOST),
            publish: vec![
                Publish { address: None, host: 8080, container: 80, udp: false },
                Publish { address: Some(v4), host: 53, container: 53, udp: true },
            ],
            through: Through::Routed,
        };
        assert_eq!(payload(&Request::Protect(firewall)), [
            1, 1, b'c', 1, b'b', 1, b'v', 1, 10, 209, 0, 2,
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            2, 0, 0x90, 0x3f, 80, 0, 1, 0, 10, 209, 0, 2, 53, 53, 1, 1,
        ]);
        assert_eq!(payload(&Request::Forward), [2]);
        assert_eq!(payload(&Request::RemoveBridge(name("b"))), [3, 1, b'b']);
        assert_eq!(payload(&Request::RemoveLink(name("v"))), [4, 1, b'v']);
        assert_eq!(payload(&Request::FindDropping(name("b"))), [5, 1, b'b']);
        let kept = Bridge { name: name("b"), addresses: vec![], mac: None, stp: false, delay: 0 };
        assert_eq!(payload(&Request::KeepBridge(kept)), [6, 1, b'b', 0, 0, 0, 0]);
        assert_eq!(payload(&Request::EndBridge(name("b"))), [7, 1, b'b']);
        assert_eq!(payload(&Request::Find(vec![name("p")])), [8, 1, 1, b'p']);
        let lent = |requested: fn(Vec<Lent>) -> Request| payload(&requested(vec![lent()]));
        let bytes = [
            1, 1, b'p', 1, b'k', 2, 0, 0, 0, 0, 5, 1, 2, 0, 0, 0, 0, 6, 0xdc, 0x0b,
            1, 1, b'a', 0x80, 0x01, 3, 4, 1, b'e',
            1, 0, 10, 209, 0, 2, 16, 0, 1, 0, 10, 209, 0, 2, 32, 0, 10, 209, 0, 2, 0,
        ];
        assert_eq!(lent(Request::Lend), [&[9][..], &bytes].concat());
        assert_eq!(lent(Request::TakeBack), [&[10][..], &bytes].concat());
        assert_eq!(lent(Request::Restore), [&[11][..], &bytes].concat());
        assert_eq!(payload(&Request::Disconnect(Box::new(link(HostSide::Bridge(name("b")))))), [
            12, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 1, 1, b'b', 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);
        let ours = || Box::new(link(HostSide::Bridge(name("b"))));
        let rules = Firewall {
            name: ContainerName::new("c").unwrap(), bridge: name("b"), link: name("v"), v4: None, v6: None, publish: vec![], through: Through::Nothing,
        };
        assert_eq!(payload(&Request::Join { link: ours(), firewall: Box::new(rules) }), [
            13, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 1, 1, b'b', 0, 0, 1, 0, 0, 0, 0, 0, 0,
            1, b'c', 1, b'b', 1, b'v', 0, 0, 0, 2,
        ]);
        assert_eq!(payload(&Request::Raise(ours())), [
            14, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 1, 1, b'b', 0, 0, 1, 0, 0, 0, 0, 0, 0,
        ]);

        let reply = |r: &Reply| encode(r).unwrap()[HEADER..].to_vec();
        assert_eq!(reply(&Reply::Connected), [0]);
        assert_eq!(reply(&Reply::Protected), [1]);
        assert_eq!(reply(&Reply::Forwarding { v4_changed: true, v6_changed: false }), [2, 1, 0]);
        assert_eq!(reply(&Reply::Removed(true)), [3, 1]);
        assert_eq!(reply(&Reply::Refused(Failure::kernel("x", 17))), [4, 1, 1, b'x', 34]);
        let dropping = |family| Dropping { family, table: Text::cut("t"), chain: Text::cut("c") };
        let all = [Family::V4, Family::V6, Family::Both].map(dropping).to_vec();
        assert_eq!(reply(&Reply::Dropping(all)), [
            5, 3, 0, 1, b't', 1, b'c', 1, 1, b't', 1, b'c', 2, 1, b't', 1, b'c',
        ]);
        assert_eq!(reply(&Reply::Found(vec![])), [6, 0]);
        assert_eq!(reply(&Reply::Lent), [7]);
        assert_eq!(reply(&Reply::Missing(vec![name("p")])), [8, 1, 1, b'p']);
    }

#[test]
fn hardware_is_what_no_software_has_made() {
    let kind = |kind: &str| {
        let mut found = lent().found;
        found.kind = Text::cut(kind);
        found.is_moved_back()
    };
    assert!(kind("") && kind("can") && !kind("vcan") && !kind("veth"));
}

#[test]
fn publications_name_ports() {
    let p = |s: &str| s.parse::<Publish>();
    assert_eq!(
        p("8080:80"),
        Ok(Publish {
            address: None,
            host: 8080,
            container: 80,
            udp: false
        })
    );
    let local = Some("127.0.0.1".parse().unwrap());
    assert_eq!(
        p("127.0.0.1:53:5353/udp"),
        Ok(Publish {
            address: local,
            host: 53,
            container: 5353,
            udp: true
        })
    );
    let six = Some("::1".parse().unwrap());
    assert_eq!(
        p("[::1]:1:2/tcp"),
        Ok(Publish {
            address: six,
            host: 1,
            container: 2,
            udp: false
        })
    );
    for bad in ["80", "0:80", "80:0", "80:99999", "x:1:2", "1:2/sctp", ""] {
        assert!(p(bad).is_err(), "{bad}");
    }
}

#[test]
fn each_message_says_how_many_descriptors_it_needs() {
    assert_eq!(Request::Connect(vec![]).descriptors(), 2);
    assert_eq!(Request::Forward.descriptors(), 2);
    assert_eq!(Request::Lend(vec![]).descriptors(), 3);
    assert_eq!(Request::TakeBack(vec![]).descriptors(), 2);
    let alone = Box::new(link(HostSide::Alone(vec![])));
    assert_eq!(Request::Disconnect(alone.clone()).descriptors(), 0);
    assert_eq!(Request::Raise(alone).descriptors(), 1);
    assert_eq!(Request::RemoveBridge(name("b")).descriptors(), 0);
    assert_eq!((Reply::Protected.descriptors(), Reply::Connected.descriptors()), (1, 0));
}

#[test]
fn a_name_that_is_a_pattern_or_too_long_is_no_request() {
    let good = encode(&Request::RemoveLink(name("lzv0"))).unwrap();
    let mut pattern = good.clone();
    pattern[HEADER + 2] = b'%';
    assert!(decode::<Request>(&pattern, 0).is_err());
    assert!(decode::<Request>(&good, 0).is_ok());
}
