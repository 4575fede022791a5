//! Receive, judge, act, reply: one entry, and then its signals. May touch: the channel; the acts are elsewhere.

use crate::judge::{self, Entry};
use crate::{join, watch};
use nix::unistd::Pid;
use payload::confine::{KILL, keep_only, restrict};
use payload::offspring::bear;
use payload::{Step, account, streams};
use policies::{Confined, Ended};
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
}

/// Serves one entry to its end.
pub fn serve(_: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let mut entered: Option<Entered> = None;
    loop {
        if let Some(command) = &entered
            && watch::wait(command, channel)? == watch::Next::Ended
        {
            return Ok(channel.send(&Reply::Exited(watch::status(command)?), &[])?);
        }
        let done = match channel.receive() {
            Ok((
                Request::Enter {
                    command,
                    streams,
                    hierarchies,
                },
                descriptors,
            )) if entered.is_none() => judge::entry(*command, streams, hierarchies, descriptors)
                .and_then(|entry| enter(&entry))
                .and_then(|(command, master)| {
                    entered = Some(command);
                    let descriptors: Vec<_> = master.iter().map(AsFd::as_fd).collect();
                    let reply = Reply::Entered {
                        terminal: master.is_some(),
                    };
                    channel
                        .send(&reply, &descriptors)
                        .map_err(|e| Failure::protocol(&format!("answer: {e}")))
                }),
            Ok((Request::Signal(number), _)) => match (&entered, judge::signal(number)) {
                (Some(command), Ok(signal)) => watch::signal(command, signal),
                (None, _) => Err(Failure::protocol("signal a command that has not been executed")),
                (_, Err(failure)) => Err(failure),
            },
            Ok((Request::Enter { .. }, _)) => Err(Failure::protocol("enter a second time")),
            Err(e) => {
                watch::end(entered.as_ref());
                return Err(e.into());
            }
        };
        if let Err(failure) = done {
            watch::end(entered.as_ref());
            return Ok(channel.send(&Reply::Refused(failure), &[])?);
        }
    }
}

/// Joins, gives everything up, and only then forks into the container's pid namespace: what is visible there is confined already.
fn enter(entry: &Entry) -> Result<(Entered, Option<OwnedFd>), Failure> {
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
    let child = bear(&restricted, &entry.command, chosen, slave.as_ref().map(AsFd::as_fd))?;
    let pid = child.pid();
    let pidfd = sys::process::pidfd(pid).to("hold the command's process")?;
    keep_only(KILL)?;
    child.release()?;
    Ok((Entered { pid, pidfd }, master))
}
