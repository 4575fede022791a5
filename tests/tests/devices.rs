//! Devices of the host's in a container: what a domain names is there, its root's own, and can be used as it says; nothing else can be.
//! What is a disk here is a loop device over a file of the test's.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::capture::until;
use tests::{Host, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";

/// A loop device over a file of zeros, which goes when the test does.
struct Loop {
    device: String,
    file: PathBuf,
}

impl Loop {
    fn new(host: &Host, word: &str) -> Result<Self, String> {
        let file = host.directory().join(format!("{word}.img"));
        fs::write(&file, vec![0; 1 << 20]).unwrap();
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show"]).arg(&file);
        let made = match losetup.output() {
            Ok(made) => made,
            Err(e) => return Err(format!("losetup: {e}")),
        };
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into_owned());
        }
        let device = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Ok(Self { device, file })
    }

    fn number(&self) -> (u32, u32) {
        number(&self.device)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
    }
}

fn number(path: impl AsRef<Path>) -> (u32, u32) {
    let stat = fs::metadata(path).unwrap();
    (rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev()))
}

macro_rules! loop_device {
    ($host:expr, $word:expr) => {
        match Loop::new($host, $word) {
            Ok(device) => device,
            Err(why) => skip!("no loop device can be made here: {}", why.trim()),
        }
    };
}

fn disk(source: &str, target: &str, more: &str) -> String {
    format!("<disk type='block' device='disk'><source dev='{source}'/><target dev='{target}'/>{more}</disk>")
}

fn storage(path: &str) -> String {
    format!("<hostdev mode='capabilities' type='storage'><source><block>{path}</block></source></hostdev>")
}

fn misc(path: &str) -> String {
    format!("<hostdev mode='capabilities' type='misc'><source><char>{path}</char></source></hostdev>")
}

fn sh(host: &Host, name: &str, script: &str) -> tests::Outcome {
    host.run(&["enter", name, "--", "sh", "-c", script])
}

/// The node of the container, seen by way of its first process.
fn node(host: &Host, name: &str, path: &str) -> PathBuf {
    let pid = host.pid_1(name).unwrap();
    PathBuf::from(format!("/proc/{pid}/root/dev/{path}"))
}

/// The line of the container's mountinfo for a place below its `/dev`.
fn mounted(host: &Host, name: &str, path: &str) -> Option<String> {
    let pid = host.pid_1(name).unwrap();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let at = format!("/dev/{path}");
    mounts
        .lines()
        .find(|l| l.split(' ').nth(4) == Some(&at))
        .map(str::to_owned)
}

#[test]
fn what_a_domain_names_is_there_as_its_roots_own_and_is_used_as_it_says() {
    need_root!();
    let host = Host::new();
    let (disk_a, disk_b, disk_c) = (
        loop_device!(&host, "a"),
        loop_device!(&host, "b"),
        loop_device!(&host, "c"),
    );
    fs::write(&disk_b.file, [&b"what the host wrote"[..], &[0; 4096]].concat()).unwrap();
    let name = host.name("disks");
    host.policy(&format!(
        "device {} {name}\ndevice {} {name} readonly\ndevice {} {name}\ndevice /dev/fuse {name}\n",
        disk_a.device, disk_b.device, disk_c.device
    ));
    let devices = [
        disk(&disk_a.device, "vda", ""),
        disk(&disk_b.device, "vdb", "<readonly/>"),
        storage(&disk_c.device),
        misc("/dev/fuse"),
    ]
    .concat();
    host.run(&["define", &host.domain_file(&name, STAY, "", &devices)]).ok();
    let planned = host.run(&["plan", &name]).ok().stdout;
    assert!(
        planned.contains(&format!("the host's device {} as /dev/vda, writable", disk_a.device)),
        "{planned}"
    );
    host.run(&["start", &name]).ok();

    let storage_name = disk_c.device.trim_start_matches("/dev/");
    for (path, of, block) in [
        ("vda", disk_a.number(), true),
        ("vdb", disk_b.number(), true),
        (storage_name, disk_c.number(), true),
        ("fuse", (10, 229), false),
    ] {
        let stat = fs::symlink_metadata(node(&host, &name, path)).unwrap();
        assert_eq!(
            (rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev())),
            of,
            "{path}"
        );
        assert_eq!(stat.file_type().is_block_device(), block, "{path}");
        assert_eq!(stat.mode() & 0o7777, 0o700, "{path}");
        // It is the container's root's, and nobody's of the host.
        assert!(
            host.ids().contains(&stat.uid()) && host.ids().contains(&stat.gid()),
            "{path}"
        );
        let said = sh(&host, &name, &format!("stat -c '%u %g' /dev/{path}")).ok();
        assert_eq!(said.stdout.trim(), "0 0", "{path}");
        assert!(
            mounted(&host, &name, path).is_some_and(|l| l.contains("nosuid,noexec")),
            "{path}"
        );
    }

    sh(
        &host,
        &name,
        "echo what the container wrote | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null",
    )
    .ok();
    let written = fs::read(&disk_a.file).unwrap();
    assert!(
        written.starts_with(b"what the container wrote\n"),
        "{:?}",
        &written[..32]
    );
    assert_eq!(
        sh(&host, &name, "dd if=/dev/vdb bs=19 count=1 2>/dev/null").ok().stdout,
        "what the host wrote"
    );
    // Read-only is what the rules say, whatever becomes of the mount.
    assert!(
        mounted(&host, &name, "vdb")
            .unwrap()
            .split(' ')
            .nth(5)
            .unwrap()
            .starts_with("ro")
    );
    let refused = sh(
        &host,
        &name,
        "mount -o remount,bind,rw /dev/vdb 2>/dev/null; echo x > /dev/vdb",
    );
    assert!(refused.stderr.contains("Operation not permitted"), "{refused}");
    sh(&host, &name, ": < /dev/fuse && : <> /dev/fuse").ok();
    // Nobody else in there has them.
    let other = sh(
        &host,
        &name,
        "echo 'u:x:7:7::/:/bin/sh' >> /etc/passwd; chroot --userspec 7:7 / dd if=/dev/vda count=1 2>&1; su u -c 'dd if=/dev/vda count=1' 2>&1",
    );
    assert!(!other.stdout.contains("1+0 records in"), "{other}");
    assert!(
        other.stdout.contains("Permission denied") || other.stdout.contains("can't open"),
        "{other}"
    );

    host.run(&["destroy", &name]).ok();
    // A second start is as the first.
    host.run(&["start", &name]).ok();
    sh(
        &host,
        &name,
        "dd if=/dev/vda count=1 2>/dev/null | grep -q 'container wrote'",
    )
    .ok();
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_device_takes_a_line_of_the_hosts_policy_and_the_refusal_says_which() {
    need_root!();
    let host = Host::new();
    let name = host.name("lines");
    let define = |devices: &str| {
        host.run(&["define", &host.domain_file(&name, STAY, "", devices)]).ok();
    };
    let start = || host.run(&["start", &name]);
    define(&misc("/dev/fuse"));
    let wanted = format!("a line `device /dev/fuse {name}` in /etc/lazaret.policy would allow it");
    start().refused(1, &[&name, "give /dev/fuse", &wanted]);
    // For another container, for reading, by another path: none of these is it.
    for line in [
        "device /dev/fuse other".to_owned(),
        format!("device /dev/fuse {name} readonly"),
        format!("device /dev/../dev/fuse {name}"),
    ] {
        host.policy(&line);
        start().refused(1, &[&wanted]);
    }
    define(&disk("/dev/fuse", "x", "<readonly/>"));
    host.policy("");
    let read = format!("a line `device /dev/fuse {name} readonly` in /etc/lazaret.policy would allow it");
    start().refused(1, &["give /dev/fuse to be read", &read]);
    host.policy(&format!("device /dev/fuse {name} readonly"));
    start().ok();
    host.run(&["destroy", &name]).ok();
    for bad in ["device", "device /dev/fuse", "device fuse x", "device /dev/fuse a/b"] {
        host.policy(bad);
        start().refused(1, &["/etc/lazaret.policy:", "device"]);
    }

    // What is on the host is what the domain says it is.
    host.policy(&format!(
        "device /dev/fuse {name}\ndevice /dev/none {name}\ndevice /etc/passwd {name}\ndevice /dev {name}"
    ));
    for (devices, why) in [
        (storage("/dev/fuse"), "give /dev/fuse: it is not a block device"),
        (misc("/dev/none"), "open /dev/none"),
        (disk("/etc/passwd", "vda", ""), "give /etc/passwd: it is not a device"),
        (disk("/dev", "vda", ""), "give /dev: it is not a device"),
    ] {
        define(&devices);
        start().refused(1, &[&name, why]);
    }
    // And what the domain says can be.
    for (devices, why) in [
        (disk("/dev/fuse", "null", ""), "no device can be called null: every container has one of its own"),
        (disk("/dev/fuse", "../x", ""), "no device can be called ../x"),
        (disk("/dev/fuse", "pts/9", ""), "no device can be called pts/9"),
        (disk("/dev/fuse", "a", "") + &disk("/dev/fuse", "a", ""), "two devices would be /dev/a"),
        (disk("fuse", "a", ""), "no absolute path"),
        (misc("/etc/x"), "the device /etc/x is not below /dev"),
        (
            "<hostdev mode='subsystem' type='usb'><source><vendor id='0xfffe'/><product id='0xfffe'/></source></hostdev>".to_owned(),
            "no USB device fffe:fffe",
        ),
        (
            "<hostdev mode='subsystem' type='usb'><source><address bus='200' device='3'/></source></hostdev>".to_owned(),
            "a line `device /dev/bus/usb/200/003 ",
        ),
    ] {
        define(&devices);
        start().refused(1, &[&name, why]);
    }
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_container_that_starts_itself_again_has_its_devices_again() {
    need_root!();
    let host = Host::new();
    let name = host.name("again");
    host.policy(&format!("device /dev/fuse {name}"));
    // The first of two starts ends in a reboot.
    let shell = format!(
        "echo x >> /var/tmp/{name}; [ -c /dev/fuse ] && [ $(wc -l < /var/tmp/{name}) = 1 ] && reboot -f; {STAY}"
    );
    host.run(&["define", &host.domain_file(&name, &shell, "", &misc("/dev/fuse"))])
        .ok();
    host.run(&["start", &name]).ok();
    let again = || sh(&host, &name, &format!("wc -l < /var/tmp/{name}")).stdout.trim() == "2";
    assert!(until(Duration::from_secs(10), again));
    sh(&host, &name, ": <> /dev/fuse").ok();
    assert_eq!(
        fs::symlink_metadata(node(&host, &name, "fuse")).unwrap().mode() & 0o7777,
        0o700
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
