//! `dommemstat`, `domblkstat`, `domifstat`, `cpu-stats`: what the kernel counts of one container. May touch: the store; what
//! `figures/read.rs` reads.

use super::dominfo::memory;
use super::interfaces::{called, has_end, links};
use crate::error::{Error, Outcome};
use crate::figures::groups::{Traffic, device, sum};
use crate::figures::links::{Counters, hardware};
use crate::figures::machine::text;
use crate::figures::read::{self, Groups};
use crate::lookup::{Found, find};
use crate::options::{CpuStats, Domblkstat, Domifstat, Dommemstat};
use crate::output::{gap, print, print_json};
use crate::session::Session;
use serde_json::{Map, Value, json};
use wire::netd::Link;

/// Names and figures, in order.
pub type Figures = Vec<(&'static str, u64)>;

fn as_json(figures: &Figures) -> Value {
    let map: Map<String, Value> = figures.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    Value::Object(map)
}

fn lines(before: &str, figures: &Figures) -> String {
    let line = |(name, value): &(&str, u64)| format!("{before}{name} {value}\n");
    figures.iter().map(line).collect::<String>() + gap()
}

/// Memory.
pub fn dommemstat(session: &Session, options: &Dommemstat) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (place, _) = found.running()?;
    let used = Groups::of(&found)?.memory()?;
    let mut figures = Figures::new();
    figures.extend(memory(found.domain().as_ref(), Some(&place.plan()?)).map(|m| ("actual", m.1)));
    figures.extend(used.swap.map(|bytes| ("swap_in", bytes / 1024)));
    figures.extend([
        ("rss", used.usage / 1024),
        ("major_fault", used.major_faults),
        ("minor_fault", used.minor_faults),
        ("disk_caches", used.cache / 1024),
    ]);
    if options.json {
        return print_json(&as_json(&figures));
    }
    print(&lines("", &figures))
}

/// What went to and came from block devices, under virsh's names.
pub fn traffic(t: &Traffic) -> Figures {
    vec![
        ("rd_req", t.reads),
        ("rd_bytes", t.read_bytes),
        ("wr_req", t.writes),
        ("wr_bytes", t.written_bytes),
    ]
}

fn in_words(device: &str, t: &Traffic) -> String {
    let rows = [
        ("number of read operations:", t.reads),
        ("number of bytes read:", t.read_bytes),
        ("number of write operations:", t.writes),
        ("number of bytes written:", t.written_bytes),
    ];
    let lines = rows.map(|(what, figure)| format!(" {what:<31} {figure}\n"));
    format!("Device: {device}\n{}{}", lines.concat(), gap())
}

/// Block devices.
pub fn domblkstat(session: &Session, options: &Domblkstat) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    found.running()?;
    let devices = Groups::of(&found)?.devices()?;
    let name = options.device.as_deref().unwrap_or_default();
    let figures = if name.is_empty() {
        sum(&devices)
    } else {
        let number = device(&text("/proc/partitions")?, name);
        let number = number.ok_or_else(|| Error::caller(format!("the host has no block device {name}")))?;
        devices.get(&number).copied().unwrap_or_default()
    };
    if options.json {
        return print_json(&as_json(&traffic(&figures)));
    }
    if options.human {
        return print(&in_words(name, &figures));
    }
    print(&lines(&format!("{name} "), &traffic(&figures)))
}

/// What came in and went out, under virsh's names.
pub fn flows(c: &Counters) -> Figures {
    vec![
        ("rx_bytes", c.rx.bytes),
        ("rx_packets", c.rx.packets),
        ("rx_errs", c.rx.errs),
        ("rx_drop", c.rx.drop),
        ("tx_bytes", c.tx.bytes),
        ("tx_packets", c.tx.packets),
        ("tx_errs", c.tx.errs),
        ("tx_drop", c.tx.drop),
    ]
}

/// What the container received and sent by a link: what its host's end has counted, the other way round. What has none that is known counts inside alone.
pub fn counters(found: &Found, link: &Link) -> Outcome<Counters> {
    if !has_end(link) {
        let pids = found
            .pids()
            .ok_or_else(|| Error::Peer("its processes are not known".into()))?;
        return read::counters_inside(pids.pid1, link.guest.as_str());
    }
    read::counters(link.host.as_str())
}

/// A link.
pub fn domifstat(session: &Session, options: &Domifstat) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (place, _) = found.running()?;
    let wanted = options.interface.as_str();
    let is = |l: &Link| called(l) == wanted || hardware(l.mac).eq_ignore_ascii_case(wanted);
    let link = links(&place.plan()?).into_iter().find(is);
    let link = link.ok_or_else(|| Error::caller(format!("{} has no such link", found.name)))?;
    let figures = flows(&counters(&found, &link)?);
    if options.json {
        return print_json(&as_json(&figures));
    }
    print(&lines(&format!("{wanted} "), &figures))
}

fn seconds(nanoseconds: u64) -> String {
    let (whole, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    format!("{whole:>9}.{rest:09} seconds")
}

/// Processor time.
pub fn cpu_stats(session: &Session, options: &CpuStats) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    found.running()?;
    let groups = Groups::of(&found)?;
    let some = options.start.is_some() || options.count.is_some();
    let each = if options.total && !some {
        vec![]
    } else {
        let all = groups.by_processor()?.ok_or_else(|| {
            Error::caller("version 2 of control groups does not tell processors apart; ask for --total")
        })?;
        let from = options.start.unwrap_or(0);
        if from >= all.len() {
            return Err(Error::caller(format!("there is no processor {from}")));
        }
        let numbered = all.into_iter().enumerate().skip(from);
        numbered.take(options.count.unwrap_or(usize::MAX)).collect()
    };
    let total = if options.total || !some {
        Some(groups.cpu()?)
    } else {
        None
    };
    if options.json {
        let each: Vec<Value> = each.iter().map(|(n, t)| json!({"cpu": n, "cpu_time": t})).collect();
        let total = total.map(|t| json!({"cpu_time": t.total, "user_time": t.user, "system_time": t.system}));
        return print_json(&json!({"cpus": each, "total": total}));
    }
    let mut out = String::new();
    for (number, time) in each {
        out.push_str(&format!("CPU{number}:\n\t{:<12} {}\n", "cpu_time", seconds(time)));
    }
    if let Some(t) = total {
        out.push_str("Total:\n");
        for (name, time) in [("cpu_time", t.total), ("user_time", t.user), ("system_time", t.system)] {
            out.push_str(&format!("\t{name:<12} {}\n", seconds(time)));
        }
    }
    print(&format!("{out}{}", gap()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_where_virsh_has_them() {
        assert_eq!(
            format!("\t{:<12} {}", "cpu_time", seconds(48_772_617_035)),
            "\tcpu_time            48.772617035 seconds"
        );
        let t = Traffic {
            reads: 1,
            read_bytes: 2,
            writes: 3,
            written_bytes: 4,
        };
        assert_eq!(
            lines(" ", &traffic(&t)),
            " rd_req 1\n rd_bytes 2\n wr_req 3\n wr_bytes 4\n\n"
        );
    }
}
