//! `lxc.cgroup.*` and `lxc.cgroup2.*`, the kernel's own files of either version, as limits and weights. Pure.

use super::config::lost;
use super::lines::Setting;
use crate::domain::cpuset::CpuSet;
use crate::domain::error::ParseError;
use crate::domain::units::{MOST_KIB, number};
use crate::domain::xml::Tree;

/// Devices that every domain may use, as `devices.allow` names them.
const USUAL_DEVICES: [&str; 9] = [
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 10:229 rwm",
    "c 136:* rwm",
];

/// The figures that `blkiotune/device` has, in the order in which they are printed.
const FIGURES: [&str; 5] = [
    "weight",
    "read_iops_sec",
    "write_iops_sec",
    "read_bytes_sec",
    "write_bytes_sec",
];

/// The most block devices of which something is said.
const MAX_DEVICES: usize = 256;

/// What was said of one block device: a figure for each of [`FIGURES`].
#[derive(Debug, Default)]
struct Device {
    number: String,
    figures: [Option<u64>; FIGURES.len()],
}

/// What was said; sizes in KiB.
#[derive(Debug, Default)]
pub struct Cgroup {
    hard: Option<u64>,
    soft: Option<u64>,
    memory_and_swap: Option<u64>,
    swap: Option<(Setting, u64)>,
    shares: Option<u64>,
    period: Option<u64>,
    quota: Option<i64>,
    cpus: Option<CpuSet>,
    nodes: Option<CpuSet>,
    weight: Option<u64>,
    devices: Vec<Device>,
}

impl Cgroup {
    /// Takes one setting.
    pub fn take(&mut self, warnings: &mut Vec<ParseError>, s: &Setting) -> Result<(), ParseError> {
        let key = s.key.strip_prefix("lxc.cgroup").unwrap_or_default();
        match key {
            ".memory.limit_in_bytes" | "2.memory.max" => self.hard = bytes(s)?,
            ".memory.soft_limit_in_bytes" | "2.memory.high" => self.soft = bytes(s)?,
            ".memory.memsw.limit_in_bytes" => self.memory_and_swap = bytes(s)?,
            "2.memory.swap.max" => self.swap = swap(s)?.map(|kib| (s.clone(), kib)),
            ".cpu.shares" => self.shares = bounded(s, 2, 262_144)?,
            "2.cpu.weight" => self.shares = bounded(s, 1, 10_000)?.map(shares),
            ".cpu.cfs_quota_us" => self.quota = quota(s, &s.value)?,
            ".cpu.cfs_period_us" => self.period = bounded(s, 1000, 1_000_000)?,
            "2.cpu.max" => self.rate(s)?,
            ".cpuset.cpus" | "2.cpuset.cpus" => self.cpus = set(s)?,
            ".cpuset.mems" | "2.cpuset.mems" => self.nodes = set(s)?,
            ".blkio.weight" => self.weight = bounded(s, 10, 1000)?,
            "2.io.weight" => self.io_weight(warnings, s)?,
            ".blkio.device_weight" => self.device(s, 0)?,
            ".blkio.throttle.read_iops_device" => self.device(s, 1)?,
            ".blkio.throttle.write_iops_device" => self.device(s, 2)?,
            ".blkio.throttle.read_bps_device" => self.device(s, 3)?,
            ".blkio.throttle.write_bps_device" => self.device(s, 4)?,
            "2.io.max" => self.io_max(s)?,
            ".devices.deny" | "2.devices.deny" if matches!(s.value.as_str(), "a" | "a *:* rwm") => {}
            ".devices.allow" | "2.devices.allow" if USUAL_DEVICES.contains(&s.value.as_str()) => {}
            _ => lost(warnings, s, ""),
        }
        Ok(())
    }

    /// The limit on memory, in KiB, if there is one.
    pub const fn memory(&self) -> Option<u64> {
        self.hard
    }

    /// `cpu.max`: a quota, or `max`, and a period.
    fn rate(&mut self, s: &Setting) -> Result<(), ParseError> {
        let mut words = s.value.split_ascii_whitespace();
        let first = words.next();
        self.quota = match first {
            Some("max") => Some(-1),
            Some(word) => quota(s, word)?,
            None => None,
        };
        let period = |word| number(word, 1000, 1_000_000);
        let wanted = || s.not("a quota in microseconds, or max, and a period from 1000 to 1000000");
        self.period = words.next().map(|w| period(w).ok_or_else(wanted)).transpose()?;
        if words.next().is_some() {
            return Err(wanted());
        }
        Ok(())
    }

    /// `io.weight`: a weight for all devices, or a device and its own. Version 2 has more weights than a domain.
    fn io_weight(&mut self, warnings: &mut Vec<ParseError>, s: &Setting) -> Result<(), ParseError> {
        let wanted = || s.not("a weight from 1 to 10000, alone or behind default or MAJOR:MINOR");
        let (device, weight) = match s.value.split_once([' ', '\t']) {
            Some((device, weight)) => (Some(device).filter(|d| *d != "default"), weight),
            None => (None, s.value.as_str()),
        };
        let weight = match weight {
            "" => None,
            text => Some(number(text, 1, 10_000).ok_or_else(wanted)?),
        };
        if weight.is_some_and(|w| !(10..=1000).contains(&w)) {
            lost(warnings, s, "a domain's weights are from 10 to 1000");
            return Ok(());
        }
        match device {
            Some(device) => self.set(s, device, 0, weight),
            None => {
                self.weight = weight;
                Ok(())
            }
        }
    }

    /// One of the keys whose value is a device and a figure.
    fn device(&mut self, s: &Setting, figure: usize) -> Result<(), ParseError> {
        let Some((device, value)) = s.value.split_once([' ', '\t']) else {
            if s.value.is_empty() {
                let all = self.devices.iter_mut();
                all.filter_map(|d| d.figures.get_mut(figure)).for_each(|f| *f = None);
                return Ok(());
            }
            return Err(s.not("MAJOR:MINOR and a number"));
        };
        let value = number(value, 0, u64::MAX).ok_or_else(|| s.not("MAJOR:MINOR and a number"))?;
        self.set(s, device, figure, Some(value))
    }

    fn set(&mut self, s: &Setting, number: &str, figure: usize, value: Option<u64>) -> Result<(), ParseError> {
        let part = |text: &str| crate::domain::units::number::<u32>(text, 0, u32::MAX).is_some() && !text.contains(' ');
        if !number
            .split_once(':')
            .is_some_and(|(major, minor)| part(major) && part(minor))
        {
            return Err(s.not("a device by MAJOR:MINOR"));
        }
        if self.devices.len() >= MAX_DEVICES && self.devices.iter().all(|d| d.number != number) {
            return Err(s.refused(&format!("names one of more than {MAX_DEVICES} devices")));
        }
        let at = self.devices.iter().position(|d| d.number == number);
        let at = at.unwrap_or_else(|| {
            self.devices.push(Device {
                number: number.to_owned(),
                ..Device::default()
            });
            self.devices.len().saturating_sub(1)
        });
        if let Some(slot) = self.devices.get_mut(at).and_then(|d| d.figures.get_mut(figure)) {
            *slot = value;
        }
        Ok(())
    }

    /// `io.max`: a device, and figures by name.
    fn io_max(&mut self, s: &Setting) -> Result<(), ParseError> {
        let mut words = s.value.split_ascii_whitespace();
        let Some(device) = words.next() else {
            return Ok(());
        };
        for word in words {
            let wanted = || s.not("MAJOR:MINOR and any of riops=, wiops=, rbps=, wbps= with a number or max");
            let (name, value) = word.split_once('=').ok_or_else(wanted)?;
            let names = ["riops", "wiops", "rbps", "wbps"];
            let figure = (1..).zip(names).find(|(_, n)| *n == name).ok_or_else(wanted)?.0;
            let value = match value {
                "max" => None,
                value => Some(number(value, 0, u64::MAX).ok_or_else(wanted)?),
            };
            self.set(s, device, figure, value)?;
        }
        Ok(())
    }

    /// Everything between `currentMemory` and `os`.
    pub fn tuning(&mut self, warnings: &mut Vec<ParseError>) -> Vec<Tree> {
        if let Some((s, swap)) = self.swap.take() {
            match self.hard {
                Some(memory) => self.memory_and_swap = Some(memory.saturating_add(swap).min(MOST_KIB)),
                None => lost(warnings, &s, "a domain's limit is on memory and swap together"),
            }
        }
        let size = |name: &str, kib: Option<u64>| kib.map(|kib| Tree::leaf(name, kib).with("unit", "KiB"));
        let memory = [
            size("hard_limit", self.hard),
            size("soft_limit", self.soft),
            size("swap_hard_limit", self.memory_and_swap),
        ];
        let processor = [
            self.shares.map(|n| Tree::leaf("shares", n)),
            self.period.map(|n| Tree::leaf("period", n)),
            self.quota.map(|n| Tree::leaf("quota", n)),
        ];
        let vcpu = Tree::leaf("vcpu", 1)
            .with("placement", "static")
            .with_some("cpuset", self.cpus.as_ref());
        let nodes = self
            .nodes
            .as_ref()
            .map(|n| Tree::new("memory").with("mode", "strict").with("nodeset", n));
        let parts = [
            group("blkiotune", self.block()),
            group("memtune", memory.into_iter().flatten().collect()),
            Some(vcpu),
            group("cputune", processor.into_iter().flatten().collect()),
            group("numatune", nodes.into_iter().collect()),
        ];
        parts.into_iter().flatten().collect()
    }

    fn block(&self) -> Vec<Tree> {
        let device = |d: &Device| {
            let figures = FIGURES
                .iter()
                .zip(d.figures)
                .filter_map(|(name, n)| Some(Tree::leaf(name, n.filter(|n| *n > 0)?)));
            let figures: Vec<Tree> = figures.collect();
            let path = Tree::leaf("path", format!("/dev/block/{}", d.number));
            (!figures.is_empty()).then(|| Tree::new("device").holding([path]).holding(figures))
        };
        let weight = self.weight.map(|n| Tree::leaf("weight", n));
        weight
            .into_iter()
            .chain(self.devices.iter().filter_map(device))
            .collect()
    }
}

fn group(name: &str, children: Vec<Tree>) -> Option<Tree> {
    (!children.is_empty()).then(|| Tree::new(name).holding(children))
}

/// The smallest shares of version 1 that make this weight of version 2, as the OCI runtimes convert them.
fn shares(weight: u64) -> u64 {
    let scaled = weight.saturating_sub(1).saturating_mul(262_142);
    scaled.div_ceil(9999).saturating_add(2)
}

fn bounded(s: &Setting, least: u64, most: u64) -> Result<Option<u64>, ParseError> {
    if s.value.is_empty() {
        return Ok(None);
    }
    let value = number(&s.value, least, most);
    value
        .map(Some)
        .ok_or_else(|| s.not(&format!("a number from {least} to {most}")))
}

fn quota(s: &Setting, text: &str) -> Result<Option<i64>, ParseError> {
    match text {
        "" => Ok(None),
        "-1" => Ok(Some(-1)),
        text => {
            let value = number(text, 1000, 17_592_186_044_415);
            value
                .map(Some)
                .ok_or_else(|| s.not("-1 or a number from 1000 to 17592186044415"))
        }
    }
}

fn set(s: &Setting) -> Result<Option<CpuSet>, ParseError> {
    if s.value.is_empty() {
        return Ok(None);
    }
    let set = CpuSet::parse(&s.value);
    set.map(Some).ok_or_else(|| s.not("a list of numbers from 0 to 1023"))
}

/// A size in whole KiB, rounded down as the kernel rounds to pages; `None` for no limit.
fn bytes(s: &Setting) -> Result<Option<u64>, ParseError> {
    let size = swap(s)?;
    if size == Some(0) {
        return Err(s.refused("is less than 1 KiB"));
    }
    Ok(size)
}

/// The same, which may be 0.
fn swap(s: &Setting) -> Result<Option<u64>, ParseError> {
    if matches!(s.value.as_str(), "" | "-1" | "max") {
        return Ok(None);
    }
    let wanted = || s.not("a number of bytes, with k, m, g or t for more");
    let digits = s.value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = s.value.strip_prefix(digits).unwrap_or_default().to_ascii_lowercase();
    let power = ["", "k", "m", "g", "t"]
        .iter()
        .position(|u| *u == unit)
        .ok_or_else(wanted)?;
    let factor = u32::try_from(power).ok().and_then(|p| 1024u64.checked_pow(p));
    let bytes: u64 = number(digits, 0, u64::MAX).ok_or_else(wanted)?;
    // What is larger than any limit is none.
    let kib = factor.and_then(|f| bytes.checked_mul(f)).map(|b| b.div_euclid(1024));
    Ok(kib.filter(|kib| *kib < MOST_KIB))
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn every_weight_has_shares_that_make_it() {
        for weight in 1..=10_000 {
            let made = 1 + (shares(weight) - 2) * 9999 / 262_142;
            assert_eq!(made, weight);
        }
    }
}
