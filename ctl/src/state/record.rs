//! What is kept of one container while it runs, and after it has ended: the content of `state.json`, short because every start reads
//! that of every container. Pure.

use serde::{Deserialize, Serialize};
use wire::ids::IdRange;
use wire::launcher::{Plan, Remains, Step};
use wire::netd::{HostSide, Lent};
use wire::{ContainerName, Hook, IdBlock, LinkName, Partition, Text};

/// How far a container has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Its start was asked for.
    Starting,
    /// It runs and is kept.
    Running,
    /// It has ended; what is left of it is being cleared away.
    Clearing,
    /// It has ended and nothing is left of it but this record.
    Ended,
}

/// How a container came to be, which decides what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// From a kept definition.
    Defined,
    /// From a file, by `create`: nothing is kept of it after its end.
    Transient,
    /// By `run`.
    Run {
        /// Whether nothing is kept of it after its end.
        remove: bool,
    },
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Its first process ended with this wait(2) status.
    Status(i32),
    /// Its supervisor left no record: it crashed, or was killed.
    Crashed,
    /// Its first process ended with this status, so often that it was not started anew once more.
    Looped(i32),
}

impl End {
    /// wait(2) status of the first process, if it is known.
    pub const fn status(self) -> Option<i32> {
        match self {
            Self::Status(status) | Self::Looped(status) => Some(status),
            Self::Crashed => None,
        }
    }
}

/// The processes that work for a running container, as the host numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    /// PID 1 of the container.
    pub pid1: u32,
    /// `init`'s outer half.
    pub init: u32,
    /// The supervisor.
    pub supervisor: u32,
    /// The server of `/proc/meminfo`, 0 if there is none.
    pub fused: u32,
}

/// Everything that is known of one container but its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its uuid.
    pub uuid: String,
    /// The number that addresses it while it runs: the pid of the `lazaret` that asked for its start.
    pub id: u32,
    /// The number of its block of ids, of its links and of its addresses.
    pub slot: u32,
    /// How it came to be.
    pub origin: Origin,
    /// How far it has come.
    pub phase: Phase,
    /// Whether it is frozen.
    pub paused: bool,
    /// Whether it was frozen before and goes on.
    #[serde(default)]
    pub resumed: bool,
    /// Its processes, once it runs.
    pub pids: Option<Pids>,
    /// When its start was asked for, in seconds since 1970.
    pub started: u64,
    /// How it ended.
    pub end: Option<End>,
    /// Its block of host ids.
    pub block: IdBlock,
    /// Every host id that it uses: its whole block, and what its maps name beyond that.
    pub ids: Vec<IdRange>,
    /// Whether forwarding had to be turned on for it.
    pub forwarding_changed: bool,
    /// As which the host's hook script was called for it last, or is about to be; not all are noted ([`crate::hooks`]).
    #[serde(default)]
    pub hook: Option<Hook>,
    /// The partition in which its control groups lie, where it names one.
    #[serde(default)]
    pub partition: Option<Partition>,
}

impl Record {
    /// Whether its ids, links and addresses may be in use.
    pub const fn occupies(&self) -> bool {
        !matches!(self.phase, Phase::Ended)
    }

    /// Whether nothing is to be kept of it once it has ended.
    pub const fn vanishes(&self) -> bool {
        matches!(
            self.origin,
            Origin::Defined | Origin::Transient | Origin::Run { remove: true }
        )
    }

    /// Whether the host's root is one of its ids.
    pub fn maps_host_root(&self) -> bool {
        self.ids.iter().any(|r| r.outside == 0)
    }

    /// The state in the words that virsh uses.
    pub const fn state(&self) -> &'static str {
        match (self.phase, self.paused, self.end) {
            (Phase::Starting, _, _) => "starting",
            (Phase::Running, true, _) => "paused",
            (Phase::Running, false, _) => "running",
            (Phase::Clearing, _, _) => "in shutdown",
            (Phase::Ended, _, Some(End::Crashed)) => "crashed",
            (Phase::Ended, _, _) => "shut off",
        }
    }
}

/// What is to be cleared away of a container whose plan is gone: what its record tells of.
pub fn bare_remains(name: &ContainerName, record: &Record) -> Remains {
    Remains {
        name: name.clone(),
        block: record.block,
        links: LinkName::new(&format!("lzv{}", record.slot)).into_iter().collect(),
        bridges: Vec::new(),
        etc: None,
        lent: Vec::new(),
        uuid: Text::new(&record.uuid).ok(),
    }
}

/// What the launcher is to clear away of what a plan makes.
pub fn remains(plan: &Plan) -> Remains {
    let mut links = Vec::new();
    let mut bridges = Vec::new();
    for link in plan
        .steps
        .iter()
        .filter_map(|s| if let Step::Connect(l) = s { Some(l) } else { None })
        .flatten()
    {
        links.push(link.host.clone());
        if let HostSide::Network(bridge) = &link.side {
            bridges.push(bridge.name.clone());
        }
    }
    bridges.dedup();
    Remains {
        name: plan.name.clone(),
        block: plan.block,
        links,
        bridges,
        etc: plan.etc(),
        lent: lent(plan),
        uuid: plan.uuid().and_then(|uuid| Text::new(uuid).ok()),
    }
}

/// The links of the host's that a plan moves inside.
pub fn lent(plan: &Plan) -> Vec<Lent> {
    let steps = plan.steps.iter();
    let lent = steps.filter_map(|s| if let Step::Lend(l) = s { Some(l) } else { None });
    lent.flatten().cloned().collect()
}

/// Every host id that a plan uses.
pub fn ids(plan: &Plan) -> Vec<IdRange> {
    let mut all = vec![whole(plan.block)];
    for step in &plan.steps {
        if let Step::Maps { uid, gid } = step {
            all.extend(uid.iter().chain(gid));
        }
    }
    all
}

/// A whole block as a range of host ids.
pub const fn whole(block: IdBlock) -> IdRange {
    IdRange {
        inside: 0,
        outside: block.first(),
        count: wire::ids::BLOCK,
    }
}

/// Whether two ranges share a host id.
pub fn overlap(a: &IdRange, b: &IdRange) -> bool {
    let end = |r: &IdRange| u64::from(r.outside).saturating_add(u64::from(r.count));
    u64::from(a.outside) < end(b) && u64::from(b.outside) < end(a)
}

/// The lowest slot whose block no record uses and no map of one reaches; `None` if all `blocks` are in use. In one pass, since each container
/// adds a range.
pub fn free_slot(first: u32, blocks: u32, taken: &[IdRange]) -> Option<(u32, IdBlock)> {
    let end = |r: &IdRange| u64::from(r.outside).saturating_add(u64::from(r.count));
    let mut spans: Vec<(u64, u64)> = taken.iter().map(|r| (u64::from(r.outside), end(r))).collect();
    spans.sort_unstable();
    let mut spans = spans.into_iter().peekable();
    // How far those reach that begin before the end of a block.
    let mut reached = 0;
    (0..blocks).find_map(|slot| {
        let block = IdBlock::new(slot.checked_mul(wire::ids::BLOCK)?.checked_add(first)?)?;
        let range = whole(block);
        while let Some((_, to)) = spans.next_if(|(from, _)| *from < end(&range)) {
            reached = to.max(reached);
        }
        (reached <= u64::from(range.outside)).then_some((slot, block))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ids::{BLOCK, OWN_FIRST};

    #[test]
    fn the_lowest_free_block_is_given_out_and_none_that_a_map_reaches() {
        let (slot, first) = free_slot(OWN_FIRST, 4, &[]).unwrap();
        assert_eq!((slot, first.first()), (0, OWN_FIRST));
        let taken = [
            whole(first),
            IdRange {
                inside: 0,
                outside: OWN_FIRST + BLOCK + 5,
                count: 1,
            },
        ];
        assert_eq!(free_slot(OWN_FIRST, 4, &taken).unwrap().0, 2);
        assert_eq!(free_slot(OWN_FIRST, 2, &taken), None);
    }

    #[test]
    fn a_block_is_free_where_no_range_reaches_it_however_they_lie() {
        let range = |outside, count| IdRange {
            inside: 0,
            outside,
            count,
        };
        let at = |slot: u32, offset: u32| OWN_FIRST + slot * BLOCK + offset;
        let cases: [&[IdRange]; 6] = [
            &[range(at(2, 0), BLOCK), range(at(0, 0), BLOCK)],
            &[range(at(0, 0), 3 * BLOCK), range(at(1, 7), 1)],
            &[range(at(1, 0), BLOCK), range(0, at(0, 1))],
            &[range(0, at(0, 0)), range(at(3, 0), BLOCK)],
            &[range(at(0, BLOCK - 1), 2)],
            &[],
        ];
        for taken in cases {
            let slow = (0..8).find(|slot| {
                let block = whole(IdBlock::new(at(*slot, 0)).unwrap());
                !taken.iter().any(|t| overlap(t, &block))
            });
            assert_eq!(free_slot(OWN_FIRST, 8, taken).map(|(slot, _)| slot), slow, "{taken:?}");
        }
    }

    #[test]
    fn ranges_that_touch_do_not_overlap() {
        let r = |outside, count| IdRange {
            inside: 0,
            outside,
            count,
        };
        assert!(!overlap(&r(10, 5), &r(15, 5)));
        assert!(overlap(&r(10, 6), &r(15, 5)));
    }
}
