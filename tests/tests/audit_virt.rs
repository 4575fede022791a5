//! What libvirt's LXC driver tells the kernel's audit system of a container is in our own log, line by line in its order and its text, whether the
//! kernel's audit system is on or not. `audit_kernel.rs` compares with what the kernel has.

use std::os::unix::fs::MetadataExt;
use tests::deeds::{deeds, is_whole, told};
use tests::{Host, need_root};

const STAY: &str = "while :; do sleep 1000; done";

#[test]
fn a_start_and_a_stop_are_told_in_libvirts_order_and_text() {
    need_root!();
    let host = Host::new();
    let name = host.name("a b");
    let bound = host.directory().join("files/bound");
    std::fs::create_dir(&bound).unwrap();
    let devices = format!(
        "<filesystem type='mount'><source dir='{}'/><target dir='/mnt'/><readonly/></filesystem>\
         <filesystem type='ram'><source usage='64'/><target dir='/t'/></filesystem>\
         <interface type='ethernet'><mac address='52:54:00:0a:0b:0c'/></interface>\
         <hostdev mode='capabilities' type='misc'><source><char>/dev/fuse</char></source></hostdev>",
        bound.display()
    );
    host.policy(&format!("device /dev/fuse {name}"));
    let text = host.domain(&name, STAY, "", &devices).replace("<vcpu>1<", "<vcpu>3<");
    host.run(&["define", &host.file("vm.xml", text)]).ok();
    let uuid = host.listed(&name)["uuid"].as_str().unwrap().to_owned();
    host.run(&["start", &name]).ok();
    let pid1 = host.pid_1(&name).unwrap();
    let namespace = std::fs::metadata(format!("/proc/{pid1}/ns/pid")).unwrap().ino();
    let start = deeds(&host, &["--container", &name]).remove(0);
    let keeper = start["supervisor"].as_u64().unwrap();
    host.run(&["destroy", &name]).ok();

    let hex: String = name.bytes().map(|b| format!("{b:02X}")).collect();
    let vm = format!("vm={hex} uuid={uuid}");
    let image = host.image();
    let (image, bound) = (image.display(), bound.display());
    let expected = [
        (
            "VIRT_RESOURCE",
            format!("virt=lxc resrc=fs reason=start {vm} old-fs=? new-fs=\"{image}\""),
        ),
        (
            "VIRT_RESOURCE",
            format!("virt=lxc resrc=fs reason=start {vm} old-fs=? new-fs=\"{bound}\""),
        ),
        (
            "VIRT_RESOURCE",
            format!("virt=lxc resrc=net reason=start {vm} old-net=? new-net=\"52:54:00:0a:0b:0c\""),
        ),
        (
            "VIRT_RESOURCE",
            format!("virt=lxc resrc=hostdev reason=start {vm} chardev=\"/dev/fuse\""),
        ),
        (
            "VIRT_RESOURCE",
            format!("virt=lxc resrc=mem reason=start {vm} old-mem=0 new-mem=65536"),
        ),
        (
            "VIRT_RESOURCE",
            format!("virt=lxc resrc=vcpu reason=start {vm} old-vcpu=0 new-vcpu=3"),
        ),
        (
            "VIRT_CONTROL",
            format!("virt=lxc op=start reason=booted {vm} vm-pid={keeper}"),
        ),
        (
            "VIRT_CONTROL",
            format!("virt=lxc op=init {vm} vm-pid={keeper} init-pid={pid1} pid-ns={namespace}"),
        ),
        (
            "VIRT_CONTROL",
            format!("virt=lxc op=stop reason=destroyed {vm} vm-pid=-1"),
        ),
    ];
    let said = told(&host, &name);
    let kinds_and_texts: Vec<(&str, &str)> = said.iter().map(|t| (t.kind.as_str(), t.text.as_str())).collect();
    let expected: Vec<(&str, &str)> = expected.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    assert_eq!(kinds_and_texts, expected);
    for one in &said {
        // As every program's message ends.
        let (executable, rest) = one.rest.strip_prefix("exe=\"").unwrap().split_once("\" ").unwrap();
        assert!(executable.ends_with("/launcher"), "{one:?}");
        assert!(
            rest.starts_with("hostname=? addr=? terminal=") && rest.ends_with(" res=success"),
            "{one:?}"
        );
    }
    // The same stands with the deed.
    assert_eq!(start["told"].as_array().map(Vec::len), Some(8));
    assert_eq!(start["told"][7]["text"], format!("{} {}", said[7].text, said[7].rest));
    is_whole(&host);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn what_did_not_start_was_given_its_resources_and_failed() {
    need_root!();
    let host = Host::new();
    let name = host.name("fails");
    let text = host.domain(&name, STAY, "", "").replace("/bin/sh", "/bin/none");
    host.run(&["create", &host.file("vm.xml", text)])
        .refused(1, &["/bin/none"]);
    let said = told(&host, &name);
    let last = said.last().unwrap();
    assert!(
        last.text.starts_with("virt=lxc op=start reason=booted vm=") && last.text.ends_with(" vm-pid=-1"),
        "{last:?}"
    );
    assert!(last.rest.ends_with(" res=failed"), "{last:?}");
    assert!(
        said[..said.len() - 1]
            .iter()
            .all(|t| t.kind == "VIRT_RESOURCE" && t.rest.ends_with(" res=success"))
    );
    assert!(said.iter().all(|t| !t.text.contains("op=init")));
    // What ends by itself was not destroyed.
    let name = host.name("ends");
    host.run(&["create", &host.domain_file(&name, "exit 0", "", "")]).ok();
    let ended = || {
        told(&host, &name)
            .last()
            .is_some_and(|t| t.text.contains("op=stop reason=shutdown vm="))
    };
    let listed = || host.run(&["list"]).ok();
    assert!(tests::capture::until(tests::capture::DEADLINE, || {
        listed();
        ended()
    }));
    for bad in [&["audit", "log", "--virt", "--json"][..], &["audit", "log", "--virt=1"]] {
        host.run(bad).refused(2, &["--virt"]);
    }
    host.nothing_is_left();
}
