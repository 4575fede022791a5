//! A `lazaret` that was taken over gets nothing from the launcher that the host's policy does not allow.

use std::path::Path;
use tests::{Host, capture, need_root, programs};
use wire::Program;

#[test]
fn every_request_that_is_not_allowed_is_refused_and_changes_nothing() {
    need_root!();
    let host = Host::new();
    let first = host.ids().start.to_string();
    let mut command = host.command("sh");
    command.args([
        "-c",
        "exec 5<\"$1\"; LAZARET_EXE=5 exec \"$2\" \"$3\" \"$4\"",
        "sh",
        env!("CARGO_BIN_EXE_imposter"),
    ]);
    // With its slashes turned, so that the command line does not name it.
    let elsewhere = host.directory().join("files/elsewhere");
    let turned = elsewhere.to_string_lossy().replace('/', ":");
    command.arg(programs::path(Program::Launcher)).args([&first, &turned]);
    let said = capture::run(&mut command, b"").ok();
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(lines.len() == 13, "{said}");
    for line in &lines[..11] {
        assert!(line.starts_with("refused: "), "{line}\n{said}");
    }
    assert!(
        lines[11].starts_with("told: ") && lines[12] == format!("told: ids from {first}"),
        "{said}"
    );
    assert!(!elsewhere.exists() && !Path::new("/root/imposter").exists());
    host.nothing_is_left();
}
