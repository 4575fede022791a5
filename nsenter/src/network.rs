//! A socket by which a running container's links are configured from without. May touch: the calling process, which joins the container's
//! namespaces of users and of the network.

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use payload::Step;
use std::os::fd::{AsFd, OwnedFd};
use sys::namespace::{self, Kind};
use wire::failure::Failure;

/// Opens it. What is said over it is done with the power of both, of whoever opened it and of whoever says it.
pub fn open(user: &OwnedFd, network: &OwnedFd) -> Result<OwnedFd, Failure> {
    sys::process::set_dumpable(false).to("close the process to others")?;
    for (descriptor, kind) in [(user, Kind::User), (network, Kind::Net)] {
        namespace::join(descriptor.as_fd(), kind).to(&format!("join the container's {} namespace", kind.name()))?;
    }
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .to("open an rtnetlink socket inside")
}
