//! Entering a container that `init` built, as the kernel sees it. Needs root, and `init` beside `nsenter` (`cargo build -p init`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

#[path = "../../init/tests/host/mod.rs"]
mod host;

use host::{Host, busybox, command, container, is_root, start};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use sys::channel::{Channel, pair};
use sys::process::Power;
use wire::init::{Command, Container, Stream};
use wire::nsenter::{Reply, Request};

const NSENTER: &str = env!("CARGO_BIN_EXE_nsenter");

fn init() -> String {
    let path = PathBuf::from(NSENTER).with_file_name("init");
    assert!(path.exists(), "cargo build -p init");
    path.to_str().unwrap().to_owned()
}

/// A running container and its root.
struct Inside {
    host: Host,
    root: PathBuf,
}

impl Inside {
    fn start(container: Container, name: &str) -> Self {
        let root = busybox(name);
        let (host, started) = start(container, &init(), &root, &mut |_| vec![]);
        assert_eq!(started, Ok(()));
        Self { host, root }
    }

    /// Starts `nsenter` and gives it its order; returns its channel and what will be printed.
    fn enter(&self, command: Command, streams: [Stream; 3]) -> (Channel<Request, Reply>, File, nix::unistd::Pid) {
        let (ours, theirs) = pair::<Request, Reply>().unwrap();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let power = Power {
            id: self.host.block.keeper(),
            groups: Vec::new(),
            capabilities: vec![],
            no_new_privileges: false,
        };
        let program = File::open(NSENTER).unwrap();
        let stderr = std::io::stderr();
        let table = [null.as_fd(), null.as_fd(), stderr.as_fd(), theirs.as_fd()];
        let pid = sys::birth::start(program.as_fd(), &[c"nsenter", c"--socket", c"3"], &table, &power, None).unwrap();
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let group = self.host.enter_group();
        let mut all: Vec<_> = self.host.namespaces.iter().map(AsFd::as_fd).collect();
        all.push(group.as_fd());
        all.extend(streams.iter().filter(|s| **s == Stream::Passed).map(|_| write.as_fd()));
        let request = Request::Enter {
            command: Box::new(command),
            streams,
            hierarchies: 1,
        };
        ours.send(&request, &all).unwrap();
        (ours, read.into(), pid)
    }

    fn run(&self, command: Command) -> (String, Result<i32, Reply>) {
        let (channel, mut output, pid) = self.enter(command, [Stream::Null, Stream::Passed, Stream::Passed]);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        let mut result = channel.receive().unwrap().0;
        if result == (Reply::Entered { terminal: false }) {
            result = channel.receive().unwrap().0;
        }
        drop(channel);
        sys::process::wait(pid).unwrap();
        match result {
            Reply::Exited(status) => (text, Ok(status)),
            other => (text, Err(other)),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn sleeper() -> Container {
    let mut container = container("");
    container.command.program = host::text("/bin/sleep");
    container.command.arguments = vec![host::text("sleep"), host::text("1000")];
    container
}

fn confinement(status: &str) -> Vec<&str> {
    let keys = [
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp:",
        "Seccomp_filters",
        "Uid",
        "Gid",
    ];
    status
        .lines()
        .filter(|l| keys.iter().any(|k| l.starts_with(k)))
        .collect()
}

#[test]
fn an_entered_command_is_confined_as_the_first_one_is() {
    if !is_root() {
        return;
    }
    let inside = Inside::start(sleeper(), "confined");
    let (text, status) = inside.run(command(
        "cat /proc/self/status; echo; cat /proc/$(pidof sleep)/status; exit 3",
    ));
    assert_eq!(status, Ok(3 << 8), "{text}");
    let (own, first) = text.split_once("\n\n").unwrap();
    assert_eq!(confinement(own), confinement(first));
    assert!(confinement(own).len() >= 9, "{own}");
}

#[test]
fn an_entered_command_is_in_every_namespace_and_the_group() {
    if !is_root() {
        return;
    }
    let inside = Inside::start(sleeper(), "joined");
    let script = "p=$(pidof sleep); for n in user mnt pid net ipc uts cgroup; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/$p/ns/$n) ] && echo same; done; cat /proc/self/cgroup; ls /proc/self/fd | wc -l";
    let (text, status) = inside.run(command(script));
    assert_eq!(status, Ok(0), "{text}");
    assert_eq!(text.matches("same").count(), 7, "{text}");
    assert!(text.contains("0::/../enter"), "{text}");
    // Three streams and the directory that ls reads.
    assert!(text.trim_end().ends_with("\n4"), "{text}");
}

#[test]
fn tells_a_program_that_is_missing_from_one_that_may_not_be_executed() {
    if !is_root() {
        return;
    }
    let inside = Inside::start(sleeper(), "missing");
    for (program, errno) in [("/bin/none", 2), ("none", 2), ("/etc/passwd", 13)] {
        let mut command = command("");
        command.program = host::text(program);
        let Err(Reply::Refused(failure)) = inside.run(command).1 else {
            panic!("{program}")
        };
        assert_eq!(
            (failure.kind, failure.errno),
            (wire::failure::Kind::Caller, errno),
            "{failure:?}"
        );
    }
}

#[test]
fn a_terminal_is_the_containers_own_and_its_controlling_one() {
    if !is_root() {
        return;
    }
    let mut c = sleeper();
    c.consoles = 0;
    let inside = Inside::start(c, "terminal");
    let (channel, _, pid) = inside.enter(
        command("tty; stty size >/dev/null && echo ok >/dev/tty; exit 4"),
        [Stream::Console; 3],
    );
    let (reply, mut fds) = channel.receive().unwrap();
    assert_eq!(reply, Reply::Entered { terminal: true });
    let mut master = File::from(fds.remove(0));
    assert_eq!(channel.receive().unwrap().0, Reply::Exited(4 << 8));
    sys::process::wait(pid).unwrap();
    let mut text = [0u8; 256];
    let mut seen = String::new();
    while let Ok(n) = master.read(&mut text) {
        seen.push_str(std::str::from_utf8(&text[..n]).unwrap());
    }
    assert!(seen.contains("/dev/pts/0") && seen.contains("ok"), "{seen}");
}

#[test]
fn a_signal_reaches_the_command_and_a_lost_peer_kills_it() {
    if !is_root() {
        return;
    }
    let inside = Inside::start(sleeper(), "signals");
    let script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let (channel, mut output, pid) = inside.enter(command(script), [Stream::Null, Stream::Passed, Stream::Passed]);
    assert_eq!(channel.receive().unwrap().0, Reply::Entered { terminal: false });
    let mut line = [0u8; 6];
    output.read_exact(&mut line).unwrap();
    channel.send(&Request::Signal(15), &[]).unwrap();
    assert_eq!(channel.receive().unwrap().0, Reply::Exited(9 << 8));
    sys::process::wait(pid).unwrap();

    let (channel, mut output, pid) = inside.enter(
        command("echo ready; exec sleep 1001"),
        [Stream::Null, Stream::Passed, Stream::Passed],
    );
    assert_eq!(channel.receive().unwrap().0, Reply::Entered { terminal: false });
    output.read_exact(&mut line).unwrap();
    drop(channel);
    sys::process::wait(pid).unwrap();
    // The pipe ends only when the command is gone.
    assert_eq!(output.read(&mut line).unwrap(), 0);
}

#[test]
fn refuses_a_frame_without_its_descriptors_and_a_signal_before_the_command() {
    if !is_root() {
        return;
    }
    let inside = Inside::start(sleeper(), "refusals");
    let (ours, theirs) = pair::<Request, Reply>().unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let power = Power {
        id: inside.host.block.keeper(),
        groups: Vec::new(),
        capabilities: vec![],
        no_new_privileges: false,
    };
    let program: OwnedFd = File::open(NSENTER).unwrap().into();
    let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
    let pid = sys::birth::start(program.as_fd(), &[c"nsenter", c"--socket", c"3"], &table, &power, None).unwrap();
    ours.send(&Request::Signal(9), &[]).unwrap();
    assert!(matches!(ours.receive().unwrap().0, Reply::Refused(_)));
    sys::process::wait(pid).unwrap();
    // Nor is a device node laid, or init asked, where what came is no namespace.
    let name = wire::NodeName::new("vda").unwrap();
    let place = Request::Place {
        name: name.clone(),
        writable: true,
    };
    let initctl = Request::Initctl(wire::nsenter::Runlevel::Halt);
    for request in [place, Request::Remove(name), Request::OpenNetlink, initctl] {
        let (ours, theirs) = pair::<Request, Reply>().unwrap();
        let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
        let words = [c"nsenter", c"--socket", c"3"];
        let pid = sys::birth::start(program.as_fd(), &words, &table, &power, None).unwrap();
        let beside = vec![null.as_fd(); wire::Message::descriptors(&request)];
        ours.send(&request, &beside).unwrap();
        assert!(matches!(ours.receive().unwrap().0, Reply::Refused(_)), "{request:?}");
        sys::process::wait(pid).unwrap();
    }
}
