//! A libvirt domain as a configuration of LXC's: what `domxml-to-native lxc-tools` prints. Pure.
//!
//! Limits are said for both versions of control groups, of which LXC takes those of the host's.

use super::Converted;
use crate::domain::capability::Policy;
use crate::domain::error::shown;
use crate::domain::interface::{Address, Attached, Interface, Mode, Native, Vlan};
use crate::domain::{Capability, Domain, Source};
use core::fmt::Display;
use wire::IdRange;
use wire::init::Then;

/// What the policy `default` takes away.
const DROPPED: [&str; 9] = [
    "audit_control",
    "mac_admin",
    "mknod",
    "sys_module",
    "sys_time",
    "audit_read",
    "bpf",
    "checkpoint_restore",
    "perfmon",
];

/// The configuration, and what it does not say.
pub fn export(domain: &Domain) -> Converted {
    let mut out = Export::default();
    out.general(domain);
    out.init(domain);
    out.root(domain);
    out.network(domain);
    out.limits(domain);
    out.security(domain);
    out.lost(domain);
    Converted {
        text: out.text,
        warnings: out.warnings,
    }
}

#[derive(Default)]
struct Export {
    text: String,
    warnings: Vec<String>,
}

impl Export {
    fn line(&mut self, key: &str, value: impl Display) {
        let value = value.to_string();
        if value.contains(char::is_control) {
            return self.warn(&format!("{key}, whose value has more than one line"));
        }
        let bare = value.trim_ascii() == value && !value.starts_with(['"', '\'']);
        let quote = if bare { "" } else { "\"" };
        self.text.push_str(&format!("{key} = {quote}{value}{quote}\n"));
    }

    fn warn(&mut self, what: &str) {
        self.warnings.push(format!("{what} cannot be said to LXC"));
    }

    /// A line for each version of control groups.
    fn group(&mut self, first: &str, second: &str, value: impl Display) {
        self.line(&format!("lxc.cgroup.{first}"), &value);
        self.line(&format!("lxc.cgroup2.{second}"), value);
    }

    fn general(&mut self, domain: &Domain) {
        self.line("lxc.uts.name", &domain.name);
        if let Some(arch) = domain.os.arch {
            self.line("lxc.arch", arch.name());
        }
        self.line("lxc.tty.max", domain.consoles);
    }

    fn init(&mut self, domain: &Domain) {
        let os = &domain.os;
        let words = [os.init.as_str()]
            .into_iter()
            .chain(os.initargs.iter().map(|a| a.as_str()));
        match words.map(quoted).collect::<Option<Vec<_>>>() {
            Some(words) => self.line("lxc.init.cmd", words.join(" ")),
            None => self.warn("<initarg> with quotes of both kinds"),
        }
        for variable in &os.initenv {
            let (name, value) = (variable.name.as_str(), variable.value.as_str());
            self.line("lxc.environment", format!("{name}={value}"));
        }
        if let Some(directory) = &os.initdir {
            self.line("lxc.init.cwd", directory);
        }
        for (what, key, account) in [
            ("<inituser>", "lxc.init.uid", &os.inituser),
            ("<initgroup>", "lxc.init.gid", &os.initgroup),
        ] {
            let Some(account) = account.as_ref().map(|a| a.as_str()) else {
                continue;
            };
            match account.strip_prefix('+').unwrap_or(account).parse::<u32>() {
                Ok(id) => self.line(key, id),
                Err(_) => self.warn(&format!("{what} by name")),
            }
        }
    }

    fn root(&mut self, domain: &Domain) {
        let root = domain.root();
        match root.map(|r| &r.source) {
            Some(Source::Mount(path)) => self.line("lxc.rootfs.path", format!("dir:{path}")),
            Some(Source::Block(path)) => self.line("lxc.rootfs.path", path),
            Some(Source::File(path, _)) => self.line("lxc.rootfs.path", format!("loop:{path}")),
            None => self.line("lxc.rootfs.path", "dir:/"),
            Some(_) => self.warn("a root that is no directory of the host's"),
        }
        if root.is_some_and(|r| r.read_only) {
            self.line("lxc.rootfs.options", "ro");
        }
        for one in domain.filesystems.iter().filter(|f| !f.is_at("/")) {
            let target = field(one.target.as_str().trim_start_matches('/'));
            let read_only = if one.read_only { ",ro" } else { "" };
            let entry = match &one.source {
                Source::Mount(path) => format!("{} {target} none bind,create=dir{read_only} 0 0", field(path.as_str())),
                Source::Bind(path) => {
                    let path = field(path.as_str().trim_start_matches('/'));
                    format!("{path} {target} none bind,relative,create=dir{read_only} 0 0")
                }
                Source::Ram(kib) => format!("tmpfs {target} tmpfs size={kib}k,nosuid,nodev,create=dir{read_only} 0 0"),
                Source::Block(_) | Source::File(..) => {
                    self.warn("a <filesystem> of a disk, whose type an entry would have to name");
                    continue;
                }
            };
            self.line("lxc.mount.entry", entry);
        }
    }

    fn network(&mut self, domain: &Domain) {
        if domain.interfaces.is_empty() {
            self.line("lxc.net.0.type", if domain.privnet { "empty" } else { "none" });
        }
        for (index, interface) in domain.interfaces.iter().enumerate() {
            self.interface(index, interface);
        }
    }

    fn interface(&mut self, index: usize, interface: &Interface) {
        let key = |suffix: &str| format!("lxc.net.{index}.{suffix}");
        let kind = match interface.attached {
            Attached::Direct(_, Mode::Vlan) => "vlan",
            Attached::Direct(_, Mode::Ipvlan(..)) => "ipvlan",
            Attached::Direct(..) => "macvlan",
            _ => "veth",
        };
        self.line(&key("type"), kind);
        match &interface.attached {
            Attached::Bridge(name) => self.line(&key("link"), name.as_str()),
            Attached::Network(name) => self.warn(&format!("<source network='{}'>", shown(name, 60))),
            Attached::Ethernet(addresses, routes) if addresses.is_empty() && routes.is_empty() => {}
            Attached::Ethernet(..) => self.warn("<ip> or <route> in <source>"),
            Attached::User => self.warn("<interface type='user'>"),
            Attached::Direct(parent, Mode::Vlan) => self.line(&key("link"), parent.as_str()),
            Attached::Direct(parent, Mode::Ipvlan(mode, isolation)) => {
                self.line(&key("link"), parent.as_str());
                self.line(&key("ipvlan.mode"), format!("{mode:?}").to_lowercase());
                self.line(&key("ipvlan.isolation"), format!("{isolation:?}").to_lowercase());
            }
            Attached::Direct(parent, mode) => {
                self.line(&key("link"), parent.as_str());
                let mode = if *mode == Mode::Passthrough {
                    "passthru"
                } else {
                    mode.name()
                };
                self.line(&key("macvlan.mode"), mode);
            }
        }
        if let Some(mtu) = interface.mtu {
            self.line(&key("mtu"), mtu);
        }
        if interface.isolated == Some(true) {
            self.warn("<port isolated='yes'>");
        }
        if interface.bandwidth.said {
            self.warn("<bandwidth>");
        }
        if let Some(vlan) = &interface.vlan {
            self.vlan(index, kind == "vlan", vlan);
        }
        if let Some(mac) = interface.mac {
            self.line(&key("hwaddr"), mac);
        }
        for (suffix, name) in [("veth.pair", &interface.target), ("name", &interface.guest)] {
            if let Some(name) = name {
                self.line(&key(suffix), name.as_str());
            }
        }
        if interface.is_up() {
            self.line(&key("flags"), "up");
        }
        for Address { address, prefix, peer } in &interface.addresses {
            let whole = Address {
                address: *address,
                prefix: *prefix,
                peer: *peer,
            };
            let version = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            self.line(
                &key(&format!("{version}.address")),
                format!("{address}/{}", whole.prefix()),
            );
            if let Some(peer) = peer {
                self.warn(&format!("<ip peer='{peer}'>"));
            }
        }
        for route in &interface.routes {
            if route.prefix() == 0 && route.metric.is_none() {
                let version = if route.gateway.is_ipv4() { "ipv4" } else { "ipv6" };
                self.line(&key(&format!("{version}.gateway")), route.gateway);
            } else {
                self.warn(&format!("<route address='{}'>", route.destination));
            }
        }
    }

    /// LXC has a port's VLAN without tags, and any with tags.
    fn vlan(&mut self, index: usize, whole: bool, vlan: &Vlan) {
        let bare = !vlan.trunk && vlan.tags.len() == 1;
        for tag in &vlan.tags {
            let untagged = bare || tag.native == Some(Native::Untagged);
            match (whole, untagged, tag.native) {
                (true, ..) => self.line(&format!("lxc.net.{index}.vlan.id"), tag.id),
                (_, true, _) => self.line(&format!("lxc.net.{index}.veth.vlan.id"), tag.id),
                (_, false, None) => self.line(&format!("lxc.net.{index}.veth.vlan.tagged.id"), tag.id),
                (_, false, Some(_)) => self.warn("<tag nativeMode='tagged'>"),
            }
        }
    }

    fn limits(&mut self, domain: &Domain) {
        let bytes = |kib: u64| kib.saturating_mul(1024);
        let limit = domain.memtune.hard_limit.unwrap_or(domain.memory);
        self.group("memory.limit_in_bytes", "memory.max", bytes(limit));
        if let Some(soft) = domain.memtune.soft_limit {
            self.group("memory.soft_limit_in_bytes", "memory.high", bytes(soft));
        }
        if let Some(both) = domain.memtune.swap_hard_limit {
            self.line("lxc.cgroup.memory.memsw.limit_in_bytes", bytes(both));
            self.line("lxc.cgroup2.memory.swap.max", bytes(both.saturating_sub(limit)));
        }
        let tune = &domain.cputune;
        if let Some(shares) = tune.shares {
            let weight = shares
                .saturating_sub(2)
                .saturating_mul(9999)
                .div_euclid(262_142)
                .saturating_add(1);
            self.line("lxc.cgroup.cpu.shares", shares);
            self.line("lxc.cgroup2.cpu.weight", weight);
        }
        if let Some(period) = tune.period {
            self.line("lxc.cgroup.cpu.cfs_period_us", period);
        }
        if let Some(quota) = tune.quota {
            self.line("lxc.cgroup.cpu.cfs_quota_us", quota);
        }
        if tune.period.is_some() || tune.quota.is_some() {
            let quota = tune
                .quota
                .filter(|q| *q >= 0)
                .map_or_else(|| "max".to_owned(), |q| q.to_string());
            self.line(
                "lxc.cgroup2.cpu.max",
                format!("{quota} {}", tune.period.unwrap_or(100_000)),
            );
        }
        match &domain.nodes {
            Some(nodes) if domain.memory_mode.is_the_groups() => self.group("cpuset.mems", "cpuset.mems", nodes),
            Some(_) => self.warn(&format!("mode {} of <numatune>", domain.memory_mode.word())),
            None => {}
        }
        if let Some(weight) = domain.blkiotune.weight {
            self.group("blkio.weight", "io.weight", weight);
        }
        if !domain.blkiotune.devices.is_empty() {
            self.warn("<device> in <blkiotune>");
        }
        if let Some(set) = &domain.vcpu.cpuset {
            self.group("cpuset.cpus", "cpuset.cpus", set);
        }
    }

    fn security(&mut self, domain: &Domain) {
        match &domain.idmap {
            Some(map) => {
                let mut ranges = |kind: &str, ranges: &[IdRange]| {
                    for r in ranges {
                        self.line("lxc.idmap", format!("{kind} {} {} {}", r.inside, r.outside, r.count));
                    }
                };
                ranges("u", &map.uid);
                ranges("g", &map.gid);
            }
            None => self.warn("a map of ids that is given out at the start"),
        }
        let states = &domain.capabilities.states;
        let by_default = |c: Capability| match domain.capabilities.policy {
            Policy::Default => !DROPPED.contains(&c.name()),
            Policy::Allow => true,
            Policy::Deny => false,
        };
        let (kept, dropped): (Vec<Capability>, Vec<Capability>) =
            Capability::all().partition(|c| states.get(c).copied().unwrap_or_else(|| by_default(*c)));
        let names = |all: &[Capability]| all.iter().map(|c| c.name()).collect::<Vec<_>>().join(" ");
        match domain.capabilities.policy {
            Policy::Deny if kept.is_empty() => self.line("lxc.cap.keep", "none"),
            Policy::Deny => self.line("lxc.cap.keep", names(&kept)),
            _ if dropped.is_empty() => {}
            _ => self.line("lxc.cap.drop", names(&dropped)),
        }
        if let Some(profile) = domain.seclabel.profile() {
            self.line("lxc.apparmor.profile", profile);
        }
        if let Some(context) = domain.seclabel.context() {
            self.line("lxc.selinux.context", context);
        }
    }

    fn lost(&mut self, domain: &Domain) {
        let after = &domain.afterwards;
        for (what, there) in [
            ("<title>", domain.title.is_some()),
            ("<description>", domain.description.is_some()),
            ("<cmdline>", domain.os.cmdline.is_some()),
            ("<on_poweroff>restart", after.poweroff != Then::End),
            ("<on_reboot>destroy", after.reboot != Then::Restart),
            ("<on_crash>restart", after.crash != Then::End),
        ] {
            if there {
                self.warn(what);
            }
        }
        for kept in &domain.kept {
            self.warn(&kept.name());
        }
    }
}

/// A word of a command, in quotes if it needs them.
fn quoted(word: &str) -> Option<String> {
    let plain = !word.is_empty() && !word.contains([' ', '\t', '"', '\'']);
    match (plain, word.contains('"'), word.contains('\'')) {
        (true, ..) => Some(word.to_owned()),
        (_, false, _) => Some(format!("\"{word}\"")),
        (_, true, false) => Some(format!("'{word}'")),
        _ => None,
    }
}

/// A field of fstab(5).
fn field(path: &str) -> String {
    let escaped = path.replace('\\', "\\134").replace(' ', "\\040");
    escaped.replace('\t', "\\011").replace('\n', "\\012")
}
