//! Links of the host's that a container has instead of it: they are found, and come back. May touch: the identity of the host's network namespace;
//! through `nsenter` and `netd` the links.

use crate::expect;
use crate::host::Host;
use crate::judge::Judged;
use crate::piece::Piece;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::namespace::{self, Kind};
use sys::process::errno;
use wire::ids::IdBlock;
use wire::launcher::Lending;
use wire::netd::{Found, Lent, Reply, Request};
use wire::{Failure, LinkName, Program, nsenter};

type Netd = Piece<Request, Reply>;

/// The host's network namespace: that of this process.
pub fn own() -> Result<OwnedFd, Failure> {
    let failed = |e: nix::errno::Errno| Failure::kernel("open the host's network namespace", e as i32);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty()).map_err(|e| failed(errno(e)))?;
    namespace::own(proc, Kind::Net).map_err(failed)
}

/// What these links are.
pub fn find(host: &Host, block: IdBlock, links: &Judged<Vec<LinkName>>) -> Result<Vec<Found>, Failure> {
    let netd: Netd = host.piece(Program::Netd, block)?;
    netd.send(&Request::Find(links.get().clone()), &[])?;
    let found = expect!(netd, netd, (Reply::Found(found), _) => found);
    Ok(found)
}

/// Moves them back by a socket that was opened inside; those that are not there.
pub fn back(host: &Host, block: IdBlock, links: &[Lent], inside: BorrowedFd<'_>) -> Result<Vec<LinkName>, Failure> {
    let netd: Netd = host.piece(Program::Netd, block)?;
    netd.send(&Request::TakeBack(links.to_vec()), &[inside, own()?.as_fd()])?;
    let missing = expect!(netd, netd, (Reply::Missing(missing), _) => missing);
    Ok(missing)
}

/// The same, of a container whose namespaces of users and of the network are these.
pub fn take_back(host: &Host, lending: &Judged<Lending>, namespaces: &[OwnedFd]) -> Result<Vec<LinkName>, Failure> {
    let Lending { block, links, .. } = lending.get();
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let inside = netlink(host, *block, namespaces)?;
    back(host, *block, links, inside.as_fd())
}

/// A socket that `nsenter` opens inside.
pub fn netlink(host: &Host, block: IdBlock, namespaces: &[OwnedFd]) -> Result<OwnedFd, Failure> {
    let nsenter: Piece<nsenter::Request, nsenter::Reply> = host.piece(Program::Nsenter, block)?;
    let descriptors: Vec<BorrowedFd<'_>> = namespaces.iter().map(AsFd::as_fd).collect();
    nsenter.send(&nsenter::Request::OpenNetlink, &descriptors)?;
    let socket = expect!(nsenter, nsenter, (nsenter::Reply::Opened, opened) => opened);
    socket.into_iter().next().ok_or_else(|| nsenter.confused())
}

/// Gives those that the kernel has moved back their names; those that are not there.
pub fn restore(netd: &Netd, links: &[Lent]) -> Result<Vec<LinkName>, Failure> {
    netd.send(&Request::Restore(links.to_vec()), &[])?;
    let missing = expect!(netd, netd, (Reply::Missing(missing), _) => missing);
    Ok(missing)
}
