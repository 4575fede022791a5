//! The launcher lives for one start or stop; what only waits keeps nobody's power, and a `run` in the foreground little.

use std::process::{Child, Stdio};
use tests::process::{self, EFFECTIVE, PERMITTED};
use tests::{Host, capture, need_root, skip};
use wire::Program;

/// The launchers at work on this host.
fn launchers(host: &Host) -> Vec<i32> {
    let is_launcher = |pid: &i32| process::executable(*pid).is_some_and(|e| e.ends_with("launcher"));
    let all = tests::kernel::processes(host.ids(), host.holder());
    all.into_iter().filter(is_launcher).collect()
}

fn begin(host: &Host, words: &[&str]) -> Child {
    let mut command = host.lazaret(words);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn who_only_waits_lets_the_launcher_go() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, "echo here; while :; do sleep 1000; done", "", "");
    host.run(&["create", &file]).ok();
    for words in [
        &["enter", &name, "--", "sleep", "1000"][..],
        &["console", &name],
        &["logs", "-f", &name],
        &["wait", &name],
    ] {
        let mut waiting = begin(&host, words);
        let works = || {
            process::all()
                .iter()
                .any(|pid| process::parent(*pid) == Some(waiting.id().cast_signed()))
        };
        // Its launcher is its child, until it is let go.
        capture::until(std::time::Duration::from_secs(1), works);
        assert!(
            capture::until(capture::DEADLINE, || launchers(&host).is_empty()),
            "{words:?} keeps {:?}",
            launchers(&host)
        );
        assert!(waiting.try_wait().unwrap().is_none(), "{words:?} has ended");
        waiting.kill().unwrap();
        waiting.wait().unwrap();
    }
    let waiting = begin(&host, &["wait", &name]);
    assert!(capture::until(capture::DEADLINE, || launchers(&host).is_empty()));
    host.run(&["destroy", &name]).ok();
    let said = capture::collect(waiting, "lazaret wait".into(), Vec::new(), capture::DEADLINE);
    assert_eq!(said.stdout, "137\n", "{said}");
    host.nothing_is_left();
}

#[test]
fn behind_a_run_it_holds_what_clearing_away_takes() {
    need_root!();
    let host = Host::new();
    let words = host.once_arguments(&[], &["sh", "-c", "echo here; read x"]);
    let mut running = begin(&host, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let mut first = [0u8; 5];
    std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut first).unwrap();
    let [launcher] = launchers(&host)[..] else {
        panic!("{:?}", launchers(&host))
    };
    assert_eq!(
        tests::programs::of_file(&process::executable(launcher).unwrap()),
        Some(Program::Launcher)
    );
    // DAC_OVERRIDE, SETGID, SETUID, SETPCAP, NET_ADMIN, AUDIT_WRITE.
    let clearing = [1, 6, 7, 8, 12, 29].iter().fold(0u64, |set, bit| set | 1 << bit);
    let little = || {
        let held = process::holding(launcher).unwrap();
        (held.capabilities[PERMITTED] | held.capabilities[EFFECTIVE]) & !clearing == 0
    };
    assert!(capture::until(capture::DEADLINE, little));
    drop(running.stdin.take());
    assert!(capture::wait(&mut running, capture::DEADLINE).is_some());
    host.nothing_is_left();
}

/// Whoever has no launcher has no power either, and says in one line what is missing; what needs nobody's help goes on.
#[test]
fn one_that_cannot_be_executed_is_told_of_by_whoever_needs_it() {
    need_root!();
    let place = std::path::Path::new("/usr/local/libexec/lazaret/launcher");
    if place.exists() {
        skip!("Lazaret is installed on this host");
    }
    let host = Host::new();
    // A copy does not find the programs that were built beside it.
    let copy = tests::programs::copied(Program::Lazaret);
    let ask = |words: &[&str]| capture::run(host.command(copy.to_str().unwrap()).args(words), b"");
    for (words, status) in [(&["run", "--", "true"][..], 125), (&["list"], 1)] {
        let said = ask(words).exits(status);
        assert_eq!(said.stderr.lines().count(), 1, "{said}");
        assert!(
            said.stderr.contains(place.to_str().unwrap()) && said.stderr.contains("no such file"),
            "{said}"
        );
    }
    ask(&["version"]).ok();
    tests::programs::forget_copies();
    host.nothing_is_left();
}
