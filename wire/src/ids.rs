//! User and group ids: the block that one container is given, and the ranges that its user namespace maps. Pure.

use crate::program::Program;
use serde::{Deserialize, Serialize};

/// Ids of a block that are never mapped: one for each program that works for the container.
pub const UNMAPPED: u32 = 16;
/// Ids of a block that the container's user namespace maps, from 0 upwards.
pub const MAPPED: u32 = 65536;
/// Ids of a whole block.
pub const BLOCK: u32 = UNMAPPED + MAPPED;
/// The highest id a block may reach: `(uid_t) -1` and the half above 2^31 are not usable everywhere.
pub const HIGHEST: u32 = 0x7fff_fffe;
/// The uid and gid under which `lazaret` itself works once the launcher has taken its power away. It lies above every range
/// that shadow-utils, systemd and the usual directory services give out (<https://systemd.io/UIDS-GIDS/>).
pub const LAZARET: u32 = 0x7000_0000;
/// Where our own blocks begin, on a host whose `/etc/subuid` gives root no range.
pub const OWN_FIRST: u32 = 0x7001_0000;

/// The ids of one container on the host: [`UNMAPPED`] for its programs, then [`MAPPED`] for its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct IdBlock(u32);

impl IdBlock {
    /// The block that begins at host id `first`; refused below 1000, or where it would pass [`HIGHEST`].
    pub const fn new(first: u32) -> Option<Self> {
        if first < 1000 || first > HIGHEST - BLOCK {
            None
        } else {
            Some(Self(first))
        }
    }

    /// The first host id of the block.
    pub const fn first(self) -> u32 {
        self.0
    }

    /// The keeper: owns the user namespace, and so may map, enter and signal. Shared by `init`'s outer half, the id-map writer,
    /// `nsenter` and the supervisor.
    pub const fn keeper(self) -> u32 {
        self.0
    }

    /// Host uid and gid of a program that works for this container.
    pub const fn of(self, program: Program) -> u32 {
        match program {
            Program::Lazaret | Program::Launcher => LAZARET,
            Program::Init | Program::Nsenter | Program::Idmapd | Program::Supervisor => self.0,
            Program::Mountd => self.0.saturating_add(1),
            Program::Netd => self.0.saturating_add(2),
            Program::Cgroupd => self.0.saturating_add(3),
            Program::Devd => self.0.saturating_add(4),
            Program::Fused => self.0.saturating_add(5),
            Program::Recordd => self.0.saturating_add(6),
            Program::Loopd => self.0.saturating_add(7),
        }
    }

    /// Host uid and gid of the launcher where it reads an ordinary user's request: `lazaret`'s own owns files.
    pub const fn broker(self) -> u32 {
        self.0.saturating_add(8)
    }

    /// The host id of the container's root, unless the configuration maps it elsewhere.
    pub const fn root(self) -> u32 {
        self.0.saturating_add(UNMAPPED)
    }

    /// The default map: 0 inside to the first mapped id, all [`MAPPED`] of them.
    pub const fn range(self) -> IdRange {
        IdRange {
            inside: 0,
            outside: self.root(),
            count: MAPPED,
        }
    }
}

impl TryFrom<u32> for IdBlock {
    type Error = &'static str;
    fn try_from(first: u32) -> Result<Self, &'static str> {
        Self::new(first).ok_or("an id block must lie between 1000 and 2^31-2")
    }
}

impl From<IdBlock> for u32 {
    fn from(block: IdBlock) -> Self {
        block.0
    }
}

/// One line of a `uid_map` or `gid_map` (user_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// First id inside the namespace.
    pub inside: u32,
    /// The host id it stands for.
    pub outside: u32,
    /// Length of the range.
    pub count: u32,
}

/// What is wrong with a set of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapError {
    /// No range, or more than the kernel's 340.
    Number,
    /// A range of no ids, or one that passes the highest id.
    Range(IdRange),
    /// Two ranges share an id, inside or outside.
    Overlap(IdRange, IdRange),
    /// Id 0 inside is not mapped.
    NoRoot,
    /// Host id 0 is mapped, and the host's policy does not allow it for this container.
    HostRoot,
}

impl core::fmt::Display for MapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let show = |r: &IdRange| format!("{} -> {} ({})", r.inside, r.outside, r.count);
        match self {
            Self::Number => write!(f, "an id map has 1 to 340 ranges"),
            Self::Range(r) => write!(f, "the range {} is empty or passes 2^31-2", show(r)),
            Self::Overlap(a, b) => write!(f, "the ranges {} and {} overlap", show(a), show(b)),
            Self::NoRoot => write!(f, "id 0 of the container is not mapped"),
            Self::HostRoot => write!(f, "host id 0 is mapped"),
        }
    }
}

impl core::error::Error for MapError {}

fn meets(a: u32, b: u32, a_count: u32, b_count: u32) -> bool {
    u64::from(a) < u64::from(b).saturating_add(u64::from(b_count))
        && u64::from(b) < u64::from(a).saturating_add(u64::from(a_count))
}

/// Checks a whole map; `host_root` says whether the host's policy lets this container map host id 0.
pub fn check_map(map: &[IdRange], host_root: bool) -> Result<(), MapError> {
    if map.is_empty() || map.len() > 340 {
        return Err(MapError::Number);
    }
    for (i, a) in map.iter().enumerate() {
        let fits = |first: u32| first.checked_add(a.count).is_some_and(|end| end <= HIGHEST);
        if a.count == 0 || !fits(a.inside) || !fits(a.outside) {
            return Err(MapError::Range(*a));
        }
        for b in map.iter().skip(i.saturating_add(1)) {
            if meets(a.inside, b.inside, a.count, b.count) || meets(a.outside, b.outside, a.count, b.count) {
                return Err(MapError::Overlap(*a, *b));
            }
        }
    }
    if !map.iter().any(|r| r.inside == 0) {
        return Err(MapError::NoRoot);
    }
    if !host_root && map.iter().any(|r| r.outside == 0) {
        return Err(MapError::HostRoot);
    }
    Ok(())
}

/// The host id that `id` inside stands for.
pub fn outside(map: &[IdRange], id: u32) -> Option<u32> {
    map.iter().find_map(|r| {
        let offset = id.checked_sub(r.inside).filter(|o| *o < r.count)?;
        r.outside.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn r(inside: u32, outside: u32, count: u32) -> IdRange {
        IdRange { inside, outside, count }
    }

    #[test]
    fn a_block_holds_its_programs_apart_from_its_payload() {
        let block = IdBlock::new(OWN_FIRST).unwrap();
        let own = |p: &Program| Some(block.of(*p)).filter(|id| *id != LAZARET);
        let last_program = Program::ALL.iter().filter_map(own).max().unwrap();
        assert!(last_program < block.broker() && block.broker() < block.root());
        assert_eq!(block.root() + MAPPED, block.first() + BLOCK);
        assert!(IdBlock::new(0).is_none() && IdBlock::new(HIGHEST).is_none());
    }

    #[test]
    fn refuses_maps_that_overlap_are_empty_or_reach_host_root() {
        assert_eq!(check_map(&[r(0, 100_000, 65536)], false), Ok(()));
        assert_eq!(check_map(&[], false), Err(MapError::Number));
        assert_eq!(check_map(&[r(0, 0, 1)], false), Err(MapError::HostRoot));
        assert_eq!(check_map(&[r(0, 0, 1)], true), Ok(()));
        assert_eq!(check_map(&[r(1, 100_000, 10)], false), Err(MapError::NoRoot));
        let (a, b) = (r(0, 100_000, 10), r(5, 200_000, 10));
        assert_eq!(check_map(&[a, b], false), Err(MapError::Overlap(a, b)));
        let (a, b) = (r(0, 100_000, 10), r(10, 100_009, 10));
        assert_eq!(check_map(&[a, b], false), Err(MapError::Overlap(a, b)));
        let full = r(0, 1000, u32::MAX);
        assert_eq!(check_map(&[full], false), Err(MapError::Range(full)));
    }

    #[test]
    fn finds_the_host_id_behind_an_id() {
        let map = [r(0, 100_000, 10), r(10, 500_000, 5)];
        assert_eq!(outside(&map, 3), Some(100_003));
        assert_eq!(outside(&map, 12), Some(500_002));
        assert_eq!(outside(&map, 15), None);
    }
}
