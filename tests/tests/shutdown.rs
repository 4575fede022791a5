//! `shutdown` and `reboot`: who says that it was done has seen the container's first process go down; who has not says so, and how to end it.

use std::path::Path;
use std::time::{Duration, Instant};
use tests::{Host, capture, need_root};

/// A container whose init does this, ready to be asked.
fn started(host: &Host, name: &str, init: &str, general: &str) -> i32 {
    let script = format!("{init}; touch /ready; while :; do sleep 0.1; done");
    host.run(&["define", &host.domain_file(name, &script, general, "")])
        .ok();
    host.run(&["start", name]).ok();
    ready(host);
    host.pid_1(name).expect("it runs")
}

/// Waits until its init is ready.
fn ready(host: &Host) {
    let file = host.image().join("ready");
    assert!(capture::until(capture::DEADLINE, || file.exists()), "it gets ready");
    std::fs::remove_file(file).expect("for the next one");
}

fn lives(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn one_that_takes_the_signal_and_stays_is_told_of_and_runs_on() {
    need_root!();
    let host = Host::new();
    let name = host.name("deaf");
    let pid1 = started(&host, &name, "trap : TERM INT", "");
    for verb in ["shutdown", "reboot"] {
        let from = Instant::now();
        let said = host.run(&[verb, &name, "--timeout", "1"]);
        said.refused(
            1,
            &["has not gone down within 1 s", &format!("lazaret destroy {name} ")],
        );
        assert!(from.elapsed() >= Duration::from_secs(1), "{:?}", from.elapsed());
        host.run(&[verb, &name, "--timeout", "0"]).ok();
        assert!(lives(pid1) && host.pid_1(&name) == Some(pid1), "{verb}");
    }
    for bad in ["-1", "x", "4294967296"] {
        host.run(&["shutdown", &name, "--timeout", bad]).exits(2);
    }
    host.run(&["destroy", &name]).ok();
    host.run(&["shutdown", &name]).exits(1);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn one_that_takes_its_time_is_waited_for_and_can_be_started_again_at_once() {
    need_root!();
    let host = Host::new();
    let name = host.name("late");
    let pid1 = started(&host, &name, "trap 'sleep 2; exit 0' TERM", "");
    let from = Instant::now();
    let said = host.run(&["shutdown", &name]).ok();
    assert_eq!(said.stdout, format!("Domain '{name}' is being shutdown\n\n"));
    assert!(
        from.elapsed() >= Duration::from_secs(2) && !lives(pid1),
        "{:?}",
        from.elapsed()
    );
    assert_eq!(host.listed(&name)["state"], "shut off");
    host.run(&["start", &name]).ok();
    ready(&host);
    host.run(&["shutdown", &name]).ok();
    host.run(&["start", &name]).ok();
    ready(&host);
    host.run(&["shutdown", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn one_that_starts_anew_has_gone_down_before() {
    need_root!();
    let host = Host::new();
    let name = host.name("again");
    let again = "<on_poweroff>restart</on_poweroff>";
    let pid1 = started(
        &host,
        &name,
        "trap 'sleep 1; reboot -f' INT; trap 'poweroff -f' TERM",
        again,
    );
    let from = Instant::now();
    let said = host.run(&["reboot", &name]).ok();
    assert_eq!(said.stdout, format!("Domain '{name}' is being rebooted\n\n"));
    assert!(
        from.elapsed() >= Duration::from_secs(1) && !lives(pid1),
        "{:?}",
        from.elapsed()
    );
    ready(&host);
    let second = host.pid_1(&name).expect("it runs");
    assert_ne!(second, pid1);
    // Its end is not the end of the container where something is started in its place.
    host.run(&["shutdown", &name]).ok();
    assert!(!lives(second));
    ready(&host);
    assert_ne!(host.pid_1(&name), Some(second));
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

/// What a reader of the pipe got: a request of 384 bytes, and its runlevel.
fn runlevel(bytes: &[u8]) -> u8 {
    assert_eq!(bytes.len(), 384);
    assert_eq!(bytes[..8], [0x69, 0x19, 0x09, 0x03, 1, 0, 0, 0]);
    assert!(bytes[9..].iter().all(|b| *b == 0));
    bytes[8]
}

#[test]
fn an_init_that_reads_its_pipe_is_asked_by_that_and_no_signal_is_sent() {
    need_root!();
    let host = Host::new();
    let name = host.name("sysv");
    // It ends by what it reads, and would note a signal.
    let init = "mkdir -p /run; trap 'echo TERM >> /signalled' TERM; trap 'echo INT >> /signalled' INT; rm -f /run/initctl; mkfifo /run/initctl; \
                exec 5<>/run/initctl; touch /ready; head -c 384 <&5 > /asked; exit 0";
    let file = host.domain_file(&name, init, "", "");
    host.run(&["define", &file]).ok();
    for (words, level) in [
        (&["shutdown"][..], b'0'),
        (&["shutdown", "--mode", "initctl"], b'0'),
        (&["shutdown", "--mode", "signal,initctl"], b'0'),
        (&["reboot"], b'6'),
        (&["reboot", "--mode", "initctl"], b'6'),
    ] {
        host.run(&["start", &name]).ok();
        ready(&host);
        host.run(&[words, &[&name]].concat()).ok();
        let asked = std::fs::read(host.image().join("asked")).expect("it was asked");
        assert_eq!(runlevel(&asked), level, "{words:?}");
        assert!(!host.image().join("signalled").exists(), "{words:?}");
        std::fs::remove_file(host.image().join("asked")).expect("for the next one");
        // What was asked to reboot is not waited for beyond the end of its first process.
        assert!(capture::until(capture::DEADLINE, || !host.runs(&name)), "{words:?}");
    }
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_pipe_that_leads_nowhere_is_passed_over_and_nothing_waits_for_it() {
    need_root!();
    let host = Host::new();
    let name = host.name("pipes");
    // A pipe of the host's that somebody reads: whoever is led out of the container would write to it.
    let outside = host.directory().join("files/outside");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &outside,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o666),
        0,
    )
    .expect("a pipe");
    let reader = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&outside)
        .expect("open the pipe");
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).expect("without waiting");
    let link = format!(
        "ln -s {} /run/initctl; ln -s ../../../../..{0} /dev/initctl",
        outside.display()
    );
    for make in [
        // Nobody reads it.
        "mkfifo /run/initctl",
        // It is something else.
        "echo file > /run/initctl; mkdir /dev/initctl",
        "ln -s /dev/console /run/initctl; mknod /dev/initctl p",
        &link,
        // The way there leads elsewhere.
        "mkfifo /tmp/initctl; exec 5<>/tmp/initctl; mv /run /was; ln -s /tmp /run",
    ] {
        let init = format!("mkdir -p /run /tmp; {make}; trap 'exit 0' TERM");
        started(&host, &name, &init, "");
        host.run(&["shutdown", &name, "--mode", "initctl"])
            .refused(1, &[&name, "Container does not provide an initctl pipe"]);
        assert!(host.runs(&name), "{make}");
        // Otherwise by the signal.
        host.run(&["shutdown", &name]).ok();
        assert!(!host.runs(&name), "{make}");
        host.run(&["undefine", &name]).ok();
        host.inside(
            "sh",
            &[
                "-c",
                "cd \"$1\" && rm -rf run was tmp/initctl; mkdir run",
                "sh",
                &host.image().display().to_string(),
            ],
        )
        .ok();
    }
    let mut bytes = [0; 1];
    let read = rustix::io::read(&reader, &mut bytes);
    assert_eq!(read, Err(rustix::io::Errno::AGAIN), "nothing left the container");
    // One that is full is no way either: it is refused alone, and a signal does it otherwise.
    let full = "mkdir -p /run; rm -rf /run/initctl; mkfifo /run/initctl; exec 5<>/run/initctl; cat /dev/zero >&5 & trap 'exit 0' TERM";
    started(&host, &name, full, "");
    let asked = || host.run(&["shutdown", &name, "--mode", "initctl", "--timeout", "0"]);
    assert!(capture::until(capture::DEADLINE, || asked()
        .stderr
        .contains("write to the container's /run/initctl")));
    asked().refused(1, &[&name, "write to the container's /run/initctl"]);
    host.run(&["shutdown", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

/// A file system of the container's own that nobody serves: what is asked of it waits.
fn unserved(place: &str) -> String {
    format!("exec 3<>/dev/fuse; mount -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none {place}")
}

/// Whether it is there.
fn lies(pid: i32, place: &str) -> bool {
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let is = |line: &str| line.contains(" - fuse ") && line.split(' ').nth(4) == Some(place);
    mounts.lines().any(is)
}

const FUSE: &str = "<hostdev mode='capabilities' type='misc'><source><char>/dev/fuse</char></source></hostdev>";

#[test]
fn a_file_system_that_never_answers_keeps_nobody_who_asks_for_an_end_or_attaches() {
    need_root!();
    if !Path::new("/dev/fuse").exists() {
        tests::skip!("this host has no FUSE");
    }
    let host = Host::new();
    let name = host.name("mute");
    host.policy(&format!("device /dev/fuse {name}\ndevice /dev/loop-control {name}"));
    let script = format!(
        "touch /ready; {}; trap 'exit 0' TERM; while :; do sleep 0.1; done",
        unserved("/run")
    );
    host.run(&["create", &host.domain_file(&name, &script, "", FUSE)]).ok();
    ready(&host);
    let pid = host.pid_1(&name).unwrap();
    assert!(capture::until(capture::DEADLINE, || lies(pid, "/run")));
    host.run(&["shutdown", &name, "--mode", "initctl"])
        .refused(1, &["does not provide an initctl pipe"]);
    host.run(&["shutdown", &name]).ok();
    assert!(!lives(pid));
    // The next command clears away what has ended by itself.
    assert!(capture::until(capture::DEADLINE, || host.listed(&name).is_null()));
    host.nothing_is_left();

    // A node comes to what runs on version 2 alone.
    let version2 = std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .contains(" - cgroup2 ");
    if !version2 || !Path::new("/dev/loop-control").exists() {
        return;
    }
    let script = format!("touch /ready; {}; while :; do sleep 0.1; done", unserved("/dev"));
    host.run(&["create", &host.domain_file(&name, &script, "", FUSE)]).ok();
    ready(&host);
    let pid = host.pid_1(&name).unwrap();
    assert!(capture::until(capture::DEADLINE, || lies(pid, "/dev")));
    let node = host.file("node.xml", FUSE.replace("/dev/fuse", "/dev/loop-control"));
    let said = host.run(&["attach-device", &name, &node, "--live"]);
    said.refused(1, &["keeps who would do it waiting"]);
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}
