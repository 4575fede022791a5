//! A container in the background leaves its output and its exit status, until it is forgotten.

use tests::{Host, capture, need_root};

fn detached(host: &Host, options: &[&str], command: &[&str]) -> String {
    let name = host.name("job");
    let arguments = host.once_arguments(&[&["-d", "--name", name.as_str()], options].concat(), command);
    let said = host.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    assert!(said.stdout.contains(&name), "{said}");
    name
}

#[test]
fn logs_wait_and_the_exit_status_work_afterwards() {
    need_root!();
    let host = Host::new();
    let name = detached(&host, &[], &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    let waited = host.run(&["wait", &name]).ok();
    assert!(waited.stdout.split_whitespace().any(|w| w == "7"), "{waited}");
    let log = host.run(&["logs", &name]).ok().stdout;
    assert!(log.contains("out\n") && log.contains("err\n"), "{log}");
    assert!(
        host.run(&["wait", &name, "--json"]).ok().stdout.contains('7'),
        "again, at once"
    );
    assert!(!host.runs(&name));
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn wait_ends_when_the_container_does() {
    need_root!();
    let host = Host::new();
    let name = detached(
        &host,
        &[],
        &["sh", "-c", "while [ ! -e /var/tmp/go ]; do sleep 0.05; done; exit 9"],
    );
    let mut waiting = host
        .lazaret(&["wait", &name])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(capture::wait(&mut waiting, std::time::Duration::from_millis(500)).is_none());
    std::fs::write(host.image().join("var/tmp/go"), "").unwrap();
    let out = capture::collect(waiting, "lazaret wait".into(), Vec::new(), capture::DEADLINE).ok();
    assert!(out.stdout.split_whitespace().any(|w| w == "9"), "{out}");
    host.run(&["undefine", &name]).ok();
}

#[test]
fn a_signal_shows_in_the_exit_status() {
    need_root!();
    let host = Host::new();
    let name = detached(&host, &[], &["sh", "-c", "kill -9 $$"]);
    assert!(
        host.run(&["wait", &name])
            .ok()
            .stdout
            .split_whitespace()
            .any(|w| w == "137")
    );
    host.run(&["undefine", &name]).ok();
}

#[test]
fn rm_removes_it_when_it_ends() {
    need_root!();
    let host = Host::new();
    let name = detached(&host, &["--rm"], &["sh", "-c", "exit 0"]);
    assert!(capture::until(capture::DEADLINE, || host.listed(&name).is_null()));
    host.nothing_is_left();
}

#[test]
fn logs_follow_until_the_end() {
    need_root!();
    let host = Host::new();
    let name = detached(
        &host,
        &[],
        &["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done"],
    );
    let said = host.run(&["logs", "-f", &name]).ok();
    assert_eq!(said.stdout, "line 1\nline 2\nline 3\n");
    host.run(&["undefine", &name]).ok();
}

#[test]
fn more_output_than_is_kept_loses_its_beginning_and_not_its_end() {
    need_root!();
    let host = Host::new();
    let name = detached(&host, &[], &["sh", "-c", "seq 1 300000; echo the end"]);
    host.run(&["wait", &name]).ok();
    let log = host.run(&["logs", &name]).ok().stdout;
    assert!(
        log.ends_with("299999\n300000\nthe end\n") && log.len() <= 1024 * 1024,
        "{} bytes",
        log.len()
    );
    host.run(&["undefine", &name]).ok();
}

#[test]
fn shutdown_asks_and_destroy_does_not() {
    need_root!();
    let host = Host::new();
    let name = detached(
        &host,
        &[],
        &[
            "sh",
            "-c",
            "trap 'echo asked; exit 4' TERM; echo ready; while :; do sleep 1 & wait $!; done",
        ],
    );
    assert!(capture::until(capture::DEADLINE, || host
        .run(&["logs", &name])
        .stdout
        .contains("ready")));
    host.run(&["shutdown", &name]).ok();
    let waited = host.run(&["wait", &name]).ok();
    assert!(waited.stdout.split_whitespace().any(|w| w == "4"), "{waited}");
    assert!(host.run(&["logs", &name]).ok().stdout.contains("asked"));
    host.run(&["undefine", &name]).ok();
}
