//! `policy learn`: what is learned from a command is a policy under which the command runs as it did, and nothing else does.

use tests::{Host, need_root};

/// The lines of a policy, by call.
fn calls(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().skip_while(|l| *l != "[calls]").skip(1);
    lines
        .map(|line| {
            let mut columns = line.split('|').map(str::trim);
            let mut next = || columns.next().unwrap_or_default().to_owned();
            (next(), next())
        })
        .collect()
}

#[test]
fn a_command_runs_under_what_was_learned_from_it_and_another_does_not() {
    need_root!();
    let host = Host::new();
    let image = host.image();
    let run = ["--rootfs", image.to_str().unwrap(), "--network", "none"];
    let command = ["cat", "/etc/hostname", "/proc/self/status"];
    let learn = [&["policy", "learn"][..], &run, &["--hostname", "seen", "--"], &command].concat();
    let said = host.run(&learn).ok();
    // The command's output is apart from the policy.
    assert!(said.stderr.contains("Seccomp:\t2"), "{said}");
    assert!(
        said.stdout
            .starts_with("# What `cat /etc/hostname /proc/self/status` called"),
        "{said}"
    );
    let learned = calls(&said.stdout);
    let names: Vec<&str> = learned.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"read") && names.contains(&"execve"), "{names:?}");
    assert!(
        !names.contains(&"socket") && !names.contains(&"mkdir") && !names.contains(&"clone"),
        "{names:?}"
    );
    let file = host.file("cat.policy", &said.stdout);
    host.run(&["policy", "check", &file]).ok();
    let under = |command: &[&str]| {
        let words = [&["run"][..], &run, &["--seccomp", &file, "--"], command].concat();
        host.run(&words)
    };
    let again = under(&command).ok();
    assert!(again.stdout.contains("Seccomp:\t2"), "{again}");
    assert_ne!(under(&["mkdir", "/tmp/x"]).code(), 0);
    assert_ne!(under(&["sh", "-c", "ls | cat"]).code(), 0);
    // Without any one of its lines it does not run as it did: it is the smallest.
    for (name, _) in learned.iter().filter(|(n, _)| n != "execve" && n != "exit_group") {
        let less: String = said
            .stdout
            .lines()
            .filter(|l| l.split('|').next().map(str::trim) != Some(name))
            .map(|l| format!("{l}\n"))
            .collect();
        let file = host.file("less.policy", less);
        let words = [&["policy", "learn"][..], &run, &["--seccomp", &file, "--"], &command].concat();
        let without = calls(&host.run(&words).stdout);
        assert!(
            without.iter().all(|(n, _)| n != name),
            "{name} is allowed by what does not have it"
        );
    }
    host.nothing_is_left();
}

#[test]
fn children_are_learned_from_and_arguments_that_tell_are_conditions() {
    need_root!();
    let host = Host::new();
    let image = host.image();
    let script = "sleep 0 & wait; echo a | cat; test -t 0; nc -w 1 127.0.0.1 9 </dev/null; exit 7";
    let said = host.run(&[
        "policy",
        "learn",
        "--rootfs",
        image.to_str().unwrap(),
        "--network",
        "none",
        "--",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(said.code(), 7, "{said}");
    let learned = calls(&said.stdout);
    let condition = |name: &str| {
        let found = learned.iter().find(|(n, _)| n == name);
        found.map(|(_, c)| c.as_str()).unwrap_or("nothing")
    };
    assert_eq!(condition("socket"), "arg0 in AF_INET", "{said}");
    assert!(condition("ioctl").contains("TCGETS"), "{said}");
    assert!(condition("wait4").starts_with("any"), "{said}");
    host.nothing_is_left();
}

#[test]
fn what_cannot_be_executed_is_told_as_run_tells_it() {
    need_root!();
    let host = Host::new();
    let image = host.image();
    let root = image.to_str().unwrap();
    let learn = |command: &str| host.run(&["policy", "learn", "--rootfs", root, "--network", "none", "--", command]);
    learn("/bin/nowhere").refused(127, &["/bin/nowhere"]);
    learn("no-such-command").refused(127, &["no-such-command"]);
    learn("/etc").refused(126, &["/etc"]);
    host.run(&["policy", "learn", "-d", "--rootfs", root, "--", "true"])
        .refused(2, &["--detach"]);
    host.run(&["policy", "learn"]).refused(2, &["CMD"]);
    host.nothing_is_left();
}

#[test]
fn a_command_that_is_killed_while_it_waits_leaves_nothing() {
    need_root!();
    let host = Host::new();
    let image = host.image();
    let mut learning = host
        .lazaret(&[
            "policy",
            "learn",
            "--rootfs",
            image.to_str().unwrap(),
            "--network",
            "none",
            "--",
            "sh",
            "-c",
            "echo here; while :; do :; done",
        ])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0u8; 5];
    std::io::Read::read_exact(learning.stderr.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"here\n");
    let pid = nix::unistd::Pid::from_raw(learning.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM).unwrap();
    let status = tests::capture::wait(&mut learning, tests::capture::DEADLINE).expect("it ends");
    assert_eq!(status.code(), Some(128 + 15));
    let text = std::io::read_to_string(learning.stdout.take().unwrap()).unwrap();
    assert!(calls(&text).iter().any(|(n, _)| n == "write"), "{text}");
    host.nothing_is_left();
}
