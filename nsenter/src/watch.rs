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
    /// The command has ended, with this wait(2) status.
    Ended(i32),
    /// The peer has something to say, or has gone.
    Peer,
}

/// The command and what tells of it.
#[derive(Debug)]
pub struct Watch<'a> {
    command: &'a Entered,
    /// It has ended, but a process of the container's that traces it has not let it go yet (ptrace(2)): only then is its status told.
    held: bool,
}

impl<'a> Watch<'a> {
    /// Begins to watch.
    pub const fn new(command: &'a Entered) -> Self {
        Self { command, held: false }
    }

    /// Whether the command has ended and yet cannot be collected.
    pub const fn held(&self) -> bool {
        self.held
    }

    /// Waits until the command ends or the peer moves.
    pub fn wait(&mut self, peer: impl AsFd) -> nix::Result<Next> {
        loop {
            // A pidfd is readable for as long as its process lies there, a signal until it is taken.
            let told = if self.held {
                self.command.children.as_fd()
            } else {
                self.command.pidfd.as_fd()
            };
            let mut look = [
                PollFd::new(told, PollFlags::POLLIN),
                PollFd::new(peer.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut look, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let [news, peer] = look.map(|f| f.any().unwrap_or(true));
            if news {
                self.command.children.read_signal()?;
                if let Some(status) = collect(self.command)? {
                    return Ok(Next::Ended(status));
                }
                self.held = true;
            }
            if peer {
                return Ok(Next::Peer);
            }
        }
    }
}

/// The wait(2) status of the command, if it can be had.
fn collect(command: &Entered) -> nix::Result<Option<i32>> {
    let pid = rustix::process::Pid::from_raw(command.pid.as_raw()).ok_or(Errno::ESRCH)?;
    loop {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(ended) => return Ok(ended.map(|(_, status)| status.as_raw())),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(sys::process::errno(e)),
        }
    }
}

/// Passes a signal on.
pub fn signal(command: &Entered, signal: Signal) -> Result<(), Failure> {
    sys::process::signal(&command.pidfd, signal.0).to("signal the command")
}

/// Ends the command, and returns once it has. It is collected by the container's first process, when whoever may trace it lets it go. Nobody
/// is left to be told of a failure, which can only be that it has ended.
pub fn end(command: &Entered) {
    if sys::process::signal(&command.pidfd, KILL).is_ok() {
        let mut look = [PollFd::new(command.pidfd.as_fd(), PollFlags::POLLIN)];
        while poll(&mut look, PollTimeout::NONE) == Err(Errno::EINTR) {}
    }
}
