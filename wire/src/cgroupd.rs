//! What the launcher asks of the control group writer, and what it answers. The writer inherits a directory called `lazaret` in
//! each hierarchy, in the order of `hierarchies`, and can write nowhere else.

use crate::failure::Failure;
use crate::frame::Message;
use crate::name::{ContainerName, Text};
use serde::{Deserialize, Serialize};

/// A resource controller (cgroups(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Controller {
    /// `cpu`
    Cpu,
    /// `cpuacct` (version 1 only)
    Cpuacct,
    /// `cpuset`
    Cpuset,
    /// `memory`
    Memory,
    /// `devices` (version 1 only)
    Devices,
    /// `freezer` (version 1 only; part of every version 2 group)
    Freezer,
    /// `blkio` (version 1) or `io` (version 2)
    Io,
    /// `pids`
    Pids,
    /// A hierarchy without a controller, `name=systemd` among them, or a controller that is not used here.
    Other,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// Whether it is the unified one (version 2).
    pub unified: bool,
    /// The controllers that can be used in it.
    pub controllers: Vec<Controller>,
}

/// Limits of one container. `None` leaves the kernel's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Most bytes of memory (`memory.limit_in_bytes`, `memory.max`).
    pub memory: Option<u64>,
    /// Bytes above which memory is reclaimed first (`memory.soft_limit_in_bytes`, `memory.high`).
    pub memory_soft: Option<u64>,
    /// Most bytes of memory and swap together (`memory.memsw.limit_in_bytes`; version 2 is given the difference to `memory`).
    pub memory_and_swap: Option<u64>,
    /// Relative weight (`cpu.shares`, 2 to 262144; converted for `cpu.weight`).
    pub cpu_shares: Option<u64>,
    /// Period of the quota in microseconds, 1000 to 1000000.
    pub cpu_period: Option<u64>,
    /// Microseconds of CPU time in each period; -1 for no limit.
    pub cpu_quota: Option<i64>,
    /// Processors that may be used, in cpuset(7) list format.
    pub cpus: Option<Text<256>>,
    /// Most tasks (`pids.max`).
    pub tasks: Option<u64>,
    /// Memory nodes that may be used, in cpuset(7) list format.
    pub nodes: Option<Text<256>>,
    /// Relative weight of input and output, 10 to 1000 (`blkio.weight`, `io.weight`).
    pub io_weight: Option<u16>,
    /// The same and more for single block devices, each of which comes once.
    pub io: Vec<DeviceLimits>,
}

/// Limits of one container on one block device; 0 takes a limit away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimits {
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
    /// Relative weight, 10 to 1000.
    pub weight: Option<u16>,
    /// Bytes that may be read in a second.
    pub read_bytes: Option<u64>,
    /// Bytes that may be written in a second.
    pub write_bytes: Option<u64>,
    /// Reads in a second.
    pub read_operations: Option<u64>,
    /// Writes in a second.
    pub write_operations: Option<u64>,
}

/// A request to the control group writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Makes `NAME`, with these limits, in every hierarchy. Whatever a crashed start left in one of version 1 is removed first; in the
    /// unified one `NAME` may be there, made by the launcher, so that processes can be born below. (`NAME/payload` is made by the
    /// launcher, which can give it to the container's root, and `NAME/enter` for the first who enters.)
    Make {
        /// The container.
        name: ContainerName,
        /// The inherited directories, in order.
        hierarchies: Vec<Hierarchy>,
        /// What to write.
        limits: Limits,
    },
    /// Waits until no process is left in the container's groups, and removes them, with every group below.
    Remove {
        /// The container.
        name: ContainerName,
        /// The inherited directories, in order.
        hierarchies: Vec<Hierarchy>,
    },
    /// Freezes or thaws the payload and what entered it, and waits until the kernel says that it is done.
    Freeze {
        /// The container.
        name: ContainerName,
        /// The inherited directories, in order.
        hierarchies: Vec<Hierarchy>,
        /// Frozen or thawed.
        frozen: bool,
    },
    /// As `Remove`, for a name that no container has: nothing is waited for, and a group with a process in it stays. Answer: `Removed`.
    RemoveEmpty {
        /// The name.
        name: ContainerName,
        /// The inherited directories, in order.
        hierarchies: Vec<Hierarchy>,
    },
    /// Changes these limits of a container that runs, and leaves the others: all of these, or none. A limit on memory and swap comes with one
    /// on memory, a period with a quota: version 2 has one value for both.
    Limit {
        /// The container.
        name: ContainerName,
        /// The inherited directories, in order.
        hierarchies: Vec<Hierarchy>,
        /// What to write.
        limits: Limits,
    },
}

/// The control group writer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The groups exist and their limits are in force.
    Made,
    /// No group of the container is left.
    Removed,
    /// The container is frozen or thawed, as asked.
    Frozen(bool),
    /// It was not done, or not all of it.
    Refused(Failure),
    /// The limits are in force.
    Limited,
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        0
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, encode};

    fn payload(request: &Request) -> Vec<u8> {
        encode(request).unwrap()[HEADER..].to_vec()
    }

    #[test]
    fn bytes_are_frozen() {
        use Controller::{Cpu, Cpuacct, Cpuset, Devices, Freezer, Io, Memory, Other, Pids};
        let name = ContainerName::new("a").unwrap();
        let controllers = vec![Cpu, Cpuacct, Cpuset, Memory, Devices, Freezer, Io, Pids, Other];
        let hierarchies = vec![
            Hierarchy {
                unified: true,
                controllers,
            },
            Hierarchy {
                unified: false,
                controllers: vec![],
            },
        ];
        let limits = Limits {
            memory: Some(300),
            memory_soft: Some(1),
            memory_and_swap: Some(2),
            cpu_shares: Some(3),
            cpu_period: Some(4),
            cpu_quota: Some(-1),
            cpus: Some(Text::new("0-1").unwrap()),
            tasks: Some(5),
            nodes: Some(Text::new("0").unwrap()),
            io_weight: Some(300),
            io: vec![DeviceLimits {
                major: 8,
                minor: 1,
                weight: Some(10),
                read_bytes: Some(1),
                write_bytes: None,
                read_operations: Some(2),
                write_operations: Some(0),
            }],
        };
        let shape = [2, 1, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0];
        let written = [
            1, 0xac, 2, 1, 1, 1, 2, 1, 3, 1, 4, 1, 1, 1, 3, b'0', b'-', b'1', 1, 5, 1, 1, b'0', 1, 0xac, 2, 1, 8, 1, 1,
            10, 1, 1, 0, 1, 2, 1, 0,
        ];
        let make = Request::Make {
            name: name.clone(),
            hierarchies: hierarchies.clone(),
            limits: limits.clone(),
        };
        assert_eq!(payload(&make), [&[0, 1, b'a'][..], &shape, &written].concat());
        let limit = Request::Limit {
            name: name.clone(),
            hierarchies: hierarchies.clone(),
            limits,
        };
        assert_eq!(payload(&limit), [&[4, 1, b'a'][..], &shape, &written].concat());
        let remove = Request::Remove {
            name: name.clone(),
            hierarchies: hierarchies.clone(),
        };
        assert_eq!(payload(&remove), [&[1, 1, b'a'][..], &shape].concat());
        let remove_empty = Request::RemoveEmpty {
            name: name.clone(),
            hierarchies: hierarchies.clone(),
        };
        assert_eq!(payload(&remove_empty), [&[3, 1, b'a'][..], &shape].concat());
        let freeze = Request::Freeze {
            name,
            hierarchies,
            frozen: true,
        };
        assert_eq!(payload(&freeze), [&[2, 1, b'a'][..], &shape, &[1]].concat());
    }

    #[test]
    fn bytes_of_replies_are_frozen() {
        let payload = |r: &Reply| encode(r).unwrap()[HEADER..].to_vec();
        assert_eq!(payload(&Reply::Made), [0]);
        assert_eq!(payload(&Reply::Removed), [1]);
        assert_eq!(payload(&Reply::Frozen(true)), [2, 1]);
        assert_eq!(payload(&Reply::Refused(Failure::bug("x"))), [3, 3, 1, b'x', 0]);
        assert_eq!(payload(&Reply::Limited), [4]);
    }
}
