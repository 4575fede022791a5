//! The descriptors that a kept container is made of, each in its place. Holding some of them is all that is done with them: the lock
//! says that the container lives, the firewall's socket keeps its rules. May touch: the flags of those that must not block.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::Channel;
use wire::init::NAMESPACES;
use wire::supervisor::Request;
use wire::{Failure, LinkName, init};

/// Everything that came with `Keep`.
#[derive(Debug)]
pub struct Held {
    /// Locked for as long as it is open.
    pub _lock: OwnedFd,
    /// Its lock keeps the ids from every other container of this host.
    pub _claim: OwnedFd,
    /// The listening control socket.
    pub listener: OwnedFd,
    /// The exit record.
    pub record: OwnedFd,
    /// The log ring.
    pub log: OwnedFd,
    /// `init`, which is only listened to.
    pub init: Channel<init::Request, init::Reply>,
    /// PID 1.
    pub first: OwnedFd,
    /// `init`'s outer half.
    pub init_process: OwnedFd,
    /// user, mnt, pid, net, ipc, uts, cgroup.
    pub namespaces: Vec<OwnedFd>,
    /// The rules of its link of this name, and the claim of its addresses, go with them.
    pub wall: Option<(LinkName, [OwnedFd; 2])>,
    /// The payload's output, where that is no console.
    pub log_pipe: Option<OwnedFd>,
    /// The server of `/proc/meminfo`.
    pub fused: Option<OwnedFd>,
    /// One master for each console.
    pub masters: Vec<OwnedFd>,
}

/// Puts descriptors into their places, in the order that the request gives.
pub fn hold(request: &Request, descriptors: Vec<OwnedFd>) -> Result<Held, Failure> {
    let Request::Keep {
        firewall,
        log_pipe,
        fused,
        ..
    } = request;
    let mut rest = descriptors.into_iter();
    let mut next = || {
        rest.next()
            .ok_or_else(|| Failure::protocol("keep a container with descriptors missing"))
    };
    let held = Held {
        _lock: next()?,
        _claim: next()?,
        listener: next()?,
        record: next()?,
        log: next()?,
        init: Channel::new(next()?),
        first: next()?,
        init_process: next()?,
        namespaces: (0..NAMESPACES).map(|_| next()).collect::<Result<_, _>>()?,
        wall: match firewall {
            Some(link) => Some((link.clone(), [next()?, next()?])),
            None => None,
        },
        log_pipe: log_pipe.then(&mut next).transpose()?,
        fused: (*fused != 0).then(&mut next).transpose()?,
        masters: rest.collect(),
    };
    let never_block = || -> Result<(), Errno> {
        unblock(&held.listener)?;
        unblock(&held.init)?;
        held.masters.iter().chain(&held.log_pipe).try_for_each(unblock)
    };
    never_block().map_err(|e| Failure::kernel("keep a descriptor from blocking", e.raw_os_error()))?;
    Ok(held)
}

fn unblock(fd: impl AsFd) -> Result<(), Errno> {
    let flags = fcntl_getfl(&fd)?;
    fcntl_setfl(&fd, flags | OFlags::NONBLOCK)
}
