//! `run --timing` tells where the time goes, and changes nothing else; what many containers cost, in calls.

use std::collections::BTreeSet;
use std::fs;
use tests::table::Moment;
use tests::trace::{self, Role};
use tests::{Host, need_root};
use wire::Program;

#[test]
fn a_run_tells_where_its_time_went_and_keeps_its_status() {
    need_root!();
    let host = Host::new();
    let said = host
        .once(&["--timing=json"], &["sh", "-c", "echo out; exit 7"])
        .exits(7);
    assert_eq!(said.stdout, "out\n");
    let timing: serde_json::Value = serde_json::from_str(&said.stderr).expect("JSON alone");
    let rows = |table: &str| timing[table].as_array().expect("a table").clone();
    // One step of lazaret's begins where the one before has ended, and all that programs did lies within them.
    let phases = rows("phases");
    let ends: Vec<f64> = phases
        .iter()
        .map(|r| r["at"].as_f64().unwrap() + r["took"].as_f64().unwrap())
        .collect();
    for (end, next) in ends.iter().zip(phases.iter().skip(1)) {
        assert!((end - next["at"].as_f64().unwrap()).abs() < 0.02, "{timing:#}");
    }
    let whole = ends.last().unwrap();
    let requests = rows("requests");
    assert!(
        requests.iter().all(|r| r["at"].as_f64().unwrap() <= *whole),
        "{timing:#}"
    );
    let asked: BTreeSet<(&str, &str)> = requests
        .iter()
        .map(|r| (r["program"].as_str().unwrap(), r["step"].as_str().unwrap()))
        .collect();
    for (program, step) in [
        ("init", "Begin"),
        ("init", "Attach"),
        ("init", "Execute"),
        ("mountd", "Make"),
        ("idmapd", "WriteMaps"),
        ("cgroupd", "Make"),
        ("recordd", "Append"),
        ("supervisor", "Keep"),
    ] {
        assert!(asked.contains(&(program, step)), "{program} {step}: {timing:#}");
        assert!(asked.contains(&(program, "is started")), "{program}: {timing:#}");
    }
    // Who writes the record was started while lazaret was planning; of what then is started, init has the longest way to go.
    let started: Vec<_> = requests.iter().filter(|r| r["step"] == "is started").collect();
    assert_eq!(started[0]["program"], "recordd", "{timing:#}");
    assert_eq!(started[1]["program"], "init", "{timing:#}");
    let planned = phases[4]["at"].as_f64().unwrap();
    assert!(started[0]["at"].as_f64().unwrap() < planned, "{timing:#}");
    let table = host.once(&["--timing"], &["true"]).ok();
    assert!(
        table.stdout.is_empty() && table.stderr.contains("Answering ms") && table.stderr.contains("gives up all power"),
        "{table}"
    );
    host.run(&["run", "--plan", "--timing", "--", "true"]).exits(2);
    host.nothing_is_left();
}

/// How often `lazaret` and its launcher go into the kernel for this command.
fn calls(host: &Host, arguments: &[&str]) -> usize {
    let mut calls = 0;
    let status = trace::follow(&host.lazaret(arguments), &mut |sight| {
        let ours = [Program::Lazaret, Program::Launcher].map(Role::Ours);
        calls += usize::from(matches!(sight.moment, Moment::Call(_)) && ours.contains(&sight.role));
    });
    assert_eq!(status, 0);
    calls
}

/// What every command asks of every container that runs, and what `list` and a start ask of it beyond that: in calls, which are what it costs.
#[test]
fn each_container_that_runs_costs_a_few_calls_and_who_keeps_it_cannot_write_its_lock() {
    need_root!();
    let host = Host::new();
    let (one, more) = (
        host.name("one"),
        [host.name("two"), host.name("three"), host.name("four")],
    );
    let begin = |name: &str| host.once(&["-d", "--name", name], &["sleep", "1000"]).ok();
    let look = || [&["list"][..], &["dominfo", &one], &["plan", &one]].map(|words| calls(&host, words));
    begin(&one);
    let before = look();
    more.iter().for_each(|name| {
        begin(name);
    });
    for ((after, before), most) in look().into_iter().zip(before).zip([12, 6, 6]) {
        let each = after.saturating_sub(before).div_ceil(more.len());
        assert!(each <= most, "{each} calls for each container, and not {most}");
    }
    let facts = host.run(&["dominfo", &one, "--json"]).ok();
    let facts: serde_json::Value = serde_json::from_str(&facts.stdout).unwrap();
    let keeper = format!("/proc/{}", facts["pids"]["supervisor"]);
    let lock = host.run_directory().join(&one).join("lock");
    let held: Vec<_> = fs::read_dir(format!("{keeper}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == lock))
        .collect();
    assert!(!held.is_empty());
    for descriptor in held {
        let number = descriptor.file_name().into_string().unwrap();
        let how = fs::read_to_string(format!("{keeper}/fdinfo/{number}")).unwrap();
        let flags = how.lines().find_map(|l| l.strip_prefix("flags:\t")).unwrap();
        // O_RDONLY is 0, of O_ACCMODE.
        assert_eq!(u32::from_str_radix(flags, 8).unwrap() & 3, 0, "{how}");
    }
    host.end_all();
    host.nothing_is_left();
}
