//! Reads what the kernel tells of this host's processors, nodes and caches. May touch: `/sys/devices/system` and `/proc/meminfo`, to read.

use super::host::{list, memory, node_memory};
use super::topology::{Cache, Cell, Pages, Processor};
use crate::error::{Error, Outcome};
use nix::errno::Errno;
use std::fs;

/// Where the kernel tells of them (sysfs(5)).
pub const SYSTEM: &str = "/sys/devices/system";

/// The KiB of a plain page on the one architecture that there is a build for.
const PAGE: u64 = 4;

/// A file that must be there.
pub fn text(path: &str) -> Outcome<String> {
    fs::read_to_string(path)
        .map_err(|e| Error::kernel(format!("read {path}"), Errno::from_raw(e.raw_os_error().unwrap_or(0))))
}

fn word(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|t| t.trim().to_owned())
}

fn number(path: &str) -> Option<u32> {
    word(path)?.parse().ok()
}

fn processor(id: u32) -> Processor {
    let of = |file: &str| format!("{SYSTEM}/cpu/cpu{id}/topology/{file}");
    Processor {
        id,
        socket: number(&of("physical_package_id")).unwrap_or(0),
        die: number(&of("die_id")).unwrap_or(0),
        core: number(&of("core_id")).unwrap_or(id),
        siblings: word(&of("thread_siblings_list")).unwrap_or_else(|| id.to_string()),
    }
}

/// The processors that are online.
pub fn online() -> Outcome<Vec<u32>> {
    Ok(list(&text(&format!("{SYSTEM}/cpu/online"))?))
}

/// The processors that there are, online or not.
pub fn present() -> Outcome<Vec<u32>> {
    Ok(list(&text(&format!("{SYSTEM}/cpu/present"))?))
}

fn huge(directory: &str, counter: &str) -> Vec<Pages> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let one = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let kib = name
            .to_str()?
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?
            .parse()
            .ok()?;
        let count = word(&format!("{directory}/{}/{counter}", name.to_str()?))?
            .parse()
            .ok()?;
        Some(Pages { kib, count })
    };
    let mut found: Vec<Pages> = entries.filter_map(one).collect();
    found.sort_by_key(|p| p.kib);
    found
}

fn pages(memory: u64, directory: &str) -> Vec<Pages> {
    let huge = huge(directory, "nr_hugepages");
    let reserved = huge
        .iter()
        .fold(0u64, |a, p| a.saturating_add(p.kib.saturating_mul(p.count)));
    let plain = Pages {
        kib: PAGE,
        count: memory.saturating_sub(reserved) / PAGE,
    };
    [plain].into_iter().chain(huge).collect()
}

/// The pages of a node that are free.
pub fn free_pages(cell: &Cell) -> Vec<Pages> {
    let plain = Pages {
        kib: PAGE,
        count: cell.free / PAGE,
    };
    let directory = format!("{SYSTEM}/node/node{}/hugepages", cell.id);
    [plain].into_iter().chain(huge(&directory, "free_hugepages")).collect()
}

fn cell(id: u32, online: &[u32]) -> Outcome<Cell> {
    let of = |file: &str| format!("{SYSTEM}/node/node{id}/{file}");
    let meminfo = text(&of("meminfo"))?;
    let memory = node_memory(&meminfo, "MemTotal").unwrap_or(0);
    let here = list(&text(&of("cpulist"))?);
    let distances = word(&of("distance")).unwrap_or_default();
    Ok(Cell {
        id,
        memory,
        free: node_memory(&meminfo, "MemFree").unwrap_or(0),
        pages: pages(memory, &of("hugepages")),
        distances: distances.split_whitespace().filter_map(|d| d.parse().ok()).collect(),
        processors: here.into_iter().filter(|p| online.contains(p)).map(processor).collect(),
    })
}

/// The nodes; a kernel without them has one, with everything.
pub fn cells() -> Outcome<Vec<Cell>> {
    let online = online()?;
    if let Some(nodes) = word(&format!("{SYSTEM}/node/online")) {
        return list(&nodes).into_iter().map(|id| cell(id, &online)).collect();
    }
    let meminfo = text("/proc/meminfo")?;
    let total = memory(&meminfo, "MemTotal").unwrap_or(0);
    Ok(vec![Cell {
        id: 0,
        memory: total,
        free: memory(&meminfo, "MemFree").unwrap_or(0),
        pages: pages(total, ""),
        distances: vec![],
        processors: online.into_iter().map(processor).collect(),
    }])
}

/// The caches of the last level, which processors share.
pub fn caches() -> Outcome<Vec<Cache>> {
    let mut found = Vec::new();
    for processor in online()? {
        for index in 0..16 {
            let of = |file: &str| format!("{SYSTEM}/cpu/cpu{processor}/cache/index{index}/{file}");
            let Some(level) = number(&of("level")) else { break };
            let kind = match word(&of("type")).as_deref() {
                Some("Unified") => "both",
                Some("Instruction") => "code",
                _ => "data",
            };
            let size = word(&of("size")).unwrap_or_default();
            found.push(Cache {
                level,
                id: number(&of("id")).unwrap_or(0),
                kind,
                kib: size.strip_suffix('K').and_then(|s| s.parse().ok()).unwrap_or(0),
                processors: word(&of("shared_cpu_list")).unwrap_or_default(),
            });
        }
    }
    let last = found.iter().map(|c| c.level).max().unwrap_or(0);
    found.retain(|c| c.level == last && last >= 3);
    found.sort();
    found.dedup();
    Ok(found)
}
