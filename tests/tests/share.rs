//! A container that shares namespaces (`lxc:namespace`) is in just those, sees what is in them, and has no power over them; whose they may be
//! is for the host's policy to say.

use std::fs::read_link;
use std::process::Stdio;
use tests::{Host, need_root};

const STAY: &str = "while :; do sleep 1000; done";
const NAMESPACE: &str = "xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'";

/// A domain that shares what `shares` says, as pairs of kind, type and value.
fn sharing(host: &Host, name: &str, shell: &str, shares: &[(&str, &str, &str)], more: &str) -> String {
    let children: String = shares
        .iter()
        .map(|(kind, how, value)| format!("<lxc:share{kind} type='{how}' value='{value}'/>"))
        .collect();
    let more = format!("{more}<lxc:namespace>{children}</lxc:namespace>");
    let text = host.domain(name, shell, &more, "");
    let mut text = text.replacen("<domain ", &format!("<domain {NAMESPACE} "), 1);
    if shares.iter().any(|(kind, ..)| *kind == "net") && !more.contains("privnet") {
        text = text.replacen("<features>\n    <privnet/>\n  </features>", "", 1);
    }
    host.file(&format!("{name}.xml"), text)
}

fn space(pid: impl std::fmt::Display, kind: &str) -> String {
    let link = read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    link.to_str().unwrap().to_owned()
}

#[test]
fn shares_anothers_network_ipc_and_host_name_and_has_no_power_over_them() {
    need_root!();
    let host = Host::new();
    let (one, two) = (host.name("one"), host.name("two"));
    let file = host.domain_file(&one, STAY, "", "");
    host.run(&["define", &file]).ok();
    let all = ["net", "ipc", "uts"].map(|kind| (kind, "name", one.as_str()));
    let file = sharing(&host, &two, STAY, &all, "");
    host.run(&["define", &file]).ok();
    let shown = host.run(&["dumpxml", &two]).ok().stdout;
    assert!(
        shown.contains(&format!("<lxc:sharenet type='name' value='{one}'/>")),
        "{shown}"
    );
    // Not before the other one is there.
    host.run(&["start", &two]).refused(1, &[&one, "not running"]);
    host.run(&["start", &one]).ok();
    host.run(&["start", &two]).ok();
    let (first, second) = (host.pid_1(&one).unwrap(), host.pid_1(&two).unwrap());
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(space(first, kind), space(second, kind), "{kind}");
        let entered = host
            .run(&["enter", &two, "--", "readlink", &format!("/proc/self/ns/{kind}")])
            .ok();
        assert_eq!(entered.stdout.trim(), space(first, kind), "{kind}");
    }
    for kind in ["user", "mnt", "pid", "cgroup"] {
        assert_ne!(space(first, kind), space(second, kind), "{kind}");
    }
    // What is in them is seen, and is not theirs to change.
    let inside = |words: &[&str]| host.run(&[&["enter", &two, "--"], words].concat());
    assert_eq!(inside(&["hostname"]).ok().stdout.trim(), one);
    assert!(!inside(&["hostname", "mine"]).status.success());
    assert_eq!(inside(&["ls", "/sys/class/net"]).ok().stdout.trim(), "lo");
    assert!(!inside(&["ip", "link", "set", "lo", "down"]).status.success());
    assert!(
        !inside(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
            .status
            .success()
    );
    assert_eq!(host.run(&["enter", &one, "--", "hostname"]).ok().stdout.trim(), one);
    host.run(&["enter", &one, "--", "cat", "/sys/class/net/lo/operstate"])
        .ok();
    // One of them ends, and the other one goes on in what was shared.
    host.run(&["destroy", &one]).ok();
    assert_eq!(inside(&["hostname"]).ok().stdout.trim(), one);
    host.run(&["destroy", &two]).ok();
    host.run(&["undefine", &one]).ok();
    host.run(&["undefine", &two]).ok();
    host.nothing_is_left();
}

#[test]
fn shares_what_it_shared_after_it_was_started_again() {
    need_root!();
    let host = Host::new();
    let (one, two) = (host.name("first"), host.name("again"));
    let file = host.domain_file(&one, STAY, "", "");
    host.run(&["create", &file]).ok();
    let pid = host.pid_1(&one).unwrap().to_string();
    let all = ["net", "ipc", "uts"].map(|kind| (kind, "pid", pid.as_str()));
    // The first process of a container is that container.
    let file = sharing(
        &host,
        &two,
        "trap 'exit 3' TERM; while :; do sleep 1; done",
        &all,
        "<on_crash>restart</on_crash>",
    );
    host.run(&["create", &file]).ok();
    let before = host.pid_1(&two).unwrap();
    host.run(&["send-process-signal", &two, "1", "SIGTERM"]).ok();
    let mut after = None;
    for _ in 0..100 {
        after = host.pid_1(&two).filter(|pid| *pid != before);
        if after.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let after = after.expect("it was not started again");
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(space(&pid, kind), space(after, kind), "{kind}");
    }
    host.run(&["destroy", &two]).ok();
    host.run(&["destroy", &one]).ok();
    host.nothing_is_left();
}

#[test]
fn a_namespace_that_is_no_containers_takes_a_line_of_the_hosts_policy() {
    need_root!();
    let host = Host::new();
    let name = host.name("guest");
    let blue = "/run/netns/lzblue";
    let make = "mkdir -p /run/netns && : > \"$1\" && unshare --net=\"$1\" true";
    host.inside("sh", &["-c", make, "sh", blue]).ok();
    let file = sharing(&host, &name, STAY, &[("net", "netns", "lzblue")], "");
    let line = format!("share net netns:lzblue {name}");
    host.run(&["create", &file]).refused(1, &[&line, "/etc/lazaret.policy"]);
    for other in [
        "share net host",
        "share net process",
        "share net netns:lzred",
        "share ipc process",
    ] {
        host.policy(&format!("{other} {name}"));
        host.run(&["create", &file]).refused(1, &[&line]);
    }
    host.policy(&format!("share net netns:lzblue {name}x"));
    host.run(&["create", &file]).refused(1, &[&line]);
    host.policy(&line);
    host.run(&["create", &file]).ok();
    let found = host.inside("stat", &["-Lc", "net:[%i]", blue]).ok().stdout;
    assert_eq!(space(host.pid_1(&name).unwrap(), "net"), found.trim());
    let entered = host.run(&["enter", &name, "--", "readlink", "/proc/self/ns/net"]).ok();
    assert_eq!(entered.stdout, found);
    // Without the line nobody gets in by the launcher's power.
    host.policy("");
    host.run(&["enter", &name, "--", "true"])
        .refused(125, &["share net process"]);
    host.run(&["destroy", &name]).ok();
    host.inside("sh", &["-c", "umount \"$1\" && rm \"$1\"", "sh", blue])
        .ok();
    host.inside("rmdir", &["/run/netns"]);
    host.nothing_is_left();
}

#[test]
fn a_process_of_the_hosts_is_joined_by_consent_and_only_if_it_has_no_power() {
    need_root!();
    let host = Host::new();
    let name = host.name("guest");
    let mut stranger = host
        .command("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "sleep",
            "1000",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = stranger.id().to_string();
    for _ in 0..100 {
        if std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c == "sleep\n") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let shares = [("uts", "pid", pid.as_str()), ("ipc", "pid", pid.as_str())];
    let file = sharing(&host, &name, STAY, &shares, "");
    let consents = [format!("share ipc host {name}"), format!("share uts host {name}")];
    host.run(&["create", &file]).refused(1, &[&consents[0]]);
    host.policy(&consents[0]);
    host.run(&["create", &file]).refused(1, &[&consents[1]]);
    host.policy(&consents.join("\n"));
    host.run(&["create", &file]).ok();
    let first = host.pid_1(&name).unwrap();
    for kind in ["ipc", "uts"] {
        assert_eq!(space(first, kind), space("self", kind), "{kind}");
    }
    let inside = |words: &[&str]| host.run(&[&["enter", &name, "--"], words].concat());
    assert!(!inside(&["hostname", "mine"]).status.success());
    assert!(!inside(&["ls", "/dev/mqueue"]).status.success());
    host.run(&["destroy", &name]).ok();
    // The host's first process has all power, which the launcher has not.
    let file = sharing(&host, &name, STAY, &[("uts", "pid", "1")], "");
    host.run(&["create", &file])
        .refused(1, &["process 1", "Permission denied"]);
    let _ = stranger.kill();
    let _ = stranger.wait();
    host.nothing_is_left();
}

#[test]
fn what_cannot_be_shared_is_refused_in_one_line() {
    need_root!();
    let host = Host::new();
    let name = host.name("bad");
    for (shares, more, named) in [
        ([("net", "netns", "lznowhere")], "", "lznowhere"),
        ([("net", "name", "lznobody")], "", "lznobody"),
        ([("net", "pid", "4000000")], "", "process 4000000"),
        ([("ipc", "netns", "lzblue")], "", "only network namespaces"),
        (
            [("net", "netns", "lznowhere")],
            "<!-- privnet -->",
            "private network interfaces",
        ),
    ] {
        let file = sharing(&host, &name, STAY, &shares, more);
        host.run(&["create", &file]).refused(1, &[named]);
    }
    for shares in [
        ("net", "pid", "0"),
        ("net", "netns", "../x"),
        ("mnt", "pid", "1"),
        ("uts", "cgroup", "1"),
    ] {
        let file = sharing(&host, &name, STAY, &[shares], "");
        host.run(&["define", &file]).refused(1, &["<lxc:namespace>"]);
    }
    host.nothing_is_left();
}
