//! Every deed is on record, with who asked; whoever touches the record is noticed; what was sent can be printed a year later; and what cannot
//! be put on record is not done.

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Stdio;
use tests::{Host, Outcome, capture, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";

/// The deeds of a container, in the order in which they were asked for.
fn deeds(host: &Host, arguments: &[&str]) -> Vec<Value> {
    let said = host.run(&[&["audit", "log", "--json"], arguments].concat()).ok();
    let mut deeds: Vec<Value> = said.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    deeds.sort_by_key(|d| d["id"].as_u64());
    deeds
}

fn words<'a>(deeds: &'a [Value], key: &str) -> Vec<&'a str> {
    deeds.iter().map(|d| d[key].as_str().unwrap()).collect()
}

fn verify(host: &Host) -> (Outcome, Value) {
    let said = host.run(&["audit", "verify", "--json"]);
    let value = said.json();
    (said, value)
}

#[track_caller]
fn is_whole(host: &Host) -> Value {
    let (said, value) = verify(host);
    assert_eq!((said.code(), &value["whole"]), (0, &Value::Bool(true)), "{said}");
    value
}

#[test]
fn every_verb_is_on_record_with_who_asked_and_how_it_ended() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let child = host
        .lazaret(&["start", &name])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = u64::from(child.id());
    capture::collect(child, "lazaret start".into(), Vec::new(), capture::DEADLINE).ok();
    let pid_1 = host.pid_1(&name).unwrap();
    host.run(&["suspend", &name]).ok();
    host.run(&["resume", &name]).ok();
    host.run(&["enter", &name, "--", "true"]).ok();
    host.run(&["start", &name]).exits(1);
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();

    let deeds = deeds(&host, &["--container", &name]);
    assert_eq!(
        words(&deeds, "verb"),
        ["start", "suspend", "resume", "enter", "destroy", "stop"],
        "{deeds:#?}"
    );
    assert_eq!(
        words(&deeds, "outcome"),
        ["done", "done", "done", "done", "announced", "done"]
    );
    let start = &deeds[0];
    assert_eq!(start["pid"], pid);
    assert_eq!(start["parent_pid"], u64::from(std::process::id()));
    assert_eq!(start["pid1"], i64::from(pid_1));
    assert_eq!(start["request"]["Start"]["plan"]["name"], name.as_str());
    let own = |file: &str| {
        let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap();
        text.trim().parse::<u32>().ok().filter(|n| *n != u32::MAX)
    };
    for deed in &deeds {
        assert_eq!(deed["uid"], 0);
        assert_eq!(deed["login_uid"].as_u64(), own("loginuid").map(u64::from));
        assert_eq!(deed["session"].as_u64(), own("sessionid").map(u64::from));
    }
    // What the planner knew of the plan is what was asked for.
    let enter = &deeds[3]["request"]["Enter"]["command"]["arguments"];
    assert_eq!(enter, &serde_json::json!(["true"]));
    is_whole(&host);
}

#[test]
fn a_terminal_is_the_one_that_the_kernel_knows() {
    need_root!();
    let host = Host::new();
    let name = host.name("tty");
    let arguments = host.once_arguments(&["--name", &name], &["true"]);
    let mut terminal = host.terminal(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(terminal.wait().success());
    let deeds = deeds(&host, &["--container", &name]);
    assert_eq!(words(&deeds, "verb"), ["start", "stop"]);
    for deed in &deeds {
        let shown = deed["terminal"].as_str().unwrap();
        assert!(shown.starts_with("pts/"), "{deed}");
    }
}

#[test]
fn what_is_refused_is_on_record_with_the_reason() {
    need_root!();
    let host = Host::new();
    host.bare_policy("root /nowhere/at/all");
    let name = host.name("refused");
    host.once(&["--name", &name], &["true"]).exits(125);
    host.run(&["define", "/no/such/file.xml"]).exits(1);
    let deeds = deeds(&host, &[]);
    assert_eq!(words(&deeds, "outcome"), ["refused", "refused"], "{deeds:#?}");
    assert_eq!(words(&deeds, "verb"), ["start", "open"]);
    assert_eq!(deeds[0]["container"], name.as_str());
    assert!(deeds[0]["reason"].as_str().unwrap().contains("root"));
    assert!(deeds[1]["reason"].as_str().unwrap().contains("/no/such/file.xml"));
    is_whole(&host);
    host.nothing_is_left();
}

#[test]
fn a_start_that_failed_is_on_record_as_refused() {
    need_root!();
    let host = Host::new();
    let name = host.name("failed");
    host.once(&["--name", &name], &["/bin/nowhere"]).exits(127);
    let deeds = deeds(&host, &["--container", &name, "--verb", "start"]);
    assert_eq!(words(&deeds, "outcome"), ["refused"]);
    let sent = host.run(&["audit", "replay", &deeds[0]["id"].to_string()]).ok().stdout;
    assert!(
        sent.contains("\"program\":\"init\"") && sent.contains("\"Execute\""),
        "{sent}"
    );
}

#[test]
fn the_log_filters_by_time() {
    need_root!();
    let host = Host::new();
    let name = host.name("time");
    host.once(&["--name", &name], &["true"]).ok();
    let all = deeds(&host, &["--container", &name]);
    assert_eq!(all.len(), 2);
    let second = all[0]["nanoseconds"].as_u64().unwrap() / 1_000_000_000;
    assert_eq!(deeds(&host, &["--since", &format!("@{second}")]).len(), 2);
    assert_eq!(deeds(&host, &["--until", &format!("@{second}")]).len(), 0);
    assert_eq!(deeds(&host, &["--since", &format!("@{}", second + 3600)]).len(), 0);
    assert_eq!(deeds(&host, &["--until", "2100-01-01"]).len(), 2);
    let table = host.run(&["audit", "log"]).ok().stdout;
    assert!(table.lines().count() >= 4 && table.contains(&name), "{table}");
}

/// Lays these bytes in the log's place, looks at what `verify` says, and puts the log back as it was.
fn tampered(host: &Host, bytes: &[u8]) -> String {
    let path = host.log();
    let before = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let (said, value) = verify(host);
    fs::write(&path, before).unwrap();
    assert_eq!((said.code(), &value["whole"]), (1, &Value::Bool(false)), "{said}");
    value["findings"].to_string()
}

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

/// The arguments of a run on the host's own root, of which any number run side by side.
fn on_the_hosts_root(host: &Host, number: u32) -> Vec<String> {
    let name = host.name(&format!("beside{number}"));
    ["run", "--network", "none", "--name", &name, "--", "true"]
        .map(str::to_owned)
        .into()
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

/// The strings of strace's `-xx` after `iov_base=`.
fn iov_base(line: &str) -> Option<Vec<u8>> {
    let text = line.split_once("iov_base=\"")?.1.split_once('"')?.0;
    let bytes = text.split("\\x").skip(1);
    Some(bytes.map(|b| u8::from_str_radix(b, 16).unwrap()).collect())
}

#[test]
fn a_replay_is_what_the_programs_received() {
    need_root!();
    if !skip::have("strace") {
        skip!("strace is not installed");
    }
    let host = Host::new();
    let name = host.name("replay");
    let traces = host.directory().join("files/trace");
    let arguments = host.once_arguments(&["--name", &name, "--network", "default"], &["true"]);
    let mut strace = host.command("strace");
    strace.args(["-ff", "-qq", "-xx", "-s", "70000", "-e", "trace=execveat,recvmsg", "-o"]);
    strace
        .arg(&traces)
        .arg(tests::programs::path(wire::Program::Lazaret))
        .args(&arguments);
    capture::run(&mut strace, b"").ok();

    // What each process received from the launcher, by program, in the order of their starts.
    let mut received: Vec<(u32, String, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir(host.directory().join("files")).unwrap().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = file.strip_prefix("trace.").and_then(|p| p.parse().ok()) else {
            continue;
        };
        let text = fs::read_to_string(entry.path()).unwrap();
        let Some((_, after)) = text.rsplit_once("execveat(") else {
            continue;
        };
        let program: String = after
            .split_once('[')
            .unwrap()
            .1
            .split('"')
            .nth(1)
            .unwrap()
            .split("\\x")
            .skip(1)
            .map(|b| u8::from_str_radix(b, 16).unwrap() as char)
            .collect();
        let frames = after
            .lines()
            .filter(|l| l.starts_with("recvmsg(3,"))
            .filter_map(iov_base);
        received.push((
            pid,
            program,
            frames.filter(|f| f.starts_with(b"LZRT")).flatten().collect(),
        ));
    }
    received.sort();
    let start = &deeds(&host, &["--container", &name, "--verb", "start"])[0];
    let stop = &deeds(&host, &["--container", &name, "--verb", "stop"])[0];
    let replay = |deed: &Value, more: &[&str]| {
        let id = deed["id"].to_string();
        let said = host
            .lazaret(&[&["audit", "replay", &id], more].concat())
            .output()
            .unwrap();
        assert!(said.status.success());
        said.stdout
    };
    let mut compared = 0;
    for program in [
        "mountd",
        "netd",
        "idmapd",
        "cgroupd",
        "devd",
        "fused",
        "supervisor",
        "init",
    ] {
        let each: Vec<&Vec<u8>> = received
            .iter()
            .filter(|(_, p, _)| p == program)
            .map(|(.., f)| f)
            .collect();
        let said: Vec<Vec<u8>> = [start, stop]
            .iter()
            .map(|deed| replay(deed, &["--program", program, "--raw"]))
            .filter(|bytes| !bytes.is_empty())
            .collect();
        assert!(!said.is_empty(), "{program}");
        assert_eq!(each.len(), said.len(), "{program}: processes and deeds");
        for (received, replayed) in each.iter().zip(&said) {
            assert!(
                *received == replayed,
                "{program} received\n{received:02x?}\nand the replay says\n{replayed:02x?}"
            );
            compared += replayed.len();
        }
    }
    assert!(compared > 1000, "{compared} bytes compared");
    // The JSON lines are those of the same frames.
    let lines = String::from_utf8(replay(start, &[])).unwrap();
    let programs: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(programs[0]["program"], "launcher");
    assert_eq!(programs[0]["message"], start["request"]);
    let keep = programs.iter().find(|l| l["program"] == "supervisor").unwrap();
    assert_eq!(keep["message"]["Keep"]["name"], name.as_str());
    assert_eq!(keep["message"]["Keep"]["pid1"], start["pid1"]);
}

/// Lays the log into a file system of its own that has little room, and takes what room there is.
fn on_a_full_disk(host: &Host, more: &str) {
    let place = host.directory().join("small");
    let script = "mkdir -p $1 && { mountpoint -q $1 || mount -t tmpfs -o size=256k,mode=700 tmpfs $1; } && dd if=/dev/zero of=$1/filler bs=1k 2>/dev/null; true";
    host.policy(&format!("audit {}/audit.log\n{more}", place.display()));
    host.inside("sh", &["-c", script, "sh", place.to_str().unwrap()]).ok();
}

/// Takes the file system away again.
fn put_away(host: &Host) {
    let place = host.directory().join("small");
    host.policy("");
    host.inside("umount", &[place.to_str().unwrap()]).ok();
}

fn make_room(host: &Host) {
    let place = host.directory().join("small/filler");
    host.inside("rm", &[place.to_str().unwrap()]).ok();
}

#[test]
fn what_cannot_be_put_on_record_is_not_done() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    on_a_full_disk(&host, "");
    make_room(&host);
    host.run(&["start", &name]).ok();
    on_a_full_disk(&host, "");
    // More than what is left of the log's last page.
    let long = format!("LONG={}", "x".repeat(8000));
    let said = host
        .once(&["--name", &host.name("full"), "--env", &long], &["touch", "/was-here"])
        .exits(125);
    assert!(
        said.stderr.contains("on record") && said.stderr.contains("space"),
        "{said}"
    );
    assert!(!host.image().join("was-here").exists());
    for verb in ["suspend", "destroy"] {
        let said = host.run(&[verb, &name]).exits(1);
        assert!(said.stderr.contains("on record"), "{said}");
        assert!(host.runs(&name));
    }
    host.run(&["enter", &name, "--", "touch", "/was-here"]).exits(125);
    assert!(!host.image().join("was-here").exists());
    make_room(&host);
    is_whole(&host);
    host.run(&["destroy", &name]).ok();
    is_whole(&host);
    host.run(&["undefine", &name]).ok();
    put_away(&host);
    host.nothing_is_left();
}

#[test]
fn what_cannot_be_put_on_record_is_done_where_the_policy_says_so() {
    need_root!();
    let host = Host::new();
    on_a_full_disk(&host, "audit-required no\naudit-sync no");
    assert_eq!(host.once(&[], &["echo", "hello"]).ok().stdout, "hello\n");
    make_room(&host);
    assert_eq!(host.once(&[], &["echo", "hello"]).ok().stdout, "hello\n");
    is_whole(&host);
    assert!(deeds(&host, &[]).iter().any(|d| d["outcome"] == "done"));
    put_away(&host);
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
fn only_root_reads_the_log() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    for path in [host.log(), host.log().with_extension("log.head")] {
        let about = fs::metadata(&path).unwrap();
        assert_eq!((about.uid(), about.mode() & 0o7777), (0, 0o600), "{}", path.display());
    }
    let about = fs::metadata(host.log().parent().unwrap()).unwrap();
    assert_eq!((about.uid(), about.mode() & 0o7777), (0, 0o700));
}

#[test]
fn a_log_that_others_could_touch_is_not_used() {
    need_root!();
    let host = Host::new();
    host.once(&[], &["true"]).ok();
    let open = |path: &Path, mode: u32| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    open(&host.log(), 0o644);
    let said = host.once(&[], &["true"]).exits(125);
    assert!(said.stderr.contains("log of deeds"), "{said}");
    open(&host.log(), 0o600);
    open(host.log().parent().unwrap(), 0o777);
    let said = host.once(&[], &["true"]).exits(125);
    assert!(said.stderr.contains("others than root may write"), "{said}");
    open(host.log().parent().unwrap(), 0o700);
    fs::rename(host.log(), host.log().with_file_name("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", host.log()).unwrap();
    host.once(&[], &["true"]).exits(125);
    fs::remove_file(host.log()).unwrap();
    // A FIFO would keep whoever opens it waiting.
    let path = host.log();
    host.inside("mkfifo", &["-m", "600", path.to_str().unwrap()]).ok();
    host.once(&[], &["true"]).exits(125);
    fs::remove_file(host.log()).unwrap();
    fs::rename(host.log().with_file_name("elsewhere"), host.log()).unwrap();
    host.once(&[], &["true"]).ok();
    is_whole(&host);
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

/// The kernel's audit system, switched on; it is put back when this goes.
struct Audited {
    socket: std::os::fd::OwnedFd,
    before: u32,
}

/// `struct nlmsghdr`, then a payload (netlink(7)).
fn netlink(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let flags = 5u16;
    [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &[0; 8],
        payload,
    ]
    .concat()
}

impl Audited {
    /// `None` where the kernel has no audit system, or does not let it be switched, or somebody else has it on.
    fn new() -> Option<Self> {
        use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};
        let audit = SockProtocol::NetlinkAudit;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, audit).ok()?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(2, 0)).ok()?;
        let mut audited = Self { socket, before: 2 };
        let state = audited.ask(1000, &[])?;
        audited.before = u32::from_ne_bytes(state.get(20..24)?.try_into().unwrap());
        // 2 is locked, and 1 is somebody else's.
        if audited.before != 0 {
            return None;
        }
        audited.enable(1);
        Some(audited)
    }

    fn send(&self, kind: u16, payload: &[u8]) {
        use std::os::fd::AsRawFd;
        let flags = nix::sys::socket::MsgFlags::empty();
        nix::sys::socket::send(self.socket.as_raw_fd(), &netlink(kind, payload), flags).unwrap();
    }

    /// The first answer of that type.
    fn ask(&self, kind: u16, payload: &[u8]) -> Option<Vec<u8>> {
        use std::os::fd::AsRawFd;
        self.send(kind, payload);
        for _ in 0..4 {
            let mut bytes = vec![0; 4096];
            let flags = nix::sys::socket::MsgFlags::empty();
            let length = nix::sys::socket::recv(self.socket.as_raw_fd(), &mut bytes, flags).ok()?;
            if bytes[4..6] == kind.to_ne_bytes() {
                return Some(bytes[..length].to_vec());
            }
        }
        None
    }

    fn enable(&self, enabled: u32) {
        // `struct audit_status` with `AUDIT_STATUS_ENABLED`.
        let status = [&1u32.to_ne_bytes()[..], &enabled.to_ne_bytes(), &[0; 40]].concat();
        self.send(1001, &status);
        let state = self.ask(1000, &[]).expect("the state of the audit system");
        assert_eq!(state[20..24], enabled.to_ne_bytes());
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if self.before == 0 {
            self.enable(0);
        }
    }
}

#[test]
fn the_kernels_audit_system_is_told_where_it_is_enabled() {
    use nix::sys::socket::{
        AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket, sockopt,
    };
    use std::os::fd::AsRawFd;
    need_root!();
    let host = Host::new();
    let listener = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkAudit,
    );
    let Ok(listener) = listener else {
        skip!("the kernel has no audit system");
    };
    // Group 1 is what the log's readers listen to (`AUDIT_NLGRP_READLOG`).
    if bind(listener.as_raw_fd(), &NetlinkAddr::new(0, 1)).is_err() {
        skip!("the records of the kernel's audit system cannot be read here");
    }
    setsockopt(&listener, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(1, 0)).unwrap();
    let Some(audited) = Audited::new() else {
        skip!("the kernel's audit system cannot be switched on here, or is on");
    };
    let name = host.name("a b");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let uuid = host.listed(&name)["uuid"].as_str().unwrap().to_owned();
    host.run(&["start", &name]).ok();
    let supervisor = deeds(&host, &["--container", &name])[0]["supervisor"].clone();
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    drop(audited);
    let mut told = Vec::new();
    let mut bytes = vec![0; 9000];
    while let Ok(length) = recv(listener.as_raw_fd(), &mut bytes, nix::sys::socket::MsgFlags::empty()) {
        let kind = u16::from_ne_bytes(bytes[4..6].try_into().unwrap());
        let text = String::from_utf8_lossy(&bytes[16..length]).into_owned();
        if text.contains(&hex_of(&name)) {
            told.push((kind, text));
        }
    }
    let vm = format!("vm={}", hex_of(&name));
    let of = |kind: u16, start: &str| {
        let found = told.iter().find(|(k, text)| *k == kind && text.contains(start));
        found.unwrap_or_else(|| panic!("no {start} among {told:#?}")).1.clone()
    };
    let start = of(2500, "virt=lxc op=start reason=booted");
    assert!(
        start.contains(&format!("{vm} uuid={uuid} vm-pid={supervisor} exe=")),
        "{start}"
    );
    assert!(
        start.contains("hostname=? addr=? terminal=") && start.contains("res=success"),
        "{start}"
    );
    let root = of(2501, "virt=lxc resrc=fs reason=start");
    assert!(
        root.contains(&format!("old-fs=? new-fs=\"{}\"", host.image().display())),
        "{root}"
    );
    of(2501, "virt=lxc resrc=mem reason=start");
    let stop = of(2500, "virt=lxc op=stop reason=destroyed");
    assert!(stop.contains(&vm), "{stop}");
    assert!(of(2501, "resrc=mem").contains("old-mem=0 new-mem=65536"));
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02X}")).collect()
}
