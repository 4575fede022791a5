//! The network `user` of an ordinary user's containers, by pasta: out to what the host reaches, not to the host's loopback, nobody in, and gone with
//! the container however that ends. The host and the world beyond are network namespaces of the test's.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tests::beyond::{World, ask, ask_for, tun};
use tests::delegated::Delegated;
use tests::ordinary::{User, Users};
use tests::process::{self, EFFECTIVE};
use tests::{Host, capture, need_root, skip};

const STAY: &str = "trap 'exit 0' TERM PWR; while :; do sleep 1000 & wait $!; done";

/// Whether this machine has pasta.
fn there() -> bool {
    wire::user::PASTA.iter().any(|path| Path::new(path).exists())
}

macro_rules! need_pasta {
    () => {
        if !there() {
            skip!("pasta is not installed (apt-get install passt)")
        }
    };
}

fn background(user: User<'_>, name: &str) {
    user.once(&["-d", "--name", name, "--network", "user"], &["sleep", "1000"])
        .ok();
}

/// The users' processes that execute a file whose name begins so, in the order of their numbers.
fn executing(users: &Users, begins: &str) -> Vec<i32> {
    let is = |pid: &i32| {
        let file = process::executable(*pid);
        let name = file.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy());
        name.is_some_and(|name| name.starts_with(begins)) && !process::over(*pid)
    };
    let mut all: Vec<i32> = users.processes().into_iter().filter(is).collect();
    all.sort_unstable();
    all
}

/// pasta is a name of passt's, of which there are several, one for each kind of processor.
fn pastas(users: &Users) -> Vec<i32> {
    let named = ["passt", "pasta"].map(|begins| executing(users, begins));
    named.concat()
}

/// The processes that wait for the end of a container of this user's, or of its pasta.
fn watchers(user: User<'_>) -> Vec<i32> {
    let mut all = executing(user.users(), "launcher");
    all.retain(|pid| process::holding(*pid).is_some_and(|held| held.uid[0] != user.uid()));
    all
}

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[track_caller]
fn nothing_runs(users: &Users, why: &str) {
    let gone = capture::until(capture::DEADLINE, || users.processes().is_empty());
    assert!(gone, "{why}");
}

/// What the descriptors of a process lead to.
fn descriptors(pid: i32) -> Vec<String> {
    let all = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    all.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        .collect()
}

#[test]
fn a_container_gets_out_and_not_to_the_hosts_loopback() {
    need_root!();
    need_pasta!();
    let users = Users::new();
    let user = users.first();
    let _world = World::new(&users);
    let once = |at: &str| user.once(&["--network", "user"], &["sh", "-c", &ask(at)]);
    // By the host's route, and to what the host itself has for everybody.
    for at in ["198.51.100.1:8001", "203.0.113.9:8003"] {
        assert_eq!(once(at).ok().stdout, "answered\n", "{at}");
    }
    // Neither by its own loopback nor by the gateway's address or the host's.
    for at in [
        "127.0.0.1:8002",
        "198.51.100.1:8002",
        "198.51.100.2:8002",
        "203.0.113.9:8002",
    ] {
        let said = user.once(&["--network", "user"], &["sh", "-c", &ask_for(at, 3)]);
        assert_eq!(said.stdout, "", "{at}");
    }
    nothing_runs(&users, "a command ended, and pasta did not");
}

#[test]
fn nobody_gets_in() {
    need_root!();
    need_pasta!();
    let users = Users::new();
    let user = users.first();
    let world = World::new(&users);
    // Which sockets there are on the host, by state, address and port (proc_pid_net(5)).
    let sockets = || {
        let files = ["tcp", "tcp6", "udp", "udp6"].map(|f| format!("/proc/net/{f}"));
        let text = capture::run(users.command("cat").args(files), b"").ok().stdout;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let waiting = |w: &Vec<String>| w.get(3).is_some_and(|state| ["0A", "07"].contains(&state.as_str()));
        let all: BTreeSet<String> = text.lines().map(words).filter(waiting).map(|w| w[1].clone()).collect();
        all
    };
    let before = sockets();
    assert!(before.len() >= 2, "{before:?}");
    let serve = "mkdir /tmp/s && echo inside > /tmp/s/asked && exec httpd -f -p 8005 -h /tmp/s";
    user.once(&["-d", "--name", "web", "--network", "user"], &["sh", "-c", serve])
        .ok();
    let inside = || {
        user.run(&["enter", "web", "--", "sh", "-c", &ask("127.0.0.1:8005")])
            .stdout
            == "inside\n"
    };
    assert!(capture::until(capture::DEADLINE, inside));
    assert_eq!(sockets(), before);
    for at in ["127.0.0.1:8005", "198.51.100.2:8005", "203.0.113.9:8005"] {
        assert_eq!(world.asks(users.command("env"), at), "", "{at}");
    }
    assert_eq!(world.asks(world.outside(), "198.51.100.2:8005"), "");
    user.run(&["destroy", "web"]).ok();
}

#[test]
fn nobody_holds_anything_on_the_host_for_it() {
    need_root!();
    need_pasta!();
    let users = Users::new();
    let user = users.first();
    let _world = World::new(&users);
    background(user, "web");
    let (pasta, watching) = (pastas(&users), watchers(user));
    let (&[pasta], &[watching]) = (pasta.as_slice(), watching.as_slice()) else {
        panic!("{pasta:?} {watching:?}");
    };
    // Who started it, with the user's own id, has nothing left to do.
    let started = || {
        users
            .processes()
            .into_iter()
            .all(|pid| process::holding(pid).is_none_or(|held| held.uid[0] != user.uid()))
    };
    assert!(capture::until(capture::DEADLINE, started));
    for held in users.processes().into_iter().filter_map(process::holding) {
        let mut ids = held.uid.iter().chain(&held.gid);
        assert!(
            !held.initial_user_namespace && ids.all(|id| user.ids().contains(id)),
            "{held:?}"
        );
    }
    // It is in the container's user namespace, and confines itself once it has told that it works.
    let first = executing(&users, "sleep")
        .into_iter()
        .chain(executing(&users, "busybox"))
        .next();
    let space = |pid: i32| process::namespace(pid, "user").expect("it runs");
    let first = first.expect("the command runs");
    assert_eq!(space(pasta), space(first));
    let confined = || process::holding(pasta).is_some_and(|held| held.no_new_privileges && held.seccomp == 2);
    assert!(capture::until(capture::DEADLINE, confined));
    let watch = process::holding(watching).unwrap();
    assert_eq!(watch.capabilities, [0; 5], "{watch:?}");
    assert!(watch.no_new_privileges && watch.seccomp == 2, "{watch:?}");

    // Nothing of ours is open in it, beside the network that it carries, and in the other nothing but what it waits for.
    let ours: BTreeSet<String> = users
        .processes()
        .into_iter()
        .filter(|pid| *pid != pasta)
        .flat_map(descriptors)
        .collect();
    let kinds = [
        "socket:",
        "pipe:",
        "anon_inode:[eventpoll]",
        "anon_inode:[timerfd]",
        "anon_inode:[eventfd]",
    ];
    let network = process::namespace(first, "net").unwrap();
    for open in descriptors(pasta).into_iter().filter(|open| *open != network) {
        let shared = ours.contains(&open) && !open.starts_with("anon_inode:") && open != "/dev/null";
        let known = open == "/dev/null" || open == "/dev/net/tun" || kinds.iter().any(|kind| open.starts_with(kind));
        assert!(known && !shared, "{open} of {:?}", descriptors(pasta));
    }
    let mut waits = descriptors(watching);
    waits.sort_unstable();
    assert_eq!(waits.len(), 5, "{waits:?}");
    assert_eq!(waits.iter().filter(|open| *open == "/dev/null").count(), 3, "{waits:?}");

    // The container does not see it, and the user does.
    let seen = user
        .run(&["enter", "web", "--", "sh", "-c", "cat /proc/[0-9]*/comm"])
        .ok();
    assert!(!seen.stdout.contains("pas"), "{seen}");
    let rows = user.run(&["privileges", "web", "--json"]).ok().json();
    let row = |pid: i32| rows.as_array().unwrap().iter().find(|r| r["pid"] == pid).cloned();
    assert!(row(pasta).is_some() && row(watching).is_some(), "{rows}");
    println!(
        "pasta holds {:x} in the container's user namespace",
        process::holding(pasta).unwrap().capabilities[EFFECTIVE]
    );
    user.run(&["destroy", "web"]).ok();
    nothing_runs(&users, "it was destroyed, and something stayed");
}

#[test]
fn it_ends_with_the_container_however_that_ends() {
    need_root!();
    need_pasta!();
    let users = Users::new();
    let user = users.first();
    let _world = World::new(&users);
    for way in ["destroy", "exit", "supervisor", "init", "the first process"] {
        let wait = ["sh", "-c", "until [ -e /run/end ]; do sleep 0.1; done"];
        user.once(&["-d", "--name", "web", "--network", "user"], &wait).ok();
        assert_eq!(pastas(&users).len(), 1, "{way}");
        let inits = executing(&users, "init");
        match way {
            "destroy" => drop(user.run(&["destroy", "web"]).ok()),
            "exit" => drop(user.run(&["enter", "web", "--", "touch", "/run/end"]).ok()),
            "supervisor" => end(executing(&users, "supervisor")[0]),
            "init" => end(inits[0]),
            _ => end(inits[inits.len() - 1]),
        }
        nothing_runs(&users, way);
        user.run(&["list"]).ok();
        assert!(
            user.listed("web").is_null() || user.listed("web")["state"] != "running",
            "{way}"
        );
        user.run(&["undefine", "web"]);
    }
}

#[test]
fn a_container_whose_pasta_is_gone_runs_on_without_a_link() {
    need_root!();
    need_pasta!();
    let users = Users::new();
    let user = users.first();
    let _world = World::new(&users);
    for killed in ["pasta", "who waits for it"] {
        background(user, "web");
        let links = || user.run(&["enter", "web", "--", "ls", "/sys/class/net"]).ok().stdout;
        assert!(links().lines().any(|l| l == "eth0"), "{}", links());
        match killed {
            "pasta" => end(pastas(&users)[0]),
            _ => end(watchers(user)[0]),
        }
        let neither = || pastas(&users).is_empty() && watchers(user).is_empty();
        assert!(capture::until(capture::DEADLINE, neither), "{killed}");
        assert!(
            capture::until(capture::DEADLINE, || !links().contains("eth0")),
            "{killed}: {}",
            links()
        );
        assert_eq!(user.listed("web")["state"], "running");
        user.run(&["destroy", "web"]).ok();
        user.run(&["undefine", "web"]).ok();
        nothing_runs(&users, killed);
    }
}

#[test]
fn in_a_group_that_was_delegated_it_is_beside_the_containers() {
    need_root!();
    need_pasta!();
    let users = Users::new();
    let user = users.first();
    let Some(own) = Delegated::to(user, &[]) else {
        skip!("this host has no control groups of version 2")
    };
    let _world = World::new(&users);
    own.once(user, &["-d", "--name", "web", "--network", "user"], &["sleep", "1000"])
        .ok();
    let group = format!("0::{}/lazaret/.keep", own.within());
    let both: Vec<i32> = [pastas(&users), watchers(user)].concat();
    assert_eq!(both.len(), 2, "{both:?}");
    for pid in both {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert!(groups.lines().any(|line| line == group), "{groups} and not {group}");
    }
    user.run(&["suspend", "web"]).ok();
    user.run(&["destroy", "web"]).ok();
    nothing_runs(&users, "it was destroyed while it was suspended");
}

#[test]
fn a_domain_has_it_by_an_interface_of_type_user() {
    need_root!();
    need_pasta!();
    let users = Users::new();
    let user = users.first();
    let _world = World::new(&users);
    let name = format!("vm-{}", std::process::id());
    let device = "<interface type='user'><mac address='52:54:00:12:34:56'/><guest dev='lan0'/></interface>";
    user.run(&["define", &user.domain(&name, &user.tree(0), STAY, device)])
        .ok();
    let text = user.run(&["dumpxml", &name]).ok().stdout;
    assert!(
        text.contains("<interface type='user'>") && text.contains("52:54:00:12:34:56"),
        "{text}"
    );
    for _ in 0..2 {
        user.run(&["start", &name]).ok();
        let script = format!("cat /sys/class/net/lan0/address; {}", ask("198.51.100.1:8001"));
        let said = user.run(&["enter", &name, "--", "sh", "-c", &script]).ok();
        assert_eq!(said.stdout, "52:54:00:12:34:56\nanswered\n");
        let listed = user.run(&["domiflist", &name, "--json"]).ok().json();
        assert_eq!(
            (&listed[0]["type"], &listed[0]["mac"], &listed[0]["guest"]),
            (&"user".into(), &"52:54:00:12:34:56".into(), &"lan0".into())
        );
        user.run(&["destroy", &name]).ok();
        nothing_runs(&users, "the domain was destroyed");
    }
    user.run(&["undefine", &name]).ok();
    let two = format!("{device}<interface type='bridge'><source bridge='br0'/></interface>");
    let file = user.domain(&name, &user.tree(0), STAY, &two);
    user.run(&["create", &file]).refused(1, &["type user", "only one"]);
    let odd = "<interface type='user'><ip address='192.0.2.7' prefix='24'/></interface>";
    let file = user.domain(&name, &user.tree(0), STAY, odd);
    // A hypervisor's, which is kept as it stands.
    user.run(&["define", &file]).ok();
    user.run(&["start", &name])
        .refused(1, &["<interface type='user'> in <devices> has no effect yet"]);
    user.run(&["undefine", &name]).ok();
}

/// What `check` finds of it.
fn found(user: User<'_>) -> serde_json::Value {
    let check = capture::run(&mut user.lazaret(&["check", "--json"]), b"");
    let all: serde_json::Value = serde_json::from_str(&check.stdout).unwrap();
    let all = all["findings"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|f| f["what"] == "network").unwrap()
}

#[test]
fn where_it_cannot_be_had_it_is_refused_with_the_mend_and_nothing_is_left() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let refused = |words: &[&str]| {
        user.once(&["--network", "user"], &["true"]).refused(125, words);
        nothing_runs(&users, "a start was refused, and something stayed");
        assert_eq!(
            user.run(&["list", "--all", "--json"]).ok().json(),
            serde_json::json!([])
        );
    };
    let _world = there().then(|| World::new(&users));
    if there() {
        tun(&users, "600");
        let what = found(user);
        assert_eq!(
            (&what["verdict"], &what["mend"]),
            (&"warning".into(), &"sudo chmod 666 /dev/net/tun".into())
        );
        refused(&["network user", "pasta", "tun", "lazaret check"]);
    }
    // Whatever this machine has, that host has none.
    let script = "mount -t tmpfs tmpfs \"$1\" && mkdir \"$1/up\" \"$1/work\" && \
                  mount -t overlay -o lowerdir=/usr/bin,upperdir=\"$1/up\",workdir=\"$1/work\" overlay /usr/bin && rm -f /usr/bin/pasta && mount -t tmpfs tmpfs /usr/local/bin";
    let over = users.directory().join("over");
    fs::create_dir(&over).unwrap();
    fs::set_permissions(&over, fs::Permissions::from_mode(0o755)).unwrap();
    capture::run(users.command("sh").args(["-c", script, "sh"]).arg(&over), b"").ok();
    assert_eq!(found(user)["mend"], "sudo apt-get install passt");
    refused(&["network user", "pasta is not installed", "sudo apt-get install passt"]);

    user.once(&["--network", "user", "--ip", "192.0.2.7/24"], &["true"])
        .exits(2);
    user.once(&["--network", "user", "--publish", "8080:80"], &["true"])
        .refused(2, &["--publish", "lets nobody in"]);
    nothing_runs(&users, "a start was refused, and something stayed");
    let host = Host::new();
    host.run(&["run", "--network", "user", "--", "true"])
        .refused(125, &["network user", "ordinary user"]);
    host.nothing_is_left();
}
