//! What is kept is changed as virsh changes it: marks of autostart, names, titles, metadata, and whole definitions in an editor.

use std::fs;
use tests::terminal::Terminal;
use tests::virsh::{STAY, run, virsh};
use tests::{Host, Outcome, capture, need_root};

/// Puts a program that edits its file into the test's directory, and gives the variable's value.
fn editor(host: &Host, script: &str) -> String {
    let path = host.file("editor.sh", format!("#!/bin/sh\n{script}\n"));
    format!("/bin/sh {path}")
}

fn edit(host: &Host, arguments: &[&str], script: &str) -> Outcome {
    capture::run(virsh(host, arguments).env("VISUAL", editor(host, script)), b"")
}

#[test]
fn a_mark_of_autostart_is_a_link_and_what_is_marked_is_started() {
    need_root!();
    let host = Host::new();
    let names = ["a", "b", "c"].map(|word| host.name(word));
    for name in &names {
        run(&host, &["define", &host.domain_file(name, STAY, "", "")]).ok();
    }
    let [a, b, c] = &names;
    let mark = |name: &str| host.config_directory().join(format!("autostart/{name}.xml"));
    for name in [a, b] {
        let said = run(&host, &["autostart", name]).ok();
        assert_eq!(said.stdout, format!("Domain '{name}' marked as autostarted\n\n"));
        run(&host, &["autostart", "--domain", name]).ok();
        assert_eq!(
            fs::read_link(mark(name)).unwrap().to_str().unwrap(),
            format!("../{name}.xml")
        );
        assert_eq!(
            fs::read(mark(name)).unwrap(),
            fs::read(host.config_directory().join(format!("{name}.xml"))).unwrap()
        );
    }
    let said = run(&host, &["autostart", b, "--disable"]).ok();
    assert_eq!(said.stdout, format!("Domain '{b}' unmarked as autostarted\n\n"));
    assert!(fs::symlink_metadata(mark(b)).is_err());
    host.run(&["autostart", "--boot"]).ok();
    assert!(host.pid_1(a).is_some() && host.pid_1(b).is_none() && host.pid_1(c).is_none());
    // What runs is left alone, and one that cannot be started keeps nobody else from it.
    let before = host.pid_1(a);
    let broken = host.domain(
        b,
        STAY,
        "",
        "<filesystem type='mount'><source dir='/nowhere/at/all'/><target dir='/x'/></filesystem>",
    );
    run(
        &host,
        &[
            "define",
            &host.file(
                "broken.xml",
                broken.replace("  <name>", &format!("  <uuid>{}</uuid><name>", uuid(&host, b))),
            ),
        ],
    )
    .ok();
    for name in [b, c] {
        run(&host, &["autostart", name]).ok();
    }
    let said = host.run(&["autostart", "--boot"]);
    assert!(
        said.status.code() == Some(1) && said.stderr.contains(b.as_str()),
        "{said}"
    );
    assert!(host.pid_1(a) == before && host.pid_1(b).is_none() && host.pid_1(c).is_some());
    // A mark follows the name, and goes with the definition.
    let renamed = host.name("renamed");
    assert_eq!(run(&host, &["domrename", a, &renamed]).status.code(), Some(1));
    run(&host, &["destroy", a]).ok();
    let said = run(&host, &["domrename", a, &renamed]).ok();
    assert_eq!(said.stdout, "Domain successfully renamed\n\n");
    assert!(fs::symlink_metadata(mark(a)).is_err() && fs::read(mark(&renamed)).is_ok());
    assert!(!host.config_directory().join(format!("{a}.xml")).exists());
    assert_eq!(run(&host, &["domrename", &renamed, c]).status.code(), Some(1));
    assert_eq!(run(&host, &["domrename", &renamed, "a/b"]).status.code(), Some(1));
    run(&host, &["undefine", &renamed]).ok();
    assert!(fs::symlink_metadata(mark(&renamed)).is_err());
    run(&host, &[&format!("destroy {c}; undefine {c}; undefine {b}")]).ok();
    host.nothing_is_left();
}

/// What the kept definition's uuid is, by the file.
fn uuid(host: &Host, name: &str) -> String {
    let text = kept(host, name);
    text.split_once("<uuid>")
        .unwrap()
        .1
        .split_once("</uuid>")
        .unwrap()
        .0
        .to_owned()
}

/// The file of the kept definition.
fn kept(host: &Host, name: &str) -> String {
    fs::read_to_string(host.config_directory().join(format!("{name}.xml"))).unwrap()
}

#[test]
fn title_description_and_metadata_change_what_runs_or_what_is_kept() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    run(&host, &["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let plain = kept(&host, &name);
    let says = |arguments: &[&str], words: &str| assert_eq!(run(&host, arguments).ok().stdout, words);
    says(&["desc", &name], &format!("No description for domain: {name}\n"));
    says(
        &["desc", &name, "mail", "for", "all"],
        "Domain description updated successfully\n",
    );
    says(
        &["desc", &name, "--title", "--new-desc", "Post & Co"],
        "Domain title updated successfully\n",
    );
    let text = kept(&host, &name);
    assert!(
        text.contains("<title>Post &amp; Co</title>") && text.contains("<description>mail for all</description>"),
        "{text}"
    );
    assert_eq!(run(&host, &["desc", &name, "--title", "a\nb"]).status.code(), Some(1));
    assert_eq!(run(&host, &["desc", &name, "--live", "x"]).status.code(), Some(1));
    run(&host, &["start", &name]).ok();
    // What runs and what is kept are two.
    says(&["desc", &name, "now"], "Domain description updated successfully\n");
    assert!(kept(&host, &name).contains("mail for all"));
    says(&["desc", &name], "now\n");
    says(&["desc", &name, "--config"], "mail for all\n");
    assert!(
        run(&host, &["dumpxml", &name])
            .ok()
            .stdout
            .contains("<description>now</description>")
    );
    says(
        &["desc", &name, "--live", "--config", "both"],
        "Domain description updated successfully\n",
    );
    assert!(kept(&host, &name).contains("<description>both</description>"));
    let uri = "http://example.org/x";
    says(
        &[
            "metadata",
            &name,
            uri,
            "--key",
            "k",
            "--set",
            "<a b='c'><d>t</d></a>",
            "--config",
        ],
        "Metadata modified\n\n",
    );
    assert!(kept(&host, &name).contains("<k:a xmlns:k=\"http://example.org/x\" b=\"c\">"));
    says(
        &["metadata", &name, uri, "--config"],
        "<a b=\"c\">\n  <d>t</d>\n</a>\n\n",
    );
    let said = run(&host, &["metadata", &name, uri]);
    assert!(
        said.status.code() == Some(1) && said.stderr.contains("metadata not found"),
        "{said}"
    );
    assert_eq!(
        run(&host, &["metadata", &name, uri, "--key", "k", "--set", "</metadata>"])
            .status
            .code(),
        Some(1)
    );
    run(&host, &["destroy", &name]).ok();
    says(&["metadata", &name, uri, "--remove"], "Metadata removed\n\n");
    says(&["desc", &name, ""], "Domain description updated successfully\n");
    says(&["desc", &name, "--title", ""], "Domain title updated successfully\n");
    assert_eq!(kept(&host, &name), plain);
    // In an editor.
    edit(&host, &["desc", &name, "--edit"], "printf 'one\\ntwo\\n' > \"$1\"").ok();
    assert!(kept(&host, &name).contains("<description>one\ntwo</description>"));
    let said = edit(&host, &["desc", &name, "--edit"], ":").ok();
    assert_eq!(said.stdout, "Domain description not changed\n\n");
    edit(
        &host,
        &["metadata", &name, uri, "--edit", "--key", "k"],
        "echo '<e/>' > \"$1\"",
    )
    .ok();
    assert!(kept(&host, &name).contains("<k:e xmlns:k=\"http://example.org/x\"/>"));
    run(&host, &["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn an_edit_is_kept_if_it_is_sound_and_nothing_is_lost_if_not() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    run(&host, &["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let plain = kept(&host, &name);
    let said = edit(&host, &["edit", &name], ":").ok();
    assert_eq!(
        said.stdout,
        format!("Domain '{name}' XML configuration not changed.\n\n")
    );
    let said = edit(&host, &["edit", &name], "sed -i s/65536/131072/ \"$1\"").ok();
    assert_eq!(said.stdout, format!("Domain '{name}' XML configuration edited.\n\n"));
    assert_eq!(kept(&host, &name), plain.replace("65536", "131072"));
    let now = kept(&host, &name);
    for (script, why) in [
        ("sed -i 's|<memory|<memry|' \"$1\"", "memry"),
        ("sed -i 's|</domain>||' \"$1\"", ""),
        ("sed -i 's|<name>.*|<name>another</name>|' \"$1\"", "uuid"),
        ("sed -i 's|<memory.*|<memory>0</memory>|' \"$1\"", "memory"),
    ] {
        let said = edit(&host, &["edit", &name], script);
        assert!(said.status.code() == Some(1) && said.stderr.contains(why), "{said}");
        assert_eq!(kept(&host, &name), now);
        // What was edited is still there.
        let path = said
            .stderr
            .split_whitespace()
            .find(|w| w.contains("/lazaret-") && w.ends_with(".xml"));
        let path = path.unwrap_or_else(|| panic!("no file is told: {said}"));
        assert_ne!(fs::read_to_string(path).unwrap(), now);
        fs::remove_file(path).unwrap();
    }
    // An editor that fails, or is not there, changes nothing either.
    let said = edit(&host, &["edit", &name], "echo '<x/>' > \"$1\"; exit 3");
    assert!(said.status.code() == Some(1) && kept(&host, &name) == now, "{said}");
    // What somebody else has changed meanwhile is not overwritten.
    let other = format!(
        "sed -i s/131072/262144/ \"$1\"; sed -i s/131072/99999/ {}/{name}.xml",
        host.config_directory().display()
    );
    let said = edit(&host, &["edit", &name], &other);
    assert!(
        said.status.code() == Some(1) && said.stderr.contains("another user"),
        "{said}"
    );
    assert!(kept(&host, &name).contains("99999"));
    // At a terminal it can be tried again.
    let script = "if grep -q memry \"$1\"; then sed -i 's/memry/memory/g; s/99999/88888/g' \"$1\"; else sed -i s/memory/memry/g \"$1\"; fi";
    let mut command = virsh(&host, &["edit", &name]);
    command.env("VISUAL", editor(&host, script));
    let mut typed = Terminal::start(&command, 24, 200);
    typed.expect("Try again?");
    typed.send("y\n");
    assert!(typed.wait().success(), "{}", typed.seen());
    assert!(kept(&host, &name).contains("88888"), "{}", kept(&host, &name));
    assert_eq!(run(&host, &["edit", &host.name("nobody")]).status.code(), Some(1));
    for left in fs::read_dir("/tmp").unwrap().flatten().map(|e| e.path()) {
        let ours = left
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with("lazaret-") && n.to_string_lossy().ends_with(".xml"));
        if ours && fs::read_to_string(&left).is_ok_and(|t| t.contains(&name) || t.contains("<x/>")) {
            fs::remove_file(left).unwrap();
        }
    }
    run(&host, &["undefine", &name]).ok();
    host.nothing_is_left();
}
