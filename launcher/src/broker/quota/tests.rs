//! Tests of the file that gives out links, and of their names.

use super::*;
use wire::netd::{Bandwidth, Membership};

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n1001:x:1002:1:::\n";
const GROUP: &str = "net:x:50:me\nme:x:1000:\n";

fn quota(text: &str) -> Quota {
    Quota::parse(text, PASSWD, GROUP).unwrap()
}

fn name(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn asker(uid: u32, gids: &[u32]) -> Asker {
    Asker {
        uid,
        gids: gids.to_vec(),
    }
}

#[test]
fn a_line_gives_a_user_or_a_group_links_on_a_bridge() {
    let quota = quota("# none\n\nme veth br0 2 # two\n@net veth br0 1\nnobody-here veth br0 9\n7 veth br1 1\n");
    let count = |uid, gids: &[u32], bridge: &str| quota.names(&asker(uid, gids), &name(bridge), &[]).map(|n| n.len());
    assert_eq!(count(1000, &[1000], "br0"), Ok(2));
    assert_eq!(count(1000, &[1000, 50], "br0"), Ok(3));
    assert_eq!(count(8, &[50], "br0"), Ok(1));
    assert_eq!(count(7, &[], "br1"), Ok(1));
    for (uid, bridge) in [(1000, "br1"), (7, "br0"), (0, "br0"), (50, "br0")] {
        let told = count(uid, &[], bridge).unwrap_err().what;
        assert!(told.as_str().contains(FILE) && told.as_str().contains(bridge), "{told}");
    }
    // A name that is a number is the name's.
    let named = super::tests::quota("1001 veth br0 1\n");
    assert!(named.names(&asker(1002, &[]), &name("br0"), &[]).is_ok());
    assert!(named.names(&asker(1001, &[]), &name("br0"), &[]).is_err());
}

#[test]
fn what_is_there_is_not_given_again_and_lines_of_one_owner_add_up() {
    let quota = quota("me veth br0 1\nme veth br0 2\n");
    let me = asker(1000, &[]);
    let free = |links: &[String]| quota.names(&me, &name("br0"), links);
    let all: Vec<String> = free(&[]).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(free(&all[1..]).unwrap(), [name(&all[0])]);
    assert!(free(&all).unwrap_err().what.as_str().contains("none is left"));
    // One that was given when there were more counts as well.
    let stem = all[0].trim_end_matches('0').to_owned() + "0";
    let beyond = |n: &str| format!("{}{n}", &stem[..stem.len().min(13)]);
    assert_eq!(beyond("zz").len(), 15);
    assert!(free(&[beyond("zz"), beyond("zy"), beyond("zx")]).is_err());
    // Somebody else's does not.
    assert_eq!(free(&["eth0".into(), "lzv3".into()]).unwrap().len(), 3);
}

#[test]
fn names_tell_owners_and_bridges_apart_and_fit() {
    let of = |owner, bridge: &str| stem(owner, &name(bridge));
    let all = [
        of(Owner::User(1), "br0"),
        of(Owner::Group(1), "br0"),
        of(Owner::User(1), "br1"),
        of(Owner::User(36), "br0"),
        of(Owner::User(u32::MAX), "br0"),
    ];
    assert!(all.iter().all(|s| s.len() == 13 && s.starts_with("lz")), "{all:?}");
    let different: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!((digits(0, 2), digits(MOST - 1, 2)), ("00".into(), "zz".into()));
}

#[test]
fn a_line_that_cannot_be_followed_is_refused_with_its_number() {
    for bad in [
        "me veth br0",
        "me veth br0 1 2",
        "me macvlan br0 1",
        "me veth br0 x",
        "me veth br0 1297",
        "me veth br0 -1",
        "me veth bridge-of-long-name 1",
        "me veth lzr0 1",
    ] {
        let told = Quota::parse(&format!("me veth br0 1\n{bad}\n"), PASSWD, GROUP).unwrap_err();
        assert_eq!((told.file, told.line), (FILE, 2), "{bad}: {told}");
    }
}

#[test]
fn nothing_but_a_port_of_a_bridge_of_the_hosts_is_asked_for() {
    let link = |side| Link {
        host: name("x"),
        guest: name("eth0"),
        mac: [2, 0, 0, 0, 0, 1],
        side,
        addresses: vec![],
        routes: vec![],
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: vec![],
        outside: vec![],
    };
    let port = || link(HostSide::Bridge(name("br0")));
    assert_eq!(judge(&port()), Ok(name("br0")));
    let member = Membership {
        id: 5,
        native: false,
        untagged: false,
    };
    for bad in [
        link(HostSide::Bridge(name("lzr0"))),
        link(HostSide::Alone(vec![])),
        link(HostSide::Vlan {
            parent: name("eth0"),
            id: 3,
        }),
        Link {
            mtu: Some(68),
            ..port()
        },
        Link {
            vlans: vec![member],
            ..port()
        },
    ] {
        assert!(judge(&bad).is_err(), "{bad:?}");
    }
}
