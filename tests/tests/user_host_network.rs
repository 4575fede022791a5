//! The host's network in an ordinary user's containers: it is that, with the host's own `/sys`, of which nothing can be written, and in which nothing that is
//! mounted is seen. Asks the kernel, inside and out.

use std::fs;
use std::process::Command;
use tests::beyond::{World, ask};
use tests::ordinary::Users;
use tests::{capture, need_root};

const STAY: &str = "trap 'exit 0' TERM PWR; while :; do sleep 1000 & wait $!; done";

#[test]
fn it_comes_with_the_hosts_sys_read_only_and_what_is_mounted_there_is_covered() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let _world = World::new(&users);
    let script = "mount -t tmpfs tmpfs /sys/bus && echo secret > /sys/bus/told && mount -t tmpfs tmpfs /sys/block && mkdir /sys/block/one && \
                  mount -t tmpfs tmpfs /sys/block/one && echo secret > /sys/block/one/told";
    capture::run(users.command("sh").args(["-c", script]), b"").ok();
    let space = |words: &mut Command| capture::run(words.args(["/proc/self/ns/net"]), b"").ok().stdout;
    let own = space(&mut users.command("readlink"));
    let seen =
        "readlink /proc/self/ns/net; ls -A /sys/bus /sys/block /sys/fs/cgroup /sys/kernel; ls -d /sys/class/net/lo";
    let covered = format!("{own}/sys/block:\n\n/sys/bus:\n\n/sys/fs/cgroup:\n\n/sys/kernel:\n/sys/class/net/lo\n");
    let said = user.once(&["--network", "host"], &["sh", "-c", seen]).ok();
    assert_eq!(said.stdout, covered);
    let said = user.once(&["--network", "host"], &["sh", "-c", &ask("127.0.0.1:8002")]);
    assert_eq!(said.stdout, "answered\n", "it is the host's own loopback");

    // A domain has it if it asks for no other, and its root, who holds more there, takes nothing off.
    let name = format!("vm-{}", std::process::id());
    let text = fs::read_to_string(user.domain(&name, &user.tree(0), STAY, "")).unwrap();
    let file = user.file("host.xml", &text.replace("<privnet/>", ""));
    user.run(&["define", &file]).ok();
    user.run(&["start", &name]).ok();
    let inside = |script: &str| user.run(&["enter", &name, "--", "sh", "-c", script]);
    assert_eq!(inside(seen).ok().stdout, covered);
    for off in [
        "umount /sys/bus",
        "umount -l /sys/block",
        "umount -l /sys/fs/cgroup",
        "umount -l /sys",
        "mount -o remount,rw,bind /sys",
        "mount -o remount,rw,bind /sys/bus",
        "mkdir -p /m; mount -t sysfs sysfs /m",
        "touch /sys/bus/x",
        "ip link set lo down",
        "ip link add x type bridge",
    ] {
        let said = inside(off);
        assert!(!said.status.success(), "{off}: {said}");
    }
    assert_eq!(inside(seen).ok().stdout, covered);
    let table = inside("cat /proc/self/mountinfo").ok().stdout;
    let flags = |line: &str| line.split(' ').skip(4).take(2).map(str::to_owned).collect::<Vec<_>>();
    let below: Vec<_> = table.lines().map(flags).filter(|f| f[0].starts_with("/sys")).collect();
    assert!(below.len() > 5, "{table}");
    for mount in below.iter().filter(|f| f[0] != "/sys/fs/cgroup") {
        assert!(mount[1].split(',').any(|flag| flag == "ro"), "{mount:?}");
    }
    user.run(&["destroy", &name]).ok();
    user.run(&["undefine", &name]).ok();
    assert!(capture::until(capture::DEADLINE, || users.processes().is_empty()));
}

#[test]
fn a_network_that_is_shared_comes_with_a_sys_of_its_own() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let _world = World::new(&users);
    let (one, other) = (
        format!("one-{}", std::process::id()),
        format!("two-{}", std::process::id()),
    );
    user.run(&["create", &user.domain(&one, &user.tree(0), STAY, "")]).ok();
    let text = fs::read_to_string(user.domain(&other, &user.tree(1), STAY, "")).unwrap();
    let shared = text
        .replace("<privnet/>", "")
        .replace(
            "<domain type='lxc'>",
            "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>",
        )
        .replace(
            "</domain>",
            &format!("<lxc:namespace><lxc:sharenet type='name' value='{one}'/></lxc:namespace></domain>"),
        );
    user.run(&["create", &user.file("shared.xml", &shared)]).ok();
    let links = |name: &str| user.run(&["enter", name, "--", "ls", "/sys/class/net"]).ok().stdout;
    let hosts = capture::run(users.command("ls").args(["/sys/class/net"]), b"")
        .ok()
        .stdout;
    assert_eq!(
        (links(&one), links(&other)),
        ("lo\n".to_owned(), "lo\n".to_owned()),
        "{hosts}"
    );
    for name in [&other, &one] {
        user.run(&["destroy", name]).ok();
    }
    assert!(capture::until(capture::DEADLINE, || users.processes().is_empty()));
}
