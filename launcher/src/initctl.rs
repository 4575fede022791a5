//! A container's init is asked to halt or to reboot, by the pipe called initctl. May touch: what `nsenter` does for it.

use crate::host::Host;
use crate::piece::Piece;
use std::os::fd::{AsFd, OwnedFd};
use wire::ids::IdBlock;
use wire::nsenter::{Reply, Request, Runlevel};
use wire::{Failure, Program};

/// Asks; whether there is such a pipe. Where a file system of the container's does not answer, there is none. `namespaces` are the container's of users and of mounts.
pub fn ask(host: &Host, block: IdBlock, runlevel: Runlevel, namespaces: &[OwnedFd]) -> Result<bool, Failure> {
    let nsenter: Piece<Request, Reply> = host.piece(Program::Nsenter, block)?;
    let descriptors: Vec<_> = namespaces.iter().map(AsFd::as_fd).collect();
    nsenter.send(&Request::Initctl(runlevel), &descriptors)?;
    match nsenter.receive_inside(block)? {
        Some(Reply::Asked) => Ok(true),
        Some(Reply::NoPipe) | None => Ok(false),
        Some(Reply::Refused(failure)) => Err(failure),
        _ => Err(nsenter.confused()),
    }
}
