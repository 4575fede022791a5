//! A machine on the other side of the host's network: a second network namespace, joined to the host's by a veth pair.
//! Servers that containers are to reach run there.

use crate::Host;
use crate::capture::{self, Outcome};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The host's address on the link between the two, which the outside sees.
pub const HOST_V4: &str = "192.0.2.1";
/// The outside's address.
pub const OUTSIDE_V4: &str = "192.0.2.2";
/// The host's address on the link between the two.
pub const HOST_V6: &str = "2001:db8::1";
/// The outside's address.
pub const OUTSIDE_V6: &str = "2001:db8::2";

/// A machine outside of the host.
pub struct Outside {
    holder: Child,
    servers: Vec<Child>,
}

impl Outside {
    /// Makes one and joins it to the host. It has no route to containers: only what leaves with the host's address is answered.
    pub fn new(host: &Host) -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "ip link set lo up && echo ready && read end"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("read from the holder");
        assert_eq!(line, "ready\n");
        let outside = Self {
            holder,
            servers: Vec::new(),
        };
        let pid = outside.holder.id().to_string();
        host.inside(
            "ip",
            &[
                "link", "add", "uplink", "type", "veth", "peer", "name", "outer", "netns", &pid,
            ],
        )
        .ok();
        for (family, address) in [("-4", format!("{HOST_V4}/24")), ("-6", format!("{HOST_V6}/64"))] {
            let nodad: &[&str] = if family == "-6" { &["nodad"] } else { &[] };
            host.inside(
                "ip",
                &[&[family, "address", "add", &address, "dev", "uplink"], nodad].concat(),
            )
            .ok();
        }
        host.inside("ip", &["link", "set", "uplink", "up"]).ok();
        outside
            .run("ip", &["address", "add", &format!("{OUTSIDE_V4}/24"), "dev", "outer"])
            .ok();
        outside
            .run(
                "ip",
                &[
                    "-6",
                    "address",
                    "add",
                    &format!("{OUTSIDE_V6}/64"),
                    "dev",
                    "outer",
                    "nodad",
                ],
            )
            .ok();
        outside.run("ip", &["link", "set", "outer", "up"]).ok();
        outside
    }

    /// A command that runs there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.holder.id()))
            .args(["--net", "--", program]);
        command
    }

    /// Runs a program there.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        capture::run(self.command(program).args(arguments), b"")
    }

    /// Starts a server there, which ends with this value. Returns once `listening`, a line of `ss -lntu`, is to be seen.
    #[track_caller]
    pub fn serve(&mut self, program: &str, arguments: &[&str], listening: &str) {
        let server = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.servers.push(server.expect("start a server"));
        let up = capture::until(capture::DEADLINE, || {
            self.run("ss", &["-lntuH"]).stdout.contains(listening)
        });
        assert!(up, "{program} does not listen at {listening}");
    }

    /// Starts a server of TCP connections on a port, which answers each with the address of its peer.
    #[track_caller]
    pub fn serve_peer_address(&mut self, port: u16) {
        let program = "import socket,sys\ns=socket.create_server(('::',int(sys.argv[1])),family=socket.AF_INET6,dualstack_ipv6=True)\nwhile True:\n c,a=s.accept()\n c.sendall((a[0]+'\\n').encode())\n c.close()\n";
        self.serve("python3", &["-c", program, &port.to_string()], &format!(":{port}"));
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
