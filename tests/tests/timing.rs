//! `run --timing` tells where the time goes, and changes nothing else.

use std::collections::BTreeSet;
use tests::{Host, need_root};

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
    // init has the longest way to go.
    assert_eq!(requests[0]["program"], "init", "{timing:#}");
    let table = host.once(&["--timing"], &["true"]).ok();
    assert!(
        table.stdout.is_empty() && table.stderr.contains("Answering ms") && table.stderr.contains("gives up all power"),
        "{table}"
    );
    host.run(&["run", "--plan", "--timing", "--", "true"]).exits(2);
    host.nothing_is_left();
}
