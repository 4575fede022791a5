//! Devices that come to a container's definition and go from it.

use tests::{Host, need_root};

const STAY: &str = "while :; do sleep 1000; done";

fn inactive(host: &Host, name: &str) -> String {
    host.run(&["dumpxml", name, "--inactive"]).ok().stdout
}

#[test]
fn a_definition_is_given_devices_and_loses_them_again() {
    need_root!();
    let host = Host::new();
    let name = host.name("kept");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let before = inactive(&host, &name);

    let said = host
        .run(&[
            "attach-disk",
            &name,
            "/dev/fuse",
            "vda",
            "--mode",
            "readonly",
            "--config",
        ])
        .ok();
    assert_eq!(said.stdout, "Disk attached successfully\n\n");
    let element = "    <disk type='block' device='disk'>\n      <source dev='/dev/fuse'/>\n      <target dev='vda' bus='virtio'/>\n      <readonly/>\n    </disk>\n";
    assert!(inactive(&host, &name).contains(element));
    let listed = host.run(&["domblklist", &name]).ok().stdout;
    assert!(listed.contains("\n vda      /dev/fuse\n"), "{listed}");
    host.run(&["attach-disk", &name, "/dev/null", "vda"])
        .refused(1, &[&name, "there is a disk whose target dev is vda already"]);
    let said = host.run(&["detach-disk", &name, "vda"]).ok();
    assert_eq!(said.stdout, "Disk detached successfully\n\n");
    assert_eq!(inactive(&host, &name), before);
    host.run(&["detach-disk", &name, "vda"])
        .refused(1, &["no disk whose target dev is vda"]);

    // What a file of the host's is, is a disk of another type.
    let printed = host
        .run(&["attach-disk", &name, "/etc/passwd", "vdb", "--print-xml"])
        .ok()
        .stdout;
    assert!(
        printed.starts_with("<disk type='file' device='disk'>\n  <source file='/etc/passwd'/>"),
        "{printed}"
    );
    assert_eq!(inactive(&host, &name), before);

    let mac = "52:54:00:aa:bb:01";
    let said = host
        .run(&["attach-interface", &name, "bridge", "br7", "--mac", mac, "--persistent"])
        .ok();
    assert_eq!(said.stdout, "Interface attached successfully\n\n");
    let listed = host.run(&["domiflist", &name]).ok().stdout;
    assert!(
        listed.contains("bridge") && listed.contains("br7") && listed.contains(mac),
        "{listed}"
    );
    let up =
        format!("<interface type='bridge'><mac address='{mac}'/><source bridge='br8'/><link state='up'/></interface>");
    let said = host
        .run(&["update-device", &name, &host.file("up.xml", up), "--config"])
        .ok();
    assert_eq!(said.stdout, "Device updated successfully\n\n");
    let text = inactive(&host, &name);
    assert!(
        text.contains("<source bridge='br8'/>\n      <link state='up'/>") && !text.contains("br7"),
        "{text}"
    );
    host.run(&["attach-interface", &name, "network", "default", "--config"])
        .ok();
    // Of two, it has to be said which.
    host.run(&["detach-interface", &name, "bridge", "--mac", mac]).ok();
    host.run(&["detach-interface", &name, "network"]).ok();
    assert_eq!(inactive(&host, &name), before);

    // Every kind of device there is, by a file.
    for (device, tag) in [
        (
            "<filesystem><source dir='/srv/x'/><target dir='/x'/></filesystem>",
            "<filesystem type='mount'",
        ),
        ("<console type='pty'/>", "<target type='lxc' port='1'/>"),
        (
            "<hostdev mode='capabilities' type='misc'><source><char>/dev/fuse</char></source></hostdev>",
            "<char>/dev/fuse</char>",
        ),
        (
            "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>",
            "<address bus='1' device='2'/>",
        ),
        (
            "<interface type='ethernet'><mac address='52:54:00:00:00:09'/></interface>",
            "<interface type='ethernet'>",
        ),
    ] {
        let file = host.file("device.xml", device);
        host.run(&["attach-device", &name, &file, "--config"]).ok();
        assert!(inactive(&host, &name).contains(tag), "{device}");
        if !device.starts_with("<console") {
            let said = host.run(&["detach-device", &name, &file, "--config"]).ok();
            assert_eq!(said.stdout, "Device detached successfully\n\n", "{device}");
            assert!(
                !inactive(&host, &name).contains(tag) || tag.starts_with("<filesystem"),
                "{device}"
            );
        }
    }
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn what_cannot_be_attached_is_refused_and_changes_nothing() {
    need_root!();
    let host = Host::new();
    let name = host.name("refused");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let before = inactive(&host, &name);
    for (text, why) in [
        ("<disk", "device.xml:1"),
        ("<os/>", "<os> is no device"),
        ("<disk type='block'/>", "<disk> has no <target>"),
        (
            "<disk><target dev='a'/><colour/></disk>",
            "<colour> in <disk> is not known",
        ),
        (
            "<filesystem><source dir=''/><target dir='/x'/></filesystem>",
            "is empty",
        ),
        (
            "<filesystem><source dir='/y'/><target dir='/'/></filesystem>",
            "a filesystem whose target dir is / already",
        ),
        (
            "<interface type='bridge'><source bridge='a'/><nonsense/></interface>",
            "<nonsense>",
        ),
    ] {
        let file = host.file("device.xml", text);
        host.run(&["attach-device", &name, &file, "--config"])
            .refused(1, &[&name, why]);
        assert_eq!(inactive(&host, &name), before, "{text}");
    }
    host.run(&["attach-device", &name, "/etc/none.xml"])
        .refused(1, &["/etc/none.xml"]);
    host.run(&["attach-device", "nobody", &host.file("d.xml", "<console/>")])
        .refused(1, &["nobody"]);
    for wrong in [
        vec!["attach-device", &name],
        vec!["attach-disk", &name, "/dev/a"],
        vec!["attach-interface", &name, "hostdev", "x"],
        vec!["attach-interface", &name, "ethernet", "x"],
        vec!["attach-disk", &name, "/dev/a", "b", "--current", "--config"],
    ] {
        assert_eq!(host.run(&wrong).code(), 2, "{wrong:?}");
    }
    // It does not run.
    host.run(&["attach-disk", &name, "/dev/fuse", "vda", "--live"])
        .refused(1, &[&name]);
    assert_eq!(inactive(&host, &name), before);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
