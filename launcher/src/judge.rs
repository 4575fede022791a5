//! May this be done? Pure. What passes is wrapped in a type that only this file can make, and that the acting code demands.

use crate::policy::Policy;
use wire::cgroupd::Limits;
use wire::devd::Rule;
use wire::ids::{self, IdBlock, IdRange, LAZARET, UNMAPPED};
use wire::init::{Container, Source};
use wire::launcher::{Opened, Plan, PlannedMount, Remains, Step};
use wire::mountd::Mount;
use wire::netd::{Firewall, HostSide, Link};
use wire::{ContainerName, Failure, LinkName};

/// Something that the host's policy allows.
#[derive(Debug)]
pub struct Judged<T>(T);

impl<T> Judged<T> {
    /// What was judged.
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// A start, taken apart.
#[derive(Debug)]
pub struct Start {
    /// The container.
    pub name: ContainerName,
    /// Its ids.
    pub block: IdBlock,
    /// For `cgroupd`.
    pub limits: Limits,
    /// For `devd`.
    pub rules: Vec<Rule>,
    /// For `init`.
    pub container: Box<Container>,
    /// For `mountd`.
    pub mounts: Vec<PlannedMount>,
    /// Whether `fused` serves.
    pub meminfo: bool,
    /// For `netd`.
    pub links: Vec<Link>,
    /// For `netd`: the rules, and whether the host must forward.
    pub protect: Option<(Firewall, bool)>,
}

impl Start {
    /// What would be left of it.
    pub fn remains(&self) -> Remains {
        let bridge = |l: &Link| {
            if let HostSide::Network(b) = &l.side {
                Some(b.name.clone())
            } else {
                None
            }
        };
        Remains {
            name: self.name.clone(),
            block: self.block,
            links: self.links.iter().map(|l| l.host.clone()).collect(),
            bridges: self.links.iter().filter_map(bridge).collect(),
        }
    }
}

fn refuse<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::caller(what))
}

/// Judges a start.
pub fn start(policy: &Policy, plan: Plan) -> Result<Judged<Start>, Failure> {
    if !policy.gives(plan.block) {
        return refuse("use these ids: the host's policy does not give them out");
    }
    let (mut limits, mut rules, mut container, mut maps, mut mounts) = (None, None, None, None, None);
    let (mut meminfo, mut links, mut protect, mut keep) = (false, Vec::new(), None, false);
    for step in plan.steps {
        let twice = match step {
            Step::Groups(l) => limits.replace(l).is_some(),
            Step::Devices(r) => rules.replace(r).is_some(),
            Step::Build(c) => container.replace(c).is_some(),
            Step::Maps { uid, gid } => maps.replace((uid, gid)).is_some(),
            Step::Mounts(m) => mounts.replace(m).is_some(),
            Step::Meminfo => std::mem::replace(&mut meminfo, true),
            Step::Connect(l) => !std::mem::replace(&mut links, l).is_empty(),
            Step::Protect { firewall, forward } => protect.replace((firewall, forward)).is_some(),
            Step::Keep => std::mem::replace(&mut keep, true),
        };
        if twice {
            return refuse("follow this plan: a step stands in it twice");
        }
    }
    let (Some(limits), Some(rules), Some(container), Some((uid, gid)), Some(mounts), true) =
        (limits, rules, container, maps, mounts, keep)
    else {
        return refuse("follow this plan: groups, devices, build, maps, mounts and keep must all be in it");
    };
    let host_root = policy.host_root.contains(&plan.name);
    map("uid", &uid, plan.block, host_root)?;
    map("gid", &gid, plan.block, host_root)?;
    if container.name != plan.name
        || container.uid_map != uid
        || container.gid_map != gid
        || container.meminfo != meminfo
    {
        return refuse("follow this plan: its steps contradict each other");
    }
    if let Some((firewall, forward)) = &protect {
        if firewall.name != plan.name {
            return refuse("follow this plan: its steps contradict each other");
        }
        if *forward && !policy.forwarding {
            return refuse("turn forwarding on: the host's policy forbids it");
        }
    }
    if container.host_network && !links.is_empty() {
        return refuse("give links to a container that shares the host's network");
    }
    rules.iter().try_for_each(device)?;
    all_mounts(policy, &container, &mounts)?;
    Ok(Judged(Start {
        name: plan.name,
        block: plan.block,
        limits,
        rules,
        container,
        mounts,
        meminfo,
        links,
        protect,
    }))
}

fn map(kind: &str, map: &[IdRange], block: IdBlock, host_root: bool) -> Result<(), Failure> {
    ids::check_map(map, host_root).map_err(|e| Failure::caller(&format!("write this {kind} map: {e}")))?;
    for range in map {
        let end = range.outside.saturating_add(range.count);
        if range.outside < 65536 && !host_root {
            return refuse(&format!(
                "write this {kind} map: it reaches host ids below 65536, and the host's policy has no `host-root` for it"
            ));
        }
        let meets = |first: u32, count: u32| range.outside < first.saturating_add(count) && first < end;
        if meets(LAZARET, 1) || meets(block.first(), UNMAPPED) {
            return refuse(&format!(
                "write this {kind} map: it reaches ids under which Lazaret's own programs run"
            ));
        }
    }
    Ok(())
}

/// Character devices that every container may have: memory devices, tty, ptmx and pseudo-terminals.
fn device(rule: &Rule) -> Result<(), Failure> {
    let usual = match (rule.major, rule.minor) {
        (Some(1), Some(minor)) => matches!(minor, 3 | 5 | 7 | 8 | 9),
        (Some(5), Some(minor)) => matches!(minor, 0 | 2),
        (Some(136), _) => true,
        _ => false,
    };
    if rule.block || !usual {
        refuse("allow this device: it is not one that every container may have")
    } else {
        Ok(())
    }
}

fn all_mounts(policy: &Policy, container: &Container, mounts: &[PlannedMount]) -> Result<(), Failure> {
    if mounts.len() != container.factory_mounts() {
        return refuse("follow this plan: the number of mounts differs from what init expects");
    }
    for (index, planned) in mounts.iter().enumerate() {
        match (&planned.mount, &planned.from) {
            (
                Mount::Tree {
                    flags,
                    idmapped,
                    recursive,
                },
                Opened::Path { path, writable },
            ) => {
                if !flags.no_dev || (!*idmapped && *writable) || *recursive || flags.read_only == *writable {
                    return refuse(&format!(
                        "mount {path}: a host path is mounted nodev, alone, and writable only with mapped ids"
                    ));
                }
                if !path.as_str().starts_with('/') || !policy.allows_path(path.as_str()) {
                    return refuse(&format!("mount {path}: the host's policy names no root above it"));
                }
            }
            (
                Mount::Tree {
                    flags,
                    idmapped: false,
                    recursive: false,
                },
                Opened::HostRoot,
            ) => {
                if index != 0 || !flags.no_dev || !flags.no_suid || !flags.read_only {
                    return refuse(
                        "mount the host's root: it is read-only, nosuid, nodev, and only a container's root",
                    );
                }
            }
            (Mount::Node(_) | Mount::Meminfo, Opened::Device) | (Mount::Proc | Mount::Sysfs, Opened::Nothing) => {}
            _ => return refuse("follow this plan: a mount is made from something else than it names"),
        }
    }
    let attached = container
        .attachments
        .iter()
        .filter(|a| a.source == Source::Factory)
        .count();
    let trees = mounts.iter().filter(|m| matches!(m.mount, Mount::Tree { .. })).count();
    if trees != attached.saturating_add(1) {
        return refuse("follow this plan: the mounts differ from what init expects");
    }
    Ok(())
}

/// Judges what is to be cleared away.
pub fn clear(policy: &Policy, remains: Remains) -> Result<Judged<Remains>, Failure> {
    let ours = |n: &LinkName| n.as_str().starts_with("lz");
    if !policy.gives(remains.block) || remains.links.len() > 16 || remains.bridges.len() > 16 {
        return refuse("clear this container away: the host's policy does not give its ids out");
    }
    if !remains.bridges.iter().all(ours) {
        return refuse("remove a bridge that is not one of ours");
    }
    Ok(Judged(remains))
}

/// Judges the ids under which somebody enters.
pub fn enter(policy: &Policy, block: IdBlock) -> Result<Judged<IdBlock>, Failure> {
    if policy.gives(block) {
        Ok(Judged(block))
    } else {
        refuse("use these ids: the host's policy does not give them out")
    }
}

/// Judges a file that `lazaret` wants to read: only what the command line names, whole or behind one of `=`, `:` or `,`.
pub fn named_file(arguments: &[String], path: &str) -> Result<Judged<String>, Failure> {
    let named = arguments
        .iter()
        .any(|a| a == path || a.split_once(['=', ':', ',']).is_some_and(|(_, rest)| rest == path));
    if named {
        Ok(Judged(path.to_owned()))
    } else {
        refuse(&format!("open {path}: the command line does not name it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;

    fn host() -> Policy {
        policy::parse("root /srv", &[], &[]).unwrap()
    }

    #[test]
    fn refuses_a_file_that_the_command_line_does_not_name() {
        let arguments = ["define".to_owned(), "a.xml".to_owned(), "--file=b.xml".to_owned()];
        assert!(named_file(&arguments, "a.xml").is_ok() && named_file(&arguments, "b.xml").is_ok());
        assert!(named_file(&arguments, "/etc/shadow").is_err() && named_file(&arguments, "xml").is_err());
    }

    #[test]
    fn refuses_maps_that_reach_the_hosts_users_or_our_own_programs() {
        let block = IdBlock::new(ids::OWN_FIRST).unwrap();
        assert!(map("uid", &[block.range()], block, false).is_ok());
        let reaches = |outside| {
            map(
                "uid",
                &[IdRange {
                    inside: 0,
                    outside,
                    count: 10,
                }],
                block,
                false,
            )
            .is_err()
        };
        assert!(reaches(1000) && reaches(LAZARET) && reaches(block.keeper()) && reaches(65530) && reaches(0));
        assert!(!reaches(100_000));
    }

    #[test]
    fn refuses_devices_beyond_the_usual_ones() {
        let rule = |major, minor, block| Rule {
            block,
            major,
            minor,
            read: true,
            write: true,
            make: false,
        };
        assert!(device(&rule(Some(1), Some(3), false)).is_ok() && device(&rule(Some(136), None, false)).is_ok());
        for bad in [
            rule(Some(1), Some(1), false),
            rule(None, None, false),
            rule(Some(8), Some(0), true),
            rule(Some(1), None, false),
        ] {
            assert!(device(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refuses_ids_and_bridges_that_are_not_ours() {
        let remains = |first, bridge: &str| Remains {
            name: ContainerName::new("a").unwrap(),
            block: IdBlock::new(first).unwrap(),
            links: vec![],
            bridges: vec![LinkName::new(bridge).unwrap()],
        };
        assert!(clear(&host(), remains(ids::OWN_FIRST, "lzr0")).is_ok());
        assert!(clear(&host(), remains(ids::OWN_FIRST, "docker0")).is_err());
        assert!(clear(&host(), remains(5000, "lzr0")).is_err());
        assert!(enter(&host(), IdBlock::new(5000).unwrap()).is_err());
    }
}
