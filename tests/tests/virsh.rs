//! A script that was written for virsh runs unchanged: its words, statuses, options and prompt, for `lxc:///`.

use tests::capture::{self, DEADLINE, until};
use tests::terminal::Terminal;
use tests::virsh::{STAY, children, run, status, virsh};
use tests::{Host, need_root};

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
    let unknown = format!("error: failed to get domain '{name}'\n");
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
        capture::run(host.lazaret(&["list"]).env("LIBVIRT_DEFAULT_URI", uri), b"").ok();
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
    let line = format!("define '{}/{name}.xml'; start {name}; echo done", files.display());
    let said = run(&host, &[&line]).ok();
    assert!(host.pid_1(&name).is_some(), "{said}");
    let order =
        ["defined from", "started", "done\n"].map(|w| said.stdout.find(w).unwrap_or_else(|| panic!("no {w}: {said}")));
    assert!(order.is_sorted(), "{said}");
    // Only who has a prompt is somewhere.
    let said = run(&host, &["cd /"]);
    assert!(
        said.status.code() == Some(1) && said.stderr.contains("interactive mode"),
        "{said}"
    );
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
