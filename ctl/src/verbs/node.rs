//! `nodeinfo`, `nodecpustats`, `nodecpumap`, `nodememstats`, `freecell`, `freepages`, `hostname`, `uri`: what is asked of the host. May touch: `/proc`, and what
//! `figures/machine.rs` reads.

use crate::domain::units::kib;
use crate::error::{Error, Outcome};
use crate::figures::host::{Times, frequency, memory, shares, times};
use crate::figures::machine::{cells, free_pages, online, present, text};
use crate::figures::topology::{Cell, Pages, count};
use crate::options::{Freecell, Freepages, Node, Nodecpumap, Nodecpustats, Nodememstats};
use crate::output::{gap, print, print_json};
use nix::errno::Errno;
use nix::poll::{PollTimeout, poll};
use serde_json::json;

/// The address by which virsh knows what this is.
const URI: &str = "lxc:///";
/// How long processors are watched for a percentage, in milliseconds.
const WATCHED: u16 = 1000;

/// Answers.
pub fn node(asked: &Node) -> Outcome<()> {
    match asked {
        Node::Nodeinfo(o) => nodeinfo(o.json),
        Node::Nodecpustats(o) => nodecpustats(o),
        Node::Nodecpumap(o) => nodecpumap(o),
        Node::Nodememstats(o) => nodememstats(o),
        Node::Freecell(o) => freecell(o),
        Node::Freepages(o) => freepages(o),
        Node::Hostname(o) => word("hostname", text("/proc/sys/kernel/hostname")?.trim(), o.json),
        Node::Uri(o) => word("uri", URI, o.json),
        Node::Capabilities(o) => super::capabilities::capabilities(o.json),
    }
}

fn word(name: &str, value: &str, json: bool) -> Outcome<()> {
    if json {
        return print_json(&json!({name: value}));
    }
    print(&format!("{value}\n{}", gap()))
}

fn figure(meminfo: &str, name: &str) -> Outcome<u64> {
    memory(meminfo, name).ok_or_else(|| Error::caller(format!("the kernel does not tell {name}")))
}

fn nodeinfo(json: bool) -> Outcome<()> {
    let cells = cells()?;
    let counted = count(&cells);
    let processors = cells.iter().map(|c| c.processors.len()).fold(0, usize::saturating_add);
    let machine = rustix::system::uname();
    let model = machine.machine().to_string_lossy().into_owned();
    let frequency = frequency(&text("/proc/cpuinfo")?);
    let total = figure(&text("/proc/meminfo")?, "MemTotal")?;
    if json {
        return print_json(&json!({
            "model": model,
            "cpus": processors,
            "mhz": frequency,
            "sockets": counted.sockets,
            "cores": counted.cores,
            "threads": counted.threads,
            "cells": counted.nodes,
            "memory_kib": total,
        }));
    }
    let lines = [
        ("CPU model:", model),
        ("CPU(s):", processors.to_string()),
        ("CPU frequency:", format!("{frequency} MHz")),
        ("CPU socket(s):", counted.sockets.to_string()),
        ("Core(s) per socket:", counted.cores.to_string()),
        ("Thread(s) per core:", counted.threads.to_string()),
        ("NUMA cell(s):", counted.nodes.to_string()),
        ("Memory size:", format!("{total} KiB")),
    ];
    let lines: String = lines
        .iter()
        .map(|(name, value)| format!("{name:<20} {value}\n"))
        .collect();
    print(&format!("{lines}{}", gap()))
}

fn look(processor: Option<u32>) -> Outcome<Times> {
    times(&text("/proc/stat")?, processor).ok_or_else(|| match processor {
        Some(number) => Error::caller(format!("there is no processor {number}")),
        None => Error::caller("the kernel does not tell the time of its processors"),
    })
}

/// Lets that time pass which is to be watched.
fn watch() -> Outcome<()> {
    match poll(&mut [], PollTimeout::from(WATCHED)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(e) => Err(Error::kernel("watch the processors", e)),
    }
}

fn nodecpustats(o: &Nodecpustats) -> Outcome<()> {
    let processor = o.at.or(o.cpu);
    let before = look(processor)?;
    if !o.percent {
        let figures = [
            ("user", before.user),
            ("system", before.system),
            ("idle", before.idle),
            ("iowait", before.iowait),
        ];
        if o.json {
            return print_json(&json!({
                "user": before.user, "system": before.system, "idle": before.idle, "iowait": before.iowait,
            }));
        }
        let line = |(name, value): &(&str, u64)| format!("{:<15} {value:>20}\n", format!("{name}:"));
        return print(&(figures.iter().map(line).collect::<String>() + gap()));
    }
    watch()?;
    let shares = shares(&before, &look(processor)?)
        .ok_or_else(|| Error::caller("the kernel has counted no time within a second"))?;
    let figures = ["usage", "user", "system", "idle", "iowait"].into_iter().zip(shares);
    if o.json {
        let map = figures.map(|(name, tenths)| {
            (
                name.to_owned(),
                json!(f64::from(u32::try_from(tenths).unwrap_or(0)) / 10.0),
            )
        });
        return print_json(&map.collect::<serde_json::Map<_, _>>());
    }
    let line = |(name, tenths): (&str, u64)| {
        let share = format!("{}.{}", tenths / 10, tenths % 10);
        format!("{:<15} {share:>5}%\n", format!("{name}:"))
    };
    print(&(figures.map(line).collect::<String>() + gap()))
}

/// Numbers in the kernel's own form of a list.
fn ranges(numbers: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let part = |(first, last): &(u32, u32)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

fn nodecpumap(o: &Nodecpumap) -> Outcome<()> {
    let (present, online) = (present()?, online()?);
    if o.json {
        return print_json(&json!({"present": present, "online": online}));
    }
    let map = if o.pretty {
        ranges(&online)
    } else {
        present
            .iter()
            .map(|p| if online.contains(p) { 'y' } else { '-' })
            .collect()
    };
    let lines = [
        ("CPUs present:", present.len().to_string()),
        ("CPUs online:", online.len().to_string()),
        ("CPU map:", map),
    ];
    print(
        &(lines
            .iter()
            .map(|(name, value)| format!("{name:<15} {value}\n"))
            .collect::<String>()
            + gap()),
    )
}

fn cell(number: u32) -> Outcome<Cell> {
    let found = cells()?.into_iter().find(|c| c.id == number);
    found.ok_or_else(|| Error::caller(format!("there is no node {number}")))
}

fn nodememstats(o: &Nodememstats) -> Outcome<()> {
    let figures = match o.at.or(o.cell) {
        Some(number) => {
            let cell = cell(number)?;
            vec![("total", cell.memory), ("free", cell.free)]
        }
        None => {
            let meminfo = text("/proc/meminfo")?;
            vec![
                ("total", figure(&meminfo, "MemTotal")?),
                ("free", figure(&meminfo, "MemFree")?),
                ("buffers", figure(&meminfo, "Buffers")?),
                ("cached", figure(&meminfo, "Cached")?),
            ]
        }
    };
    if o.json {
        let map = figures.iter().map(|(name, kib)| ((*name).to_owned(), json!(kib)));
        return print_json(&map.collect::<serde_json::Map<_, _>>());
    }
    let line = |(name, kib): &(&str, u64)| format!("{name:<7}: {kib:>20} KiB\n");
    print(&(figures.iter().map(line).collect::<String>() + gap()))
}

fn freecell(o: &Freecell) -> Outcome<()> {
    if let Some(number) = o.at.or(o.cellno) {
        let cell = cell(number)?;
        if o.json {
            return print_json(&json!([{"cell": number, "free_kib": cell.free}]));
        }
        return print(&format!("{number}: {} KiB\n{}", cell.free, gap()));
    }
    if o.all {
        let cells = cells()?;
        if o.json {
            let all = cells.iter().map(|c| json!({"cell": c.id, "free_kib": c.free}));
            return print_json(&all.collect::<Vec<_>>());
        }
        let lines: String = cells
            .iter()
            .map(|c| format!("{:>5}: {:>10} KiB\n", c.id, c.free))
            .collect();
        let total = cells.iter().map(|c| c.free).fold(0, u64::saturating_add);
        return print(&format!("{lines}{}\nTotal: {total:>10} KiB\n{}", "-".repeat(20), gap()));
    }
    let free = figure(&text("/proc/meminfo")?, "MemFree")?;
    if o.json {
        return print_json(&json!({"free_kib": free}));
    }
    print(&format!("Total: {free} KiB\n{}", gap()))
}

fn page_size(text: &str) -> Outcome<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    kib(number, (!unit.is_empty()).then_some(unit)).map_err(|_| {
        Error::Usage(format!(
            "Scaled numeric value '{text}' for <pagesize> option is malformed or out of range"
        ))
    })
}

fn freepages(o: &Freepages) -> Outcome<()> {
    let asked = o.size.as_deref().or(o.pagesize.as_deref()).map(page_size).transpose()?;
    let missing = |what| Error::Usage(format!("missing {what} argument"));
    let cells = match o.at.or(o.cellno) {
        _ if o.all => cells()?,
        None => return Err(missing("cellno")),
        Some(_) if asked.is_none() => return Err(missing("pagesize")),
        Some(number) => vec![cell(number)?],
    };
    let mut nodes = Vec::new();
    for cell in &cells {
        let mut pages = free_pages(cell);
        if let Some(kib) = asked {
            pages.retain(|p| p.kib == kib);
            if pages.is_empty() {
                let id = cell.id;
                return Err(Error::caller(format!("page size {kib} is not available on node {id}")));
            }
        }
        nodes.push((cell.id, pages));
    }
    if o.json {
        let all = nodes.iter().map(|(id, pages)| json!({"cell": id, "free": pages}));
        return print_json(&all.collect::<Vec<_>>());
    }
    let node = |(id, pages): &(u32, Vec<Pages>)| {
        let lines: String = pages.iter().map(|p| format!("{}KiB: {}\n", p.kib, p.count)).collect();
        if o.all { format!("Node {id}:\n{lines}\n") } else { lines }
    };
    print(&(nodes.iter().map(node).collect::<String>() + gap()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(ranges(&[0, 1, 2, 4, 6, 7]), "0-2,4,6-7");
        assert_eq!(ranges(&[]), "");
    }
}
