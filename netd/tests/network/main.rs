//! The network writer as it runs: CAP_NET_ADMIN and nothing else, an unprivileged uid, its real confinement. What it made is asked of the
//! kernel, by ip(8), nft(8) and by traffic. Touches: network namespaces of its own.

#[cfg(test)]
mod bridges;
#[cfg(test)]
mod firewall;
#[cfg(test)]
mod links;
#[cfg(test)]
mod stage;

#[cfg(test)]
mod tests {
    use super::stage::*;
    use nix::errno::Errno;
    use std::os::fd::AsFd;
    use wire::Kind;
    use wire::netd::{HostSide, Link, Macvlan, Reply, Request};

    #[test]
    fn works_with_one_capability_under_its_confinement() {
        if !is_possible() {
            return;
        }
        let host = Namespace::new();
        let netd = Netd::start(&host);
        assert_eq!(
            netd.ask(Request::RemoveBridge(name("lzr0")), &[]).0,
            Reply::Removed(true)
        );
        assert_eq!(netd.status("Uid"), [UID.to_string().as_str(); 4].join(" "));
        assert_eq!(netd.status("Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(netd.status(set), format!("{:016x}", 1u64 << 12), "{set}");
        }
        assert_eq!(
            (netd.status("NoNewPrivs"), netd.status("Seccomp")),
            ("1".into(), "2".into())
        );
    }

    #[test]
    fn a_failure_in_the_middle_leaves_nothing() {
        if !is_possible() {
            return;
        }
        let host = Namespace::new();
        let netd = Netd::start(&host);
        let container = Namespace::container();
        let second = |side| {
            let mut second = link(4);
            (second.guest, second.side) = (name("eth1"), side);
            vec![link(2), second]
        };
        host.run("ip link add dummy0 type veth peer name dummy1");
        let before = host.links();

        let refused = netd.refuses(&container, second(HostSide::Bridge(name("br7"))));
        assert_eq!(
            (refused.kind, refused.what.as_str()),
            (Kind::Caller, "use the bridge br7: there is none of that name")
        );
        let refused = netd.refuses(&container, second(HostSide::Bridge(name("dummy0"))));
        assert_eq!(
            refused.what.as_str(),
            "use the bridge dummy0: the link of that name is no bridge"
        );
        let mut lost = link(2);
        lost.routes = vec![to("0.0.0.0/0", "172.31.0.1")];
        let refused = netd.refuses(&container, vec![lost]);
        assert_eq!(refused.what.as_str(), "lead 0.0.0.0/0 through 172.31.0.1 inside");
        assert_eq!((refused.kind, refused.errno), (Kind::Kernel, Errno::ENETUNREACH as i32));
        let mut taken = link(2);
        taken.host = name("dummy0");
        let refused = netd.refuses(&container, vec![taken]);
        assert_eq!(
            (refused.what.as_str(), refused.errno),
            ("add the link dummy0", Errno::EEXIST as i32)
        );
        assert_eq!(host.links(), before);
        assert_eq!(container.links(), ["lo"]);

        // A bridge that somebody else uses stays.
        let _other = connected(&netd, 9);
        netd.refuses(&container, second(HostSide::Bridge(name("br7"))));
        assert_eq!(host.links().len(), before.len() + 2);
        assert!(netd.protect(wall(2, vec![])).is_err());
        assert_eq!(host.tables(), Vec::<String>::new());
    }

    #[test]
    fn refuses_descriptors_of_another_namespace_or_of_nothing() {
        if !is_possible() {
            return;
        }
        let host = Namespace::new();
        let netd = Netd::start(&host);
        let before = host.links();
        let refused = netd.refuses(&host, vec![link(2)]);
        assert!(refused.what.as_str().contains("the host's own"), "{refused:?}");
        let (one, other) = (Namespace::container(), Namespace::container());
        let socket = other.rtnetlink();
        let reply = netd
            .ask(Request::Connect(vec![link(2)]), &[one.as_fd(), socket.as_fd()])
            .0;
        assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
        let null = std::fs::File::open("/dev/null").unwrap();
        for (namespace, socket) in [(one.as_fd(), null.as_fd()), (null.as_fd(), socket.as_fd())] {
            let reply = netd.ask(Request::Connect(vec![link(2)]), &[namespace, socket]).0;
            assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
        }
        // A macvlan leaves nothing either, and takes nothing of the host's for its own, whatever that is called.
        host.run("ip link add name wire0 type veth peer name wire1");
        let direct = Link {
            side: HostSide::Direct {
                parent: name("wire0"),
                mode: Macvlan::Bridge,
            },
            addresses: vec![],
            routes: vec![],
            ..link(2)
        };
        host.run("ip link add link wire1 name eth0 type macvlan");
        let with_wires = host.links();
        let refused = netd.refuses(&host, vec![direct.clone()]);
        assert!(refused.what.as_str().contains("the host's own"), "{refused:?}");
        host.run("ip link add link wire1 name lzv2 type macvlan");
        let refused = netd.refuses(&one, vec![direct.clone()]);
        assert!(refused.what.as_str().contains("already"), "{refused:?}");
        host.run("ip link del lzv2");
        let reply = netd
            .ask(Request::Connect(vec![direct.clone()]), &[one.as_fd(), socket.as_fd()])
            .0;
        assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
        assert_eq!(host.links(), with_wires);
        let good = Namespace::container();
        assert_eq!(netd.connect(&good, vec![direct]), Reply::Connected);
        assert_eq!(
            (good.links(), host.links()),
            (vec!["lo".into(), "eth0".into()], with_wires)
        );
        host.run("ip link del wire0");
        assert_eq!(host.links(), before);
        assert_eq!(other.links(), ["lo"]);
    }
}
