//! What the kernel's audit system is told of a start or a stop, in the words of libvirt's LXC driver, so that what reads those reads these
//! (ausearch(8), `AUDIT_VIRT_CONTROL` and `AUDIT_VIRT_RESOURCE` of `linux/audit.h`). Pure.

use crate::judge::Start;
use std::fmt::Write as _;
use wire::launcher::Opened;
use wire::netd::Link;
use wire::{ContainerName, Node, NodeKind};

/// `AUDIT_VIRT_CONTROL`.
const CONTROL: u16 = 2500;
/// `AUDIT_VIRT_RESOURCE`.
const RESOURCE: u16 = 2501;
/// `AUDIT_VIRT_MACHINE_ID`.
const MACHINE_ID: u16 = 2502;

/// One message: its type and its text, up to what is the same in all.
pub type Message = (u16, String);

/// What of a container runs.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// The process that keeps it.
    pub keeper: u32,
    /// Its first process.
    pub first: u32,
    /// The inode number of its pid namespace.
    pub namespace: u64,
}

/// A start: its label, what it was given, whether it runs, and as what. Consoles are not among it, since that record is of a path, and a terminal
/// of a container's has none on the host.
pub fn started(start: &Start, running: Option<Running>) -> Vec<Message> {
    let who = who(&start.name, start.uuid());
    let resource = |kind: &str, old: &str, new: &str| {
        let text = format!("virt=lxc resrc={kind} reason=start {who} old-{kind}={old} new-{kind}={new}");
        (RESOURCE, text)
    };
    let mut messages = Vec::new();
    let command = &start.container.command;
    let profile = command.apparmor.as_ref().map(|p| ("apparmor", p.as_str()));
    let context = command.selinux.as_ref().map(|c| ("selinux", c.as_str()));
    for (model, label) in profile.into_iter().chain(context) {
        let label = context_of(label);
        let text = format!("virt=lxc {who} vm-ctx={label} img-ctx=? model={model}");
        messages.push((MACHINE_ID, text));
    }
    let nodes = &start.container.nodes;
    // Timers are told of by nobody.
    let told = || nodes.iter().filter(|n| n.kind != NodeKind::Timer);
    let of = |disks: bool| told().filter(move |n| (n.kind == NodeKind::Disk) == disks);
    messages.extend(of(true).map(|n| device(n, "start", &who)));
    for mount in &start.mounts {
        match &mount.from {
            Opened::HostRoot => messages.push(resource("fs", "?", "\"/\"")),
            Opened::Path { path, .. } | Opened::FileSystem { path, .. } => {
                messages.push(resource("fs", "?", &value(path.as_str())))
            }
            Opened::Nothing | Opened::Device | Opened::HostSys => {}
        }
    }
    for link in &start.links {
        messages.push(resource("net", "?", &hardware(link)));
    }
    messages.extend(of(false).map(|n| device(n, "start", &who)));
    if let Some(bytes) = start.limits.memory {
        messages.push(resource("mem", "0", &(bytes >> 10).to_string()));
    }
    if let Some(processors) = start.processors {
        messages.push(resource("vcpu", "0", &processors.to_string()));
    }
    let pid = running.map_or_else(|| "-1".to_owned(), |r| r.keeper.to_string());
    messages.push((CONTROL, format!("virt=lxc op=start reason=booted {who} vm-pid={pid}")));
    if let Some(Running {
        keeper,
        first,
        namespace,
    }) = running
    {
        let text = format!("virt=lxc op=init {who} vm-pid={keeper} init-pid={first} pid-ns={namespace}");
        messages.push((CONTROL, text));
    }
    messages
}

/// A device node, that a container is given or that is taken from it.
fn device(node: &Node, reason: &str, who: &str) -> Message {
    let path = value(node.from.as_str());
    let disk = |old: &str, new: &str| format!("resrc=disk reason={reason} {who} old-disk={old} new-disk={new}");
    let what = match node.kind {
        NodeKind::Disk if reason == "detach" => disk(&path, "?"),
        NodeKind::Disk => disk("?", &path),
        NodeKind::Storage => format!("resrc=hostdev reason={reason} {who} disk={path}"),
        NodeKind::Misc | NodeKind::Timer => format!("resrc=hostdev reason={reason} {who} chardev={path}"),
        NodeKind::Usb => {
            let mut parts = node.from.as_str().rsplit('/');
            let (device, bus) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let address = value(&format!("{bus}.{device}"));
            format!("resrc=dev reason={reason} {who} bus=usb device={address}")
        }
    };
    (RESOURCE, format!("virt=lxc {what}"))
}

/// A device node that comes to a container that runs (`attach`), or goes from it (`detach`).
pub fn changed(name: &ContainerName, uuid: &str, node: &Node, reason: &str) -> Message {
    device(node, reason, &who(name, Some(uuid)))
}

/// The hardware address of a link.
fn hardware(link: &Link) -> String {
    let mac: Vec<String> = link.mac.iter().map(|b| format!("{b:02x}")).collect();
    value(&mac.join(":"))
}

/// A link that comes to a container that runs (`attach`), or goes from it (`detach`).
pub fn link_changed(name: &ContainerName, uuid: &str, link: &Link, reason: &str) -> Message {
    let (who, mac) = (who(name, Some(uuid)), hardware(link));
    let (old, new) = if reason == "detach" {
        (mac.as_str(), "?")
    } else {
        ("?", mac.as_str())
    };
    let text = format!("virt=lxc resrc=net reason={reason} {who} old-net={old} new-net={new}");
    (RESOURCE, text)
}

/// A stop.
pub fn stopped(name: &ContainerName, uuid: Option<&str>, destroyed: bool) -> Message {
    let reason = if destroyed { "destroyed" } else { "shutdown" };
    let who = who(name, uuid);
    (CONTROL, format!("virt=lxc op=stop reason={reason} {who} vm-pid=-1"))
}

fn who(name: &ContainerName, uuid: Option<&str>) -> String {
    let plain = |u: &&str| u.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') && !u.is_empty();
    format!("vm={} uuid={}", value(name.as_str()), uuid.filter(plain).unwrap_or("?"))
}

/// The whole text of a message, with what a user-space program adds to it (`audit_log_user_message(3)`).
pub fn whole((kind, text): &Message, executable: &str, terminal: Option<&str>, success: bool) -> String {
    // What a container was given was given, whatever came of the start.
    let result = if success || *kind == RESOURCE {
        "success"
    } else {
        "failed"
    };
    let executable = value(executable);
    let terminal = terminal.unwrap_or("?");
    format!("{text} exe={executable} hostname=? addr=? terminal={terminal} res={result}")
}

/// A label, as it stands, or in hexadecimal digits where it could be taken for more.
fn context_of(label: &str) -> String {
    let value = value(label);
    let plain = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    plain.map_or_else(|| value.clone(), str::to_owned)
}

/// A value between quotation marks, or in hexadecimal digits where it has a character that could be taken for something else.
fn value(text: &str) -> String {
    let plain = text.bytes().all(|b| b > 0x20 && b < 0x7f && b != b'"');
    if plain {
        return format!("\"{text}\"");
    }
    text.bytes().fold(String::new(), |mut hex, b| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{b:02X}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pretend_to_be_more_than_a_name() {
        assert_eq!(value("vm1"), "\"vm1\"");
        assert_eq!(value("a b"), "612062");
        assert_eq!(value("x\" res=success"), "7822207265733D73756363657373");
        assert_eq!(value("h\u{e4}fen"), "68C3A466656E");
        let name = ContainerName::new("my vm").unwrap();
        assert_eq!(
            stopped(&name, None, true),
            (
                2500,
                "virt=lxc op=stop reason=destroyed vm=6D7920766D uuid=? vm-pid=-1".to_owned()
            )
        );
        assert_eq!(who(&name, Some("x res=success")), "vm=6D7920766D uuid=?");
    }

    #[test]
    fn a_start_is_told_in_libvirts_order_and_text() {
        let mut plan = crate::judge::tests::plan();
        plan.processors = Some(3);
        if let Some(container) = plan.container_mut() {
            let command = &mut container.command;
            command.environment = vec![wire::Text::cut("container_uuid=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")];
            command.apparmor = Some(wire::ProfileName::new("lazaret-container").unwrap());
        }
        for step in &mut plan.steps {
            if let wire::launcher::Step::Groups(limits) = step {
                limits.memory = Some(64 << 20);
            }
        }
        let judged = crate::judge::tests::judged(plan);
        let running = Running {
            keeper: 700,
            first: 701,
            namespace: 4_026_532_000,
        };
        let vm = "vm=\"a\" uuid=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let said = |text: &str| format!("virt=lxc {text}").replace("VM", vm);
        let mut expected = vec![
            (2502, said("VM vm-ctx=lazaret-container img-ctx=? model=apparmor")),
            (2501, said("resrc=fs reason=start VM old-fs=? new-fs=\"/srv/a\"")),
            (2501, said("resrc=fs reason=start VM old-fs=? new-fs=\"/srv/b\"")),
            (2501, said("resrc=mem reason=start VM old-mem=0 new-mem=65536")),
            (2501, said("resrc=vcpu reason=start VM old-vcpu=0 new-vcpu=3")),
            (2500, said("op=start reason=booted VM vm-pid=700")),
            (2500, said("op=init VM vm-pid=700 init-pid=701 pid-ns=4026532000")),
        ];
        assert_eq!(started(judged.get(), Some(running)), expected);
        // What failed never had a first process.
        expected.truncate(5);
        expected.push((2500, said("op=start reason=booted VM vm-pid=-1")));
        assert_eq!(started(judged.get(), None), expected);
        let name = ContainerName::new("a").unwrap();
        let stop = stopped(&name, Some("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"), false);
        assert_eq!(stop, (2500, said("op=stop reason=shutdown VM vm-pid=-1")));
        assert_eq!(context_of("a (enforce)"), "612028656E666F72636529");
    }

    #[test]
    fn a_device_is_told_in_libvirts_words() {
        let node = |kind, from: &str| Node {
            kind,
            from: wire::init::Path::new(from).unwrap(),
            name: wire::NodeName::new("x").unwrap(),
            writable: true,
        };
        for (kind, from, reason, said) in [
            (
                NodeKind::Disk,
                "/dev/a",
                "start",
                "resrc=disk reason=start W old-disk=? new-disk=\"/dev/a\"",
            ),
            (
                NodeKind::Disk,
                "/dev/a",
                "detach",
                "resrc=disk reason=detach W old-disk=\"/dev/a\" new-disk=?",
            ),
            (
                NodeKind::Storage,
                "/dev/a b",
                "attach",
                "resrc=hostdev reason=attach W disk=2F6465762F612062",
            ),
            (
                NodeKind::Misc,
                "/dev/c",
                "detach",
                "resrc=hostdev reason=detach W chardev=\"/dev/c\"",
            ),
            (
                NodeKind::Usb,
                "/dev/bus/usb/001/012",
                "start",
                "resrc=dev reason=start W bus=usb device=\"001.012\"",
            ),
        ] {
            assert_eq!(
                device(&node(kind, from), reason, "W"),
                (RESOURCE, format!("virt=lxc {said}"))
            );
        }
    }

    #[test]
    fn a_message_ends_as_every_programs_does() {
        assert_eq!(
            whole(&(CONTROL, "virt=lxc".to_owned()), "/x", Some("pts/1"), false),
            "virt=lxc exe=\"/x\" hostname=? addr=? terminal=pts/1 res=failed"
        );
        assert!(whole(&(RESOURCE, "virt=lxc".to_owned()), "/x", None, false).ends_with("terminal=? res=success"));
    }
}
