//! `shutdown` and `reboot`: who says that it was done has seen the container's first process go down; who has not says so, and how to end it.

use std::path::Path;
use std::time::{Duration, Instant};
use tests::{Host, capture, need_root};

/// A container whose init does this, ready to be asked.
fn started(host: &Host, name: &str, init: &str, general: &str) -> i32 {
    let script = format!("{init}; touch /ready; while :; do sleep 0.1; done");
    host.run(&["define", &host.domain_file(name, &script, general, "")])
        .ok();
    host.run(&["start", name]).ok();
    ready(host);
    host.pid_1(name).expect("it runs")
}

/// Waits until its init is ready.
fn ready(host: &Host) {
    let file = host.image().join("ready");
    assert!(capture::until(capture::DEADLINE, || file.exists()), "it gets ready");
    std::fs::remove_file(file).expect("for the next one");
}

fn lives(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn one_that_takes_the_signal_and_stays_is_told_of_and_runs_on() {
    need_root!();
    let host = Host::new();
    let name = host.name("deaf");
    let pid1 = started(&host, &name, "trap : TERM INT", "");
    for verb in ["shutdown", "reboot"] {
        let from = Instant::now();
        let said = host.run(&[verb, &name, "--timeout", "1"]);
        said.refused(
            1,
            &["has not gone down within 1 s", &format!("lazaret destroy {name} ")],
        );
        assert!(from.elapsed() >= Duration::from_secs(1), "{:?}", from.elapsed());
        host.run(&[verb, &name, "--timeout", "0"]).ok();
        assert!(lives(pid1) && host.pid_1(&name) == Some(pid1), "{verb}");
    }
    for bad in ["-1", "x", "4294967296"] {
        host.run(&["shutdown", &name, "--timeout", bad]).exits(2);
    }
    host.run(&["destroy", &name]).ok();
    host.run(&["shutdown", &name]).exits(1);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn one_that_takes_its_time_is_waited_for_and_can_be_started_again_at_once() {
    need_root!();
    let host = Host::new();
    let name = host.name("late");
    let pid1 = started(&host, &name, "trap 'sleep 2; exit 0' TERM", "");
    let from = Instant::now();
    let said = host.run(&["shutdown", &name]).ok();
    assert_eq!(said.stdout, format!("Domain '{name}' is being shutdown\n\n"));
    assert!(
        from.elapsed() >= Duration::from_secs(2) && !lives(pid1),
        "{:?}",
        from.elapsed()
    );
    assert_eq!(host.listed(&name)["state"], "shut off");
    host.run(&["start", &name]).ok();
    ready(&host);
    host.run(&["shutdown", &name]).ok();
    host.run(&["start", &name]).ok();
    ready(&host);
    host.run(&["shutdown", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn one_that_starts_anew_has_gone_down_before() {
    need_root!();
    let host = Host::new();
    let name = host.name("again");
    let again = "<on_poweroff>restart</on_poweroff>";
    let pid1 = started(
        &host,
        &name,
        "trap 'sleep 1; reboot -f' INT; trap 'poweroff -f' TERM",
        again,
    );
    let from = Instant::now();
    let said = host.run(&["reboot", &name]).ok();
    assert_eq!(said.stdout, format!("Domain '{name}' is being rebooted\n\n"));
    assert!(
        from.elapsed() >= Duration::from_secs(1) && !lives(pid1),
        "{:?}",
        from.elapsed()
    );
    ready(&host);
    let second = host.pid_1(&name).expect("it runs");
    assert_ne!(second, pid1);
    // Its end is not the end of the container where something is started in its place.
    host.run(&["shutdown", &name]).ok();
    assert!(!lives(second));
    ready(&host);
    assert_ne!(host.pid_1(&name), Some(second));
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
