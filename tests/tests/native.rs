//! A configuration of LXC's becomes a domain that `define` takes, read without any power, and what a domain cannot say is told.
//!
//! libvirt's own configurations and documents are not in the tree: `LAZARET_LXCCONF2XML` names a directory with them.

use std::path::Path;
use tests::{Host, need_root, skip};

const CONFIG: &str = "lxc.rootfs.path = dir:/srv/box\nlxc.init.cmd = /bin/sh -c 'exec sleep 1000'\nlxc.net.0.type = empty\n\
    lxc.cgroup2.memory.max = 64M\nlxc.tty.max = 1\n";

#[test]
fn what_comes_out_can_be_defined() {
    need_root!();
    let host = Host::new();
    let name = host.name("native");
    let config = CONFIG.replace("/srv/box", host.image().to_str().unwrap());
    // Without a word of capabilities LXC leaves all of them, for which the host's policy has to consent.
    let text = format!("lxc.uts.name = {name}\n{config}lxc.seccomp.profile = /x\nlxc.cap.keep = kill setuid\n");
    let file = host.file("config", text);
    let said = host.run(&["domxml-from-native", "lxc-tools", &file]).ok();
    let warning = format!("lazaret: warning: {file}:7: lxc.seccomp.profile = /x cannot be said in XML\n");
    assert_eq!(said.stderr, warning);
    host.run(&["define", &host.file("native.xml", &said.stdout)]).ok();
    // The program that libvirt names has no effect, and is kept.
    assert_eq!(
        host.run(&["dumpxml", &name]).ok().stdout,
        said.stdout.replace("<type>", "<type arch='x86_64'>")
    );
    host.run(&["start", &name]).ok();
    assert!(host.runs(&name));
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_domain_becomes_a_configuration_that_becomes_it_again() {
    need_root!();
    let host = Host::new();
    let name = host.name("native");
    let text = format!(
        "lxc.uts.name = {name}\n{CONFIG}lxc.cap.keep = kill\nlxc.idmap = u 0 7 9\nlxc.idmap = g 0 7 9\nlxc.arch = i686\n"
    );
    let config = host.file("config", text);
    let said = host.run(&["domxml-from-native", "lxc-tools", &config]).ok();
    let file = host.file("native.xml", &said.stdout);
    host.run(&["define", &file]).ok();
    let defined = host.run(&["domxml-to-native", "lxc-tools", &name]).ok();
    assert_eq!(defined.stderr, "");
    let in_file = host.run(&["domxml-to-native", "lxc-tools", "--xml", &file]).ok();
    assert_eq!(in_file.stdout, defined.stdout);
    let again = host
        .run(&["domxml-from-native", "lxc-tools", &host.file("again", &defined.stdout)])
        .ok();
    assert_eq!(without_uuid(&again.stdout), without_uuid(&said.stdout));
    host.run(&["undefine", &name]).ok();
    host.run(&["domxml-to-native", "lxc-tools", &name]).refused(1, &[&name]);
    let told = host.file("told.xml", host.domain(&name, "true", "<title>x</title>", ""));
    let told = host.run(&["domxml-to-native", "lxc-tools", "--xml", &told]).ok();
    assert!(
        told.stderr
            .contains("lazaret: warning: <title> cannot be said to LXC\n"),
        "{told}"
    );
    host.run(&["domxml-to-native", "lxc-tools"]).exits(2);
    host.nothing_is_left();
}

#[test]
fn files_that_are_included_are_named_or_anybodys() {
    need_root!();
    let host = Host::new();
    let inside = host.file("more", "lxc.uts.name = included\n");
    let file = host.file("config", format!("{CONFIG}lxc.include = {inside}\n"));
    // What root alone may read is not read because a configuration says so.
    let refused = host.run(&["domxml-from-native", "lxc-tools", &file]);
    refused.refused(1, &["config:6", "lxc.include", "name the file on the command line too"]);
    let said = host.run(&["domxml-from-native", "lxc-tools", &file, &inside]).ok();
    assert!(said.stdout.contains("<name>included</name>"), "{said}");
    let shadow = host.file("config", format!("{CONFIG}lxc.include = /etc/shadow\n"));
    host.run(&["domxml-from-native", "lxc-tools", &shadow])
        .refused(1, &["lxc.include = /etc/shadow: permission denied"]);
}

#[test]
fn standard_input_is_read_and_bad_input_is_refused_with_its_line() {
    let host = Host::new();
    let run = |input: &str| host.run_with(&["domxml-from-native", "lxc-tools", "-"], input.as_bytes());
    assert!(
        run(&format!("{CONFIG}lxc.uts.name = a\n"))
            .ok()
            .stdout
            .contains("<name>a</name>")
    );
    run("").refused(1, &["-:1", "lxc.uts.name"]);
    run(&format!("{CONFIG}lxc.cap.drop = fly\n")).refused(1, &["-:6", "fly"]);
    run(&"\n".repeat(70_000)).refused(1, &["65536"]);
    host.run(&["domxml-from-native", "ini", "-"]).exits(2);
    host.run(&["domxml-from-native", "lxc-tools"]).exits(2);
}

/// The document without the uuid, which is made up.
fn without_uuid(text: &str) -> String {
    let lines = text
        .trim_end()
        .lines()
        .filter(|l| !l.trim_start().starts_with("<uuid>"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn libvirts_own_configurations_become_its_own_documents() {
    let Some(directory) = std::env::var_os("LAZARET_LXCCONF2XML") else {
        skip!("LAZARET_LXCCONF2XML names no directory with libvirt's configurations");
    };
    let host = Host::new();
    let (mut compared, mut refused) = (0, 0);
    for entry in std::fs::read_dir(Path::new(&directory)).unwrap() {
        let path = entry.unwrap().path();
        let path = path.to_str().unwrap();
        let Some(stem) = path.strip_suffix(".config") else {
            continue;
        };
        let stem = stem.strip_suffix("-v3").unwrap_or(stem);
        let mut words = vec!["domxml-from-native", "lxc-tools", path];
        // Of which the document shows the order that is not LXC's.
        words.extend(stem.ends_with("-idmap").then_some("--libvirt-idmap"));
        let said = host.run(&words);
        match std::fs::read_to_string(format!("{stem}.xml")) {
            Ok(expected) => {
                assert_eq!(without_uuid(&said.ok().stdout), without_uuid(&expected), "{path}");
                compared += 1;
            }
            Err(_) => {
                said.refused(1, &["lxc.mount.entry"]);
                refused += 1;
            }
        }
    }
    assert!(compared > 0 && refused == 2, "{compared} compared, {refused} refused");
}
