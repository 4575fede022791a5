//! What exists on the host: mounts, links, control groups, firewall rules, processes and state files, as the kernel tells it.
//! Taken before and after, so that a test can show that nothing was left behind. Reads only.

use crate::capture::output;
use crate::process;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One look at the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    things: BTreeSet<String>,
}

/// The cgroup hierarchies, by their mount points.
pub fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo");
    let point = |line: &str| {
        let (head, tail) = line.split_once(" - ")?;
        tail.starts_with("cgroup")
            .then(|| PathBuf::from(head.split(' ').nth(4).expect("a mount point")))
    };
    mounts.lines().filter_map(point).collect()
}

/// The groups of containers: every directory below `lazaret` in every hierarchy.
pub fn groups() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        let mut open = vec![hierarchy.join("lazaret")];
        while let Some(directory) = open.pop() {
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            // `.keep` is the host's, as `lazaret` is: where programs are that outlive a command. It stays from the first one on.
            let below: Vec<PathBuf> = entries
                .flatten()
                .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()) && e.file_name() != ".keep")
                .map(|e| e.path())
                .collect();
            found.extend(below.iter().cloned());
            open.extend(below);
        }
    }
    found
}

/// The groups of one container, one in each hierarchy.
pub fn groups_of(name: &str) -> Vec<PathBuf> {
    hierarchies()
        .into_iter()
        .map(|h| h.join("lazaret").join(name))
        .filter(|g| g.is_dir())
        .collect()
}

/// The processes that run under these ids, and those of our programs that are at work in the mount namespace of `holder`.
pub fn processes(ids: std::ops::Range<u32>, holder: u32) -> Vec<i32> {
    let holder = i32::try_from(holder).expect("a pid");
    let place = process::namespace(holder, "mnt");
    let ours = |pid: &i32| {
        let under = process::holding(*pid).is_some_and(|h| h.uid.iter().chain(&h.gid).any(|id| ids.contains(id)));
        let works = || process::executable(*pid).is_some_and(|e| crate::programs::of_file(&e).is_some());
        under || (process::namespace(*pid, "mnt") == place && works())
    };
    process::all().into_iter().filter(ours).collect()
}

/// Whether a group belongs to another test program that runs at the same time: names end in its pid and a number. With
/// `LAZARET_TEST_BESIDE_OTHERS`, for a host that is used for other things meanwhile, every group without this program's pid does.
fn another_tests(group: &str) -> bool {
    let pid_in = |part: &str| {
        let mut words = part.rsplit('-');
        let numeric = |word: Option<&str>| word.and_then(|w| w.parse::<u32>().ok());
        numeric(words.next()).and(numeric(words.next()))
    };
    match group.split('/').find_map(pid_in) {
        Some(pid) => pid != std::process::id(),
        None => std::env::var_os("LAZARET_TEST_BESIDE_OTHERS").is_some(),
    }
}

fn describe(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let uid = process::holding(pid).map_or(0, |h| h.uid[1]);
    format!("process {pid} uid {uid}: {}", line.trim())
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.extend(files(&entry.path()));
        }
    }
    found
}

impl Snapshot {
    /// Looks at the host, at the network and mount namespace of the holder, which plays the host, and at these state directories.
    pub fn take(holder_pid: u32, ids: std::ops::Range<u32>, state: &[&Path]) -> Self {
        let mut things = BTreeSet::new();
        let holder = holder_pid.to_string();
        for (whose, pid) in [("host", "self"), ("test", holder.as_str())] {
            let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("read mountinfo");
            // The ids of mounts and peer groups are given out anew; what is mounted where is what counts.
            things.extend(
                text.lines()
                    .map(|l| format!("{whose} mount: {}", l.split(' ').skip(2).collect::<Vec<_>>().join(" "))),
            );
        }
        let inside = ["--net", "--target", &holder, "--"];
        let links = |text: String| -> Vec<String> {
            let links: serde_json::Value = serde_json::from_str(&text).expect("ip speaks JSON");
            let links = links.as_array().expect("a list of links").iter();
            links
                .map(|l| format!("{} {} {}", l["ifname"], l["link_type"], l["master"]))
                .collect()
        };
        things.extend(
            links(output("ip", &["-j", "link"]))
                .into_iter()
                .map(|l| format!("host link: {l}")),
        );
        things.extend(
            links(output("nsenter", &[&inside[..], &["ip", "-j", "link"]].concat()))
                .into_iter()
                .map(|l| format!("test link: {l}")),
        );
        things.extend(
            output("nft", &["list", "ruleset"])
                .lines()
                .map(|l| format!("host rule: {l}")),
        );
        things.extend(
            output("nsenter", &[&inside[..], &["nft", "list", "ruleset"]].concat())
                .lines()
                .map(|l| format!("test rule: {l}")),
        );
        let ours = |g: &PathBuf| !another_tests(&g.to_string_lossy());
        things.extend(
            groups()
                .into_iter()
                .filter(ours)
                .map(|g| format!("group: {}", g.display())),
        );
        things.extend(processes(ids, holder_pid).into_iter().map(describe));
        // The lock under which commands take turns stays.
        let kept = |path: &PathBuf| {
            path.file_name().is_some_and(|n| n == ".lock") && path.parent().is_some_and(|p| state.contains(&p))
        };
        things.extend(
            state
                .iter()
                .flat_map(|s| files(s))
                .filter(|f| !kept(f))
                .map(|f| format!("state: {}", f.display())),
        );
        Self { things }
    }

    /// Everything that was seen, in words.
    pub const fn things(&self) -> &BTreeSet<String> {
        &self.things
    }

    /// What is there now and was not before.
    pub fn added_since(&self, before: &Self) -> Vec<String> {
        self.things.difference(&before.things).cloned().collect()
    }

    /// What was there before and is not now.
    pub fn lost_since(&self, before: &Self) -> Vec<String> {
        before.things.difference(&self.things).cloned().collect()
    }
}
