//! Asks the broker of this host for an ordinary user's links: root's netd makes them, where the host's file of quotas gives them. May touch: the broker's
//! socket.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use wire::Failure;
use wire::broker::{Reply, Request, SOCKET};
use wire::netd::Link;

/// Seconds in which it must have answered.
const PATIENCE: i64 = 60;

/// Has each link made; those that were made before one that was refused go with the namespace.
pub fn lay(links: &[Link], network: &OwnedFd, inside: &OwnedFd) -> Result<(), Failure> {
    links.iter().try_for_each(|link| one(link, network, inside))
}

fn one(link: &Link, network: &OwnedFd, inside: &OwnedFd) -> Result<(), Failure> {
    let channel: Channel<Request, Reply> = Channel::new(dial()?);
    let said = |e: ChannelError| match e {
        ChannelError::Closed => Failure::caller("join the host's bridge: the broker ended before it answered"),
        ChannelError::Kernel(e) => Failure::kernel("talk to the broker of links", e as i32),
        ChannelError::Frame(e) => Failure::protocol(&format!("understand the broker of links: {e}")),
    };
    // One that refuses at once has not read this, and its answer says why.
    let sent = channel.send(&Request::Connect(link.clone()), &[network.as_fd(), inside.as_fd()]);
    match (channel.receive(), sent) {
        (Ok((Reply::Connected(_), _)), _) => Ok(()),
        (Ok((Reply::Refused(failure), _)), _) => Err(failure),
        (Err(_), Err(e)) | (Err(e), Ok(())) => Err(said(e)),
    }
}

fn dial() -> Result<OwnedFd, Failure> {
    let fail = |e: Errno| Failure::kernel("talk to the broker of links", e as i32);
    let address = UnixAddr::new(SOCKET).map_err(fail)?;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).map_err(fail)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE, 0)).map_err(fail)?;
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(PATIENCE, 0)).map_err(fail)?;
    match connect(socket.as_raw_fd(), &address) {
        Ok(()) => Ok(socket),
        Err(Errno::ENOENT | Errno::ECONNREFUSED) => Err(Failure::caller(
            "join the host's bridge: this host has no broker of links for ordinary users (sudo systemctl enable --now lazaret-broker.socket)",
        )),
        Err(e) => Err(fail(e)),
    }
}
