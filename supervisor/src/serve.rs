//! Receive, judge, act, reply: the launcher's one request. What comes after it, `keeper` serves.

use crate::keeper::Keeper;
use nix::errno::Errno;
use policies::{Confined, Ended, State, steady};
use rustix::net::{Shutdown, shutdown};
use sys::channel::Channel;
use wire::supervisor::{Reply, Request};

/// Keeps one container for as long as it lives.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let (request, descriptors) = channel.receive()?;
    match Keeper::new(request, descriptors) {
        Ok(mut keeper) => {
            let steady = steady(State::SupervisorKeeping)?;
            // If the launcher is gone by now, so is its other half of the start: init ends when this process does.
            channel.send(&Reply::Keeping, &[])?;
            // From here on nothing of the launcher's is heeded.
            let _ = shutdown(channel, Shutdown::Both);
            keeper
                .keep(&steady)
                .map_err(|e| Ended::System(Errno::from_raw(e.raw_os_error())))
        }
        Err(failure) => Ok(channel.send(&Reply::Refused(failure), &[])?),
    }
}
