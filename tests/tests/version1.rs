//! A host whose control groups are of version 1 alone: device rules are lines of the devices hierarchy, and hold.

use tests::{Host, kernel, need_root, skip};

#[test]
fn just_the_harmless_devices_can_be_used_where_there_is_no_version_2() {
    need_root!();
    let all = kernel::hierarchies();
    let Some(unified) = all.iter().find(|h| h.join("cgroup.controllers").exists()) else {
        skip!("this host has no version 2 hierarchy to do without")
    };
    let Some(devices) = all
        .iter()
        .find(|h| h.join("devices.list").exists() || h.ends_with("devices"))
    else {
        skip!("this host has no devices hierarchy of version 1")
    };
    let host = Host::new();
    // Unmounted where the test's host alone sees it.
    host.inside("umount", &[unified.to_str().unwrap()]).ok();
    let name = host.name("vm");
    host.run(&[
        "create",
        &host.domain_file(&name, "while :; do sleep 1000; done", "", ""),
    ])
    .ok();
    let inside = |shell: &str| host.run(&["enter", &name, "--", "sh", "-c", shell]);
    let said = inside("head -c 4 /dev/zero | wc -c; echo x > /dev/null && echo ok").ok();
    assert_eq!(said.stdout, "4\nok\n");
    // The group of those who enter is there since somebody has.
    let group = devices.join("lazaret").join(&name);
    for part in ["", "payload", "enter"] {
        let list = std::fs::read_to_string(group.join(part).join("devices.list")).unwrap();
        let mut lines: Vec<&str> = list.lines().collect();
        lines.sort_unstable();
        let expected = [
            "c 136:* rwm",
            "c 1:3 rwm",
            "c 1:5 rwm",
            "c 1:7 rwm",
            "c 1:8 rwm",
            "c 1:9 rwm",
            "c 5:0 rwm",
            "c 5:2 rwm",
        ];
        assert_eq!(lines, expected, "{part}");
    }
    assert!(
        !unified.join("lazaret").join(&name).exists(),
        "nothing of it is in the other version"
    );
    let pid = host.pid_1(&name).unwrap();
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(
        cgroup
            .lines()
            .any(|l| l.contains(":devices:") && l.ends_with(&format!("/{name}/payload"))),
        "{cgroup}"
    );
    // What the mounts of a container keep out anyhow: a process of the host's, in the same group, is denied the host's own node.
    let denied = format!(
        "echo $$ > {}/enter/cgroup.procs && head -c 0 /dev/fuse && echo opened",
        group.display()
    );
    let said = host.inside("sh", &["-c", &denied]);
    assert!(
        !said.stdout.contains("opened") && said.stderr.contains("/dev/fuse"),
        "{said}"
    );
    host.run(&["suspend", &name]).ok();
    host.run(&["resume", &name]).ok();
    host.run(&["destroy", &name]).ok();
    assert!(!group.exists());
}
