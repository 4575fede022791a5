//! `lazaret privileges` tells what the kernel tells.

use tests::process::{AMBIENT, BOUNDING, EFFECTIVE, INHERITABLE, PERMITTED};
use tests::{Host, need_root, process};

#[test]
fn it_agrees_with_the_kernel_for_every_process() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&[
        "create",
        &host.domain_file(&name, "sleep 1000 & while :; do sleep 1000; done", "", ""),
    ])
    .ok();
    let facts = host.run(&["privileges", &name, "--json"]).ok().json();
    let rows = facts
        .as_array()
        .or_else(|| facts["processes"].as_array())
        .expect("a list of processes")
        .clone();
    let mut seen = Vec::new();
    for row in &rows {
        let pid = i32::try_from(row["pid"].as_i64().unwrap()).unwrap();
        let held = process::holding(pid).expect("the process lives");
        assert_eq!(row["uid"].as_u64(), Some(u64::from(held.uid[1])), "{row}");
        assert_eq!(row["gid"].as_u64(), Some(u64::from(held.gid[1])), "{row}");
        for (key, set) in [
            ("inheritable", INHERITABLE),
            ("permitted", PERMITTED),
            ("effective", EFFECTIVE),
            ("bounding", BOUNDING),
            ("ambient", AMBIENT),
        ] {
            let value = row
                .get(key)
                .or_else(|| row["capabilities"].get(key))
                .unwrap_or_else(|| panic!("no {key} in {row}"));
            let expected = held.capabilities[set];
            let matches = match value {
                serde_json::Value::String(text) => {
                    u64::from_str_radix(text.trim_start_matches("0x"), 16).ok() == Some(expected)
                        || (expected == 0 && text.is_empty())
                }
                serde_json::Value::Number(number) => number.as_u64() == Some(expected),
                serde_json::Value::Array(names) => names.len() == usize::try_from(expected.count_ones()).unwrap(),
                _ => false,
            };
            assert!(matches, "{key} of {pid} is {value}, the kernel says {expected:#x}");
        }
        assert_eq!(
            row["seccomp"]
                .as_u64()
                .or_else(|| row["seccomp"].as_bool().map(|b| u64::from(b) * 2))
                .unwrap_or(9),
            u64::from(held.seccomp),
            "{row}"
        );
        seen.push(pid);
    }
    let pid_1 = host.pid_1(&name).unwrap();
    assert!(seen.contains(&pid_1), "PID 1 is shown");
    let programs: Vec<String> = seen
        .iter()
        .filter_map(|p| process::executable(*p))
        .filter_map(|e| tests::programs::of_file(&e))
        .map(|p| p.name().to_owned())
        .collect();
    for program in ["init", "supervisor", "fused"] {
        assert!(
            programs.iter().any(|p| p == program),
            "{program} is not shown among {programs:?}"
        );
    }
}

#[test]
fn no_living_process_of_a_container_holds_a_capability_or_host_root() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&[
        "create",
        &host.domain_file(&name, "while :; do sleep 1000; done", "", ""),
    ])
    .ok();
    for pid in tests::kernel::processes(host.ids(), host.holder()) {
        let Some(held) = process::holding(pid) else { continue };
        assert!(!held.uid.contains(&0) && !held.gid.contains(&0), "{held:?}");
        if held.initial_user_namespace {
            assert_eq!(held.capabilities, [0; 5], "{held:?}");
        }
    }
}
