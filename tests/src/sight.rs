//! What can be told of a host and of a container that runs there, in lines that are the same for two containers that were made alike: no pid, no
//! device number, no id of a block. Reads /proc and the control groups.

use crate::kernel::{self, Snapshot};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use wire::ids::BLOCK;

/// How many of each thing there are; processes without their numbers.
pub type Things = BTreeMap<String, usize>;

/// A line in which host ids are told by their place in the block: which block a container has does not matter.
pub fn told(line: &str, ids: &Range<u32>) -> String {
    let mut text = String::new();
    for word in line.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        match digits.parse::<u32>() {
            Ok(id) if ids.contains(&id) => {
                text.push_str(&format!("block+{}", (id - ids.start) % BLOCK));
                text.push_str(&word[digits.len()..]);
            }
            _ => text.push_str(word),
        }
    }
    text
}

/// What keeps a process in: its capabilities, no-new-privileges, its filters.
fn kept_in(pid: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tells = |line: &&str| ["Cap", "NoNewPrivs", "Seccomp"].iter().any(|s| line.starts_with(s));
    let lines: Vec<String> = text.lines().filter(tells).map(|l| l.replace('\t', " ")).collect();
    lines.join(" ")
}

/// Groups count if they have one of these names: other containers of the machine come and go.
pub fn things(snapshot: &Snapshot, names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let ours = |thing: &&String| !thing.starts_with("group: ") || names.iter().any(|n| thing.contains(n));
    for thing in snapshot.things().iter().filter(ours) {
        let words = thing.strip_prefix("process ").and_then(|p| p.split_once(' '));
        let thing = words.map_or_else(
            || thing.clone(),
            |(pid, what)| format!("process {what} {}", kept_in(pid)),
        );
        found.push(thing);
    }
    found
}

/// What keeps a container in, besides what its processes hold: its mounts with their flags, its limits.
pub fn inside(name: &str, pid_1: i32) -> Vec<String> {
    let read = |what: &str| fs::read_to_string(format!("/proc/{pid_1}/{what}")).unwrap_or_default();
    let mut found = Vec::new();
    for line in read("mountinfo").lines() {
        // Root, place, options; type and the super block's options. Numbers of mounts and devices are given out anew.
        let (head, tail) = line.split_once(" - ").unwrap_or((line, ""));
        let head: Vec<&str> = head.split(' ').skip(3).take(3).collect();
        found.push(format!("inside mount: {} {tail}", head.join(" ")));
    }
    found.extend(read("limits").lines().map(|l| format!("inside limit: {l}")));
    for group in kernel::groups_of(name) {
        for file in fs::read_dir(&group).into_iter().flatten().flatten() {
            let file = file.file_name().to_string_lossy().into_owned();
            if [
                ".max",
                ".limit_in_bytes",
                ".weight",
                ".shares",
                "cfs_quota_us",
                "cpuset.cpus",
            ]
            .iter()
            .any(|end| file.ends_with(end))
            {
                let value = fs::read_to_string(group.join(&file)).unwrap_or_default();
                found.push(format!("inside {}/{file}: {}", group.display(), value.trim()));
            }
        }
    }
    found
}

/// What is there now and was not before.
pub fn added(now: &Things, before: &Things) -> Vec<String> {
    let more = |(thing, count): (&String, &usize)| {
        let had = before.get(thing).copied().unwrap_or(0);
        (*count > had).then(|| format!("{thing} ({count}, {had} before)"))
    };
    now.iter().filter_map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_block_a_container_has_does_not_matter() {
        let ids = 2_000_000..2_000_000 + 2 * BLOCK;
        let line = |id: u32| format!("mount uid={id},gid=7 {id}");
        assert_eq!(told(&line(2_000_005 + BLOCK), &ids), "mount uid=block+5,gid=7 block+5");
        assert_eq!(told(&line(1_999_999), &ids), line(1_999_999));
    }
}
