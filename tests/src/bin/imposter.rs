//! A `lazaret` that was taken over: it starts the launcher and gives up its power as `lazaret` does, and asks for what it must not get. Prints
//! one line for each request: what was answered.
//!
//! usage: imposter LAUNCHER FIRST-ID DIRECTORY WORD... (the words are the launcher's)

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::channel::Channel;
use wire::cgroupd::Limits;
use wire::filter::{OwnFilter, Rule};
use wire::init::{Afterwards, Command, Container, Path, Profile, Stream, Then, User};
use wire::launcher::{Opened, Plan, PlannedMount, Remains, Reply, Request, Step};
use wire::mountd::{Flags, Mount};
use wire::netd::{Address, Bandwidth, Bridge, Firewall, HostSide, Link, Through};
use wire::recordd::Deed;
use wire::{ContainerName, IdBlock, IdRange, LinkName, Text};

fn path(text: &str) -> Path {
    Text::cut(text)
}

fn name() -> ContainerName {
    ContainerName::new("imposter").expect("a name")
}

fn plan(block: u32) -> Box<Plan> {
    let block = IdBlock::new(block).expect("a block");
    Box::new(Plan {
        name: name(),
        block,
        steps: Vec::new(),
        processors: None,
    })
}

/// A plan that nothing is wrong with, but that it makes a container of this host directory.
fn whole_plan(block: u32, root: &str, writable: bool) -> Box<Plan> {
    let mut plan = plan(block);
    let map = vec![plan.block.range()];
    let flags = Flags {
        read_only: !writable,
        no_suid: true,
        no_dev: true,
        no_exec: false,
    };
    let root = PlannedMount {
        mount: Mount::Tree {
            recursive: false,
            flags,
            idmapped: true,
        },
        from: Opened::Path {
            path: path(root),
            writable,
        },
    };
    let container = Container {
        name: name(),
        hostname: Text::cut("imposter"),
        uid_map: map.clone(),
        gid_map: map.clone(),
        host_network: false,
        read_only_root: !writable,
        attachments: Vec::new(),
        devices: Vec::new(),
        meminfo: false,
        lent_proc: false,
        unified: true,
        cgroup_writable: false,
        consoles: 0,
        streams: [Stream::Null; 3],
        reaper: true,
        command: *command(),
        afterwards: Afterwards {
            poweroff: Then::End,
            reboot: Then::End,
            crash: Then::End,
        },
        resolv_conf: None,
        hosts: None,
        unmasked: Vec::new(),
        learn: false,
        descriptors: 0,
        nodes: vec![],
        shares: wire::share::Shares::default(),
    };
    plan.steps = vec![
        Step::Groups(Limits::default()),
        Step::Devices(Vec::new()),
        Step::Build(Box::new(container)),
        Step::Maps {
            uid: map.clone(),
            gid: map,
        },
        Step::Mounts(vec![root]),
        Step::Keep,
    ];
    plan
}

/// The same with a map of these host ids.
fn mapped_plan(block: u32, outside: u32) -> Box<Plan> {
    let mut plan = whole_plan(block, "/srv/imposter", true);
    let range = IdRange {
        inside: 0,
        outside,
        count: 1000,
    };
    for step in &mut plan.steps {
        match step {
            Step::Build(container) => container.uid_map = vec![range],
            Step::Maps { uid, .. } => *uid = vec![range],
            _ => {}
        }
    }
    plan
}

/// A plan as above, of a container that is confined less than its profile says.
fn wider_plan(block: u32, widen: fn(&mut Container)) -> Box<Plan> {
    let mut plan = whole_plan(block, "/srv", false);
    for step in &mut plan.steps {
        if let Step::Build(container) = step {
            widen(container);
        }
    }
    plan
}

/// A link to that side.
fn link(side: HostSide) -> Link {
    let name = |text| LinkName::new(text).expect("a link's name");
    Link {
        host: name("lzv0"),
        guest: name("eth0"),
        mac: [2, 0, 0, 0, 0, 1],
        side,
        addresses: vec![address(Ipv4Addr::new(10, 209, 0, 2), 16)],
        routes: Vec::new(),
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: vec![],
        outside: vec![],
    }
}

/// The same with a link, and with a port of the host's that leads to it.
fn linked_plan(block: u32, side: HostSide, port: Option<&str>) -> Box<Plan> {
    let mut plan = whole_plan(block, "/srv/imposter", true);
    let name = |text| LinkName::new(text).expect("a link's name");
    let v4 = Ipv4Addr::new(10, 209, 0, 2);
    let link = link(side);
    let firewall = Firewall {
        name: plan.name.clone(),
        bridge: name(wire::network::BRIDGE),
        link: link.host.clone(),
        v4: Some(v4),
        v6: None,
        publish: port.iter().filter_map(|p| p.parse().ok()).collect(),
        through: Through::Translated,
    };
    let protected = matches!(link.side, HostSide::Network(_));
    plan.steps.push(Step::Connect(vec![link]));
    if protected {
        plan.steps.push(Step::Protect {
            firewall,
            forward: false,
        });
    }
    plan
}

fn address(address: Ipv4Addr, prefix: u8) -> Address {
    Address {
        address: address.into(),
        prefix,
        peer: None,
    }
}

/// A filter of its own that allows the two calls without which there is none, in the place of the profile's.
fn own_filter() -> OwnFilter {
    let rule = |call| Rule {
        call,
        answer: None,
        condition: Vec::new(),
    };
    OwnFilter {
        filter: vec![rule(59), rule(231)].try_into().expect("a filter"),
        in_place: true,
    }
}

fn command() -> Box<Command> {
    Box::new(Command {
        program: path("/bin/sh"),
        arguments: vec![Text::cut("sh"), Text::cut("-c"), Text::cut("id > /root/imposter")],
        environment: Vec::new(),
        directory: path("/"),
        user: User {
            user: None,
            group: None,
        },
        capabilities: 0,
        no_new_privileges: false,
        profile: Profile::System,
        limits: Vec::new(),
        window: None,
        linux32: false,
        filter: None,
        apparmor: None,
        selinux: None,
        memory: None,
    })
}

/// Links of the host's that a request names as lent.
fn lent_of(request: &Request) -> Vec<wire::LinkName> {
    match request {
        Request::Clear(remains) => remains.lent.iter().map(|l| l.found.name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Every request, with what is wrong with it. `given` is the first id of a block that the host's policy gives out, `elsewhere` a directory
/// that nobody named.
fn requests(given: u32, elsewhere: &str) -> Vec<(&'static str, Request)> {
    let start = |plan| Request::Start {
        plan,
        passed: false,
        tied: false,
    };
    let block = |first| IdBlock::new(first).expect("a block");
    let default = wire::network::bridge().expect("the default network");
    let another = address(Ipv4Addr::new(192, 0, 2, 1), 24);
    let capturing = Bridge {
        addresses: vec![address(Ipv4Addr::new(10, 209, 0, 1), 1)],
        ..default.clone()
    };
    let lent = wire::netd::Lent {
        found: wire::netd::Found {
            name: wire::LinkName::new("wan0").expect("a link's name"),
            kind: wire::Text::cut(""),
            mac: [2, 0, 0, 0, 0, 5],
            permanent: None,
            mtu: 1500,
            also: vec![],
            flags: 0,
            group: 0,
            queue: 0,
        },
        guest: wire::LinkName::new("eth0").expect("a link's name"),
        addresses: vec![],
        routes: vec![],
    };
    let remains = |first, link: &str| Remains {
        name: name(),
        block: block(first),
        links: Vec::new(),
        bridges: vec![wire::LinkName::new(link).expect("a link's name")],
        etc: None,
        lent: vec![],
        uuid: None,
    };
    let enter_with = |first, command| Request::Enter {
        name: name(),
        block: block(first),
        command,
        streams: [Stream::Null; 3],
    };
    let enter = |first| enter_with(first, command());
    let mut powerful = command();
    powerful.capabilities = u64::MAX;
    vec![
        (
            "directories that nobody named",
            Request::Directories {
                run: path(&format!("{elsewhere}/run")),
                definitions: path(&format!("{elsewhere}/definitions")),
                data: path(&format!("{elsewhere}/data")),
            },
        ),
        ("a file that nobody named", Request::Open(path("/etc/shadow"))),
        ("a device", Request::Open(path("/dev/vda"))),
        ("a start under ids of the host's users", start(plan(1000))),
        ("a start under lazaret's own ids", start(plan(wire::ids::LAZARET - 16))),
        ("a start without a container", start(plan(given))),
        ("entering the host's own namespaces", enter(given)),
        ("entering under ids of the host's users", enter(1000)),
        (
            "freezing what is not there",
            Request::Freeze {
                name: name(),
                frozen: true,
            },
        ),
        (
            "limiting what is not there",
            Request::Limit {
                name: name(),
                limits: Box::new(Limits {
                    memory: Some(1 << 20),
                    ..Limits::default()
                }),
            },
        ),
        (
            "a device that nobody consented to",
            Request::Nodes(Box::new(wire::launcher::Nodes {
                name: name(),
                block: block(given),
                uuid: wire::Text::cut("u"),
                owner: [given + wire::ids::UNMAPPED; 2],
                rules: wire::devd::Rule::usual(),
                others: vec![],
                node: wire::Node {
                    kind: wire::NodeKind::Misc,
                    from: path("/dev/mem"),
                    name: wire::NodeName::new("mem").expect("a node's name"),
                    writable: true,
                },
                attach: true,
            })),
        ),
        (
            "a link beside the rules of a network",
            Request::ChangeLink(Box::new(wire::launcher::LinkChange {
                name: name(),
                block: block(given),
                uuid: wire::Text::cut("u"),
                link: link(HostSide::Network(default.clone())),
                attach: true,
                protect: None,
            })),
        ),
        (
            "a look at a link that nobody lends",
            Request::Find {
                name: name(),
                links: vec![lent.found.name.clone()],
            },
        ),
        (
            "moving a link of the host's that nobody lent",
            Request::TakeBack(Box::new(wire::launcher::Lending {
                name: name(),
                block: block(given),
                links: vec![lent.clone()],
            })),
        ),
        (
            "naming a link of the host's that nobody lent",
            Request::Clear(Remains {
                lent: vec![lent],
                ..remains(given, "lzr0")
            }),
        ),
        ("clearing away the host's users", Request::Clear(remains(1000, "lzr0"))),
        (
            "removing a bridge of the host's",
            Request::Clear(remains(given, "docker0")),
        ),
        ("the host's secrets", start(whole_plan(given, "/root", false))),
        ("the host's configuration", start(whole_plan(given, "/etc", true))),
        (
            "what a payload's arguments name",
            start(whole_plan(given, "/var/cache", true)),
        ),
        ("the ids of a user", start(mapped_plan(given, 0x7100_0000))),
        (
            "a port that a service of the host's may have",
            start(linked_plan(given, HostSide::Network(default.clone()), Some("22:22"))),
        ),
        (
            "half of all addresses",
            start(linked_plan(given, HostSide::Network(capturing), None)),
        ),
        (
            "a network that is somebody's",
            Request::StartNetwork(Bridge {
                addresses: vec![address(Ipv4Addr::new(198, 51, 100, 1), 24)],
                ..default
            }),
        ),
        (
            "ending a bridge of the host's",
            Request::EndNetwork(wire::LinkName::new("docker0").expect("a link's name")),
        ),
        (
            "another's init to halt",
            Request::Initctl {
                name: name(),
                block: block(given),
                runlevel: wire::nsenter::Runlevel::Halt,
            },
        ),
        (
            "the address of another machine",
            start(linked_plan(given, HostSide::Alone(vec![another]), None)),
        ),
        (
            "announcing what the launcher does itself",
            Request::Announce {
                name: name(),
                deed: Deed::Start,
            },
        ),
        (
            "a hook script that the host does not have",
            Request::Hook {
                name: name(),
                hook: wire::Hook::Release,
                claimed: false,
            },
        ),
        ("the log of deeds", Request::Log),
        ("a new file for the log of deeds", Request::Rotate),
        (
            "capabilities beyond the profile",
            start(wider_plan(given, |c| c.command.capabilities = u64::MAX)),
        ),
        (
            "a filter in the place of the profile's",
            start(wider_plan(given, |c| {
                c.command.no_new_privileges = true;
                c.command.filter = Some(own_filter());
            })),
        ),
        (
            "a place that is not hidden",
            start(wider_plan(given, |c| c.unmasked = vec![path("/proc/kcore")])),
        ),
        (
            "entering with capabilities beyond the profile",
            enter_with(given, powerful),
        ),
    ]
}

fn namespaces() -> Vec<OwnedFd> {
    let open = |kind| OwnedFd::from(std::fs::File::open(format!("/proc/self/ns/{kind}")).expect("open a namespace"));
    ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].map(open).into()
}

/// Starts the launcher, and has no power from then on.
fn launched() -> (Channel<Request, Reply>, std::process::Child) {
    let (ours, theirs) = sys::channel::pair::<Request, Reply>().expect("a channel");
    let theirs = OwnedFd::from(theirs);
    let number = rustix::io::fcntl_dupfd_cloexec(&theirs, 3).expect("another number");
    rustix::io::fcntl_setfd(&number, rustix::io::FdFlags::empty()).expect("let it be inherited");
    let launcher = std::process::Command::new(std::env::args_os().nth(1).expect("the launcher"))
        .args(std::env::args_os().skip(4))
        .env("LAZARET_CHANNEL", number.as_raw_fd().to_string())
        .spawn()
        .expect("start the launcher");
    sys::process::become_power(&sys::process::Power {
        id: wire::ids::LAZARET,
        groups: Vec::new(),
        capabilities: Vec::new(),
        no_new_privileges: true,
    })
    .expect("give up power");
    (ours, launcher)
}

fn main() {
    let given = std::env::args()
        .nth(2)
        .and_then(|a| a.parse().ok())
        .expect("the first id that the policy gives out");
    let (channel, mut launcher) = launched();
    let null = OwnedFd::from(std::fs::File::open("/dev/null").expect("open /dev/null"));
    let own = namespaces();
    // Its slashes are turned, so that the launcher's command line does not name it.
    let elsewhere = std::env::args().nth(3).expect("a directory").replace(':', "/");
    for (what, request) in requests(given, &elsewhere) {
        let beside: Vec<BorrowedFd<'_>> = match &request {
            Request::Start { .. } => vec![null.as_fd(); 4],
            Request::Nodes(_) | Request::TakeBack(_) | Request::ChangeLink(_) | Request::Initctl { .. } => {
                vec![null.as_fd(); 2]
            }
            Request::Hook { .. } => vec![null.as_fd()],
            Request::Enter { .. } => own.iter().map(AsFd::as_fd).collect(),
            _ => Vec::new(),
        };
        channel.send(&request, &beside).expect("send");
        match channel.receive() {
            Ok((Reply::Refused(failure), _)) => println!("refused: {what}: {}", failure.what),
            Ok((Reply::Entering, _)) => println!("ENTERING: {what}"),
            // The rest of what has ended is cleared away, and this is not.
            Ok((Reply::Cleared(left), _)) if left == lent_of(&request) => println!("left: {what}"),
            Ok((reply, _)) => println!("GRANTED: {what}: {reply:?}"),
            Err(error) => println!("ended: {what}: {error:?}"),
        }
    }
    // What it may know, and what it may have done, since that is nobody's loss.
    for request in [Request::Hierarchies, Request::Policy, Request::Sweep, Request::Timing] {
        channel.send(&request, &[]).expect("send");
        match channel.receive() {
            Ok((Reply::Hierarchies(list), _)) => println!("told: {} hierarchies", list.len()),
            Ok((Reply::Policy(policy), _)) => println!("told: ids from {}", policy.first),
            Ok((Reply::Swept(names), _)) => println!("swept: {names:?}"),
            Ok((Reply::Timing(moments), _)) => println!("timed: {}", moments.len()),
            other => println!("not told: {other:?}"),
        }
    }
    drop(channel);
    launcher.wait().expect("the launcher ends");
}
