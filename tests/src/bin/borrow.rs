//! An ordinary user's program that asks the broker of links for one on a bridge, in a network namespace of its own, as a launcher does; or in a way
//! that must not work. Prints what was answered, and keeps the namespace until its standard input ends.
//!
//! usage: borrow SOCKET BRIDGE GUEST own|host|opened-there|no-netlink|file|given|one|long|garbage|silent (given: the namespace is standard input; opened-there:
//! the rtnetlink socket was opened in the host's)

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, UnixAddr, connect, socket};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, receive_packet, send_packet};
use sys::namespace::{Kind, unshare};
use wire::LinkName;
use wire::broker::{Reply, Request};
use wire::netd::{Address, Bandwidth, HostSide, Link};

fn link(bridge: &str, guest: &str) -> Link {
    Link {
        host: LinkName::new("eth0").expect("a name"),
        guest: LinkName::new(guest).expect("a name"),
        mac: [2, 0, 0, 0, 0, 9],
        side: HostSide::Bridge(LinkName::new(bridge).expect("a name")),
        addresses: vec![Address {
            address: [198, 51, 100, 9].into(),
            prefix: 24,
            peer: None,
        }],
        routes: Vec::new(),
        up: true,
        mtu: None,
        isolated: false,
        bandwidth: Bandwidth::default(),
        vlans: Vec::new(),
        outside: Vec::new(),
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, bridge, guest, way] = words.as_slice() else {
        panic!("borrow SOCKET BRIDGE GUEST WAY");
    };
    let link = link(bridge, guest);
    let open = |path: &str| OwnedFd::from(File::open(path).expect("open a file"));
    let hosts = open("/proc/self/ns/net");
    // Who connects is noted by the kernel before the namespace is left.
    let dial = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    connect(dial.as_raw_fd(), &UnixAddr::new(path.as_str()).expect("a path")).expect("connect");
    let rtnetlink = || {
        let route = SockProtocol::NetlinkRoute;
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, route).expect("rtnetlink")
    };
    let there = rtnetlink();
    unshare(&[Kind::User, Kind::Net]).expect("namespaces of one's own");
    let inside = rtnetlink();
    let own = open("/proc/self/ns/net");
    let stdin = std::io::stdin();
    let namespace: BorrowedFd<'_> = match way.as_str() {
        "host" => hosts.as_fd(),
        "given" => stdin.as_fd(),
        _ => own.as_fd(),
    };
    let null = open("/dev/null");
    match way.as_str() {
        "own" | "host" | "given" => ask(dial, link, &[namespace, inside.as_fd()]),
        "opened-there" => ask(dial, link, &[namespace, there.as_fd()]),
        "no-netlink" => ask(dial, link, &[namespace, null.as_fd()]),
        "file" => ask(dial, link, &[null.as_fd(), null.as_fd()]),
        "one" => raw(
            dial,
            &wire::frame::encode(&Request::Connect(link)).expect("a frame"),
            &[own.as_fd()],
        ),
        "long" => raw(dial, &[b'L'; 100_000], &[]),
        "garbage" => raw(dial, b"nonsense that is long enough", &[]),
        // It waits until its standard input ends.
        "silent" => println!("connected"),
        other => panic!("{other}"),
    }
    if way != "given" {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
}

fn ask(dial: OwnedFd, link: Link, descriptors: &[BorrowedFd<'_>]) {
    let channel: Channel<Request, Reply> = Channel::new(dial);
    let sent = channel.send(&Request::Connect(link), descriptors);
    match channel.receive() {
        Ok((Reply::Connected(name), _)) => println!("connected {name}"),
        Ok((Reply::Refused(why), _)) => println!("refused {}", why.what),
        Err(e) => println!("{e} {sent:?}"),
    }
}

fn raw(dial: OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let sent = send_packet(dial.as_fd(), bytes, descriptors);
    let mut answer = vec![0; 4096];
    match receive_packet(dial.as_fd(), &mut answer) {
        Ok((length, _)) => match wire::frame::decode::<Reply>(&answer[..length], 0) {
            Ok(Reply::Refused(why)) => println!("refused {}", why.what),
            other => println!("{other:?}"),
        },
        Err(e) => println!("{e} {sent:?}"),
    }
}
