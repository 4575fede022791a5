//! Every rule of the judgement from both sides.

use super::*;
use crate::policy;
use wire::init::{Afterwards, Attachment, Path, Profile, Stream, Then, User};
use wire::mountd::{Device, Flags};
use wire::name::Text;
use wire::netd::{Address, Bandwidth, Bridge, Through};

fn host() -> Policy {
    policy::parse("root /srv", &[], &[]).unwrap()
}

fn tree(path: &str, read_only: bool) -> PlannedMount {
    let flags = Flags {
        read_only,
        no_suid: true,
        no_dev: true,
        no_exec: false,
    };
    PlannedMount {
        mount: Mount::Tree {
            recursive: false,
            flags,
            idmapped: true,
        },
        from: Opened::Path {
            path: Path::new(path).unwrap(),
            writable: !read_only,
        },
    }
}

fn link() -> Link {
    let side = HostSide::Network(wire::network::bridge().unwrap());
    Link {
        host: LinkName::new("lzv0").unwrap(),
        guest: LinkName::new("eth0").unwrap(),
        mac: [2, 0, 0, 0, 0, 1],
        side,
        addresses: vec![Address {
            address: [10, 209, 0, 2].into(),
            prefix: 16,
            peer: None,
        }],
        routes: vec![],
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: vec![],
        outside: vec![],
    }
}

/// A plan that nothing is wrong with: a writable root, one device, one read-only bind.
pub(crate) fn plan() -> Plan {
    let block = IdBlock::new(ids::OWN_FIRST).unwrap();
    let name = ContainerName::new("a").unwrap();
    let text = |t: &str| Path::new(t).unwrap();
    let command = Command {
        program: text("/x"),
        arguments: vec![],
        environment: vec![],
        directory: text("/"),
        user: User {
            user: None,
            group: None,
        },
        capabilities: 0,
        no_new_privileges: true,
        profile: Profile::App,
        limits: vec![],
        window: None,
        linux32: false,
        filter: None,
        apparmor: None,
        selinux: None,
        memory: None,
    };
    let container = Container {
        name: name.clone(),
        hostname: Text::new("a").unwrap(),
        uid_map: vec![block.range()],
        gid_map: vec![block.range()],
        host_network: false,
        read_only_root: false,
        attachments: vec![Attachment {
            target: text("/mnt"),
            source: Source::Factory,
            read_only: true,
        }],
        devices: vec![Device::Null],
        meminfo: false,
        lent_proc: false,
        unified: true,
        cgroup_writable: false,
        consoles: 0,
        streams: [Stream::Null; 3],
        reaper: true,
        command,
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
        shares: wire::share::Shares::default(),
    };
    let device = PlannedMount {
        mount: Mount::Node(Device::Null),
        from: Opened::Device,
    };
    Plan {
        name,
        block,
        steps: vec![
            Step::Groups(Limits::default()),
            Step::Devices(vec![]),
            Step::Maps {
                uid: container.uid_map.clone(),
                gid: container.gid_map.clone(),
            },
            Step::Build(Box::new(container)),
            Step::Mounts(vec![tree("/srv/a", false), device, tree("/srv/b", true)]),
            Step::Keep,
        ],
        processors: None,
    }
}

/// A plan, judged by a policy that says nothing against it.
pub(crate) fn judged(plan: Plan) -> Judged<Start> {
    super::start(&host(), &named("start a"), plan).unwrap()
}

fn named(line: &str) -> Named {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    Named::new(&words, vec![(Directory::Run, "var".into())], Some("/here/"))
}

#[test]
fn refuses_files_and_directories_that_nobody_named() {
    let named = named("--data-dir data define a.xml");
    assert!(named_file(&named, "/here/a.xml").is_ok());
    for bad in ["/etc/shadow", "a.xml", "/here/var", "/here/data", "/etc/lazaret", ""] {
        assert!(named_file(&named, bad).is_err(), "{bad}");
    }
    for (which, good) in [
        (Directory::Run, "/run/lazaret"),
        (Directory::Run, "/here/var"),
        (Directory::Data, "/here/data"),
    ] {
        assert!(directory(&named, which, good).is_ok(), "{good}");
    }
    for bad in [
        "/etc/lazaret",
        "/etc/systemd/system/sshd.service.d",
        "/run/udev/rules.d",
        "/here/data",
        "/here/a.xml",
    ] {
        assert!(directory(&named, Directory::Run, bad).is_err(), "{bad}");
    }
}

#[test]
fn refuses_host_paths_that_neither_the_policy_nor_the_command_line_names() {
    let usual = policy::parse("", &[], &[]).unwrap();
    let line = named("run --rootfs box --bind /data:/d:ro sh --bind /opt:/opt");
    let way = |path: &'static str, writable| way(&usual, &line, path, writable).map(|w| format!("{w:?}"));
    assert_eq!(way("/here/box", true).unwrap(), "Named");
    assert_eq!(way("/data", false).unwrap(), "Named");
    assert_eq!(way("/srv/a", true).unwrap(), "Below(\"/srv\", \"/a\")");
    let says = |path, writable, words: &str| {
        let failure = way(path, writable).unwrap_err();
        assert!(failure.what.as_str().contains(words), "{path}: {failure:?}");
    };
    says("/data", true, "names it to be read");
    for bad in ["/etc", "/root", "/here", "/here/box/below", "/opt"] {
        says(bad, true, &format!("`root {bad}` in /etc/lazaret.policy"));
        says(bad, false, &format!("`root {bad}` in /etc/lazaret.policy"));
    }
    // A policy that says where roots lie is not widened by a command line.
    assert!(super::way(&host(), &line, "/here/box", true).is_err());
    assert!(super::way(&host(), &line, "/srv/a", true).is_ok());
}

#[test]
fn refuses_to_have_the_systems_directories_written() {
    let usual = policy::parse("", &[], &[]).unwrap();
    assert!(written(&usual, "/here/box", "/here/box").is_ok());
    for led in ["/etc", "/etc/ssl", "/root/box", "/usr/local", "/run/a", "/var", "/"] {
        let failure = written(&usual, "/here/box", led).unwrap_err();
        assert!(failure.what.as_str().contains(&format!("`root {led}`")), "{failure:?}");
    }
    let consents = policy::parse("root named\nroot /run/a", &[], &[]).unwrap();
    assert!(written(&consents, "/run/a/b", "/run/a/b").is_ok());
    assert!(written(&consents, "/run/b", "/run/b").is_err());
}

#[test]
fn refuses_maps_that_reach_the_hosts_users_or_our_own_programs() {
    let block = IdBlock::new(ids::OWN_FIRST).unwrap();
    let policy = policy::parse("map 100000 10\nhost-root a", &[], &[]).unwrap();
    let own = [block.range()];
    assert!(map(&policy, 0, &own, block, false).is_ok());
    let reach = |outside, count, host_root| {
        let range = IdRange {
            inside: 0,
            outside,
            count,
        };
        map(&policy, 1, &[range], block, host_root)
    };
    for bad in [1000, LAZARET, block.keeper(), 65530, 0, 200_000, 100_001] {
        assert!(reach(bad, 10, false).is_err(), "{bad}");
    }
    assert!(reach(100_000, 10, false).is_ok() && reach(block.root() + ids::BLOCK, 10, false).is_ok());
    assert!(reach(0, 65536, true).is_ok() && reach(0, 65537, true).is_err() && reach(1000, 10, true).is_ok());
    let failure = reach(200_000, 10, false).unwrap_err();
    assert!(
        failure.what.as_str().contains("`map 200000 10` in /etc/lazaret.policy"),
        "{failure:?}"
    );
}

#[test]
fn refuses_mounts_in_another_order_or_of_another_kind_than_init_expects() {
    assert!(start(&host(), &Named::default(), plan()).is_ok());
    let refused = |edit: &dyn Fn(&mut Vec<PlannedMount>)| {
        let mut plan = plan();
        for step in &mut plan.steps {
            if let Step::Mounts(mounts) = step {
                edit(mounts);
            }
        }
        start(&host(), &Named::default(), plan).is_err()
    };
    let proc = || PlannedMount {
        mount: Mount::Proc,
        from: Opened::Nothing,
    };
    assert!(refused(&|m| m.swap(1, 2)));
    assert!(refused(&|m| m[1] = proc()));
    assert!(refused(&|m| m[2] = proc()));
    assert!(refused(&|m| m.push(proc())));
    assert!(refused(&|m| m[2] = tree("/srv/b", false)));
    assert!(refused(&|m| m[0] = tree("/etc", true)));
    assert!(refused(&|m| m[0].from = Opened::HostRoot));
}

#[test]
fn a_disk_is_mounted_without_devices_and_without_set_id_programs_unless_it_is_the_root() {
    let policy = policy::parse("root /srv\nfilesystem /d a\n", &[], &[]).unwrap();
    let with = |place: usize, no_suid: bool, no_dev: bool| {
        let mut plan = plan();
        for step in &mut plan.steps {
            let Step::Mounts(all) = step else { continue };
            let read_only = place != 0;
            let mut disk = tree("/d", read_only);
            disk.from = Opened::FileSystem {
                path: Path::new("/d").unwrap(),
                image: true,
                writable: !read_only,
            };
            if let Mount::Tree { flags, .. } = &mut disk.mount {
                (flags.no_suid, flags.no_dev) = (no_suid, no_dev);
            }
            all[place] = disk;
        }
        super::start(&policy, &named("start a"), plan).map_err(|f| f.what.as_str().to_owned())
    };
    // It may be written; that it may be read is another line.
    assert!(with(0, true, true).is_ok() && with(0, false, true).is_ok());
    assert!(with(0, true, false).unwrap_err().contains("mounted nodev"));
    assert!(
        with(2, false, true)
            .unwrap_err()
            .contains("nosuid unless it is the root")
    );
    assert!(!with(2, true, true).is_err_and(|said| said.contains("nosuid")));
}

#[test]
fn refuses_rules_for_what_is_no_link_of_the_container() {
    let with = |edit: &dyn Fn(&mut Firewall)| {
        let mut plan = plan();
        let mut firewall = Firewall {
            name: plan.name.clone(),
            bridge: LinkName::new("lzr0").unwrap(),
            link: LinkName::new("lzv0").unwrap(),
            v4: Some([10, 209, 0, 2].into()),
            v6: None,
            publish: vec![],
            through: Through::Translated,
        };
        edit(&mut firewall);
        plan.steps.push(Step::Connect(vec![link()]));
        plan.steps.push(Step::Protect {
            firewall,
            forward: false,
        });
        start(&host(), &Named::default(), plan)
    };
    assert!(with(&|_| {}).is_ok());
    // What the host's network is asked for is judged by `networks`.
    assert!(with(&|f| f.publish = vec!["22:22".parse().unwrap()]).is_err());
    assert!(with(&|f| f.bridge = LinkName::new("docker0").unwrap()).is_err());
    assert!(with(&|f| f.link = LinkName::new("eth0").unwrap()).is_err());
    assert!(with(&|f| f.v4 = Some([10, 209, 0, 3].into())).is_err());
    assert!(with(&|f| f.name = ContainerName::new("other").unwrap()).is_err());
}

#[test]
fn refuses_the_default_network_without_its_rules() {
    let mut plan = plan();
    plan.steps.push(Step::Connect(vec![link()]));
    let failure = start(&host(), &Named::default(), plan).unwrap_err();
    assert!(failure.what.as_str().contains("without the rules"), "{failure:?}");
}

#[test]
fn refuses_to_begin_what_it_could_not_clear_away() {
    let mut plan = plan();
    let side = HostSide::Network(Bridge {
        name: LinkName::new("docker0").unwrap(),
        addresses: vec![],
        mac: None,
        stp: false,
        delay: 0,
    });
    plan.steps.push(Step::Connect(vec![Link { side, ..link() }]));
    assert!(start(&host(), &Named::default(), plan).is_err());
}

#[test]
fn refuses_devices_beyond_the_usual_ones() {
    let rule = |major, minor, block| Rule {
        block,
        major,
        minor,
        read: true,
        write: true,
        make: false,
    };
    assert!(device(&rule(Some(1), Some(3), false)).is_ok() && device(&rule(Some(136), None, false)).is_ok());
    for bad in [
        rule(Some(1), Some(1), false),
        rule(None, None, false),
        rule(Some(8), Some(0), true),
        rule(Some(1), None, false),
    ] {
        assert!(device(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn refuses_device_nodes_without_consent_or_without_their_mount() {
    let with = |text: &str, mounts: &dyn Fn(&mut Vec<PlannedMount>)| {
        let mut plan = plan();
        let node = |name: &str| wire::Node {
            kind: wire::NodeKind::Disk,
            from: Path::new("/dev/x").unwrap(),
            name: wire::NodeName::new(name).unwrap(),
            writable: true,
        };
        plan.container_mut().unwrap().nodes = vec![node("vda"), node("vdb")];
        for step in &mut plan.steps {
            if let Step::Mounts(all) = step {
                mounts(all);
            }
        }
        start(&policy::parse(text, &[], &[]).unwrap(), &Named::default(), plan)
    };
    let nodes = |from| PlannedMount {
        mount: Mount::Nodes,
        from,
    };
    let right = |m: &mut Vec<PlannedMount>| m.insert(2, nodes(Opened::Nothing));
    assert!(with("root /srv\ndevice /dev/x a", &right).is_ok());
    for without in [
        "root /srv",
        "root /srv\ndevice /dev/x a readonly",
        "root /srv\ndevice /dev/x b",
    ] {
        let failure = with(without, &right).unwrap_err();
        assert!(failure.what.as_str().contains("`device /dev/x a`"), "{failure:?}");
    }
    let consents = "root /srv\ndevice /dev/x a";
    assert!(with(consents, &|_| {}).is_err());
    assert!(with(consents, &|m| m.push(nodes(Opened::Nothing))).is_err());
    assert!(with(consents, &|m| m.insert(2, nodes(Opened::HostRoot))).is_err());
}

#[test]
fn a_container_that_runs_keeps_the_rules_that_each_has_and_is_given_what_is_consented_to() {
    let node = |from: &str| wire::Node {
        kind: wire::NodeKind::Misc,
        from: Path::new(from).unwrap(),
        name: wire::NodeName::new(from.trim_start_matches("/dev/")).unwrap(),
        writable: true,
    };
    let asked = |attach, rules: Vec<Rule>| Nodes {
        name: ContainerName::new("a").unwrap(),
        block: IdBlock::new(ids::OWN_FIRST).unwrap(),
        uuid: Text::cut("u"),
        owner: [ids::OWN_FIRST + ids::UNMAPPED; 2],
        rules,
        others: vec![node("/dev/y")],
        node: node("/dev/x"),
        attach,
    };
    let with = |text: &str, asked: Nodes| nodes(&policy::parse(text, &[], &[]).unwrap(), asked);
    let both = "device /dev/x a\ndevice /dev/y a";
    assert!(with(both, asked(true, Rule::usual())).is_ok());
    assert!(with("device /dev/y a", asked(true, Rule::usual())).is_err());
    // What has lost its consent goes, and is in nobody's way.
    let judged = with("", asked(false, Rule::usual())).unwrap();
    assert!(judged.get().others.is_empty());
    let mut more = Rule::usual();
    more.push(Rule {
        major: Some(10),
        ..more[0]
    });
    let fewer = Rule::usual().split_off(1);
    for rules in [vec![], fewer, more] {
        for attach in [true, false] {
            let failure = with(both, asked(attach, rules.clone())).unwrap_err();
            assert!(failure.what.as_str().contains("stay as they are"), "{failure:?}");
        }
    }
}

#[test]
fn refuses_ids_and_bridges_that_are_not_ours() {
    let remains = |first, bridge: &str| Remains {
        name: ContainerName::new("a").unwrap(),
        block: IdBlock::new(first).unwrap(),
        links: vec![],
        bridges: vec![LinkName::new(bridge).unwrap()],
        etc: None,
        lent: vec![],
        uuid: None,
    };
    assert!(clear(&host(), remains(ids::OWN_FIRST, "lzr0")).is_ok());
    assert!(clear(&host(), remains(ids::OWN_FIRST, "docker0")).is_err());
    assert!(clear(&host(), remains(5000, "lzr0")).is_err());
    let asked = plan();
    let command = &asked.container().unwrap().command;
    let enter = |first| enter(&host(), &asked.name, IdBlock::new(first).unwrap(), command);
    assert!(enter(ids::OWN_FIRST).is_ok() && enter(5000).is_err());
    let of = |first| block(&host(), IdBlock::new(first).unwrap());
    assert!(of(ids::OWN_FIRST).is_ok() && of(5000).is_err());
}

#[test]
fn a_link_of_the_hosts_is_lent_and_comes_back_by_a_line_for_it_and_this_container() {
    let link = |n: &str| LinkName::new(n).unwrap();
    let lent = |name: &str| Lent {
        found: wire::netd::Found {
            name: link(name),
            kind: Text::cut(""),
            mac: [2, 0, 0, 0, 0, 5],
            permanent: None,
            mtu: 1500,
            also: vec![],
            flags: 0,
            group: 0,
            queue: 0,
        },
        guest: link("lan0"),
        addresses: vec![],
        routes: vec![],
    };
    let consents = policy::parse("root /srv\nlend eth1 a", &[], &[]).unwrap();
    let asked = |policy: &Policy, name: &str| {
        let mut plan = plan();
        plan.steps.push(Step::Lend(vec![lent(name)]));
        start(policy, &Named::default(), plan).map(drop)
    };
    assert!(asked(&consents, "eth1").is_ok() && asked(&consents, "eth2").is_err());
    let why = asked(&host(), "eth1").unwrap_err();
    assert!(why.what.as_str().contains("`lend eth1 a`"), "{}", why.what);
    let name = ContainerName::new("a").unwrap();
    assert!(looked_at(&consents, &name, vec![link("eth1")]).is_ok());
    assert!(looked_at(&consents, &ContainerName::new("b").unwrap(), vec![link("eth1")]).is_err());
    let back = |name: &str, first| {
        let lending = Lending {
            name: ContainerName::new("a").unwrap(),
            block: IdBlock::new(first).unwrap(),
            links: vec![lent(name)],
        };
        taken_back(&consents, lending).map(|(judged, lost)| (judged.get().links.len(), lost))
    };
    assert_eq!(back("eth1", ids::OWN_FIRST), Ok((1, vec![])));
    assert_eq!(back("eth0", ids::OWN_FIRST), Ok((0, vec![link("eth0")])));
    assert!(back("eth1", 5000).is_err());
    // What has lost its line keeps nothing else from being cleared away.
    let remains = Remains {
        name,
        block: IdBlock::new(ids::OWN_FIRST).unwrap(),
        links: vec![link("lzv0")],
        bridges: vec![link("lzr0")],
        etc: None,
        lent: vec![lent("eth2"), lent("eth1"), lent("eth3")],
        uuid: None,
    };
    let (judged, lost) = clear(&consents, remains.clone()).unwrap();
    assert_eq!(lost, [link("eth2"), link("eth3")]);
    let left = Remains {
        lent: vec![lent("eth1")],
        ..remains.clone()
    };
    assert_eq!(judged.get(), &left);
    assert_eq!(clear(&host(), remains.clone()).unwrap().1.len(), 3);
    let many = Remains {
        lent: vec![lent("eth1"); 17],
        ..remains
    };
    assert!(clear(&consents, many).is_err());
    let mut shared = plan();
    shared.steps.push(Step::Lend(vec![lent("eth1")]));
    shared.container_mut().unwrap().host_network = true;
    assert!(start(&consents, &Named::default(), shared).is_err());
}

#[test]
fn a_link_comes_to_what_runs_as_to_what_starts_and_goes_without_consent() {
    let judged = |policy: &str, side: HostSide, first, attach| {
        let asked = LinkChange {
            name: ContainerName::new("a").unwrap(),
            block: IdBlock::new(first).unwrap(),
            uuid: Text::cut("u"),
            link: Link { side, ..link() },
            attach,
            protect: None,
        };
        link_change(&policy::parse(policy, &[], &[]).unwrap(), asked).is_ok()
    };
    let bridge = |name: &str| HostSide::Bridge(LinkName::new(name).unwrap());
    let own = HostSide::Network(wire::network::bridge().unwrap());
    let first = ids::OWN_FIRST;
    assert!(judged("bridge br0", bridge("br0"), first, true));
    assert!(!judged("bridge br0", bridge("br1"), first, true));
    assert!(judged("bridge br0", bridge("br1"), first, false));
    assert!(!judged("", bridge("br0"), 5000, true));
    assert!(!judged("", own.clone(), first, true) && !judged("", own, first, false));
    let on_link = || HostSide::Vlan {
        parent: LinkName::new("eth1").unwrap(),
        id: 7,
    };
    assert!(!judged("direct eth1", on_link(), first, true) && !judged("", on_link(), first, false));

    // With rules, which must be its own; to publish a port, or to forward where that is forbidden, takes a start.
    let walled = |policy: &str, change: &dyn Fn(&mut LinkChange)| {
        let mut asked = LinkChange {
            name: ContainerName::new("a").unwrap(),
            block: IdBlock::new(first).unwrap(),
            uuid: Text::cut("u"),
            link: Link {
                side: HostSide::Network(wire::network::bridge().unwrap()),
                ..link()
            },
            attach: true,
            protect: None,
        };
        asked.protect = Some((
            Firewall {
                name: asked.name.clone(),
                bridge: LinkName::new("lzr0").unwrap(),
                link: asked.link.host.clone(),
                v4: None,
                v6: None,
                publish: vec![],
                through: wire::netd::Through::Translated,
            },
            true,
        ));
        change(&mut asked);
        link_change(&policy::parse(policy, &[], &[]).unwrap(), asked).is_ok()
    };
    let rules = |asked: &mut LinkChange, change: &dyn Fn(&mut Firewall)| {
        if let Some((firewall, _)) = &mut asked.protect {
            change(firewall);
        }
    };
    let port = || "80:80".parse().unwrap();
    assert!(walled("", &|_| {}));
    assert!(!walled("forwarding no", &|_| {}) && walled("forwarding no", &|a| a.attach = false));
    assert!(!walled("", &|a| rules(a, &|f| f.publish.push(port()))));
    assert!(walled("", &|a| {
        rules(a, &|f| f.publish.push(port()));
        a.attach = false;
    }));
    assert!(!walled("", &|a| rules(a, &|f| f.link = LinkName::new("lzv9").unwrap())));
    assert!(!walled("", &|a| rules(a, &|f| f.bridge = LinkName::new("lzr9").unwrap())));
    assert!(!walled("", &|a| a.name = ContainerName::new("b").unwrap()));
    assert!(!walled("", &|a| rules(a, &|f| f.v4 = Some([10, 209, 9, 9].into()))));
    assert!(!walled("bridge br0", &|a| a.link.side = bridge("br0")));
}

#[test]
fn refuses_more_trees_than_can_be_asked_for_at_once() {
    for (more, most) in [(61, true), (62, true), (63, false)] {
        let mut plan = plan();
        let mut places = Vec::new();
        for number in 0..more {
            places.push(Attachment {
                target: Path::new(&format!("/mnt{number}")).unwrap(),
                source: Source::Factory,
                read_only: true,
            });
        }
        plan.container_mut().unwrap().attachments.append(&mut places);
        for step in &mut plan.steps {
            if let Step::Mounts(mounts) = step {
                mounts.extend((0..more).map(|_| tree("/srv/b", true)));
            }
        }
        let judged = start(&host(), &named("start a"), plan).map_err(|f| f.what.as_str().to_owned());
        match judged {
            Ok(_) => assert!(most, "{more}"),
            Err(why) => assert!(
                !most && why.starts_with("mount 65 places of the host: a container has at most 64"),
                "{why}"
            ),
        }
    }
}

#[test]
fn only_an_ordinary_users_container_is_led_out_by_pasta_and_by_nothing_else() {
    let mut users = host();
    users.users = true;
    let with = |policy: &Policy, more: fn(&mut Plan)| {
        let mut plan = plan();
        plan.steps.push(Step::Outward(Outward {
            guest: LinkName::new("eth0").unwrap(),
            mac: [2, 0, 0, 0, 0, 1],
        }));
        more(&mut plan);
        start(policy, &named("start a"), plan).map(|judged| judged.get().outward.is_some())
    };
    assert_eq!(with(&users, |_| ()), Ok(true));
    assert!(with(&host(), |_| ()).is_err());
    let twice = |plan: &mut Plan| {
        let again = plan.steps.last().unwrap().clone();
        plan.steps.push(again);
    };
    assert!(with(&users, twice).is_err());
    let linked = |plan: &mut Plan| {
        let side = HostSide::Bridge(LinkName::new("br0").unwrap());
        plan.steps.push(Step::Connect(vec![Link { side, ..link() }]));
    };
    assert!(with(&users, linked).is_err());
    assert!(with(&users, |plan| shares_the_hosts_network(plan, PlannedMount::hosts_sys())).is_err());
}

fn shares_the_hosts_network(plan: &mut Plan, sysfs: PlannedMount) {
    plan.container_mut().unwrap().host_network = true;
    for step in &mut plan.steps {
        if let Step::Mounts(mounts) = step {
            mounts.insert(2, sysfs.clone());
        }
    }
}

#[test]
fn the_hosts_own_sys_is_an_ordinary_users_alone_and_read_only() {
    let mut users = host();
    users.users = true;
    let with = |policy: &Policy, sysfs: PlannedMount| {
        let mut plan = plan();
        shares_the_hosts_network(&mut plan, sysfs);
        start(policy, &named("start a"), plan).is_ok()
    };
    let made = || PlannedMount {
        mount: Mount::Sysfs,
        from: Opened::Nothing,
    };
    assert!(with(&users, PlannedMount::hosts_sys()) && !with(&users, made()));
    assert!(with(&host(), made()) && !with(&host(), PlannedMount::hosts_sys()));
    let mut writable = PlannedMount::hosts_sys();
    if let Mount::Tree { flags, .. } = &mut writable.mount {
        flags.read_only = false;
    }
    assert!(!with(&users, writable));
    // Nor is it anything else of a container's.
    let mut root = plan();
    for step in &mut root.steps {
        if let Step::Mounts(mounts) = step {
            mounts[2] = PlannedMount::hosts_sys();
        }
    }
    assert!(start(&users, &named("start a"), root).is_err());
}
