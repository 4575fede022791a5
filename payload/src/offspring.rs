//! A command in a child of its own, while the parent stays to wait for it: `init` as a PID 1 that reaps, and `nsenter`.
//! The child executes only when the parent, too, has given up what it had. May touch: the two processes.

use crate::Step;
use crate::confine::Restricted;
use crate::execute::{Connected, Ends, execute, not_executed};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError, pair};
use sys::process::{Fork, SharedNumber, exit_now, fork};
use wire::failure::Failure;
use wire::frame::Message;
use wire::init::Command;

/// What the parent tells the child: execute.
#[derive(Debug, Serialize, Deserialize)]
enum Go {
    /// The parent holds nothing any more that the command should not have.
    Execute,
}

/// What the child tells the parent if it could not; the end of the channel says that it could.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    /// It was not executed.
    Failed(Failure),
}

impl Message for Go {
    fn descriptors(&self) -> usize {
        0
    }
}

impl Message for Outcome {
    fn descriptors(&self) -> usize {
        0
    }
}

/// A child that is about to execute the command and waits for its parent.
#[derive(Debug)]
pub struct Offspring {
    pid: Pid,
    channel: Channel<Go, Outcome>,
    /// Why it could not be executed, if the command's own filter keeps the child from saying it: an errno, or 0.
    unsaid: SharedNumber,
    program: String,
}

/// Forks the child. It holds every descriptor of the parent until it executes.
pub fn bear(restricted: &Restricted, command: &Command, ends: &Ends<'_>) -> Result<Offspring, Failure> {
    let (ours, theirs) = pair::<Go, Outcome>().to("make the channel to the command")?;
    let unsaid = SharedNumber::new().to("share a number with the command's process")?;
    match fork().to("start the command's process")? {
        Fork::Parent(pid) => {
            restricted.filter_who_stays()?;
            Ok(Offspring {
                pid,
                channel: ours,
                unsaid,
                program: command.program.as_str().to_owned(),
            })
        }
        Fork::Child => {
            // The parent's end must not live in the child: its end is how the parent's death is seen.
            drop(ours);
            let connected = Connected {
                ends: *ends,
                parent: theirs.as_fd(),
            };
            let (socket, failure) = execute(restricted, command, &connected, wait_for_go);
            let channel = match socket {
                None => theirs,
                Some(socket) => {
                    // Its number is closed, or has become the other socket's.
                    std::mem::forget(theirs);
                    Channel::new(socket)
                }
            };
            unsaid.set(failure.errno);
            // If the parent is gone there is nobody to tell.
            let _ = channel.send(&Outcome::Failed(failure), &[]);
            exit_now(111)
        }
    }
}

fn wait_for_go(socket: BorrowedFd<'_>) -> Result<(), Failure> {
    let own: OwnedFd = socket
        .try_clone_to_owned()
        .map_err(|_| Failure::bug("share the socket to the parent"))?;
    match Channel::<Outcome, Go>::new(own).receive() {
        Ok((Go::Execute, _)) => Ok(()),
        Err(_) => exit_now(111),
    }
}

impl Offspring {
    /// The child's process id, as the parent's pid namespace numbers it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets the child execute, and says whether it has.
    pub fn release(self) -> Result<(), Failure> {
        let lost = |e: ChannelError| Failure::bug(&format!("speak to the command's process: {e}"));
        match self.channel.send(&Go::Execute, &[]) {
            // It has failed before it was asked, and has said why.
            Ok(()) | Err(ChannelError::Closed) => {}
            Err(e) => return Err(lost(e)),
        }
        match self.channel.receive() {
            Err(ChannelError::Closed) => match self.unsaid.get() {
                0 => Ok(()),
                errno => Err(not_executed(&self.program, errno)),
            },
            Ok((Outcome::Failed(failure), _)) => Err(failure),
            Err(e) => Err(lost(e)),
        }
    }
}
