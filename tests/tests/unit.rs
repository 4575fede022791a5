//! `lazaret@.service`: what it puts around a container is nothing that the container would feel, and a container that is started from within
//! lives as any other. systemd itself is not asked: what its options do is done by hand, as systemd.exec(5) says it.

use policies::verdict::{Verdict, X86_64, verdict};
use std::fs;
use std::process::Command;
use tests::programs::{self, tree};
use tests::{Host, capture, need_root, skip};
use wire::Program;
use wire::init::Profile;

/// The values of a setting, of all its lines.
fn setting(name: &str) -> Vec<String> {
    let unit = fs::read_to_string(tree().join("units/lazaret@.service")).unwrap();
    let lines = unit.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix('='));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

fn is_denied(call: &str, arguments: [u64; 6]) -> bool {
    let Some((_, number)) = policies::calls::CALLS.iter().find(|(name, _)| *name == call) else {
        return true;
    };
    let denied = |profile| {
        let number = u32::try_from(*number).unwrap();
        verdict(policies::payload(profile).filters, X86_64, number, arguments) != Verdict::Allowed
    };
    denied(Profile::App) && denied(Profile::System)
}

/// The calls of a group of systemd's, the groups in it included. `None`: there is no systemd-analyze.
fn group(name: &str) -> Option<Vec<String>> {
    let output = Command::new("systemd-analyze")
        .args(["syscall-filter", "--no-pager", name])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut calls = Vec::new();
    for word in text
        .lines()
        .skip(1)
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        match word.starts_with('@') {
            true => calls.extend(group(word)?),
            false => calls.push(word.to_owned()),
        }
    }
    Some(calls)
}

#[test]
fn no_call_is_taken_that_a_container_may_make() {
    let groups = setting("SystemCallFilter");
    assert!(groups.iter().any(|g| g == "~@swap"), "{groups:?}");
    // What ProtectKernelLogs= takes.
    assert_eq!(setting("ProtectKernelLogs"), ["yes"]);
    assert!(is_denied("syslog", [0; 6]) && !is_denied("read", [0; 6]));
    for name in groups {
        let Some(calls) = group(name.trim_start_matches('~')) else {
            skip!("needs systemd-analyze for the groups of system calls");
        };
        assert!(!calls.is_empty(), "{name}");
        let allowed: Vec<&String> = calls.iter().filter(|c| !is_denied(c, [0; 6])).collect();
        assert!(allowed.is_empty(), "{name} has what a container may call: {allowed:?}");
    }
    // Of a group that the unit leaves alone, some may be made: reading the clock's state is one.
    let clock = group("@clock").unwrap_or_default();
    assert!(clock.iter().any(|c| !is_denied(c, [0; 6])), "{clock:?}");
    let families = setting("RestrictAddressFamilies");
    assert_eq!(families, ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]);
    // Their numbers, of `linux/socket.h`.
    let ours: [u64; 4] = [1, 2, 10, 16];
    for family in (0u64..64).filter(|f| !ours.contains(f)) {
        assert!(is_denied("socket", [family, 1, 0, 0, 0, 0]), "family {family}");
    }
}

#[test]
fn both_units_put_the_same_around_a_container() {
    let around = |unit: &str| -> Vec<String> {
        let text = fs::read_to_string(tree().join("units").join(unit)).unwrap();
        let service = text
            .split_once("[Service]")
            .unwrap()
            .1
            .split_once("[Install]")
            .unwrap()
            .0;
        let mut lines: Vec<String> = service
            .lines()
            .filter(|l| {
                l.contains('=') && !l.starts_with('#') && !l.starts_with("Exec") && !l.starts_with("TimeoutStopSec")
            })
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    let (one, all) = (around("lazaret@.service"), around("lazaret-autostart.service"));
    assert!(one == all && one.len() > 10, "{one:?}\n{all:?}");
}

#[test]
fn all_that_the_launcher_hands_out_is_there() {
    let there = setting("CapabilityBoundingSet");
    let policy = fs::read_to_string(tree().join("policies/launcher.policy")).unwrap();
    let power = policy.lines().find_map(|l| l.strip_prefix("power ")).unwrap();
    // AUDIT_CONTROL is what asking the kernel's audit system takes; without it, the kernel seems to have none.
    for capability in power.split_whitespace().chain(["AUDIT_CONTROL"]) {
        assert!(there.contains(&format!("CAP_{capability}")), "{capability}");
    }
}

/// A mount namespace that only hears of the host's mounts, the kernel's log hidden, and no capability beyond the unit's.
const AROUND: &str = "set -e; mount --make-rshared /; for f in /proc/kmsg /dev/kmsg; do if [ -e $f ]; then mount --bind \"$3\" $f; fi; done; \
    exec setpriv --bounding-set=\"$2\" \"$0\" start \"$1\"";

#[test]
fn a_container_of_a_unit_is_entered_and_ended_from_outside() {
    need_root!();
    let host = Host::new();
    let name = host.name("unit");
    let network = "<interface type='network'><source network='default'/></interface>";
    let file = host.domain_file(&name, "while :; do sleep 1000; done", "", network);
    host.run(&["define", &file]).ok();
    let hidden = host.file("hidden", String::new());
    let capabilities = setting("CapabilityBoundingSet").into_iter();
    let bounds: String = capabilities
        .map(|c| format!(",+{}", c.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    let mut start = host.command("unshare");
    start
        .args(["--mount", "--propagation", "slave", "sh", "-c", AROUND])
        .arg(programs::path(Program::Lazaret))
        .args([&name, &format!("-all{bounds}"), &hidden]);
    capture::run(&mut start, b"").ok();
    assert_eq!(
        host.run(&["enter", &name, "--", "sh", "-c", "echo $((40 + 2))"])
            .ok()
            .stdout,
        "42\n"
    );
    let privileges = host.run(&["privileges", &name]).ok().stdout;
    assert!(privileges.contains("init"), "{privileges}");
    // It has a procfs of its own, though a part of the one around it is hidden.
    let seen = host.run(&["enter", &name, "--", "cat", "/proc/1/comm"]).ok().stdout;
    assert!(!seen.is_empty());
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
}
