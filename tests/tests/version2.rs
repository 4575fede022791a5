//! A host whose control groups are of version 2 alone, where the cpuset controller cannot be turned on without power over every process:
//! containers start without it, and whoever asks for processors by number is refused until it is turned on.

use std::fs;
use tests::{Host, kernel, need_root, skip};

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
