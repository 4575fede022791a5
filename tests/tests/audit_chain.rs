//! Whoever touches the record is noticed, and it stays one chain whatever is killed, rotated or done side by side.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use tests::deeds::{deeds, is_whole, on_the_hosts_root, tampered, verify, words};
use tests::{Host, capture, need_root, skip};

/// Where each record begins, and the end.
fn places(log: &[u8]) -> Vec<usize> {
    let (mut places, mut at) = (vec![0], 0);
    while at < log.len() {
        let length = u32::from_le_bytes(log[at + 12..at + 16].try_into().unwrap());
        at += 64 + usize::try_from(length).unwrap() + 32;
        places.push(at);
    }
    assert_eq!(places.last(), Some(&log.len()));
    places
}

#[test]
fn every_kind_of_tampering_is_found() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    host.once(&[], &["true"]).ok();
    let log = fs::read(host.log()).unwrap();
    let records = is_whole(&host)["records"].as_u64().unwrap();
    let at = places(&log);
    assert_eq!(at.len() as u64, records + 1);
    assert_eq!(records, 8, "intent and end of two starts and two stops");
    // Changed: one bit of each record, in its header, its body and its hash.
    for pair in at.windows(2) {
        for place in [pair[0] + 20, pair[0] + 40, pair[0] + 70, pair[1] - 1] {
            let mut bytes = log.clone();
            bytes[place] ^= 1;
            let said = tampered(&host, &bytes);
            assert!(said.contains("changed"), "byte {place}: {said}");
        }
    }
    // Cut out, each record; the last one is cut off.
    for (number, pair) in (1..).zip(at.windows(2)) {
        let said = tampered(&host, &[&log[..pair[0]], &log[pair[1]..]].concat());
        let expected = match number {
            1 => "begins with record 2".to_owned(),
            8 => "record 8 was cut off at the end".to_owned(),
            n => format!("record {n} was cut out"),
        };
        assert!(said.contains(&expected), "{said}");
    }
    // Cut off within a record, and entirely.
    assert!(tampered(&host, &log[..at[7] + 10]).contains("record 8"));
    assert!(tampered(&host, &log[..at[5]]).contains("records 6 to 8 were cut off"));
    assert!(tampered(&host, &[]).contains("records 1 to 8 were cut off"));
    // Put in: a record a second time, and bytes that are none.
    let twice = [&log[..at[4]], &log[at[1]..at[2]], &log[at[4]..]].concat();
    assert!(tampered(&host, &twice).contains("record 2 was put in after record 4"));
    let junk = [&log[..at[4]], b"junk", &log[at[4]..]].concat();
    assert!(tampered(&host, &junk).contains("4 bytes that are of no record were put in after record 4"));
    // Two in the other order.
    let swapped = [&log[..at[3]], &log[at[4]..at[5]], &log[at[3]..at[4]], &log[at[5]..]].concat();
    assert!(tampered(&host, &swapped).contains("record 4"));
    // Without the head nothing is known of the end.
    let head = host.log().with_extension("log.head");
    let before = fs::read(&head).unwrap();
    fs::write(&head, "").unwrap();
    assert!(verify(&host).1["findings"].to_string().contains("no head"));
    fs::write(&head, before).unwrap();
    is_whole(&host);
}

#[test]
fn what_was_cut_off_is_found_whatever_was_done_since() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    let log = fs::read(host.log()).unwrap();
    let at = places(&log);
    let file = fs::OpenOptions::new().write(true).open(host.log()).unwrap();
    file.set_len(at[2] as u64).unwrap();
    host.once(&[], &["true"]).ok();
    let (_, value) = verify(&host);
    assert!(
        value["findings"].to_string().contains("records 3 to 4 were cut out"),
        "{value}"
    );
    // And if the head goes too, that is on record.
    fs::remove_file(host.log().with_extension("log.head")).unwrap();
    host.once(&[], &["true"]).ok();
    let (_, value) = verify(&host);
    assert!(
        value["findings"].to_string().contains("the head was lost when record"),
        "{value}"
    );
}

#[test]
fn a_whole_log_made_anew_is_found_by_a_hash_that_was_kept_elsewhere() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    let value = is_whole(&host);
    let kept = format!("{}:{}", value["last"], value["hash"].as_str().unwrap());
    host.once(&[], &["true"]).ok();
    host.run(&["audit", "verify", "--expect", &kept]).ok();
    for file in ["audit.log", "audit.log.head"] {
        fs::remove_file(host.log().with_file_name(file)).unwrap();
    }
    host.once(&[], &["true"]).ok();
    host.once(&[], &["true"]).ok();
    is_whole(&host);
    let said = host.run(&["audit", "verify", "--expect", &kept]).exits(1);
    assert!(said.stdout.contains("another hash than expected"), "{said}");
}

#[test]
fn a_record_that_was_not_finished_is_said_and_the_log_goes_on() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    let log = fs::read(host.log()).unwrap();
    let at = places(&log);
    let mut file = fs::OpenOptions::new().append(true).open(host.log()).unwrap();
    // As a writer leaves it that is killed in the midst, or finds the disk full.
    file.write_all(&log[at[1]..at[1] + 77]).unwrap();
    let said = is_whole(&host);
    assert!(
        said["findings"]
            .to_string()
            .contains("77 bytes of one that was not finished"),
        "{said}"
    );
    host.once(&[], &["true"]).ok();
    let said = is_whole(&host);
    assert!(
        said["findings"].to_string().contains("after record 4 stand 77 bytes"),
        "{said}"
    );
    assert_eq!(said["records"], 8);
    // Nobody changes these bytes unseen either.
    let mut bytes = fs::read(host.log()).unwrap();
    bytes[at[4] + 5] ^= 1;
    tampered(&host, &bytes);
}

#[test]
fn a_writer_that_is_killed_once_its_record_is_written_loses_nothing() {
    need_root!();
    if !skip::have("strace") {
        skip!("strace is not installed");
    }
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    let name = host.name("killed");
    host.policy("audit-sync yes");
    // Only the writer calls fdatasync: between the record and the head.
    let arguments = host.once_arguments(&["--name", &name], &["touch", "/was-here"]);
    let mut strace = host.command("strace");
    strace.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:signal=SIGKILL:when=1",
    ]);
    strace
        .arg(tests::programs::path(wire::Program::Lazaret))
        .args(&arguments);
    capture::run(&mut strace, b"").exits(125);
    assert!(!host.image().join("was-here").exists(), "it was done without a record");
    let said = is_whole(&host);
    assert!(
        said["findings"].to_string().contains("a writer was killed in between"),
        "{said}"
    );
    host.once(&[], &["true"]).ok();
    let said = is_whole(&host);
    assert_eq!(said["findings"], serde_json::json!([]));
    let deeds = deeds(&host, &["--container", &name, "--verb", "start"]);
    assert_eq!(words(&deeds, "outcome")[0], "unknown", "{deeds:#?}");
    host.nothing_is_left();
}

#[test]
fn a_record_reaches_the_disk_once_it_is_acknowledged_or_before_where_the_policy_says_so() {
    need_root!();
    if !skip::have("strace") {
        skip!("strace is not installed");
    }
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, "while :; do sleep 1000; done", "", "");
    host.run(&["create", &file]).ok();
    let trace = host.directory().join("files/trace");
    for (policy, before) in [("", false), ("audit-sync yes", true)] {
        host.policy(policy);
        let mut strace = host.command("strace");
        strace.args(["-f", "-qq", "-o"]).arg(&trace);
        strace.args(["-e", "trace=fdatasync,sendmsg"]);
        let lazaret = tests::programs::path(wire::Program::Lazaret);
        strace.arg(lazaret).args(["enter", &name, "--", "/bin/true"]);
        capture::run(&mut strace, b"").ok();
        let trace = fs::read_to_string(&trace).unwrap();
        // Only the writer calls fdatasync.
        let writer = trace
            .lines()
            .find(|l| l.contains("fdatasync("))
            .and_then(|l| l.split(' ').next());
        let writer = writer.unwrap_or_else(|| panic!("{policy:?}: nothing was put on disk: {trace}"));
        let at = |what: &str| trace.lines().position(|l| l.starts_with(writer) && l.contains(what));
        let (synced, acknowledged) = (at("fdatasync("), at("sendmsg("));
        assert_eq!(synced < acknowledged, before, "{policy:?}: {trace}");
    }
    host.run(&["destroy", &name]).ok();
    host.policy("");
    host.nothing_is_left();
}

#[test]
fn many_at_once_make_one_chain() {
    need_root!();
    let host = Host::new();
    let children: Vec<_> = (0..10)
        .map(|n| {
            let arguments = on_the_hosts_root(&host, n);
            host.lazaret(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        capture::collect(child, "lazaret run".into(), Vec::new(), capture::DEADLINE).ok();
    }
    let said = is_whole(&host);
    assert_eq!(said["findings"], serde_json::json!([]));
    let deeds = deeds(&host, &[]);
    let done = |verb: &str| {
        deeds
            .iter()
            .filter(|d| d["verb"] == verb && d["outcome"] == "done")
            .count()
    };
    assert_eq!(done("start"), 10, "{deeds:#?}");
    assert!(done("stop") >= 10);
    host.nothing_is_left();
}

#[test]
fn a_rotated_log_is_one_chain() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    host.run(&["audit", "rotate"]).ok();
    host.once(&[], &["true"]).ok();
    let alone = is_whole(&host);
    assert_eq!((&alone["first"], &alone["records"]), (&6.into(), &5.into()), "{alone}");
    let older = host.log().with_file_name("audit.log.5");
    let older = older.to_str().unwrap();
    let both = host.run(&["audit", "verify", "--json", older]).ok().json();
    assert_eq!((&both["first"], &both["records"]), (&1.into(), &10.into()), "{both}");
    let all = deeds(&host, &[older]);
    assert_eq!(words(&all, "verb"), ["start", "stop", "rotate", "start", "stop"]);
    assert!(all.iter().all(|d| d["outcome"] == "done"), "{all:#?}");
    // By hand it goes on too, and the file that was moved away is missed.
    fs::rename(host.log(), host.log().with_file_name("moved")).unwrap();
    host.once(&[], &["true"]).ok();
    let (said, value) = verify(&host);
    assert_eq!(said.code(), 1);
    assert!(
        value["findings"].to_string().contains("no rotation is on record"),
        "{value}"
    );
    let moved = host.log().with_file_name("moved");
    host.run(&["audit", "verify", older, moved.to_str().unwrap()]).ok();
}

#[test]
fn many_at_once_go_on_while_the_log_is_rotated() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    let children: Vec<_> = (0..8)
        .map(|n| {
            let arguments = if n % 4 == 3 {
                vec!["audit".to_owned(), "rotate".to_owned()]
            } else {
                on_the_hosts_root(&host, n)
            };
            host.lazaret(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        capture::collect(child, "lazaret".into(), Vec::new(), capture::DEADLINE).ok();
    }
    is_whole(&host);
    let mut older: Vec<(u64, String)> = fs::read_dir(host.log().parent().unwrap())
        .unwrap()
        .flatten()
        .filter_map(|e| {
            let path = e.path().to_str().unwrap().to_owned();
            Some((path.rsplit_once('.')?.1.parse().ok()?, path))
        })
        .collect();
    older.sort();
    assert_eq!(older.len(), 2, "{older:?}");
    let mut arguments = vec!["audit", "verify"];
    arguments.extend(older.iter().map(|(_, path)| path.as_str()));
    host.run(&arguments).ok();
}

#[test]
fn verify_reads_any_bytes_to_the_end() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    let mut state = 7u32;
    let whole = fs::read(host.log()).unwrap();
    for _ in 0..20 {
        let mut bytes = whole.clone();
        for _ in 0..5 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = state as usize % bytes.len();
            bytes[at] = bytes[at].wrapping_add(1 + (state >> 24) as u8 % 255);
        }
        tampered(&host, &bytes);
    }
    let file = fs::OpenOptions::new().write(true).open(host.log()).unwrap();
    file.write_all_at(&[0xff; 40], 0).unwrap();
    host.run(&["audit", "log"]).ok();
    host.run(&["audit", "replay", "1"]).exits(1);
}
