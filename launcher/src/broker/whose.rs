//! Whose a network namespace is, and what a socket is, by what the kernel says of the descriptor, never of a process. May touch: the descriptors that it is given.

use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};
use sys::namespace::{self, Kind};
use wire::Failure;

/// User namespaces lie in one another up to this depth (user_namespaces(7)).
const DEPTH: usize = 33;

/// Refuses what is no network namespace that belongs, directly or by one within it, to a user namespace which this user made in `own`.
pub fn belongs(network: &OwnedFd, own: impl AsFd, uid: u32) -> Result<(), Failure> {
    let refuse = |why: &str| Failure::caller(&format!("lay a link into that network namespace: {why}"));
    let fail = |e: Errno| Failure::kernel("ask whose a network namespace is", e as i32);
    if !namespace::is(network, Kind::Net).map_err(fail)? {
        return Err(refuse("it is none"));
    }
    let mut user = namespace::owning(network).map_err(|_| refuse("it is not the user's"))?;
    for _ in 0..DEPTH {
        // The first one has none above it, nor has one that is not below this process's own.
        let above = namespace::parent(&user).map_err(|_| refuse("it is not the user's"))?;
        if namespace::same(&above, &own).map_err(fail)? {
            return match namespace::owner(&user).map_err(fail)? {
                owner if owner == uid => Ok(()),
                _ => Err(refuse("it is another user's")),
            };
        }
        user = above;
    }
    Err(refuse("it is not the user's"))
}

/// Refuses what is no rtnetlink socket: netd is to hear of nobody but the kernel. Whether it is one of that namespace, and whether who opened it may do
/// there what is asked, netd and the kernel see to.
pub fn speaks_of_links(inside: &OwnedFd) -> Result<(), Failure> {
    let refuse = |_| Failure::caller("set up a link by that descriptor: it is no rtnetlink socket");
    let of = rustix::net::sockopt::socket_domain(inside).map_err(refuse)?;
    let speaks = rustix::net::sockopt::socket_protocol(inside).map_err(refuse)?;
    // NETLINK_ROUTE is 0, which stands for no protocol (linux/netlink.h).
    if of == rustix::net::AddressFamily::NETLINK && speaks.is_none() {
        return Ok(());
    }
    Err(refuse(rustix::io::Errno::PROTOTYPE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn only_rtnetlink_speaks_of_links() {
        use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket, socketpair};
        let netlink = |protocol| socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), protocol).unwrap();
        assert!(speaks_of_links(&netlink(SockProtocol::NetlinkRoute)).is_ok());
        assert!(speaks_of_links(&netlink(SockProtocol::NetlinkAudit)).is_err());
        let pair = socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::empty()).unwrap();
        assert!(speaks_of_links(&pair.0).is_err());
        assert!(speaks_of_links(&File::open("/dev/null").unwrap().into()).is_err());
    }

    #[test]
    fn the_hosts_own_network_and_what_is_none_belong_to_nobody() {
        let open = |path: &str| OwnedFd::from(File::open(path).unwrap());
        let own = open("/proc/self/ns/user");
        for other in [
            "/proc/self/ns/net",
            "/proc/self/ns/uts",
            "/proc/self/ns/user",
            "/dev/null",
        ] {
            assert!(belongs(&open(other), &own, 0).is_err(), "{other}");
        }
    }
}
