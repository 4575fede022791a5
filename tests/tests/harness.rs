//! The tests' own tools notice what they are there to notice.

use std::fs;
use std::process::{Command, Stdio};
use tests::outside::{HOST_V4, OUTSIDE_V4, OUTSIDE_V6, Outside};
use tests::table::Moment;
use tests::trace::{self, Role};
use tests::{Host, capture, kernel, need_root};

#[test]
fn whatever_is_left_behind_is_noticed() {
    need_root!();
    let host = Host::new();
    assert_eq!(host.left_behind(), Vec::<String>::new());
    let before = host.look();
    let seen = |word: &str| host.look().added_since(&before).iter().any(|l| l.contains(word));

    host.inside("ip", &["link", "add", "left0", "type", "bridge"]).ok();
    assert!(seen("test link: \"left0\""));
    host.inside("ip", &["link", "del", "left0"]).ok();

    host.inside("nft", &["add table inet left"]).ok();
    assert!(seen("test rule: table inet left"));
    host.inside("nft", &["delete table inet left"]).ok();

    host.inside("mount", &["-t", "tmpfs", "left", "/mnt"]).ok();
    assert!(seen("test mount:"));
    host.inside("umount", &["/mnt"]).ok();

    let parent = kernel::hierarchies()[0].join("lazaret");
    let made = !parent.exists();
    let group = parent.join(host.name("left"));
    fs::create_dir_all(&group).unwrap();
    assert!(seen("group: "));
    fs::remove_dir(&group).unwrap();
    if made {
        let _ = fs::remove_dir(&parent);
    }

    fs::create_dir_all(host.run_directory()).unwrap();
    fs::write(host.run_directory().join("left"), "").unwrap();
    assert!(seen("state: "));
    fs::remove_file(host.run_directory().join("left")).unwrap();

    let id = host.ids().start.to_string();
    let mut child = Command::new("setpriv")
        .args([
            &format!("--reuid={id}"),
            &format!("--regid={id}"),
            "--clear-groups",
            "sleep",
            "1000",
        ])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    assert!(capture::until(capture::DEADLINE, || seen("process ")));
    child.kill().unwrap();
    child.wait().unwrap();
    host.nothing_is_left();
}

#[test]
fn the_outside_is_reached_and_the_real_host_is_not_touched() {
    need_root!();
    let real = capture::output("ip", &["-j", "link"]);
    let host = Host::new();
    let mut outside = Outside::new(&host);
    outside.serve_peer_address(8000);
    for at in [OUTSIDE_V4, OUTSIDE_V6] {
        let said = host.inside("nc", &["-d", "-w", "5", at, "8000"]);
        assert!(!said.stdout.is_empty(), "{said}");
    }
    assert!(
        outside
            .run("ping", &["-c", "1", "-W", "2", HOST_V4])
            .stdout
            .contains(" 0% packet loss")
            || !tests::skip::have("ping")
    );
    host.inside(
        "sh",
        &[
            "-c",
            "echo 1 > /proc/sys/net/ipv4/ip_forward; echo here > /etc/only-here",
        ],
    )
    .ok();
    assert_eq!(capture::output("ip", &["-j", "link"]), real);
    assert!(!std::path::Path::new("/etc/only-here").exists());
    drop(outside);
    host.inside("ip", &["link"]).ok();
}

#[test]
fn the_tracer_sees_every_exec_fork_and_receive() {
    need_root!();
    let host = Host::new();
    let mut command = host.command("sh");
    command.args(["-c", "(exec true); python3 -c 'import socket; a,b=socket.socketpair(); a.send(b\"x\"); b.recv(1)'; setpriv --reuid=77 true; exit 5"]);
    let (mut execs, mut receives, mut ids) = (0, 0, false);
    let status = trace::follow(&command, &mut |sight| {
        assert_eq!(sight.role, Role::Test);
        execs += usize::from(sight.moment == Moment::Exec);
        receives += usize::from(sight.moment == Moment::FirstReceive);
        ids |= sight.held.uid[1] == 77;
    });
    assert_eq!(status, 5);
    assert!(execs >= 5 && receives >= 1 && ids, "{execs} {receives} {ids}");
}
