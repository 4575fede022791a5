//! A stage for the network writer: namespaces that play the host, containers and the world outside, and the real program with its real
//! power in the host's. Touches: namespaces of its own, which end with it.

use nix::sched::{CloneFlags, setns};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::socket::sockopt::Ipv6Ttl;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt, socket,
};
use nix::sys::wait::WaitStatus;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use sys::birth::start;
use sys::channel::{Channel, pair};
use sys::process::{Power, wait};
use wire::netd::{Address, Bandwidth, Bridge, Firewall, HostSide, Link, Publish, Reply, Request, Route, Through};
use wire::{ContainerName, Failure, LinkName, Program};

/// The uid that the network writer runs under.
pub const UID: u32 = 0x7ffe_0002;
/// How long something that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long something that must not come is waited for.
const ENOUGH: Duration = Duration::from_millis(300);

/// A network namespace, held open by a process that ends with it.
pub struct Namespace {
    child: Child,
    file: File,
}

impl Namespace {
    fn made(arguments: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        command
            .args(arguments)
            .args(["sh", "-c", "ip link set lo up && echo && exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let file = File::open(format!("/proc/{}/ns/net", child.id())).unwrap();
        Self { child, file }
    }

    /// One that plays the host, or what is outside of it.
    pub fn new() -> Self {
        let made = Self::made(&["--net"]);
        // A new namespace has what the machine has.
        made.within(|| {
            for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                std::fs::write(format!("/proc/sys/net/{switch}"), "0").unwrap();
            }
        });
        made
    }

    /// One that plays a container: a user namespace of its own owns it.
    pub fn container() -> Self {
        Self::made(&["--user", "--map-root-user", "--net"])
    }

    /// Does something inside.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET).unwrap();
                act()
            });
            thread.join().unwrap()
        })
    }

    /// What a command prints inside.
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let output = self.within(|| Command::new(words.next().unwrap()).args(words).output().unwrap());
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, as JSON.
    pub fn json(&self, line: &str) -> Value {
        let text = self.run(line);
        if text.trim().is_empty() {
            Value::Array(vec![])
        } else {
            serde_json::from_str(&text).unwrap()
        }
    }

    /// The process that holds it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives a link another long name; whether the kernel lets it have that.
    pub fn calls_also(&self, link: &str) -> bool {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let name = format!("{:0127}", NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let add = ["link", "property", "add", "dev", link, "altname", &name];
        let output = self.within(|| Command::new("ip").args(add).output().unwrap());
        output.status.success()
    }

    /// The names of all links.
    pub fn links(&self) -> Vec<String> {
        let links = self.json("ip -j link show");
        links
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["ifname"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The names of all firewall tables, with their family.
    pub fn tables(&self) -> Vec<String> {
        let list = self.json("nft -j list tables");
        let tables = list["nftables"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|o| o.get("table"));
        tables
            .map(|t| format!("{} {}", t["family"].as_str().unwrap(), t["name"].as_str().unwrap()))
            .collect()
    }

    /// An rtnetlink socket that was opened inside.
    pub fn rtnetlink(&self) -> OwnedFd {
        self.within(|| {
            let flags = SockFlag::SOCK_CLOEXEC;
            socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute).unwrap()
        })
    }

    /// Whether packets between ports of a bridge pass the IP hooks too, as where Docker runs; nothing where the kernel has no such switch.
    pub fn bridge_netfilter(&self, on: bool) {
        self.within(|| {
            for name in ["iptables", "ip6tables"] {
                let path = format!("/proc/sys/net/bridge/bridge-nf-call-{name}");
                if std::path::Path::new(&path).exists() {
                    std::fs::write(path, if on { "1" } else { "0" }).unwrap();
                }
            }
        });
    }

    /// Listens inside, on every address of both families.
    pub fn listen(&self, port: u16) -> TcpListener {
        self.within(|| TcpListener::bind(("::", port)).unwrap())
    }

    /// A datagram socket inside.
    pub fn datagrams(&self, at: &str) -> UdpSocket {
        let socket = self.within(|| UdpSocket::bind(at).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Says over a link that this is a router (RFC 4861, 4.2).
    pub fn advertise(&self, link: &str, to: &str) {
        self.within(|| {
            let raw = socket(
                AddressFamily::Inet6,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::IcmpV6,
            )
            .unwrap();
            setsockopt(&raw, Ipv6Ttl, &255).unwrap();
            let scope = nix::net::if_::if_nametoindex(link).unwrap();
            let to: SockaddrIn6 = SocketAddrV6::new(to.parse().unwrap(), 0, 0, scope).into();
            let advertisement = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
            sendto(raw.as_raw_fd(), &advertisement, &to, MsgFlags::empty()).unwrap();
        });
    }

    /// Connects from inside to a listener; returns the address that the listener sees.
    pub fn reaches(&self, to: &str, listener: &TcpListener) -> IpAddr {
        let to: SocketAddr = to.parse().unwrap();
        let stream = self.within(|| TcpStream::connect_timeout(&to, PATIENCE));
        let mut stream = stream.unwrap_or_else(|e| panic!("{to}: {e}"));
        let (mut served, peer) = listener.accept().unwrap();
        // Bytes in both directions: answers find their way back.
        served.write_all(b"answer").unwrap();
        drop(served);
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert_eq!(said, "answer");
        match peer.ip() {
            IpAddr::V6(a) => a.to_ipv4_mapped().map_or(a.into(), IpAddr::V4),
            v4 => v4,
        }
    }

    /// Whether nothing answers from inside.
    pub fn is_cut_off_from(&self, to: &str) -> bool {
        let to: SocketAddr = to.parse().unwrap();
        self.within(|| TcpStream::connect_timeout(&to, ENOUGH)).is_err()
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The network writer, as the launcher starts it.
pub struct Netd {
    channel: Option<Channel<Request, Reply>>,
    /// Its process.
    pub pid: nix::unistd::Pid,
}

impl Netd {
    /// Starts it in the namespace that plays the host.
    pub fn start(host: &Namespace) -> Self {
        let (channel, theirs) = pair::<Request, Reply>().unwrap();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let program = File::open(env!("CARGO_BIN_EXE_netd")).unwrap();
        let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
        let capabilities = policies::power(Program::Netd, true).to_vec();
        let power = Power {
            id: UID,
            groups: Vec::new(),
            capabilities,
            no_new_privileges: true,
        };
        let arguments = [c"netd", c"--socket", c"3"];
        let pid = host.within(|| start(program.as_fd(), &arguments, &table, &power, None).unwrap());
        Self {
            channel: Some(channel),
            pid,
        }
    }

    /// Sends a request and returns the answer.
    pub fn ask(&self, request: Request, descriptors: &[BorrowedFd<'_>]) -> (Reply, Vec<OwnedFd>) {
        let channel = self.channel.as_ref().unwrap();
        channel.send(&request, descriptors).unwrap();
        channel.receive().unwrap()
    }

    /// Sends a request, holds netd still when `there` has come about, between two of its system calls, and then returns the answer.
    pub fn ask_and_meanwhile(
        &self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
        there: impl Fn() -> bool,
        meanwhile: impl FnOnce(),
    ) -> (Reply, Vec<OwnedFd>) {
        let channel = self.channel.as_ref().unwrap();
        ptrace::seize(self.pid, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(self.pid).unwrap();
        assert!(matches!(wait(self.pid), Ok(WaitStatus::PtraceEvent(..))));
        channel.send(&request, descriptors).unwrap();
        while !there() {
            let mut look = [rustix::event::PollFd::new(channel, rustix::event::PollFlags::IN)];
            let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            assert_eq!(rustix::event::poll(&mut look, Some(&now)), Ok(0), "it has answered");
            ptrace::syscall(self.pid, None).unwrap();
            assert_eq!(wait(self.pid), Ok(WaitStatus::Stopped(self.pid, Signal::SIGTRAP)));
        }
        meanwhile();
        ptrace::detach(self.pid, None).unwrap();
        channel.receive().unwrap()
    }

    /// Asks for links into a container.
    pub fn connect(&self, container: &Namespace, links: Vec<Link>) -> Reply {
        self.ask(
            Request::Connect(links),
            &[container.as_fd(), container.rtnetlink().as_fd()],
        )
        .0
    }

    /// Asks for links that must not be made.
    pub fn refuses(&self, container: &Namespace, links: Vec<Link>) -> Failure {
        match self.connect(container, links) {
            Reply::Refused(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for a table; returns the socket that it stands by.
    pub fn protect(&self, firewall: Firewall) -> Result<OwnedFd, Failure> {
        match self.ask(Request::Protect(firewall), &[]) {
            (Reply::Protected, mut socket) => Ok(socket.pop().unwrap()),
            (Reply::Refused(failure), _) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    /// Turns the host's forwarding on.
    pub fn forward(&self, host: &Namespace) -> Reply {
        let files = host.within(|| {
            ["ipv4/ip_forward", "ipv6/conf/all/forwarding"].map(|name| {
                File::options()
                    .read(true)
                    .write(true)
                    .open(format!("/proc/sys/net/{name}"))
                    .unwrap()
            })
        });
        self.ask(Request::Forward, &[files[0].as_fd(), files[1].as_fd()]).0
    }

    /// A value of its status file.
    pub fn status(&self, key: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))
            .unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Netd {
    fn drop(&mut self) {
        self.channel.take();
        let status = wait(self.pid).unwrap();
        if !std::thread::panicking() {
            assert_eq!(status, WaitStatus::Exited(self.pid, 0), "netd ends with its channel");
        }
    }
}

/// A link's name.
pub fn name(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

/// An address with a prefix length.
pub fn on(text: &str) -> Address {
    let (address, prefix) = text.split_once('/').unwrap();
    Address {
        address: address.parse().unwrap(),
        prefix: prefix.parse().unwrap(),
        peer: None,
    }
}

/// A route.
pub fn to(destination: &str, gateway: &str) -> Route {
    let Address { address, prefix, .. } = on(destination);
    Route {
        destination: address,
        prefix,
        gateway: gateway.parse().unwrap(),
        metric: None,
    }
}

/// The hardware address of container `n`.
pub fn mac(n: u8) -> [u8; 6] {
    [0x02, 0x10, 0x20, 0x30, 0x40, n]
}

/// The link of container `n` to the default network.
pub fn link(n: u8) -> Link {
    Link {
        host: name(&format!("lzv{n}")),
        guest: name("eth0"),
        mac: mac(n),
        side: HostSide::Network(Bridge {
            name: name("lzr0"),
            addresses: vec![on("10.209.0.1/16"), on("fd6c:7a72::1/64")],
            mac: None,
            stp: false,
            delay: 0,
        }),
        addresses: vec![on(&format!("10.209.0.{n}/16")), on(&format!("fd6c:7a72::{n}/64"))],
        routes: vec![to("0.0.0.0/0", "10.209.0.1"), to("::/0", "fd6c:7a72::1")],
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: vec![],
        outside: vec![],
    }
}

/// The rules of container `n`.
pub fn wall(n: u8, publish: Vec<Publish>) -> Firewall {
    Firewall {
        name: ContainerName::new(&format!("c {n}")).unwrap(),
        bridge: name("lzr0"),
        link: name(&format!("lzv{n}")),
        v4: Some(format!("10.209.0.{n}").parse().unwrap()),
        v6: Some(format!("fd6c:7a72::{n}").parse().unwrap()),
        publish,
        through: Through::Translated,
    }
}

/// A host that forwards, with a world outside: 192.0.2.1 and fd00:2::1 on the host, 192.0.2.2 and fd00:2::2 there.
pub fn host_and_outside() -> (Namespace, Namespace) {
    let (host, outside) = (Namespace::new(), Namespace::new());
    let pid = outside.child.id();
    host.run(&format!("ip link add uplink type veth peer name uplink netns {pid}"));
    for (side, n) in [(&host, 1), (&outside, 2)] {
        side.run("ip link set uplink up");
        side.run(&format!("ip addr add 192.0.2.{n}/24 dev uplink"));
        side.run(&format!("ip addr add fd00:2::{n}/64 dev uplink nodad"));
    }
    (host, outside)
}

/// Whether the test can run; says so where not.
pub fn is_possible() -> bool {
    let possible = nix::unistd::geteuid().is_root();
    if !possible {
        eprintln!("SKIPPED: needs root");
    }
    possible
}

/// The next datagram: its length, and who sent it. A signal ends the wait of a socket that has a limit of time (signal(7)), whatever its handler says.
pub fn received(socket: &UdpSocket, buffer: &mut [u8]) -> (usize, SocketAddr) {
    loop {
        match socket.recv_from(buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            received => return received.unwrap(),
        }
    }
}

/// A container with one link, the `n`th.
pub fn connected(netd: &Netd, n: u8) -> Namespace {
    let container = Namespace::container();
    assert_eq!(netd.connect(&container, vec![link(n)]), Reply::Connected);
    container
}

/// A port of the host's that leads to a container's.
pub fn publish(address: Option<&str>, host: u16, container: u16, udp: bool) -> Publish {
    Publish {
        address: address.map(|a| a.parse().unwrap()),
        host,
        container,
        udp,
    }
}
