//! What was put around a container cannot be undone from inside, by a root that holds all that the `system` profile grants, nor by one of
//! the `app` profile with every capability added that can be.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tests::{Host, Outcome, capture, need_root};

/// Paths below which a container reads nothing, or writes nothing, that it could use against the host.
const MASKED: [&str; 13] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/kallsyms",
    "/proc/kmsg",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/interrupts",
    "/proc/key-users",
    "/proc/locks",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/acpi",
    "/proc/scsi",
];
const READ_ONLY: [&str; 5] = ["/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/sys"];

fn system(host: &Host) -> String {
    fs::copy(env!("CARGO_BIN_EXE_attack"), host.image().join("bin/attack")).expect("copy the attacker");
    let name = host.name("vm");
    host.run(&[
        "create",
        &host.domain_file(&name, "while :; do sleep 1000; done", "", ""),
    ])
    .ok();
    name
}

#[track_caller]
fn inside(host: &Host, name: &str, shell: &str) -> Outcome {
    host.run(&["enter", name, "--", "sh", "-c", shell])
}

/// The mount points of a container as it sees them, with the options of each mount.
fn mounts(host: &Host, name: &str) -> Vec<(String, String)> {
    let text = inside(host, name, "cat /proc/self/mountinfo").ok().stdout;
    let row = |l: &str| {
        let words: Vec<&str> = l.split(' ').collect();
        (words[4].to_owned(), words[5].to_owned())
    };
    text.lines().map(row).collect()
}

#[test]
fn masked_files_show_nothing_and_take_nothing() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    for path in MASKED.iter().filter(|p| Path::new(p).exists()) {
        let said = inside(
            &host,
            &name,
            &format!("if [ -d {path} ]; then ls -A {path}; else cat {path}; fi"),
        );
        assert_eq!(said.stdout, "", "{path} shows something");
        let said = inside(
            &host,
            &name,
            &format!("if [ -d {path} ]; then touch {path}/x; else echo b > {path}; fi && echo written"),
        );
        let harmless = inside(&host, &name, &format!("stat -c '%F %t:%T' {path}"))
            .stdout
            .contains("character special file 1:3");
        assert!(harmless || !said.stdout.contains("written"), "{path}: {said}");
    }
}

#[test]
fn read_only_places_stay_read_only() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    let core = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    for path in READ_ONLY.iter().filter(|p| Path::new(p).exists()) {
        for attack in ["clear-read-only", "unmount", "detach"] {
            let said = inside(&host, &name, &format!("attack {attack} {path}")).ok();
            assert_ne!(said.stdout, "done\n", "{attack} {path}");
        }
        let said = inside(
            &host,
            &name,
            &format!("mount -o remount,rw,bind {path} && echo remounted"),
        );
        assert!(!said.stdout.contains("remounted"), "{path}: {said}");
        let said = inside(
            &host,
            &name,
            &format!("umount {path} && echo gone; umount -l {path} && echo gone"),
        );
        assert!(!said.stdout.contains("gone"), "{path}: {said}");
    }
    let said = inside(&host, &name, "echo '|/bin/sh' > /proc/sys/kernel/core_pattern");
    assert!(!said.status.success(), "{said}");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), core);
}

#[test]
fn no_mount_can_be_taken_away_or_made_weaker() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    let before = mounts(&host, &name);
    assert!(before.len() > 5, "{before:?}");
    for (point, options) in &before {
        let mut attacks = vec!["unmount", "detach"];
        if options.split(',').any(|o| o == "ro") {
            attacks.extend(["clear-read-only", "clone-and-clear"]);
        }
        if options.split(',').any(|o| o == "nosuid") {
            attacks.push("clear-nosuid");
        }
        for attack in attacks {
            let said = inside(&host, &name, &format!("attack {attack} {point}")).ok();
            assert_ne!(said.stdout, "done\n", "{attack} {point} ({options})");
        }
    }
    assert_eq!(mounts(&host, &name), before);
}

#[test]
fn a_clone_of_proc_does_not_show_what_is_masked() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    for path in ["/proc", "/sys", "/dev"] {
        let said = inside(&host, &name, &format!("attack clone {path}")).ok();
        assert_ne!(said.stdout, "done\n", "a clone of {path} without the mounts on it");
    }
    let said = inside(
        &host,
        &name,
        "mkdir -p /tmp/p; mount --bind /proc /tmp/p && ls /tmp/p/1",
    );
    assert!(!said.status.success(), "{said}");
}

#[test]
fn no_second_proc_or_sysfs_without_masks_can_be_mounted() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    for kind in ["proc", "sysfs"] {
        let said = inside(
            &host,
            &name,
            &format!("mkdir -p /tmp/fresh; attack fresh /tmp/fresh {kind}"),
        )
        .ok();
        assert_ne!(said.stdout, "done\n", "a fresh {kind}");
        let said = inside(
            &host,
            &name,
            &format!("mount -t {kind} {kind} /tmp/fresh && echo mounted"),
        );
        assert!(!said.stdout.contains("mounted"), "{said}");
        // Nor from a user namespace of one's own.
        let said = inside(
            &host,
            &name,
            &format!("unshare -U -r -m -p -f sh -c 'mount -t {kind} {kind} /tmp/fresh && echo mounted'"),
        );
        assert!(!said.stdout.contains("mounted"), "{said}");
    }
}

#[test]
fn no_file_system_on_a_device_of_the_hosts_can_be_mounted() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    let said = inside(
        &host,
        &name,
        "mkdir -p /tmp/m; for t in debugfs tracefs securityfs ext4 configfs fusectl; do attack fresh /tmp/m $t; done",
    )
    .ok();
    assert!(!said.stdout.contains("done"), "{said}");
}

#[test]
fn no_device_but_the_harmless_ones_can_be_used() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    // The disk that the host's root lies on.
    let said = inside(
        &host,
        &name,
        "mknod /tmp/disk b 254 0 && dd if=/tmp/disk bs=512 count=1 of=/dev/null && echo read",
    );
    assert!(!said.stdout.contains("read"), "{said}");
    let said = inside(
        &host,
        &name,
        "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem && echo read; mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg && echo read",
    );
    assert!(!said.stdout.contains("read"), "{said}");
    let said = inside(&host, &name, "for d in null zero full random urandom tty; do [ -c /dev/$d ] && echo $d; done; head -c 4 /dev/zero | wc -c; echo x > /dev/null && echo ok").ok();
    assert_eq!(said.stdout, "null\nzero\nfull\nrandom\nurandom\ntty\n4\nok\n");
    // A device node on disk, put there by the host, is refused by the device rules too.
    let node = host.image().join("tmp/node");
    capture::output("mknod", &[node.to_str().unwrap(), "b", "254", "0"]);
    let said = inside(&host, &name, "dd if=/tmp/node bs=512 count=1 of=/dev/null && echo read");
    assert!(!said.stdout.contains("read"), "{said}");
}

#[test]
fn the_cgroup_limits_cannot_be_raised_and_no_release_agent_is_reached() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    let limit = || {
        tests::kernel::groups_of(&name).iter().find_map(|g| {
            fs::read_to_string(g.join("memory.limit_in_bytes"))
                .or_else(|_| fs::read_to_string(g.join("memory.max")))
                .ok()
        })
    };
    let before = limit();
    assert!(before.is_some());
    // A hierarchy of version 1 can be mounted, and shows the container's own group as its root: nothing above it, nothing to be written.
    let script = "mkdir -p /tmp/cg; try() { for f in $(find $1 -name 'memory.*limit*' -o -name memory.max -o -name release_agent -o -name 'devices.*' -o -name cpuset.cpus); do \
        { echo a 9223372036854771712 > $f; } 2>/dev/null && echo wrote $f; case $f in *release_agent) echo saw $f;; esac; done; }; try /sys/fs/cgroup; \
        for c in memory devices cpuset blkio pids; do mount -t cgroup -o $c none /tmp/cg 2>/dev/null && { try /tmp/cg; umount /tmp/cg; }; done; \
        mount -t cgroup2 none /tmp/cg 2>/dev/null && try /tmp/cg; echo end";
    let said = inside(&host, &name, script);
    assert_eq!(said.stdout, "end\n", "{said}");
    assert_eq!(limit(), before);
}

/// Each group has one of the 65,535 ids that the kernel has for groups of memory, and memory of the kernel's that nobody is charged for.
#[test]
fn a_container_divides_no_hierarchy_that_controls_something_and_the_unified_one_into_1024() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    let script = "mkdir -p /tmp/cg; for c in memory cpu cpuacct cpuset devices freezer blkio pids; do mount -t cgroup -o $c none /tmp/cg 2>/dev/null && { \
        mkdir /tmp/cg/x 2>/dev/null && echo made $c; umount /tmp/cg; }; done; echo end";
    let said = inside(&host, &name, script);
    assert_eq!(said.stdout, "end\n", "{said}");
    let groups = tests::kernel::groups_of(&name);
    assert!(!groups.is_empty());
    for group in groups {
        let owner = fs::metadata(group.join("payload")).unwrap().uid();
        if group.join("cgroup.controllers").exists() {
            assert_eq!(
                fs::read_to_string(group.join("cgroup.max.descendants")).unwrap(),
                "1024\n"
            );
            assert!(host.ids().contains(&owner), "{owner} has {}", group.display());
        } else if group.components().any(|c| c.as_os_str() == "systemd") {
            assert!(host.ids().contains(&owner), "{owner} has {}", group.display());
        } else {
            assert_eq!(owner, 0, "{}", group.display());
        }
    }
}

#[test]
fn a_container_has_256_terminals_at_most() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    let pid = host.pid_1(&name).unwrap();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let own = mounts.lines().find(|l| l.contains(" /dev/pts ")).unwrap();
    assert!(own.ends_with(",max=256") || own.contains(",max=256,"), "{own}");
}

#[test]
fn dangerous_calls_are_refused() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    for shell in [
        "swapon /tmp/x",
        "rmmod loop",
        "insmod /tmp/x.ko",
        "hwclock -w",
        "dmesg -c",
        "losetup /dev/loop0 /tmp/x",
    ] {
        assert!(!inside(&host, &name, shell).status.success(), "{shell}");
    }
    let said = inside(&host, &name, "date -s 2001-01-01");
    assert!(said.stderr.contains("can't set date"), "{said}");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!(now > 1_700_000_000);
}

#[test]
fn no_process_of_the_hosts_is_seen_or_signalled() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    let said = inside(
        &host,
        &name,
        "ls -d /proc/[0-9]* | wc -l; kill -9 -1; sleep 0.1; echo still",
    )
    .exits(0);
    assert!(
        said.stdout.lines().next().unwrap().trim().parse::<u32>().unwrap() < 12,
        "{said}"
    );
    assert!(host.pid_1(&name).is_some() || host.listed(&name).is_null());
}

#[test]
fn a_setuid_file_made_inside_gives_nothing_outside() {
    need_root!();
    let host = Host::new();
    let name = system(&host);
    inside(&host, &name, "cp /bin/busybox /var/tmp/su; chmod 4755 /var/tmp/su").ok();
    // Nobody but root gets to it: a directory above is closed to others.
    let path = host.image().join("var/tmp/su");
    let said = capture::run(
        std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&path)
            .arg("id"),
        b"",
    );
    assert!(!said.status.success(), "{said}");
}

#[test]
fn terminal_input_cannot_be_faked() {
    need_root!();
    let host = Host::new();
    // TIOCSTI pushes a character into the terminal's input: python is on the host's own root.
    if !tests::skip::have("python3") {
        tests::skip!("needs python3 on the host's root");
    }
    let program = "import fcntl,sys\ntry:\n fcntl.ioctl(0,0x5412,b'x')\n print('pushed')\nexcept OSError as e:\n print('refused',e.errno)\n";
    let mut terminal = host.terminal(&["run", "--network", "none", "--tty", "--", "python3", "-c", program]);
    terminal.expect("refused");
    terminal.wait();
}

#[test]
fn an_app_cannot_unshare_mount_or_trace() {
    need_root!();
    let host = Host::new();
    fs::copy(env!("CARGO_BIN_EXE_attack"), host.image().join("bin/attack")).unwrap();
    let name = host.name("all");
    host.policy(&format!("capability all {name}"));
    let all = ["--name", &name, "--cap-add", "ALL"];
    for shell in [
        "unshare -U true",
        "unshare -m true",
        "mount -t tmpfs none /mnt",
        "chroot / true",
    ] {
        let said = host.once(&all, &["sh", "-c", shell]);
        assert_ne!(said.code(), 0, "{shell}: {said}");
    }
    let said = host
        .once(&[], &["grep", "-E", "^(NoNewPrivs|Seccomp):", "/proc/self/status"])
        .ok();
    assert_eq!(said.stdout, "NoNewPrivs:\t1\nSeccomp:\t2\n");
    for attack in [
        "unmount /proc/sys",
        "clear-read-only /proc/sys",
        "clone /proc",
        "fresh /mnt proc",
        "join /proc/self/ns/net",
    ] {
        let said = host.once(&all, &["sh", "-c", &format!("attack {attack}")]).ok();
        assert_ne!(said.stdout, "done\n", "{attack}");
    }
}

/// CVE-2024-21626: a working directory that leads to a descriptor of the host's.
#[test]
fn a_working_directory_that_leads_to_a_descriptor_is_refused_or_harmless() {
    need_root!();
    let host = Host::new();
    for n in 3..12 {
        let link = host.image().join(format!("cwd{n}"));
        let _ = std::os::unix::fs::symlink(format!("/proc/self/fd/{n}"), &link);
        for directory in [format!("/proc/self/fd/{n}"), format!("/cwd{n}")] {
            let said = host.once(
                &["--workdir", &directory],
                &[
                    "sh",
                    "-c",
                    "cat ../../../../etc/shadow ../../../../../../../etc/shadow; ls /proc/self/cwd/etc/shadow",
                ],
            );
            assert!(!said.stdout.contains("root:"), "{directory}: {said}");
        }
    }
}

/// CVE-2025-31133: `/dev/null` of the image is a link, so that a mask would lead elsewhere. CVE-2019-19921: `/proc` is one.
#[test]
fn an_image_with_links_for_proc_sys_and_dev_is_refused_or_confined_all_the_same() {
    need_root!();
    let host = Host::new();
    let root = host.image_called("links");
    let root = root.to_str().unwrap();
    for (place, target) in [
        ("dev/null", "/proc/sys/kernel/core_pattern"),
        ("proc", "/tmp"),
        ("sys", "/proc"),
        ("dev", "/run"),
        ("etc", "/proc/self"),
    ] {
        let at = Path::new(root).join(place);
        let kept = Path::new(root).join("kept");
        let had = fs::rename(&at, &kept).is_ok();
        std::os::unix::fs::symlink(target, &at).unwrap();
        let said = host.run(&[
            "run",
            "--rootfs",
            root,
            "--network",
            "none",
            "--",
            "sh",
            "-c",
            "cat /proc/keys; echo x > /proc/sys/kernel/core_pattern; ls -d /proc/1",
        ]);
        fs::remove_file(&at).unwrap();
        if had {
            fs::rename(&kept, &at).unwrap();
        }
        assert!(
            said.code() == 125 || said.stdout == "/proc/1\n",
            "{place} -> {target}: {said}"
        );
        assert!(
            !fs::read_to_string("/proc/sys/kernel/core_pattern")
                .unwrap()
                .starts_with('x')
        );
    }
}
