//! Receive, judge, act, reply: the only place that knows every request.

use crate::netlink::{Denied, Netlink};
use crate::{bridge, disconnect, dropping, forward, judge, lend, link, table};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use policies::{Confined, Ended};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::Channel;
use wire::Failure;
use wire::netd::{Reply, Request};

/// Answers until the peer closes its end.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let mut host = Netlink::open(SockProtocol::NetlinkRoute).map_err(|denied| match denied {
        Denied::Kernel(errno) => Ended::System(errno),
        Denied::Garbled => Ended::System(Errno::EPROTO),
    })?;
    loop {
        let (request, descriptors) = channel.receive()?;
        let (reply, socket) =
            answer(&mut host, request, descriptors).unwrap_or_else(|failure| (Reply::Refused(failure), None));
        let borrowed: Vec<BorrowedFd<'_>> = socket.iter().map(AsFd::as_fd).collect();
        channel.send(&reply, &borrowed)?;
    }
}

/// The descriptors that the frame was checked to have.
fn all<const N: usize>(descriptors: Vec<OwnedFd>) -> Result<[OwnedFd; N], Failure> {
    descriptors
        .try_into()
        .map_err(|_| Failure::bug("count the descriptors of a request"))
}

fn answer(
    host: &mut Netlink,
    request: Request,
    descriptors: Vec<OwnedFd>,
) -> Result<(Reply, Option<OwnedFd>), Failure> {
    let reply = match request {
        Request::Connect(links) => {
            let [namespace, inside] = all(descriptors)?;
            link::connect(host, &mut Netlink::over(inside), namespace, &judge::links(links)?)?;
            Reply::Connected
        }
        Request::Protect(firewall) => {
            let socket = table::protect(host, &judge::firewall(firewall)?)?;
            return Ok((Reply::Protected, Some(socket)));
        }
        Request::Forward => {
            let [v4, v6] = all(descriptors)?;
            let (v4_changed, v6_changed) = forward::forward(host, v4, v6)?;
            Reply::Forwarding { v4_changed, v6_changed }
        }
        Request::RemoveBridge(name) => Reply::Removed(bridge::remove(host, &judge::bridge(name)?)?),
        Request::RemoveLink(name) => Reply::Removed(link::remove(host, &judge::link(name)?)?),
        Request::KeepBridge(bridge) => {
            bridge::keep(host, &judge::kept(bridge)?)?;
            Reply::Connected
        }
        Request::EndBridge(name) => Reply::Removed(bridge::end(host, &judge::bridge(name)?)?),
        Request::Find(names) => Reply::Found(lend::find(host, &judge::looked_at(names)?)?),
        Request::Lend(links) => {
            let [namespace, inside, own] = all(descriptors)?;
            let inside = &mut Netlink::over(inside);
            lend::lend(host, inside, [namespace.as_fd(), own.as_fd()], &judge::lent(links)?)?;
            Reply::Lent
        }
        Request::TakeBack(links) => {
            let [inside, own] = all(descriptors)?;
            let inside = &mut Netlink::over(inside);
            Reply::Missing(lend::take_back(host, inside, own.as_fd(), &judge::lent(links)?)?)
        }
        Request::Restore(links) => Reply::Missing(lend::restore(host, &judge::lent(links)?)?),
        Request::Disconnect(link) => {
            disconnect::disconnect(host, &judge::links(vec![*link])?)?;
            Reply::Removed(true)
        }
        Request::Join { link, firewall } => {
            let [namespace] = all(descriptors)?;
            let mac = link.mac;
            let joined = judge::joined(*link, Some(&firewall))?;
            let rules = judge::firewall(*firewall)?;
            let socket = link::join(host, namespace, &joined, || table::protect_as(&rules, mac))?;
            return Ok((Reply::Protected, Some(socket)));
        }
        Request::Raise(link) => {
            let [inside] = all(descriptors)?;
            link::raise_joined(host, &mut Netlink::over(inside), &judge::joined(*link, None)?)?;
            Reply::Connected
        }
        Request::FindDropping(name) => Reply::Dropping(dropping::find(&judge::bridge(name)?)?),
    };
    Ok((reply, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::{lent, name, wall};
    use std::fs::File;
    use wire::netd::{Bridge, Firewall};

    fn refused(request: Request, descriptors: usize) -> bool {
        let mut host = Netlink::open(SockProtocol::NetlinkRoute).unwrap();
        let null = || File::open("/dev/null").unwrap().into();
        answer(&mut host, request, (0..descriptors).map(|_| null()).collect()).is_err()
    }

    #[test]
    fn refuses_to_connect_nothing() {
        assert!(refused(Request::Connect(vec![]), 2));
    }

    #[test]
    fn refuses_to_protect_a_link_that_is_not_there_or_a_bridge_of_others() {
        assert!(refused(
            Request::Protect(Firewall {
                link: name("lzv.missing"),
                ..wall()
            }),
            0
        ));
        assert!(refused(
            Request::Protect(Firewall {
                bridge: name("br0"),
                ..wall()
            }),
            0
        ));
    }

    #[test]
    fn refuses_to_forward_by_what_is_no_setting() {
        assert!(refused(Request::Forward, 2));
    }

    #[test]
    fn refuses_to_lend_or_to_look_at_what_the_host_cannot_be_without() {
        for taken in ["lo", "lzr0"] {
            assert!(refused(Request::Find(vec![name(taken)]), 0));
            for request in [Request::Lend, Request::TakeBack, Request::Restore] {
                let request: fn(_) -> _ = request;
                let request: Request = request(vec![lent(taken)]);
                let descriptors = wire::Message::descriptors(&request);
                assert!(refused(request, descriptors));
            }
        }
        assert!(refused(Request::Restore(vec![]), 0));
    }

    #[test]
    fn refuses_to_take_away_what_no_container_has() {
        let mut link = crate::judge::tests::good();
        link.mac = [1, 0, 0, 0, 0, 0];
        assert!(refused(Request::Disconnect(Box::new(link.clone())), 0));
        link.mac = [2, 0, 0, 0, 0, 3];
        link.side = wire::netd::HostSide::Vlan {
            parent: name("lo"),
            id: 1,
        };
        assert!(refused(Request::Disconnect(Box::new(link)), 0));
    }

    #[test]
    fn refuses_to_join_what_is_no_port_of_ours_or_with_rules_of_another_and_to_raise_what_is_not_there() {
        let bridge = |name: &str| wire::netd::HostSide::Bridge(crate::judge::tests::name(name));
        let mut link = crate::judge::tests::good();
        let join = |link: &wire::netd::Link| Request::Join {
            link: Box::new(link.clone()),
            firewall: Box::new(Firewall {
                link: name("lzv.missing"),
                ..wall()
            }),
        };
        assert!(refused(join(&link), 1));
        assert!(refused(Request::Raise(Box::new(link.clone())), 1));
        link.side = bridge("br0");
        assert!(refused(join(&link), 1));
        assert!(refused(Request::Raise(Box::new(link)), 1));
    }

    #[test]
    fn refuses_to_look_for_what_others_bridges_lose() {
        assert!(refused(Request::FindDropping(name("docker0")), 0));
    }

    #[test]
    fn refuses_to_remove_what_is_not_ours() {
        assert!(refused(Request::RemoveBridge(name("docker0")), 0));
        assert!(refused(Request::EndBridge(name("docker0")), 0));
        let bridge = Bridge {
            name: name("docker0"),
            addresses: vec![],
            mac: None,
            stp: false,
            delay: 0,
        };
        assert!(refused(Request::KeepBridge(bridge), 0));
        assert!(refused(Request::RemoveLink(name("eth0")), 0));
    }
}
