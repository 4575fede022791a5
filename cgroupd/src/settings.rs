//! Turns limits into what is written to which file of which hierarchy (`Documentation/admin-guide/cgroup-v1`, `cgroup-v2.rst`). Pure.

use crate::judge::{DEFAULT_PERIOD, Judged};
use std::ffi::CStr;
use wire::Failure;
use wire::Text;
use wire::cgroupd::{Controller, Hierarchy, Limits};

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Position of the hierarchy.
    pub hierarchy: usize,
    /// The controller that the file belongs to.
    pub controller: Controller,
    /// The file.
    pub file: &'static CStr,
    /// The file that another scheduler of the kernel's has in its place.
    pub instead: Option<&'static CStr>,
    /// What is written, at once.
    pub value: String,
}

/// Every write that the limits need, in the order in which the kernel accepts them. A limit whose controller no hierarchy has is
/// refused: it is never left out.
pub fn settings(judged: &Judged, hierarchies: &[Hierarchy]) -> Result<Vec<Setting>, Failure> {
    let mut all = Vec::new();
    for (controller, versions) in [
        (
            Controller::Memory,
            [memory_1(judged.limits()), memory_2(judged.limits())],
        ),
        (Controller::Cpu, [cpu_1(judged.limits()), cpu_2(judged.limits())]),
        (Controller::Cpuset, [cpuset(judged.limits()), cpuset(judged.limits())]),
        (Controller::Io, [io_1(judged.limits()), io_2(judged.limits())]),
        (
            Controller::Pids,
            [pids(judged.limits(), 0), pids(judged.limits(), KEPT)],
        ),
    ] {
        let [first, second] = versions;
        if first.is_empty() && second.is_empty() {
            continue;
        }
        let has = |(_, h): &(usize, &Hierarchy)| h.controllers.contains(&controller);
        let Some((hierarchy, found)) = hierarchies.iter().enumerate().find(has) else {
            let what = format!("limit what the controller {controller:?} limits: no mounted hierarchy has it");
            return Err(Failure::caller(&what));
        };
        let writes = if found.unified { second } else { first };
        all.extend(writes.into_iter().map(|(file, value)| Setting {
            hierarchy,
            controller,
            file,
            instead: instead(file),
            value,
        }));
    }
    Ok(all)
}

/// Tasks of ours in a container's group of version 2: `init`'s outer half, which takes nothing from what the container may have.
const KEPT: u64 = 1;

type Writes = Vec<(&'static CStr, String)>;

/// Keeps what there is.
fn given<const N: usize>(writes: [(&'static CStr, Option<String>); N]) -> Writes {
    writes
        .into_iter()
        .filter_map(|(file, value)| value.map(|v| (file, v)))
        .collect()
}

fn decimal(value: Option<u64>) -> Option<String> {
    value.map(|n| n.to_string())
}

/// Memory first: the sum with swap may never be the smaller.
fn memory_1(l: &Limits) -> Writes {
    given([
        (c"memory.limit_in_bytes", decimal(l.memory)),
        (c"memory.memsw.limit_in_bytes", decimal(l.memory_and_swap)),
        (c"memory.soft_limit_in_bytes", decimal(l.memory_soft)),
    ])
}

fn memory_2(l: &Limits) -> Writes {
    let swap = l
        .memory_and_swap
        .zip(l.memory)
        .map(|(both, memory)| both.saturating_sub(memory));
    given([
        (c"memory.max", decimal(l.memory)),
        (c"memory.swap.max", decimal(swap)),
        (c"memory.high", decimal(l.memory_soft)),
    ])
}

/// The period first: a quota is judged against it.
fn cpu_1(l: &Limits) -> Writes {
    given([
        (c"cpu.shares", decimal(l.cpu_shares)),
        (c"cpu.cfs_period_us", decimal(l.cpu_period)),
        (c"cpu.cfs_quota_us", l.cpu_quota.map(|n| n.to_string())),
    ])
}

fn cpu_2(l: &Limits) -> Writes {
    let period = l.cpu_period.unwrap_or(DEFAULT_PERIOD);
    let quota = l
        .cpu_quota
        .and_then(|n| u64::try_from(n).ok())
        .map_or_else(|| "max".to_owned(), |n| n.to_string());
    let bandwidth = (l.cpu_quota.is_some() || l.cpu_period.is_some()).then(|| format!("{quota} {period}"));
    given([
        (c"cpu.weight", l.cpu_shares.map(weight).map(|n| n.to_string())),
        (c"cpu.max", bandwidth),
    ])
}

/// 2 to 262144 shares become a weight of 1 to 10000, as the OCI runtimes convert them.
const fn weight(shares: u64) -> u64 {
    1u64.saturating_add(shares.saturating_sub(2).saturating_mul(9999).saturating_div(262_142))
}

fn cpuset(l: &Limits) -> Writes {
    let list = |list: &Option<Text<256>>| list.as_ref().map(|l| l.as_str().to_owned());
    given([(c"cpuset.cpus", list(&l.cpus)), (c"cpuset.mems", list(&l.nodes))])
}

/// Where weights are kept by the scheduler BFQ (`Documentation/block/bfq-iosched.rst`), which not every kernel has.
fn instead(file: &CStr) -> Option<&'static CStr> {
    match file.to_bytes() {
        b"blkio.weight" => Some(c"blkio.bfq.weight"),
        b"blkio.weight_device" => Some(c"blkio.bfq.weight_device"),
        b"io.weight" => Some(c"io.bfq.weight"),
        _ => None,
    }
}

fn io_1(l: &Limits) -> Writes {
    let mut all = given([(c"blkio.weight", l.io_weight.map(|w| w.to_string()))]);
    for d in &l.io {
        let of = |value: Option<String>| value.map(|v| format!("{}:{} {v}", d.major, d.minor));
        all.extend(given([
            (c"blkio.weight_device", of(d.weight.map(|w| w.to_string()))),
            (c"blkio.throttle.read_bps_device", of(decimal(d.read_bytes))),
            (c"blkio.throttle.write_bps_device", of(decimal(d.write_bytes))),
            (c"blkio.throttle.read_iops_device", of(decimal(d.read_operations))),
            (c"blkio.throttle.write_iops_device", of(decimal(d.write_operations))),
        ]));
    }
    all
}

fn io_2(l: &Limits) -> Writes {
    let mut all = given([(c"io.weight", l.io_weight.map(|w| format!("default {w}")))]);
    for d in &l.io {
        let device = format!("{}:{}", d.major, d.minor);
        let named = |name: &str, value: Option<u64>| match value {
            Some(0) => Some(format!(" {name}=max")),
            some => some.map(|n| format!(" {name}={n}")),
        };
        let most: String = [
            named("rbps", d.read_bytes),
            named("wbps", d.write_bytes),
            named("riops", d.read_operations),
            named("wiops", d.write_operations),
        ]
        .into_iter()
        .flatten()
        .collect();
        all.extend(given([
            (c"io.weight", d.weight.map(|w| format!("{device} {w}"))),
            (c"io.max", (!most.is_empty()).then(|| format!("{device}{most}"))),
        ]));
    }
    all
}

fn pids(l: &Limits, more: u64) -> Writes {
    given([(c"pids.max", decimal(l.tasks.map(|n| n.saturating_add(more))))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::limits;
    use Controller::{Cpu, Cpuset, Io, Memory, Pids};

    fn everything() -> Limits {
        Limits {
            memory: Some(64 << 20),
            memory_soft: Some(32 << 20),
            memory_and_swap: Some(96 << 20),
            cpu_shares: Some(1024),
            cpu_period: Some(50_000),
            cpu_quota: Some(75_000),
            cpus: Some(Text::new("0").unwrap()),
            tasks: Some(100),
            nodes: Some(Text::new("0").unwrap()),
            io_weight: Some(500),
            io: vec![wire::cgroupd::DeviceLimits {
                major: 8,
                minor: 16,
                weight: Some(100),
                read_bytes: Some(1000),
                write_bytes: Some(0),
                read_operations: None,
                write_operations: Some(7),
            }],
        }
    }

    fn written(l: Limits, hierarchies: &[Hierarchy]) -> Vec<(usize, &'static str, String)> {
        let all = settings(&limits(l).unwrap(), hierarchies).unwrap();
        all.into_iter()
            .map(|s| (s.hierarchy, s.file.to_str().unwrap(), s.value))
            .collect()
    }

    #[test]
    fn version_1_files_are_written_in_the_order_the_kernel_accepts() {
        let one = |c| Hierarchy {
            unified: false,
            controllers: vec![c],
        };
        let hierarchies = [one(Pids), one(Cpu), one(Cpuset), one(Memory), one(Io)];
        let expected = [
            (3, "memory.limit_in_bytes", "67108864"),
            (3, "memory.memsw.limit_in_bytes", "100663296"),
            (3, "memory.soft_limit_in_bytes", "33554432"),
            (1, "cpu.shares", "1024"),
            (1, "cpu.cfs_period_us", "50000"),
            (1, "cpu.cfs_quota_us", "75000"),
            (2, "cpuset.cpus", "0"),
            (2, "cpuset.mems", "0"),
            (4, "blkio.weight", "500"),
            (4, "blkio.weight_device", "8:16 100"),
            (4, "blkio.throttle.read_bps_device", "8:16 1000"),
            (4, "blkio.throttle.write_bps_device", "8:16 0"),
            (4, "blkio.throttle.write_iops_device", "8:16 7"),
            (0, "pids.max", "100"),
        ];
        assert_eq!(
            written(everything(), &hierarchies),
            expected.map(|(h, f, v)| (h, f, v.to_owned()))
        );
    }

    #[test]
    fn version_2_files_are_given_converted_values() {
        let unified = [Hierarchy {
            unified: true,
            controllers: vec![Pids, Cpu, Cpuset, Memory, Io],
        }];
        let expected = [
            (0, "memory.max", "67108864"),
            (0, "memory.swap.max", "33554432"),
            (0, "memory.high", "33554432"),
            (0, "cpu.weight", "39"),
            (0, "cpu.max", "75000 50000"),
            (0, "cpuset.cpus", "0"),
            (0, "cpuset.mems", "0"),
            (0, "io.weight", "default 500"),
            (0, "io.weight", "8:16 100"),
            (0, "io.max", "8:16 rbps=1000 wbps=max wiops=7"),
            (0, "pids.max", "101"),
        ];
        assert_eq!(
            written(everything(), &unified),
            expected.map(|(h, f, v)| (h, f, v.to_owned()))
        );
        let unlimited = Limits {
            cpu_quota: Some(-1),
            ..Limits::default()
        };
        assert_eq!(written(unlimited, &unified), [(0, "cpu.max", "max 100000".to_owned())]);
    }

    #[test]
    fn shares_become_weights_from_end_to_end() {
        assert_eq!([2, 1024, 262_144].map(weight), [1, 39, 10_000]);
    }

    #[test]
    fn refuses_a_limit_whose_controller_is_nowhere() {
        let memory = limits(Limits {
            memory: Some(1 << 20),
            ..Limits::default()
        })
        .unwrap();
        let empty = [Hierarchy {
            unified: true,
            controllers: vec![],
        }];
        assert_eq!(settings(&memory, &empty).unwrap_err().kind, wire::Kind::Caller);
        assert_eq!(settings(&limits(Limits::default()).unwrap(), &empty), Ok(vec![]));
    }
}
