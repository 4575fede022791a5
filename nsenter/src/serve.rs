//! Receive, judge, act, reply: one entry, and then its signals. May touch: the channel; the acts are elsewhere.

use crate::judge::{self, Entry};
use crate::watch::{Next, Watch};
use crate::{initctl, join, network, node, watch};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use payload::confine::{KILL, keep_only, restrict};
use payload::execute::Ends;
use payload::offspring::bear;
use payload::{Step, account, streams};
use policies::{Confined, Ended, State, Steady, steady};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::Channel;
use wire::failure::Failure;
use wire::init::Stream;
use wire::nsenter::{Reply, Request};

/// A command that is executed.
#[derive(Debug)]
pub struct Entered {
    /// It, as the host numbers it.
    pub pid: Pid,
    /// It, whatever the number.
    pub pidfd: OwnedFd,
    /// Tells of SIGCHLD; never blocks.
    pub children: SignalFd,
}

/// Serves one entry to its end.
pub fn serve(_: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let (request, descriptors) = channel.receive()?;
    let (command, streams, hierarchies) = match request {
        Request::Enter {
            command,
            streams,
            hierarchies,
        } => (command, streams, hierarchies),
        Request::Place { name, writable } => {
            let placed = match descriptors.as_slice() {
                [user, mount, within] => node::place(user, mount, within, &name, writable),
                _ => Err(Failure::protocol("place a device node that did not come")),
            };
            return answer(channel, placed.map(|()| Reply::Placed));
        }
        Request::Remove(name) => {
            let removed = match descriptors.as_slice() {
                [user, mount] => node::remove(user, mount, &name),
                _ => Err(Failure::protocol("join namespaces that did not come")),
            };
            return answer(channel, removed.map(|()| Reply::Removed));
        }
        Request::OpenNetlink => {
            let opened = match descriptors.as_slice() {
                [user, net] => network::open(user, net),
                _ => Err(Failure::protocol("join namespaces that did not come")),
            };
            return match opened {
                Ok(socket) => Ok(channel.send(&Reply::Opened, &[socket.as_fd()])?),
                Err(failure) => refuse(channel, failure),
            };
        }
        Request::Initctl(runlevel) => {
            let asked = match descriptors.as_slice() {
                [user, mount] => initctl::ask(user, mount, runlevel),
                _ => Err(Failure::protocol("join namespaces that did not come")),
            };
            let told = |there| if there { Reply::Asked } else { Reply::NoPipe };
            return answer(channel, asked.map(told));
        }
        Request::Signal(_) => {
            let failure = Failure::protocol("signal a command that has not been executed");
            return refuse(channel, failure);
        }
    };
    let entered = judge::entry(*command, streams, hierarchies, descriptors).and_then(|entry| enter(&entry));
    let (command, master) = match entered {
        Ok(entered) => entered,
        Err(failure) => return refuse(channel, failure),
    };
    let reply = Reply::Entered {
        terminal: master.is_some(),
    };
    let told = steady(State::NsenterWaiting).map_err(Ended::from).and_then(|steady| {
        channel.send(&reply, &master.iter().map(AsFd::as_fd).collect::<Vec<_>>())?;
        Ok(steady)
    });
    // The terminal is the peer's now: when that closes it, the command shall see it.
    drop(master);
    let done = told.and_then(|steady| attend(&steady, &command, channel));
    if done.is_err() {
        watch::end(&command);
    }
    done
}

fn answer(channel: &Channel<Reply, Request>, done: Result<Reply, Failure>) -> Result<(), Ended> {
    Ok(channel.send(&done.unwrap_or_else(Reply::Refused), &[])?)
}

fn refuse(channel: &Channel<Reply, Request>, failure: Failure) -> Result<(), Ended> {
    Ok(channel.send(&Reply::Refused(failure), &[])?)
}

/// Waits for the end of the command, and passes on signals until then.
fn attend(_: &Steady, command: &Entered, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let mut watch = Watch::new(command);
    loop {
        if let Next::Ended(status) = watch.wait(channel)? {
            return Ok(channel.send(&Reply::Exited(status), &[])?);
        }
        let done = match channel.receive()? {
            (Request::Signal(_), _) if watch.held() => Err(Failure::caller(
                "learn how the command ended: a process of the container's traces it, and does not let it go",
            )),
            (Request::Signal(number), _) => judge::signal(number).and_then(|signal| watch::signal(command, signal)),
            (
                Request::Enter { .. }
                | Request::Place { .. }
                | Request::Remove(_)
                | Request::OpenNetlink
                | Request::Initctl(_),
                _,
            ) => Err(Failure::protocol("enter a second time")),
        };
        if let Err(failure) = done {
            watch::end(command);
            return refuse(channel, failure);
        }
    }
}

/// Joins, gives everything up, and only then forks into the container's pid namespace: what is visible there is confined already.
fn enter(entry: &Entry) -> Result<(Entered, Option<OwnedFd>), Failure> {
    // A pidfd tells of an end that cannot be collected yet. The command has its signals reset.
    let mut child_ended = SigSet::empty();
    child_ended.add(Signal::SIGCHLD);
    child_ended.thread_block().to("block SIGCHLD")?;
    let how = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let children = SignalFd::with_flags(&child_ended, how).to("listen to SIGCHLD")?;
    join::join(entry)?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .to("open the container's root")?;
    let account = account::find(root.as_fd(), &entry.command.user)?;
    let null = streams::null(root.as_fd())?;
    let (master, slave) = match entry.streams.contains(&Stream::Console) {
        true => streams::new_terminal(root.as_fd()).map(|(m, s)| (Some(m), Some(s)))?,
        false => (None, None),
    };
    if let Some(master) = &master {
        streams::size(master, entry.command.window)?;
    }
    let chosen = streams::choose(&entry.streams, &entry.passed, slave.as_ref(), &null)?;
    let restricted = restrict(&entry.command, account)?;
    let ends = Ends {
        streams: chosen,
        terminal: slave.as_ref().map(AsFd::as_fd),
        beyond: &[],
        learner: None,
    };
    let child = bear(&restricted, &entry.command, &ends)?;
    let pid = child.pid();
    let pidfd = sys::process::pidfd(pid).to("hold the command's process")?;
    keep_only(KILL)?;
    child.release()?;
    let entered = Entered { pid, pidfd, children };
    Ok((entered, master))
}
