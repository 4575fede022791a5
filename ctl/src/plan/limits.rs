//! Limits of the control group, from the options of `run` and from a domain. Pure.

use super::{Host, fit, user};
use crate::domain::Domain;
use crate::domain::cpuset::CpuSet;
use crate::domain::model::BlkioDevice;
use crate::error::{Error, Outcome};
use crate::escape::escape;
use crate::values::{Rate, check_memory};
use wire::cgroupd::{Controller, DeviceLimits, Limits};

/// The period, in microseconds, in which `run --cpus` is kept.
pub const PERIOD: u64 = 100_000;

/// The most processes and threads of a domain, whose document has no element for it: several times what a busy system of services has, an
/// eighth of the process ids that Linux hands out by default, so that a fork bomb ends inside.
pub const TASKS: u64 = 4096;

/// The limits of `run`.
pub fn of_run(memory: Option<u64>, cpus: Option<Rate>, pids: Option<u64>) -> Limits {
    let quota = cpus.map(|Rate(thousandths)| i64::from(thousandths).saturating_mul(100));
    Limits {
        memory,
        cpu_period: quota.map(|_| PERIOD),
        cpu_quota: quota,
        tasks: pids,
        ..Limits::default()
    }
}

/// What libvirt writes for a limit that is none (`VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`), in KiB.
pub const UNLIMITED: u64 = 9_007_199_254_740_991;

/// The limits of a domain, as libvirt's LXC driver takes them: `memtune/hard_limit` overrides `memory`.
pub fn of_domain(domain: &Domain, host: &Host) -> Outcome<Limits> {
    let bytes = |what: &str, kib: u64| {
        let bytes = kib.checked_mul(1024).ok_or_else(|| "it is too large".to_owned());
        bytes
            .and_then(check_memory)
            .map_err(|e| Error::caller(format!("{what} of {kib} KiB: {e}")))
    };
    let memory = match domain.memtune.hard_limit {
        Some(UNLIMITED) if !user::sets(host, Controller::Memory) => None,
        Some(limit) => Some(bytes("a hard_limit", limit)?),
        None => Some(bytes("a memory", domain.memory)?),
    };
    let soft = domain
        .memtune
        .soft_limit
        .map(|l| bytes("a soft_limit", l))
        .transpose()?;
    let swap = domain
        .memtune
        .swap_hard_limit
        .map(|l| bytes("a swap_hard_limit", l))
        .transpose()?;
    let list = |what: &str, set: &Option<CpuSet>| set.as_ref().map(|s| fit(what, &s.to_string())).transpose();
    Ok(Limits {
        memory,
        memory_soft: soft,
        memory_and_swap: swap,
        cpu_shares: domain.cputune.shares,
        cpu_period: domain.cputune.period,
        cpu_quota: domain.cputune.quota,
        cpus: list("the cpuset", &domain.vcpu.cpuset)?,
        tasks: user::sets(host, Controller::Pids).then_some(TASKS),
        nodes: match domain.memory_mode.is_the_groups() {
            true => list("the nodeset", &domain.nodes)?,
            false => None,
        },
        io_weight: domain.blkiotune.weight,
        io: domain
            .blkiotune
            .devices
            .iter()
            .map(|d| device(d, host))
            .collect::<Outcome<_>>()?,
    })
}

/// The limits of one block device, which is named by its path and limited by its number.
pub fn device(device: &BlkioDevice, host: &Host) -> Outcome<DeviceLimits> {
    let (major, minor) = (host.block_device)(device.path.as_str()).ok_or_else(|| {
        Error::caller(format!(
            "{} of <blkiotune> is no block device of this host",
            escape(device.path.as_str())
        ))
    })?;
    Ok(DeviceLimits {
        major,
        minor,
        weight: device.weight,
        read_bytes: device.read_bytes,
        write_bytes: device.write_bytes,
        read_operations: device.read_operations,
        write_operations: device.write_operations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_quota_of_a_period() {
        let limits = of_run(Some(1 << 26), Some(Rate(1500)), Some(100));
        assert_eq!((limits.memory, limits.tasks), (Some(1 << 26), Some(100)));
        assert_eq!((limits.cpu_period, limits.cpu_quota), (Some(100_000), Some(150_000)));
        assert_eq!(of_run(None, None, None).cpu_period, None);
    }
}
