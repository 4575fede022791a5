//! `lazaret` under the name of virsh, for the tests, and what the kernel tells of a process.

use crate::{Host, Outcome, capture, programs};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use wire::Program;

/// An init that stays.
pub const STAY: &str = "while :; do sleep 1000; done";

/// A link called virsh on this host.
pub fn virsh(host: &Host, arguments: &[&str]) -> Command {
    let link = host.directory().join("virsh");
    if !link.exists() {
        symlink(programs::path(Program::Lazaret), &link).unwrap();
    }
    let mut command = host.command(link.to_str().unwrap());
    command.args(arguments);
    command
}

/// Runs virsh with these arguments and collects what it says.
#[track_caller]
pub fn run(host: &Host, arguments: &[&str]) -> Outcome {
    capture::run(&mut virsh(host, arguments), b"")
}

/// A line of `/proc/PID/status`.
pub fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap_or_default();
    line.trim_start_matches(':').trim().to_owned()
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|p| p.parse().ok()).collect()
}
