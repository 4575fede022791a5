//! What a domain says and Lazaret does not do is not lost and not done by halves: it is kept and shown; what a container would be without is
//! in the way of a start; what no LXC driver reads is told.
//!
//! libvirt's own documents are not in the tree: `LAZARET_LXCXML2XML` names a directory with them.

use std::path::Path;
use tests::{Host, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";

#[test]
fn what_has_no_effect_yet_is_kept_and_nothing_starts_with_it() {
    need_root!();
    let host = Host::new();
    for (word, more, devices, named) in [
        (
            "disk",
            "",
            "<disk type='file' device='disk'><source file='/srv/a.img'/><target dev='vda'/></disk>",
            "<disk type='file'> in <devices>",
        ),
        (
            "filter",
            "",
            "<interface type='ethernet'><filterref filter='clean-traffic'/></interface>",
            "<filterref> in <interface>",
        ),
        (
            "label",
            "<seclabel type='dynamic' model='apparmor'/>",
            "",
            "<seclabel> in <domain>",
        ),
    ] {
        let name = host.name(word);
        let file = host.domain_file(&name, STAY, more, devices);
        host.run(&["create", &file]).refused(1, &[named, "no effect yet"]);
        // It is no mistake of the document's.
        let said = host.run(&["define", "--validate", &file]).ok();
        assert_eq!(said.stderr, "", "{word}");
        let kept = host.run(&["dumpxml", &name]).ok().stdout;
        let tag = named.trim_start_matches('<').split(['>', ' ']).next().unwrap();
        assert!(kept.contains(&format!("<{tag}")), "{kept}");
        for verb in ["start", "plan"] {
            host.run(&[verb, &name]).refused(1, &[&name, named, "no effect yet"]);
        }
        // What is shown defines the same again.
        host.run(&["define", &host.file("again.xml", &kept)]).ok();
        assert_eq!(host.run(&["dumpxml", &name]).ok().stdout, kept);
        host.run(&["undefine", &name]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn what_no_driver_reads_is_told_once_and_starts() {
    need_root!();
    let host = Host::new();
    let name = host.name("unread");
    let text = host.domain(&name, STAY, "<cpu mode='host-model'/>", "<graphics type='vnc'/>");
    let file = host.file("unread.xml", &text);
    let line = |part: &str| 1 + text.lines().position(|l| l.contains(part)).unwrap();
    let told = |part: &str, what: &str| {
        format!(
            "lazaret: warning: {file}:{}: {what} is kept, but no LXC driver reads it: it has no effect\n",
            line(part)
        )
    };
    let said = host.run(&["define", &file]).ok();
    let warnings = told("<cpu", "<cpu> in <domain>") + &told("<graphics", "<graphics type='vnc'> in <devices>");
    assert_eq!(said.stderr, warnings);
    let shown = host.run(&["dumpxml", &name]).ok();
    assert!(
        shown.stdout.contains("  <cpu mode='host-model'/>\n  <clock")
            && shown.stdout.contains("    <graphics type='vnc'/>\n"),
        "{shown}"
    );
    assert_eq!(shown.stderr, "");
    assert_eq!(host.run(&["start", &name]).ok().stderr, "");
    assert!(host.runs(&name));
    assert!(
        host.run(&["dumpxml", &name])
            .ok()
            .stdout
            .contains("<cpu mode='host-model'/>")
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    for verb in ["define", "create"] {
        host.run(&[verb, "--validate", &file])
            .refused(1, &["unread.xml", "<cpu> in <domain>"]);
    }
    host.nothing_is_left();
}

#[test]
fn what_is_in_no_schema_is_refused_wherever_it_is() {
    need_root!();
    let host = Host::new();
    let name = host.name("bad");
    for (more, devices, word) in [
        ("<nonsense/>", "", "nonsense"),
        ("<cpu><nonsense/></cpu>", "", "nonsense"),
        (
            "",
            "<disk colour='red'><source file='/a'/><target dev='a'/></disk>",
            "colour",
        ),
        (
            "",
            "<filesystem type='block'><source dev='/a'/><target dir='/a'/><nonsense/></filesystem>",
            "nonsense",
        ),
    ] {
        let file = host.file("bad.xml", host.domain(&name, STAY, more, devices));
        for words in [
            vec!["define", &file],
            vec!["define", "--validate", &file],
            vec!["create", &file],
        ] {
            host.run(&words).refused(1, &["bad.xml:", word, "is not known"]);
        }
    }
    host.nothing_is_left();
}

#[test]
fn libvirts_own_documents_come_back_exactly() {
    need_root!();
    let Some(directory) = std::env::var_os("LAZARET_LXCXML2XML") else {
        skip!("LAZARET_LXCXML2XML names no directory with libvirt's documents");
    };
    let host = Host::new();
    let mut compared = 0;
    for entry in std::fs::read_dir(Path::new(&directory)).unwrap() {
        let path = entry.unwrap().path();
        let path = path.to_str().unwrap();
        let Some(stem) = path.strip_suffix(".xml").filter(|stem| !stem.ends_with(".out")) else {
            continue;
        };
        let expected = std::fs::read_to_string(format!("{stem}.out.xml")).or_else(|_| std::fs::read_to_string(path));
        let expected = expected.unwrap();
        let name = expected
            .split("<name>")
            .nth(1)
            .and_then(|rest| rest.split("</name>").next())
            .unwrap();
        host.run(&["define", path]).ok();
        assert_eq!(
            host.run(&["dumpxml", name]).ok().stdout.trim_end(),
            expected.trim_end(),
            "{path}"
        );
        host.run(&["undefine", name]).ok();
        compared += 1;
    }
    assert!(compared > 0, "there is no document");
}
