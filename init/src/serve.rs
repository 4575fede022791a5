//! Receive, judge, act, reply: the steps of a start in their one order. May touch: the channel; the acts are elsewhere.

use crate::boot::Boot;
use crate::judge::{Judged, judge};
use crate::keep;
use crate::outer::{Builder, unshare_user};
use crate::undo::Places;
use payload::confine::{KILL, keep_only};
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
    Born(Box<Boot>),
    /// The command is executed.
    Running(Box<Boot>),
}

/// Serves one container, from its start to its end.
pub fn serve(_: &Confined, channel: &ToPeer) -> Result<(), Ended> {
    let mut stage = Stage::New;
    loop {
        let (request, descriptors) = match channel.receive() {
            Ok(received) => received,
            Err(e) => {
                abandon(stage);
                return Err(e.into());
            }
        };
        stage = match step(stage, request, descriptors, channel) {
            Ok(Stage::Running(mut boot)) => return keep::keep(&mut boot, channel),
            Ok(stage) => stage,
            Err(failure) => return Ok(channel.send(&Reply::Refused(failure), &[])?),
        };
    }
}

/// What is there ends, and what was made for a container that has not lived is taken away.
fn abandon(stage: Stage) {
    match stage {
        Stage::New | Stage::Unshared(..) => {}
        Stage::Born(mut boot) => {
            keep::end(&boot.first);
            boot.places.undo();
        }
        Stage::Running(boot) => keep::end(&boot.first),
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
        (Stage::Unshared(container, builder, streams), Request::Mapped | Request::MappedInto) => {
            let cradle = descriptors.into_iter().next();
            let (first, templates) = builder.bear(&container, &streams, cradle.as_ref().map(AsFd::as_fd))?;
            let boot = Boot {
                grouped: cradle.is_some(),
                cradle: cradle.filter(|_| container.restarts()),
                container: *container,
                first,
                streams,
                groups: Vec::new(),
                cgroup: None,
                mounts: Vec::new(),
                consoles: Vec::new(),
                templates,
                built: false,
                nodes: Vec::new(),
                places: Places::default(),
            };
            guard(boot, |g| born(g, channel)).map(Stage::Born)
        }
        (Stage::Born(boot), Request::Join(_)) => guard(*boot, |b| b.join(descriptors)).map(Stage::Born),
        (Stage::Born(mut boot), Request::Attach(_)) if !boot.built => {
            boot.mounts.extend(descriptors);
            guard(*boot, build).map(Stage::Born)
        }
        (Stage::Born(boot), Request::Execute) => guard(*boot, |g| execute(g, channel)).map(Stage::Running),
        (stage, _) => {
            abandon(stage);
            Err(Failure::protocol("take a step that is not the next one"))
        }
    }
}

/// Acts on a container that is being built; if that fails, ends it and takes away what was made for it.
fn guard(mut boot: Boot, act: impl FnOnce(&mut Boot) -> Result<(), Failure>) -> Result<Box<Boot>, Failure> {
    match act(&mut boot) {
        Ok(()) => Ok(Box::new(boot)),
        Err(failure) => {
            keep::end(&boot.first);
            boot.places.undo();
            Err(failure)
        }
    }
}

fn tell(channel: &ToPeer, reply: &Reply, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    channel
        .send(reply, descriptors)
        .map_err(|e| Failure::protocol(&format!("answer: {e}")))
}

fn born(boot: &mut Boot, channel: &ToPeer) -> Result<(), Failure> {
    let first = &boot.first;
    let [user, _, net, _, _] = &first.namespaces;
    tell(
        channel,
        &Reply::Born,
        &[user.as_fd(), net.as_fd(), first.rtnetlink.as_fd(), first.pidfd.as_fd()],
    )
}

fn build(boot: &mut Boot) -> Result<(), Failure> {
    let parts = boot.first_parts()?;
    boot.build(parts)
}

/// Lets the first process become the payload, and says that it has.
fn execute(boot: &mut Boot, channel: &ToPeer) -> Result<(), Failure> {
    let mount = boot.execute(Places::default())?;
    if !boot.container.restarts() {
        // There is nothing left to build: all that is still needed is to end the first process.
        keep_only(KILL)?;
    }
    let [user, pid, net, ipc, uts] = &boot.first.namespaces;
    let cgroup = boot
        .cgroup
        .as_ref()
        .ok_or_else(|| Failure::bug("find the cgroup namespace"))?;
    let consoles = u8::try_from(boot.consoles.len()).map_err(|_| Failure::bug("count the consoles"))?;
    let mut all = vec![
        user.as_fd(),
        mount.as_fd(),
        pid.as_fd(),
        net.as_fd(),
        ipc.as_fd(),
        uts.as_fd(),
        cgroup.as_fd(),
    ];
    all.extend(boot.consoles.iter().map(|c| c.master.as_fd()));
    tell(channel, &Reply::Running { consoles }, &all)
}
