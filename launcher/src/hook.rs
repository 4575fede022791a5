//! The host's hook script: a call of it goes on to the process that executes it, which is root's and was forked before power was handed over. What
//! the script may say, to whom, is none of this program's business. May touch: the channel to that process.

use crate::host::Host;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::ChannelError;
use sys::process::errno;
use wire::Failure;
use wire::launcher::{Reply, Request};

/// Hands the call on, with its descriptors, of which nothing is kept here, and hears how the script ended; or that `lazaret` has.
pub fn call(host: &Host, lazaret: BorrowedFd<'_>, request: &Request, given: Vec<OwnedFd>) -> Result<(), Failure> {
    let lost = |e: ChannelError| Failure::caller(&format!("hear of the hook script: {e}"));
    let runner = host
        .hooks
        .as_ref()
        .ok_or_else(|| Failure::caller("call a hook script: this host has none"))?;
    let borrowed: Vec<_> = given.iter().map(AsFd::as_fd).collect();
    runner.send(request, &borrowed).map_err(lost)?;
    drop(borrowed);
    drop(given);
    // That somebody has gone is told whether it is asked for or not.
    let mut either = [
        PollFd::new(runner, PollFlags::IN),
        PollFd::from_borrowed_fd(lazaret, PollFlags::empty()),
    ];
    while let Err(e) = poll(&mut either, None) {
        if e != rustix::io::Errno::INTR {
            return Err(Failure::kernel("wait for the hook script", errno(e) as i32));
        }
    }
    if either.first().is_none_or(|runner| runner.revents().is_empty()) {
        return Err(Failure::caller("hear the hook script out: lazaret is gone"));
    }
    match runner.receive().map_err(lost)?.0 {
        Reply::Done => Ok(()),
        Reply::Refused(failure) => Err(failure),
        _ => Err(Failure::protocol("hear of the hook script")),
    }
}
