//! A host whose control groups are of version 2 alone, where the cpuset controller cannot be turned on without power over every process:
//! containers start without it, and whoever asks for processors by number is refused until it is turned on.

use std::fs;
use tests::{Host, capture, kernel, need_root, skip};

#[test]
fn who_asks_for_processors_by_number_is_refused_where_cpuset_is_off() {
    need_root!();
    let all = kernel::hierarchies();
    let Some(root) = all.first().filter(|h| h.join("cgroup.controllers").exists()) else {
        skip!("this host has control groups of version 1")
    };
    let host = Host::new();
    let create = |name: &str, vcpu: &str| {
        let plain = host.domain(name, "exec sleep 1000", "", "");
        let asked = plain.replace("<vcpu>1</vcpu>", vcpu);
        host.run(&["create", &host.file(&format!("{name}.xml"), asked)])
    };
    let plain = host.name("plain");
    create(&plain, "<vcpu>1</vcpu>").ok();
    host.run(&["destroy", &plain]).ok();
    let control = |group: &std::path::Path| group.join("cgroup.subtree_control");
    if fs::read_to_string(control(root)).unwrap().contains("cpuset") {
        skip!("cpuset is on, or this kernel lets it be turned on (since Linux 6.6)")
    }
    let name = host.name("one");
    let asked = "<vcpu cpuset='0'>1</vcpu>";
    let said = create(&name, asked);
    assert_eq!(said.code(), 1, "{said}");
    assert!(said.stderr.contains("cpuset controller"), "{said}");
    let check = host.run(&["check"]);
    let groups = [control(root), control(&root.join("lazaret"))];
    let mend = format!("echo +cpuset | tee {} {}", groups[0].display(), groups[1].display());
    assert!(check.stdout.contains(&mend), "{check}");
    host.inside("sh", &["-c", &mend]).ok();
    let said = create(&name, asked);
    let held = fs::read_to_string(root.join("lazaret").join(&name).join("cpuset.cpus.effective"));
    host.run(&["destroy", &name]);
    for group in [&root.join("lazaret"), root] {
        fs::write(control(group), "-cpuset").unwrap();
    }
    said.ok();
    assert_eq!(held.unwrap(), "0\n");
}

/// As systemd does: it makes groups below its own, puts itself into one, and passes controllers on. Nobody is born in a group that does.
#[test]
fn a_container_that_has_passed_controllers_on_starts_again() {
    need_root!();
    let all = kernel::hierarchies();
    if all.len() != 1 || !all.iter().all(|h| h.join("cgroup.controllers").exists()) {
        skip!("this host has control groups of version 1")
    }
    let host = Host::new();
    let name = host.name("again");
    let shell = "cd /sys/fs/cgroup; echo start >> /starts; [ $(wc -l < /starts) -lt 3 ] || exec sleep 1000; \
        mkdir -p a/b/c d/e; echo $$ > a/b/c/cgroup.procs; \
        for c in $(cat cgroup.controllers); do echo +$c > cgroup.subtree_control; echo +$c > a/cgroup.subtree_control; done; \
        cat cgroup.subtree_control a/cgroup.subtree_control >> /on; exit 0";
    let more = "<on_poweroff>restart</on_poweroff>";
    host.run(&["create", &host.domain_file(&name, shell, more, "")]).ok();
    let read = |file: &str| fs::read_to_string(host.image().join(file)).unwrap_or_default();
    capture::until(capture::DEADLINE, || read("starts").lines().count() == 3);
    assert_eq!(read("starts"), "start\n".repeat(3), "{}", host.run(&["logs", &name]));
    // Both times, and in both groups.
    assert!(
        read("on").lines().count() == 4 && read("on").lines().all(|l| l.contains("pids")),
        "{}",
        read("on")
    );
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}
