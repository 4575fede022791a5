//! Receive, judge, act, reply: the steps of a start in their one order. May touch: the channel; the acts are elsewhere.

use crate::inner::{Answer, Order};
use crate::judge::{Judged, judge};
use crate::outer::{Builder, First, ask, unshare_user};
use crate::views::Shown;
use crate::{keep, tree};
use policies::{Confined, Ended};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::Channel;
use wire::failure::Failure;
use wire::init::{Reply, Request};

type ToPeer = Channel<Reply, Request>;

/// How far the container is.
enum Stage {
    /// Nothing yet.
    New,
    /// The builder's user namespace waits for its maps.
    Unshared(Box<Judged>, Builder, Vec<OwnedFd>),
    /// The first process exists.
    Born(Box<Growing>),
    /// The command is executed.
    Running(Box<Growing>),
}

/// A container that is being built.
struct Growing {
    container: Judged,
    first: First,
    streams: Vec<OwnedFd>,
    cgroup: Option<OwnedFd>,
    mounts: Vec<OwnedFd>,
    consoles: Vec<crate::dev::Console>,
}

/// Serves one container, from its start to its end.
pub fn serve(_: &Confined, channel: &ToPeer) -> Result<(), Ended> {
    let mut stage = Stage::New;
    loop {
        let (request, descriptors) = match channel.receive() {
            Ok(received) => received,
            Err(e) => {
                abandon(&stage);
                return Err(e.into());
            }
        };
        stage = match step(stage, request, descriptors, channel) {
            Ok(Stage::Running(growing)) => return keep::keep(&growing.first, channel),
            Ok(stage) => stage,
            Err(failure) => return Ok(channel.send(&Reply::Refused(failure), &[])?),
        };
    }
}

/// What is there ends.
fn abandon(stage: &Stage) {
    if let Stage::Born(growing) | Stage::Running(growing) = stage {
        keep::end(&growing.first);
    }
}

/// One step. On failure nothing of the container is left.
fn step(stage: Stage, request: Request, descriptors: Vec<OwnedFd>, channel: &ToPeer) -> Result<Stage, Failure> {
    match (stage, request) {
        (Stage::New, Request::Begin(container)) => {
            let container = judge(*container)?;
            let (builder, user) = unshare_user()?;
            tell(channel, &Reply::Unshared, &[user.as_fd()])?;
            Ok(Stage::Unshared(Box::new(container), builder, descriptors))
        }
        (Stage::Unshared(container, builder, streams), Request::Mapped) => {
            let first = builder.bear(&container, &streams)?;
            let growing = Growing {
                container: *container,
                first,
                streams,
                cgroup: None,
                mounts: Vec::new(),
                consoles: Vec::new(),
            };
            guard(growing, |g| born(g, channel)).map(Stage::Born)
        }
        (Stage::Born(growing), Request::Join(_)) => guard(*growing, |g| join(g, &descriptors)).map(Stage::Born),
        (Stage::Born(mut growing), Request::Attach(_)) => {
            growing.mounts.extend(descriptors);
            Ok(Stage::Born(growing))
        }
        (Stage::Born(growing), Request::Execute) => guard(*growing, |g| execute(g, channel)).map(Stage::Running),
        (stage, _) => {
            abandon(&stage);
            Err(Failure::protocol("take a step that is not the next one"))
        }
    }
}

/// Acts on a container that is being built; if that fails, ends it.
fn guard(mut growing: Growing, act: impl FnOnce(&mut Growing) -> Result<(), Failure>) -> Result<Box<Growing>, Failure> {
    match act(&mut growing) {
        Ok(()) => Ok(Box::new(growing)),
        Err(failure) => {
            keep::end(&growing.first);
            Err(failure)
        }
    }
}

fn tell(channel: &ToPeer, reply: &Reply, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    channel
        .send(reply, descriptors)
        .map_err(|e| Failure::protocol(&format!("answer: {e}")))
}

fn born(growing: &mut Growing, channel: &ToPeer) -> Result<(), Failure> {
    let first = &growing.first;
    let [user, _, net, _, _] = &first.namespaces;
    tell(
        channel,
        &Reply::Born,
        &[user.as_fd(), net.as_fd(), first.rtnetlink.as_fd(), first.pidfd.as_fd()],
    )
}

fn join(growing: &mut Growing, groups: &[OwnedFd]) -> Result<(), Failure> {
    let number = u16::try_from(groups.len()).map_err(|_| Failure::protocol("join that many hierarchies"))?;
    let borrowed: Vec<_> = groups.iter().map(AsFd::as_fd).collect();
    let (answer, descriptors) = ask(&growing.first.channel, &Order::Join(number), &borrowed)?;
    growing.cgroup = only(answer, descriptors, |a| matches!(a, Answer::Joined))?;
    Ok(())
}

fn only(answer: Answer, descriptors: Vec<OwnedFd>, right: fn(&Answer) -> bool) -> Result<Option<OwnedFd>, Failure> {
    if right(&answer) {
        return Ok(descriptors.into_iter().next());
    }
    Err(Failure::bug("understand the first process"))
}

/// Builds, lets the first process become the payload, and says that it has.
fn execute(growing: &mut Growing, channel: &ToPeer) -> Result<(), Failure> {
    let Growing {
        container,
        first,
        streams,
        cgroup,
        mounts,
        consoles,
    } = growing;
    let cgroup = cgroup
        .as_ref()
        .ok_or_else(|| Failure::protocol("execute before joining the control groups"))?;
    let [user, pid, net, ipc, uts] = &first.namespaces;
    *consoles = tree::build(container, std::mem::take(mounts), &Shown { pid, net, ipc, cgroup })?;
    let (answer, descriptors) = ask(&first.channel, &Order::Execute, &[])?;
    let mount = only(answer, descriptors, |a| matches!(a, Answer::Ready))?
        .ok_or_else(|| Failure::bug("understand the first process"))?;
    // The payload's streams are its own from here on: their ends must be seen.
    streams.clear();
    match first.channel.receive() {
        Err(sys::channel::ChannelError::Closed) => {}
        Ok((Answer::Failed(failure), _)) => return Err(failure),
        Ok(_) => return Err(Failure::bug("understand the first process")),
        Err(e) => return Err(Failure::bug(&format!("speak to the first process: {e}"))),
    }
    let number = u8::try_from(consoles.len()).map_err(|_| Failure::bug("count the consoles"))?;
    let mut all = vec![
        user.as_fd(),
        mount.as_fd(),
        pid.as_fd(),
        net.as_fd(),
        ipc.as_fd(),
        uts.as_fd(),
        cgroup.as_fd(),
    ];
    all.extend(consoles.iter().map(|c| c.master.as_fd()));
    tell(channel, &Reply::Running { consoles: number }, &all)
}
