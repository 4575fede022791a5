//! The planner: from what is asked for to the ordered list of requests that make it so. Pure: it sees the host only through
//! [`Host`], and a plan is data that can be printed, stored, compared and replayed.

pub mod capabilities;
pub mod command;
pub mod domain;
pub mod dropping;
pub mod existing;
pub mod filter;
pub mod limits;
pub mod network;
pub mod proc_net;
pub mod run;
pub mod show;
pub mod tree;
pub mod user;

use crate::domain::device::FindUsb;
use crate::error::{Error, Outcome};
use crate::escape::escape;
use crate::network::Network;
use crate::state::record::overlap;
use wire::cgroupd::{Controller, Hierarchy, Limits};
use wire::devd::Rule;
use wire::ids::{IdRange, check_map};
use wire::init::Container;
use wire::launcher::{HostPolicy, Opened, Outward, Plan, PlannedMount, Step};
use wire::mountd::{Device, Mount};
use wire::netd::{Firewall, Found, HostSide, Lent, Link, Through};
use wire::user::SCOPE;
use wire::{ContainerName, IdBlock, Partition, Text};

/// What the planner must know of the host.
#[derive(Debug, Clone)]
pub struct Host {
    /// What the launcher tells of the policy file.
    pub policy: HostPolicy,
    /// Where containers are placed.
    pub hierarchies: Vec<Hierarchy>,
    /// Whether it is an ordinary user's: no files with mapped ids, no links of the host's, no groups but those that are delegated.
    pub user: bool,
    /// Whether something covers a part of the host's `/proc`, so that one has to be lent.
    pub covered_proc: bool,
    /// Whether IPv4 and IPv6 are forwarded already.
    pub forwards: bool,
    /// The host's `/etc/resolv.conf`, and the one that systemd-resolved keeps for others.
    pub resolv: Vec<String>,
    /// Capabilities of an application, and of a system, by bit.
    pub capabilities: [u64; 2],
    /// The number of the block device at a path of the host's, if there is one.
    pub block_device: fn(&str) -> Option<(u32, u32)>,
    /// What finds a USB device by its vendor and product.
    pub usb: FindUsb,
    /// What was found of the links of the host's that are asked for.
    pub found: Vec<Found>,
}

/// What one container is given before it is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The number of its block, of its links and of its addresses.
    pub slot: u32,
    /// Its ids on the host.
    pub block: IdBlock,
    /// Its uuid.
    pub uuid: [u8; 16],
    /// Host ids that other containers use.
    pub taken: Vec<IdRange>,
    /// The networks that there are.
    pub networks: Vec<Network>,
}

/// A plan before its steps are laid out.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What `init` is told.
    pub container: Container,
    /// The root.
    pub root: PlannedMount,
    /// The mounts of the factory for the attachments, in order.
    pub trees: Vec<PlannedMount>,
    /// Limits of the group.
    pub limits: Limits,
    /// Devices that may be opened.
    pub devices: Vec<Rule>,
    /// Its link by `pasta`.
    pub outward: Option<Outward>,
    /// Links.
    pub links: Vec<Link>,
    /// Links of the host's.
    pub lent: Vec<Lent>,
    /// The table.
    pub firewall: Option<Firewall>,
    /// How many processors its definition names.
    pub processors: Option<u32>,
    /// The partition of its groups, if it names one.
    pub partition: Option<Partition>,
}

/// Lays out the steps of a draft.
pub fn assemble(draft: Draft, lot: &Lot, host: &Host) -> Outcome<Plan> {
    let Draft {
        outward,
        mut container,
        root,
        trees,
        limits,
        devices,
        links,
        lent,
        firewall,
        processors,
        partition,
    } = draft;
    // Links on bridges of the host's the broker lends, as far as the host's file gives any.
    let bridged = |l: &Link| matches!(l.side, HostSide::Bridge(_));
    let linked = !links.iter().all(bridged) || !lent.is_empty();
    user::within_reach(&root, linked, host)?;
    if !user::sets(host, Controller::Memory) {
        container.meminfo = false;
    }
    container.lent_proc = host.covered_proc;
    container.unified = host.hierarchies.iter().any(|h| h.unified);
    check_ids(&container, lot, host)?;
    check_controllers(&limits, host)?;
    if let (Some(partition), true) = (&partition, host.hierarchies.is_empty()) {
        return Err(Error::caller(format!(
            "lazaret was called in no control group of yours, and so there is no partition {} ({SCOPE} lazaret ..., or call lazaret as root)",
            escape(partition.as_str())
        )));
    }
    let mut mounts = vec![root];
    let node = |device: &Device| PlannedMount {
        mount: Mount::Node(*device),
        from: Opened::Device,
    };
    mounts.extend(container.devices.iter().map(node));
    if container.meminfo {
        mounts.push(PlannedMount {
            mount: Mount::Meminfo,
            from: Opened::Device,
        });
    }
    if container.shares_network() {
        mounts.push(match host.user && container.host_network {
            true => PlannedMount::hosts_sys(),
            false => PlannedMount {
                mount: Mount::Sysfs,
                from: Opened::Nothing,
            },
        });
    }
    if container.lent_proc {
        mounts.push(PlannedMount {
            mount: Mount::Proc,
            from: Opened::Nothing,
        });
    }
    if !container.nodes.is_empty() {
        mounts.push(PlannedMount {
            mount: Mount::Nodes,
            from: Opened::Nothing,
        });
    }
    mounts.extend(trees);
    if mounts.len() != container.factory_mounts() {
        return Err(Error::Bug(format!(
            "{} mounts are planned, init expects {}",
            mounts.len(),
            container.factory_mounts()
        )));
    }
    let name = container.name.clone();
    let (uid, gid, meminfo) = (container.uid_map.clone(), container.gid_map.clone(), container.meminfo);
    let mut steps: Vec<Step> = partition.map(Step::Partition).into_iter().collect();
    steps.extend([
        Step::Groups(limits),
        Step::Devices(devices),
        Step::Build(Box::new(container)),
    ]);
    steps.push(Step::Maps { uid, gid });
    steps.push(Step::Mounts(mounts));
    if meminfo {
        steps.push(Step::Meminfo);
    }
    if !lent.is_empty() {
        steps.push(Step::Lend(lent));
    }
    if !links.is_empty() {
        steps.push(Step::Connect(links));
    }
    if let Some(firewall) = firewall {
        let forward = must_forward(&firewall, host.forwards, host.policy.forwarding)?;
        steps.push(Step::Protect { firewall, forward });
    }
    if let Some(outward) = outward {
        user::outward(host)?;
        steps.push(Step::Outward(outward));
    }
    steps.push(Step::Keep);
    Ok(Plan {
        name,
        block: lot.block,
        steps,
        processors,
    })
}

/// Whether the host must be made to forward for a container's network; refused where it may not be.
pub fn must_forward(firewall: &Firewall, forwards: bool, may: bool) -> Outcome<bool> {
    let must = firewall.through != Through::Nothing && !forwards;
    if must && !may {
        return Err(Error::caller(
            "the network needs the host to forward, which is off, and the host's policy forbids turning it on \
             (sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1)",
        ));
    }
    Ok(must)
}

/// Refuses maps that are wrong, or that reach ids of other containers or of the programs that work for this one.
fn check_ids(container: &Container, lot: &Lot, host: &Host) -> Outcome<()> {
    let host_root = host.policy.host_root.contains(&container.name);
    for (kind, map) in [("uid", &container.uid_map), ("gid", &container.gid_map)] {
        check_map(map, host_root).map_err(|e| match e {
            wire::ids::MapError::HostRoot if host.user => {
                Error::caller(format!("the {kind} map reaches host id 0: {}", user::NOBODYS))
            }
            wire::ids::MapError::HostRoot => Error::caller(format!(
                "the {kind} map reaches host id 0, which /etc/lazaret.policy does not allow {} to do",
                container.name
            )),
            other => Error::caller(format!("the {kind} map is wrong: {other}")),
        })?;
        let programs = IdRange {
            inside: 0,
            outside: lot.block.first(),
            count: wire::ids::UNMAPPED,
        };
        for range in map {
            if overlap(range, &programs) {
                return Err(Error::caller(format!(
                    "the {kind} map reaches the ids of Lazaret's own programs"
                )));
            }
            if let Some(other) = lot.taken.iter().find(|t| overlap(t, range)) {
                return Err(Error::caller(format!(
                    "the {kind} map reaches host ids {} and on, which another container uses",
                    other.outside
                )));
            }
        }
    }
    Ok(())
}

/// Refuses a limit that no hierarchy of this host can keep.
fn check_controllers(limits: &Limits, host: &Host) -> Outcome<()> {
    let hierarchies = &host.hierarchies;
    let wanted = [
        (
            limits.memory.is_some() || limits.memory_soft.is_some() || limits.memory_and_swap.is_some(),
            Controller::Memory,
            "memory",
        ),
        (
            limits.cpu_shares.is_some() || limits.cpu_period.is_some() || limits.cpu_quota.is_some(),
            Controller::Cpu,
            "cpu",
        ),
        (limits.cpus.is_some(), Controller::Cpuset, "cpuset"),
        (limits.tasks.is_some(), Controller::Pids, "pids"),
    ];
    for (asked, controller, name) in wanted {
        if asked && !hierarchies.iter().any(|h| h.controllers.contains(&controller)) {
            if host.user {
                return Err(Error::caller(match hierarchies.is_empty() {
                    true => format!(
                        "lazaret was called in no control group of yours, and so there is no limit of {name} \
                         ({SCOPE} lazaret ..., or see lazaret check, or call lazaret as root)"
                    ),
                    false => format!(
                        "the {name} controller is not delegated to you, and so there is no limit of {name} \
                         (lazaret check says what mends it, or call lazaret as root)"
                    ),
                }));
            }
            return Err(Error::caller(format!(
                "no control group hierarchy of this host has the {name} controller turned on: `lazaret check` says what mends it"
            )));
        }
    }
    Ok(())
}

/// Text that must fit what a message can carry.
pub fn fit<const MAX: usize>(what: &str, text: &str) -> Outcome<Text<MAX>> {
    Text::new(text).map_err(|e| Error::caller(format!("{what} is refused: {e}")))
}

/// The host name that a container's name gives: what is not a letter, digit or hyphen is left out, and one leading hyphen.
pub fn hostname(name: &ContainerName) -> Text<64> {
    let kept: String = name
        .as_str()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let kept = kept.strip_prefix('-').unwrap_or(&kept);
    Text::cut(if kept.is_empty() { "container" } else { kept })
}

/// A host on which tests plan.
#[cfg(test)]
pub mod testing {
    use super::*;

    /// A mixed host, as the reference machine is.
    pub fn host() -> Host {
        let v1 = |c| Hierarchy {
            unified: false,
            controllers: vec![c],
        };
        Host {
            policy: HostPolicy {
                first: wire::ids::OWN_FIRST,
                blocks: 100,
                host_root: vec![],
                forwarding: true,
                own_filter: vec![],
            },
            hierarchies: vec![
                v1(Controller::Memory),
                v1(Controller::Cpu),
                v1(Controller::Cpuset),
                v1(Controller::Pids),
                Hierarchy {
                    unified: true,
                    controllers: vec![],
                },
            ],
            user: false,
            covered_proc: false,
            forwards: false,
            resolv: vec![
                "nameserver 127.0.0.53\n".into(),
                "nameserver 192.0.2.1\nsearch example.org\n".into(),
            ],
            capabilities: [0xe3, 0xffff],
            block_device: |path| (path == "/dev/sda").then_some((8, 0)),
            usb: |_, _| Err(Error::caller("this host has no USB device")),
            found: vec![],
        }
    }

    /// The second block.
    pub fn lot() -> Lot {
        Lot {
            slot: 1,
            block: IdBlock::new(wire::ids::OWN_FIRST + wire::ids::BLOCK).unwrap(),
            uuid: [7; 16],
            taken: vec![],
            networks: Network::built_in().into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_made_of_letters_digits_and_hyphens() {
        let h = |n: &str| hostname(&ContainerName::new(n).unwrap()).as_str().to_owned();
        assert_eq!(
            (h("my guest_1").as_str(), h("_-x").as_str(), h("日本").as_str()),
            ("myguest1", "x", "container")
        );
    }

    #[test]
    fn refuses_a_limit_without_its_controller() {
        let limits = Limits {
            tasks: Some(5),
            ..Limits::default()
        };
        let mut host = testing::host();
        assert!(check_controllers(&limits, &host).is_ok());
        host.hierarchies.clear();
        let e = check_controllers(&limits, &host).unwrap_err();
        assert!(e.to_string().contains("pids"), "{e}");
    }
}
