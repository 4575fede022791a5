//! A plan as text: what each program would be asked to do, and what takes it back. Pure.

use super::capabilities;
use std::fmt::Write;
use wire::MemoryPolicy;
use wire::cgroupd::Limits;
use wire::devd::Rule;
use wire::ids::IdRange;
use wire::init::{Container, Source};
use wire::launcher::{Opened, Plan, PlannedMount, Step};
use wire::mountd::Mount;
use wire::netd::{Firewall, HostSide, Lent, Link, Membership, Rate, Through};
use wire::share::{Sharing, Space};

/// The plan as text, one step after the other; `user`: it is for an ordinary user's host, where some of them are nobody's.
pub fn show(plan: &Plan, user: bool) -> String {
    let mut out = format!("{}: host ids {} to {}\n", plan.name, plan.block.first(), last(plan));
    for (n, step) in plan.steps.iter().enumerate() {
        let number = n.saturating_add(1);
        if let Some(why) = user.then(|| nobodys(step, plan)).flatten() {
            let _ = writeln!(out, "\n{number}. nobody: {why}");
            continue;
        }
        let (asked, details) = describe(step, plan, user);
        let _ = writeln!(out, "\n{number}. {}: {asked}", step.program().name());
        for detail in details {
            let _ = writeln!(out, "     {detail}");
        }
        let _ = writeln!(out, "   undo: {}", step.undo());
    }
    out
}

fn last(plan: &Plan) -> u32 {
    plan.block.first().saturating_add(wire::ids::BLOCK).saturating_sub(1)
}

/// Why nobody does this step on an ordinary user's host.
fn nobodys(step: &Step, plan: &Plan) -> Option<&'static str> {
    match step {
        Step::Groups(_) if plan.container().is_none_or(|c| !c.unified) => {
            Some("lazaret was called in no control group of yours")
        }
        Step::Devices(_) => {
            Some("a user namespace makes no device node, and those that are bound in are all there are")
        }
        _ => None,
    }
}

fn describe(step: &Step, plan: &Plan, user: bool) -> (&'static str, Vec<String>) {
    match step {
        Step::Groups(limits) => ("make the control groups", limit_lines(limits)),
        Step::Devices(rules) => ("allow these devices and no others", rules.iter().map(rule).collect()),
        Step::Build(container) => (
            "make the namespaces; build, confine, execute",
            container_lines(container),
        ),
        Step::Maps { uid, gid } => {
            let line =
                |kind: &str, r: &IdRange| format!("{kind} {} to host {}, {} of them", r.inside, r.outside, r.count);
            (
                "write the id maps",
                uid.iter()
                    .map(|r| line("uid", r))
                    .chain(gid.iter().map(|r| line("gid", r)))
                    .collect(),
            )
        }
        Step::Mounts(mounts) => {
            let shares = plan.container().is_some_and(|c| c.shares.net.is_some());
            let line = |planned: &PlannedMount| match &planned.mount {
                Mount::Sysfs if shares => "a sysfs of the network that it shares, ro".into(),
                _ => mount(planned, user),
            };
            ("make detached mounts", mounts.iter().map(line).collect())
        }
        Step::Meminfo => ("serve /proc/meminfo", vec![]),
        Step::Connect(links) => ("make the links", links.iter().flat_map(link_lines).collect()),
        Step::Protect { firewall, forward } => {
            let mut lines = vec![table(firewall)];
            for p in &firewall.publish {
                let address = p.address.map_or_else(|| "every address".to_owned(), |a| a.to_string());
                lines.push(format!(
                    "publish {} port {} of {address} as port {}",
                    if p.udp { "udp" } else { "tcp" },
                    p.host,
                    p.container
                ));
            }
            if *forward {
                lines.push("turn forwarding on".into());
            }
            ("make the container's firewall table", lines)
        }
        Step::Keep => ("keep the container", vec![]),
        Step::Partition(partition) => (
            "have the control groups in a partition",
            vec![format!("lazaret/{}", partition.below())],
        ),
        Step::Outward(link) => (
            "start pasta, which carries its traffic over sockets of yours",
            vec![format!("{} inside, with {}", link.guest, mac(&link.mac))],
        ),
        Step::Lend(links) => ("move links of the host's inside", links.iter().map(lent).collect()),
    }
}

fn mac(mac: &[u8; 6]) -> String {
    mac.map(|b| format!("{b:02x}")).join(":")
}

fn lent(lent: &Lent) -> String {
    let mac = mac(&lent.found.mac);
    let kind = lent.found.kind.as_str();
    let kind = if kind.is_empty() { "hardware" } else { kind };
    let mut line = format!("{} ({kind}, {mac}) as {}", lent.found.name, lent.guest);
    for address in &lent.addresses {
        line.push_str(&format!(", {}/{}", address.address, address.prefix));
    }
    for route in &lent.routes {
        line.push_str(&format!(
            ", route to {}/{} by {}",
            route.destination, route.prefix, route.gateway
        ));
    }
    line
}

fn table(firewall: &Firewall) -> String {
    let (name, bridge, link) = (&firewall.name, &firewall.bridge, &firewall.link);
    let through = match firewall.through {
        Through::Translated => format!("masquerade behind {bridge}"),
        Through::Routed => format!("let through between {bridge} and what lies beyond the host"),
        Through::Nothing => format!("nothing between {bridge} and what lies beyond the host"),
    };
    format!("table lazaret-{name}: {through}, only own addresses on {link}")
}

fn limit_lines(limits: &Limits) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |name: &str, value: Option<String>| lines.extend(value.map(|v| format!("{name} {v}")));
    say("memory", limits.memory.map(|b| format!("{b} bytes")));
    say("memory, soft", limits.memory_soft.map(|b| format!("{b} bytes")));
    say("memory and swap", limits.memory_and_swap.map(|b| format!("{b} bytes")));
    say("cpu shares", limits.cpu_shares.map(|n| n.to_string()));
    say("cpu period", limits.cpu_period.map(|n| format!("{n} us")));
    say("cpu quota", limits.cpu_quota.map(|n| format!("{n} us")));
    say("cpus", limits.cpus.as_ref().map(|t| t.as_str().to_owned()));
    say("tasks", limits.tasks.map(|n| n.to_string()));
    say("memory nodes", limits.nodes.as_ref().map(|t| t.as_str().to_owned()));
    say("input and output, weight", limits.io_weight.map(|n| n.to_string()));
    for device in &limits.io {
        let mut say = |what: &str, value: Option<u64>| {
            let line = |v| format!("device {}:{}, {what} {v}", device.major, device.minor);
            lines.extend(value.map(line));
        };
        say("weight", device.weight.map(u64::from));
        say("bytes read in a second", device.read_bytes);
        say("bytes written in a second", device.write_bytes);
        say("reads in a second", device.read_operations);
        say("writes in a second", device.write_operations);
    }
    lines
}

fn rule(rule: &Rule) -> String {
    let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let letter = |on: bool, c: char| if on { Some(c) } else { None };
    let access: String = [letter(rule.read, 'r'), letter(rule.write, 'w'), letter(rule.make, 'm')]
        .into_iter()
        .flatten()
        .collect();
    format!(
        "{} {}:{} {access}",
        if rule.block { 'b' } else { 'c' },
        number(rule.major),
        number(rule.minor)
    )
}

fn container_lines(c: &Container) -> Vec<String> {
    let words: Vec<String> = c
        .command
        .arguments
        .iter()
        .map(|a| format!("{:?}", a.as_str()))
        .collect();
    let mut lines = vec![
        format!("execute {} in {}", words.join(" "), c.command.directory),
        format!(
            "profile {:?}, no new privileges: {}",
            c.command.profile,
            if c.command.no_new_privileges { "yes" } else { "no" }
        ),
        format!(
            "capabilities, in its own user namespace: {}",
            capabilities::names(c.command.capabilities).join(" ")
        ),
        format!(
            "host name {}, network {}",
            c.hostname,
            match (c.host_network, c.shares_network()) {
                (true, _) => "the host's",
                (false, true) => "another's",
                (false, false) => "its own",
            }
        ),
        format!("root {}", if c.read_only_root { "read-only" } else { "writable" }),
    ];
    if let Some(own) = &c.command.filter {
        let how = if own.in_place { "in the place of" } else { "beside" };
        let calls = own.filter.allowed().count();
        lines.push(format!("a filter of its own {how} its profile's: {calls} calls"));
    }
    lines.extend(c.command.apparmor.iter().map(|p| format!("AppArmor profile {p}")));
    lines.extend(c.command.selinux.iter().map(|c| format!("SELinux context {c}")));
    lines.extend(c.command.memory.as_ref().map(|policy| {
        let how = match policy {
            MemoryPolicy::Interleave(_) => "from these nodes in turn",
            MemoryPolicy::Preferred(_) => "from this node before others",
        };
        let nodes: Vec<String> = policy.nodes().iter().map(u16::to_string).collect();
        format!("memory {how}: {}", nodes.join(","))
    }));
    for space in Space::ALL {
        lines.extend(c.shares.of(space).map(|sharing| {
            let whose = match sharing {
                Sharing::Container => "another container".to_owned(),
                Sharing::Netns(name) => format!("/run/netns/{name}"),
                Sharing::Process(pid) => format!("process {pid}"),
            };
            format!("share the {} namespace of {whose}", space.name())
        }));
    }
    lines.extend(c.unmasked.iter().map(|p| format!("leave {p} as it is")));
    for node in &c.nodes {
        let access = if node.writable { "writable" } else { "read-only" };
        lines.push(format!(
            "the host's device {} as /dev/{}, {access}",
            node.from, node.name
        ));
    }
    for a in &c.attachments {
        let access = if a.read_only { "read-only" } else { "writable" };
        lines.push(match &a.source {
            Source::Factory => format!("attach a mount of the factory at {}, {access}", a.target),
            Source::Tmpfs { size, mode } => format!("tmpfs at {}, {size} bytes, mode {mode:o}, {access}", a.target),
            Source::Inside(place) => format!("bind {place} at {}, {access}", a.target),
        });
    }
    lines
}

fn mount(planned: &PlannedMount, user: bool) -> String {
    let from = match &planned.from {
        Opened::Nothing => String::new(),
        Opened::HostRoot => " of the host's root".into(),
        Opened::HostSys => " of the host's /sys, where what is mounted there is covered".into(),
        Opened::Path { path, .. } => format!(" of {path}"),
        Opened::Device => String::new(),
        Opened::FileSystem { path, image: true, .. } => format!(" in the file {path}, behind a loop device of loopd's"),
        Opened::FileSystem {
            path, writable: false, ..
        } => format!(" on the block device {path}, behind a loop device of loopd's"),
        Opened::FileSystem { path, .. } => format!(" on the block device {path}"),
    };
    match &planned.mount {
        Mount::Tree {
            recursive,
            flags,
            idmapped,
        } => {
            let words = [
                (*recursive, "recursive"),
                (flags.read_only, "ro"),
                (flags.no_suid, "nosuid"),
                (flags.no_dev, "nodev"),
                (flags.no_exec, "noexec"),
                // The kernel maps the ids of files for root alone.
                (*idmapped && !user, "id-mapped"),
            ];
            let words: Vec<&str> = words.into_iter().filter_map(|(on, word)| on.then_some(word)).collect();
            let what = if matches!(planned.from, Opened::FileSystem { .. }) {
                "the file system"
            } else {
                "a clone"
            };
            format!("{what}{from}, {}", words.join(","))
        }
        Mount::Node(device) => format!("the device {}", device.name()),
        Mount::Meminfo => "a FUSE file for /proc/meminfo".into(),
        Mount::Proc => "a procfs that nothing covers, lent for the build".into(),
        Mount::Sysfs => "a sysfs of the host's network, ro".into(),
        Mount::Disk { kind, .. } => format!("the {} file system of a disk", kind.name().to_string_lossy()),
        Mount::Nodes => "a tmpfs, in which the launcher makes the nodes of its devices".into(),
    }
}

fn link_lines(link: &Link) -> Vec<String> {
    let side = match &link.side {
        HostSide::Network(bridge) => format!("port of our bridge {}", bridge.name),
        HostSide::Bridge(name) => format!("port of the bridge {name}"),
        HostSide::Alone(_) => "alone".into(),
        HostSide::Direct { parent, mode } => {
            format!("on the host's link {parent}, {}", format!("{mode:?}").to_lowercase())
        }
        HostSide::Vlan { parent, id } => format!("VLAN {id} of the host's link {parent}"),
        HostSide::Ipvlan {
            parent,
            mode,
            isolation,
        } => {
            let words = format!("ipvlan {mode:?}, {isolation:?}").to_lowercase();
            format!("on the host's link {parent}, {words}")
        }
    };
    let outside = match link.side.parent() {
        Some(_) => String::new(),
        None => format!("{} on the host, ", link.host),
    };
    let mut lines = vec![format!("{} inside, {outside}{side}", link.guest)];
    lines.extend(link.mtu.map(|mtu| format!("packets of {mtu} bytes at most")));
    lines.extend(link.isolated.then(|| "isolated from other such ports".to_owned()));
    for (way, rate) in [("to", &link.bandwidth.inbound), ("from", &link.bandwidth.outbound)] {
        let Some(Rate { average, peak, burst }) = rate else {
            continue;
        };
        let peak = peak.map_or_else(String::new, |p| format!(", {p} at most"));
        lines.push(format!("{average} bytes a second {way} it{peak}, {burst} at once"));
    }
    for Membership { id, native, untagged } in &link.vlans {
        let words = [
            (*native, ", what has no tag too"),
            (*untagged, ", leaving it without a tag"),
        ];
        let words: String = words.into_iter().filter_map(|(on, word)| on.then_some(word)).collect();
        lines.push(format!("member of VLAN {id}{words}"));
    }
    let led = link.outside.iter();
    lines.extend(led.map(|r| format!("the host's route {}/{} by {}", r.destination, r.prefix, r.gateway)));
    lines.extend(
        link.addresses
            .iter()
            .map(|a| format!("address {}/{}", a.address, a.prefix)),
    );
    lines.extend(
        link.routes
            .iter()
            .map(|r| format!("route {}/{} by {}", r.destination, r.prefix, r.gateway)),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::lot;
    use wire::mountd::Flags;
    use wire::{ContainerName, LinkName};

    fn plan(steps: Vec<Step>) -> Plan {
        let name = ContainerName::new("web").unwrap();
        let block = lot().block;
        Plan {
            name,
            block,
            steps,
            processors: None,
        }
    }

    #[test]
    fn what_is_not_done_for_an_ordinary_user_is_said_to_be_nobodys() {
        let tree = PlannedMount {
            mount: Mount::Tree {
                recursive: false,
                flags: Flags::default(),
                idmapped: true,
            },
            from: Opened::HostRoot,
        };
        let groups = Step::Groups(Limits::default());
        let plan = plan(vec![
            groups,
            Step::Devices(vec![]),
            Step::Mounts(vec![tree]),
            Step::Keep,
        ]);
        let (roots, users) = (show(&plan, false), show(&plan, true));
        for done in ["1. cgroupd: ", "2. devd: ", "id-mapped"] {
            assert!(roots.contains(done) && !users.contains(done), "{users}");
        }
        assert!(users.contains("1. nobody: lazaret was called in no control group of yours\n"));
        assert!(users.contains("2. nobody: a user namespace makes no device node"));
        assert!(users.contains("4. supervisor: ") && !roots.contains("nobody"));
    }

    #[test]
    fn a_table_says_what_it_lets_through() {
        let said = |through| {
            let link = |name| LinkName::new(name).unwrap();
            table(&Firewall {
                name: ContainerName::new("web").unwrap(),
                bridge: link("lzr1"),
                link: link("lzv1"),
                v4: None,
                v6: None,
                publish: vec![],
                through,
            })
        };
        assert!(said(Through::Translated).contains("masquerade behind lzr1"));
        assert!(said(Through::Routed).contains(": let through between lzr1 and"));
        assert!(said(Through::Nothing).contains(": nothing between lzr1 and"));
    }
}
