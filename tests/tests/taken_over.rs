//! A `lazaret` that was taken over gets nothing from the launcher that the host's policy does not allow.

use std::path::Path;
use tests::{Host, capture, need_root, programs};
use wire::Program;

#[test]
fn every_request_that_is_not_allowed_is_refused_and_changes_nothing() {
    need_root!();
    let host = Host::new();
    host.bare_policy("");
    let first = host.ids().start.to_string();
    let elsewhere = host.directory().join("files/elsewhere");
    let turned = elsewhere.to_string_lossy().replace('/', ":");
    let mut command = host.command(env!("CARGO_BIN_EXE_imposter"));
    command.arg(programs::path(Program::Launcher)).args([&first, &turned]);
    command.args(["run", "sh", "--bind", "/var/cache:/x"]);
    let said = capture::run(&mut command, b"").ok();
    let lines: Vec<&str> = said.stdout.lines().collect();
    let (asked, told) = lines.split_at(lines.len() - 4);
    let (left, refused): (Vec<&str>, Vec<&str>) = asked.iter().partition(|line| line.starts_with("left: "));
    for line in &refused {
        assert!(line.starts_with("refused: "), "{line}\n{said}");
    }
    // What has lost its line, or never had one, keeps nothing else from being cleared away.
    assert_eq!(left, ["left: naming a link of the host's that nobody lent"]);
    assert!(
        told[0].starts_with("told: ") && told[1] == format!("told: ids from {first}"),
        "{said}"
    );
    // Groups of no container, which nobody misses; `kill9` holds that those of others stay.
    assert!(
        told[2].starts_with("swept: ") && told[3].starts_with("timed: "),
        "{said}"
    );
    // What is wrong with the plans that are whole is just what is said to be.
    for (what, reason) in [
        ("the host's secrets", "`root /root` in /etc/lazaret.policy"),
        ("the host's configuration", "`root /etc` in /etc/lazaret.policy"),
        (
            "what a payload's arguments name",
            "`root /var/cache` in /etc/lazaret.policy",
        ),
        ("the ids of a user", "`map 1895825408 1000` in /etc/lazaret.policy"),
        (
            "a port that a service of the host's may have",
            "`publish 22` in /etc/lazaret.policy",
        ),
        ("half of all addresses", "`network 10.209.0.1/1` in /etc/lazaret.policy"),
        (
            "a network that is somebody's",
            "`network 198.51.100.1/24` in /etc/lazaret.policy",
        ),
        (
            "the address of another machine",
            "`address 192.0.2.1/24` in /etc/lazaret.policy",
        ),
        ("refused: capabilities beyond", "`capability "),
        ("entering with capabilities beyond", "`capability "),
        ("a filter in the place", "`seccomp "),
        ("a place that is not hidden", "`unmask "),
    ] {
        let line = asked.iter().find(|l| l.contains(what));
        assert!(line.is_some_and(|l| l.contains(reason)), "{what}: {said}");
    }
    assert!(asked.len() >= 18, "{said}");
    assert!(!elsewhere.exists() && !Path::new("/root/imposter").exists());
    host.nothing_is_left();
    // Each of them is on record.
    let log = host.run(&["audit", "log", "--json"]).ok().stdout;
    assert_eq!(log.lines().count(), asked.len(), "{log}");
    let of = |outcome: &str| {
        log.lines()
            .filter(|l| l.contains(&format!("\"outcome\":\"{outcome}\"")))
            .count()
    };
    assert_eq!((of("refused"), of("done")), (refused.len(), left.len()), "{log}");
}
