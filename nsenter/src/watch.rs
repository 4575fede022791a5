//! The outer half of an entry while the command runs. May touch: the command.

use crate::judge::Signal;
use crate::serve::Entered;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use payload::Step;
use rustix::process::{WaitOptions, waitpid};
use std::os::fd::AsFd;
use wire::failure::Failure;

/// SIGKILL.
const KILL: i32 = 9;

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The command has ended.
    Ended,
    /// The peer has something to say, or has gone.
    Peer,
}

/// Waits until the command ends or the peer moves.
pub fn wait(command: &Entered, peer: impl AsFd) -> nix::Result<Next> {
    loop {
        let mut look = [
            PollFd::new(command.pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(peer.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut look, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
            Ok(_) => {
                let [ended, peer] = look.map(|f| f.any().unwrap_or(true));
                if ended {
                    return Ok(Next::Ended);
                }
                if peer {
                    return Ok(Next::Peer);
                }
            }
        }
    }
}

/// The wait(2) status of the command, once it has ended.
pub fn status(command: &Entered) -> nix::Result<i32> {
    let pid = rustix::process::Pid::from_raw(command.pid.as_raw()).ok_or(Errno::ESRCH)?;
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status.as_raw()),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(sys::process::errno(e)),
        }
    }
}

/// Passes a signal on.
pub fn signal(command: &Entered, signal: Signal) -> Result<(), Failure> {
    sys::process::signal(&command.pidfd, signal.0).to("signal the command")
}

/// Ends the command. Nobody is left to be told of a failure, which can only be that it has ended.
pub fn end(command: &Entered) {
    let _ = sys::process::signal(&command.pidfd, KILL);
    let _ = status(command);
}
