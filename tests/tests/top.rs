//! `top` tells what containers take of the host, held against the kernel's own files, and leaves a terminal as it was.

use std::fs;
use tests::{Host, kernel, need_root};

const BUSY: &str = "while :; do :; done";
const STAY: &str = "while :; do sleep 1000; done";

fn begun(host: &Host, word: &str, shell: &str) -> String {
    let name = host.name(word);
    host.run(&["create", &host.domain_file(&name, shell, "", "")]).ok();
    name
}

/// What the kernel says of the whole group in one of these files, whichever version counts.
fn kernels(name: &str, files: [&str; 2]) -> u64 {
    let tops: Vec<_> = kernel::groups_of(name)
        .into_iter()
        .filter(|g| g.ends_with(name))
        .collect();
    let texts = files
        .into_iter()
        .flat_map(|f| tops.iter().map(move |g| fs::read_to_string(g.join(f)).ok()));
    let number = texts
        .flatten()
        .find_map(|t| t.split_whitespace().find_map(|w| w.parse().ok()));
    number.unwrap_or_else(|| panic!("none of {files:?} in {tops:?}"))
}

#[test]
fn who_takes_more_comes_first_and_figures_are_the_kernels() {
    need_root!();
    let host = Host::new();
    let (busy, idle) = (begun(&host, "a-busy", BUSY), begun(&host, "a-idle", STAY));
    // What is frozen takes no more and no less.
    host.run(&["suspend", &idle]).ok();
    let time = || kernels(&busy, ["cpuacct.usage", "cpu.stat"]);
    let before = time();
    let sample = host.run(&["top", "--json", "-n", "1", "--delay", "1"]).ok().json();
    assert!(time() > before);
    let rows = sample["containers"].as_array().expect("rows");
    let of = |name: &str| {
        rows.iter()
            .find(|r| r["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {sample}"))
    };
    let percent = |name: &str| of(name)["cpu_percent"].as_f64().expect("a number");
    assert!(percent(&busy) > percent(&idle) && percent(&busy) > 0.0, "{sample}");
    assert!(sample["seconds"].as_f64().is_some_and(|s| s >= 1.0), "{sample}");
    let memory = of(&idle)["memory_bytes"].as_u64().expect("a number");
    let now = kernels(&idle, ["memory.usage_in_bytes", "memory.current"]);
    assert_eq!((memory, of(&idle)["state"].as_str()), (now, Some("paused")));
    assert_eq!(of(&idle)["tasks"], kernels(&idle, ["pids.current", "pids.current"]));
    assert_eq!(of(&busy)["id"], host.listed(&busy)["id"]);

    let table = host
        .run(&["top", "--batch", "-n", "2", "--delay", "1", "--sort", "name"])
        .ok()
        .stdout;
    assert_eq!(table.matches("%CPU").count(), 2, "{table}");
    let (a, b) = (table.find(&busy).expect("its row"), table.find(&idle).expect("its row"));
    assert!(a < b, "{table}");
    // Where nobody looks it does not draw.
    assert!(!table.contains('\x1b'), "{table}");
    host.run(&["top", "-n", "0"]).exits(2);
}

#[test]
fn in_a_terminal_it_is_drawn_until_it_is_ended_and_the_terminal_is_as_before() {
    need_root!();
    let host = Host::new();
    let name = begun(&host, "vm", STAY);
    let mut terminal = host.terminal(&["top", "--delay", "1"]);
    terminal.expect("\x1b[?1049h");
    terminal.expect(&name);
    let status = fs::read_to_string(format!("/proc/{}/status", terminal.pid())).expect("it goes on");
    assert!(
        status.contains("CapEff:\t0000000000000000") && status.contains("CapPrm:\t0000000000000000"),
        "{status}"
    );
    terminal.send("q");
    terminal.expect("\x1b[?1049l");
    assert_eq!(terminal.wait().code(), Some(0));
}
