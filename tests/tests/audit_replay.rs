//! What was sent to every program can be printed long after, just as it was sent.

use serde_json::Value;
use std::fs;
use tests::deeds::deeds;
use tests::{Host, capture, need_root, skip};

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
