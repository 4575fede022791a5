//! Where a container's control groups lie, and what their files say, of either version. Pure.

use std::collections::BTreeMap;

/// Nanoseconds in one of the ticks (USER_HZ, 100 in a second on every processor that is built for) that some files count in.
pub const TICK: u64 = 10_000_000;

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub place: String,
    /// Whether it is the unified one (version 2).
    pub unified: bool,
    options: Vec<String>,
}

/// The whole hierarchies that a mountinfo (proc_pid_mountinfo(5)) shows.
pub fn mounted(mountinfo: &str) -> Vec<Hierarchy> {
    let one = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, place) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let unified = match right.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let options = right.nth(1)?.split(',').map(str::to_owned).collect();
        (root == "/").then(|| Hierarchy {
            place: place.to_owned(),
            unified,
            options,
        })
    };
    mountinfo.lines().filter_map(one).collect()
}

/// The hierarchy that counts for a controller: one of version 1 that has it, or else the unified one.
pub fn counting<'a>(hierarchies: &'a [Hierarchy], controller: &str) -> Option<&'a Hierarchy> {
    let has = |h: &&Hierarchy| !h.unified && h.options.iter().any(|o| o == controller);
    let first = hierarchies.iter().find(has);
    first.or_else(|| hierarchies.iter().find(|h| h.unified))
}

/// The figure of a file with one number. `max`, and what version 1 shows in its place, is none.
pub fn number(text: &str) -> Option<u64> {
    // Version 1 shows "no limit" as the highest number of whole pages.
    const UNLIMITED: u64 = 1 << 62;
    text.trim().parse().ok().filter(|n| *n < UNLIMITED)
}

/// The figure behind a name in a file of names and figures.
pub fn named(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    };
    text.lines().find_map(value)
}

/// The percentage of the last ten seconds of `some` in a file of pressure (Documentation/accounting/psi.rst).
pub fn pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|l| l.strip_prefix("some "))?;
    some.split(' ').find_map(|w| w.strip_prefix("avg10=")?.parse().ok())
}

/// Processor time, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// All of it.
    pub total: u64,
    /// That of its programs.
    pub user: u64,
    /// That of the kernel for it.
    pub system: u64,
}

/// What `cpuacct.usage` and `cpuacct.stat` (version 1) say.
pub fn cpu_version1(usage: &str, stat: &str) -> Option<Cpu> {
    Some(Cpu {
        total: number(usage)?,
        user: named(stat, "user")?.checked_mul(TICK)?,
        system: named(stat, "system")?.checked_mul(TICK)?,
    })
}

/// What `cpu.stat` (version 2) says.
pub fn cpu_version2(stat: &str) -> Option<Cpu> {
    let figure = |name: &str| named(stat, name)?.checked_mul(1000);
    Some(Cpu {
        total: figure("usage_usec")?,
        user: figure("user_usec")?,
        system: figure("system_usec")?,
    })
}

/// The figures of `cpuacct.usage_percpu` (version 1), in nanoseconds, by processor.
pub fn by_processor(text: &str) -> Vec<u64> {
    text.split_whitespace().filter_map(|n| n.parse().ok()).collect()
}

/// Memory, in bytes, and faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All that is charged, files in memory among it.
    pub usage: u64,
    /// What of it is in swap; none where the kernel does not count that.
    pub swap: Option<u64>,
    /// What of `usage` are files.
    pub cache: u64,
    /// Faults that read from a disk.
    pub major_faults: u64,
    /// All other faults.
    pub minor_faults: u64,
}

fn memory(usage: u64, swap: Option<u64>, stat: &str, cache: &str, prefix: &str) -> Option<Memory> {
    let figure = |name: &str| named(stat, &format!("{prefix}{name}"));
    let major_faults = figure("pgmajfault")?;
    Some(Memory {
        usage,
        swap,
        cache: figure(cache)?,
        major_faults,
        minor_faults: figure("pgfault")?.saturating_sub(major_faults),
    })
}

/// What `memory.usage_in_bytes`, `memory.memsw.usage_in_bytes` (memory and swap together) and `memory.stat` (version 1) say.
pub fn memory_version1(usage: &str, both: Option<&str>, stat: &str) -> Option<Memory> {
    let usage = number(usage)?;
    let swap = both.and_then(number).map(|both| both.saturating_sub(usage));
    memory(usage, swap, stat, "cache", "total_")
}

/// What `memory.current`, `memory.swap.current` and `memory.stat` (version 2) say.
pub fn memory_version2(usage: &str, swap: Option<&str>, stat: &str) -> Option<Memory> {
    memory(number(usage)?, swap.and_then(number), stat, "file", "")
}

/// What went to and came from block devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that read.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Requests that wrote.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// The same by device, `MAJOR:MINOR`.
pub type Devices = BTreeMap<String, Traffic>;

/// What `blkio.throttle.io_serviced_recursive` and `blkio.throttle.io_service_bytes_recursive` (version 1) say.
pub fn io_version1(requests: &str, bytes: &str) -> Devices {
    let mut devices = Devices::new();
    for (text, of_bytes) in [(requests, false), (bytes, true)] {
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [device, kind, figure] = words.as_slice() else {
                continue;
            };
            let Ok(figure) = figure.parse() else { continue };
            let traffic = devices.entry((*device).to_owned()).or_default();
            match (*kind, of_bytes) {
                ("Read", false) => traffic.reads = figure,
                ("Read", true) => traffic.read_bytes = figure,
                ("Write", false) => traffic.writes = figure,
                ("Write", true) => traffic.written_bytes = figure,
                _ => {}
            }
        }
    }
    devices
}

/// What `io.stat` (version 2) says.
pub fn io_version2(stat: &str) -> Devices {
    let line = |line: &str| {
        let (device, figures) = line.split_once(' ')?;
        let figure = |name: &str| {
            let value = figures.split(' ').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|v| v.parse().ok()).unwrap_or(0)
        };
        let traffic = Traffic {
            reads: figure("rios"),
            read_bytes: figure("rbytes"),
            writes: figure("wios"),
            written_bytes: figure("wbytes"),
        };
        Some((device.to_owned(), traffic))
    };
    stat.lines().filter_map(line).collect()
}

/// All devices together.
pub fn sum(devices: &Devices) -> Traffic {
    devices.values().fold(Traffic::default(), |a, b| Traffic {
        reads: a.reads.saturating_add(b.reads),
        read_bytes: a.read_bytes.saturating_add(b.read_bytes),
        writes: a.writes.saturating_add(b.writes),
        written_bytes: a.written_bytes.saturating_add(b.written_bytes),
    })
}

/// The device of that name in `/proc/partitions`, as `MAJOR:MINOR`.
pub fn device(partitions: &str, name: &str) -> Option<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [major, minor, _, called] = words.as_slice() else {
            return None;
        };
        (*called == name).then(|| format!("{major}:{minor}"))
    };
    partitions.lines().find_map(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        36 31 0:32 /below /elsewhere rw,relatime - cgroup cgroup rw,blkio\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn a_controller_counts_in_version_1_where_that_has_it() {
        let all = mounted(MOUNTS);
        let place = |c| counting(&all, c).map(|h| h.place.as_str());
        assert_eq!(place("cpuacct"), Some("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(place("memory"), Some("/sys/fs/cgroup/memory"));
        assert_eq!(place("blkio"), Some("/sys/fs/cgroup/unified"));
        assert_eq!(counting(&[], "memory"), None);
    }

    #[test]
    fn the_files_of_both_versions_say_the_same() {
        let one = cpu_version1("5000000123\n", "user 300\nsystem 200\n").unwrap();
        assert_eq!(
            (one.total, one.user, one.system),
            (5_000_000_123, 3_000_000_000, 2_000_000_000)
        );
        let two = cpu_version2("usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 0\n").unwrap();
        assert_eq!((two.total, two.user, two.system), (5000, 3000, 2000));
        assert_eq!(cpu_version2("nr_periods 0\n"), None);
        let stat = "cache 1\ntotal_cache 4096\ntotal_pgfault 12\ntotal_pgmajfault 2\n";
        let expected = Memory {
            usage: 8192,
            swap: Some(100),
            cache: 4096,
            major_faults: 2,
            minor_faults: 10,
        };
        assert_eq!(memory_version1("8192\n", Some("8292\n"), stat), Some(expected));
        let stat = "anon 4096\nfile 4096\npgfault 12\npgmajfault 2\n";
        assert_eq!(memory_version2("8192\n", Some("100\n"), stat), Some(expected));
        assert_eq!(memory_version2("8192\n", None, stat).unwrap().swap, None);
        let requests = "8:0 Read 3\n8:0 Write 4\n8:0 Total 7\nTotal 7\n";
        let bytes = "8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\nTotal 12288\n";
        let stat = "8:0 rbytes=4096 wbytes=8192 rios=3 wios=4 dbytes=0 dios=0\n";
        assert_eq!(io_version1(requests, bytes), io_version2(stat));
        assert_eq!(
            sum(&io_version2(&(stat.to_owned() + "8:16 rbytes=4\n"))).read_bytes,
            4100
        );
    }

    #[test]
    fn no_limit_is_no_number() {
        assert_eq!(number("9223372036854771712\n"), None);
        assert_eq!(number("max\n"), None);
        assert_eq!(number("67108864\n"), Some(67_108_864));
    }

    #[test]
    fn a_device_is_found_by_its_whole_name() {
        let text = "major minor  #blocks  name\n\n 254        0   10485760 vda\n 254        1     104857 vda1\n";
        assert_eq!(device(text, "vda").as_deref(), Some("254:0"));
        assert_eq!(device(text, "vd"), None);
    }

    #[test]
    fn pressure_is_that_of_some() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.00 total=7\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(pressure(text), Some(12.5));
        assert_eq!(pressure("full avg10=3.00\n"), None);
    }
}
