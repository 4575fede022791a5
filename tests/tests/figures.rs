//! The figures of SECURITY.md, each held to what it promises. `make security-figures` shows them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::figures::{lines, print, processes};
use tests::ordinary::Users;
use tests::programs::tree;
use tests::skip::have;
use tests::{Host, capture, disk, lending, need_root, programs, skip, table};
use wire::Program;

fn joined<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    words
        .into_iter()
        .map(|w| w.as_ref().to_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Start, enter, stop, and a container of one command, with everything that a container can have; inside, the meminfo is read.
fn all_programs_at_work(host: &Host) -> (i32, processes::Seen) {
    let name = host.name("vm");
    let network = "<interface type='network'><source network='default'/></interface>";
    let disk = disk::given(host, &name).unwrap_or_default();
    let devices = format!("{network}{disk}");
    let file = host.domain_file(&name, "while :; do sleep 1000; done", "", &devices);
    let run = host.once_arguments(&["--network", "default"], &["cat", "/proc/meminfo"]);
    let run = joined(run.iter().map(|w| format!("'{w}'")));
    let lazaret = programs::path(Program::Lazaret);
    let lazaret = lazaret.display();
    let script = format!(
        "set -e; {lazaret} define {file}; {lazaret} start {name}; {lazaret} enter {name} -- cat /proc/meminfo; {lazaret} list; \
         {lazaret} destroy {name}; {lazaret} undefine {name}; {lazaret} {run}"
    );
    let mut command = host.command("sh");
    command.args(["-c", &script]);
    processes::watch(&command)
}

#[test]
fn who_reads_what_strangers_wrote_holds_nothing_and_the_filters_in_force_are_the_texts() {
    need_root!();
    let host = Host::new();
    let (status, seen) = all_programs_at_work(&host);
    assert_eq!(status, 0, "the script under the tracer");
    print(
        "capabilities in the initial user namespace of any process that reads untrusted bytes",
        format!("{} (in {} looks)", seen.most_of_readers, seen.looks),
    );
    print(
        "looks at such a process that found host uid or gid 0",
        seen.readers_as_root,
    );
    assert!(seen.looks > 1000, "{} looks", seen.looks);
    assert_eq!((seen.most_of_readers, seen.readers_as_root), (0, 0));

    // The most in any process: one, or a pair that the kernel asks for, or the launcher.
    for (program, sets) in &seen.held {
        let most = sets.iter().copied().max_by_key(|s| s.count_ones()).unwrap_or(0);
        print(
            &format!("most capabilities in one process of {program}"),
            format!("{} {}", most.count_ones(), joined(table::names(most))),
        );
        let pair = ["idmapd", "devd"].contains(program);
        assert!(
            *program == "launcher" || most.count_ones() <= if pair { 2 } else { 1 },
            "{program}: {most:#x}"
        );
    }
    if let Some(errno) = seen.hidden {
        skip!("the kernel does not show the filters of a process: {errno}");
    }

    let texts: BTreeSet<BTreeSet<&str>> = Program::ALL
        .map(|p| policies::of(p).calls)
        .into_iter()
        .chain(policies::State::ALL.map(|s| policies::stricter(s).calls))
        .map(|calls| calls.iter().copied().collect())
        .collect();
    let mut filtered = BTreeSet::new();
    for (program, kinds) in seen.calls() {
        filtered.insert(program);
        for calls in kinds {
            print(
                &format!("system calls allowed to {program} in its steady state"),
                format!(
                    "{}: {}",
                    calls.len(),
                    if program == "lazaret" {
                        "not counted".into()
                    } else {
                        joined(&calls)
                    }
                ),
            );
            let most = match program {
                "lazaret" => continue,
                "fused" => 6,
                _ => 16,
            };
            assert!(calls.len() <= most, "{program}: {calls:?}");
            assert!(
                texts.contains(&calls),
                "{program} has a filter that no policy file states: {calls:?}"
            );
        }
    }
    // Where there is no loop device nobody needs who puts files behind them.
    let works = |p: &Program| *p != Program::Loopd || disk::lacking().is_none();
    let others = Program::ALL.into_iter().filter(|p| *p != Program::Launcher);
    for program in others.filter(works) {
        assert!(
            filtered.contains(program.name()),
            "{} was not seen with a filter",
            program.name()
        );
    }
    print(
        "starts of a container's own program at which fused had its last filter",
        format!(
            "{} of {}",
            seen.fused_ready.iter().filter(|r| **r).count(),
            seen.fused_ready.len()
        ),
    );
    // The outer half that waits and the first process that stays are two, and so are what remains of each.
    assert_eq!(seen.calls()["init"].len(), 2, "{:?}", seen.calls()["init"]);
}

/// One request of an ordinary user's to the broker of links, which is done.
#[test]
fn who_lends_an_ordinary_user_a_link_holds_nothing_when_it_reads() {
    need_root!();
    let users = Users::new();
    lending::prepare(&users, "tester0 veth br0 1\n");
    let borrow = users.directory().join("borrow");
    fs::copy(env!("CARGO_BIN_EXE_borrow"), &borrow).unwrap();
    let script = "cd \"$1\"; mkfifo in out; \"$2\" \"$3\" 1 \"$4\" --broker < in > out & exec 9> in; read ready < out; \
                  setpriv --reuid=\"$5\" --regid=\"$5\" --clear-groups ./borrow \"$3\" br0 eth0 own < /dev/null | grep '^connected lzu'; \
                  said=$?; exec 9>&-; wait; exit $said";
    let mut command = users.command("sh");
    command.args(["-c", script, "sh"]).arg(users.directory());
    command.args([env!("CARGO_BIN_EXE_accept"), lending::SOCKET]);
    command.arg(programs::path(Program::Launcher));
    command.arg(users.first().uid().to_string());
    let (status, seen) = processes::watch(&command);
    assert_eq!(status, 0, "the script under the tracer");
    print(
        "capabilities of the broker of links when it reads a user's request",
        format!("{} (in {} looks)", seen.most_of_readers, seen.looks),
    );
    assert!(seen.looks > 100, "{} looks", seen.looks);
    assert_eq!((seen.most_of_readers, seen.readers_as_root), (0, 0));
    assert_eq!(seen.held["launcher"], BTreeSet::from([0]));
    if let Some(errno) = seen.hidden {
        skip!("the kernel does not show the filters of a process: {errno}");
    }
    let stated: BTreeSet<&str> = policies::stricter(policies::State::LauncherBrokering)
        .calls
        .iter()
        .copied()
        .collect();
    print(
        "system calls allowed to the launcher as the broker of links",
        format!("{}: {}", stated.len(), joined(&stated)),
    );
    assert!(stated.len() <= 16, "{stated:?}");
    assert_eq!(seen.calls()["launcher"], BTreeSet::from([stated]));
}

#[test]
fn lines_of_ours_that_can_run_with_sys_admin_do_not_become_more() {
    // What either of its powers names, on whatever host: `mountd`, and the launcher, which hands it out.
    let holders = Program::ALL.into_iter().filter(|p| {
        [true, false]
            .iter()
            .any(|usual| policies::power(*p, *usual).contains(&SYS_ADMIN))
    });
    assert_eq!(holders.collect::<Vec<_>>(), [Program::Launcher, Program::Mountd]);
    if !have("cargo") {
        skip!("needs cargo, which builds programs once more with line tables; what it counts is the same on every host")
    }
    let built = lines::build(&[Program::Mountd, Program::Launcher]);
    let count = |programs: &[&str]| {
        let files: Vec<PathBuf> = programs.iter().map(|p| built.join(p)).collect();
        lines::reachable(&files)
    };
    let Some(mountd) = count(&["mountd"]) else {
        skip!("needs readelf (binutils)");
    };
    for (file, lines) in &mountd {
        print(&format!("  of mountd in {file}"), lines);
    }
    let total =
        |files: Option<std::collections::BTreeMap<String, usize>>| files.map_or(0, |f| f.values().sum::<usize>());
    let alone = mountd.values().sum::<usize>();
    print("lines of ours that can run with SYS_ADMIN (mountd)", alone);
    print(
        "lines of ours in the launcher, the named exception",
        total(count(&["launcher"])),
    );
    assert!(alone > 300, "{alone}: the line table cannot be read");
    assert!(alone <= 600, "{alone}");
}

/// CAP_SYS_ADMIN (capabilities(7)).
const SYS_ADMIN: u8 = 21;

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

/// What `make install` lays down: below `LAZARET_TEST_INSTALLED`, where that was done before, or done now. `true`: it is to be removed.
fn installed_at() -> (PathBuf, bool) {
    if let Some(place) = std::env::var_os("LAZARET_TEST_INSTALLED") {
        return (place.into(), false);
    }
    let place = tree().join(format!("target/figures-install-{}", std::process::id()));
    let mut install = Command::new("make");
    // What is built is installed; it is not built again.
    install
        .args(["--no-print-directory", "install", "CARGO=true"])
        .arg(format!("DESTDIR={}", place.display()))
        .arg(format!("BUILT={}", programs::directory().display()))
        .current_dir(tree());
    capture::run(&mut install, b"").ok();
    (place, true)
}

#[test]
fn what_is_installed_has_no_set_id_bit_and_no_file_capability() {
    let (place, ours) = installed_at();
    let mut installed = Vec::new();
    files_below(&place, &mut installed);
    let marked = |p: &&PathBuf| fs::symlink_metadata(p).unwrap().permissions().mode() & 0o7000 != 0;
    let privileged = |p: &&PathBuf| {
        let mut value = [0u8; 64];
        rustix::fs::lgetxattr(p.as_path(), "security.capability", &mut value).is_ok()
    };
    let found: Vec<PathBuf> = installed
        .iter()
        .filter(|p| marked(p) || privileged(p))
        .cloned()
        .collect();
    let units: Vec<PathBuf> = installed
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "service"))
        .cloned()
        .collect();
    print(
        "setuid, setgid and file-capability files installed",
        format!("{} of {}", found.len(), installed.len()),
    );
    let scores: Vec<(String, f64)> = units.iter().filter_map(|u| score(u)).collect();
    for (unit, score) in &scores {
        print(&format!("systemd-analyze security of {unit}"), score);
    }
    // And what a piece becomes by hand.
    let names = Program::ALL
        .map(Program::name)
        .into_iter()
        .chain(["byhand", "byhand.8"]);
    let programs = names.into_iter().all(|n| installed.iter().any(|f| f.ends_with(n)));
    if ours {
        fs::remove_dir_all(&place).unwrap();
    }
    assert!(found.is_empty(), "{found:?}");
    assert!(programs && !units.is_empty(), "not everything is installed");
    if scores.is_empty() {
        skip!("needs systemd-analyze for the scores of the units");
    }
    // The aim is 2.0; SECURITY.md says of each option that is not set why it cannot be.
    assert!(scores.iter().any(|(unit, _)| unit.starts_with(BROKER)), "{scores:?}");
    for (unit, score) in scores {
        let most = if unit.starts_with(BROKER) {
            BROKER_SCORE
        } else {
            UNIT_SCORE
        };
        assert!(score <= most, "{unit}: {score}");
    }
}

/// What a unit that starts a container comes to.
const UNIT_SCORE: f64 = 6.1;
/// The unit that lends ordinary users links, and what it comes to.
const BROKER: &str = "lazaret-broker@";
const BROKER_SCORE: f64 = 1.9;

/// The exposure that systemd works out for a unit file.
fn score(unit: &Path) -> Option<(String, f64)> {
    let name = unit.file_name()?.to_str()?.to_owned();
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = text.split_once("Overall exposure level for ")?;
    Some((name, rest.split(": ").nth(1)?.split_whitespace().next()?.parse().ok()?))
}

#[test]
fn no_unsafe_code_is_outside_of_sys() {
    let mut sources = Vec::new();
    for entry in fs::read_dir(tree()).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir()
            && name != "target"
            && name != "sys"
            && !name.to_string_lossy().starts_with('.')
        {
            files_below(&entry.path(), &mut sources);
        }
    }
    let word = concat!("un", "safe");
    let uses = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.lines().map(|l| l.split("//").next().unwrap());
        code.filter(|l| l.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word))
            .count()
    };
    let sources: Vec<&PathBuf> = sources
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .collect();
    let found: usize = sources.iter().map(|p| uses(p)).sum();
    print(
        &format!("uses of {word} outside of sys"),
        format!("{found} in {} files", sources.len()),
    );
    assert_eq!(found, 0);
}
