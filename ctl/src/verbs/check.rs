//! `check`: what this host offers, and the command that mends what is missing. May touch: `/proc` and `/sys`, to read.

mod hook;
mod labels;
mod user;

pub use labels::{PROFILES, selinux_enforces};

use crate::error::Outcome;
use crate::launcher::Launcher;
use crate::output::{print, print_json, table};
use serde::Serialize;
use std::fs::ReadDir;
use std::io::{BufRead, BufReader};
use std::path::Path;
use wire::cgroupd::{Controller, Hierarchy};

/// How one finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// It is there.
    Ok,
    /// Containers run without it.
    Warning,
    /// No container runs without it.
    Missing,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    mend: Option<String>,
}

fn finding(what: &'static str, good: bool, otherwise: Verdict, found: String, mend: &str) -> Finding {
    let verdict = if good { Verdict::Ok } else { otherwise };
    Finding {
        what,
        verdict,
        found,
        mend: (!good).then(|| mend.to_owned()),
    }
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn number(path: &str) -> Option<u64> {
    text(path).parse().ok()
}

/// The kernel's version as two numbers.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn kernel() -> Finding {
    let release = text("/proc/sys/kernel/osrelease");
    let good = version(&release).is_some_and(|v| v >= (6, 1));
    finding(
        "kernel",
        good,
        Verdict::Missing,
        release,
        "apt-get install linux-image-amd64   # 6.1 or later",
    )
}

fn user_namespaces() -> Finding {
    let most = number("/proc/sys/user/max_user_namespaces");
    let forbidden = number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0);
    let restricted = number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    let mend = match (forbidden, restricted) {
        (true, _) => "sysctl -w kernel.unprivileged_userns_clone=1",
        (_, true) => "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        _ => "sysctl -w user.max_user_namespaces=15000",
    };
    let found = match (most, forbidden, restricted) {
        (_, true, _) => "forbidden to ordinary users".to_owned(),
        (_, _, true) => "restricted by AppArmor".to_owned(),
        (None, _, _) => "none".to_owned(),
        (Some(n), _, _) => format!("up to {n}"),
    };
    let good = most.is_some_and(|n| n >= 2) && !forbidden && !restricted;
    finding("user namespaces", good, Verdict::Missing, found, mend)
}

fn other_namespaces() -> Finding {
    let missing: Vec<&str> = ["mnt", "pid", "net", "ipc", "uts", "cgroup"]
        .into_iter()
        .filter(|n| std::fs::symlink_metadata(format!("/proc/self/ns/{n}")).is_err())
        .collect();
    let found = if missing.is_empty() {
        "mnt pid net ipc uts cgroup".to_owned()
    } else {
        format!("without {}", missing.join(" "))
    };
    finding(
        "namespaces",
        missing.is_empty(),
        Verdict::Missing,
        found,
        "boot a kernel with CONFIG_NAMESPACES and all below it",
    )
}

fn control_groups(hierarchies: Option<&[Hierarchy]>) -> Vec<Finding> {
    let mounts = text("/proc/self/mountinfo");
    let kinds = |kind: &str| mounts.lines().filter(|l| l.contains(&format!(" - {kind} "))).count();
    let (v1, v2) = (kinds("cgroup"), kinds("cgroup2"));
    let found = match (v1, v2) {
        (0, 0) => "none mounted".to_owned(),
        (0, _) => "version 2".to_owned(),
        (n, 0) => format!("version 1, {n} hierarchies"),
        (n, _) => format!("mixed, {n} hierarchies of version 1 beside version 2"),
    };
    let mend = "mount -t cgroup2 none /sys/fs/cgroup";
    let mut findings = vec![finding(
        "control groups",
        v1 > 0 || v2 > 0,
        Verdict::Missing,
        found,
        mend,
    )];
    if let Some(hierarchies) = hierarchies {
        let has = |c: Controller| hierarchies.iter().any(|h| h.controllers.contains(&c));
        let needed = [
            ("memory", Controller::Memory, Verdict::Missing),
            ("cpu", Controller::Cpu, Verdict::Warning),
            ("cpuset", Controller::Cpuset, Verdict::Warning),
            ("pids", Controller::Pids, Verdict::Warning),
        ];
        for (name, controller, verdict) in needed {
            let good = has(controller);
            let found = if good {
                format!("{name} controller")
            } else {
                format!("no {name} controller")
            };
            let mend = format!(
                "echo +{name} | tee /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/lazaret/cgroup.subtree_control"
            );
            findings.push(finding("controller", good, verdict, found, &mend));
        }
    }
    findings
}

fn landlock() -> Finding {
    let abi = policies::landlock_abi().ok().flatten();
    let found = abi.map_or_else(
        || "absent: programs are bounded by capabilities, ids and filters alone".to_owned(),
        |v| format!("version {v}"),
    );
    finding(
        "Landlock",
        abi.is_some(),
        Verdict::Warning,
        found,
        "add landlock to lsm= on the kernel's command line, and reboot",
    )
}

fn seccomp() -> Finding {
    let actions = text("/proc/sys/kernel/seccomp/actions_avail");
    let good = ["kill_process", "errno"]
        .iter()
        .all(|a| actions.split_whitespace().any(|b| b == *a));
    finding(
        "seccomp",
        good,
        Verdict::Missing,
        if good { "filters".into() } else { "none".into() },
        "boot a kernel with CONFIG_SECCOMP_FILTER",
    )
}

fn fuse() -> Finding {
    let good = Path::new("/dev/fuse").exists();
    finding(
        "FUSE",
        good,
        Verdict::Missing,
        if good {
            "/dev/fuse".into()
        } else {
            "no /dev/fuse".into()
        },
        "modprobe fuse",
    )
}

/// Which of these functions the running kernel has, by its table of symbols; the addresses are hidden, the names are not.
fn symbols(names: &[&str]) -> Vec<bool> {
    let mut found = vec![false; names.len()];
    let Ok(file) = std::fs::File::open("/proc/kallsyms") else {
        return found;
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if !reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            return found;
        }
        let symbol = line.split(|b| b.is_ascii_whitespace()).nth(2).unwrap_or_default();
        for (slot, name) in found.iter_mut().zip(names) {
            *slot |= symbol == name.as_bytes();
        }
    }
}

fn networking() -> Vec<Finding> {
    let names = [
        ("nf_tables", "nft_do_chain"),
        ("bridge", "br_add_bridge"),
        ("veth", "veth_newlink"),
    ];
    let found = symbols(&names.map(|(_, symbol)| symbol));
    let one = |((module, _), good): (&(&str, &str), bool)| {
        let text = if good {
            (*module).to_owned()
        } else {
            format!("{module} is not loaded")
        };
        finding("network", good, Verdict::Warning, text, &format!("modprobe {module}"))
    };
    let mut findings: Vec<Finding> = names.iter().zip(found).map(one).collect();
    let forwards = text("/proc/sys/net/ipv4/ip_forward") == "1";
    let text = if forwards {
        "on; a start tells of firewall chains that drop what is forwarded"
    } else {
        "off: a container with the network default turns it on, and tells of firewall chains that drop what is forwarded"
    };
    findings.push(Finding {
        what: "forwarding",
        verdict: Verdict::Ok,
        found: text.to_owned(),
        mend: None,
    });
    findings
}

fn ids(launcher: &Launcher) -> Finding {
    let mend = "usermod --add-subuids 500000-1499999 --add-subgids 500000-1499999 root";
    match launcher.policy() {
        Ok(policy) => {
            let found = format!(
                "{} blocks of {} from {} on",
                policy.blocks,
                wire::ids::BLOCK,
                policy.first
            );
            finding("ids", policy.blocks > 0, Verdict::Missing, found, mend)
        }
        // It says itself what is to be mended, such as a line of the host's policy, or a program that is not installed.
        Err(e) => Finding {
            what: "launcher",
            verdict: Verdict::Missing,
            found: e.to_string(),
            mend: None,
        },
    }
}

/// Checks, and gives 1 if no container can run. `profiles` is [`PROFILES`], which must be open already.
pub fn check(launcher: Option<&Launcher>, profiles: Option<ReadDir>, json: bool) -> Outcome<u8> {
    // Asked first: a launcher that cannot start says why to the first question alone.
    let ids = launcher.map(ids);
    let hierarchies = launcher.and_then(|l| l.hierarchies().ok());
    let mut findings = vec![kernel(), other_namespaces(), landlock(), seccomp()];
    findings.extend(labels::findings(profiles));
    match ids {
        Some(ids) => {
            findings.extend([user_namespaces(), fuse(), ids]);
            findings.extend(control_groups(hierarchies.as_deref()));
            findings.extend(networking());
            findings.extend(hook::hook());
        }
        None => findings.extend(user::findings()),
    }
    let able = !findings.iter().any(|f| f.verdict == Verdict::Missing);
    if json {
        print_json(&serde_json::json!({"able": able, "findings": findings}))?;
    } else {
        let word = |v| match v {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Missing => "MISSING",
        };
        let row = |f: &Finding| vec![f.what.to_owned(), word(f.verdict).to_owned(), f.found.clone()];
        print(&table(
            &["What", "Verdict", "Found"],
            &findings.iter().map(row).collect::<Vec<_>>(),
        ))?;
        for f in &findings {
            if let Some(mend) = &f.mend {
                print(&format!("{}: {mend}\n", f.what))?;
            }
        }
        print(if able {
            "Containers can run here.\n"
        } else {
            "Containers cannot run here.\n"
        })?;
    }
    Ok(u8::from(!able))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernels_version_is_two_numbers() {
        assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(version("6.18"), Some((6, 18)));
        assert_eq!(version("x"), None);
    }

    #[test]
    fn what_is_missing_comes_with_its_mend() {
        let f = finding("x", false, Verdict::Missing, String::new(), "do this");
        assert_eq!((f.verdict, f.mend.as_deref()), (Verdict::Missing, Some("do this")));
        assert_eq!(
            finding("x", true, Verdict::Missing, String::new(), "do this").mend,
            None
        );
    }
}
