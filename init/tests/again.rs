//! Containers that start again after their end, as the kernel and the payload see them. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod host;

use host::{Root, attachment, container, is_root, start, system, text, tree};
use std::fs::File;
use std::io::Read;
use wire::init::{Reply, Source};

const INIT: &str = env!("CARGO_BIN_EXE_init");

#[test]
fn a_container_starts_again_in_the_namespaces_it_had() {
    if !is_root() {
        return;
    }
    let root = Root::new("restart");
    let mounted = Root::new("restart-mounted");
    std::fs::write(mounted.0.join("data/marker"), "here").unwrap();
    // It counts its starts in a file of its root, and ends differently each time.
    let script = "n=$(cat /data/n 2>/dev/null || echo 0); n=$((n+1)); echo $n >/data/n; \
         echo start $n; for k in user mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$k; done; \
         hostname; hostname changed; cat /bound/marker; echo; : >/scratch/x; ls /scratch; cat /proc/1/comm; cat /proc/self/mountinfo | wc -l; \
         cat /proc/self/cgroup | tail -1; cat /etc/resolv.conf; echo ok >/dev/console; ls /..; \
         case $n in 1) exit 1;; 2) reboot -f;; *) poweroff -f;; esac; sleep 1000";
    let mut c = system(container(script));
    c.reaper = false;
    c.consoles = 1;
    c.resolv_conf = Some(text("nameserver 10.0.0.1\n"));
    c.attachments = vec![
        attachment("/bound", Source::Factory, true),
        attachment(
            "/scratch",
            Source::Tmpfs {
                size: 1 << 20,
                mode: 0o755,
            },
            false,
        ),
    ];
    c.afterwards = wire::init::Afterwards {
        poweroff: wire::init::Then::End,
        reboot: wire::init::Then::Restart,
        crash: wire::init::Then::Restart,
    };
    let path = mounted.0.join("data");
    let (mut host, started) = start(c, INIT, &root.0, &mut |_| vec![tree(&path)]);
    assert_eq!(started, Ok(()));
    let mut text = String::new();
    // As long as a namespace is held, no later one is given its number.
    let mut held = Vec::new();
    for _ in 0..2 {
        let (reply, mut fds) = host.channel.receive().unwrap();
        assert!(matches!(reply, Reply::Restarted { pid1 } if pid1 > 1), "{reply:?}");
        assert_eq!(fds.len(), 5);
        host.first = fds.pop();
        held.extend(fds);
    }
    let (reply, _) = host.channel.receive().unwrap();
    host.output.take().unwrap().read_to_string(&mut text).unwrap();
    // It has powered itself off, which the kernel shows as SIGINT.
    assert_eq!(reply, Reply::Ended(0), "{text}");
    let starts: Vec<_> = text
        .split("start ")
        .skip(1)
        .map(|s| s.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(starts.len(), 3, "{text}");
    for pair in starts.windows(2) {
        for (line, same) in [
            (1, true),
            (2, false),
            (3, false),
            (4, true),
            (5, false),
            (6, false),
            (7, true),
        ] {
            assert_eq!(pair[0][line] == pair[1][line], same, "{line}: {text}");
        }
        assert_eq!(pair[0][8..], pair[1][8..], "{text}");
    }
    let mut seen = [0u8; 64];
    let n = File::from(host.masters.pop().unwrap()).read(&mut seen).unwrap();
    assert_eq!(&seen[..n], b"ok\r\nok\r\nok\r\n");
}

#[test]
fn a_start_that_fails_again_is_the_end() {
    if !is_root() {
        return;
    }
    let root = Root::new("restart-fails");
    let mut c = container("rm /bin/sh; exit 1");
    c.afterwards.crash = wire::init::Then::Restart;
    let (mut host, started) = start(c, INIT, &root.0, &mut |_| vec![]);
    assert_eq!(started, Ok(()));
    assert_eq!(host.channel.receive().unwrap().0, Reply::Ended(1 << 8));
    drop(host.output.take());
}

#[test]
fn what_ends_at_once_is_not_started_for_ever() {
    if !is_root() {
        return;
    }
    let root = Root::new("loop");
    let mut c = container("echo started; exit 1");
    c.afterwards.crash = wire::init::Then::Restart;
    let (mut host, started) = start(c, INIT, &root.0, &mut |_| vec![]);
    assert_eq!(started, Ok(()));
    let mut starts = 1;
    let last = loop {
        match host.channel.receive().unwrap() {
            (Reply::Restarted { .. }, mut fds) => {
                starts += 1;
                host.first = fds.pop();
            }
            (reply, _) => break reply,
        }
    };
    assert_eq!(last, Reply::EndedTooOften(1 << 8));
    // On a machine that is slow enough some starts are too long ago to count.
    assert!(starts >= wire::init::MOST_STARTS, "{starts}");
    let mut text = String::new();
    host.output.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().filter(|l| *l == "started").count(), starts, "{text}");
}
