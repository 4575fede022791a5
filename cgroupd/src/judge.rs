//! May this be done? Pure: the hierarchies fit the inherited directories, and the limits are ones that the kernel takes as they are.

use crate::cpus;
use std::ffi::CString;
use wire::Failure;
use wire::cgroupd::{Controller, Hierarchy, Limits};
use wire::name::ContainerName;

/// Least and most of `cpu.shares` (`kernel/sched/sched.h`); the kernel would silently take the nearest.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;
/// Least and most period of the CPU quota in microseconds (`kernel/sched/core.c`).
const PERIOD: std::ops::RangeInclusive<u64> = 1000..=1_000_000;
/// The period where none is given.
pub const DEFAULT_PERIOD: u64 = 100_000;
/// The most tasks the kernel can have (`PID_MAX_LIMIT`).
const TASKS: std::ops::RangeInclusive<u64> = 1..=4_194_304;
/// Memory in bytes: at least a page, and no more than the kernel's own signed counters hold.
const MEMORY: std::ops::RangeInclusive<u64> = 4096..=9_223_372_036_854_771_712;

/// Least and most weight of input and output, of `blkio.weight` as of `io.bfq.weight` (`block/bfq-iosched.h`).
const WEIGHT: std::ops::RangeInclusive<u64> = 10..=1000;
/// The most block devices that have limits of their own.
const DEVICES: usize = 64;

/// A container and the hierarchies, judged; only [`place`] makes it.
#[derive(Debug)]
pub struct Place {
    /// The name of its group.
    pub name: CString,
    /// The hierarchies, one for each inherited directory.
    pub hierarchies: Vec<Hierarchy>,
}

impl Place {
    /// The same container in the hierarchies of version 1 alone.
    pub fn version1(&self) -> Self {
        let hierarchies = self.hierarchies.iter().filter(|h| !h.unified).cloned();
        Self {
            name: self.name.clone(),
            hierarchies: hierarchies.collect(),
        }
    }
}

/// Limits that have been judged; only [`limits`] makes them.
#[derive(Debug)]
pub struct Judged(Limits);

impl Judged {
    /// The limits.
    pub const fn limits(&self) -> &Limits {
        &self.0
    }
}

/// Judges where: `inherited` is the number of directories.
pub fn place(name: &ContainerName, hierarchies: Vec<Hierarchy>, inherited: usize) -> Result<Place, Failure> {
    if hierarchies.len() != inherited || hierarchies.is_empty() {
        let what = format!(
            "use {} hierarchies with {inherited} inherited directories",
            hierarchies.len()
        );
        return Err(Failure::protocol(&what));
    }
    if hierarchies.iter().filter(|h| h.unified).count() > 1 {
        return Err(Failure::protocol("use two unified hierarchies"));
    }
    let mut seen = Vec::new();
    for controller in hierarchies
        .iter()
        .flat_map(|h| &h.controllers)
        .filter(|c| **c != Controller::Other)
    {
        if seen.contains(controller) {
            return Err(Failure::protocol(&format!(
                "find the controller {controller:?} in two hierarchies"
            )));
        }
        seen.push(*controller);
    }
    let name = CString::new(name.as_str()).map_err(|_| Failure::protocol("use a name with NUL"))?;
    Ok(Place { name, hierarchies })
}

/// Judges how much.
pub fn limits(limits: Limits) -> Result<Judged, Failure> {
    let within = |value: Option<u64>, range: std::ops::RangeInclusive<u64>, what: &str| match value {
        Some(n) if !range.contains(&n) => Err(Failure::caller(&format!(
            "limit {what} to {n}: it must be {} to {}",
            range.start(),
            range.end()
        ))),
        _ => Ok(()),
    };
    within(limits.memory, MEMORY, "memory")?;
    within(limits.memory_soft, MEMORY, "memory softly")?;
    within(limits.memory_and_swap, MEMORY, "memory and swap")?;
    within(limits.cpu_shares, SHARES, "CPU shares")?;
    within(limits.cpu_period, PERIOD, "the CPU period")?;
    within(limits.tasks, TASKS, "tasks")?;
    if limits
        .memory_and_swap
        .is_some_and(|both| limits.memory.is_none_or(|memory| memory > both))
    {
        return Err(Failure::caller("limit memory and swap to less than memory alone"));
    }
    if limits.cpu_quota.is_some_and(|n| n != -1 && n < 1000) {
        return Err(Failure::caller(
            "limit CPU time to less than 1000 microseconds in each period",
        ));
    }
    if limits
        .cpus
        .as_ref()
        .is_some_and(|list| cpus::parse(list.as_str()).is_none())
    {
        return Err(Failure::caller("limit processors to what is no list of processors"));
    }
    if limits
        .nodes
        .as_ref()
        .is_some_and(|list| cpus::parse(list.as_str()).is_none())
    {
        return Err(Failure::caller("limit memory nodes to what is no list of nodes"));
    }
    within(limits.io_weight.map(u64::from), WEIGHT, "input and output by a weight")?;
    if limits.io.len() > DEVICES {
        return Err(Failure::caller(&format!("limit more than {DEVICES} devices")));
    }
    for (n, device) in limits.io.iter().enumerate() {
        within(device.weight.map(u64::from), WEIGHT, "a device by a weight")?;
        let same = |d: &&wire::cgroupd::DeviceLimits| (d.major, d.minor) == (device.major, device.minor);
        if limits.io.iter().skip(n.saturating_add(1)).any(|d| same(&d)) {
            return Err(Failure::caller(&format!(
                "limit the device {}:{} twice",
                device.major, device.minor
            )));
        }
    }
    Ok(Judged(limits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::name::Text;

    fn hierarchy(unified: bool, controllers: &[Controller]) -> Hierarchy {
        Hierarchy {
            unified,
            controllers: controllers.to_vec(),
        }
    }

    fn device(weight: Option<u16>) -> wire::cgroupd::DeviceLimits {
        wire::cgroupd::DeviceLimits {
            major: 8,
            minor: 0,
            weight,
            read_bytes: Some(1),
            write_bytes: None,
            read_operations: None,
            write_operations: None,
        }
    }

    fn judge_place(hierarchies: Vec<Hierarchy>, inherited: usize) -> Result<Place, Failure> {
        place(&ContainerName::new("a b").unwrap(), hierarchies, inherited)
    }

    #[test]
    fn refuses_hierarchies_that_do_not_fit_the_directories_or_each_other() {
        let (cpu, unified) = (hierarchy(false, &[Controller::Cpu]), hierarchy(true, &[]));
        let other = hierarchy(false, &[Controller::Other]);
        assert!(judge_place(vec![cpu.clone(), unified.clone(), other.clone(), other], 4).is_ok());
        assert!(judge_place(vec![], 0).is_err());
        assert!(judge_place(vec![cpu.clone()], 2).is_err());
        assert!(judge_place(vec![unified.clone(), unified], 2).is_err());
        assert!(judge_place(vec![cpu.clone(), cpu], 2).is_err());
    }

    #[test]
    fn refuses_limits_that_the_kernel_would_bend_or_refuse() {
        let none = Limits::default();
        let mib = 1 << 20;
        for good in [
            none.clone(),
            Limits {
                memory: Some(mib),
                memory_and_swap: Some(mib),
                ..none.clone()
            },
            Limits {
                cpu_quota: Some(-1),
                cpu_period: Some(1000),
                cpu_shares: Some(2),
                ..none.clone()
            },
            Limits {
                cpus: Some(Text::new("0-1").unwrap()),
                tasks: Some(1),
                ..none.clone()
            },
        ] {
            assert!(limits(good.clone()).is_ok(), "{good:?}");
        }
        for bad in [
            Limits {
                memory: Some(0),
                ..none.clone()
            },
            Limits {
                memory: Some(u64::MAX),
                ..none.clone()
            },
            Limits {
                memory_soft: Some(1),
                ..none.clone()
            },
            Limits {
                memory_and_swap: Some(mib),
                ..none.clone()
            },
            Limits {
                memory: Some(mib),
                memory_and_swap: Some(mib - 1),
                ..none.clone()
            },
            Limits {
                cpu_shares: Some(1),
                ..none.clone()
            },
            Limits {
                cpu_shares: Some(262_145),
                ..none.clone()
            },
            Limits {
                cpu_period: Some(999),
                ..none.clone()
            },
            Limits {
                cpu_quota: Some(0),
                ..none.clone()
            },
            Limits {
                cpu_quota: Some(-2),
                ..none.clone()
            },
            Limits {
                cpus: Some(Text::new("1-").unwrap()),
                ..none.clone()
            },
            Limits {
                nodes: Some(Text::new("x").unwrap()),
                ..none.clone()
            },
            Limits {
                io_weight: Some(9),
                ..none.clone()
            },
            Limits {
                io: vec![device(Some(1001))],
                ..none.clone()
            },
            Limits {
                io: vec![device(None); 2],
                ..none.clone()
            },
            Limits { tasks: Some(0), ..none },
        ] {
            assert!(limits(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
