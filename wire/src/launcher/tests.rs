//! The bytes of every frame of the launcher, frozen, and its descriptors, counted.

use super::*;
use crate::cgroupd::Controller;
use crate::frame::{HEADER, encode};
use crate::init::{Afterwards, Profile, Source, Then, User};
use crate::mountd::{Device, Flags};
use crate::name::Text;
use crate::netd::{Bandwidth, Bridge, Family, HostSide, Through};

fn hex<M: Message>(message: &M) -> String {
    encode(message).unwrap()[HEADER..]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn path(p: &str) -> Path {
    Path::new(p).unwrap()
}

fn name() -> ContainerName {
    ContainerName::new("c").unwrap()
}

fn block() -> IdBlock {
    IdBlock::new(1000).unwrap()
}

fn command() -> Command {
    Command {
        program: path("/x"),
        arguments: vec![Text::new("x").unwrap()],
        environment: vec![],
        directory: path("/"),
        user: User {
            user: None,
            group: None,
        },
        capabilities: 1,
        no_new_privileges: true,
        profile: Profile::App,
        limits: vec![],
        window: None,
        linux32: false,
        filter: None,
        apparmor: None,
        selinux: None,
        memory: None,
    }
}

fn container() -> Container {
    Container {
        name: name(),
        hostname: Text::new("h").unwrap(),
        uid_map: vec![],
        gid_map: vec![],
        host_network: false,
        read_only_root: true,
        attachments: vec![crate::init::Attachment {
            target: path("/a"),
            source: Source::Factory,
            read_only: true,
        }],
        devices: vec![Device::Null],
        meminfo: true,
        lent_proc: false,
        unified: true,
        cgroup_writable: false,
        consoles: 1,
        streams: [Stream::Passed, Stream::Passed, Stream::Console],
        reaper: true,
        command: command(),
        afterwards: Afterwards {
            poweroff: Then::End,
            reboot: Then::End,
            crash: Then::End,
        },
        resolv_conf: None,
        hosts: None,
        unmasked: vec![],
        learn: false,
        descriptors: 0,
        nodes: vec![],
        shares: crate::share::Shares::default(),
    }
}

fn link() -> Link {
    Link {
        host: LinkName::new("v").unwrap(),
        guest: LinkName::new("e").unwrap(),
        mac: [2, 0, 0, 0, 0, 1],
        side: HostSide::Alone(vec![]),
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

fn lent() -> Lent {
    Lent {
        found: Found {
            name: LinkName::new("l").unwrap(),
            kind: Text::cut(""),
            mac: [2, 0, 0, 0, 0, 5],
            permanent: None,
            mtu: 1500,
            also: vec![],
            flags: 0,
            group: 0,
            queue: 0,
        },
        guest: LinkName::new("e").unwrap(),
        addresses: vec![],
        routes: vec![],
    }
}

fn plan() -> Plan {
    let range = IdRange {
        inside: 0,
        outside: 300,
        count: 1,
    };
    let planned = |mount, from| PlannedMount { mount, from };
    let tree = || Mount::Tree {
        recursive: false,
        flags: Flags::default(),
        idmapped: true,
    };
    let rule = Rule {
        block: false,
        major: Some(1),
        minor: None,
        read: true,
        write: true,
        make: true,
    };
    let firewall = Firewall {
        name: name(),
        bridge: LinkName::new("b").unwrap(),
        link: LinkName::new("v").unwrap(),
        v4: None,
        v6: None,
        publish: vec![],
        through: Through::Translated,
    };
    let writable = Opened::Path {
        path: path("/r"),
        writable: true,
    };
    Plan {
        name: name(),
        block: block(),
        steps: vec![
            Step::Groups(Limits::default()),
            Step::Devices(vec![rule]),
            Step::Build(Box::new(container())),
            Step::Maps {
                uid: vec![range],
                gid: vec![],
            },
            Step::Mounts(vec![
                planned(Mount::Proc, Opened::Nothing),
                planned(tree(), Opened::HostRoot),
                planned(tree(), writable),
                planned(Mount::Meminfo, Opened::Device),
            ]),
            Step::Meminfo,
            Step::Connect(vec![link()]),
            Step::Protect {
                firewall,
                forward: true,
            },
            Step::Keep,
        ],
        processors: Some(2),
    }
}

fn start(passed: bool) -> Request {
    Request::Start {
        plan: Box::new(plan()),
        passed,
        tied: true,
    }
}

#[test]
fn bytes_are_frozen() {
    let directories = Request::Directories {
        run: path("/r"),
        definitions: path("/e"),
        data: path("/d"),
    };
    assert_eq!(hex(&directories), "00022f72022f65022f64");
    assert_eq!(hex(&Request::Open(path("/f"))), "01022f66");
    assert_eq!(hex(&start(true)), START);
    let enter = Request::Enter {
        name: name(),
        block: block(),
        command: Box::new(command()),
        streams: [Stream::Passed, Stream::Console, Stream::Null],
    };
    assert_eq!(hex(&enter), ENTER);
    let freeze = Request::Freeze {
        name: name(),
        frozen: true,
    };
    assert_eq!(hex(&freeze), "04016301");
    let clear = Request::Clear(Remains {
        name: name(),
        block: block(),
        links: vec![LinkName::new("v").unwrap()],
        bridges: vec![],
        etc: Some(Etc {
            from: path("/r"),
            below: path("/e"),
        }),
        lent: vec![lent()],
        uuid: Some(Text::cut("u")),
    });
    let bytes = "01016c0002000000000500dc0b0000000001650000";
    assert_eq!(
        hex(&clear),
        "050163e807010176".to_owned() + "0001022f72022f65" + bytes + "010175"
    );
    assert_eq!(hex(&Request::Hierarchies), "06");
    assert_eq!(hex(&Request::Policy), "07");
    let announce = Request::Announce {
        name: name(),
        deed: Deed::Destroy,
    };
    assert_eq!(hex(&announce), "08016305");
    assert_eq!(hex(&Request::Log), "09");
    assert_eq!(hex(&Request::Rotate), "0a");
    assert_eq!(hex(&Request::Sweep), "0b");
    assert_eq!(hex(&Request::Timing), "0c");
    let limit = Request::Limit {
        name: name(),
        limits: Box::new(Limits {
            cpu_shares: Some(3),
            ..Limits::default()
        }),
    };
    assert_eq!(hex(&limit), "0d01630000000103".to_owned() + "00000000000000");
    let node = crate::Node {
        kind: crate::NodeKind::Usb,
        from: path("/f"),
        name: crate::NodeName::new("n").unwrap(),
        writable: true,
    };
    let nodes = Request::Nodes(Box::new(Nodes {
        name: name(),
        block: block(),
        uuid: Text::cut("u"),
        owner: [3, 4],
        rules: vec![],
        others: vec![],
        node,
        attach: true,
    }));
    assert_eq!(hex(&nodes), "0e0163e8070175030400000".to_owned() + "3022f66016e0101");
    assert_eq!(nodes.descriptors(), 2);
    let bridge = Bridge {
        name: LinkName::new("b").unwrap(),
        addresses: vec![],
        mac: None,
        stp: false,
        delay: 0,
    };
    assert_eq!(hex(&Request::StartNetwork(bridge)), "0f016200000000");
    assert_eq!(hex(&Request::EndNetwork(LinkName::new("b").unwrap())), "100162");
    let initctl = Request::Initctl {
        name: name(),
        block: block(),
        runlevel: crate::nsenter::Runlevel::Reboot,
    };
    assert_eq!((hex(&initctl), initctl.descriptors()), ("130163e80701".into(), 2));
    let (name, links) = (name(), vec![LinkName::new("l").unwrap()]);
    assert_eq!(hex(&Request::Find { name, links }), "11016301016c");
    let back = Request::TakeBack(Box::new(Lending {
        name: self::name(),
        block: block(),
        links: vec![lent()],
    }));
    assert_eq!(hex(&back), "120163e807".to_owned() + bytes);
    assert_eq!(back.descriptors(), 2);
    let change = Request::ChangeLink(Box::new(LinkChange {
        name: self::name(),
        block: block(),
        uuid: Text::cut("u"),
        link: link(),
        attach: true,
        protect: None,
    }));
    let bytes_of_link = "01760165020000000001020000000100000000000001";
    assert_eq!(hex(&change), "150163e8070175".to_owned() + bytes_of_link + "00");
    assert_eq!(change.descriptors(), 2);
    let rules = Firewall {
        name: self::name(),
        bridge: LinkName::new("b").unwrap(),
        link: LinkName::new("v").unwrap(),
        v4: None,
        v6: None,
        publish: vec![],
        through: crate::netd::Through::Nothing,
    };
    let walled = Request::ChangeLink(Box::new(LinkChange {
        name: self::name(),
        block: block(),
        uuid: Text::cut("u"),
        link: link(),
        attach: true,
        protect: Some((rules, true)),
    }));
    assert_eq!(
        hex(&walled),
        "150163e8070175".to_owned() + bytes_of_link + "010163016201760000000201"
    );
    assert_eq!(walled.descriptors(), 3);
    let lend = Step::Lend(vec![lent()]);
    let frame: String = postcard::to_allocvec(&lend)
        .unwrap()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(frame, "09".to_owned() + bytes);
    let partition = Step::Partition(Partition::new("/a").unwrap());
    assert_eq!(postcard::to_allocvec(&partition).unwrap(), [10, 2, b'/', b'a']);
    let sys = postcard::to_allocvec(&PlannedMount::hosts_sys()).unwrap();
    assert_eq!(sys, [0, 1, 1, 1, 1, 1, 0, 5]);
    let outward = Step::Outward(Outward {
        guest: LinkName::new("eth0").unwrap(),
        mac: [2, 0, 0, 0, 0, 1],
    });
    let bytes = [11, 4, b'e', b't', b'h', b'0', 2, 0, 0, 0, 0, 1];
    assert_eq!(postcard::to_allocvec(&outward).unwrap(), bytes);
}

#[test]
fn bytes_of_hooks_are_frozen() {
    let hook = |hook, claimed| Request::Hook {
        name: name(),
        hook,
        claimed,
    };
    assert_eq!(hook(Hook::Reconnect, false).descriptors(), 1);
    assert_eq!(hook(Hook::Release, true).descriptors(), 2);
    let all = [
        (Hook::Prepare, "prepare begin"),
        (Hook::Start, "start begin"),
        (Hook::Started, "started begin"),
        (Hook::Stopped, "stopped end"),
        (Hook::Release, "release end"),
        (Hook::Reconnect, "reconnect begin"),
    ];
    for (number, (when, words)) in all.into_iter().enumerate() {
        assert_eq!(hex(&hook(when, true)), format!("1401630{number}01"));
        assert_eq!(when.words().join(" "), words);
        assert_eq!(when.is_of_the_end(), words.ends_with("end"));
    }
}

#[test]
fn bytes_of_replies_are_frozen() {
    assert_eq!(hex(&Reply::Directories), "00");
    assert_eq!(hex(&Reply::File), "01");
    let started = Reply::Started {
        pid1: 1,
        init: 2,
        supervisor: 3,
        fused: 0,
        forwarding_changed: true,
        dropping: vec![Dropping {
            family: Family::V6,
            table: Text::cut("t"),
            chain: Text::cut("c"),
        }],
    };
    assert_eq!(hex(&started), "020102030001010101740163");
    assert_eq!(hex(&Reply::Entering), "03");
    assert_eq!(hex(&Reply::Done), "04");
    let hierarchies = Reply::Hierarchies(vec![Hierarchy {
        unified: true,
        controllers: vec![Controller::Memory],
    }]);
    assert_eq!(hex(&hierarchies), "0501010103");
    let policy = Reply::Policy(HostPolicy {
        first: 300,
        blocks: 2,
        host_root: vec![name()],
        forwarding: true,
        own_filter: vec![],
    });
    assert_eq!(hex(&policy), "06ac02020101630100");
    assert_eq!(hex(&Reply::Refused(Failure::kernel("x", 1))), "0701017802");
    assert_eq!(hex(&Reply::NoPipe), "0f");
    let linked = Reply::Linked {
        forwarding_changed: true,
        dropping: vec![],
    };
    assert_eq!(hex(&linked), "100100");
    assert_eq!(hex(&Reply::Half(Failure::kernel("x", 1))), "0c01017802");
    assert_eq!(hex(&Reply::Busy), "08");
    assert_eq!(hex(&Request::Timing), "0c");
    assert_eq!(hex(&Reply::Timing(Vec::new())), "0b00");
    assert_eq!(hex(&Reply::Log), "09");
    assert_eq!(hex(&Reply::Swept(vec![name()])), "0a010163");
    assert_eq!(
        hex(&Reply::Found(vec![lent().found])),
        "0d01016c0002000000000500dc0b00000000"
    );
    assert_eq!(hex(&Reply::Cleared(vec![LinkName::new("l").unwrap()])), "0e01016c");
}

#[test]
fn each_descriptor_is_accounted_for() {
    assert_eq!((start(true).descriptors(), start(false).descriptors()), (6, 4));
    assert!(plan().log_pipe(false) && !plan().log_pipe(true));
    assert_eq!(Reply::Directories.descriptors(), 3);
}

const START: &str = "020163e8070900000000000000000000000001010001010001010102016301680000000101022f6100010100010001000100000101022f7801017800012f000001010000000000000000000000000000000000000000030100ac0201000404030000000000000001010000000000000102022f720102030506010176016502000000000102000000010000000000000701630162017600000000010801020101";
const ENTER: &str = "030163e807022f7801017800012f000001010000000000000000000102";

#[test]
fn the_bytes_of_a_disk_are_frozen() {
    let disk = Opened::FileSystem {
        path: path("/b"),
        image: true,
        writable: false,
    };
    assert_eq!(postcard::to_allocvec(&disk).unwrap(), [4, 2, b'/', b'b', 1, 0]);
}
