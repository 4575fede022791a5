//! An ordinary user's containers in a control group that was delegated to the user: they are born in it, have limits, are frozen and thawed, are
//! counted, and end whole; without one, what needs it is refused with what mends it. Asks the kernel, in the group's own files.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use tests::delegated::{Delegated, unified};
use tests::ordinary::{User, Users};
use tests::{capture, need_root, process, skip};

const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
const SCOPE: &str = "systemd-run --user --scope -p Delegate=yes";

fn read(group: &Path, file: &str) -> String {
    let text = fs::read_to_string(group.join(file));
    text.unwrap_or_else(|e| panic!("{}/{file}: {e}", group.display()))
        .trim()
        .to_owned()
}

/// In which group of version 2 a process is, by the kernel's word.
fn group_of(pid: i32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let own = text.lines().find_map(|l| l.strip_prefix("0::"));
    own.unwrap_or_default().to_owned()
}

/// The processes of a container, with the name of the program.
fn processes(user: User<'_>, name: &str) -> Vec<(i32, String)> {
    let rows = user.run(&["privileges", name, "--json"]).ok().json();
    let one = |row: &serde_json::Value| {
        let pid = i32::try_from(row["pid"].as_i64()?).ok()?;
        Some((pid, row["program"].as_str()?.to_owned()))
    };
    rows.as_array().unwrap().iter().filter_map(one).collect()
}

/// What a user has noted of where groups lie.
fn notes(user: User<'_>) -> usize {
    fs::read_dir(user.home().join(".local/state/lazaret/groups")).map_or(0, Iterator::count)
}

#[test]
fn a_container_is_born_in_the_group_is_frozen_thawed_and_entered_there_and_leaves_nothing() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let Some(own) = Delegated::to(user, &[]) else {
        skip!("this host has no control groups of version 2")
    };
    own.once(user, &["-d", "--name", "web"], &["sleep", "1000"]).ok();
    let within = own.within();
    let all = processes(user, "web");
    let of = |program: &str| all.iter().find(|(_, p)| p == program).map(|(pid, _)| group_of(*pid));
    assert_eq!(of("supervisor").unwrap(), format!("{within}/lazaret/.keep"), "{all:?}");
    let groups: Vec<String> = all.iter().map(|(pid, _)| group_of(*pid)).collect();
    assert!(groups.contains(&format!("{within}/lazaret/web/payload")), "{groups:?}");
    assert!(groups.contains(&format!("{within}/lazaret/web/keep")), "{groups:?}");
    assert!(groups.iter().all(|g| g.starts_with(&within)), "{groups:?}");
    let group = own.of("web");
    // Its programs on the host's side, which are in the group beside, are not frozen.
    let events = || read(&group.join("payload"), "cgroup.events");
    assert!(events().contains("populated 1"));

    // From any session of the user's.
    user.run(&["suspend", "web"]).ok();
    assert!(events().contains("frozen 1"), "{}", events());
    assert_eq!(user.listed("web")["state"], "paused");
    user.run(&["resume", "web"]).ok();
    assert!(events().contains("frozen 0"), "{}", events());
    let info = user.run(&["cpu-stats", "web", "--total"]).ok();
    assert!(info.stdout.contains("cpu_time"), "{info}");

    // Into the group one gets from a group of one's own alone.
    user.run(&["enter", "web", "--", "true"])
        .refused(125, &["not yours", SCOPE, "enter web"]);
    let said = own.run(user, &["enter", "web", "--", "cat", "/proc/self/cgroup"]).ok();
    let seen = said.stdout.lines().find_map(|l| l.strip_prefix("0::"));
    assert_eq!(seen, Some("/../enter"), "{said}");

    // Frozen as it is; and with whoever is in it, under whatever id.
    user.run(&["suspend", "web"]).ok();
    let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(group.join("payload/cgroup.procs"), stranger.id().to_string()).unwrap();
    user.run(&["destroy", "web"]).ok();
    assert!(!group.exists());
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&stranger.wait().unwrap()),
        Some(9)
    );
    user.run(&["undefine", "web"]).ok();
    assert!(capture::until(capture::DEADLINE, || users.processes().is_empty()));
    assert_eq!(notes(user), 0);
}

#[test]
fn limits_are_the_kernels_and_meminfo_is_the_containers() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let Some(own) = Delegated::to(user, &CONTROLLERS) else {
        skip!("this host has no control groups of version 2")
    };
    if !["cpu", "memory", "pids"].iter().all(|c| own.has(c)) {
        skip!("cpu, memory and pids are controllers of version 1 here")
    }
    let limits = [
        "-d", "--name", "web", "--memory", "48M", "--pids", "20", "--cpus", "0.5",
    ];
    own.once(user, &limits, &["sleep", "1000"]).ok();
    let group = own.of("web");
    assert_eq!(read(&group, "memory.max"), (48 << 20).to_string());
    // One is of `init`, on the host's side.
    assert_eq!(read(&group, "pids.max"), "21");
    assert_eq!(read(&group, "cpu.max"), "50000 100000");
    let enter = |shell: &str| own.run(user, &["enter", "web", "--", "sh", "-c", shell]);
    let total = enter("grep MemTotal /proc/meminfo").ok().stdout;
    assert_eq!(total.split_whitespace().nth(1), Some("49152"), "{total}");
    let stat = user.run(&["dommemstat", "web"]).ok();
    assert!(stat.stdout.contains("rss "), "{stat}");
    let info = user.run(&["dominfo", "web"]).ok();
    assert!(info.stdout.contains("CPU time:"), "{info}");
    let stats = user.run(&["domstats", "web"]).ok();
    for figure in ["cpu.time=", "balloon.rss="] {
        assert!(stats.stdout.contains(figure), "{stats}");
    }
    // Changed while it runs, from any session.
    user.run(&["memtune", "web", "--hard-limit", "40M", "--live"]).ok();
    assert_eq!(read(&group, "memory.max"), (40 << 20).to_string());
    // Its root reaches none of them: what it sees of groups begins below.
    let said = enter("find /sys/fs/cgroup -name memory.max | head -n 1; echo max > /sys/fs/cgroup/memory.max");
    assert!(!said.status.success(), "{said}");
    assert_eq!(read(&group, "memory.max"), (40 << 20).to_string());
    // More than there is.
    let said = enter("tail -c 90000000 /dev/zero > /dev/null");
    assert!(!said.status.success(), "{said}");
    let killed = |text: String| {
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("oom_kill ").map(str::to_owned));
        line.is_some_and(|n| n != "0")
    };
    assert!(
        killed(read(&group, "memory.events")),
        "{}",
        read(&group, "memory.events")
    );
    user.run(&["destroy", "web"]).ok();
    user.run(&["undefine", "web"]).ok();
    assert!(!group.exists());

    // Nobody asked for a limit: it has the usual ones, as root's have.
    own.once(user, &["-d", "--name", "usual"], &["sleep", "1000"]).ok();
    assert_eq!(read(&own.of("usual"), "memory.max"), (64 << 20).to_string());
    user.run(&["destroy", "usual"]).ok();
    user.run(&["undefine", "usual"]).ok();
}

#[test]
fn what_is_not_delegated_is_refused_by_name_with_what_mends_it() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    // In a group that is not the user's.
    user.once(&["--memory", "64M"], &["true"]).refused(
        125,
        &["memory", "no control group of yours", SCOPE, "lazaret check", "as root"],
    );
    user.once(&["-d", "--name", "bare"], &["sleep", "1000"]).ok();
    user.run(&["suspend", "bare"])
        .refused(1, &[SCOPE, "lazaret start bare"]);
    user.run(&["dommemstat", "bare"])
        .refused(1, &[SCOPE, "lazaret start bare"]);
    user.run(&["destroy", "bare"]).ok();
    user.run(&["undefine", "bare"]).ok();
    let Some(own) = Delegated::to(user, &["pids"]) else {
        skip!("this host has no control groups of version 2")
    };
    own.once(user, &["--memory", "64M"], &["true"])
        .refused(125, &["memory controller is not delegated", "lazaret check"]);
    // What needs no controller goes on.
    own.once(user, &["-d", "--name", "web"], &["sleep", "1000"]).ok();
    user.run(&["dommemstat", "web"])
        .refused(1, &["memory", "not delegated"]);
    let stats = user.run(&["domstats", "web"]).ok();
    assert!(
        stats.stdout.contains("cpu.time=") && !stats.stdout.contains("balloon.rss"),
        "{stats}"
    );
    user.run(&["dominfo", "web"]).ok();
    user.run(&["top", "--batch", "-n", "1"]).ok();
    user.run(&["destroy", "web"]).ok();
    user.run(&["undefine", "web"]).ok();
    assert!(!own.of("web").exists());
}

#[test]
fn check_tells_which_controllers_are_delegated_and_what_mends_what_is_not() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let findings = |said: capture::Outcome| said.ok().json()["findings"].as_array().cloned().unwrap();
    let of = |all: &[serde_json::Value], what: &str| -> Vec<serde_json::Value> {
        all.iter().filter(|f| f["what"] == what).cloned().collect()
    };
    let none = of(&findings(user.run(&["check", "--json"])), "limits");
    assert_eq!(none[0]["verdict"], "warning", "{none:?}");
    assert!(
        none[0]["found"].as_str().unwrap().contains("no control group of yours"),
        "{none:?}"
    );
    let mend = none[0]["mend"].as_str().unwrap();
    let systemd = fs::read_to_string("/proc/1/comm").unwrap() == "systemd\n";
    assert!(
        if systemd {
            mend.starts_with(SCOPE)
        } else {
            mend.contains("chown")
        },
        "{mend}"
    );
    let Some(own) = Delegated::to(user, &["pids", "memory"]) else {
        skip!("this host has no control groups of version 2")
    };
    let all = findings(own.run(user, &["check", "--json"]));
    let limits = of(&all, "limits");
    assert_eq!(limits[0]["verdict"], "ok", "{limits:?}");
    let place = own.path().to_str().unwrap();
    assert!(limits[0]["found"].as_str().unwrap().contains(place), "{limits:?}");
    for controller in CONTROLLERS {
        let missing = |f: &&serde_json::Value| f["found"].as_str().unwrap().starts_with(controller);
        let told = of(&all, "controller");
        assert_eq!(
            told.iter().find(missing).is_none(),
            own.has(controller),
            "{controller}: {told:?}"
        );
        assert!(told.iter().all(|f| f["mend"].is_string()));
    }
    // What it says mends it, where that is a command of root's.
    if !systemd
        && own
            .path()
            .ancestors()
            .nth(2)
            .is_some_and(|root| read(root, "cgroup.controllers").contains("io"))
    {
        let told = of(&all, "controller");
        let io = told
            .iter()
            .find(|f| f["found"].as_str().unwrap().starts_with("io "))
            .unwrap();
        let mend = io["mend"].as_str().unwrap().replace("sudo ", "");
        capture::run(Command::new("sh").args(["-c", &mend]), b"").ok();
        assert!(own.has("io"));
    }
}

#[test]
fn whoever_was_in_the_group_is_in_one_below_and_another_users_is_not_used() {
    need_root!();
    let users = Users::new();
    let (user, other) = (users.first(), users.second());
    let Some(own) = Delegated::to(user, &CONTROLLERS) else {
        skip!("this host has no control groups of version 2")
    };
    // A shell that calls lazaret twice, as in a scope.
    let once = user.lazaret_once(&[], &["true"]);
    let words: Vec<String> = once
        .get_args()
        .skip_while(|a| *a != "env")
        .map(|a| a.to_str().unwrap().to_owned())
        .collect();
    let quoted: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
    let line = quoted.join(" ");
    let mut shell = user.command("sh");
    shell.args(["-c", &format!("{line} && {line} && grep ^0:: /proc/self/cgroup")]);
    let said = capture::run(&mut own.command(&shell), b"").ok();
    assert_eq!(said.stdout, format!("0::{}/lazaret/.caller\n", own.within()));
    assert_eq!(read(own.path(), "cgroup.procs"), "");
    // Who was put into a group of somebody else's has none.
    own.once(other, &["--memory", "64M"], &["true"])
        .refused(125, &["no control group of yours"]);
    own.once(other, &[], &["true"]).ok();
}

#[test]
fn a_unit_of_a_service_managers_is_used_where_that_gives_it_away_and_looking_changes_nothing() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let Some(own) = Delegated::to(user, &[]) else {
        skip!("this host has no control groups of version 2")
    };
    let uid = user.uid();
    let group = own.path().join(format!("user@{uid}.service/app.slice/run-r1.scope"));
    fs::create_dir_all(&group).unwrap();
    for path in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        chown(group.join(path), Some(uid), Some(uid)).unwrap();
    }
    let within = |command: Command| {
        let mut moved = own.command(&command);
        // Not where the group of the test's is, but in the unit's.
        let mut all: Vec<_> = moved.get_args().map(ToOwned::to_owned).collect();
        all[2] = group.join("cgroup.procs").into();
        let mut begun = Command::new("sh");
        begun
            .args(all)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        moved = begun;
        capture::run(&mut moved, b"")
    };
    let once = |options: &[&str]| within(user.lazaret_once(options, &["true"]));
    let untouched = || !group.join("lazaret").exists() && read(&group, "cgroup.subtree_control").is_empty();
    once(&["--memory", "64M"]).refused(125, &["no control group of yours", SCOPE]);
    once(&[]).ok();
    let said = within(user.lazaret(&["check"])).ok().stdout;
    assert!(said.contains("no control group of yours"), "{said}");
    assert!(untouched());

    // In the users' own mount namespace.
    let lay = "mount -t tmpfs -o mode=0755 run /run && mkdir -p /run/user/$1/systemd/transient && \
               printf '[Scope]\nDelegate=yes\n' > /run/user/$1/systemd/transient/run-r1.scope";
    let laid = users
        .command("sh")
        .args(["-c", lay, "sh", &uid.to_string()])
        .output()
        .unwrap();
    assert!(laid.status.success(), "{laid:?}");
    let file = user.domain("web", &user.tree(0), "sleep 1000", "");
    within(user.lazaret(&["define", &file])).ok();
    for looking in [
        &["plan", "web"][..],
        &["check"],
        &["list", "--all"],
        &["blkiotune", "web"],
    ] {
        within(user.lazaret(looking)).ok();
        assert!(untouched(), "{looking:?}");
    }
    once(&[]).ok();
    assert!(group.join("lazaret/.caller").exists());
    user.run(&["undefine", "web"]).ok();
}

#[test]
fn what_was_killed_or_taken_away_with_its_group_leaves_nothing_that_the_next_command_does_not_clear_away() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let Some(own) = Delegated::to(user, &[]) else {
        skip!("this host has no control groups of version 2")
    };
    let start = |own: &Delegated| own.once(user, &["-d", "--name", "web"], &["sleep", "1000"]).ok();
    start(&own);
    let keep = |(_, program): &(i32, String)| program == "supervisor" || program == "init";
    let keepers: Vec<i32> = processes(user, "web")
        .into_iter()
        .filter(keep)
        .map(|(pid, _)| pid)
        .collect();
    process::kill_together(&keepers);
    // What was killed holds its locks until the kernel is done with it.
    let crashed = || user.listed("web")["state"] == "crashed";
    assert!(capture::until(capture::DEADLINE, crashed));
    assert!(!own.of("web").exists());
    assert_eq!(notes(user), 0);
    user.run(&["undefine", "web"]).ok();

    // The state directory goes by hand, and what is in the group is killed: `list` removes the groups.
    start(&own);
    fs::remove_dir_all(user.home().join(".local/state/lazaret/run/web")).unwrap();
    fs::write(own.of("web").join("cgroup.kill"), "1").unwrap();
    assert!(capture::until(capture::DEADLINE, || users.processes().is_empty()));
    assert!(own.of("web").exists());
    let mut said = String::new();
    let swept = || {
        said += &user.run(&["list"]).ok().stderr;
        !own.of("web").exists()
    };
    assert!(capture::until(capture::DEADLINE, swept));
    assert!(said.contains("control groups of web"), "{said}");
    assert_eq!(notes(user), 0);

    // A note that is none any more: where the groups are cannot be told, and what is in them ends all the same.
    start(&own);
    let note = user.home().join(".local/state/lazaret/groups/web");
    let place = fs::read_link(&note).unwrap();
    fs::remove_file(&note).unwrap();
    fs::write(&note, "").unwrap();
    user.run(&["destroy", "web"])
        .refused(1, &["find the control groups of web"]);
    assert!(capture::until(capture::DEADLINE, || users.processes().is_empty()));
    fs::remove_file(&note).unwrap();
    std::os::unix::fs::symlink(place, &note).unwrap();
    user.run(&["list"]).ok();
    assert!(!own.of("web").exists());
    assert_eq!(notes(user), 0);
    user.run(&["undefine", "web"]).ok();

    // A scope is gone with all its processes.
    let Some(second) = Delegated::to(user, &[]) else { return };
    start(&second);
    drop(second);
    assert!(capture::until(capture::DEADLINE, crashed));
    user.run(&["undefine", "web"]).ok();
    start(&own);
    assert!(own.of("web").exists());
    user.run(&["destroy", "web"]).ok();
    user.run(&["undefine", "web"]).ok();
    assert!(unified().is_some() && notes(user) == 0);
}
