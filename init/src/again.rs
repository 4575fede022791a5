//! A container's next start: a new first process in the user, network and cgroup namespaces that it had, and in new ones of every other kind,
//! with a tree built from the templates. It takes no power over the host. May touch: the container's namespaces.

use crate::boot::Boot;
use crate::first::{self, Birth};
use crate::inner::{Answer, Order};
use crate::outer::{First, settle};
use crate::vacate::vacate;
use nix::sched::CloneFlags;
use payload::Step;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, pair};
use sys::namespace::{self, Kind};
use sys::process::{Fork, clone_into, exit_now, fork};
use wire::failure::Failure;
use wire::frame::Message;

/// What the process in between answers.
#[derive(Debug, Serialize, Deserialize)]
enum Between {
    /// The first process exists, with this pid on the host (its pidfd).
    Born(i32),
    /// It does not.
    Failed(Failure),
}

/// Nothing is ever sent to it.
#[derive(Debug, Serialize, Deserialize)]
enum Never {}

impl Message for Between {
    fn descriptors(&self) -> usize {
        match self {
            Self::Born(_) => 1,
            Self::Failed(_) => 0,
        }
    }
}

impl Message for Never {
    fn descriptors(&self) -> usize {
        match *self {}
    }
}

/// Starts the container again. Returns its new mount namespace.
pub fn again(boot: &mut Boot) -> Result<OwnedFd, Failure> {
    let templates = boot
        .templates
        .as_ref()
        .ok_or_else(|| Failure::bug("start again without templates"))?;
    let parts = templates.renew()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty()).to("open /proc")?;
    if let Some(cradle) = &boot.cradle {
        vacate(cradle.as_fd())?;
    }
    let (channel, theirs) = pair::<Order, Answer>().to("make the channel to the first process")?;
    boot.first = bear(boot, channel, theirs, proc.as_fd())?;
    let groups = std::mem::take(&mut boot.groups);
    boot.join(groups)?;
    boot.again(parts)
}

/// Whoever makes a pid namespace owns it by its user namespace, and only children are in it: so a process in between joins the payload's user
/// namespace, makes the namespaces, and starts the first process as its sibling.
fn bear(
    boot: &Boot,
    channel: Channel<Order, Answer>,
    theirs: Channel<Answer, Order>,
    proc: BorrowedFd<'_>,
) -> Result<First, Failure> {
    let what = "start the first process again";
    let (ours, report) = pair::<Never, Between>().to(what)?;
    let between = match fork().to(what)? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            let made = enter(boot, proc).and_then(|()| {
                let cradle = boot.cradle.as_ref().map(AsFd::as_fd);
                clone_into(CloneFlags::CLONE_PARENT, cradle).to(what)
            });
            let sent = match made {
                Ok(Fork::Child) => match see(boot) {
                    Ok(()) => first::live(&boot.container, theirs, proc, &boot.streams, Birth::Again),
                    Err(failure) => theirs.send(&Answer::Failed(failure), &[]),
                },
                Ok(Fork::Parent(pid)) => match sys::process::pidfd(pid).to(what) {
                    Ok(pidfd) => report.send(&Between::Born(pid.as_raw()), &[pidfd.as_fd()]),
                    Err(failure) => report.send(&Between::Failed(failure), &[]),
                },
                Err(failure) => report.send(&Between::Failed(failure), &[]),
            };
            exit_now(i32::from(sent.is_err()))
        }
    };
    drop(report);
    drop(theirs);
    let received = ours.receive();
    sys::process::wait(between).to(what)?;
    let (pid, pidfd) = match received {
        Ok((Between::Born(pid), descriptors)) => {
            (pid, descriptors.into_iter().next().ok_or_else(|| Failure::bug(what))?)
        }
        Ok((Between::Failed(failure), _)) => return Err(failure),
        Err(e) => return Err(Failure::bug(&format!("{what}: {e}"))),
    };
    settle(nix::unistd::Pid::from_raw(pid), pidfd, channel)
}

fn enter(boot: &Boot, proc: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = "return to the container's namespaces";
    let [user, _, net, _, _] = &boot.first.namespaces;
    let shares_network = namespace::own(proc, Kind::Net)
        .and_then(|own| namespace::same(&own, net))
        .to(what)?;
    namespace::join(user, Kind::User).to(what)?;
    if !shares_network {
        namespace::join(net, Kind::Net).to(what)?;
    }
    let mut anew = boot.container.own_spaces();
    anew.retain(|kind| *kind != Kind::Net);
    anew.push(Kind::Pid);
    namespace::unshare(&anew).to("make the container's namespaces anew")
}

/// The first process returns to the container's cgroup namespace. Not earlier: where that bounds what was delegated (`nsdelegate`, which service
/// managers mount version 2 with), nobody is born from outside of it into the group within by a process that sees only the inside.
fn see(boot: &Boot) -> Result<(), Failure> {
    let what = "return to the container's cgroup namespace";
    let cgroup = boot.cgroup.as_ref().ok_or_else(|| Failure::bug(what))?;
    namespace::join(cgroup, Kind::Cgroup).to(what)
}
