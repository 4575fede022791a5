//! The first process of the container, from its birth to the command: it opens what only it can, joins its groups, locks the tree by
//! taking a copy of it into a mount namespace of its own, verifies it, and gives up everything. May touch: itself and its namespaces.

use crate::inner::{Answer, Order};
use crate::judge::Judged;
use crate::{masks, place, reaper, tree};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use payload::Step;
use payload::account;
use payload::confine::restrict;
use payload::execute::{Connected, Ends, execute};
use payload::label;
use payload::streams;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use sys::namespace::{self, Kind};
use wire::failure::Failure;
use wire::init::Stream;

type ToOuter = Channel<Answer, Order>;

/// Whether this is the container's first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// It is: the cgroup namespace is yet to be made.
    First,
    /// It is not: it is in the one of the start before.
    Again,
}

/// The whole life of the first process. It was forked from the outer half: of what that held, it keeps the channel, the host's procfs, and
/// the streams, and owns none of them in Rust's sense, for it never returns.
pub fn live(container: &Judged, channel: ToOuter, proc: BorrowedFd<'_>, streams: &[OwnedFd], birth: Birth) -> ! {
    let mut keep = vec![0, 1, 2, channel.as_fd().as_raw_fd(), proc.as_raw_fd()];
    keep.extend(streams.iter().map(AsRawFd::as_raw_fd));
    let channel = std::mem::ManuallyDrop::new(channel);
    let done = match sys::confine::close_all_except(&keep).to("close what is the outer half's") {
        Ok(()) => steps(container, &channel, proc, streams, birth),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = done {
        // Without the outer half there is nobody to tell.
        let _ = channel.send(&Answer::Failed(failure), &[]);
    }
    sys::process::exit_now(111)
}

/// Takes each order in turn; returns only on failure.
fn steps(
    container: &Judged,
    channel: &ToOuter,
    proc: BorrowedFd<'_>,
    streams: &[OwnedFd],
    birth: Birth,
) -> Result<(), Failure> {
    loop {
        match channel.receive() {
            Ok((Order::Mapped, _)) => settle(container, channel, proc)?,
            Ok((Order::Join(_), groups)) => join(container, channel, proc, &groups, birth)?,
            Ok((Order::Execute(_), nodes)) => return become_payload(container, channel, proc, streams, nodes),
            // The outer half is gone, and with it the container.
            Err(ChannelError::Closed) => sys::process::exit_now(111),
            Err(e) => return Err(Failure::bug(&format!("take an order: {e}"))),
        }
    }
}

fn tell(channel: &ToOuter, answer: &Answer, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    channel
        .send(answer, descriptors)
        .map_err(|e| Failure::bug(&format!("answer the outer half: {e}")))
}

/// Root in the inner user namespace: closes itself to others, raises the loopback link, and hands its namespaces out.
fn settle(container: &Judged, channel: &ToOuter, proc: BorrowedFd<'_>) -> Result<(), Failure> {
    sys::process::set_dumpable(false).to("close the first process to others")?;
    nix::unistd::setgroups(&[]).to("leave all groups")?;
    if !container.shares_network() {
        namespace::raise_loopback().to("bring up the loopback link")?;
    }
    no_deeper_user_namespace(proc)?;
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .to("open an rtnetlink socket")?;
    let own = |kind: Kind| namespace::own(proc, kind).to(&format!("open the {} namespace", kind.name()));
    let [user, pid, net] = [own(Kind::User)?, own(Kind::Pid)?, own(Kind::Net)?];
    let [ipc, uts] = [own(Kind::Ipc)?, own(Kind::Uts)?];
    let all = [
        user.as_fd(),
        pid.as_fd(),
        net.as_fd(),
        ipc.as_fd(),
        uts.as_fd(),
        netlink.as_fd(),
    ];
    tell(channel, &Answer::Here, &all)
}

/// Forbids user namespaces below the container's own: in one, its root would hold the capabilities that it gave up, and reach the parts of
/// the kernel that are behind them. Only SYS_RESOURCE, which no payload keeps beside a writable /proc/sys, could allow them again.
fn no_deeper_user_namespace(proc: BorrowedFd<'_>) -> Result<(), Failure> {
    const WHAT: &str = "forbid user namespaces inside";
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let limit = sys::mount::open_beneath(
        proc,
        c"sys/user/max_user_namespaces",
        OFlags::WRONLY,
        Mode::empty(),
        within,
    )
    .to(WHAT)?;
    nix::unistd::write(limit, b"0").to(WHAT).map(drop)
}

/// Moves into its group in every hierarchy, and only then makes that group the root of what it sees.
fn join(
    container: &Judged,
    channel: &ToOuter,
    proc: BorrowedFd<'_>,
    groups: &[OwnedFd],
    birth: Birth,
) -> Result<(), Failure> {
    for group in groups {
        nix::unistd::write(group, b"0").to("join the control groups")?;
    }
    if birth == Birth::First {
        namespace::unshare(&[Kind::Cgroup]).to("make a cgroup namespace")?;
    }
    // The name of whoever it shares that with stays.
    if container.shares.uts.is_none() {
        nix::unistd::sethostname(container.hostname.as_str()).to("set the host name")?;
    }
    let own = namespace::own(proc, Kind::Cgroup).to("open the cgroup namespace")?;
    tell(channel, &Answer::Joined, &[own.as_fd()])
}

/// What came beyond the streams.
fn beyond<'a>(container: &Judged, came: &'a [OwnedFd]) -> Result<&'a [OwnedFd], Failure> {
    let (first, count) = (container.passed_streams(), usize::from(container.descriptors));
    let beyond = came.get(first..).and_then(|rest| rest.get(..count));
    beyond.ok_or_else(|| Failure::protocol("connect a descriptor that did not come"))
}

/// From the built tree to the command. A copy of the builder's mounts in a namespace that another user namespace owns is locked by the
/// kernel: no mount can be taken off and no flag cleared, whatever the payload holds.
fn become_payload(
    container: &Judged,
    channel: &ToOuter,
    proc: BorrowedFd<'_>,
    streams: &[OwnedFd],
    nodes: Vec<OwnedFd>,
) -> Result<(), Failure> {
    label::upon_exec(proc, &container.command)?;
    namespace::unshare(&[Kind::Mount]).to("make the payload's mount namespace")?;
    let root =
        rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).to("open the root")?;
    if !tree::uncovered(root.as_fd()).to("look at what lies over the root")? {
        return Err(Failure::bug("trust the root: something is mounted over it"));
    }
    masks::verify(root.as_fd(), container)?;
    // Not locked, so that they can be taken off again while the container runs: what keeps it from devices are the rules of its group.
    for (node, mount) in container.nodes.iter().zip(nodes) {
        payload::node::place(root.as_fd(), &node.name, mount.as_fd())?;
    }
    let proc = place::find(root.as_fd(), "/proc").to("open the container's /proc")?;
    let mount = namespace::own(&proc, Kind::Mount).to("open the mount namespace")?;
    tell(channel, &Answer::Ready, &[mount.as_fd()])?;

    let account = account::find(root.as_fd(), &container.command.user)?;
    let null = streams::null(root.as_fd())?;
    let console = if container.streams.contains(&Stream::Console) {
        Some(streams::first_console(root.as_fd())?)
    } else {
        None
    };
    let chosen = streams::choose(&container.streams, streams, console.as_ref(), &null)?;
    let terminal = console
        .as_ref()
        .filter(|_| container.streams.first() == Some(&Stream::Console))
        .map(|c| c.as_fd());
    let beyond = beyond(container, streams)?;
    let restricted = restrict(&container.command, account)?;
    if container.reaper {
        let ends = Ends {
            streams: chosen,
            beyond,
            terminal,
            learner: streams.last().filter(|_| container.learn).map(AsFd::as_fd),
        };
        return reaper::reap(&restricted, &container.command, &ends, null.as_fd(), channel);
    }
    let connected = Connected {
        ends: Ends {
            streams: chosen,
            beyond,
            terminal,
            learner: None,
        },
        parent: channel.as_fd(),
    };
    let (socket, failure) = execute(&restricted, &container.command, &connected, |_| Ok(()));
    if let Some(socket) = socket {
        // Every other descriptor is closed, and its number may be this one's: nothing may be dropped any more.
        let _ = ToOuter::new(socket).send(&Answer::Failed(failure), &[]);
        sys::process::exit_now(111)
    }
    Err(failure)
}
