//! Receive, judge, act, reply: the only place that knows every request.

use crate::append::{Log, Unwritten};
use crate::judge;
use crate::kernel;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use policies::{Confined, Ended};
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::Channel;
use wire::Failure;
use wire::recordd::{Reply, Request};

/// What it was given, and what it has of the next record.
#[derive(Debug, Default)]
struct State {
    log: Option<Log>,
    audit: Option<OwnedFd>,
    body: Vec<u8>,
}

/// Milliseconds after a record in which another may come, before what is written is put on disk: whoever waits for an answer does not wait
/// for the disk.
const MOMENT: u16 = 100;

/// Answers until the peer closes its end.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let mut state = State::default();
    loop {
        if state.owes_the_disk() && !comes_within(channel, MOMENT)? {
            state.settle();
        }
        let (request, descriptors) = match channel.receive() {
            Ok(received) => received,
            Err(end) => {
                state.settle();
                return Err(end.into());
            }
        };
        match state.answer(request, descriptors) {
            Ok(None) => {}
            Ok(Some(reply)) => channel.send(&reply, &[])?,
            Err(failure) => channel.send(&Reply::Refused(failure), &[])?,
        }
    }
}

/// Whether something comes from the peer, its end among it, before so many milliseconds have passed.
fn comes_within(channel: &Channel<Reply, Request>, milliseconds: u16) -> nix::Result<bool> {
    let mut look = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
    match poll(&mut look, milliseconds) {
        Err(Errno::EINTR) => Ok(false),
        found => found.map(|n| n > 0),
    }
}

impl State {
    fn owes_the_disk(&self) -> bool {
        self.log.as_ref().is_some_and(Log::owes_the_disk)
    }

    /// Puts on disk what is written. Where that fails, the next record is refused.
    fn settle(&mut self) {
        if let Some(log) = &mut self.log {
            log.settle();
        }
    }

    fn answer(&mut self, request: Request, descriptors: Vec<OwnedFd>) -> Result<Option<Reply>, Failure> {
        match request {
            Request::Log { replaced, .. } => {
                let mut given = descriptors.into_iter();
                let (Some(log), Some(head), audit) = (given.next(), given.next(), given.next()) else {
                    return Err(Failure::protocol("open the log: its two files did not come"));
                };
                self.settle();
                self.log = Some(Log::new(log, head, replaced));
                self.audit = audit;
                Ok(None)
            }
            Request::Append { bytes, more, sync } => {
                judge::grow(&mut self.body, &bytes.0)?;
                if more {
                    return Ok(None);
                }
                let Some(log) = &mut self.log else {
                    self.body.clear();
                    return Err(Failure::protocol("write a record: no log has come"));
                };
                match log.append(&self.body, sync) {
                    // The same record is written again once the right file has come.
                    Err(Unwritten::Replaced) => Ok(Some(Reply::Replaced)),
                    done => {
                        self.body.clear();
                        // From here on it is the file that the head knows.
                        log.replaced &= done.is_err();
                        done.map(|number| Some(Reply::Recorded { number })).map_err(failure)
                    }
                }
            }
            Request::Tell { kind, text } => {
                let message = judge::message(kind, text.as_str())?;
                let audit = self.audit.as_ref();
                let audit = audit.ok_or_else(|| Failure::protocol("tell the kernel: no socket has come"))?;
                let told = kernel::tell(audit, &message);
                told.map_err(|e| Failure::kernel("tell the kernel's audit system", e as i32))?;
                Ok(Some(Reply::Told))
            }
        }
    }
}

fn failure(unwritten: Unwritten) -> Failure {
    match unwritten {
        Unwritten::Kernel(what, errno) => Failure::kernel(what, errno),
        Unwritten::TooLong => Failure::caller("write a record: it, or what was not finished before it, is too long"),
        Unwritten::Replaced => Failure::bug("write a record: the log was replaced"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Bytes, Kind, Text};

    #[test]
    fn refuses_what_it_was_not_given_the_means_for() {
        let mut state = State::default();
        let append = Request::Append {
            bytes: Bytes(vec![1]),
            more: false,
            sync: false,
        };
        assert_eq!(state.answer(append, vec![]).unwrap_err().kind, Kind::Protocol);
        let tell = |kind| Request::Tell {
            kind,
            text: Text::cut("virt=lxc"),
        };
        assert_eq!(state.answer(tell(2500), vec![]).unwrap_err().kind, Kind::Protocol);
        assert_eq!(state.answer(tell(1100), vec![]).unwrap_err().kind, Kind::Caller);
        let log = Request::Log {
            kernel: false,
            replaced: false,
        };
        assert_eq!(state.answer(log, vec![]).unwrap_err().kind, Kind::Protocol);
    }
}
