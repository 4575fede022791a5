//! What /proc, /sys and the cgroup hierarchies of a container let its root reach of the host: nothing for writing but what is its own.

use std::fs;
use std::path::Path;
use tests::ways::Way;
use tests::{Ground, capture, need_root};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

/// What may be opened for writing, because it is the process's or the container's own.
fn is_its_own(way: Way, path: &str) -> bool {
    // PID 1 is the container's own process. Where it is the reaper of `run`, all that opens is what anybody may open of anybody, and what
    // is written there the kernel takes from the process itself alone.
    let anybodys = path.ends_with("/timerslack_ns") || path.contains("/attr/");
    let own_process = path.starts_with("/proc/1/") && (way.is_system() || anybodys);
    // The network namespace is its own; a domain may configure it.
    let own_network = path.starts_with("/proc/sys/net/") && way.is_system();
    // So is the group that is shown as the root (cve_2023_25809).
    let own_group = path.starts_with("/sys/fs/cgroup/") && way.is_system();
    own_process || own_network || own_group
}

/// CVE-2018-10892, CVE-2015-3630: files that were forgotten in the list of masks.
#[test]
fn cve_2018_10892_nothing_below_proc_and_sys_can_be_written_but_what_is_its_own() {
    need_root!();
    let ground = ground();
    for (way, said) in ground.everywhere("attack open-for-writing /proc /sys") {
        let lines: Vec<&str> = said.stdout.lines().collect();
        assert!(["done", "nothing"].contains(lines.last().unwrap()), "{way:?}: {said}");
        for line in &lines[..lines.len() - 1] {
            assert!(is_its_own(way, line), "{way:?}: {line} can be written\n{said}");
        }
    }
}

/// Remounting /proc/sys, or a proc or sysfs of one's own, to write `core_pattern`: what LXC and libvirt-lxc let through by default.
#[test]
fn core_pattern_is_not_written_by_a_remount_or_a_fresh_proc() {
    need_root!();
    let ground = ground();
    let write = |at: &str| format!("{{ echo '|/tmp/x' > {at}/kernel/core_pattern; }} 2>/dev/null && echo done");
    let script = [
        write("/proc/sys"),
        "mount -o remount,rw,bind /proc/sys && echo done".to_owned(),
        "mount -o remount,rw /proc/sys && echo done".to_owned(),
        "attack clear-read-only /proc/sys; attack unmount /proc/sys; attack detach /proc/sys".to_owned(),
        "mkdir -p /tmp/p; mount -t proc proc /tmp/p && echo done; attack fresh /tmp/p proc".to_owned(),
        "mount -t sysfs sysfs /tmp/p && echo done; attack fresh /tmp/p sysfs".to_owned(),
        "mount --bind /proc /tmp/p && echo done; mount --rbind /proc /tmp/p && echo kept".to_owned(),
        write("/tmp/p/sys"),
        "unshare -m sh -c 'umount -l /proc/sys && echo done; mount -o remount,rw,bind /proc/sys && echo done'"
            .to_owned(),
        "unshare -p -f -m sh -c 'mount -t proc proc /tmp/p && echo done'".to_owned(),
        write("/proc/sys"),
        "echo end".to_owned(),
    ];
    ground.refused_everywhere(&script.join("\n"));
}

/// CVE-2022-0492, and what libvirt-lxc and nspawn allow by default: the `release_agent` of a version 1 hierarchy.
#[test]
fn cve_2022_0492_no_release_agent_is_reached() {
    need_root!();
    let ground = ground();
    let write = |at: &str| {
        format!(
            "for f in $(find {at} -name release_agent -o -name notify_on_release -maxdepth 3 2>/dev/null); do case $f in \
             *release_agent) {{ echo /tmp/x > $f; }} 2>/dev/null && echo done;; esac; done"
        )
    };
    let controllers = "cpu cpuacct cpuset memory devices freezer blkio pids net_cls rdma perf_event hugetlb";
    let script = format!(
        "{}\nmkdir -p /tmp/cg\nfor c in {controllers} none,name=systemd none,name=x; do if mount -t cgroup -o $c cgroup /tmp/cg 2>/dev/null; then {}\n\
         umount /tmp/cg; fi; done\nattack fresh /tmp/cg cgroup\necho end",
        write("/sys/fs/cgroup"),
        write("/tmp/cg")
    );
    ground.refused_everywhere(&script);
}

/// CVE-2023-25809: groups of others below /sys/fs/cgroup could be written where there was no cgroup namespace.
#[test]
fn cve_2023_25809_no_group_but_its_own_is_shown_or_written() {
    need_root!();
    let ground = ground();
    // What is shown as the root is the container's own group; above it there is nothing, and no other container.
    let script = "find /sys/fs/cgroup -name 'lazaret*' -o -name enter -o -name init.scope | head; \
        for f in $(find /sys/fs/cgroup -type f); do ( : >> $f ) 2>/dev/null && echo written; done | sort -u; \
        grep -v ':/$' /proc/self/cgroup | grep -v ':/../enter$'; mkdir /sys/fs/cgroup/x 2>/dev/null && rmdir /sys/fs/cgroup/x && echo made; echo end";
    for (way, said) in ground.everywhere(script) {
        let expected = if way.is_system() {
            "written\nmade\nend\n"
        } else {
            "end\n"
        };
        assert_eq!(said.stdout, expected, "{way:?}: {said}");
    }
    // What a domain writes is its payload's group, which limits nothing: the limits lie one above.
    let name = ground.system();
    let inside = ground.enter(&name, "stat -c %i /sys/fs/cgroup").ok().stdout;
    let own = |group: &std::path::PathBuf| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(group.join("payload")).is_ok_and(|m| m.ino().to_string() == inside.trim())
    };
    assert!(tests::kernel::groups_of(&name).iter().any(own), "{inside}");
}

/// CVE-2015-1334: a proc that the container's root made up, so that an attach believes what it says.
#[test]
fn cve_2015_1334_a_faked_proc_changes_nothing_for_who_enters() {
    need_root!();
    let ground = ground();
    let system = ground.system();
    let before = ground.enter(&system, "attack holding").ok().stdout;
    assert!(before.contains("Seccomp:\t2"), "{before}");
    // It has its own copy of the attacker, which reads what is faked; the truth is asked of the host.
    ground
        .enter(
            &system,
            "mkdir -p /tmp/f/self/attr /tmp/f/1/ns /tmp/f/sys/kernel; printf 'Uid:\\t0 0 0 0\\nCapBnd:\\t000001ffffffffff\\nSeccomp:\\t0\\n' > /tmp/f/1/status; \
             cp /tmp/f/1/status /tmp/f/self/status; ln -s /root /tmp/f/1/root; ln -s /root /tmp/f/self/fd; echo 0 > /tmp/f/sys/kernel/cap_last_cap; \
             echo 0 0 4294967295 > /tmp/f/1/uid_map; mount --bind /tmp/f /proc",
        )
        .ok();
    let marker = ground.host.image().join("var/tmp/entered");
    let mut child = ground
        .host
        .lazaret(&[
            "enter",
            &system,
            "--",
            "sh",
            "-c",
            "echo > /var/tmp/entered; exec sleep 987653",
        ])
        .spawn()
        .unwrap();
    assert!(capture::until(capture::DEADLINE, || marker.exists()));
    let entered = || {
        tests::process::all()
            .into_iter()
            .find(|p| fs::read(format!("/proc/{p}/cmdline")).is_ok_and(|c| c.starts_with(b"sleep\x00987653")))
    };
    assert!(capture::until(capture::DEADLINE, || entered().is_some()));
    let held = tests::process::holding(entered().unwrap()).unwrap();
    let first = tests::process::holding(ground.host.pid_1(&system).unwrap()).unwrap();
    assert_eq!(held.capabilities, first.capabilities);
    assert_eq!(
        (held.seccomp, held.no_new_privileges, held.uid, held.gid),
        (2, first.no_new_privileges, first.uid, first.gid)
    );
    ground.host.run(&["destroy", &system]).ok();
    capture::wait(&mut child, capture::DEADLINE);
    ground.canary.lives("");
}

/// CVE-2019-16884, CVE-2015-3631: a volume over /proc makes what is written there go elsewhere.
#[test]
fn cve_2019_16884_nothing_can_be_mounted_over_proc_sys_and_dev() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let volume = ground.host.directory().join("files/volume");
    fs::create_dir_all(volume.join("self/attr")).unwrap();
    std::os::unix::fs::symlink("/proc", image.join("alias")).unwrap();
    let volume = volume.to_str().unwrap();
    for target in [
        "/proc",
        "/proc/",
        "/proc/self",
        "/proc/sys",
        "/proc/1",
        "/sys",
        "/sys/fs/cgroup",
        "/dev",
        "/dev/pts",
        "/",
        "/alias",
        "/alias/sys",
        "/mnt/../proc",
    ] {
        for options in [["--bind", &format!("{volume}:{target}")], ["--tmpfs", target]] {
            let said = ground.host.once(&options, &["true"]);
            assert!(matches!(said.code(), 125 | 2), "{options:?}: {said}");
            assert_eq!(said.stderr.lines().count(), 1, "{said}");
        }
        let name = ground.host.name("over");
        let ram =
            format!("<filesystem type='ram'><source usage='1024' units='KiB'/><target dir='{target}'/></filesystem>");
        let file = ground.host.domain_file(&name, "true", "", &ram);
        assert_eq!(ground.host.run(&["create", &file]).code(), 1, "{target}");
    }
    ground.host.nothing_is_left();
}

/// CVE-2025-52881, CVE-2025-62596: an image whose /proc is a directory with files that a runtime writes to (labels, sysctls).
#[test]
fn cve_2025_52881_what_is_written_to_proc_goes_to_a_proc() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let files = [
        "self/attr/exec",
        "self/oom_score_adj",
        "self/uid_map",
        "self/setgroups",
        "1/attr/exec",
        "sys/kernel/hostname",
        "sys/net/ipv4/ip_forward",
        "sys/user/max_user_namespaces",
        "thread-self/attr/exec",
    ];
    for file in files {
        let at = image.join("proc").join(file);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, "untouched").unwrap();
    }
    let said = ground
        .host
        .once(&[], &["sh", "-c", "cat /proc/self/attr/exec /proc/sys/kernel/hostname"]);
    assert!(!said.stdout.contains("untouched"), "{said}");
    let name = ground.system();
    ground.enter(&name, "cat /proc/sys/kernel/hostname").ok();
    ground.end(&name);
    for file in files {
        assert_eq!(
            fs::read_to_string(image.join("proc").join(file)).unwrap(),
            "untouched",
            "{file}"
        );
    }
}

/// systemd PR 40833: masks whose source was missing were left out with a warning, for years.
#[test]
fn a_mask_that_cannot_be_made_is_no_start() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let empty = host.directory().join("files/empty");
    fs::write(&empty, "").unwrap();
    // The host's /dev/null is a file, another device, or not there.
    for (cover, place) in [
        ("mount --bind \"$1\" /dev/null", "/dev/null"),
        ("mount --bind /dev/zero /dev/null", "/dev/null"),
        ("mount -t tmpfs none /dev", "/dev"),
    ] {
        host.inside("sh", &["-c", cover, "sh", empty.to_str().unwrap()]).ok();
        let said = host.once(
            &[],
            &["sh", "-c", "cat /proc/keys /proc/kallsyms | head -c 100; echo ran"],
        );
        host.inside("umount", &["-l", place]).ok();
        assert!(
            said.code() != 0 && said.stdout.is_empty() && !said.stderr.is_empty(),
            "{cover}: {said}"
        );
    }
    assert!(Path::new("/dev/null").exists());
    host.once(&[], &["sh", "-c", "cat /proc/keys"]).ok();
    host.nothing_is_left();
}
