//! A `lazaret` that was taken over: the launcher executes it as it would `lazaret`, and it asks for what it must not get. Prints one line
//! for each request: what was answered.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::Channel;
use wire::cgroupd::Limits;
use wire::init::{Afterwards, Command, Container, Path, Profile, Stream, Then, User};
use wire::launcher::{Opened, Plan, PlannedMount, Remains, Reply, Request, Step};
use wire::mountd::{Flags, Mount};
use wire::{ContainerName, IdBlock, Text};

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
        capabilities: u64::MAX,
        no_new_privileges: false,
        profile: Profile::System,
        limits: Vec::new(),
        window: None,
        linux32: false,
    })
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
    let remains = |first, link: &str| Remains {
        name: name(),
        block: block(first),
        links: Vec::new(),
        bridges: vec![wire::LinkName::new(link).expect("a link's name")],
    };
    let enter = |first| Request::Enter {
        name: name(),
        block: block(first),
        command: command(),
        streams: [Stream::Null; 3],
    };
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
    ]
}

fn namespaces() -> Vec<OwnedFd> {
    let open = |kind| OwnedFd::from(std::fs::File::open(format!("/proc/self/ns/{kind}")).expect("open a namespace"));
    ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].map(open).into()
}

fn main() {
    let given = std::env::args()
        .nth(5)
        .and_then(|a| a.parse().ok())
        .expect("the first id that the policy gives out");
    let socket = sys::confine::inherited(3).expect("the launcher's channel");
    let channel: Channel<Request, Reply> = Channel::new(socket);
    let null = OwnedFd::from(std::fs::File::open("/dev/null").expect("open /dev/null"));
    let own = namespaces();
    let elsewhere = std::env::args().nth(6).expect("a directory").replace(':', "/");
    for (what, request) in requests(given, &elsewhere) {
        let beside: Vec<BorrowedFd<'_>> = match &request {
            Request::Start { .. } => vec![null.as_fd(); 4],
            Request::Enter { .. } => own.iter().map(AsFd::as_fd).collect(),
            _ => Vec::new(),
        };
        channel.send(&request, &beside).expect("send");
        match channel.receive() {
            Ok((Reply::Refused(failure), _)) => println!("refused: {what}: {}", failure.what),
            Ok((Reply::Entering, _)) => println!("ENTERING: {what}"),
            Ok((reply, _)) => println!("GRANTED: {what}: {reply:?}"),
            Err(error) => println!("ended: {what}: {error:?}"),
        }
    }
    // What it may know.
    for request in [Request::Hierarchies, Request::Policy] {
        channel.send(&request, &[]).expect("send");
        match channel.receive() {
            Ok((Reply::Hierarchies(list), _)) => println!("told: {} hierarchies", list.len()),
            Ok((Reply::Policy(policy), _)) => println!("told: ids from {}", policy.first),
            other => println!("not told: {other:?}"),
        }
    }
}
