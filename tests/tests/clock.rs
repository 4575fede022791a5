//! Of a clock, and of what is done when a container ends, everything works or is in the way of a start by name. What is a hardware clock here is
//! another device under its name, in a `/dev` of the test's own: `/dev/fuse`, which is opened without harm.

use std::fs;
use std::os::unix::fs::MetadataExt;
use tests::{Host, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";
/// `/dev/fuse`.
const NUMBER: (u32, u32) = (10, 229);

/// Lays over `/dev` one that has these nodes too. `false` where such a file system cannot be made.
fn more_nodes(host: &Host, names: &[&str]) -> bool {
    let script = "set -e; d=$1; shift; mkdir -p \"$d/dev/upper\" \"$d/dev/work\" \"$d/dev/pts\"; \
        mount --bind /dev/pts \"$d/dev/pts\"; \
        mount -t overlay -o \"lowerdir=/dev,upperdir=$d/dev/upper,workdir=$d/dev/work,redirect_dir=off\" overlay /dev; \
        mount --move \"$d/dev/pts\" /dev/pts; for n; do [ -e /dev/$n ] || mknod /dev/$n c 10 229; done";
    let directory = host.directory().display().to_string();
    let arguments = [&["-c", script, "sh", &directory], names].concat();
    host.inside("sh", &arguments).status.success()
}

fn number(path: &str) -> (u32, u32) {
    let stat = fs::metadata(path).unwrap();
    (rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev()))
}

#[test]
fn timers_are_device_nodes_that_are_read_by_consent() {
    need_root!();
    if std::path::Path::new("/dev/rtc0").exists() || std::path::Path::new("/dev/hpet").exists() {
        skip!("this host has a hardware clock of its own");
    }
    let host = Host::new();
    if !more_nodes(&host, &["rtc0", "hpet"]) {
        skip!("nothing can be laid over /dev here");
    }
    let name = host.name("clock");
    let clock = "<clock offset='localtime'><timer name='rtc' present='yes'/><timer name='hpet'/><timer name='pit' present='no'/></clock>";
    host.run(&["define", &host.domain_file(&name, STAY, clock, "")]).ok();
    let shown = host.run(&["dumpxml", &name]).ok().stdout;
    let printed = "  <clock offset='localtime'>\n    <timer name='rtc' present='yes'/>\n    <timer name='hpet'/>\n    <timer name='pit' present='no'/>\n  </clock>\n";
    assert!(shown.contains(printed), "{shown}");
    // It takes a line of the host's, for each.
    for (line, device) in [("", "/dev/rtc0"), ("device /dev/rtc0 NAME readonly", "/dev/hpet")] {
        host.policy(&line.replace("NAME", &name));
        let wanted = format!("`device {device} {name} readonly`");
        host.run(&["start", &name]).refused(1, &[&name, &wanted]);
    }
    host.policy(&format!(
        "device /dev/rtc0 {name} readonly\ndevice /dev/hpet {name} readonly"
    ));
    host.run(&["start", &name]).ok();
    let pid1 = host.pid_1(&name).unwrap();
    for node in ["rtc", "hpet"] {
        assert_eq!(number(&format!("/proc/{pid1}/root/dev/{node}")), NUMBER, "{node}");
        let sh = |script: &str| host.run(&["enter", &name, "--", "sh", "-c", script]);
        sh(&format!(": < /dev/{node}")).ok();
        let refused = sh(&format!(": <> /dev/{node}"));
        assert!(refused.code() != 0, "{refused}");
    }
    assert!(!fs::exists(format!("/proc/{pid1}/root/dev/pit")).unwrap());
    host.run(&["destroy", &name]).ok();
    // What the host has not cannot be given.
    host.inside("rm", &["/dev/hpet"]).ok();
    host.run(&["start", &name]).refused(1, &[&name, "/dev/hpet"]);
    host.run(&["undefine", &name]).ok();
    // Without a timer it is the host's time of day, and starts.
    let file = host.domain_file(&name, STAY, "<clock offset='localtime'/>", "");
    host.run(&["create", &file]).ok();
    assert!(host.runs(&name));
    host.run(&["destroy", &name]).ok();
    host.inside("umount", &["/dev/pts"]).ok();
    host.inside("umount", &["-l", "/dev"]).ok();
    host.nothing_is_left();
}

#[test]
fn what_is_never_done_is_kept_and_in_the_way_of_a_start_with_the_reason() {
    need_root!();
    let host = Host::new();
    let name = host.name("never");
    let timezone = "<clock offset='timezone' timezone='Europe/Paris'/>";
    for (more, devices, what, why) in [
        (
            "<clock offset='variable' adjustment='60' basis='utc'/>",
            "",
            "<clock> in <domain>",
            "no second one",
        ),
        (
            "<clock offset='absolute' start='0'/>",
            "",
            "<clock> in <domain>",
            "no second one",
        ),
        (timezone, "", "<clock> in <domain>", "/etc/localtime"),
        (
            "<clock offset='utc'><timer name='tsc'/></clock>",
            "",
            "<clock> in <domain>",
            "only rtc and hpet",
        ),
        (
            "<on_poweroff>preserve</on_poweroff>",
            "",
            "<on_poweroff> in <domain>",
            "log and its status",
        ),
        (
            "<on_reboot>rename-restart</on_reboot>",
            "",
            "<on_reboot> in <domain>",
            "its own name",
        ),
        (
            "<on_crash>coredump-restart</on_crash>",
            "",
            "<on_crash> in <domain>",
            "core_pattern",
        ),
        (
            "",
            "<filesystem type='ram'><source usage='64'/><target dir='/t'/><space_hard_limit unit='KiB'>4</space_hard_limit></filesystem>",
            "<space_hard_limit> in <filesystem>",
            "quota",
        ),
        (
            "",
            "<interface type='ethernet'><script path='/etc/x'/></interface>",
            "<script> in <interface>",
            "scripts are not supported",
        ),
    ] {
        let file = host.domain_file(&name, STAY, more, devices);
        // It is no mistake of the document's.
        assert_eq!(host.run(&["define", "--validate", &file]).ok().stderr, "", "{what}");
        let kept = host.run(&["dumpxml", &name]).ok().stdout;
        let tag = what.split('>').next().unwrap();
        assert!(kept.contains(tag), "{kept}");
        for verb in ["start", "plan"] {
            host.run(&[verb, &name])
                .refused(1, &[&name, &format!("{what} is refused"), why]);
        }
        // What is shown defines the same again.
        host.run(&["define", &host.file("again.xml", &kept)]).ok();
        assert_eq!(host.run(&["dumpxml", &name]).ok().stdout, kept);
        host.run(&["undefine", &name]).ok();
    }
    for (more, what) in [
        ("<clock offset='noon'/>", "attribute offset of <clock> is \"noon\""),
        (
            "<clock><timer name='sun'/></clock>",
            "attribute name of <timer> is \"sun\"",
        ),
        ("<on_crash>explode</on_crash>", "<on_crash> is \"explode\""),
    ] {
        let file = host.domain_file(&name, STAY, more, "");
        host.run(&["define", &file])
            .refused(1, &[&format!("{name}.xml:"), what]);
    }
    host.nothing_is_left();
}
