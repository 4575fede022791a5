//! Nothing is left: mounts, links, groups, firewall rules, state files and processes are counted before and after.
//! LAZARET_TEST_STARTS and LAZARET_TEST_SIDE_BY_SIDE set how many starts are made in a row and at once.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Stdio;
use tests::{Host, capture, need_root};

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

#[test]
fn after_one_start_and_stop() {
    need_root!();
    let host = Host::new();
    host.once(&["--network", "default"], &["true"]).ok();
    host.nothing_is_left();
}

#[test]
fn after_many_starts_and_stops_in_a_row() {
    need_root!();
    let host = Host::new();
    let name = host.name("row");
    let file = host.domain_file(
        &name,
        "while :; do sleep 1000; done",
        "",
        "<interface type='network'><source network='default'/></interface>",
    );
    host.run(&["define", &file]).ok();
    let before = host.look();
    for round in 0..number("LAZARET_TEST_STARTS", 100) {
        host.run(&["start", &name]).ok();
        assert!(host.pid_1(&name).is_some(), "round {round}");
        host.run(&["destroy", &name]).ok();
        if round % 10 == 0 {
            let gone = capture::until(capture::DEADLINE / 6, || host.look().added_since(&before).is_empty());
            assert!(gone, "round {round} left {:?}", host.look().added_since(&before));
        }
    }
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn after_many_short_runs_in_a_row() {
    need_root!();
    let host = Host::new();
    for round in 0..number("LAZARET_TEST_STARTS", 100) {
        let said = host.once(&[], &["echo", "hello"]).ok();
        assert_eq!(
            (said.stdout.as_str(), said.stderr.as_str()),
            ("hello\n", ""),
            "round {round}"
        );
    }
    host.nothing_is_left();
}

#[test]
fn after_many_at_once() {
    need_root!();
    let host = Host::new();
    let many = number("LAZARET_TEST_SIDE_BY_SIDE", 10);
    let arguments = |i: usize| {
        let name = host.name(&format!("many{i}"));
        // Each stays until its input ends.
        let script = "ip -4 addr show scope global; cat > /dev/null";
        host.once_arguments(&["--network", "default", "--name", &name], &["sh", "-c", script])
    };
    let children: Vec<_> = (0..many)
        .map(|i| {
            host.lazaret(&arguments(i).iter().map(String::as_str).collect::<Vec<_>>())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let map = |i: usize| {
        let pid = host.pid_1(&host.name(&format!("many{i}")))?;
        std::fs::read_to_string(format!("/proc/{pid}/uid_map"))
            .ok()
            .filter(|m| m.contains("65536"))
    };
    let mut maps: Vec<String> = Vec::new();
    capture::until(capture::DEADLINE / 2, || {
        maps = (0..many).filter_map(map).collect();
        maps.len() == many
    });
    let said: Vec<String> = children
        .into_iter()
        .map(|c| {
            capture::collect(c, "lazaret run".into(), Vec::new(), capture::DEADLINE)
                .ok()
                .stdout
        })
        .collect();
    maps.sort_unstable();
    maps.dedup();
    assert_eq!(maps.len(), many, "each has ids of its own");
    let mut addresses: Vec<&str> = said
        .iter()
        .map(|s| {
            s.lines()
                .find(|l| l.contains("inet "))
                .unwrap()
                .split_whitespace()
                .nth(1)
                .unwrap()
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), many, "each has an address of its own");
    host.nothing_is_left();
}

#[test]
fn after_many_starts_of_one_name_at_once_of_which_one_wins() {
    need_root!();
    let host = Host::new();
    let name = host.name("same");
    host.run(&[
        "define",
        &host.domain_file(&name, "while :; do sleep 1000; done", "", ""),
    ])
    .ok();
    let children: Vec<_> = (0..5)
        .map(|_| {
            host.lazaret(&["start", &name])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let codes: Vec<i32> = children
        .into_iter()
        .map(|c| capture::collect(c, "lazaret start".into(), Vec::new(), capture::DEADLINE).code())
        .collect();
    assert_eq!(codes.iter().filter(|c| **c == 0).count(), 1, "{codes:?}");
    assert!(host.runs(&name));
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn after_refused_starts() {
    need_root!();
    let host = Host::new();
    let source = host.file("source", "x");
    host.once(
        &[
            "--network",
            "default",
            "--read-only",
            "--bind",
            &format!("{source}:/not/there"),
        ],
        &["true"],
    )
    .exits(125);
    host.once(&["--network", "default", "--user", "nobody-of-this-name"], &["true"])
        .exits(125);
    host.once(&["--network", "default"], &["/bin/nowhere"]).exits(127);
    host.nothing_is_left();
}

/// The plan alone names the bridge: one that cannot be read this time is read by the next command.
#[test]
fn after_a_plan_could_not_be_read() {
    need_root!();
    let host = Host::new();
    let name = host.name("unread");
    let network = "<interface type='network'><source network='default'/></interface>";
    host.run(&[
        "create",
        &host.domain_file(&name, "while :; do sleep 1000; done", "", network),
    ])
    .ok();
    let plan = host.run_directory().join(&name).join("plan.json");
    let aside = host.directory().join("files/plan");
    std::fs::rename(&plan, &aside).unwrap();
    std::fs::create_dir(&plan).unwrap();
    host.run(&["destroy", &name]).refused(1, &["plan.json"]);
    let first = host.pid_1(&name).expect("it runs as before");
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let said = || host.run(&["list"]).ok().stderr;
    let told = capture::until(capture::DEADLINE / 3, || {
        said().contains("cannot clear away what is left")
    });
    assert!(told, "{}", said());
    std::fs::remove_dir(&plan).unwrap();
    std::fs::rename(&aside, &plan).unwrap();
    assert_eq!(said(), "");
    host.nothing_is_left();
}
