//! `event` tells what happens to containers while it happens, in virsh's words, and holds no power while it waits.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tests::{Host, need_root};

const STAY: &str = "while :; do sleep 1000; done";

/// What it has to say it says by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// A `lazaret event` that is under way, and what it says.
struct Listener {
    child: Child,
    lines: Receiver<String>,
}

impl Listener {
    fn start(host: &Host, arguments: &[&str]) -> Self {
        Self::of(host, &[&["event", "--all"], arguments].concat())
    }

    fn of(host: &Host, arguments: &[&str]) -> Self {
        let mut command = host.lazaret(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("lazaret");
        let mut said = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            while let Some(Ok(line)) = said.next() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut listener = Self { child, lines };
        listener.until_it_waits();
        listener
    }

    /// It waits when it has asked the kernel for changes, which its descriptors show.
    fn until_it_waits(&mut self) {
        let inotify = |pid: u32| {
            let fds = fs::read_dir(format!("/proc/{pid}/fdinfo"))
                .into_iter()
                .flatten()
                .flatten();
            let texts = fds.filter_map(|f| fs::read_to_string(f.path()).ok());
            texts
                .flat_map(|t| t.lines().map(str::to_owned).collect::<Vec<_>>())
                .filter(|l| l.starts_with("inotify "))
                .count()
        };
        let pid = self.child.id();
        assert!(
            tests::capture::until(std::time::Duration::from_secs(20), || inotify(pid) >= 2),
            "it never waited"
        );
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("an event is told in time")
    }

    fn end(mut self) -> (i32, String) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT).expect("it is there");
        let rest: Vec<String> = self.lines.iter().collect();
        let status = self.child.wait().expect("it ends");
        (status.code().unwrap_or(-1), rest.join("\n"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_life_is_told_from_its_definition_to_the_end() {
    need_root!();
    let host = Host::new();
    let name = &host.name("vm");
    let file = host.domain_file(name, STAY, "", "");
    let mut listener = Listener::start(&host, &["--loop"]);
    let says = |listener: &mut Listener, what: &str| {
        assert_eq!(
            listener.line(),
            format!("event 'lifecycle' for domain '{name}': {what}")
        );
    };
    host.run(&["define", &file]).ok();
    says(&mut listener, "Defined Added");
    host.run(&["start", name]).ok();
    says(&mut listener, "Started Booted");
    host.run(&["setmaxmem", name, "128M", "--config"]).ok();
    says(&mut listener, "Defined Updated");
    host.run(&["suspend", name]).ok();
    says(&mut listener, "Suspended Paused");
    host.run(&["resume", name]).ok();
    says(&mut listener, "Resumed Unpaused");
    host.run(&["destroy", name]).ok();
    says(&mut listener, "Stopped Destroyed");
    host.run(&["undefine", name]).ok();
    says(&mut listener, "Undefined Removed");
    // One that ends by itself: nobody has to ask for it first.
    let once = &host.name("once");
    let end = "until [ -e /end ]; do sleep 0.1; done";
    host.run(&["create", &host.domain_file(once, end, "", "")]).ok();
    assert_eq!(
        listener.line(),
        format!("event 'lifecycle' for domain '{once}': Started Booted")
    );
    fs::write(host.image().join("end"), "").expect("end it");
    assert_eq!(
        listener.line(),
        format!("event 'lifecycle' for domain '{once}': Stopped Shutdown")
    );
    let (status, rest) = listener.end();
    assert_eq!(
        (status, rest.as_str()),
        (0, "event loop interrupted\nevents received: 9\n")
    );
}

#[test]
fn what_starts_itself_anew_and_what_it_is_called_are_told() {
    need_root!();
    let host = Host::new();
    let name = &host.name("vm");
    // It ends with SIGHUP, as reboot(2) has it, the first time, and stays the second.
    let again = "if [ -e /again ]; then while :; do sleep 1000; done; fi; until [ -e /go ]; do sleep 0.1; done; touch /again; reboot -f";
    host.run(&["define", &host.domain_file(name, again, "", "")]).ok();
    host.run(&["start", name]).ok();
    let mut all = Listener::start(&host, &["--loop", "--timestamp"]);
    let mut reboots = Listener::of(&host, &["event", "--event", "reboot", name]);
    let told = |all: &mut Listener| all.line().split_once("Z: ").expect("a time").1.to_owned();
    host.run(&["desc", name, "--title", "Post"]).ok();
    assert_eq!(
        told(&mut all),
        format!("event 'metadata-change' for domain '{name}': type title, uri <null>")
    );
    host.run(&[
        "metadata",
        name,
        "http://x/y",
        "--key",
        "k",
        "--set",
        "<a/>",
        "--config",
    ])
    .ok();
    assert_eq!(
        told(&mut all),
        format!("event 'metadata-change' for domain '{name}': type element, uri http://x/y")
    );
    fs::write(host.image().join("go"), "").expect("let it go on");
    assert_eq!(told(&mut all), format!("event 'reboot' for domain '{name}'"));
    assert_eq!(reboots.line(), format!("event 'reboot' for domain '{name}'"));
    assert_eq!(reboots.child.wait().expect("it ends").code(), Some(0));
    host.run(&["event", "--event", "nope"]).exits(2);
}

#[test]
fn one_event_of_one_container_is_enough_and_time_runs_out() {
    need_root!();
    let host = Host::new();
    let (name, other) = (&host.name("vm"), &host.name("other"));
    for name in [name, other] {
        host.run(&["define", &host.domain_file(name, STAY, "", "")]).ok();
    }
    let mut listener = Listener::start(&host, &[name, "--json"]);
    let status = fs::read_to_string(format!("/proc/{}/status", listener.child.id())).expect("it waits");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
    }
    host.run(&["start", other]).ok();
    host.run(&["start", name]).ok();
    let told: serde_json::Value = serde_json::from_str(&listener.line()).expect("JSON");
    assert_eq!(
        (told["container"].as_str(), told["what"].as_str()),
        (Some(name.as_str()), Some("Started"))
    );
    assert_eq!(listener.child.wait().expect("it ends").code(), Some(0));
    let said = host.run(&["event", "--event", "lifecycle", "--timeout", "1"]);
    assert_eq!(
        (said.code(), said.stdout.as_str()),
        (1, "event loop timed out\nevents received: 0\n\n")
    );
    let kinds = host.run(&["event", "--list"]).ok().stdout;
    assert!(
        kinds.starts_with("lifecycle\nreboot\n") && kinds.lines().count() == 27,
        "{kinds}"
    );
    host.run(&["event"]).exits(2);
    host.run(&["event", "nobody", "--all"]).refused(1, &["nobody"]);
}
