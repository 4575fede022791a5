//! Which control group is an ordinary user's own, and which controllers it has; what mends it where there is none. May touch: `/proc`, control
//! groups and the files of the user's transient units, to read.

use super::obstacle::Obstacle;
use std::os::unix::fs::MetadataExt;
use wire::user::{SCOPE, delegates, transient, unit, within};

/// What limits, figures and memory of a container's own take.
pub const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// A group that is the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Where it is.
    pub place: String,
    /// Which controllers it has, of [`CONTROLLERS`].
    pub controllers: Vec<&'static str>,
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn listed(file: &str) -> Vec<&'static str> {
    let all = text(file);
    let has = |c: &&str| all.split_whitespace().any(|w| w == *c);
    CONTROLLERS.into_iter().filter(has).collect()
}

/// Where the unified hierarchy is, if the whole of it is mounted.
fn unified() -> Option<String> {
    let mounted = crate::figures::groups::mounted(&text("/proc/self/mountinfo"));
    mounted.into_iter().find(|h| h.unified).map(|h| h.place)
}

/// Whether systemd is the host's first process.
fn systemd() -> bool {
    text("/proc/1/comm").trim() == "systemd"
}

/// The group in which this process is, if it is the user's: of the user with this id, who has it and what delegation gives away of it.
pub fn own(uid: u32) -> Result<Delegation, Obstacle> {
    let Some(root) = unified() else {
        return Err(obstacle(
            "this host has no control groups of version 2 that you can be given",
            "sudo mount -t cgroup2 none /sys/fs/cgroup",
        ));
    };
    let cgroup = text("/proc/self/cgroup");
    let given = |path: &&str| unit(path).is_none_or(|unit| delegates(&text(&transient(uid, unit))));
    let place = within(&cgroup).filter(given).map(|path| format!("{root}{path}"));
    let users = |place: &String| {
        let is = |file: &str| std::fs::metadata(format!("{place}/{file}")).is_ok_and(|m| m.uid() == uid);
        [".", "cgroup.procs", "cgroup.subtree_control"].into_iter().all(is)
    };
    match place.filter(users) {
        Some(place) => Ok(Delegation {
            controllers: listed(&format!("{place}/cgroup.controllers")),
            place,
        }),
        None => Err(obstacle(
            "lazaret was called in no control group of yours: no limits, no suspend, no figures, no meminfo of a container's own",
            &giving(&root, uid, systemd()),
        )),
    }
}

fn obstacle(what: &str, mend: &str) -> Obstacle {
    Obstacle {
        what: what.to_owned(),
        mend: mend.to_owned(),
    }
}

/// What gives one: systemd for a command, or root to this shell.
fn giving(root: &str, uid: u32, systemd: bool) -> String {
    if systemd {
        return format!("{SCOPE} lazaret ...");
    }
    let group = format!("{root}/user-{uid}");
    format!(
        "sudo sh -c 'mkdir -p {group} && chown {uid} {group} {group}/cgroup.procs {group}/cgroup.threads {group}/cgroup.subtree_control && \
         echo '$$' > {group}/cgroup.procs'"
    )
}

/// What gives a controller that is not delegated.
pub fn mend(delegation: &Delegation, controller: &str) -> String {
    let root = unified().unwrap_or_default();
    let there = listed(&format!("{root}/cgroup.controllers")).contains(&controller);
    of_controller(controller, there, systemd(), &above(&root, &delegation.place))
}

/// The groups above one, from the root on, by the files that pass controllers on.
fn above(root: &str, place: &str) -> String {
    let below = place.strip_prefix(root).unwrap_or_default();
    let (parent, _) = below.rsplit_once('/').unwrap_or_default();
    let mut at = root.to_owned();
    let mut all = format!("{at}/cgroup.subtree_control");
    for part in parent.split('/').filter(|p| !p.is_empty()) {
        at = format!("{at}/{part}");
        all = format!("{all} {at}/cgroup.subtree_control");
    }
    all
}

fn of_controller(controller: &str, there: bool, systemd: bool, above: &str) -> String {
    match (there, systemd) {
        (false, _) => format!("boot with cgroup_no_v1={controller} on the kernel's command line"),
        (true, true) => "sudo mkdir -p /etc/systemd/system/user@.service.d; \
             printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf; \
             sudo systemctl daemon-reload   # and log in again"
            .to_owned(),
        (true, false) => format!("echo +{controller} | sudo tee {above}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_comes_with_what_gives_it() {
        assert!(giving("/sys/fs/cgroup", 7, true).starts_with("systemd-run --user --scope"));
        let by_hand = giving("/g", 7, false);
        assert!(by_hand.contains("chown 7 /g/user-7 ") && by_hand.contains("echo '$$' > /g/user-7/cgroup.procs"));
        let files = above("/g", "/g/a/b");
        assert_eq!(files, "/g/cgroup.subtree_control /g/a/cgroup.subtree_control");
        assert_eq!(above("/g", "/g/a"), "/g/cgroup.subtree_control");
        assert_eq!(
            of_controller("io", true, false, &files),
            format!("echo +io | sudo tee {files}")
        );
        assert!(of_controller("io", true, true, &files).contains("user@.service.d"));
        assert!(of_controller("io", false, true, &files).contains("cgroup_no_v1=io"));
    }
}
