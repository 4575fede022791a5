//! A script that was written for virsh runs unchanged: the words, statuses, options and the prompt of virsh, for `lxc:///`.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::symlink;
use std::process::Command;
use tests::capture::{self, DEADLINE, until};
use tests::terminal::Terminal;
use tests::{Host, Outcome, need_root, programs};
use wire::Program;

const STAY: &str = "while :; do sleep 1000; done";

/// A link called virsh on this host.
fn virsh(host: &Host, arguments: &[&str]) -> Command {
    let link = host.directory().join("virsh");
    if !link.exists() {
        symlink(programs::path(Program::Lazaret), &link).unwrap();
    }
    let mut command = host.command(link.to_str().unwrap());
    command.args(arguments);
    command
}

fn run(host: &Host, arguments: &[&str]) -> Outcome {
    capture::run(&mut virsh(host, arguments), b"")
}

/// A line of `/proc/PID/status`.
fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap_or_default();
    line.trim_start_matches(':').trim().to_owned()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|p| p.parse().ok()).collect()
}

#[test]
fn a_domain_lives_through_virshs_commands_with_virshs_words() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, STAY, "", "");
    let says = |arguments: &[&str], words: &str| {
        let said = run(&host, arguments).ok();
        assert_eq!(said.stdout, format!("{words}\n\n"), "{said}");
        assert_eq!(said.stderr, "", "{said}");
    };
    let fails = |arguments: &[&str], words: &str| {
        let said = run(&host, arguments);
        assert_eq!(said.status.code(), Some(1), "{said}");
        assert_eq!(said.stderr, words, "{said}");
    };
    says(
        &["-c", "lxc:///", "define", &file],
        &format!("Domain '{name}' defined from {file}"),
    );
    says(
        &["--connect", "lxc:///system", "start", &name],
        &format!("Domain '{name}' started"),
    );
    assert!(host.pid_1(&name).is_some());
    fails(&["start", "--domain", &name], "error: Domain is already active\n");
    says(
        &["--connect=lxc://", "destroy", "--domain", &name],
        &format!("Domain '{name}' destroyed"),
    );
    assert!(host.pid_1(&name).is_none());
    let inactive = format!(
        "error: Failed to destroy domain '{name}'\nerror: Requested operation is not valid: domain is not running\n"
    );
    fails(&["destroy", &name], &inactive);
    says(&["undefine", &name], &format!("Domain '{name}' has been undefined"));
    assert!(!host.config_directory().join(format!("{name}.xml")).exists());
    let unknown = format!(
        "error: failed to get domain '{name}'\nerror: Domain not found: no domain with matching name '{name}'\n"
    );
    fails(&["start", &name], &unknown);
    fails(&["start"], "error: command 'start' requires <domain> option\n");
    fails(
        &["start", &name, "--nope"],
        "error: command 'start' doesn't support option --nope\n",
    );
    fails(&["nope"], "error: unknown command: 'nope'\n");
    host.nothing_is_left();
}

#[test]
fn another_connection_is_refused() {
    need_root!();
    let host = Host::new();
    for uri in ["qemu:///system", "lxc+ssh://host/", "test:///default"] {
        let said = run(&host, &["-c", uri, "list"]);
        assert!(
            said.status.code() == Some(1)
                && said.stderr.contains("error: failed to connect to the hypervisor")
                && said.stderr.contains(uri),
            "{said}"
        );
        let said = capture::run(virsh(&host, &["list"]).env("LIBVIRT_DEFAULT_URI", uri), b"");
        assert!(said.status.code() == Some(1) && said.stderr.contains(uri), "{said}");
        capture::run(host.lazaret(&["list"]).env("LIBVIRT_DEFAULT_URI", uri), b"").refused(2, &[uri]);
    }
    for uri in ["lxc:///", "lxc:///system", "lxc://"] {
        capture::run(host.lazaret(&["list"]).env("LIBVIRT_DEFAULT_URI", uri), b"").ok();
        host.run(&["-c", uri, "list"]).ok();
    }
    // What is read only changes nothing.
    let name = host.name("vm");
    let file = host.domain_file(&name, STAY, "", "");
    let said = run(&host, &["-r", "define", &file]);
    assert!(
        said.status.code() == Some(1) && said.stderr.contains("read only"),
        "{said}"
    );
    assert!(!host.config_directory().join(format!("{name}.xml")).exists());
}

#[test]
fn several_commands_in_one_argument_are_done_one_after_the_other() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.domain_file(&name, STAY, "", "");
    let files = host.directory().join("files");
    let line = format!("cd {}; define '{name}.xml'; start {name}; echo done", files.display());
    let said = run(&host, &[&line]).ok();
    assert!(host.pid_1(&name).is_some(), "{said}");
    let order =
        ["defined from", "started", "done\n"].map(|w| said.stdout.find(w).unwrap_or_else(|| panic!("no {w}: {said}")));
    assert!(order.is_sorted(), "{said}");
    // One that is none keeps the others from being done; one that fails does not.
    let said = run(&host, &[&format!("destroy {name}; nope")]);
    assert!(said.status.code() == Some(1) && host.pid_1(&name).is_some(), "{said}");
    let said = run(&host, &[&format!("start {name}; destroy {name}; undefine {name}")]).ok();
    assert!(
        host.pid_1(&name).is_none() && said.stderr.contains("already active"),
        "{said}"
    );
    assert_eq!(run(&host, &[&format!("echo a; start {name}")]).status.code(), Some(1));
    host.nothing_is_left();
}

#[test]
fn the_prompt_does_what_is_typed_and_nobody_holds_a_capability_meanwhile() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, STAY, "", "");
    let mut typed = Terminal::start(&virsh(&host, &[]), 24, 200);
    typed.expect("virsh # ");
    let starter = typed.pid();
    let reader = children(starter);
    assert_eq!(reader.len(), 1, "{reader:?}");
    for (pid, uid) in [(starter, 0), (reader[0], wire::ids::LAZARET)] {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set} of {pid}");
        }
        assert_eq!(
            status(pid, "Uid"),
            [uid.to_string(), uid.to_string(), uid.to_string(), uid.to_string()].join("\t")
        );
    }
    assert_eq!(
        (status(reader[0], "Seccomp"), status(reader[0], "NoNewPrivs")),
        ("2".into(), "1".into())
    );
    assert_eq!(status(reader[0], "CapBnd"), "0000000000000000");
    typed.send(&format!("define {file}; start {name}\n"));
    typed.expect("started");
    typed.expect("virsh # ");
    assert!(host.pid_1(&name).is_some());
    // Neither has gained anything by it.
    assert_eq!(
        (status(starter, "CapEff"), children(starter)),
        ("0000000000000000".into(), reader)
    );
    typed.send("pwd\n");
    typed.expect("/\r\n");
    typed.send(&format!("cd {}\n", host.directory().display()));
    typed.send("pwd\n");
    typed.expect(&format!("{}\r\n", host.directory().display()));
    typed.send(&format!("destroy {name}; undefine {name}\n"));
    typed.expect("undefined");
    assert!(host.pid_1(&name).is_none());
    typed.send("quit\n");
    assert!(typed.wait().success());
    assert!(until(DEADLINE, || !std::path::Path::new(&format!("/proc/{starter}")).exists()));
    host.nothing_is_left();
}

#[test]
fn commands_come_from_standard_input_as_well() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, STAY, "", "");
    let input = format!("define {file}\nnope\nstart {name}\necho \"a  b\" # no more\n");
    let said = capture::run(&mut virsh(&host, &[]), input.as_bytes()).ok();
    assert!(host.pid_1(&name).is_some(), "{said}");
    assert!(
        said.stdout.contains("virsh # echo") && said.stdout.contains("\na  b\n"),
        "{said}"
    );
    assert_eq!(said.stderr, "error: unknown command: 'nope'\n");
    // What a command reads is what follows its line.
    let input = format!(
        "lxc-enter-namespace {name} -- /bin/sh -c 'read line; echo \"<$line>\"'\nfor the command\nexit\ndestroy {name}\n"
    );
    let said = capture::run(&mut virsh(&host, &["-q"]), input.as_bytes()).ok();
    assert!(said.stdout.contains("<for the command>"), "{said}");
    assert!(host.pid_1(&name).is_some(), "{said}");
    run(&host, &["-q", &format!("destroy {name}; undefine {name}")]).ok();
    host.nothing_is_left();
}

#[test]
fn help_lists_every_verb_and_explains_each() {
    need_root!();
    let host = Host::new();
    let all = run(&host, &["help"]).ok().stdout;
    for line in all.lines().filter(|l| l.starts_with("    ")) {
        let verb = line.split_whitespace().next().unwrap();
        let about = run(&host, &["help", verb]).ok().stdout;
        assert!(about.contains(verb), "{about}");
    }
    assert!(
        all.contains("    start ") && all.contains("(help keyword 'domain'):"),
        "{all}"
    );
    run(&host, &["help", "nope"]).refused(1, &[]);
    assert!(run(&host, &["--help"]).ok().stdout.contains("--connect=URI"));
    assert_eq!(
        run(&host, &["--version"]).ok().stdout,
        format!("{}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn lxc_enter_namespace_executes_a_program_inside_with_the_callers_environment() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    let pid1 = host.pid_1(&name).unwrap();
    // The program is its own argv[0], and what follows are its arguments.
    let said = run(
        &host,
        &[
            "-c",
            "lxc:///",
            "lxc-enter-namespace",
            "--noseclabel",
            &name,
            "/bin/ls",
            "/bin/ls",
        ],
    )
    .ok();
    assert_eq!(said.stdout, "/bin/ls\n");
    let said = run(&host, &["lxc-enter-namespace", &name, "--", "/bin/ls", "-al", "/dev"]).ok();
    assert!(
        said.stdout.contains(" null\n") && said.stdout.contains("total"),
        "{said}"
    );
    let show = "readlink /proc/self/ns/net; readlink /proc/self/ns/uts; echo $FOO";
    let command = &[
        "lxc-enter-namespace",
        "--domain",
        &name,
        "--noseclabel",
        "--",
        "/bin/sh",
        "-c",
        show,
    ];
    let said = capture::run(virsh(&host, command).env("FOO", "a b"), b"").ok();
    let link = |kind: &str| {
        fs::read_link(format!("/proc/{pid1}/ns/{kind}"))
            .unwrap()
            .display()
            .to_string()
    };
    assert_eq!(said.stdout, format!("{}\n{}\na b\n", link("net"), link("uts")));
    for (command, status) in [("exit 7", 7), ("exit 0", 0)] {
        let said = run(&host, &["lxc-enter-namespace", &name, "--", "/bin/sh", "-c", command]);
        assert_eq!(said.status.code(), Some(status), "{said}");
    }
    assert_eq!(run(&host, &["lxc-enter-namespace", &name]).status.code(), Some(1));
    host.run(&["destroy", &name]).ok();
    assert_eq!(
        run(&host, &["lxc-enter-namespace", &name, "/bin/true"]).status.code(),
        Some(1)
    );
    host.nothing_is_left();
}

#[test]
fn send_process_signal_reaches_the_process_that_has_that_number_inside_and_no_other() {
    need_root!();
    let host = Host::new();
    let (name, other) = (host.name("vm"), host.name("other"));
    // PID 1 writes down what it was sent; its child has a number of its own.
    let script = "trap 'echo usr1 >> /var/tmp/got' USR1; trap 'echo hup >> /var/tmp/got' HUP; sleep 1000 & echo $! > /var/tmp/child; while :; do wait; done";
    let files = |name: &str| host.image_called(name).join("var/tmp");
    for name in [&name, &other] {
        let xml = host.domain(name, script, "", "").replace(
            &host.image().display().to_string(),
            &host.image_called(name).display().to_string(),
        );
        host.run(&["create", &host.file(&format!("{name}.xml"), xml)]).ok();
        assert!(until(DEADLINE, || fs::read_to_string(files(name).join("child"))
            .is_ok_and(|t| t.ends_with('\n'))));
    }
    let got = |name: &str| fs::read_to_string(files(name).join("got")).unwrap_or_default();
    run(&host, &["send-process-signal", &name, "1", "usr1"]).ok();
    assert!(until(DEADLINE, || got(&name) == "usr1\n"), "{}", got(&name));
    run(
        &host,
        &[
            "send-process-signal",
            "--domain",
            &name,
            "--pid",
            "1",
            "--signame",
            "SIGHUP",
        ],
    )
    .ok();
    assert!(until(DEADLINE, || got(&name) == "usr1\nhup\n"), "{}", got(&name));
    let child = fs::read_to_string(files(&name).join("child"))
        .unwrap()
        .trim()
        .to_owned();
    let sleeping = |name: &str| {
        let pid1 = host.pid_1(name).unwrap().cast_unsigned();
        children(pid1)
            .iter()
            .any(|p| status(*p, "Name") == "sleep" && !status(*p, "State").starts_with('Z'))
    };
    assert!(sleeping(&name) && sleeping(&other));
    run(&host, &["send-process-signal", &name, &child, "0"]).ok();
    run(&host, &["send-process-signal", &name, &child, "sig_term"]).ok();
    assert!(until(DEADLINE, || !sleeping(&name)));
    assert!(sleeping(&other) && got(&other).is_empty());
    assert_eq!(
        run(&host, &["send-process-signal", &name, "99999", "term"])
            .status
            .code(),
        Some(1)
    );
    let said = run(&host, &["send-process-signal", &name, "1", "foo"]);
    assert!(
        said.status.code() == Some(1) && said.stderr.contains("malformed signal name: foo"),
        "{said}"
    );
    // It is on record, with who asked.
    let log = host
        .run(&["audit", "log", "--container", &name, "--verb", "signal", "--json"])
        .ok()
        .stdout;
    assert_eq!(log.matches("\"signal\"").count(), 3, "{log}");
    for name in [&name, &other] {
        host.run(&["destroy", name]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn a_container_that_is_tied_to_its_start_ends_with_it() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    run(&host, &["define", &host.domain_file(&name, STAY, "", "")]).ok();
    for how in ["interrupted", "killed"] {
        let mut start = Terminal::start(&virsh(&host, &["start", &name, "--autodestroy"]), 24, 80);
        start.expect("started");
        assert!(host.pid_1(&name).is_some());
        if how == "killed" {
            start.kill();
            host.run(&["list"]).ok();
        } else {
            start.send("\x03");
            start.wait();
        }
        assert!(until(DEADLINE, || host.pid_1(&name).is_none()), "{how}");
    }
    let mut start = Terminal::start(
        &virsh(&host, &["start", "--domain", &name, "--console", "--autodestroy"]),
        24,
        80,
    );
    start.expect("Escape character is ^]");
    assert!(host.pid_1(&name).is_some());
    start.send("\x1d");
    assert!(start.wait().success());
    assert!(host.pid_1(&name).is_none());
    // A console alone leaves it running, and the key that leaves can be another.
    let mut start = Terminal::start(&virsh(&host, &["start", &name, "--console"]), 24, 80);
    start.expect("Escape character is ^]");
    start.send("\x1d");
    assert!(start.wait().success() && host.pid_1(&name).is_some());
    let mut console = Terminal::start(
        &virsh(&host, &["-e", "^A", "console", &name, "--force", "--safe", "console0"]),
        24,
        80,
    );
    console.expect("Escape character is ^A");
    console.send("\x01");
    assert!(console.wait().success() && host.pid_1(&name).is_some());
    for option in ["--paused", "--pass-fds=2"] {
        run(&host, &["destroy", &name]);
        let said = run(&host, &["start", &name, option]);
        assert!(said.status.code() == Some(1) && host.pid_1(&name).is_none(), "{said}");
    }
    run(&host, &["undefine", &name, "--managed-save"]).ok();
    host.nothing_is_left();
}

#[test]
fn a_graceful_destroy_asks_and_never_kills() {
    need_root!();
    let host = Host::new();
    let (polite, deaf) = (host.name("polite"), host.name("deaf"));
    let script = "trap 'echo asked > /var/tmp/asked; exit 0' TERM; while :; do sleep 0.1; done";
    run(&host, &["create", &host.domain_file(&polite, script, "", "")]).ok();
    run(&host, &["destroy", &polite, "--graceful"]).ok();
    assert!(host.pid_1(&polite).is_none() && host.image().join("var/tmp/asked").exists());
    run(
        &host,
        &[
            "create",
            &host.domain_file(&deaf, "trap 'echo no' TERM; while :; do sleep 0.1; done", "", ""),
        ],
    )
    .ok();
    let said = run(&host, &["destroy", &deaf, "--graceful"]);
    assert!(said.status.code() == Some(1) && host.pid_1(&deaf).is_some(), "{said}");
    for (mode, status) in [
        ("acpi", 1),
        ("initctl", 1),
        ("foo", 1),
        ("initctl,signal", 0),
        ("signal", 0),
    ] {
        let said = run(&host, &["shutdown", &deaf, "--mode", mode]);
        assert_eq!(said.status.code(), Some(status), "{said}");
    }
    run(&host, &["destroy", &deaf, "--remove-logs"]).ok();
    assert!(host.pid_1(&deaf).is_none());
    host.nothing_is_left();
}

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
        "Domain description updated successfully\n\n",
    );
    says(
        &["desc", &name, "--title", "--new-desc", "Post & Co"],
        "Domain title updated successfully\n\n",
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
    says(&["desc", &name, "now"], "Domain description updated successfully\n\n");
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
        "Domain description updated successfully\n\n",
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
    assert!(kept(&host, &name).contains("<k:a xmlns:k='http://example.org/x' b='c'>"));
    says(&["metadata", &name, uri, "--config"], "<a b='c'>\n  <d>t</d>\n</a>\n\n");
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
    says(&["desc", &name, ""], "Domain description updated successfully\n\n");
    says(&["desc", &name, "--title", ""], "Domain title updated successfully\n\n");
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
    assert!(kept(&host, &name).contains("<k:e xmlns:k='http://example.org/x'/>"));
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

#[test]
fn descriptors_that_are_passed_are_3_and_4_inside_and_no_other_is() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let script = "env > /var/tmp/env; cat <&4 > /var/tmp/got; while :; do sleep 1000; done";
    run(&host, &["define", &host.domain_file(&name, script, "", "")]).ok();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    for fd in [listener.as_fd(), reader.as_fd()] {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
    }
    let (listens, reads) = (listener.as_raw_fd(), reader.as_raw_fd());
    let list = format!("{listens},{reads}");
    let mut start = virsh(&host, &["-c", "lxc:///", "start", "--pass-fds", &list, &name]);
    capture::run(start.env("LISTEN_FDNAMES", "web:pipe"), b"").ok();
    let pid1 = host.pid_1(&name).unwrap();
    let ours = |fd: i32| fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    let its = |fd: i32| fs::read_link(format!("/proc/{pid1}/fd/{fd}")).unwrap();
    assert_eq!((its(3), its(4)), (ours(listens), ours(reads)));
    // What else there is, the shell has opened: its own script's redirections, and its terminal.
    for entry in fs::read_dir(format!("/proc/{pid1}/fd")).unwrap().flatten() {
        let number: u32 = entry.file_name().to_string_lossy().parse().unwrap();
        let target = fs::read_link(entry.path()).unwrap_or_default();
        assert!(
            number < 5
                || ["/dev/pts/0", "/dev/console", "/var/tmp"]
                    .iter()
                    .any(|p| target.starts_with(p)),
            "{number} {target:?}"
        );
    }
    drop(reader);
    rustix::io::write(&writer, b"through\n").unwrap();
    drop(writer);
    let inside = |file: &str| fs::read_to_string(host.image().join("var/tmp").join(file)).unwrap_or_default();
    assert!(until(DEADLINE, || inside("got") == "through\n"), "{}", inside("got"));
    let env = inside("env");
    for told in ["LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=web:pipe"] {
        assert!(env.lines().any(|l| l == told), "{told}: {env}");
    }
    run(&host, &["destroy", &name]).ok();
    // What is no descriptor, or leads out of the container, is not passed.
    let root = fs::File::open("/").unwrap();
    rustix::io::fcntl_setfd(&root, rustix::io::FdFlags::empty()).unwrap();
    let root = root.as_raw_fd().to_string();
    for bad in [root.as_str(), "99", "1", "x", "", &format!("{listens},{listens}")] {
        let said = run(&host, &["start", &name, "--pass-fds", bad]);
        assert!(said.status.code() == Some(1) && host.pid_1(&name).is_none(), "{said}");
    }
    run(&host, &["start", &name]).ok();
    assert!(!inside("env").contains("LISTEN_"));
    run(&host, &["destroy", &name]).ok();
    run(&host, &["undefine", &name]).ok();
    host.nothing_is_left();
}
