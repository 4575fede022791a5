//! What a test's ordinary users reach by network: a namespace beyond their host, an address of the host's own, and its loopback, each with a server of one
//! line; and who asks them. The host is the users' ([`crate::ordinary`]); all of it goes with that.

use crate::capture;
use crate::ordinary::Users;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The device that links are made by, which service managers let everybody open, and a machine without one has closed or not at all.
pub fn tun(users: &Users, mode: &str) {
    let script = "mkdir -p /dev/net && mount -t tmpfs -o mode=755 tmpfs /dev/net && mknod /dev/net/tun c 10 200 && chmod \"$1\" /dev/net/tun";
    capture::run(users.command("sh").args(["-c", script, "sh", mode]), b"").ok();
}

/// A namespace beyond the host, at 198.51.100.1, to which the host's default route leads. One server of one line is there, at port 8001; one on the
/// host's loopback, at 8002; one at 203.0.113.9, an address of the host's on a link of its own, at 8003.
pub struct World<'a> {
    users: &'a Users,
    beyond: Child,
    servers: Vec<Child>,
}

impl<'a> World<'a> {
    /// Lays it out; the servers answer.
    pub fn new(users: &'a Users) -> Self {
        tun(users, "666");
        let mut beyond = users.command("unshare");
        beyond.args(["--net", "sh", "-c", "echo ready; read end"]);
        let mut beyond = beyond
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the world beyond the host");
        let mut line = String::new();
        let out = beyond.stdout.take().expect("the world beyond the host");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("the world beyond the host");
        assert_eq!(line, "ready\n");
        let pid = beyond.id();
        let script = format!(
            "ip link add out type veth peer name in && ip link set in netns {pid} && ip address add 198.51.100.2/24 dev out && ip link set out up && \
             ip link add own type bridge && ip address add 203.0.113.9/24 dev own && ip link set own up && \
             nsenter --target {pid} --net sh -c 'ip link set lo up && ip link set in up && ip address add 198.51.100.1/24 dev in' && \
             ip route add default via 198.51.100.1"
        );
        capture::run(users.command("sh").args(["-c", &script]), b"").ok();
        let served = users.directory().join("served");
        fs::create_dir(&served).expect("the world beyond the host");
        fs::write(served.join("asked"), "answered\n").expect("the world beyond the host");
        let mut world = Self {
            users,
            beyond,
            servers: Vec::new(),
        };
        let serve = |mut command: Command, at: &str| {
            let busybox = users.image().join("bin/busybox");
            command.arg(busybox).args(["httpd", "-f", "-p", at, "-h"]).arg(&served);
            command
                .stdout(Stdio::null())
                .spawn()
                .expect("the world beyond the host")
        };
        world.servers.push(serve(world.outside(), "198.51.100.1:8001"));
        for at in ["127.0.0.1:8002", "203.0.113.9:8003"] {
            world.servers.push(serve(users.command("env"), at));
        }
        for at in ["198.51.100.1:8001", "127.0.0.1:8002", "203.0.113.9:8003"] {
            let asked = || world.asks(users.command("env"), at) == "answered\n";
            assert!(capture::until(capture::DEADLINE, asked), "nobody answers at {at}");
        }
        world
    }

    /// A command that executes what follows beyond the host.
    pub fn outside(&self) -> Command {
        let mut command = self.users.command("nsenter");
        command.args([&format!("--target={}", self.beyond.id()), "--net"]);
        command
    }

    /// What is answered, at this address and port, to whom this command executes.
    pub fn asks(&self, mut from: Command, at: &str) -> String {
        let (address, port) = split(at);
        let script = format!("printf '{REQUEST}' | busybox nc -w 50 {address} {port} | tail -n 1");
        capture::run(from.args(["sh", "-c", &script]), b"").stdout
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        drop(self.beyond.stdin.take());
        let _ = self.beyond.wait();
    }
}

const REQUEST: &str = "GET /asked HTTP/1.0\\r\\n\\r\\n";

fn split(at: &str) -> (&str, &str) {
    at.split_once(':').expect("the world beyond the host")
}

/// The words for a shell inside that ask for one line, and print it if somebody answers. Who asks leaves it to the other to end: a pasta of 2023 says
/// again and again what comes after an end of what is sent.
pub fn ask(at: &str) -> String {
    ask_for(at, 50)
}

/// The same, which gives up after so many seconds: a pasta of 2023 does not tell who is refused.
pub fn ask_for(at: &str, seconds: u32) -> String {
    let (address, port) = split(at);
    format!(
        "rm -f /tmp/kept; mkfifo /tmp/kept && exec 3<>/tmp/kept && printf '{REQUEST}' >&3 && busybox nc -w {seconds} {address} {port} <&3 | tail -n 1"
    )
}
