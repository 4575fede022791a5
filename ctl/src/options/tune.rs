//! Options of the verbs that change limits. Pure.

use crate::domain::units::{MOST_KIB, kib, number};
use clap::Args;
use wire::init::Path;

/// Whether what runs is meant, or what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Affect {
    /// What runs
    #[arg(long)]
    pub live: bool,
    /// What is kept, for the next start
    #[arg(long)]
    pub config: bool,
    /// What runs if it runs, or else what is kept, which is the default
    #[arg(long, conflicts_with_all = ["live", "config"])]
    pub current: bool,
}

/// Options of `setmem` and `setmaxmem`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret setmem vm1 512M --live\n  lazaret setmaxmem vm1 2G --config\n\n\
    Without a unit the size is in KiB, and MB is a million bytes, as virsh has it. setmem sets how much a container that runs gets, up to its \
    maximum; of a definition it changes what is shown, since a start takes the maximum, which setmaxmem sets, or memtune's hard limit. A \
    container that holds more than the new limit, and cannot give it back, keeps its old one."
)]
pub struct SetMemory {
    /// Its name, uuid or id
    #[arg(long = "domain", hide = true, value_name = "CONTAINER", conflicts_with = "container")]
    pub domain: Option<String>,
    /// Its name, uuid or id
    #[arg(required_unless_present = "domain")]
    pub container: Option<String>,
    /// How much
    #[arg(value_parser = size, required_unless_present = "bytes", allow_negative_numbers = true)]
    pub size: Option<u64>,
    /// How much
    #[arg(long = "size", alias = "kilobytes", hide = true, value_parser = size, value_name = "SIZE", conflicts_with = "size")]
    pub bytes: Option<u64>,
    #[command(flatten)]
    pub affect: Affect,
}

/// Options of `memtune`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret memtune vm1\n  lazaret memtune vm1 --hard-limit 512M --soft-limit 256M --live\n  \
    lazaret memtune vm1 --swap-hard-limit -1 --config\n\n\
    Without a limit, the limits are printed, in KiB. -1 takes a limit away: without a hard limit the container's memory is the limit."
)]
pub struct Memtune {
    /// Its name, uuid or id
    pub container: String,
    /// The most memory
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true)]
    pub hard_limit: Option<Limit>,
    /// Memory above which the kernel reclaims first where it is scarce
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true)]
    pub soft_limit: Option<Limit>,
    /// The most memory and swap together
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true)]
    pub swap_hard_limit: Option<Limit>,
    /// Refused, as libvirt's LXC driver refuses it: the kernel guarantees a group no memory
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true, hide = true)]
    pub min_guarantee: Option<Limit>,
    #[command(flatten)]
    pub affect: Affect,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `schedinfo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret schedinfo vm1\n  lazaret schedinfo vm1 --set cpu_shares=512 --live\n  \
    lazaret schedinfo vm1 vcpu_period=100000 vcpu_quota=50000 --config\n\n\
    cpu_shares is a weight, 2 to 262144. vcpu_quota is how many microseconds of processor time the whole container gets in each \
    vcpu_period of 1000 to 1000000 microseconds; -1 is no limit."
)]
pub struct Schedinfo {
    /// Its name, uuid or id
    pub container: String,
    /// cpu_shares, vcpu_period or vcpu_quota, and its value
    #[arg(value_name = "NAME=VALUE", value_parser = share)]
    pub values: Vec<Share>,
    /// The same
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = share)]
    pub set: Vec<Share>,
    #[command(flatten)]
    pub affect: Affect,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `blkiotune`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret blkiotune vm1\n  lazaret blkiotune vm1 --weight 500 --live\n  \
    lazaret blkiotune vm1 --device-read-bytes-sec /dev/vda,1048576 --config\n\n\
    Without a limit, the limits are printed; a weight of 0 is one that is not set. A weight is 10 to 1000. A list is /dev/A,VALUE,/dev/B,VALUE; the value 0 \
    takes a limit of a device away (a weight, only of the next start). All that is asked for is done, or nothing."
)]
pub struct Blkiotune {
    /// Its name, uuid or id
    pub container: String,
    /// Relative weight of all its input and output
    #[arg(long, value_name = "WEIGHT", value_parser = clap::value_parser!(u16).range(10..=1000))]
    pub weight: Option<u16>,
    /// Relative weights, by device
    #[arg(long, value_name = "LIST", value_parser = devices)]
    pub device_weights: Option<Devices>,
    /// Reads in a second, by device
    #[arg(long, value_name = "LIST", value_parser = devices)]
    pub device_read_iops_sec: Option<Devices>,
    /// Writes in a second, by device
    #[arg(long, value_name = "LIST", value_parser = devices)]
    pub device_write_iops_sec: Option<Devices>,
    /// Bytes read in a second, by device
    #[arg(long, value_name = "LIST", value_parser = devices)]
    pub device_read_bytes_sec: Option<Devices>,
    /// Bytes written in a second, by device
    #[arg(long, value_name = "LIST", value_parser = devices)]
    pub device_write_bytes_sec: Option<Devices>,
    #[command(flatten)]
    pub affect: Affect,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Blkiotune {
    /// Whether nothing is to be changed.
    pub const fn only_shows(&self) -> bool {
        self.weight.is_none()
            && self.device_weights.is_none()
            && self.device_read_iops_sec.is_none()
            && self.device_write_iops_sec.is_none()
            && self.device_read_bytes_sec.is_none()
            && self.device_write_bytes_sec.is_none()
    }
}

/// Devices by their paths, each with its value; none comes twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices(pub Vec<(Path, u64)>);

/// A limit in KiB, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<u64>);

/// One value of `schedinfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// `cpu_shares`
    Shares(u64),
    /// `vcpu_period`
    Period(u64),
    /// `vcpu_quota`
    Quota(i64),
}

/// A size as virsh takes it: a number and a unit, KiB without one.
fn size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    match kib(number, (!unit.is_empty()).then_some(unit))? {
        0 => Err("that is 0".into()),
        kib => Ok(kib),
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "-1" {
        Ok(Limit(None))
    } else {
        // The largest number is how virsh says that there is none.
        size(text).map(|kib| Limit(Some(kib).filter(|kib| *kib < MOST_KIB)))
    }
}

fn devices(text: &str) -> Result<Devices, String> {
    let mut devices: Vec<(Path, u64)> = Vec::new();
    let mut words = text.split(',');
    while let Some(path) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("unable to parse blkio device '{text}'"))?;
        let value =
            number(value, 0, u64::MAX >> 1).ok_or_else(|| format!("invalid value '{value}' of device '{path}'"))?;
        let named = Path::new(path).ok().filter(|p| p.as_str().starts_with('/'));
        let named = named.ok_or_else(|| format!("the device '{path}' is not named by a path that begins with /"))?;
        if devices.iter().any(|(other, _)| *other == named) {
            return Err(format!("the device '{path}' comes twice"));
        }
        devices.push((named, value));
    }
    Ok(Devices(devices))
}

fn share(text: &str) -> Result<Share, String> {
    let (name, value) = text.split_once('=').ok_or("that is not NAME=VALUE")?;
    let within = |least: u64, most: u64| {
        let number = value.parse().ok().filter(|n| (least..=most).contains(n));
        number.ok_or_else(|| format!("{name} is a number from {least} to {most}"))
    };
    match name {
        "cpu_shares" => within(2, 262_144).map(Share::Shares),
        "vcpu_period" => within(1000, 1_000_000).map(Share::Period),
        "vcpu_quota" if value == "-1" => Ok(Share::Quota(-1)),
        "vcpu_quota" => within(1000, 17_592_186_044_415).map(|n| Share::Quota(n.cast_signed())),
        _ => Err("there are cpu_shares, vcpu_period and vcpu_quota".into()),
    }
}

impl SetMemory {
    /// The container.
    pub fn container(&self) -> &str {
        self.domain.as_deref().or(self.container.as_deref()).unwrap_or_default()
    }

    /// How much, in KiB.
    pub fn kib(&self) -> u64 {
        self.bytes.or(self.size).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_kib_unless_they_say_otherwise() {
        assert_eq!(
            [size("7"), size("7k"), size("2MiB"), size("1G")].map(Result::unwrap),
            [7, 7, 2048, 1_048_576]
        );
        assert!(["", "0", "-1", "x", "1q", "1 M"].into_iter().all(|t| size(t).is_err()));
        assert_eq!((limit("-1"), limit("5")), (Ok(Limit(None)), Ok(Limit(Some(5)))));
        assert!(limit("-2").is_err());
    }

    #[test]
    fn devices_come_with_their_values() {
        let path = |p: &str| Path::new(p).unwrap();
        assert_eq!(
            devices("/dev/vda,0,/dev/vdb,7").unwrap().0,
            [(path("/dev/vda"), 0), (path("/dev/vdb"), 7)]
        );
        for bad in [
            "",
            "/dev/vda",
            "vda,5",
            "/dev/vda,x",
            "/dev/vda,-1",
            "/dev/vda,1,/dev/vda,2",
            "/dev/vda,1,",
        ] {
            assert!(devices(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_named_and_within_its_bounds() {
        assert_eq!(share("cpu_shares=2"), Ok(Share::Shares(2)));
        assert_eq!(share("vcpu_quota=-1"), Ok(Share::Quota(-1)));
        for bad in [
            "cpu_shares",
            "cpu_shares=1",
            "cpu_shares=262145",
            "vcpu_period=999",
            "vcpu_quota=0",
            "vcpu_quota=-2",
            "x=1",
        ] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
