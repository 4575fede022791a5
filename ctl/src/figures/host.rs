//! What `/proc/stat`, `/proc/meminfo` and `/proc/cpuinfo` say of this host. Pure.

use super::groups::{TICK, named};

/// Time of processors, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Programs, niced ones too.
    pub user: u64,
    /// The kernel, interrupts too.
    pub system: u64,
    /// Nothing to do.
    pub idle: u64,
    /// Nothing to do but to wait for a device.
    pub iowait: u64,
}

/// The times of one processor, or of all, in `/proc/stat` (proc_stat(5)).
pub fn times(stat: &str, processor: Option<u32>) -> Option<Times> {
    let name = processor.map_or_else(|| "cpu".to_owned(), |n| format!("cpu{n}"));
    let line = stat.lines().find(|l| l.split(' ').next() == Some(name.as_str()))?;
    let figures: Vec<u64> = line.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, ..] = figures.as_slice() else {
        return None;
    };
    let time = |ticks: &[u64]| {
        ticks
            .iter()
            .fold(0, |a: u64, b| a.saturating_add(*b))
            .saturating_mul(TICK)
    };
    Some(Times {
        user: time(&[*user, *nice]),
        system: time(&[*system, *irq, *softirq]),
        idle: time(&[*idle]),
        iowait: time(&[*iowait]),
    })
}

/// Tenths of a percent of the time between two looks: all but idle, user, system, idle, iowait. Nothing if no time has passed.
pub fn shares(before: &Times, after: &Times) -> Option<[u64; 5]> {
    let passed = |of: fn(&Times) -> u64| of(after).saturating_sub(of(before));
    let parts = [
        passed(|t| t.user),
        passed(|t| t.system),
        passed(|t| t.idle),
        passed(|t| t.iowait),
    ];
    let all = parts.iter().fold(0u64, |a, b| a.saturating_add(*b));
    // To the nearest tenth.
    let share = |part: u64| part.checked_mul(1000)?.checked_add(all / 2)?.checked_div(all);
    let [user, system, idle, iowait] = parts;
    Some([
        share(user.saturating_add(system))?,
        share(user)?,
        share(system)?,
        share(idle)?,
        share(iowait)?,
    ])
}

/// A figure of `/proc/meminfo` (proc_meminfo(5)), in KiB.
pub fn memory(meminfo: &str, name: &str) -> Option<u64> {
    named(meminfo, &format!("{name}:"))
}

/// A figure of a node's own meminfo, in KiB.
pub fn node_memory(meminfo: &str, name: &str) -> Option<u64> {
    let line = |line: &str| {
        // Node 0 MemFree:  1347936 kB
        let mut words = line.split_whitespace().skip(2);
        (words.next()?.strip_suffix(':')? == name).then(|| words.next()?.parse().ok())?
    };
    meminfo.lines().find_map(line)
}

/// The frequency of the first processor in whole MHz; 0 where the kernel does not tell.
pub fn frequency(cpuinfo: &str) -> u64 {
    let value = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("cpu MHz")?.trim_start().strip_prefix(':'));
    let whole = value.and_then(|v| v.trim().split('.').next()?.parse().ok());
    whole.unwrap_or(0)
}

/// A list of numbers as the kernel writes it (cpuset(7)): `0-2,4`.
pub fn list(text: &str) -> Vec<u32> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        // More processors than the kernel can have is not a list of the kernel's.
        (last.saturating_sub(first) < 65536).then_some(first..=last)
    };
    text.trim().split(',').filter_map(part).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "cpu  30 10 20 100 5 1 2 0 0 0\ncpu0 10 0 10 50 5 0 0 0 0 0\ncpu10 1 1 1 1 1 1 1 0 0 0\nintr 1\n";

    #[test]
    fn times_are_those_of_the_processor_asked_for() {
        let all = times(STAT, None).unwrap();
        assert_eq!(
            [all.user, all.system, all.idle, all.iowait],
            [40, 23, 100, 5].map(|t| t * TICK)
        );
        assert_eq!(times(STAT, Some(0)).unwrap().user, 10 * TICK);
        assert_eq!(times(STAT, Some(1)), None);
    }

    #[test]
    fn shares_are_of_what_has_passed() {
        let at = |user, system, idle, iowait| Times {
            user,
            system,
            idle,
            iowait,
        };
        let shares_of = |t| shares(&at(1, 1, 1, 1), &t);
        assert_eq!(shares_of(at(51, 26, 21, 6)), Some([750, 500, 250, 200, 50]));
        assert_eq!(shares_of(at(1, 1, 1, 1)), None);
    }

    #[test]
    fn memory_is_read_from_the_hosts_files_and_a_nodes() {
        assert_eq!(memory("MemTotal:  24 kB\nMemFree:  5 kB\n", "MemFree"), Some(5));
        assert_eq!(
            node_memory("Node 0 MemTotal:  24 kB\nNode 0 MemFree: 5 kB\n", "MemFree"),
            Some(5)
        );
        assert_eq!(frequency("processor\t: 0\ncpu MHz\t\t: 2596.150\n"), 2596);
        assert_eq!(frequency("processor\t: 0\n"), 0);
    }

    #[test]
    fn lists_are_the_kernels() {
        assert_eq!(list("0-2,4\n"), [0, 1, 2, 4]);
        assert_eq!(list("\n"), [0u32; 0]);
        assert_eq!(list("0-4294967295"), [0u32; 0]);
    }
}
