//! The outer half's namespaces: the builder's user namespace, in which everything is attached, and the first process in the payload's own.
//! May touch: its own process and the process it starts, and these two's id maps.

use crate::first::{self, Birth};
use crate::inner::{Answer, Order};
use crate::judge::Judged;
use crate::templates::Templates;
use nix::errno::Errno;
use nix::unistd::{Gid, Pid, Uid};
use payload::Step;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::fmt::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError, pair};
use sys::mount::{Change, Propagation, open_beneath, set_attributes};
use sys::namespace::{self, Kind};
use sys::process::{Fork, clone_into};
use wire::failure::Failure;
use wire::ids::IdRange;

/// `PROC_SUPER_MAGIC` of `linux/magic.h`.
const PROC: i64 = 0x9fa0;

/// The builder's user namespace, not mapped yet.
#[derive(Debug)]
pub struct Builder {
    /// The host's procfs, in which both halves are visible until the first process has a tree of its own.
    proc: OwnedFd,
}

/// The first process, as the outer half sees it.
#[derive(Debug)]
pub struct First {
    /// Its pid in the host's numbering, for waiting.
    pub pid: Pid,
    /// It, whatever the number.
    pub pidfd: OwnedFd,
    /// The channel to it; it closes when the command is executed.
    pub channel: Channel<Order, Answer>,
    /// Its namespaces user, pid, net, ipc, uts.
    pub namespaces: [OwnedFd; 5],
    /// An rtnetlink socket in its network namespace.
    pub rtnetlink: OwnedFd,
}

/// Leaves the host's user namespace. The process stays open to others of its uid, since the kernel gives the map files of a process that
/// does not to the host's root; only the keeper of this very container has that uid.
pub fn unshare_user() -> Result<(Builder, OwnedFd), Failure> {
    let proc = rustix::fs::open(
        "/proc",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .to("open /proc")?;
    if rustix::fs::fstatfs(&proc).to("look at /proc")?.f_type != PROC {
        return Err(Failure::caller("use the host's /proc: it is not a procfs"));
    }
    // What is made in the tree is for all of its users, and each mode is given in full. umask(2) cannot fail.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    sys::process::set_dumpable(true).to("let the id maps be written")?;
    namespace::unshare(&[Kind::User]).to("make a user namespace")?;
    let own = namespace::own(&proc, Kind::User).to("open the user namespace")?;
    Ok((Builder { proc }, own))
}

impl Builder {
    /// The maps are there: becomes root in the namespace, with a mount namespace of which nothing reaches the host, and starts the first
    /// process, in the group `cradle` of version 2 if there is one. A container that can start again has a second such namespace, for its
    /// templates.
    pub fn bear(
        self,
        container: &Judged,
        streams: &[OwnedFd],
        cradle: Option<BorrowedFd<'_>>,
    ) -> Result<(First, Option<Templates>), Failure> {
        let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
        // The keeper's group stays, among the supplementary ones: by it the first process may be born in `cradle`.
        nix::unistd::setresgid(gid, gid, gid).to("become group 0 of the user namespace")?;
        nix::unistd::setresuid(uid, uid, uid).to("become user 0 of the user namespace")?;
        // The change of uid has closed the process to others; the first process inherits that, and its maps must be written.
        sys::process::set_dumpable(true).to("let the inner id maps be written")?;
        namespace::unshare(&[Kind::Mount]).to("make a mount namespace")?;
        withdraw().to("take the mount namespace out of the host's propagation")?;
        let templates = match container.restarts() {
            true => Some(Templates::new(self.proc.as_fd())?),
            false => None,
        };
        let (channel, theirs) = pair::<Order, Answer>().to("make the channel to the first process")?;
        let kinds = [&[Kind::User, Kind::Pid], container.own_spaces().as_slice()].concat();
        let pid = match clone_into(namespace::flags(&kinds), cradle).to("start the first process")? {
            Fork::Child => first::live(container, theirs, self.proc.as_fd(), streams, Birth::First),
            Fork::Parent(pid) => pid,
        };
        drop(theirs);
        let pidfd = sys::process::pidfd(pid).to("hold the first process")?;
        self.map(pid, container)?;
        sys::process::set_dumpable(false).to("close the process to others")?;
        settle(pid, pidfd, channel).map(|first| (first, templates))
    }

    /// Writes the identity as the maps of the first process: the payload has just the ids that the builder has.
    fn map(&self, pid: Pid, container: &Judged) -> Result<(), Failure> {
        for (file, ranges) in [("uid_map", &container.uid_map), ("gid_map", &container.gid_map)] {
            let path = std::ffi::CString::new(format!("{pid}/{file}")).map_err(|_| Failure::bug("name a process"))?;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
            let what = format!("write the inner {file}");
            let map = open_beneath(self.proc.as_fd(), &path, OFlags::WRONLY, Mode::empty(), resolve).to(&what)?;
            // The kernel takes a map in one write or not at all.
            nix::unistd::write(&map, identity(ranges).as_bytes()).to(&what)?;
        }
        Ok(())
    }
}

/// Tells the first process that its ids are mapped, and takes what only it can open.
pub fn settle(pid: Pid, pidfd: OwnedFd, channel: Channel<Order, Answer>) -> Result<First, Failure> {
    let (answer, descriptors) = ask(&channel, &Order::Mapped, &[])?;
    let (Answer::Here, Ok([user, pids, net, ipc, uts, rtnetlink])) = (answer, <[OwnedFd; 6]>::try_from(descriptors))
    else {
        return Err(Failure::bug("understand the first process"));
    };
    Ok(First {
        pid,
        pidfd,
        channel,
        namespaces: [user, pids, net, ipc, uts],
        rtnetlink,
    })
}

/// The map under which every id stands for itself.
fn identity(ranges: &[IdRange]) -> String {
    ranges.iter().fold(String::new(), |mut text, r| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{0} {0} {1}", r.inside, r.count);
        text
    })
}

fn withdraw() -> nix::Result<()> {
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(sys::process::errno)?;
    let change = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(root.as_fd(), true, change)
}

/// Sends an order and takes the answer; a failure of the first process is one of ours.
pub fn ask(
    channel: &Channel<Order, Answer>,
    order: &Order,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(Answer, Vec<OwnedFd>), Failure> {
    let ended = |e: ChannelError| match e {
        ChannelError::Closed => Failure::kernel("go on: the first process has ended", Errno::ECHILD as i32),
        other => Failure::bug(&format!("speak to the first process: {other}")),
    };
    channel.send(order, descriptors).map_err(ended)?;
    match channel.receive().map_err(ended)? {
        (Answer::Failed(failure), _) => Err(failure),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_map_is_the_identity_over_the_same_ids() {
        let r = |inside, outside, count| IdRange { inside, outside, count };
        assert_eq!(
            identity(&[r(0, 100_000, 10), r(1000, 5000, 1)]),
            "0 0 10\n1000 1000 1\n"
        );
    }
}
