//! One start, from the judged plan to a container that is kept. What needs no other's result is sent at once, so that the programs work
//! side by side; then their answers are taken in the order in which the next step needs them. May touch: what `open` and `groups` open.

use crate::borrow;
use crate::claim::Claimed;
use crate::cradle;
use crate::devices::Devices;
use crate::disks::Disks;
use crate::expect;
use crate::groups::{self, Group};
use crate::host::Host;
use crate::judge::{self, Judged, Start, Way};
use crate::lend;
use crate::nodes;
use crate::open;
use crate::outward;
use crate::piece::Piece;
use crate::share;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::birth::Birth;
use wire::init::Stream;
use wire::launcher::{Opened, Reply};
use wire::mountd::Mount;
use wire::{Failure, Program, cgroupd, fused, idmapd, ids, init, mountd, netd, supervisor};

/// What `lazaret` sends with a start.
#[derive(Debug)]
pub struct Given {
    /// The claims of the container's ids, and of what it has of the network.
    pub claim: Claimed,
    /// Lock file, control socket, exit record, log ring, in this order.
    pub state: Vec<OwnedFd>,
    /// Namespaces of other containers that it shares.
    pub shared: Vec<OwnedFd>,
    /// One for each passed stream, or none: then a pipe to the supervisor is made.
    pub streams: Option<Vec<OwnedFd>>,
}

struct Sources {
    /// For each mount, the descriptors that it is made from, without the user namespace.
    from: Vec<Option<OwnedFd>>,
    /// The mounts, with id-mapping taken out where the files carry mapped ids already.
    mounts: Vec<Mount>,
    /// `/dev/fuse`, for the server.
    fuse: Option<OwnedFd>,
    /// Numbers of the disks whose file systems are mounted.
    disks: Vec<u64>,
}

fn sources(host: &Host, start: &Start, disks: Option<&Disks>) -> Result<Sources, Failure> {
    let (policy, named) = (&host.policy, &host.named);
    let mut found = Sources {
        from: Vec::new(),
        mounts: Vec::new(),
        fuse: None,
        disks: Vec::new(),
    };
    for planned in &start.mounts {
        let mut mount = planned.mount.clone();
        let from = match (&planned.from, &mount) {
            (Opened::Nothing, _) => None,
            (Opened::HostRoot, _) => Some(open::place("/", "", host.user.is_some())?.fd),
            (Opened::HostSys, _) => Some(open::place("/", "/sys", true)?.fd),
            (Opened::Path { path, writable }, _) => {
                let place = match judge::way(policy, named, path.as_str(), *writable)? {
                    Way::Below(root, below) => open::place(root, below, host.user.is_some())?,
                    Way::Named => {
                        let place = open::place("/", path.as_str(), host.user.is_some())?;
                        // Who writes there is nobody's root where the host is an ordinary user's.
                        if *writable && host.user.is_none() {
                            judge::written(policy, path.as_str(), &place.led()?)?;
                        }
                        place
                    }
                };
                let shifted = open::already_shifted(&place, &start.container.uid_map);
                if mapped(&mount) && place.is_hosts_root()? {
                    return Err(Failure::caller(&format!(
                        "mount {path}: it is the host's own root, which is never given with mapped ids"
                    )));
                }
                let as_they_are = shifted || host.user.is_some();
                if host.user.is_some() {
                    judge::unmapped(path.as_str(), *writable, shifted)?;
                } else if *writable && !shifted {
                    open::closed_to_others(path.as_str(), &place)?;
                }
                if let (Mount::Tree { idmapped, .. }, true) = (&mut mount, as_they_are) {
                    *idmapped = false;
                }
                Some(place.fd)
            }
            (Opened::FileSystem { path, image, writable }, Mount::Tree { flags, .. }) => {
                let disks = disks.ok_or_else(|| Failure::bug("mount a disk without who looks at it"))?;
                let disk = disks.open(path.as_str(), *image, *writable)?;
                let kind = disk.kind;
                found.disks.push(disk.number);
                mount = Mount::Disk { kind, flags: *flags };
                Some(disk.device)
            }
            (Opened::FileSystem { .. }, _) => return Err(Failure::bug("mount a disk as something else")),
            (Opened::Device, Mount::Node(device)) => Some(open::node(device.name())?),
            (Opened::Device, _) => {
                let fuse = open::file("/dev/fuse", true).map_err(|e| for_everybody(host, e))?;
                let copy = fuse
                    .try_clone()
                    .map_err(|_| Failure::kernel("copy a descriptor", nix::errno::Errno::EMFILE as i32))?;
                found.fuse = Some(copy);
                Some(fuse)
            }
        };
        found.from.push(from);
        found.mounts.push(mount);
    }
    Ok(found)
}

/// Why an ordinary user does not open it: hosts let everybody, since who does has nothing of anybody else's by that.
fn for_everybody(host: &Host, failure: Failure) -> Failure {
    if host.user.is_none() || failure.errno != nix::errno::Errno::EACCES as i32 {
        return failure;
    }
    Failure::caller("have a /proc/meminfo of its own: you may not open /dev/fuse (sudo chmod 666 /dev/fuse)")
}

const fn mapped(mount: &Mount) -> bool {
    matches!(mount, Mount::Tree { idmapped: true, .. } | Mount::Disk { .. })
}

impl Sources {
    fn pick(&self, idmapped: bool) -> Vec<usize> {
        self.mounts
            .iter()
            .enumerate()
            .filter(|(_, m)| mapped(m) == idmapped)
            .map(|(i, _)| i)
            .collect()
    }

    fn request<'a>(
        &'a self,
        which: &[usize],
        namespace: Option<BorrowedFd<'a>>,
    ) -> (mountd::Request, Vec<BorrowedFd<'a>>) {
        let chosen: Vec<Mount> = which.iter().filter_map(|i| self.mounts.get(*i)).cloned().collect();
        let mut descriptors = Vec::new();
        for index in which {
            descriptors.extend(self.from.get(*index).and_then(Option::as_ref).map(AsFd::as_fd));
            descriptors.extend(namespace);
        }
        (mountd::Request::Make(chosen), descriptors)
    }
}

type Mountd = Piece<mountd::Request, mountd::Reply>;
type Cgroupd = Piece<cgroupd::Request, cgroupd::Reply>;
type Init = Piece<init::Request, init::Reply>;
type Netd = Piece<netd::Request, netd::Reply>;
type Fused = Piece<fused::Request, fused::Reply>;

fn collect(mountd: &Mountd, which: &[usize], into: &mut [Option<OwnedFd>]) -> Result<(), Failure> {
    let made = expect!(mountd, mountd, (mountd::Reply::Made(_), made) => made);
    if made.len() != which.len() {
        return Err(mountd.confused());
    }
    for (index, fd) in which.iter().zip(made) {
        if let Some(slot) = into.get_mut(*index) {
            *slot = Some(fd);
        }
    }
    Ok(())
}

/// The payload's streams: the caller's own, or a pipe to the supervisor's log.
struct Streams {
    passed: Vec<OwnedFd>,
    log: Option<OwnedFd>,
}

fn streams(host: &Host, container: &init::Container, given: Option<Vec<OwnedFd>>) -> Result<Streams, Failure> {
    if let Some(passed) = given {
        open::no_directories(&passed)?;
        return Ok(Streams { passed, log: None });
    }
    if container.learn {
        return Err(Failure::caller("learn from a command: who learns is not there"));
    }
    if container.descriptors != 0 {
        return Err(Failure::caller("pass descriptors that did not come"));
    }
    let fail = |e: nix::errno::Errno| Failure::kernel("make the log's pipe", e as i32);
    if !container.streams.contains(&Stream::Passed) {
        return Ok(Streams {
            passed: Vec::new(),
            log: None,
        });
    }
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(fail)?;
    let mut passed = Vec::new();
    for (number, _) in container
        .streams
        .iter()
        .enumerate()
        .filter(|(_, s)| **s == Stream::Passed)
    {
        let from = if number == 0 {
            host.programs.null()
        } else {
            write.as_fd()
        };
        passed.push(from.try_clone_to_owned().map_err(|_| fail(nix::errno::Errno::EMFILE))?);
    }
    Ok(Streams {
        passed,
        log: Some(read),
    })
}

fn borrowed(list: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    list.iter().map(AsFd::as_fd).collect()
}

/// Starts the container. On failure whatever was started still has to be cleared away: see `clear`.
/// What runs then, and the inode number of its pid namespace.
pub fn start(host: &Host, start: &Judged<Start>, given: Given) -> Result<(Reply, u64), Failure> {
    let start = start.get();
    let base = host.groups()?;
    let placed = cradle::placed(&base, start)?;
    let groups: &[Group] = match &placed {
        Some(place) => &place.groups,
        None => &base,
    };
    let shared = share::start(&host.policy, &start.name, &start.container.shares, given.shared)?;
    let disks = Disks::new(host, start)?;
    let sources = sources(host, start, disks.as_ref())?;
    let given_nodes: Result<Vec<nodes::Found>, _> = start.container.nodes.iter().map(nodes::find).collect();
    let given_nodes = given_nodes?;
    nodes::apart(&start.container.nodes, &given_nodes, &sources.disks)?;
    drop(disks);
    let (plain, shifted) = (sources.pick(false), sources.pick(true));

    let owner = if start.container.cgroup_writable {
        ids::outside(&start.container.uid_map, 0).unwrap_or(0)
    } else {
        0
    };
    let cradle = cradle::ready(host, [&*base, groups], start, owner)?;
    // What outlives this is born where the end of the caller's session does not reach it.
    let kept = groups::keep(&base)?;
    let kept = kept.as_ref().map(AsFd::as_fd);

    // `init` has the longest way to go, and what it waits for comes next; what it needs last is started while it is at work.
    let birth = Birth {
        group: cradle.as_ref().map(|c| c.keep.as_fd()).or(kept),
        spaces: &shared.all(),
        apart: false,
    };
    let init: Init = host.born_in(Program::Init, start.block, birth)?;
    let streams = streams(host, &start.container, given.streams)?;
    init.send(
        &init::Request::Begin(start.container.clone()),
        &borrowed(&streams.passed),
    )?;
    drop(streams.passed);
    // What reaches host id 0 was judged: the host's policy consents.
    let maps = start.container.uid_map.iter().chain(&start.container.gid_map);
    let consented = maps.into_iter().any(|r| r.outside == 0);
    let idmapd = host.idmapd(start.block, consented)?;
    if start.has_links() || start.outward.is_some() {
        // What `netd` changes for the host, or `pasta` opens there, is not done before it is known that it can be put on record.
        host.begin(start.block)?;
    }
    let netd = netd(host, start)?;
    let cgroupd = limited(host, start, groups)?;
    let devices = Devices::new(host, start.block, groups)?;
    // A sysfs shows the links of whoever makes it.
    let birth = Birth {
        group: None,
        spaces: &shared.network(),
        apart: false,
    };
    let mountd: Mountd = host.born_in(Program::Mountd, start.block, birth)?;
    let (request, descriptors) = sources.request(&plain, None);
    mountd.send(&request, &descriptors)?;

    // The outer user namespace and its maps; then everything that needs them.
    let outer = expect!(init, init, (init::Reply::Unshared, fds) => fds);
    let (uid, gid) = (start.container.uid_map.clone(), start.container.gid_map.clone());
    let maps = if consented {
        idmapd::Request::WriteConsentedMaps { uid, gid }
    } else {
        idmapd::Request::WriteMaps { uid, gid }
    };
    let process = open::proc_directory(init.pid)?;
    idmapd.send(&maps, &[process.as_fd()])?;
    expect!(idmapd, idmapd, (idmapd::Reply::Mapped, _) => ());
    match &cradle {
        Some(cradle) => init.send(&init::Request::MappedInto, &[cradle.payload.as_fd()])?,
        None => init.send(&init::Request::Mapped, &[])?,
    }
    if !shifted.is_empty() {
        let (request, descriptors) = sources.request(&shifted, outer.first().map(AsFd::as_fd));
        mountd.send(&request, &descriptors)?;
    }

    // Limits and device rules are in force before the first process joins.
    if let Some(cgroupd) = &cgroupd {
        expect!(cgroupd, cgroupd, (cgroupd::Reply::Made, _) => ());
    }
    devices.allow(groups, start, given_nodes.iter().map(|n| n.rule))?;
    // Version 1 takes no rules for a group that has others below it.
    let unified = groups.iter().any(|g| g.hierarchy.unified);
    if !unified {
        devices.in_force()?;
    }
    let members = groups::payload(groups, &start.name, owner)?;
    if unified {
        devices.in_force()?;
    }
    let count = u16::try_from(members.len()).map_err(|_| Failure::bug("count the hierarchies"))?;
    init.send(&init::Request::Join(count), &borrowed(&members))?;

    let mut mounts: Vec<Option<OwnedFd>> = sources.mounts.iter().map(|_| None).collect();
    collect(&mountd, &plain, &mut mounts)?;
    let at = sources.mounts.iter().position(|m| *m == Mount::Nodes);
    if let Some(within) = at.and_then(|at| mounts.get(at)?.as_ref()) {
        nodes::make(&given_nodes, within, root_of(&start.container))?;
    }
    let fused = fused(host, start, groups, &sources, kept)?;
    // As long as anybody else holds the connection, nobody is told that a server has died, and whoever reads from it waits for ever.
    drop(sources);
    let born = expect!(init, init, (init::Reply::Born, fds) => fds);
    let [inner, network, rtnetlink, first] = born.as_slice() else {
        return Err(init.confused());
    };
    let rest = || {
        if host.user.is_some() {
            // Nobody of the user's may touch the host's links.
            borrow::lay(&start.links, network, rtnetlink)?;
        }
        if let Some(link) = &start.outward {
            let ends = sys::process::pidfd(init.pid).map_err(|e| Failure::kernel("open a pidfd", e as i32))?;
            outward::connect(link, start.block, kept, [inner.as_fd(), network.as_fd()], ends.as_fd())?;
        }
        connect(netd.as_ref(), start, [network.as_fd(), rtnetlink.as_fd()])?;
        if !shifted.is_empty() {
            collect(&mountd, &shifted, &mut mounts)?;
        }
        let mounts: Vec<OwnedFd> = mounts.into_iter().flatten().collect();
        let count = u16::try_from(mounts.len()).map_err(|_| Failure::bug("count the mounts"))?;
        init.send(&init::Request::Attach(count), &borrowed(&mounts))?;
        drop(mounts);
        let begun = Begun {
            init: &init,
            netd,
            fused,
            first,
            kept,
            log: streams.log,
        };
        finish(host, start, begun, given.claim, given.state).map_err(|failure| reason(&init, failure))
    };
    rest().inspect_err(|_| {
        if !start.lent.is_empty() {
            // They go with the namespace otherwise. What fails here is told of where it is cleared away.
            host.programs.settle(&[Program::Netd]);
            let _ = lend::back(host, start.block, &start.lent, rtnetlink.as_fd());
        }
    })
}

/// Has `netd` make the container's links, by what was opened inside, and the rules that go with them.
fn connect(netd: Option<&Netd>, start: &Start, inside: [BorrowedFd<'_>; 2]) -> Result<(), Failure> {
    let Some(netd) = netd else { return Ok(()) };
    if !start.lent.is_empty() {
        let own = lend::own()?;
        let [network, rtnetlink] = inside;
        netd.send(
            &netd::Request::Lend(start.lent.clone()),
            &[network, rtnetlink, own.as_fd()],
        )?;
    }
    if !start.links.is_empty() {
        netd.send(&netd::Request::Connect(start.links.clone()), &inside)?;
    }
    if let Some((firewall, _)) = &start.protect {
        netd.send(&netd::Request::Protect(firewall.clone()), &[])?;
        if looks(firewall) {
            netd.send(&netd::Request::FindDropping(firewall.bridge.clone()), &[])?;
        }
    }
    Ok(())
}

/// Begins to make the container's groups, with its limits, where there are any. Without one nothing can be limited.
fn limited(host: &Host, start: &Start, groups: &[Group]) -> Result<Option<Cgroupd>, Failure> {
    if groups.is_empty() {
        judge::unlimited(&start.limits)?;
        return Ok(None);
    }
    let cgroupd = host.cgroupd(start.block, groups)?;
    let make = cgroupd::Request::Make {
        name: start.name.clone(),
        hierarchies: groups.iter().map(|g| g.hierarchy.clone()).collect(),
        limits: start.limits.clone(),
    };
    cgroupd.send(&make, &[])?;
    Ok(Some(cgroupd))
}

/// A container whose tree is being built.
struct Begun<'a> {
    init: &'a Init,
    netd: Option<Netd>,
    fused: Option<Fused>,
    first: &'a OwnedFd,
    kept: Option<BorrowedFd<'a>>,
    log: Option<OwnedFd>,
}

/// The rest of a start, until the container is kept.
fn finish(
    host: &Host,
    start: &Start,
    begun: Begun<'_>,
    claim: Claimed,
    state: Vec<OwnedFd>,
) -> Result<(Reply, u64), Failure> {
    host.begin(start.block)?;
    let keeper: Piece<supervisor::Request, supervisor::Reply> =
        host.born(Program::Supervisor, start.block, begun.kept)?;

    let (mut changed, mut firewall, mut dropping) = (false, None, Vec::new());
    if let Some(netd) = &begun.netd {
        if start.forwards() {
            changed = expect!(netd, netd, (netd::Reply::Forwarding { v4_changed, v6_changed }, _) => v4_changed || v6_changed);
        }
        if !start.lent.is_empty() {
            expect!(netd, netd, (netd::Reply::Lent, _) => ());
        }
        if !start.links.is_empty() {
            expect!(netd, netd, (netd::Reply::Connected, _) => ());
        }
        if let Some((rules, _)) = &start.protect {
            firewall = expect!(netd, netd, (netd::Reply::Protected, fds) => fds.into_iter().next());
            if looks(rules) {
                dropping = expect!(netd, netd, (netd::Reply::Dropping(chains), _) => chains);
            }
        }
    }
    if let Some(fused) = &begun.fused {
        expect!(fused, fused, (fused::Reply::Serving, _) => ());
    }
    // Nothing of the container's runs before it is on record that it will.
    host.ledger.written()?;
    // Once it has ended nobody can say which it was.
    let pid1 = pid_of(begun.first);
    let running = execute(begun.init)?;
    let pid1 = pid1?;
    let namespace = running.get(PID_NAMESPACE).ok_or_else(|| begun.init.confused())?;
    let namespace = rustix::fs::fstat(namespace)
        .map_err(|e| Failure::kernel("look at the container's pid namespace", sys::process::errno(e) as i32))?
        .st_ino;
    let kept = Kept {
        given: state,
        claim: claim.ids,
        pid1,
        wall: wall(firewall, claim.network)?,
        log: begun.log,
        fused: begun.fused.as_ref().map(|f| f.pid),
        running,
    };
    keep(start, &keeper, begun.init, begun.first, kept)?;
    let started = Reply::Started {
        pid1,
        init: number(begun.init.pid),
        supervisor: number(keeper.pid),
        fused: begun.fused.map_or(0, |f| number(f.pid)),
        forwarding_changed: changed,
        dropping,
    };
    Ok((started, namespace))
}

/// Why a start failed while the tree was being built: what `init` says of the tree comes before what others say, which follows from it. But that
/// nobody is behind `/proc/meminfo` follows from what became of its server.
fn reason(init: &Init, failure: Failure) -> Failure {
    use nix::errno::Errno;
    let patience = nix::sys::time::TimeVal::new(0, 200_000);
    let limited = nix::sys::socket::setsockopt(
        &init.channel.as_fd(),
        nix::sys::socket::sockopt::ReceiveTimeout,
        &patience,
    );
    match limited.map(|()| init.receive()) {
        Ok(Ok((init::Reply::Refused(unbuilt), _)))
            if ![Errno::ENOTCONN as i32, Errno::ECONNABORTED as i32].contains(&unbuilt.errno) =>
        {
            unbuilt
        }
        _ => failure,
    }
}

/// The command is executed. If the tree could not be built, that was answered before, and nobody is there to be asked, which has
/// no error number; who could not be asked for another reason answers nothing.
fn execute(init: &Init) -> Result<Vec<OwnedFd>, Failure> {
    let asked = init.send(&init::Request::Execute, &[]);
    if let Err(failure) = &asked
        && failure.errno != 0
    {
        return asked.map(|()| Vec::new());
    }
    match (init.receive(), asked) {
        (Ok((init::Reply::Running { .. }, descriptors)), _) => Ok(descriptors),
        (Ok((init::Reply::Refused(failure), _)), _) | (Err(_), Err(failure)) | (Err(failure), Ok(())) => Err(failure),
        (Ok(_), _) => Err(init.confused()),
    }
}

/// `netd`, at work on what needs nobody's result, if the container has links.
fn netd(host: &Host, start: &Start) -> Result<Option<Netd>, Failure> {
    if host.user.is_some() || !start.has_links() {
        return Ok(None);
    }
    let netd: Netd = host.piece(Program::Netd, start.block)?;
    if start.forwards() {
        forward(&netd)?;
    }
    Ok(Some(netd))
}

/// Has it turn forwarding on.
pub fn forward(netd: &Netd) -> Result<(), Failure> {
    let switches = [
        open::file("/proc/sys/net/ipv4/ip_forward", true)?,
        open::file("/proc/sys/net/ipv6/conf/all/forwarding", true)?,
    ];
    netd.send(&netd::Request::Forward, &borrowed(&switches))
}

/// The ids that the container's root has on the host.
fn root_of(container: &init::Container) -> [u32; 2] {
    [&container.uid_map, &container.gid_map].map(|map| ids::outside(map, 0).unwrap_or(0))
}

/// Whether it matters who drops what is forwarded.
pub fn looks(firewall: &netd::Firewall) -> bool {
    firewall.through != netd::Through::Nothing
}

/// The server of `/proc/meminfo`, if there is to be one. The container's limits are there to be read.
fn fused(
    host: &Host,
    start: &Start,
    groups: &[Group],
    sources: &Sources,
    kept: Option<BorrowedFd<'_>>,
) -> Result<Option<Fused>, Failure> {
    if !start.meminfo {
        return Ok(None);
    }
    let fused: Fused = host.born(Program::Fused, start.block, kept)?;
    let (source, files) = groups::memory(groups, &start.name)?;
    let mut descriptors: Vec<BorrowedFd<'_>> = sources.fuse.iter().map(AsFd::as_fd).collect();
    descriptors.extend(borrowed(&files));
    let [uid, gid] = root_of(&start.container);
    fused.send(&fused::Request::Serve { source, uid, gid }, &descriptors)?;
    Ok(Some(fused))
}

/// Which of the namespaces of [`init::NAMESPACES`] that is.
const PID_NAMESPACE: usize = 2;

/// The rules, and what is claimed with them: both or neither.
fn wall(firewall: Option<OwnedFd>, network: Option<OwnedFd>) -> Result<Option<[OwnedFd; 2]>, Failure> {
    match (firewall, network) {
        (Some(firewall), Some(network)) => Ok(Some([firewall, network])),
        (None, None) => Ok(None),
        _ => Err(Failure::bug("claim what the container has of the network")),
    }
}

struct Kept {
    given: Vec<OwnedFd>,
    claim: OwnedFd,
    pid1: u32,
    wall: Option<[OwnedFd; 2]>,
    log: Option<OwnedFd>,
    fused: Option<Pid>,
    running: Vec<OwnedFd>,
}

fn keep(
    start: &Start,
    keeper: &Piece<supervisor::Request, supervisor::Reply>,
    init: &Init,
    first: &OwnedFd,
    kept: Kept,
) -> Result<(), Failure> {
    let fail = |e: nix::errno::Errno| Failure::kernel("open a pidfd", e as i32);
    let outer = sys::process::pidfd(init.pid).map_err(fail)?;
    let fused = kept.fused.map(sys::process::pidfd).transpose().map_err(fail)?;
    let (namespaces, masters) = kept
        .running
        .split_at_checked(init::NAMESPACES)
        .ok_or_else(|| init.confused())?;
    let mut descriptors = borrowed(&kept.given);
    descriptors.insert(descriptors.len().min(1), kept.claim.as_fd());
    descriptors.extend([init.channel.as_fd(), first.as_fd(), outer.as_fd()]);
    descriptors.extend(borrowed(namespaces));
    descriptors.extend(kept.wall.iter().flatten().map(AsFd::as_fd));
    descriptors.extend(kept.log.iter().map(AsFd::as_fd));
    descriptors.extend(fused.iter().map(AsFd::as_fd));
    descriptors.extend(borrowed(masters));
    let protect = kept.wall.as_ref().and(start.protect.as_ref());
    let walled = protect.map(|(rules, _)| rules.link.clone());
    let request = supervisor::Request::Keep {
        name: start.name.clone(),
        client: ids::LAZARET,
        pid1: kept.pid1,
        init: number(init.pid),
        firewall: walled,
        log_pipe: kept.log.is_some(),
        fused: kept.fused.map_or(0, number),
        consoles: start.container.consoles,
    };
    keeper.send(&request, &descriptors)?;
    expect!(keeper, supervisor, (supervisor::Reply::Keeping, _) => ());
    Ok(())
}

fn number(pid: Pid) -> u32 {
    u32::try_from(pid.as_raw()).unwrap_or(0)
}

/// The pid behind a pidfd, as `/proc/self/fdinfo` gives it (pidfd_open(2)).
fn pid_of(pidfd: &OwnedFd) -> Result<u32, Failure> {
    use std::os::fd::AsRawFd;
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).map_err(|e| {
        Failure::kernel(
            "find the pid of the container's first process",
            e.raw_os_error().unwrap_or(0),
        )
    })?;
    let line = text.lines().find_map(|l| l.strip_prefix("Pid:"));
    // -1 is that of a process which has ended.
    line.and_then(|n| n.trim().parse().ok())
        .ok_or_else(|| Failure::caller("find the pid of the container's first process: it has ended"))
}
