//! Memory and processors. Pure.

use crate::domain::cpuset::CpuSet;
use crate::domain::error::Fault;
use crate::domain::model::{BlkioDevice, Blkiotune, Cputune, MemoryMode, Memtune, Vcpu};
use crate::domain::units::{kib, number};
use crate::domain::xml::{Element, Parts};

/// `memory` and `currentMemory`, in KiB.
pub fn memory(parts: &mut Parts) -> Result<(u64, u64), Fault> {
    let memory = size(parts.child("memory")?.ok_or_else(|| parts.lacks("memory"))?)?;
    let Some(element) = parts.child("currentMemory")? else {
        return Ok((memory, memory));
    };
    // As libvirt has it, 0 is all, and so is what is more than that.
    let current = size_or_none(element)?.filter(|current| *current <= memory);
    Ok((memory, current.unwrap_or(memory)))
}

/// `memtune`; `memory` is the limit where it names none.
pub fn memtune(parts: &mut Parts, memory: u64) -> Result<Memtune, Fault> {
    let Some(element) = parts.child("memtune")? else {
        return Ok(Memtune::default());
    };
    element.read(|parts| {
        let mut limit = |name| {
            let said = parts.child(name)?.filter(|e| !e.text.is_empty());
            said.map(size).transpose()
        };
        let tune = Memtune {
            hard_limit: limit("hard_limit")?,
            soft_limit: limit("soft_limit")?,
            swap_hard_limit: limit("swap_hard_limit")?,
        };
        if tune
            .swap_hard_limit
            .is_some_and(|both| both < tune.hard_limit.unwrap_or(memory))
        {
            return Err(parts.fault("<swap_hard_limit> is memory and swap together, and less than the limit on memory"));
        }
        Ok(tune)
    })
}

/// `blkiotune`, with the bounds that the kernel sets.
pub fn blkiotune(parts: &mut Parts) -> Result<Blkiotune, Fault> {
    let Some(element) = parts.child("blkiotune")? else {
        return Ok(Blkiotune::default());
    };
    element.read(|parts| {
        let weight = unless_zero(parts, "weight", 10, 1000)?;
        let mut devices: Vec<BlkioDevice> = Vec::new();
        for element in parts.children("device") {
            let line = element.line;
            let device = element.read(blkio_device)?;
            if devices.iter().any(|d| d.path == device.path) {
                return Err(Fault::new(line, "a second <device> with this path"));
            }
            devices.push(device);
        }
        devices.retain(says_something);
        Ok(Blkiotune { weight, devices })
    })
}

/// Whether anything is said of a device.
fn says_something(device: &BlkioDevice) -> bool {
    let numbers = [
        device.read_operations,
        device.write_operations,
        device.read_bytes,
        device.write_bytes,
    ];
    device.weight.is_some() || numbers.iter().any(Option::is_some)
}

fn blkio_device(parts: &mut Parts) -> Result<BlkioDevice, Fault> {
    let path = parts.leaf("path")?.ok_or_else(|| parts.lacks("path"))?;
    Ok(BlkioDevice {
        path: super::text(&path)?,
        weight: unless_zero(parts, "weight", 10, 1000)?,
        read_operations: unless_zero(parts, "read_iops_sec", 0, u64::from(u32::MAX))?,
        write_operations: unless_zero(parts, "write_iops_sec", 0, u64::from(u32::MAX))?,
        read_bytes: unless_zero(parts, "read_bytes_sec", 0, u64::MAX >> 1)?,
        write_bytes: unless_zero(parts, "write_bytes_sec", 0, u64::MAX >> 1)?,
    })
}

/// A number in an element of its own.
fn bounded<T>(parts: &mut Parts, name: &str, least: T, most: T) -> Result<Option<T>, Fault>
where
    T: TryFrom<u128> + PartialOrd + Copy + std::fmt::Display,
{
    let read = |v: &str| number(v, least, most);
    let given = parts.leaf(name)?.filter(|given| !given.value.is_empty());
    given
        .map(|v| v.read(&format!("a number from {least} to {most}"), read))
        .transpose()
}

/// The same, where 0 is as if nothing was said.
fn unless_zero<T>(parts: &mut Parts, name: &str, least: T, most: T) -> Result<Option<T>, Fault>
where
    T: TryFrom<u128> + PartialOrd + Copy + std::fmt::Display,
{
    let given = parts
        .leaf(name)?
        .filter(|given| !matches!(given.value.as_str(), "" | "0"));
    let read = |v: &str| number(v, least, most);
    given
        .map(|v| v.read(&format!("a number from {least} to {most}"), read))
        .transpose()
}

/// `numatune`: the nodes, and what is made of them.
pub fn nodes(parts: &mut Parts) -> Result<(Option<CpuSet>, MemoryMode), Fault> {
    let Some(element) = parts.child("numatune")? else {
        return Ok((None, MemoryMode::default()));
    };
    element.read(|parts| {
        let Some(memory) = parts.child("memory")? else {
            return Ok((None, MemoryMode::default()));
        };
        memory.read(|parts| {
            let given = parts.attribute("mode");
            let mode = given.map(|v| v.read("strict, preferred, interleave or restrictive", MemoryMode::read));
            let nodes = parts.attribute("nodeset");
            let nodes = nodes.map(|v| v.read("a list of memory nodes from 0 to 1023", CpuSet::parse));
            Ok((nodes.transpose()?, mode.transpose()?.unwrap_or_default()))
        })
    })
}

fn size(element: Element) -> Result<u64, Fault> {
    let (line, name) = (element.line, element.name.clone());
    size_or_none(element)?.ok_or_else(|| Fault::new(line, format!("<{name}> is 0")))
}

/// A size above 0, if it is.
fn size_or_none(element: Element) -> Result<Option<u64>, Fault> {
    element.read(|parts| {
        let unit = parts.attribute("unit").filter(|u| !u.value.is_empty());
        let given = parts.text();
        let size = given.try_read(|v| kib(v, unit.as_ref().map(|u| u.value.as_str())))?;
        Ok(Some(size).filter(|size| *size > 0))
    })
}

/// `vcpu`; without it there is one.
pub fn vcpu(parts: &mut Parts) -> Result<Vcpu, Fault> {
    let Some(element) = parts.child("vcpu")? else {
        return Ok(Vcpu { count: 1, cpuset: None });
    };
    element.read(|parts| {
        if let Some(placement) = parts.attribute("placement") {
            placement.only("static")?;
        }
        let cpuset = parts.attribute("cpuset");
        Ok(Vcpu {
            count: parts
                .text()
                .read("a number from 1 to 2147483647", |v| number(v, 1, u32::MAX >> 1))?,
            cpuset: cpuset
                .map(|v| v.read("a list of processors from 0 to 1023", CpuSet::parse))
                .transpose()?,
        })
    })
}

/// `cputune`, with the bounds that the kernel and libvirt set.
pub fn cputune(parts: &mut Parts) -> Result<Cputune, Fault> {
    let Some(element) = parts.child("cputune")? else {
        return Ok(Cputune::default());
    };
    element.read(|parts| {
        let shares = bounded(parts, "shares", 2, 262_144)?;
        let period = unless_zero(parts, "period", 1000, 1_000_000)?;
        let quota = parts
            .leaf("quota")?
            .filter(|given| !matches!(given.value.as_str(), "" | "0"))
            .map(|v| v.read("-1 or a number from 1000 to 17592186044415", quota))
            .transpose()?;
        Ok(Cputune { shares, period, quota })
    })
}

fn quota(text: &str) -> Option<i64> {
    if text.trim_ascii() == "-1" {
        Some(-1)
    } else {
        number(text, 1000, 17_592_186_044_415)
    }
}
