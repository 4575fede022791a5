//! May this be done? Pure. What passes is wrapped in a type that only this file can make, and that the acting code demands.

use crate::claim::{OnNetwork, Wanted};
use crate::consent;
use crate::host::Named;
use crate::policy::{FILE, Policy, system_directory};
use std::net::IpAddr;
use wire::cgroupd::Limits;
use wire::devd::Rule;
use wire::frame::MAX_DESCRIPTORS;
use wire::ids::{self, IdBlock, IdRange, LAZARET, UNMAPPED};
use wire::init::{Command, Container, Source};
use wire::launcher::{
    Directory, Lending, LinkChange, Nodes, Opened, Outward, Plan, PlannedMount, Remains, Step, uuid_of,
};
use wire::mountd::Mount;
use wire::netd::{Firewall, HostSide, Lent, Link};
use wire::recordd::Deed;
use wire::{ContainerName, Failure, LinkName, Partition, Text, placeholder};

/// The most trees with mapped ids: `mountd` is asked for all of them at once, each with the descriptor of the tree and that of the user namespace.
const MOST_TREES: usize = MAX_DESCRIPTORS / 2;

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
    /// The link by `pasta` of an ordinary user's container.
    pub outward: Option<Outward>,
    /// Whether `fused` serves.
    pub meminfo: bool,
    /// For `netd`.
    pub links: Vec<Link>,
    /// For `netd`: links of the host's.
    pub lent: Vec<Lent>,
    /// For `netd`: the rules, and whether the host must forward.
    pub protect: Option<(Firewall, bool)>,
    /// How many processors its definition names.
    pub processors: Option<u32>,
    /// In which partition its groups lie, where it names one.
    pub partition: Option<Partition>,
}

impl Start {
    /// What it is to have alone: its name, its ids, its ports.
    pub fn claims(&self) -> Wanted<'_> {
        Wanted {
            name: &self.name,
            block: self.block,
            ranges: self.container.uid_map.iter().chain(&self.container.gid_map).collect(),
            network: self
                .protect
                .as_ref()
                .map(|(firewall, _)| on_network(firewall, &self.links)),
        }
    }

    /// Whether `netd` has anything to do for it.
    pub const fn has_links(&self) -> bool {
        !self.links.is_empty() || !self.lent.is_empty() || self.protect.is_some()
    }

    /// The uuid that it is told.
    pub fn uuid(&self) -> Option<&str> {
        uuid_of(&self.container)
    }

    /// Whether the host must forward for it.
    pub fn forwards(&self) -> bool {
        self.protect.as_ref().is_some_and(|(_, forward)| *forward)
    }

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
            etc: placeholder::etc(&self.container, &self.mounts),
            lent: self.lent.clone(),
            uuid: self.uuid().and_then(|uuid| Text::new(uuid).ok()),
        }
    }
}

/// What the rules and the links of a container say that it is to have alone of the network.
pub fn on_network<'a>(firewall: &'a Firewall, links: &'a [Link]) -> OnNetwork<'a> {
    OnNetwork {
        ports: &firewall.publish,
        addresses: links.iter().flat_map(on_our_bridge).collect(),
    }
}

/// The addresses that a link has on a bridge of ours.
fn on_our_bridge(link: &Link) -> impl Iterator<Item = (&LinkName, IpAddr)> {
    let bridge = match &link.side {
        HostSide::Network(bridge) => Some(&bridge.name),
        _ => None,
    };
    let addresses = link.addresses.iter();
    addresses.filter_map(move |a| bridge.map(|bridge| (bridge, a.address)))
}

fn refuse<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::caller(what))
}

/// Judges a start.
pub fn start(policy: &Policy, named: &Named, plan: Plan) -> Result<Judged<Start>, Failure> {
    given_out(policy, plan.block)?;
    let (mut limits, mut rules, mut container, mut maps, mut mounts) = (None, None, None, None, None);
    let (mut meminfo, mut links, mut protect, mut keep) = (false, Vec::new(), None, false);
    let (mut lent, mut partition) = (Vec::new(), None);
    let mut outward = None;
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
            Step::Outward(o) => outward.replace(o).is_some(),
            Step::Lend(l) => !std::mem::replace(&mut lent, l).is_empty(),
            Step::Partition(p) => partition.replace(p).is_some(),
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
    map(policy, 0, &uid, plan.block, host_root)?;
    map(policy, 1, &gid, plan.block, host_root)?;
    if container.name != plan.name
        || container.uid_map != uid
        || container.gid_map != gid
        || container.meminfo != meminfo
    {
        return refuse("follow this plan: its steps contradict each other");
    }
    if let Some((firewall, forward)) = &protect {
        if firewall.name != plan.name || !links.iter().any(|l| protects(firewall, l)) {
            return refuse("follow this plan: its steps contradict each other");
        }
        if *forward && !policy.forwarding {
            return refuse("turn forwarding on: the host's policy forbids it");
        }
    }
    let walled = |l: &Link| protect.as_ref().is_some_and(|(firewall, _)| protects(firewall, l));
    if links
        .iter()
        .any(|l| matches!(l.side, HostSide::Network(_)) && !walled(l))
    {
        return refuse("join a network without the rules that keep a container to its own address");
    }
    consent::container(policy, &container)?;
    let has_links = !links.is_empty() || !lent.is_empty();
    if container.shares_network() && has_links {
        return refuse("give links to a container that shares another's network, or the host's");
    }
    if container.host_network && container.shares.net.is_some() {
        return refuse("follow this plan: its steps contradict each other");
    }
    if container.host_network {
        policy.networks.host()?;
    }
    let bridged = |l: &Link| matches!(l.side, HostSide::Bridge(_));
    if policy.users && has_links && !(lent.is_empty() && links.iter().all(bridged)) {
        return refuse("join a network: an ordinary user's container is a port of bridges of the host's alone");
    }
    links.iter().try_for_each(|l| policy.networks.link(l))?;
    let ports = protect.iter().flat_map(|(firewall, _)| &firewall.publish);
    ports.into_iter().try_for_each(|p| policy.networks.publish(named, p))?;
    rules.iter().try_for_each(device)?;
    all_mounts(policy, named, &container, &mounts)?;
    if outward.is_some() && (!policy.users || container.shares_network() || has_links) {
        return refuse("have the network user: it is for an ordinary user's container, whose only link it is");
    }
    let start = Start {
        outward,
        name: plan.name,
        block: plan.block,
        limits,
        rules,
        container,
        mounts,
        meminfo,
        links,
        lent,
        protect,
        processors: plan.processors,
        partition,
    };
    few_enough(&start.lent)?;
    consent::links(policy, &start.name, start.lent.iter().map(|l| &l.found.name))?;
    // What could not be cleared away afterwards is not begun.
    clear(policy, start.remains())?;
    Ok(Judged(start))
}

/// Whether rules are those of a link: its own name, its own addresses, and the bridge of ours that it is a port of.
fn protects(firewall: &Firewall, link: &Link) -> bool {
    let ours = matches!(&link.side, HostSide::Network(bridge) if bridge.name == firewall.bridge);
    let mut addresses = [firewall.v4.map(IpAddr::V4), firewall.v6.map(IpAddr::V6)]
        .into_iter()
        .flatten();
    ours && link.host == firewall.link && addresses.all(|a| link.addresses.iter().any(|own| own.address == a))
}

fn given_out(policy: &Policy, block: IdBlock) -> Result<(), Failure> {
    if policy.gives(block) {
        Ok(())
    } else {
        refuse("use these ids: the host's policy does not give them out")
    }
}

/// Judges a map of users (0) or of groups (1): it reaches only what the host gave to containers, whoever else may have ids here.
fn map(policy: &Policy, which: usize, map: &[IdRange], block: IdBlock, host_root: bool) -> Result<(), Failure> {
    let kind = if which == 0 { "uid" } else { "gid" };
    ids::check_map(map, host_root).map_err(|e| Failure::caller(&format!("write this {kind} map: {e}")))?;
    for range in map {
        let end = range.outside.saturating_add(range.count);
        if range.outside < 65536 && !host_root {
            return refuse(&format!(
                "write this {kind} map: it reaches host ids below 65536, and the host's policy has no `host-root` for it"
            ));
        }
        let (first, last) = (range.outside.max(65536), end.saturating_sub(1));
        if first <= last
            && let Some(wrong) = policy.not_mapped(which, first, last)
        {
            let count = last.saturating_sub(first).saturating_add(1);
            let mend = format!("a line `map {first} {count}` in {FILE} would allow what it names");
            return refuse(&format!(
                "write this {kind} map: host id {wrong} is neither the container's, nor root's in /etc/sub{kind}; {}",
                policy.missing(&mend)
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

/// A mount that `init` expects at its place: a tree, read-only or not, or just this one.
enum Expected {
    Tree { read_only: bool },
    Just(Mount),
}

/// The mounts in the order in which `init` takes them ([`Container::factory_mounts`]): what it is given is what it attaches there.
fn expected(policy: &Policy, container: &Container) -> Vec<Expected> {
    let just = |wanted: bool, mount: Mount| wanted.then_some(Expected::Just(mount));
    let tree = |read_only| Expected::Tree { read_only };
    let mut all = vec![tree(container.read_only_root)];
    all.extend(container.devices.iter().map(|d| Expected::Just(Mount::Node(*d))));
    all.extend(just(container.meminfo, Mount::Meminfo));
    // The kernel makes none of the host's network for an ordinary user.
    let sysfs = match policy.users && container.host_network {
        true => PlannedMount::hosts_sys().mount,
        false => Mount::Sysfs,
    };
    all.extend(just(container.shares_network(), sysfs));
    all.extend(just(container.lent_proc, Mount::Proc));
    all.extend(just(!container.nodes.is_empty(), Mount::Nodes));
    let attached = container.attachments.iter().filter(|a| a.source == Source::Factory);
    all.extend(attached.map(|a| tree(a.read_only)));
    all
}

fn all_mounts(policy: &Policy, named: &Named, container: &Container, mounts: &[PlannedMount]) -> Result<(), Failure> {
    let mapped = |m: &&PlannedMount| matches!(m.mount, Mount::Tree { idmapped: true, .. });
    let trees = mounts.iter().filter(mapped).count();
    if trees > MOST_TREES {
        return refuse(&format!(
            "mount {trees} places of the host: a container has at most {MOST_TREES}, its root among them"
        ));
    }
    let expected = expected(policy, container);
    if mounts.len() != expected.len() {
        return refuse("follow this plan: the number of mounts differs from what init expects");
    }
    for (index, (planned, expected)) in mounts.iter().zip(&expected).enumerate() {
        let fits = match (&planned.mount, expected) {
            // The host's /sys, with all below it, is in its own place alone.
            (Mount::Tree { .. }, Expected::Tree { .. }) if planned.from == Opened::HostSys => false,
            (Mount::Tree { flags, .. }, Expected::Tree { read_only }) => flags.read_only == *read_only,
            (mount, Expected::Just(just)) => mount == just,
            _ => false,
        };
        if !fits {
            return refuse("follow this plan: the mounts differ from what init expects");
        }
        one_mount(policy, named, &container.name, planned, index == 0)?;
    }
    Ok(())
}

fn one_mount(
    policy: &Policy,
    named: &Named,
    name: &ContainerName,
    planned: &PlannedMount,
    is_root: bool,
) -> Result<(), Failure> {
    match (&planned.mount, &planned.from) {
        (
            Mount::Tree {
                flags,
                idmapped,
                recursive: false,
            },
            Opened::Path { path, writable },
        ) => {
            if !flags.no_dev || (!*idmapped && *writable) || flags.read_only == *writable {
                return refuse(&format!(
                    "mount {path}: a host path is mounted nodev, alone, and writable only with mapped ids"
                ));
            }
            way(policy, named, path.as_str(), *writable).map(|_| ())
        }
        (
            Mount::Tree {
                flags,
                idmapped: false,
                recursive: false,
            },
            Opened::HostRoot,
        ) => {
            if !is_root || !flags.no_dev || !flags.no_suid || !flags.read_only {
                return refuse("mount the host's root: it is read-only, nosuid, nodev, and only a container's root");
            }
            Ok(())
        }
        (
            Mount::Tree {
                flags,
                idmapped: true,
                recursive: false,
            },
            Opened::FileSystem { path, writable, .. },
        ) => {
            if !flags.no_dev || !(is_root || flags.no_suid) || flags.read_only == *writable {
                return refuse(&format!(
                    "mount the file system on {path}: a disk's is mounted nodev, and nosuid unless it is the root"
                ));
            }
            consent::file_system(policy, name, path.as_str(), *writable)
        }
        (_, Opened::HostSys) => match policy.users && *planned == PlannedMount::hosts_sys() {
            true => Ok(()),
            false => refuse(
                "mount the host's /sys: it is read-only, and an ordinary user's container's that shares the host's network",
            ),
        },
        (Mount::Node(_) | Mount::Meminfo, Opened::Device)
        | (Mount::Proc | Mount::Sysfs | Mount::Nodes, Opened::Nothing) => Ok(()),
        _ => refuse("follow this plan: a mount is made from something else than it names, or with what lies below it"),
    }
}

/// Why a host path may be opened, and so how.
#[derive(Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// The command line names it: root says so. Where it leads is judged by [`written`].
    Named,
    /// It lies below this directory, by this path, which no link may lead out of it.
    Below(&'a str, &'a str),
}

/// Judges a host path that is to appear in a container.
pub fn way<'a>(policy: &'a Policy, named: &Named, path: &'a str, writable: bool) -> Result<Way<'a>, Failure> {
    if policy.named && named.place(path, writable) {
        return Ok(Way::Named);
    }
    match policy.root_of(path) {
        Some((root, below)) => Ok(Way::Below(root, below)),
        None if policy.named && named.place(path, false) => {
            refuse(&format!("mount {path} writable: the command line names it to be read"))
        }
        None if policy.users => refuse(&format!(
            "mount {path}: a definition of an ordinary user's names what lies below {}; name it on the command line (run --rootfs, --bind), \
             or move it there",
            policy.roots.concat()
        )),
        None => {
            // The command line would do, were it believed.
            let or = if named.place(path, writable) {
                ", or `root named`,"
            } else {
                ""
            };
            refuse(&format!(
                "mount {path}: it lies below no root that the host's policy allows; a line `root {path}`{or} in {FILE} would allow it"
            ))
        }
    }
}

/// Judges where a path that the command line names has led, if it is to be written: not into a directory of the system's, which only the
/// host's policy may name.
pub fn written(policy: &Policy, path: &str, led: &str) -> Result<(), Failure> {
    match system_directory(led) {
        Some(system) if policy.root_of(led).is_none() => refuse(&format!(
            "mount {path} writable: it is or lies in {system}, a directory of the system's, where who writes is root here; \
             a line `root {led}` in {FILE} would allow it, or take it read-only"
        )),
        _ => Ok(()),
    }
}

/// Judges a tree on an ordinary user's host, where the kernel maps the ids of no files: whose files are not the container's already can only
/// be read, by whoever on the host may.
pub fn unmapped(path: &str, writable: bool, shifted: bool) -> Result<(), Failure> {
    if writable && !shifted {
        return refuse(&format!(
            "mount {path} writable: its files have none of the container's ids, and the kernel maps those of files for root alone; \
             take it read-only, or give its files to the container"
        ));
    }
    Ok(())
}

/// Judges limits of a container that is to have no group.
pub fn unlimited(limits: &Limits) -> Result<(), Failure> {
    if *limits == Limits::default() {
        Ok(())
    } else {
        refuse("limit a container without a control group: an ordinary user's has none")
    }
}

/// Judges what is to be cleared away. Where the empty files of an image may be needs no consent, whatever path it is: nothing is removed there
/// but an empty file that is called `hosts` or `resolv.conf`, has the mark of those that `init` makes, and that no container holds. Links of the
/// host's to which the policy consents no more are left as they are, and given beside the rest.
pub fn clear(policy: &Policy, mut remains: Remains) -> Result<(Judged<Remains>, Vec<LinkName>), Failure> {
    let ours = |n: &LinkName| n.as_str().starts_with("lz");
    given_out(policy, remains.block)?;
    if remains.links.len() > 16 || remains.bridges.len() > 16 {
        return refuse("clear this container away: it has more than 16 links or bridges");
    }
    if !remains.bridges.iter().all(ours) {
        return refuse("remove a bridge that is not one of ours");
    }
    let lost = consented(policy, &remains.name, &mut remains.lent)?;
    Ok((Judged(remains), lost))
}

fn few_enough(lent: &[Lent]) -> Result<(), Failure> {
    if lent.len() > 16 {
        return refuse("lend more than 16 links to one container");
    }
    Ok(())
}

/// Keeps those of these links to which the policy still consents; the names of the others, whose line was taken out since they were lent: who could
/// have any link moved, or given a name, without one?
fn consented(policy: &Policy, name: &ContainerName, lent: &mut Vec<Lent>) -> Result<Vec<LinkName>, Failure> {
    few_enough(lent)?;
    let lost = lent.extract_if(.., |l| !policy.lends(name, &l.found.name));
    Ok(lost.map(|l| l.found.name).collect())
}

/// Judges links of the host's that are to be looked at for a container.
pub fn looked_at(
    policy: &Policy,
    name: &ContainerName,
    links: Vec<LinkName>,
) -> Result<Judged<Vec<LinkName>>, Failure> {
    consent::links(policy, name, &links)?;
    Ok(Judged(links))
}

/// Judges links of the host's that are to come back from a container; those that do not, since the policy consents to them no more, beside that.
pub fn taken_back(policy: &Policy, mut lending: Lending) -> Result<(Judged<Lending>, Vec<LinkName>), Failure> {
    given_out(policy, lending.block)?;
    let lost = consented(policy, &lending.name, &mut lending.links)?;
    Ok((Judged(lending), lost))
}

/// Judges a link that a container that runs is to be given, or that is to be taken from it: nothing takes consent to go.
pub fn link_change(policy: &Policy, asked: LinkChange) -> Result<Judged<LinkChange>, Failure> {
    given_out(policy, asked.block)?;
    if policy.users {
        return refuse(
            "join or leave a network while a container of an ordinary user's runs: its links come with its start",
        );
    }
    match (&asked.protect, &asked.link.side) {
        (None, HostSide::Network(_)) => {
            return refuse("join or leave a network without the rules that keep a container to its own address");
        }
        (Some((firewall, _)), _) if firewall.name != asked.name || !protects(firewall, &asked.link) => {
            return refuse("change this link: it and its rules contradict each other");
        }
        (Some((firewall, _)), _) if asked.attach && !firewall.publish.is_empty() => {
            return refuse("publish ports of a container that runs: they come with its start");
        }
        (Some((_, true)), _) if asked.attach && !policy.forwarding => {
            return refuse("turn forwarding on: the host's policy forbids it");
        }
        _ => {}
    }
    if asked.link.side.parent().is_some() {
        return refuse(
            "lay a link on one of the host's, or take such a one away, while a container runs: its root can move it to where nobody finds it",
        );
    }
    if asked.attach {
        policy.networks.link(&asked.link)?;
    }
    Ok(Judged(asked))
}

/// Judges the ids under which somebody enters, and what may be done there.
pub fn enter(
    policy: &Policy,
    name: &ContainerName,
    block: IdBlock,
    command: &Command,
) -> Result<Judged<IdBlock>, Failure> {
    consent::command(policy, name, command)?;
    given_out(policy, block).map(|()| Judged(block))
}

/// Judges the ids of a container that runs.
pub fn block(policy: &Policy, block: IdBlock) -> Result<Judged<IdBlock>, Failure> {
    given_out(policy, block).map(|()| Judged(block))
}

/// Judges a device node that a container that runs is to be given, or that is to be taken from it: nothing takes consent to go.
pub fn nodes(policy: &Policy, mut asked: Nodes) -> Result<Judged<Nodes>, Failure> {
    if !asked.attach {
        // What has lost its consent loses its rule with this.
        let name = asked.name.clone();
        asked
            .others
            .retain(|n| policy.gives_device(&name, n.from.as_str(), n.writable));
    }
    given_out(policy, asked.block)?;
    if asked.rules != Rule::usual() {
        return refuse(
            "change the devices of a container that runs: the rules that every container has stay as they are",
        );
    }
    let kept = asked.others.iter().chain(asked.attach.then_some(&asked.node));
    let kept: Vec<_> = kept.cloned().collect();
    consent::nodes(policy, &asked.name, &kept)?;
    let host_root = policy.host_root.contains(&asked.name);
    for (kind, id) in asked.owner.into_iter().enumerate() {
        if !host_root && policy.not_mapped(kind, id, id).is_some() {
            return refuse("give a device node to somebody who is no container's root");
        }
    }
    Ok(Judged(asked))
}

/// Judges a file that `lazaret` wants to read: only a definition that the command line names.
pub fn named_file(named: &Named, path: &str) -> Result<Judged<String>, Failure> {
    if named.definition(path) {
        Ok(Judged(path.to_owned()))
    } else {
        refuse(&format!("open {path}: the command line does not name it"))
    }
}

/// Judges whether the log of deeds may be read, or begin a new file: the secrets of every container's plan are in it.
pub fn log(named: &Named) -> Result<Judged<()>, Failure> {
    if named.audit() {
        Ok(Judged(()))
    } else {
        refuse("open the log of deeds: the command line does not say `audit`")
    }
}

/// What may be announced: deeds that `lazaret` does through a container's supervisor.
pub fn announced(deed: Deed) -> Result<Judged<Deed>, Failure> {
    match deed {
        Deed::Destroy | Deed::Shutdown | Deed::Reboot | Deed::Console | Deed::Signal => Ok(Judged(deed)),
        _ => refuse("announce a deed that is the launcher's own"),
    }
}

/// Judges a directory that `lazaret` wants for its own: the usual one, or one that the command line or its variable names. In any other
/// place a new directory of its own could mean something to another program (`/etc/systemd/system/sshd.service.d`).
pub fn directory(named: &Named, which: Directory, path: &str) -> Result<Judged<String>, Failure> {
    if path == which.usual() || named.directory(which, path) {
        Ok(Judged(path.to_owned()))
    } else {
        refuse(&format!(
            "use the directory {path}: neither the command line nor the environment names it"
        ))
    }
}

#[cfg(test)]
pub(crate) mod tests;
