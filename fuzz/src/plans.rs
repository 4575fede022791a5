//! Where plans are made, and what every plan must hold to, whatever it was made of. Pure.

use ctl::network::Network;
use ctl::plan::{Host, Lot, show};
use launcher::host::Named;
use launcher::policy::{Policy, parse};
use launcher::{judge, policy};
use std::sync::OnceLock;
use wire::cgroupd::{Controller, Hierarchy};
use wire::frame::{FrameError, decode, encode};
use wire::ids::{BLOCK, IdBlock, OWN_FIRST};
use wire::launcher::{HostPolicy, Plan, Request, Step};

/// A mixed host, whose policy consents to nothing.
pub fn host() -> Host {
    let version1 = |controller| Hierarchy {
        unified: false,
        controllers: vec![controller],
    };
    Host {
        policy: HostPolicy {
            first: OWN_FIRST,
            blocks: 100,
            host_root: vec![],
            forwarding: true,
            own_filter: vec![],
        },
        hierarchies: vec![
            version1(Controller::Memory),
            version1(Controller::Cpu),
            version1(Controller::Cpuset),
            version1(Controller::Pids),
            Hierarchy {
                unified: true,
                controllers: vec![],
            },
        ],
        user: false,
        covered_proc: false,
        forwards: false,
        resolv: vec!["nameserver 192.0.2.1\nsearch example.org\n".into()],
        capabilities: [0xe3, 0xffff],
        block_device: |path| path.ends_with("0").then_some((8, 0)),
        usb: |vendor, product| Ok((vendor, product)),
        found: vec![],
    }
}

/// The second block.
pub fn lot() -> Lot {
    Lot {
        slot: 1,
        block: IdBlock::new(OWN_FIRST + BLOCK).unwrap(),
        uuid: [7; 16],
        taken: vec![],
        networks: Network::built_in().into_iter().collect(),
    }
}

/// The policy of a host without a policy file.
pub fn usual() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| parse("", &[], &[]).unwrap())
}

/// What the launcher makes of a plan: what it lets pass reaches no id that is not the container's to have, and every step is in it.
pub fn judged(policy: &policy::Policy, named: &Named, plan: Plan) {
    let (name, block) = (plan.name.clone(), plan.block);
    let Ok(judged) = judge::start(policy, named, plan) else {
        return;
    };
    let start = judged.get();
    assert_eq!((&start.name, start.block), (&name, block));
    assert!(policy.gives(block), "a block that the policy does not give out");
    let consented = policy.host_root.contains(&name);
    for map in [&start.container.uid_map, &start.container.gid_map] {
        wire::ids::check_map(map, consented).expect("a map that is none passed");
        for range in map {
            let last = range.outside + (range.count - 1);
            assert!(
                consented || range.outside >= 65536,
                "host id {} is mapped",
                range.outside
            );
            let programs = block.first()..block.root();
            assert!(
                range.outside >= programs.end || last < programs.start,
                "the ids of our own programs are mapped"
            );
        }
    }
    assert_eq!(start.mounts.len(), start.container.factory_mounts());
    let _ = start.remains();
}

/// Panics unless a plan of the planner's own is one: it can be shown and sent, and arrives as it was; and the launcher can judge it.
pub fn sound(plan: &Plan) {
    assert!([false, true].iter().all(|user| !show::show(plan, *user).is_empty()));
    assert!(matches!(plan.steps.first(), Some(Step::Groups(_))));
    assert!(matches!(plan.steps.last(), Some(Step::Keep)));
    let request = Request::Start {
        plan: Box::new(plan.clone()),
        passed: false,
        tied: false,
    };
    match encode(&request) {
        Ok(bytes) => assert_eq!(decode::<Request>(&bytes, 4), Ok(request)),
        Err(e) => assert!(matches!(e, FrameError::TooLong(_)), "a plan that cannot be sent: {e}"),
    }
    judged(usual(), &Named::default(), plan.clone());
}
