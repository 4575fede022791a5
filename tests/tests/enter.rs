//! `lazaret enter` joins the container entirely, and brings nothing along.

use std::fs;
use tests::{Host, kernel, need_root, process};

const STAY: &str = "while :; do sleep 1000; done";

fn running(host: &Host) -> String {
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    name
}

#[test]
fn every_namespace_is_that_of_pid_1() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let pid_1 = host.pid_1(&name).unwrap();
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let inside = host
            .run(&["enter", &name, "--", "readlink", &format!("/proc/self/ns/{kind}")])
            .ok()
            .stdout;
        assert_eq!(
            Some(inside.trim().to_owned()),
            process::namespace(pid_1, kind),
            "{kind}"
        );
        assert_ne!(
            Some(inside.trim().to_owned()),
            process::namespace(i32::try_from(host.holder()).unwrap(), kind),
            "{kind}"
        );
    }
}

#[test]
fn the_group_is_the_containers_own_in_every_hierarchy() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let file = host.image().join("var/tmp/pid");
    let mut child = host
        .lazaret(&[
            "enter",
            &name,
            "--",
            "sh",
            "-c",
            "echo > /var/tmp/pid; exec sleep 987654",
        ])
        .spawn()
        .unwrap();
    // Between the file and the exec the shell is still a shell.
    let mut entered = None;
    let sleeps =
        |p: &i32| fs::read_to_string(format!("/proc/{p}/cmdline")).is_ok_and(|c| c.starts_with("sleep\0987654"));
    assert!(tests::capture::until(tests::capture::DEADLINE, || {
        entered = process::all().into_iter().find(sleeps);
        file.exists() && entered.is_some()
    }));
    let entered = entered.unwrap();
    let text = fs::read_to_string(format!("/proc/{entered}/cgroup")).unwrap();
    // The kernel tells of version 2 where it is not mounted, too.
    let version2 = kernel::hierarchies()
        .iter()
        .any(|h| h.join("cgroup.controllers").exists());
    let lines: Vec<&str> = text.lines().filter(|l| version2 || !l.starts_with("0::")).collect();
    for line in &lines {
        assert!(line.ends_with(&format!("/lazaret/{name}/enter")), "{line}");
    }
    assert_eq!(lines.len(), kernel::hierarchies().len());
    host.run(&["destroy", &name]).ok();
    assert!(
        tests::capture::wait(&mut child, tests::capture::DEADLINE).is_some(),
        "who entered ends with the container"
    );
}

#[test]
fn it_holds_no_more_than_pid_1() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let inside = host
        .run(&[
            "enter",
            &name,
            "--",
            "grep",
            "-E",
            "^(Cap|NoNewPrivs|Seccomp)",
            "/proc/self/status",
        ])
        .ok()
        .stdout;
    let own = host
        .run(&[
            "enter",
            &name,
            "--",
            "grep",
            "-E",
            "^(Cap|NoNewPrivs|Seccomp)",
            "/proc/1/status",
        ])
        .ok()
        .stdout;
    assert_eq!(inside, own);
    assert!(inside.contains("Seccomp:\t2"), "{inside}");
}

#[test]
fn the_exit_status_is_the_commands_own() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    for code in [0, 1, 42, 255] {
        host.run(&["enter", &name, "--", "sh", "-c", &format!("exit {code}")])
            .exits(code);
    }
    host.run(&["enter", &name, "--", "sh", "-c", "kill -KILL $$"])
        .exits(137);
    host.run(&["enter", &name, "--", "/bin/nowhere"])
        .refused(127, &["/bin/nowhere"]);
    host.run(&["enter", &name, "--", "/etc"]).refused(126, &["/etc"]);
    host.run(&["enter", "nobody-of-this-name", "--", "true"])
        .refused(125, &["nobody-of-this-name"]);
}

#[test]
fn it_is_also_spelled_as_virsh_spells_it() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let said = host
        .run(&[
            "lxc-enter-namespace",
            &name,
            "--noseclabel",
            "--",
            "/bin/ls",
            "/etc/passwd",
        ])
        .ok();
    assert_eq!(said.stdout, "/etc/passwd\n");
}

#[test]
fn only_the_three_descriptors_and_the_containers_environment_come_along() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let mut command = host.command("sh");
    let lazaret = tests::programs::path(wire::Program::Lazaret);
    command
        .args(["-c", "exec 7</ 8</etc/shadow; exec \"$@\"", "sh"])
        .arg(lazaret)
        .args(["enter", "--env", "ASKED=yes", &name, "--", "sh", "-c"]);
    command
        .arg("env; echo --; ls -l /proc/self/fd")
        .env("SECRET", "of the caller");
    let said = tests::capture::run(&mut command, b"").ok();
    let (environment, descriptors) = said.stdout.split_once("--\n").unwrap();
    assert!(
        environment.contains("ASKED=yes") && !environment.contains("SECRET") && !environment.contains("LAZARET_"),
        "{said}"
    );
    // 0, 1, 2 and the one with which ls reads the directory.
    let numbers: Vec<&str> = descriptors
        .lines()
        .filter(|l| l.contains(" -> "))
        .map(|l| l.split(" -> ").next().unwrap().rsplit(' ').next().unwrap())
        .collect();
    assert!(numbers.iter().all(|n| ["0", "1", "2", "3"].contains(n)), "{said}");
    assert!(
        !descriptors.contains("shadow") && !descriptors.contains("socket"),
        "{said}"
    );
}

#[test]
fn from_a_terminal_it_has_a_terminal_of_the_containers_own() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let mut terminal = host.terminal(&[
        "enter",
        &name,
        "--",
        "sh",
        "-c",
        "tty; stty size; read x; echo got $x; exit 5",
    ]);
    terminal.expect("/dev/pts/");
    terminal.expect("24 80");
    terminal.send("word\r");
    terminal.expect("got word");
    assert_eq!(terminal.wait().code(), Some(5));
}

#[test]
fn streams_are_passed_and_signals_forwarded() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let said = host.run_with(&["enter", &name, "--", "sed", "s/l/L/"], b"lower\n").ok();
    assert_eq!(said.stdout, "Lower\n");
    use std::io::{BufRead, BufReader};
    let mut command = host.lazaret(&[
        "enter",
        &name,
        "--",
        "sh",
        "-c",
        "trap 'exit 6' TERM; echo ready; while :; do sleep 1 & wait $!; done",
    ]);
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(
        tests::capture::wait(&mut child, tests::capture::DEADLINE).and_then(|s| s.code()),
        Some(6)
    );
}

#[test]
fn user_and_directory_are_as_asked() {
    need_root!();
    let host = Host::new();
    let name = running(&host);
    let said = host
        .run(&[
            "enter",
            "--user",
            "user",
            "--workdir",
            "/var/tmp",
            &name,
            "--",
            "sh",
            "-c",
            "id -u; pwd",
        ])
        .ok();
    assert_eq!(said.stdout, "1000\n/var/tmp\n");
}

#[test]
fn a_container_that_does_not_run_cannot_be_entered() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["enter", &name, "--", "true"])
        .refused(125, &[&name, "not running"]);
}

/// A command that has been killed by a tracer that does not let it go: whoever entered is not held up by it, nor is the program that entered.
#[test]
fn a_tracer_inside_does_not_hold_who_entered() {
    need_root!();
    let ground = tests::Ground::new(env!("CARGO_BIN_EXE_attack"));
    let host = &ground.host;
    // An app may not trace.
    let name = ground.system();
    for interrupt in [true, false] {
        let mut entered = host
            .lazaret(&["enter", &name, "--", "sleep", "4321"])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let at = host.image().join("var/tmp/held");
        let script = "exec attack hold 4321 >/var/tmp/held";
        let mut tracer = host
            .lazaret(&["enter", &name, "--", "sh", "-c", script])
            .stdin(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let held = || std::fs::read_to_string(&at).unwrap_or_default() == "held\n";
        assert!(
            tests::capture::until(tests::capture::DEADLINE, held),
            "{:?}",
            std::fs::read_to_string(&at)
        );
        let entering = || {
            let of_it = |pid: &i32| {
                let program = tests::process::executable(*pid).and_then(|p| tests::programs::of_file(&p));
                program == Some(wire::Program::Nsenter)
            };
            let processes = tests::kernel::processes(host.ids(), host.holder());
            processes.into_iter().filter(of_it).count()
        };
        assert_eq!(entering(), 2);
        let pid = nix::unistd::Pid::from_raw(entered.id().cast_signed());
        let signal = if interrupt {
            nix::sys::signal::SIGINT
        } else {
            nix::sys::signal::SIGKILL
        };
        nix::sys::signal::kill(pid, signal).unwrap();
        let status = tests::capture::wait(&mut entered, tests::capture::DEADLINE).expect("who entered is held");
        if interrupt {
            assert_eq!(status.code(), Some(125));
            let said = std::io::read_to_string(entered.stderr.take().unwrap()).unwrap();
            assert!(said.contains("a process of the container's traces it"), "{said}");
        }
        assert!(tests::capture::until(tests::capture::DEADLINE, || entering() == 1));
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(tracer.id().cast_signed()),
            nix::sys::signal::SIGTERM,
        )
        .unwrap();
        tests::capture::wait(&mut tracer, tests::capture::DEADLINE).expect("the tracer's enter ends");
        std::fs::remove_file(&at).unwrap();
    }
    ground.end(&name);
    host.nothing_is_left();
}
