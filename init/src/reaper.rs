//! A first process that stays: it starts the command in a child, passes signals on to it, reaps whatever is left to it, and ends as the
//! command did. May touch: itself and the processes of its pid namespace.

use crate::inner::{Answer, Order};
use nix::unistd::Pid;
use payload::Step;
use payload::confine::{KILL, Restricted, keep_only};
use payload::execute::{Ends, parent_is_gone};
use payload::offspring::bear;
use policies::{State, Steady, steady};
use rustix::process::{WaitOptions, wait};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::Channel;
use wire::failure::Failure;
use wire::init::Command;

/// Runs the command and never returns if it could be executed. `null` becomes the three streams of this process.
pub fn reap(
    restricted: &Restricted,
    command: &Command,
    ends: &Ends<'_>,
    null: BorrowedFd<'_>,
    channel: &Channel<Answer, Order>,
) -> Result<(), Failure> {
    // From here on signals wait in the queue, those for a command that is not there yet among them.
    sys::signals::block_all().to("block signals")?;
    let child = bear(restricted, command, ends)?;
    let pid = child.pid();
    let pidfd = sys::process::pidfd(pid).to("hold the command's process")?;
    keep_only(KILL)?;
    sys::process::die_with_parent().to("follow the outer half")?;
    if parent_is_gone(channel.as_fd()).to("look for the outer half")? {
        sys::process::exit_now(111);
    }
    child.release()?;
    let pidfd = alone(null, pidfd)?;
    let steady = steady(State::InitReaping).to("install the filter of a first process that only waits")?;
    serve(&steady, pid, pidfd.as_fd())
}

/// Leaves itself three times `/dev/null` and the command's pidfd. That the channel closes tells the outer half of the execution.
fn alone(null: BorrowedFd<'_>, pidfd: OwnedFd) -> Result<OwnedFd, Failure> {
    let pidfd = ManuallyDrop::new(pidfd);
    sys::process::lay_out(&[null, null, null, pidfd.as_fd()]).to("close everything")?;
    sys::process::inherited(3).to("keep the command's process")
}

/// Takes each signal as it comes: the command's end is the end.
fn serve(_steady: &Steady, command: Pid, pidfd: BorrowedFd<'_>) -> ! {
    loop {
        match sys::signals::next() {
            Ok(nix::libc::SIGCHLD) => collect(command),
            // That the command is just ending is told by the next SIGCHLD.
            Ok(signal) => drop(sys::process::signal(pidfd, signal)),
            Err(_) => sys::process::exit_now(111),
        }
    }
}

/// Reaps everything that has ended; one SIGCHLD may stand for many.
fn collect(command: Pid) {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == command.as_raw() => {
                let signal = status.terminating_signal().map(|n| n.saturating_add(128));
                sys::process::exit_now(status.exit_status().or(signal).unwrap_or(111));
            }
            Ok(None) | Err(rustix::io::Errno::CHILD) => return,
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => sys::process::exit_now(111),
        }
    }
}
