//! What the outer half tells the first process, and what that answers. Both come from one fork, so that they share every type.
//! Plain data.

use serde::{Deserialize, Serialize};
use wire::failure::Failure;
use wire::frame::Message;

/// An order to the first process.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The inner user namespace has its maps. Answer: `Here`.
    Mapped,
    /// `cgroup.procs` of its group in so many hierarchies. Answer: `Joined`.
    Join(u16),
    /// The tree stands and is the root (a mount for each device node that the container is given). Answer: `Ready`, and then the end of the
    /// channel when the command is executed.
    Execute(u16),
}

/// What the first process answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It is root in its user namespace (namespaces user, pid, net, ipc, uts, then an rtnetlink socket).
    Here,
    /// It is in its groups (its cgroup namespace).
    Joined,
    /// Its mounts are locked and verified (its mount namespace).
    Ready,
    /// It could not, and has ended.
    Failed(Failure),
}

impl Message for Order {
    fn descriptors(&self) -> usize {
        match self {
            Self::Mapped => 0,
            Self::Join(n) | Self::Execute(n) => usize::from(*n),
        }
    }
}

impl Message for Answer {
    fn descriptors(&self) -> usize {
        match self {
            Self::Here => 6,
            Self::Joined | Self::Ready => 1,
            Self::Failed(_) => 0,
        }
    }
}
