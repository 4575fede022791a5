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
}

/// A request to the control group writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Makes `NAME`, with these limits, `NAME/enter` and `NAME/keep`, in every hierarchy. Whatever a crashed start left there is
    /// removed first. (`NAME/payload` is made by the launcher, which can give it to the container's root.)
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
