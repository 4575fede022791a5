//! The broker of links on a test's host of ordinary users: a bridge, the host's file that gives links on it, and what plays the socket unit.

use crate::capture;
use crate::ordinary::{User, Users};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Where it listens; the host's own /run is laid over.
pub const SOCKET: &str = "/run/lazaret-broker";

/// A broker; it ends when this is dropped.
pub struct Broker<'a> {
    users: &'a Users,
    accept: Child,
}

/// Somebody who asked, and keeps what was given until this is dropped.
pub struct Asker {
    child: Child,
    keep: Option<ChildStdin>,
    /// What was answered.
    pub answer: String,
}

/// Lays down what a broker finds on a host: the bridge br0, which has 192.0.2.1/24, and this file of quotas. The host's own /etc and /run are laid over.
pub fn prepare(users: &Users, quotas: &str) {
    let script = "set -e; umask 022; [ -e \"$1/all\" ] || { cp -a /etc \"$1/all\"; mount --bind \"$1/all\" /etc; mount -t tmpfs -o mode=755 tmpfs /run; \
                  ip link add br0 index 1000 type bridge; ip addr add 192.0.2.1/24 dev br0; ip link set br0 up; }; \
                  printf %s \"$2\" > /etc/lazaret.policy; printf %s \"$3\" > /etc/lazaret.usernet";
    let mut set = users.command("sh");
    set.args(["-c", script, "sh"])
        .arg(users.directory())
        .args([&users.policy(), quotas]);
    capture::run(&mut set, b"").ok();
}

impl<'a> Broker<'a> {
    /// One that serves `most` at once, of a host that is [prepared](prepare). `accept` is the program that plays the socket unit.
    pub fn new(users: &'a Users, accept: &str, most: usize, quotas: &str) -> Self {
        prepare(users, quotas);
        let launcher = users.directory().join("release/launcher");
        let mut command = users.command(accept);
        command.args([SOCKET, &most.to_string()]).arg(launcher).arg("--broker");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut accept = command.spawn().expect("play the socket unit");
        let mut line = String::new();
        let out = accept.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("read from it");
        assert_eq!(line, "ready\n");
        Self { users, accept }
    }

    /// The names of br0's ports.
    pub fn ports(&self) -> Vec<String> {
        let mut list = self.users.command("ip");
        list.args(["-j", "link", "show", "master", "br0"]);
        let links = capture::run(&mut list, b"").ok().json();
        let links = links.as_array().cloned().unwrap_or_default();
        let name = |l: &serde_json::Value| l["ifname"].as_str().map(str::to_owned);
        links.iter().filter_map(name).collect()
    }

    /// Waits until br0 has so many ports.
    #[track_caller]
    pub fn has_ports(&self, count: usize) {
        capture::until(capture::DEADLINE, || self.ports().len() == count);
        assert_eq!(self.ports().len(), count, "{:?}", self.ports());
    }

    /// What is on record of links that were lent, or refused, oldest first.
    pub fn deeds(&self) -> Vec<serde_json::Value> {
        let mut log = self.users.command(
            self.users
                .directory()
                .join("release/lazaret")
                .to_str()
                .expect("a UTF-8 path"),
        );
        let state = |name: &str| self.users.directory().join("root").join(name);
        for name in ["RUN", "CONFIG", "DATA"] {
            log.env(format!("LAZARET_{name}_DIR"), state(name));
        }
        fs::create_dir_all(self.users.directory().join("root")).expect("make a directory");
        log.args(["audit", "log", "--json", "--verb", "lend"]);
        let said = capture::run(&mut log, b"").ok();
        let lines = said.stdout.lines().map(|l| serde_json::from_str(l).expect("JSON"));
        lines.collect()
    }
}

impl Drop for Broker<'_> {
    fn drop(&mut self) {
        drop(self.accept.stdin.take());
        let _ = self.accept.wait();
        let _ = self.users.command("rm").args(["-f", SOCKET]).status();
    }
}

impl Asker {
    /// The user runs this copy of `borrow`, and has an answer.
    pub fn new(user: User<'_>, borrow: &Path, way: &str) -> Self {
        Self::begin(user, borrow, way).answered()
    }

    /// Starts to ask, without waiting for an answer.
    pub fn begin(user: User<'_>, borrow: &Path, way: &str) -> Self {
        Self::begin_as(user, borrow, "eth0", way)
    }

    /// The same for a link that is to be called `guest` inside.
    pub fn begin_as(user: User<'_>, borrow: &Path, guest: &str, way: &str) -> Self {
        let mut command = user.command(borrow.to_str().expect("a UTF-8 path"));
        command.args([SOCKET, "br0", guest, way]);
        Self::of(&mut command, None)
    }

    /// The same of a command that asks, whose standard input may be something else.
    pub fn of(command: &mut Command, stdin: Option<Stdio>) -> Self {
        command.stdin(stdin.unwrap_or_else(Stdio::piped)).stdout(Stdio::piped());
        let mut child = command.spawn().expect("ask");
        let keep = child.stdin.take();
        Self {
            child,
            keep,
            answer: String::new(),
        }
    }

    /// Waits for the answer.
    #[must_use]
    pub fn answered(mut self) -> Self {
        let out = self.child.stdout.take().expect("piped");
        BufReader::new(out)
            .read_line(&mut self.answer)
            .expect("read the answer");
        self
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Some(mut keep) = self.keep.take() {
            let _ = keep.flush();
        }
        let _ = self.child.wait();
    }
}
