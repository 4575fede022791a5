//! Every deed is on record, with who asked, and how it ended; the record is root's alone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use tests::deeds::{deeds, is_whole, words};
use tests::{Host, capture, need_root};

const STAY: &str = "while :; do sleep 1000; done";

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
