//! A `lazaret` that was taken over: the launcher executes it as it would `lazaret`, and it asks for what it must not get. Prints one line
//! for each request: what was answered.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::Channel;
use wire::init::{Command, Path, Profile, Stream, User};
use wire::launcher::{Plan, Remains, Reply, Request};
use wire::{ContainerName, IdBlock, Text};

fn path(text: &str) -> Path {
    Text::cut(text)
}

fn plan(block: u32) -> Box<Plan> {
    let name = ContainerName::new("imposter").expect("a name");
    let block = IdBlock::new(block).expect("a block");
    Box::new(Plan {
        name,
        block,
        steps: Vec::new(),
    })
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
    let name = || ContainerName::new("imposter").expect("a name");
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
        (
            "a start under ids of the host's users",
            Request::Start {
                plan: plan(1000),
                passed: false,
                tied: false,
            },
        ),
        (
            "a start under lazaret's own ids",
            Request::Start {
                plan: plan(wire::ids::LAZARET - 16),
                passed: false,
                tied: false,
            },
        ),
        (
            "a start without a container",
            Request::Start {
                plan: plan(given),
                passed: false,
                tied: false,
            },
        ),
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
    ]
}

fn namespaces() -> Vec<OwnedFd> {
    let open = |kind| OwnedFd::from(std::fs::File::open(format!("/proc/self/ns/{kind}")).expect("open a namespace"));
    ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].map(open).into()
}

fn main() {
    let given = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .expect("the first id that the policy gives out");
    let socket = sys::confine::inherited(3).expect("the launcher's channel");
    let channel: Channel<Request, Reply> = Channel::new(socket);
    let null = OwnedFd::from(std::fs::File::open("/dev/null").expect("open /dev/null"));
    let own = namespaces();
    let elsewhere = std::env::args().nth(2).expect("a directory").replace(':', "/");
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
