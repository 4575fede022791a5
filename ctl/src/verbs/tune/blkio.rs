//! `blkiotune`. May touch: what `tune` touches, and the nodes of block devices, to ask for their numbers.

use super::{Target, limits, live_domain, target};
use crate::domain::model::{BlkioDevice, Blkiotune};
use crate::error::{Error, Outcome};
use crate::options::{self, Devices};
use crate::output::{gap, print, print_json};
use crate::plan::Host;
use crate::plan::limits::device;
use crate::session::Session;
use wire::cgroupd::{DeviceLimits, Limits};
use wire::init::Path;

/// What may be limited of one device: a name of virsh's, and the place of it in the definition.
type Column = (
    &'static str,
    fn(&BlkioDevice) -> Option<u64>,
    fn(&mut BlkioDevice, Option<u64>) -> bool,
);

/// Puts a number of operations, of which no more than 2^32-1 a second can be counted.
fn operations(place: &mut Option<u64>, value: Option<u64>) -> bool {
    *place = value;
    value.is_none_or(|n| u32::try_from(n).is_ok())
}

/// In the order in which virsh prints them. What puts a value says whether it may be.
const COLUMNS: [Column; 5] = [
    (
        "device_weight",
        |d| d.weight.map(u64::from),
        |d, value| {
            d.weight = value.and_then(|v| u16::try_from(v).ok());
            value.is_none_or(|v| (10..=1000).contains(&v))
        },
    ),
    (
        "device_read_iops_sec",
        |d| d.read_operations,
        |d, v| operations(&mut d.read_operations, v),
    ),
    (
        "device_write_iops_sec",
        |d| d.write_operations,
        |d, v| operations(&mut d.write_operations, v),
    ),
    (
        "device_read_bytes_sec",
        |d| d.read_bytes,
        |d, v| {
            d.read_bytes = v;
            true
        },
    ),
    (
        "device_write_bytes_sec",
        |d| d.write_bytes,
        |d, v| {
            d.write_bytes = v;
            true
        },
    ),
];

const fn asked(options: &options::Blkiotune) -> [Option<&Devices>; 5] {
    [
        options.device_weights.as_ref(),
        options.device_read_iops_sec.as_ref(),
        options.device_write_iops_sec.as_ref(),
        options.device_read_bytes_sec.as_ref(),
        options.device_write_bytes_sec.as_ref(),
    ]
}

const fn bare(path: Path) -> BlkioDevice {
    BlkioDevice {
        path,
        weight: None,
        read_operations: None,
        write_operations: None,
        read_bytes: None,
        write_bytes: None,
    }
}

/// The limits once what is asked for is laid over them. Where `zero` is kept, it says that a limit is to be taken away.
fn changed(before: &Blkiotune, options: &options::Blkiotune, zero: bool) -> Outcome<Blkiotune> {
    let mut after = before.clone();
    after.weight = options.weight.or(before.weight);
    for ((name, _, put), devices) in COLUMNS.iter().zip(asked(options)) {
        for (path, value) in devices.iter().flat_map(|d| &d.0) {
            let at = after.devices.iter().position(|d| d.path == *path);
            if at.is_none() {
                after.devices.push(bare(path.clone()));
            }
            let device = match at {
                Some(at) => after.devices.get_mut(at),
                None => after.devices.last_mut(),
            };
            let given = Some(*value).filter(|v| zero || *v != 0);
            if device.is_some_and(|d| !put(d, given)) {
                let most = match (*name == "device_weight", *value) {
                    (true, 0) => "a weight is not taken away while it runs; --config changes the next start",
                    (true, _) => "a weight is 10 to 1000",
                    (false, _) => "it is at most 4294967295",
                };
                return Err(Error::caller(format!(
                    "invalid value '{value}' for parameter '{name}' of device '{path}': {most}"
                )));
            }
        }
    }
    let says = |d: &BlkioDevice| COLUMNS.iter().any(|(_, get, _)| get(d).is_some());
    after.devices.retain(says);
    Ok(after)
}

/// What is to be written so that it is in force.
fn written(options: &options::Blkiotune, host: &Host) -> Outcome<Limits> {
    let change = changed(&Blkiotune::default(), options, true)?;
    let devices = change.devices.iter().map(|d| device(d, host));
    Ok(Limits {
        io_weight: change.weight,
        io: devices.collect::<Outcome<_>>()?,
        ..Limits::default()
    })
}

/// Writes the limits of devices that were changed over those that there were.
pub fn lay_over(all: &mut Vec<DeviceLimits>, changed: &[DeviceLimits]) {
    for new in changed {
        match all.iter_mut().find(|d| (d.major, d.minor) == (new.major, new.minor)) {
            None => all.push(*new),
            Some(old) => {
                old.weight = new.weight.or(old.weight);
                old.read_bytes = new.read_bytes.or(old.read_bytes);
                old.write_bytes = new.write_bytes.or(old.write_bytes);
                old.read_operations = new.read_operations.or(old.read_operations);
                old.write_operations = new.write_operations.or(old.write_operations);
            }
        }
    }
}

impl Target {
    /// The limits that are meant; those of what runs where both are.
    fn blkiotune(&self) -> Outcome<Blkiotune> {
        if self.live {
            let (place, _) = self.found.running()?;
            let known = live_domain(place)?.map(|d| d.blkiotune);
            let weight = limits(&place.plan()?).and_then(|l| l.io_weight);
            return Ok(known.unwrap_or(Blkiotune {
                weight,
                devices: vec![],
            }));
        }
        let kept = self.found.definition.as_ref().map(|d| d.blkiotune.clone());
        kept.ok_or_else(|| Error::caller(format!("{} has no definition", self.found.name)))
    }
}

/// Sets or prints limits on input and output.
pub fn blkiotune(session: &Session, options: &options::Blkiotune) -> Outcome<()> {
    let target = target(session, &options.container, options.affect)?;
    if options.only_shows() {
        return show(&target.blkiotune()?, options.json);
    }
    // Both are looked at before either is changed.
    if let Some(domain) = target.found.definition.as_ref().filter(|_| target.config) {
        changed(&domain.blkiotune, options, false)?;
    }
    if target.live {
        let limits = written(options, &session.host()?)?;
        let after = changed(&target.blkiotune()?, options, false)?;
        target.enforce(session, &limits, |mut domain| {
            domain.blkiotune = after;
            domain
        })?;
    }
    if target.config {
        target.keep(session, |mut kept| {
            kept.blkiotune = changed(&kept.blkiotune, options, false)?;
            Ok(kept)
        })?;
    }
    Ok(())
}

fn show(tune: &Blkiotune, json: bool) -> Outcome<()> {
    let values = |get: fn(&BlkioDevice) -> Option<u64>| {
        let given = tune
            .devices
            .iter()
            .filter_map(move |d| Some((d.path.as_str(), get(d)?)));
        given.collect::<Vec<_>>()
    };
    if json {
        let mut all = serde_json::Map::new();
        all.insert("weight".to_owned(), serde_json::json!(tune.weight));
        for (name, get, _) in COLUMNS {
            let devices: serde_json::Map<String, serde_json::Value> = values(get)
                .into_iter()
                .map(|(path, v)| (path.to_owned(), serde_json::json!(v)))
                .collect();
            all.insert(name.to_owned(), serde_json::Value::Object(devices));
        }
        return print_json(&all);
    }
    let mut out = format!("{:<15}: {}\n", "weight", tune.weight.unwrap_or(0));
    for (name, get, _) in COLUMNS {
        let list: Vec<String> = values(get).iter().map(|(path, v)| format!("{path},{v}")).collect();
        out.push_str(&format!("{name:<15}: {}\n", list.join(",")));
    }
    print(&format!("{out}{}", gap()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Verb};
    use clap::Parser;

    fn parsed(line: &str) -> options::Blkiotune {
        let words = ["lazaret", "blkiotune", "vm1"].into_iter().chain(line.split(' '));
        match Options::try_parse_from(words).unwrap().verb {
            Verb::Blkiotune(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_asked_for_is_laid_over_what_there_is() {
        let one = changed(
            &Blkiotune::default(),
            &parsed("--weight 100 --device-weights /dev/a,500,/dev/b,10"),
            false,
        )
        .unwrap();
        assert_eq!((one.weight, one.devices.len()), (Some(100), 2));
        let two = changed(
            &one,
            &parsed("--device-read-bytes-sec /dev/b,7 --device-weights /dev/a,0"),
            false,
        )
        .unwrap();
        assert_eq!((two.weight, two.devices.len()), (Some(100), 1));
        assert_eq!((two.devices[0].weight, two.devices[0].read_bytes), (Some(10), Some(7)));
        for bad in [
            "--device-weights /dev/a,9",
            "--device-weights /dev/a,1001",
            "--device-write-iops-sec /dev/a,4294967296",
        ] {
            assert!(changed(&one, &parsed(bad), false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_limit_that_is_taken_away_is_written_as_none() {
        let zero = changed(
            &Blkiotune::default(),
            &parsed("--device-write-bytes-sec /dev/a,0"),
            true,
        )
        .unwrap();
        assert_eq!(zero.devices[0].write_bytes, Some(0));
        let limits = |write_bytes| DeviceLimits {
            major: 8,
            minor: 0,
            weight: None,
            read_bytes: Some(1),
            write_bytes,
            read_operations: None,
            write_operations: None,
        };
        let mut all = vec![limits(Some(5))];
        lay_over(
            &mut all,
            &[DeviceLimits {
                read_bytes: None,
                ..limits(Some(0))
            }],
        );
        assert_eq!(all, [limits(Some(0))]);
    }
}
