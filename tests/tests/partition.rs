//! `<resource><partition>`: a container's groups lie below those of its partition, in each hierarchy, so that a limit of the partition's holds for it;
//! what was made for it goes with the last container in it, whoever was killed, and what an administrator made stays. Asks the kernel.

use nix::fcntl::{Flock, FlockArg};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tests::capture::{DEADLINE, until};
use tests::delegated::Delegated;
use tests::ordinary::Users;
use tests::{Host, kernel, need_root, process, skip};

const STAY: &str = "while :; do sleep 1000; done";

/// A partition's directory in each hierarchy, whether it is there or not; `names` are its groups.
fn places(names: &[&str]) -> Vec<PathBuf> {
    let below: String = names.iter().map(|name| format!("/.{name}")).collect();
    let place = |h: PathBuf| PathBuf::from(format!("{}/lazaret/.partition{below}", h.display()));
    kernel::hierarchies().into_iter().map(place).collect()
}

fn there(paths: &[PathBuf]) -> Vec<&PathBuf> {
    paths.iter().filter(|p| p.is_dir()).collect()
}

fn defined(host: &Host, name: &str, partition: &str) {
    let more = format!("<resource><partition>{partition}</partition></resource>");
    host.run(&["define", &host.domain_file(name, STAY, &more, "")]).ok();
}

/// The first that the kernel has of these files, in the groups of that container in a partition.
fn says(places: &[PathBuf], name: &str, files: [&str; 2]) -> String {
    let all = places.iter().flat_map(|p| files.map(|f| p.join(name).join(f)));
    let text = all.filter_map(|f| fs::read_to_string(f).ok()).next();
    text.unwrap_or_else(|| panic!("none of {files:?} in {places:?}"))
        .trim()
        .to_owned()
}

/// In which groups a process is, without what is below the container's own.
fn groups_of(pid: i32, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    let path = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
    let above = |path: String| path.split_once(&format!("/{name}")).map(|(above, _)| above.to_owned());
    text.lines().filter_map(path).filter_map(above).collect()
}

/// The container's first process, in whose groups all others begin.
fn pid_1(places: &[PathBuf], name: &str) -> i32 {
    let text = says(places, name, ["payload/cgroup.procs", "payload/tasks"]);
    let pid = text.lines().next().and_then(|l| l.parse().ok());
    pid.unwrap_or_else(|| panic!("no process: {text:?}"))
}

/// Makes groups as an administrator does; the directory of all partitions is left as one of Lazaret's making, which other tests may have removed meanwhile.
fn made(place: &Path) {
    let top = place
        .ancestors()
        .find(|p| p.ends_with("lazaret/.partition"))
        .expect("below it");
    let make = || {
        let _ = fs::DirBuilder::new().mode(0o1755).create(top);
        fs::create_dir_all(place).is_ok()
    };
    assert!(until(DEADLINE, make), "make {}", place.display());
}

#[test]
fn groups_lie_in_the_partition_in_each_hierarchy_and_all_verbs_find_them() {
    need_root!();
    let host = Host::new();
    let (name, other) = (&host.name("vm"), &host.name("other"));
    let (quay, crane) = (&host.name("quay"), &host.name("crane"));
    defined(&host, name, &format!("/{quay}//{crane}/"));
    defined(&host, other, &format!("/{quay}"));
    let (outer, inner) = (places(&[quay]), places(&[quay, crane]));
    host.run(&["plan", name]).ok();
    assert!(there(&outer).is_empty(), "a plan makes nothing");

    host.run(&["start", name]).ok();
    host.run(&["start", other]).ok();
    let hierarchies = inner.len();
    assert_eq!(there(&inner).len(), hierarchies);
    let own: Vec<PathBuf> = inner.iter().map(|p| p.join(name)).collect();
    assert_eq!(there(&own).len(), hierarchies);
    assert!(kernel::groups_of(name).is_empty(), "it has none elsewhere");
    let expected = format!("/lazaret/.partition/.{quay}/.{crane}");
    let groups = groups_of(pid_1(&inner, name), name);
    assert!(
        groups.len() >= hierarchies && groups.iter().all(|g| *g == expected),
        "{groups:?}"
    );

    // A limit of the container's, before and after; what it uses; frozen and thawed; entered.
    let limit = || says(&inner, name, ["memory.limit_in_bytes", "memory.max"]);
    assert_eq!(limit(), (64 << 20).to_string());
    host.run(&["setmem", name, "32M"]).ok();
    assert_eq!(limit(), (32 << 20).to_string());
    let stats = host.run(&["cpu-stats", name, "--total"]).ok();
    assert!(stats.stdout.contains("cpu_time"), "{stats}");
    host.run(&["suspend", name]).ok();
    let frozen = says(&inner, name, ["payload/freezer.state", "payload/cgroup.events"]);
    assert!(frozen.contains("FROZEN") || frozen.contains("frozen 1"), "{frozen}");
    host.run(&["resume", name]).ok();
    let inside = host
        .run(&["enter", name, "--", "grep", "MemTotal", "/proc/meminfo"])
        .ok();
    assert!(inside.stdout.contains(" 32768 kB"), "{inside}");
    let seen = host.run(&["enter", name, "--", "cat", "/proc/self/cgroup"]).ok().stdout;
    assert!(!seen.contains("partition"), "it sees nothing above its own: {seen}");

    host.run(&["destroy", name]).ok();
    assert!(there(&inner).is_empty(), "{:?}", there(&inner));
    assert_eq!(there(&outer).len(), hierarchies, "the other is there still");
    host.run(&["destroy", other]).ok();
    assert!(there(&outer).is_empty(), "{:?}", there(&outer));
    // And again, which is a start as the first.
    host.run(&["start", name]).ok();
    assert_eq!(there(&inner).len(), hierarchies);
    host.run(&["destroy", name]).ok();
    assert!(there(&outer).is_empty(), "{:?}", there(&outer));
}

#[test]
fn what_an_administrator_made_for_a_partition_stays_and_its_limit_holds() {
    need_root!();
    let host = Host::new();
    let (name, quay) = (&host.name("vm"), &host.name("quay"));
    // `lazaret` is there, and whatever is turned on in it, once something has started.
    host.run(&["define", &host.domain_file(name, STAY, "", "")]).ok();
    host.run(&["start", name]).ok();
    host.run(&["destroy", name]).ok();
    let has = |p: &&PathBuf| {
        let lazaret = p.parent().and_then(Path::parent).expect("lazaret");
        let on = fs::read_to_string(lazaret.join("cgroup.subtree_control")).unwrap_or_default();
        lazaret.join("pids.max").exists() || on.split_whitespace().any(|c| c == "pids")
    };
    let all = places(&[quay]);
    let place = all.iter().find(has).expect("the pids controller");
    made(place);
    let control = place.parent().expect(".partition").join("cgroup.subtree_control");
    if control.exists() {
        fs::write(control, "+pids").expect("turn pids on");
    }
    fs::write(place.join("pids.max"), "7").expect("limit the partition");

    defined(&host, name, &format!("/{quay}"));
    host.run(&["start", name]).ok();
    let limit = || fs::read_to_string(place.join("pids.max")).unwrap_or_default();
    let shell = "i=0; while [ $i -lt 20 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done";
    let tried = host.run(&["enter", name, "--", "sh", "-c", shell]);
    let current = fs::read_to_string(place.join("pids.current")).expect("how many");
    assert!(
        current.trim().parse::<u32>().expect("a number") <= 7,
        "{current}: {tried}"
    );
    let events = fs::read_to_string(place.join("pids.events")).expect("what happened");
    assert!(
        !tried.status.success(),
        "no more than the partition may have: {tried} {events}"
    );
    host.run(&["destroy", name]).ok();
    assert_eq!(limit().trim(), "7", "what the administrator made stays");
    let left: Vec<&PathBuf> = all.iter().filter(|p| p.is_dir() && *p != place).collect();
    assert!(left.is_empty(), "what was made for the container goes: {left:?}");
    fs::remove_dir(place).expect("nothing is left in it");
}

#[test]
fn what_was_killed_in_a_partition_is_cleared_away_by_the_next_command() {
    need_root!();
    let host = Host::new();
    let (name, quay) = (&host.name("vm"), &host.name("quay"));
    let all = places(&[quay]);
    defined(&host, name, &format!("/{quay}"));
    host.run(&["start", name]).ok();
    let rows = host.run(&["privileges", name, "--json"]).ok().json();
    let pid = |row: &serde_json::Value| i32::try_from(row["pid"].as_i64()?).ok();
    let all_pids: Vec<i32> = rows.as_array().unwrap().iter().filter_map(pid).collect();
    process::kill_together(&all_pids);
    host.run(&["list"]).ok();
    assert!(there(&all).is_empty(), "{:?}", there(&all));
    // Groups that a start left which was cut off, there and in another partition, are in nobody's way.
    for place in places(&[quay, "left"]).iter().chain(&all) {
        made(&place.join(name));
    }
    defined(&host, name, &format!("/{quay}/crane"));
    host.run(&["start", name]).ok();
    let with: Vec<PathBuf> = all.iter().map(|p| p.join(name)).collect();
    assert!(there(&with).is_empty(), "{:?}", there(&with));
    assert_eq!(there(&places(&[quay, "crane"])).len(), all.len());
    host.run(&["destroy", name]).ok();
    // These were not made by Lazaret.
    assert_eq!(there(&places(&[quay, "left"])).len(), all.len());
    for names in [&[quay.as_str(), "left"] as &[&str], &[quay]] {
        places(names)
            .iter()
            .for_each(|p| fs::remove_dir(p).expect("it is empty"));
    }
    host.run(&["list"]).ok();
}

#[test]
fn what_cannot_be_a_group_is_kept_and_refused_at_a_start() {
    need_root!();
    let host = Host::new();
    let name = &host.name("vm");
    for (bad, why) in [
        ("quay", "begin with '/'"),
        ("/quay/../..", "'.' and '..'"),
        ("/quay/./x", "'.' and '..'"),
        (&format!("/{}", "x".repeat(201)), "200 bytes"),
        (&"/x".repeat(17), "bytes"),
    ] {
        defined(&host, name, bad);
        let kept = host.run(&["dumpxml", name]).ok().stdout;
        assert!(kept.contains(&format!("<partition>{bad}</partition>")), "{kept}");
        host.run(&["start", name]).refused(1, &["partition", why]);
        assert!(kernel::groups_of(name).is_empty());
    }
    for usual in ["/machine", "/machine/", "/"] {
        defined(&host, name, usual);
        host.run(&["start", name]).ok();
        assert!(!kernel::groups_of(name).is_empty());
        host.run(&["destroy", name]).ok();
    }
}

#[test]
fn whoever_may_open_a_group_keeps_no_partition_from_coming_or_going() {
    need_root!();
    let host = Host::new();
    let (name, quay) = (&host.name("vm"), &host.name("quay"));
    defined(&host, name, &format!("/{quay}"));
    // So that the directories are there.
    host.run(&["start", name]).ok();
    host.run(&["destroy", name]).ok();
    let directories = kernel::hierarchies().into_iter().map(|h| h.join("lazaret"));
    let lock = |d: PathBuf| Flock::lock(fs::File::open(d).expect("it is there"), FlockArg::LockExclusive).unwrap();
    let _held: Vec<_> = directories.filter(|d| d.is_dir()).map(lock).collect();
    host.run(&["start", name]).ok();
    assert!(!there(&places(&[quay])).is_empty());
    host.run(&["destroy", name]).ok();
    assert_eq!(there(&places(&[quay])), Vec::<&PathBuf>::new());
    host.run(&["undefine", name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_users_container_has_its_partition_in_the_group_that_was_delegated() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let Some(own) = Delegated::to(user, &["pids"]) else {
        skip!("this host has no control groups of version 2")
    };
    // Names that are like the directory's own.
    let resource = "<resource><partition>/partitions/partition</partition></resource></domain>";
    let file = user.domain("web", &user.tree(0), STAY, "");
    let xml = fs::read_to_string(&file).expect("it was written");
    let file = user.file("web.xml", &xml.replace("</domain>", resource));
    let lazaret = own.path().join("lazaret");
    let place = lazaret.join(".partition/.partitions/.partition");
    own.run(user, &["define", &file]).ok();
    own.run(user, &["start", "web"]).ok();
    assert!(place.join("web/payload").is_dir() && !own.of("web").exists());
    let stats = user.run(&["cpu-stats", "web", "--total"]).ok();
    assert!(stats.stdout.contains("cpu_time"), "{stats}");
    user.run(&["suspend", "web"]).ok();
    let events = fs::read_to_string(place.join("web/payload/cgroup.events")).unwrap();
    assert!(events.contains("frozen 1"), "{events}");
    user.run(&["resume", "web"]).ok();
    user.run(&["destroy", "web"]).ok();
    assert!(!lazaret.join(".partition").exists());
    // Without a group there is none to lie in.
    user.run(&["start", "web"])
        .refused(1, &["/partitions/partition", "no control group of yours"]);
}
