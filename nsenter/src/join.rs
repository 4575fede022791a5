//! Becoming a part of the container: groups, then the user namespace, whose owner the keeper is and which therefore gives every power over the
//! others, then these. May touch: the calling process.

use crate::judge::Entry;
use nix::unistd::{Gid, Uid};
use payload::{Step, label};
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;
use sys::namespace::{self, Kind};
use wire::failure::Failure;

/// Joins everything. From here on `/` is the container's, and children are in its pid namespace; this process is not.
pub fn join(entry: &Entry) -> Result<(), Failure> {
    sys::process::set_dumpable(false).to("close the process to others")?;
    for group in &entry.groups {
        nix::unistd::write(group, b"0").to("join the container's control groups")?;
    }
    // The host's: inside, somebody may have laid something over it, and this process has no number there.
    let proc = rustix::fs::open(
        "/proc",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .to("open the host's /proc")?;
    label::upon_exec(&proc, &entry.command)?;
    let shared = shared(entry, &proc)?;
    drop(proc);
    let [user, mount, pid, net, ipc, uts, cgroup] = &entry.namespaces;
    let order = [
        (user, Kind::User),
        (cgroup, Kind::Cgroup),
        (uts, Kind::Uts),
        (ipc, Kind::Ipc),
        (net, Kind::Net),
        (pid, Kind::Pid),
        (mount, Kind::Mount),
    ];
    for (descriptor, kind) in order {
        if !shared.contains(&kind) {
            namespace::join(descriptor.as_fd(), kind).to(&format!("join the container's {} namespace", kind.name()))?;
        }
    }
    let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
    nix::unistd::setgroups(&[]).to("leave all groups")?;
    nix::unistd::setresgid(gid, gid, gid).to("become group 0 of the container")?;
    nix::unistd::setresuid(uid, uid, uid).to("become user 0 of the container")?;
    // The change of uid has set it to what fs.suid_dumpable says.
    sys::process::set_dumpable(false).to("close the process to others")
}

/// What of network, ipc and uts this process was born in: the container shares that with somebody, and by the container's user namespace
/// nobody may join it.
fn shared(entry: &Entry, proc: impl AsFd) -> Result<Vec<Kind>, Failure> {
    let [_, _, _, net, ipc, uts, _] = &entry.namespaces;
    let mut shared = Vec::new();
    for (namespace, kind) in [(net, Kind::Net), (ipc, Kind::Ipc), (uts, Kind::Uts)] {
        let own = namespace::own(&proc, kind).and_then(|own| namespace::same(&own, namespace));
        if own.to(&format!("look at the {} namespace", kind.name()))? {
            shared.push(kind);
        }
    }
    Ok(shared)
}
