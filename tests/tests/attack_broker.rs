//! Attacks on the broker of links for ordinary users: the one program of root's that other users of the host speak with.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tests::lending::{Asker, Broker};
use tests::ordinary::Users;
use tests::{capture, need_root, process};

const ACCEPT: &str = env!("CARGO_BIN_EXE_accept");

/// A copy of what asks that every user may execute.
fn borrow(users: &Users) -> PathBuf {
    let copy = users.directory().join("borrow");
    std::fs::copy(env!("CARGO_BIN_EXE_borrow"), &copy).unwrap();
    copy
}

/// CVE-2017-5985: a link is asked for in a network namespace that is not the asker's: the host's own, another user's, or no namespace at all.
#[test]
fn a_link_goes_into_the_askers_own_network_namespace_alone() {
    need_root!();
    let users = Users::new();
    let (user, other) = (users.first(), users.second());
    let borrow = borrow(&users);
    let broker = Broker::new(&users, ACCEPT, 8, "tester0 veth br0 4\ntester1 veth br0 4\n");
    let own = Asker::new(user, &borrow, "own");
    assert!(own.answer.starts_with("connected lzu"), "{}", own.answer);
    broker.has_ports(1);
    for (way, why) in [
        ("host", "not the user's"),
        ("file", "it is none"),
        ("no-netlink", "no rtnetlink socket"),
    ] {
        let asker = Asker::new(user, &borrow, way);
        assert!(
            asker.answer.starts_with("refused") && asker.answer.contains(why),
            "{way}: {}",
            asker.answer
        );
    }
    // Root hands the second user the first one's.
    let namespace = File::open(format!("/proc/{}/ns/net", own.pid())).unwrap();
    let mut command = other.command(borrow.to_str().unwrap());
    command.args([tests::lending::SOCKET, "br0", "eth0", "given"]);
    let asker = Asker::of(&mut command, Some(Stdio::from(namespace))).answered();
    // It holds the namespace, too.
    drop(command);
    assert!(asker.answer.contains("another user's"), "{}", asker.answer);
    broker.has_ports(1);
    drop(own);
    broker.has_ports(0);
}

/// CVE-2017-5985: the socket by which root's netd is to set up the asker's end was opened in the host's network namespace, and a link of the host's has all that
/// netd looks at: the number, the name and the hardware address of that end.
#[test]
fn no_link_of_the_hosts_is_set_up_by_a_socket_that_was_opened_there() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let borrow = borrow(&users);
    let broker = Broker::new(&users, ACCEPT, 8, "tester0 veth br0 4\n");
    let ip = |words: &[&str]| capture::run(users.command("ip").args(words), b"").ok();
    // A new network namespace numbers its links as the last one did.
    let own = Asker::new(user, &borrow, "own");
    assert!(own.answer.starts_with("connected"), "{}", own.answer);
    let mut inside = users.command("nsenter");
    inside.arg(format!("--target={}", own.pid()));
    inside.args(["--net", "ip", "-j", "link", "show", "eth0"]);
    let number = capture::run(&mut inside, b"").ok().json()[0]["ifindex"].to_string();
    drop(own);
    broker.has_ports(0);
    let taken = ip(&["-o", "link"]).stdout;
    assert!(
        !taken.lines().any(|l| l.starts_with(&format!("{number}:"))),
        "{number} in {taken}"
    );
    let like_it = ["index", &number, "address", "02:00:00:00:00:09", "type", "bridge"];
    ip(&[&["link", "add", "bait0"], &like_it[..]].concat());
    let asker = Asker::begin_as(user, &borrow, "bait0", "opened-there").answered();
    assert!(asker.answer.starts_with("refused"), "{}", asker.answer);
    let bait = ip(&["-j", "address", "show", "bait0"]).json();
    assert!(
        bait[0]["addr_info"].as_array().is_some_and(Vec::is_empty) && bait[0]["operstate"] == "DOWN",
        "{bait}"
    );
    broker.has_ports(0);
    // The same of a socket that was opened inside is done.
    let asker = Asker::begin_as(user, &borrow, "bait0", "own").answered();
    assert!(asker.answer.starts_with("connected"), "{}", asker.answer);
}

/// CVE-2026-39402, and what a broker with a number or a file for its memory could be told: more links than were given are asked for at the same time.
#[test]
fn many_at_once_get_no_more_than_is_given() {
    need_root!();
    let users = Users::new();
    let borrow = borrow(&users);
    let broker = Broker::new(&users, ACCEPT, 64, "tester0 veth br0 3\n");
    let begun: Vec<Asker> = (0..12).map(|_| Asker::begin(users.first(), &borrow, "own")).collect();
    let askers: Vec<Asker> = begun.into_iter().map(Asker::answered).collect();
    let connected = askers.iter().filter(|a| a.answer.starts_with("connected")).count();
    let answers: Vec<&String> = askers.iter().map(|a| &a.answer).collect();
    assert!((1..=3).contains(&connected), "{answers:?}");
    broker.has_ports(connected);
    // Whoever asks again is given what is left.
    let later: Vec<Asker> = (0..4).map(|_| Asker::new(users.first(), &borrow, "own")).collect();
    broker.has_ports(3);
    drop((askers, later));
    broker.has_ports(0);
}

/// What is no request: over-long, garbage, one descriptor of two, and connections that say nothing, more than are served at once.
#[test]
fn what_is_no_request_gets_nothing_and_keeps_nobody_else_out_for_long() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let borrow = borrow(&users);
    let broker = Broker::new(&users, ACCEPT, 8, "tester0 veth br0 4\ntester1 veth br0 1\n");
    for way in ["long", "garbage", "one"] {
        let asker = Asker::new(user, &borrow, way);
        assert!(asker.answer.starts_with("refused"), "{way}: {}", asker.answer);
    }
    broker.has_ports(0);
    let silent = || -> Vec<Asker> { (0..4).map(|_| Asker::new(user, &borrow, "silent")).collect() };
    // As many as one user may have waiting keep out that user alone.
    let mut others = 0;
    assert!(capture::until(capture::DEADLINE, || {
        let silent = silent();
        assert!(silent.iter().all(|a| a.answer == "connected\n"));
        let own = Asker::new(user, &borrow, "own");
        others += i32::from(
            Asker::new(users.second(), &borrow, "own")
                .answer
                .starts_with("connected"),
        );
        own.answer.contains("at a time")
    }));
    assert!(others > 0);
    // Each that was let go ends by itself.
    assert!(capture::until(capture::DEADLINE, || {
        Asker::new(user, &borrow, "own").answer.starts_with("connected")
    }));
    broker.has_ports(0);
}

/// A broker that is taken over while it reads: it holds no capability, has no uid of root's, and its programs have their one power and no more.
#[test]
fn who_reads_a_users_request_holds_nothing() {
    need_root!();
    let users = Users::new();
    let borrow = borrow(&users);
    let _broker = Broker::new(&users, ACCEPT, 8, "tester0 veth br0 4\n");
    let launcher = users.directory().join("release/launcher");
    let reads = |pid: &i32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(launcher.as_os_str().as_encoded_bytes())
    };
    let look = || {
        let one = process::all().into_iter().find(reads).and_then(process::holding);
        one.filter(|held| held.seccomp == 2)
    };
    let mut found = None;
    assert!(capture::until(capture::DEADLINE, || {
        // It waits for a request that does not come, for so long.
        let _silent = Asker::new(users.first(), &borrow, "silent");
        capture::until(Duration::from_secs(10), || {
            found = look();
            found.is_some()
        })
    }));
    let held = found.unwrap();
    assert!(held.initial_user_namespace && held.no_new_privileges, "{held:?}");
    assert_eq!(held.capabilities, [0; 5], "{held:?}");
    assert!(
        !held.uid.contains(&0) && !held.gid.contains(&0) && held.groups.is_empty(),
        "{held:?}"
    );
}
