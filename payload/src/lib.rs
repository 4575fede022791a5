//! What a process gives up, and in which order, before it executes a container's command, and how a device node comes into a container.
//! `init` and `nsenter` share it, so that entering is confined exactly as the first process is. May touch: the calling process, and the files of the root it has.

pub mod account;
pub mod confine;
pub mod execute;
pub mod label;
pub mod node;
pub mod offspring;
pub mod streams;

use nix::errno::Errno;
use wire::failure::Failure;

/// Names the step that the kernel refused.
pub trait Step<T> {
    /// `what` is a phrase that follows "cannot".
    fn to(self, what: &str) -> Result<T, Failure>;
}

impl<T> Step<T> for Result<T, Errno> {
    fn to(self, what: &str) -> Result<T, Failure> {
        self.map_err(|e| Failure::kernel(what, e as i32))
    }
}

impl<T> Step<T> for Result<T, rustix::io::Errno> {
    fn to(self, what: &str) -> Result<T, Failure> {
        self.map_err(|e| Failure::kernel(what, e.raw_os_error()))
    }
}
