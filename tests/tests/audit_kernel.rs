//! The kernel's audit system is told, where it is enabled.

use std::os::unix::fs::MetadataExt;
use tests::deeds::{deeds, told};
use tests::{Host, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";

/// The kernel's audit system, switched on; it is put back when this goes.
struct Audited {
    socket: std::os::fd::OwnedFd,
    before: u32,
}

/// `struct nlmsghdr`, then a payload (netlink(7)).
fn netlink(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let flags = 5u16;
    [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &[0; 8],
        payload,
    ]
    .concat()
}

impl Audited {
    /// `None` where the kernel has no audit system, or does not let it be switched, or somebody else has it on.
    fn new() -> Option<Self> {
        use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};
        let audit = SockProtocol::NetlinkAudit;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, audit).ok()?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(2, 0)).ok()?;
        let mut audited = Self { socket, before: 2 };
        let state = audited.ask(1000, &[])?;
        audited.before = u32::from_ne_bytes(state.get(20..24)?.try_into().unwrap());
        // 2 is locked, and 1 is somebody else's.
        if audited.before != 0 {
            return None;
        }
        audited.enable(1);
        Some(audited)
    }

    fn send(&self, kind: u16, payload: &[u8]) {
        use std::os::fd::AsRawFd;
        let flags = nix::sys::socket::MsgFlags::empty();
        nix::sys::socket::send(self.socket.as_raw_fd(), &netlink(kind, payload), flags).unwrap();
    }

    /// The first answer of that type.
    fn ask(&self, kind: u16, payload: &[u8]) -> Option<Vec<u8>> {
        use std::os::fd::AsRawFd;
        self.send(kind, payload);
        for _ in 0..4 {
            let mut bytes = vec![0; 4096];
            let flags = nix::sys::socket::MsgFlags::empty();
            let length = nix::sys::socket::recv(self.socket.as_raw_fd(), &mut bytes, flags).ok()?;
            if bytes[4..6] == kind.to_ne_bytes() {
                return Some(bytes[..length].to_vec());
            }
        }
        None
    }

    fn enable(&self, enabled: u32) {
        // `struct audit_status` with `AUDIT_STATUS_ENABLED`.
        let status = [&1u32.to_ne_bytes()[..], &enabled.to_ne_bytes(), &[0; 40]].concat();
        self.send(1001, &status);
        let state = self.ask(1000, &[]).expect("the state of the audit system");
        assert_eq!(state[20..24], enabled.to_ne_bytes());
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if self.before == 0 {
            self.enable(0);
        }
    }
}

#[test]
fn the_kernels_audit_system_is_told_where_it_is_enabled() {
    use nix::sys::socket::{
        AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket, sockopt,
    };
    use std::os::fd::AsRawFd;
    need_root!();
    let host = Host::new();
    let listener = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkAudit,
    );
    let Ok(listener) = listener else {
        skip!("the kernel has no audit system");
    };
    // Group 1 is what the log's readers listen to (`AUDIT_NLGRP_READLOG`).
    if bind(listener.as_raw_fd(), &NetlinkAddr::new(0, 1)).is_err() {
        skip!("the records of the kernel's audit system cannot be read here");
    }
    setsockopt(&listener, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(1, 0)).unwrap();
    let Some(audited) = Audited::new() else {
        skip!("the kernel's audit system cannot be switched on here, or is on");
    };
    let name = host.name("a b");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let uuid = host.listed(&name)["uuid"].as_str().unwrap().to_owned();
    host.run(&["start", &name]).ok();
    let pid1 = host.pid_1(&name).unwrap();
    let namespace = std::fs::metadata(format!("/proc/{pid1}/ns/pid")).unwrap().ino();
    let supervisor = deeds(&host, &["--container", &name])[0]["supervisor"].clone();
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    drop(audited);
    let mut heard = Vec::new();
    let mut bytes = vec![0; 9000];
    while let Ok(length) = recv(listener.as_raw_fd(), &mut bytes, nix::sys::socket::MsgFlags::empty()) {
        let kind = u16::from_ne_bytes(bytes[4..6].try_into().unwrap());
        let text = String::from_utf8_lossy(&bytes[16..length]).into_owned();
        if text.contains(&hex_of(&name)) {
            heard.push((kind, text));
        }
    }
    // What the kernel has is what our own log has, message by message.
    let own: Vec<(u16, String)> = told(&host, &name)
        .iter()
        .map(|t| (number_of(&t.kind), format!("{} {}", t.text, t.rest)))
        .collect();
    let message = |(kind, text): &(u16, String)| {
        let (_, text) = text.split_once(" msg='").unwrap_or_else(|| panic!("{text}"));
        (*kind, text.trim_end_matches(['\0', '\'']).to_owned())
    };
    let heard: Vec<(u16, String)> = heard.iter().map(message).collect();
    assert_eq!(heard, own);
    // And that is what libvirt's driver would have said.
    let vm = format!("vm={} uuid={uuid}", hex_of(&name));
    let image = host.image();
    let expected = [
        (
            2501,
            format!(
                "virt=lxc resrc=fs reason=start {vm} old-fs=? new-fs=\"{}\"",
                image.display()
            ),
        ),
        (
            2501,
            format!("virt=lxc resrc=mem reason=start {vm} old-mem=0 new-mem=65536"),
        ),
        (
            2501,
            format!("virt=lxc resrc=vcpu reason=start {vm} old-vcpu=0 new-vcpu=1"),
        ),
        (
            2500,
            format!("virt=lxc op=start reason=booted {vm} vm-pid={supervisor}"),
        ),
        (
            2500,
            format!("virt=lxc op=init {vm} vm-pid={supervisor} init-pid={pid1} pid-ns={namespace}"),
        ),
        (2500, format!("virt=lxc op=stop reason=destroyed {vm} vm-pid=-1")),
    ];
    assert_eq!(heard.len(), expected.len(), "{heard:#?}");
    for ((kind, text), (expected_kind, expected)) in heard.iter().zip(&expected) {
        assert_eq!(kind, expected_kind, "{text}");
        let rest = text
            .strip_prefix(expected.as_str())
            .unwrap_or_else(|| panic!("{text} is not {expected}"));
        assert!(
            rest.starts_with(" exe=\"") && rest.contains("/launcher\" hostname=? addr=? terminal="),
            "{text}"
        );
        assert!(rest.ends_with(" res=success"), "{text}");
    }
    host.nothing_is_left();
}

/// The number of a type, as `linux/audit.h` has it.
fn number_of(kind: &str) -> u16 {
    match kind {
        "VIRT_CONTROL" => 2500,
        "VIRT_RESOURCE" => 2501,
        "VIRT_MACHINE_ID" => 2502,
        other => panic!("{other}"),
    }
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02X}")).collect()
}
