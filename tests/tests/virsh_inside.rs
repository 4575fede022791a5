//! What virsh does to a container that runs: enters it, signals its processes, ties it to a command, passes descriptors.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use tests::capture::{self, DEADLINE, until};
use tests::terminal::Terminal;
use tests::virsh::{STAY, children, run, status, virsh};
use tests::{Host, need_root};

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
    // As with every command of virsh, an empty line follows.
    assert_eq!(said.stdout, "/bin/ls\n\n");
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
    assert_eq!(said.stdout, format!("{}\n{}\na b\n\n", link("net"), link("uts")));
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

/// An ignored signal is lost unless somebody has taken it: what is typed while a start is not through counts nevertheless.
#[test]
fn a_start_that_is_interrupted_before_it_waits_ends_though_its_shell_had_it_ignore_that() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    run(&host, &["define", &host.domain_file(&name, STAY, "", "")]).ok();
    // Its terminal shows nothing (^S), and so it comes no further than to say that the container is started; ^C lets it go on.
    let start = virsh(&host, &["start", &name, "--autodestroy"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP INT QUIT TERM; read go; exec \"$@\"", "sh"]);
    shell.arg(start.get_program()).args(start.get_args());
    shell.envs(start.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let mut start = Terminal::start(&shell, 24, 80);
    start.send("\x13go\n");
    assert!(until(DEADLINE, || host.pid_1(&name).is_some()), "{}", start.seen());
    start.send("\x03");
    assert!(!start.wait().success());
    assert!(until(DEADLINE, || host.pid_1(&name).is_none()));
    run(&host, &["undefine", &name]).ok();
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
        let said = run(&host, &["shutdown", &deaf, "--mode", mode, "--timeout", "0"]);
        assert_eq!(said.status.code(), Some(status), "{said}");
    }
    run(&host, &["destroy", &deaf, "--remove-logs"]).ok();
    assert!(host.pid_1(&deaf).is_none());
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
