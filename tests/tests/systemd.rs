//! A Debian 12 root boots systemd, shows its login prompt on the console, and shuts down cleanly.

use std::time::Instant;
use tests::{Host, capture, image, need_root, skip};

/// Units that no container can have, or that the small image lacks a device for.
const EXCUSED: [&str; 3] = [
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-modules-load.service",
];

fn domain(host: &Host, name: &str, root: &std::path::Path) -> String {
    let xml = format!(
        "<domain type='lxc'>\n<name>{name}</name>\n<memory unit='MiB'>512</memory>\n<vcpu>1</vcpu>\n<os><type arch='x86_64'>exe</type><init>/sbin/init</init></os>\n\
         <devices>\n<filesystem type='mount'><source dir='{}'/><target dir='/'/></filesystem>\n<interface type='network'><source network='default'/></interface>\n\
         <console type='pty'/>\n</devices>\n</domain>\n",
        root.display()
    );
    host.file("debian.xml", xml)
}

#[test]
fn debian_boots_shows_its_login_and_shuts_down_within_ten_seconds() {
    need_root!();
    if !tests::skip::have("mmdebstrap") && !std::path::Path::new("/var/cache/lazaret-test/debian-12/complete").exists()
    {
        skip!("needs mmdebstrap");
    }
    let host = Host::new();
    let root = host.directory().join("images/debian");
    if let Err(reason) = image::debian(&root) {
        skip!("a Debian root cannot be made: {reason}");
    }
    let name = host.name("debian");
    host.run(&["define", &domain(&host, &name, &root)]).ok();
    host.run(&["start", &name]).ok();
    let mut state = String::new();
    let booted = capture::until(capture::DEADLINE, || {
        state = host
            .run(&["enter", &name, "--", "systemctl", "is-system-running"])
            .stdout
            .trim()
            .to_owned();
        matches!(state.as_str(), "running" | "degraded")
    });
    assert!(
        booted,
        "systemd is {state:?}; its console: {}",
        host.run(&["logs", &name]).stdout
    );
    if state == "degraded" {
        let failed = host
            .run(&[
                "enter",
                &name,
                "--",
                "systemctl",
                "list-units",
                "--failed",
                "--plain",
                "--no-legend",
            ])
            .ok()
            .stdout;
        let units: Vec<&str> = failed.lines().filter_map(|l| l.split_whitespace().next()).collect();
        assert!(units.iter().all(|u| EXCUSED.contains(u)), "failed units: {units:?}");
    }
    let mut console = host.terminal(&["console", &name]);
    console.send("\r");
    console.expect("login:");
    console.send("\u{1d}");
    console.wait();
    let said = host
        .run(&[
            "enter",
            &name,
            "--",
            "sh",
            "-c",
            "cat /proc/1/comm; grep MemTotal /proc/meminfo; systemctl is-active dbus",
        ])
        .ok();
    assert!(
        said.stdout.starts_with("systemd\n") && said.stdout.contains(" 524288 kB"),
        "{said}"
    );
    let from = Instant::now();
    host.run(&["shutdown", &name]).ok();
    let ended = capture::until(capture::DEADLINE, || host.listed(&name)["state"] == "shut off");
    assert!(
        ended && from.elapsed().as_secs() < 10,
        "shut down after {:?}",
        from.elapsed()
    );
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_reboot_boots_it_again() {
    need_root!();
    let host = Host::new();
    let root = host.directory().join("images/debian");
    if let Err(reason) = image::debian(&root) {
        skip!("a Debian root cannot be made: {reason}");
    }
    let name = host.name("debian");
    host.run(&["create", &domain(&host, &name, &root)]).ok();
    let boot = || {
        host.run(&["enter", &name, "--", "cat", "/proc/1/stat"])
            .stdout
            .split(' ')
            .nth(21)
            .map(str::to_owned)
    };
    let first = boot();
    assert!(first.is_some(), "PID 1 was not seen");
    let up = || {
        capture::until(capture::DEADLINE, || {
            matches!(
                host.run(&["enter", &name, "--", "systemctl", "is-system-running"])
                    .stdout
                    .trim(),
                "running" | "degraded"
            )
        })
    };
    assert!(up());
    host.run(&["reboot", &name]).ok();
    assert!(
        capture::until(capture::DEADLINE, || {
            let now = boot();
            now.is_some() && now != first
        }),
        "PID 1 is another"
    );
    assert!(up());
}
