//! `kill -9` of any process, at any time: `list` tells the truth, nothing is left after the next command, in the image neither, and the next
//! start works.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tests::caught::{Catcher, When};
use tests::{Host, capture, image, kernel, need_root, process, programs};
use wire::Program;

const STAY: &str = "while :; do sleep 1000; done";
const NETWORK: &str = "<interface type='network'><source network='default'/></interface>";

fn program(pid: i32) -> Option<Program> {
    process::executable(pid).and_then(|e| programs::of_file(&e))
}

fn working(host: &Host) -> Vec<(i32, Program)> {
    kernel::processes(host.ids(), host.holder())
        .into_iter()
        .filter_map(|p| Some((p, program(p)?)))
        .collect()
}

/// Every file of the image, which has places for all mounts but those of files in /etc.
fn files(host: &Host) -> BTreeSet<PathBuf> {
    image::fingerprint(&host.image()).into_keys().collect()
}

/// What the image has beyond these files.
fn more(host: &Host, files_before: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    files(host).difference(files_before).cloned().collect()
}

/// The container is over, `list` says so, nothing is left once it has been asked, and it can be started again.
#[track_caller]
fn all_is_well_again(
    host: &Host,
    name: &str,
    (before, files_before): &(kernel::Snapshot, BTreeSet<PathBuf>),
    what: &str,
) {
    let over = capture::until(capture::DEADLINE / 3, || !host.runs(name));
    assert!(
        over,
        "after {what} was killed, the container is still listed as {}",
        host.listed(name)
    );
    assert!(
        host.pid_1(name).is_none(),
        "after {what} was killed, list says that it does not run, and it does"
    );
    let gone = capture::until(capture::DEADLINE / 6, || {
        host.look().added_since(before).iter().all(|l| l.contains("lock"))
    });
    assert!(gone, "after {what} was killed: {:#?}", host.look().added_since(before));
    assert_eq!(
        more(host, files_before),
        Vec::<PathBuf>::new(),
        "after {what} was killed"
    );
    host.run(&["start", name]).ok();
    assert!(host.runs(name));
    host.run(&["enter", name, "--", "true"]).ok();
}

#[test]
fn of_each_long_lived_process() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", NETWORK)]).ok();
    let before = (host.look(), files(&host));
    host.run(&["start", &name]).ok();
    for victim in [Program::Supervisor, Program::Init] {
        let pids: Vec<i32> = working(&host)
            .into_iter()
            .filter(|(_, p)| *p == victim)
            .map(|(pid, _)| pid)
            .collect();
        assert!(!pids.is_empty(), "{} runs", victim.name());
        kill(Pid::from_raw(pids[0]), Signal::SIGKILL).unwrap();
        all_is_well_again(&host, &name, &before, victim.name());
    }
    let pid_1 = host.pid_1(&name).unwrap();
    kill(Pid::from_raw(pid_1), Signal::SIGKILL).unwrap();
    // A crash of its first process ends the container, unless its definition says otherwise.
    all_is_well_again(&host, &name, &before, "PID 1");
    let both: Vec<i32> = working(&host)
        .into_iter()
        .filter(|(_, p)| matches!(p, Program::Supervisor | Program::Init))
        .map(|(pid, _)| pid)
        .collect();
    process::kill_together(&both);
    all_is_well_again(&host, &name, &before, "supervisor and init together");
}

#[test]
fn of_the_server_of_meminfo_makes_reads_fail_and_nothing_else() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    let fused = working(&host)
        .into_iter()
        .find(|(_, p)| *p == Program::Fused)
        .expect("it runs")
        .0;
    kill(Pid::from_raw(fused), Signal::SIGKILL).unwrap();
    // The signal is sent, not yet taken, when kill(2) returns: until then the server may still answer.
    assert!(capture::until(capture::DEADLINE / 6, || process::over(fused)));
    let said = host.run(&["enter", &name, "--", "cat", "/proc/meminfo"]);
    assert!(
        said.code() == 1 && said.stdout.is_empty(),
        "never the host's figures: {said}"
    );
    assert!(host.runs(&name));
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

/// A run in the foreground whose command has begun.
fn in_the_foreground(host: &Host, options: &[&str]) -> std::process::Child {
    let arguments = host.once_arguments(options, &["sh", "-c", "echo ready; exec sleep 1000"]);
    let mut child = host
        .lazaret(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// Nothing is listed any more, and nothing is left.
#[track_caller]
fn is_cleared_away(host: &Host, files_before: &BTreeSet<PathBuf>, after: &str) {
    let listed = || host.run(&["list", "--all", "--json"]).ok().json();
    let gone = capture::until(capture::DEADLINE / 3, || listed() == serde_json::json!([]));
    assert!(gone, "after {after}: {}", listed());
    host.nothing_is_left();
    assert_eq!(more(host, files_before), Vec::<PathBuf>::new(), "after {after}");
}

#[test]
fn of_lazaret_in_the_foreground_ends_the_container() {
    need_root!();
    let host = Host::new();
    host.image();
    let before = files(&host);
    let mut child = in_the_foreground(&host, &["--network", "default"]);
    child.kill().unwrap();
    child.wait().unwrap();
    // It goes with its caller, and nobody has to end it; `list`, which also clears away, may be asked at any moment meanwhile.
    is_cleared_away(&host, &before, "lazaret was killed");
}

/// Nobody is left who would clear away after the command: the container ends none the less, and the next command finds what is left of it.
#[test]
fn of_the_launcher_and_then_of_lazaret_in_the_foreground_ends_the_container() {
    need_root!();
    let host = Host::new();
    host.image();
    let before = files(&host);
    for victims in [
        [Program::Launcher, Program::Lazaret],
        [Program::Lazaret, Program::Launcher],
    ] {
        let name = host.name("once");
        let options = ["--name", &name, "--network", "default"];
        let mut child = in_the_foreground(&host, &options);
        assert!(host.pid_1(&name).is_some());
        let of = |victim| {
            working(&host)
                .into_iter()
                .find(|(_, p)| *p == victim)
                .map(|(pid, _)| pid)
        };
        let pids = victims.map(|victim| of(victim).expect("it runs"));
        if victims[0] == Program::Launcher {
            for pid in pids {
                kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
                assert!(capture::until(capture::DEADLINE / 6, || process::over(pid)));
            }
        } else {
            process::kill_together(&pids);
        }
        child.wait().unwrap();
        // Nobody asks anything of `lazaret` meanwhile.
        let over = capture::until(capture::DEADLINE / 3, || host.pid_1(&name).is_none());
        assert!(over, "a container whose caller is gone, after {victims:?} were killed");
        is_cleared_away(&host, &before, &format!("{victims:?} were killed"));
    }
}

#[test]
fn of_each_process_that_keeps_a_run_leaves_no_empty_file_in_the_image() {
    need_root!();
    let host = Host::new();
    host.image();
    let before = files(&host);
    for (number, victims) in [
        &["supervisor"][..],
        &["init"],
        &["pid1"],
        &["init", "supervisor", "pid1"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = host.name(&format!("run{number}"));
        host.once(&["--name", &name, "--network", "default", "-d"], &["sleep", "1000"])
            .ok();
        assert_eq!(more(&host, &before).len(), 2, "{victims:?}");
        process::kill_together(&pids(&host, &name, victims));
        let over = capture::until(capture::DEADLINE / 3, || !host.runs(&name));
        assert!(over, "{victims:?}: {}", host.listed(&name));
        assert_eq!(more(&host, &before), Vec::<PathBuf>::new(), "{victims:?}");
    }
}

#[test]
fn of_both_halves_of_a_run_that_is_starting_leaves_no_empty_file_in_the_image() {
    need_root!();
    let host = Host::new();
    host.image();
    let before = files(&host);
    let mut with_files = 0;
    for round in 0..24 {
        let name = host.name(&format!("cut{round}"));
        let arguments = host.once_arguments(&["--name", &name, "-d"], &["sleep", "1000"]);
        let mut child = host
            .lazaret(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            if host.image().join("etc/hosts").exists() {
                // At another moment each time.
                std::thread::sleep(Duration::from_micros(200 * round));
                let halves = |p: &Program| matches!(p, Program::Init | Program::Supervisor);
                let found: Vec<i32> = working(&host)
                    .into_iter()
                    .filter(|(_, p)| halves(p))
                    .map(|(pid, _)| pid)
                    .collect();
                process::kill_together(&found);
                with_files += 1;
                break;
            }
        }
        capture::collect(
            child,
            "lazaret run, cut short".to_owned(),
            Vec::new(),
            capture::DEADLINE / 2,
        );
        let over = capture::until(capture::DEADLINE / 3, || !host.runs(&name));
        assert!(
            over || host.run(&["destroy", &name]).code() == 0,
            "round {round}: {}",
            host.listed(&name)
        );
        assert_eq!(more(&host, &before), Vec::<PathBuf>::new(), "round {round}");
    }
    assert!(with_files > 0, "no start was cut short after it had made the file");
}

/// The processes of a container, as its record names them.
fn pids(host: &Host, name: &str, which: &[&str]) -> Vec<i32> {
    let facts = host.run(&["dominfo", name, "--json"]).ok().json();
    let pid = |p: &&str| facts["pids"][*p].as_i64().and_then(|n| n.try_into().ok());
    which.iter().map(|p| pid(p).expect("its process")).collect()
}

#[test]
fn of_all_that_keep_one_of_two_containers_on_one_image_leaves_the_other_as_it_is() {
    need_root!();
    let host = Host::new();
    host.image();
    let before = files(&host);
    let [first, second] = ["first", "second"].map(|n| host.name(n));
    for name in [&first, &second] {
        host.once(&["--name", name, "--network", "default", "-d"], &["sleep", "1000"])
            .ok();
        if *name == first {
            assert_eq!(more(&host, &before).len(), 2);
        }
    }
    process::kill_together(&pids(&host, &first, &["supervisor", "init", "pid1"]));
    let over = capture::until(capture::DEADLINE / 3, || !host.runs(&first));
    assert!(over, "{}", host.listed(&first));
    assert!(host.runs(&second));
    let hosts = host.run(&["enter", &second, "--", "cat", "/etc/hosts"]).ok();
    assert!(hosts.stdout.contains(&second), "its files are still there: {hosts}");
    // The one that made them is dead: they go with the one that used them.
    host.run(&["destroy", &second]).ok();
    assert_eq!(more(&host, &before), Vec::<PathBuf>::new());
    for name in [&first, &second] {
        host.run(&["undefine", name]).ok();
    }
    host.nothing_is_left();
}

/// Nobody knows any more that there was a container: `list` removes its groups none the less, and no other's.
#[test]
fn of_all_that_keep_a_container_whose_state_is_removed_too_leaves_no_group_after_list() {
    need_root!();
    let host = Host::new();
    let [gone, lives, occupied] = ["gone", "lives", "occupied"].map(|word| host.name(word));
    for name in [&gone, &lives] {
        host.once(&["--name", name, "-d"], &["sleep", "1000"]).ok();
    }
    let groups = |name: &str| {
        let below = kernel::hierarchies().into_iter().map(|h| h.join("lazaret").join(name));
        below.filter(|group| group.exists()).collect::<Vec<PathBuf>>()
    };
    let before = groups(&lives);
    assert!(before.len() >= kernel::hierarchies().len(), "{before:?}");
    let victims = pids(&host, &gone, &["supervisor", "init", "pid1"]);
    process::kill_together(&victims);
    assert!(capture::until(capture::DEADLINE / 6, || victims
        .iter()
        .all(|p| process::over(*p))));
    std::fs::remove_dir_all(host.run_directory().join(&gone)).unwrap();
    // Of no container either, but with a process in it: whose that is nobody can say.
    let mut sleeper = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let other = kernel::hierarchies()[0].join("lazaret").join(&occupied);
    std::fs::create_dir_all(other.join("payload")).unwrap();
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(text) = std::fs::read_to_string(other.join("..").join(file)) {
            std::fs::write(other.join(file), text.trim()).unwrap();
        }
    }
    std::fs::write(other.join("cgroup.procs"), sleeper.id().to_string()).unwrap();
    // Who has another state directory leaves them to whoever has this one.
    let left = groups(&gone);
    let elsewhere = host.directory().join("other").display().to_string();
    let said = host.run(&["--run-dir", &elsewhere, "list"]).ok();
    assert_eq!((said.stderr.as_str(), groups(&gone)), ("", left), "{said}");
    let said = host.run(&["list"]).ok();
    assert_eq!(groups(&gone), Vec::<PathBuf>::new(), "{said}");
    let told = said.stderr.contains(&format!("the control groups of {gone}, "));
    assert!(
        told && !said.stderr.contains(&lives) && !said.stderr.contains(&occupied),
        "{said}"
    );
    assert_eq!(groups(&lives), before);
    assert_eq!(groups(&occupied), vec![other.clone()]);
    assert!(other.join("payload").exists(), "nothing is taken from a process");
    host.run(&["enter", &lives, "--", "true"]).ok();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    host.run(&["list"]).ok();
    assert_eq!(groups(&occupied), Vec::<PathBuf>::new());
    host.run(&["destroy", &lives]).ok();
    host.run(&["undefine", &lives]).ok();
    host.nothing_is_left();
}

#[test]
fn of_each_short_lived_process_during_a_start() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", NETWORK)]).ok();
    let before = host.look();
    let files_before = files(&host);
    let victims = [
        Program::Launcher,
        Program::Lazaret,
        Program::Mountd,
        Program::Netd,
        Program::Idmapd,
        Program::Cgroupd,
        Program::Devd,
        Program::Fused,
        Program::Init,
        Program::Supervisor,
    ];
    for victim in victims {
        let mut hit = 0;
        // At other moments each time, and at last, if it was gone each time when it was looked for, at its very execution.
        let later = (0..6).map(|round| When::After(Duration::from_micros(300 * round)));
        for when in later.chain([When::AtExec]) {
            if when == When::AtExec && hit > 0 {
                break;
            }
            let catcher = Catcher::new(victim, when);
            let child = host
                .lazaret(&["start", &name])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            // Of lazaret itself there may be no process that was executed.
            let said = child.map(|child| {
                let what = format!("lazaret start, {} killed", victim.name());
                capture::collect(child, what, Vec::new(), capture::DEADLINE / 2)
            });
            hit += usize::from(catcher.killed());
            let Ok(said) = said else { continue };
            assert!(!said.stderr.contains("panicked"), "{said}");
            // What list says is so, as soon as the killed process is gone: the signal is sent, not yet taken, when kill(2) returns.
            let so = || host.runs(&name) == host.pid_1(&name).is_some();
            assert!(
                capture::until(capture::DEADLINE / 6, so),
                "{} killed: list does not tell what is so. {said}",
                victim.name()
            );
            if host.runs(&name) {
                // It may have ended on its own meanwhile, if what was killed kept it.
                let ended = host.run(&["destroy", &name]);
                assert!(
                    ended.stderr.is_empty() || ended.stderr.contains("not running"),
                    "{ended}"
                );
                assert!(!host.runs(&name), "{} killed: it cannot be destroyed", victim.name());
            }
            host.run(&["list", "--all"]).ok();
            let gone = capture::until(capture::DEADLINE / 6, || host.look().added_since(&before).is_empty());
            assert!(
                gone,
                "{} killed during a start: {:#?}\n{said}",
                victim.name(),
                host.look().added_since(&before)
            );
            assert_eq!(
                more(&host, &files_before),
                Vec::<PathBuf>::new(),
                "{} killed during a start\n{said}",
                victim.name()
            );
        }
        assert!(hit > 0, "{} was never caught during a start", victim.name());
        host.run(&["start", &name]).ok();
        host.run(&["destroy", &name]).ok();
    }
    host.run(&["undefine", &name]).ok();
}
