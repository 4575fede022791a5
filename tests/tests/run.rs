//! `lazaret run` does what a command line would, in a container of its own.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;
use tests::{Host, capture, image, need_root};

#[test]
fn the_exit_status_is_the_commands_own() {
    need_root!();
    let host = Host::new();
    for code in [0, 1, 2, 42, 124, 125, 255] {
        host.once(&[], &["sh", "-c", &format!("exit {code}")]).exits(code);
    }
}

#[test]
fn a_command_that_is_not_there_ends_with_127_and_one_that_cannot_be_executed_with_126() {
    need_root!();
    let host = Host::new();
    fs::write(host.image().join("bin/plain"), "#!/bin/sh\n").unwrap();
    host.once(&[], &["/bin/nowhere"]).refused(127, &["/bin/nowhere"]);
    host.once(&[], &["nowhere"]).refused(127, &["nowhere"]);
    host.once(&[], &["/bin/plain"]).refused(126, &["/bin/plain"]);
    host.once(&[], &["/etc"]).refused(126, &["/etc"]);
}

#[test]
fn a_command_ended_by_a_signal_gives_128_and_its_number() {
    need_root!();
    let host = Host::new();
    for (name, number) in [("TERM", 15), ("KILL", 9), ("ABRT", 6), ("USR1", 10)] {
        host.once(&[], &["sh", "-c", &format!("kill -{name} $$; sleep 60")])
            .exits(128 + number);
    }
}

#[test]
fn a_failure_of_its_own_ends_with_125_and_one_line() {
    need_root!();
    let host = Host::new();
    host.run(&["run", "--rootfs", "/nowhere/at/all", "--network", "none", "--", "true"])
        .refused(125, &["/nowhere/at/all"]);
}

#[test]
fn signals_are_forwarded_to_the_command() {
    need_root!();
    let host = Host::new();
    for (name, signal) in [
        ("TERM", Signal::SIGTERM),
        ("INT", Signal::SIGINT),
        ("HUP", Signal::SIGHUP),
        ("USR2", Signal::SIGUSR2),
    ] {
        let script = format!("trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 1 & wait $!; done");
        let arguments = host.once_arguments(&[], &["sh", "-c", &script]);
        let mut command = host.lazaret(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        line.clear();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("got {name}\n"));
        let status = capture::wait(&mut child, capture::DEADLINE).expect("the command ends");
        assert_eq!(status.code(), Some(7), "{name}");
    }
}

#[test]
fn streams_that_are_no_terminal_are_passed_as_they_are() {
    need_root!();
    let host = Host::new();
    let bytes: Vec<u8> = (0..300_000u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let sum = host
        .run_with(&borrow(&host.once_arguments(&[], &["md5sum"])), &bytes)
        .ok();
    let expected = capture::run(&mut std::process::Command::new("md5sum"), &bytes).ok();
    assert_eq!(sum.stdout, expected.stdout);
    let both = host.once(&[], &["sh", "-c", "echo out; echo err >&2"]).ok();
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    // The file itself, not a copy of its bytes: what the container writes appears there, and its offset is shared.
    let path = host.file("output", "");
    let file = fs::File::create(&path).unwrap();
    let mut again = file.try_clone().unwrap();
    let arguments = host.once_arguments(&[], &["sh", "-c", "readlink /proc/self/fd/1; echo one"]);
    let status = host
        .lazaret(&borrow(&arguments))
        .stdin(Stdio::null())
        .stdout(file)
        .status()
        .unwrap();
    assert!(status.success());
    writeln!(again, "two").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("one\ntwo\n"), "{text}");
}

fn borrow(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn a_closed_reader_ends_the_command_as_it_would_outside() {
    need_root!();
    let host = Host::new();
    let mut child = host
        .lazaret(&borrow(&host.once_arguments(&[], &["yes"])))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    let status = capture::wait(&mut child, capture::DEADLINE).expect("it ends with its reader");
    assert!(matches!(status.code(), Some(141 | 1)), "{status}");
}

#[test]
fn a_terminal_is_a_terminal_of_the_containers_own() {
    need_root!();
    let host = Host::new();
    let arguments = host.once_arguments(
        &["--tty"],
        &[
            "sh",
            "-c",
            "tty; stty size; test -t 0 && test -t 1 && echo yes; read x; echo got $x; exit 3",
        ],
    );
    let mut terminal = host.terminal(&borrow(&arguments));
    terminal.expect("/dev/");
    terminal.expect("24 80");
    terminal.expect("yes");
    terminal.send("word\r");
    terminal.expect("got word");
    assert_eq!(terminal.wait().code(), Some(3));
}

#[test]
fn the_terminals_size_and_its_interrupt_key_reach_the_command() {
    need_root!();
    let host = Host::new();
    let script =
        "trap 'stty size' WINCH; trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 1 & wait $!; done";
    let mut terminal = host.terminal(&borrow(&host.once_arguments(&[], &["sh", "-c", script])));
    terminal.expect("ready");
    terminal.resize(50, 132);
    terminal.expect("50 132");
    terminal.send("\u{3}");
    terminal.expect("interrupted");
    assert_eq!(terminal.wait().code(), Some(9));
}

#[test]
fn init_is_pid_1_and_reaps_what_nobody_waits_for() {
    need_root!();
    let host = Host::new();
    // An orphan that has ended may be seen for a moment before it is reaped, and never for long.
    let script = "cat /proc/1/comm; (sh -c 'sleep 0.1 & exec true' &); sleep 0.5; \
        for i in $(seq 100); do left=$(grep -c '^State:.Z' /proc/[0-9]*/status | grep -v ':0$'); [ -z \"$left\" ] && break; sleep 0.1; done; echo $left end";
    let said = host.once(&[], &["sh", "-c", script]).ok();
    assert_eq!(said.stdout, "init\nend\n", "{said}");
}

#[test]
fn the_environment_is_its_own_and_what_was_asked_for() {
    need_root!();
    let host = Host::new();
    let mut command = host.lazaret(&borrow(
        &host.once_arguments(&["--env", "KEY=a value", "-e", "EMPTY="], &["env"]),
    ));
    command.env("SECRET", "of the caller");
    let said = capture::run(&mut command, b"").ok();
    assert!(
        said.stdout.contains("KEY=a value\n") && said.stdout.contains("EMPTY=\n"),
        "{said}"
    );
    assert!(
        said.stdout.contains("PATH=") && !said.stdout.contains("SECRET") && !said.stdout.contains("LAZARET"),
        "{said}"
    );
}

#[test]
fn directory_user_group_and_host_name_are_as_asked() {
    need_root!();
    let host = Host::new();
    let said = host
        .once(
            &["--workdir", "/var/tmp", "--user", "user", "--hostname", "some-name"],
            &["sh", "-c", "pwd; id -u; id -g; hostname"],
        )
        .ok();
    assert_eq!(said.stdout, "/var/tmp\n1000\n1000\nsome-name\n");
    let said = host
        .once(&["--user", "1234:2345"], &["sh", "-c", "id -u; id -g; id -G"])
        .ok();
    assert_eq!(said.stdout, "1234\n2345\n2345\n");
    let said = host.once(&["--user", "user:extra"], &["sh", "-c", "id -u; id -g"]).ok();
    assert_eq!(said.stdout, "1000\n2000\n");
    let name = host.name("named");
    let said = host.once(&["--name", &name], &["hostname"]).ok();
    assert_eq!(said.stdout.trim(), name);
    host.once(&["--user", "nobody-of-this-name"], &["true"])
        .refused(125, &["nobody-of-this-name"]);
    host.once(&["--workdir", "/not/there"], &["true"])
        .refused(125, &["/not/there"]);
}

#[test]
fn resource_limits_are_set() {
    need_root!();
    let host = Host::new();
    let said = host
        .once(
            &["--ulimit", "nofile=100:200", "--ulimit", "core=0"],
            &["cat", "/proc/self/limits"],
        )
        .ok();
    let limit = |name: &str| {
        said.stdout
            .lines()
            .find(|l| l.starts_with(name))
            .unwrap()
            .split_whitespace()
            .rev()
            .skip(1)
            .take(2)
            .collect::<Vec<_>>()
    };
    assert_eq!(limit("Max open files"), ["200", "100"], "{said}");
    assert!(
        said.stdout
            .lines()
            .any(|l| l.starts_with("Max core file size") && l.contains(" 0 ")),
        "{said}"
    );
}

#[test]
fn meminfo_takes_no_change_of_what_it_is() {
    need_root!();
    let host = Host::new();
    // The server is never asked: the mount is read-only, and the library that it is made with could not bear such a time.
    let script = "touch -d @-9223372036854775808 /proc/meminfo; touch -d @-99999999999 /proc/meminfo; chmod 600 /proc/meminfo; \
                  chown 1 /proc/meminfo; truncate -s 0 /proc/meminfo; grep -c MemTotal /proc/meminfo";
    let said = host.once(&[], &["sh", "-c", script]).ok();
    assert_eq!(said.stdout, "1\n", "{said}");
    assert_eq!(said.stderr.matches("Read-only file system").count(), 4, "{said}");
}

#[test]
fn limits_of_memory_processors_and_processes_hold() {
    need_root!();
    let host = Host::new();
    let said = host
        .once(&["--memory", "128M"], &["grep", "MemTotal", "/proc/meminfo"])
        .ok();
    assert_eq!(
        said.stdout.split_whitespace().collect::<Vec<_>>(),
        ["MemTotal:", "131072", "kB"]
    );
    // 64 MiB into a file system in memory is charged to the container.
    host.once(
        &["--memory", "16M", "--tmpfs", "/big:100M"],
        &["sh", "-c", "dd if=/dev/zero of=/big/x bs=1M count=64"],
    )
    .exits(137);
    let said = host.once(
        &["--pids", "10"],
        &[
            "sh",
            "-c",
            "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo all",
        ],
    );
    assert!(!said.stdout.contains("all"), "{said}");
    let name = host.name("cpus");
    let arguments = host.once_arguments(&["-d", "--name", &name, "--cpus", "1.5"], &["sleep", "1000"]);
    host.run(&borrow(&arguments)).ok();
    let quota = tests::kernel::groups_of(&name).iter().find_map(|g| {
        let v1 = || {
            Some((
                fs::read_to_string(g.join("cpu.cfs_quota_us")).ok()?,
                fs::read_to_string(g.join("cpu.cfs_period_us")).ok()?,
            ))
        };
        let v2 = || {
            let text = fs::read_to_string(g.join("cpu.max")).ok()?;
            text.trim().split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()))
        };
        let (quota, period) = v1().or_else(v2)?;
        Some(quota.trim().parse::<f64>().ok()? / period.trim().parse::<f64>().ok()?)
    });
    assert_eq!(quota, Some(1.5));
}

#[test]
fn binds_are_writable_or_read_only_as_asked_and_files_keep_their_owners() {
    need_root!();
    let host = Host::new();
    let outside = host.directory().join("files/shared");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("there"), "content\n").unwrap();
    let path = outside.to_str().unwrap();
    let said = host
        .once(
            &["--bind", &format!("{path}:/mnt")],
            &["sh", "-c", "cat /mnt/there; echo new > /mnt/made; chown user /mnt/made"],
        )
        .ok();
    assert_eq!(said.stdout, "content\n");
    let made = fs::metadata(outside.join("made")).unwrap();
    assert_eq!(
        (made.uid(), made.gid()),
        (1000, 0),
        "files on disk keep the ids that they have inside"
    );
    let said = host.once(
        &["--bind", &format!("{path}:/mnt:ro")],
        &["sh", "-c", "cat /mnt/there; echo no > /mnt/never"],
    );
    assert_eq!((said.code(), said.stdout.as_str()), (1, "content\n"), "{said}");
    assert!(said.stderr.contains("Read-only file system") && !outside.join("never").exists());
    let file = host.file("one-file", "of the host\n");
    let said = host
        .once(&["--bind", &format!("{file}:/etc/one:ro")], &["cat", "/etc/one"])
        .ok();
    assert_eq!(said.stdout, "of the host\n");
}

#[test]
fn a_bind_target_that_is_missing_on_a_read_only_root_is_refused() {
    need_root!();
    let host = Host::new();
    let source = host.file("source", "x");
    host.once(&["--read-only", "--bind", &format!("{source}:/not/there")], &["true"])
        .refused(125, &["/not/there"]);
    assert!(!host.image().join("not").exists());
}

#[test]
fn a_writable_bind_that_other_users_reach_is_refused_with_the_mend() {
    need_root!();
    let host = Host::new();
    let open = format!("/var/tmp/{}", host.name("open"));
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let said = host.once(&["--bind", &format!("{open}:/mnt")], &["true"]);
    let read_only = host.once(&["--bind", &format!("{open}:/mnt:ro")], &["true"]);
    let as_root = {
        image::busybox(std::path::Path::new(&open));
        host.run(&["run", "--rootfs", &open, "--network", "none", "--", "true"])
    };
    fs::remove_dir_all(&open).unwrap();
    said.refused(125, &[&open, "nosuid"]);
    read_only.ok();
    as_root.refused(125, &[&open, "nosuid"]);
}

#[test]
fn a_tmpfs_has_its_size() {
    need_root!();
    let host = Host::new();
    let said = host.once(
        &["--tmpfs", "/scratch:1M"],
        &[
            "sh",
            "-c",
            "df -k /scratch | tail -n 1; dd if=/dev/zero of=/scratch/x bs=64k count=32",
        ],
    );
    assert_eq!(said.code(), 1, "{said}");
    assert!(said.stdout.split_whitespace().any(|w| w == "1024"), "{said}");
}

#[test]
fn names_and_hosts_work_inside_without_touching_the_image() {
    need_root!();
    let host = Host::new();
    host.image();
    for (dir, text) in [
        ("etc/resolv.conf", None),
        ("etc/hosts", Some("10.9.9.9 of-the-image\n")),
    ] {
        if let Some(text) = text {
            fs::write(host.image().join(dir), text).unwrap();
        }
    }
    let before = image::fingerprint(&host.image());
    let changed = || {
        let now = image::fingerprint(&host.image());
        now.iter()
            .filter(|(path, line)| before.get(*path) != Some(line))
            .map(|(path, _)| path.clone())
            .collect::<Vec<_>>()
    };
    let name = host.name("hosts");
    let said = host
        .once(
            &["--name", &name, "--network", "default", "--read-only"],
            &["cat", "/etc/resolv.conf", "/etc/hosts"],
        )
        .ok();
    assert!(
        said.stdout.contains("nameserver") && said.stdout.contains("127.0.0.1") && said.stdout.contains(&name),
        "{said}"
    );
    let said = host
        .once(
            &["--name", &name, "--network", "default"],
            &["cat", "/etc/resolv.conf", "/etc/hosts"],
        )
        .ok();
    assert!(
        said.stdout.contains("nameserver") && said.stdout.contains(&name),
        "{said}"
    );
    assert_eq!(changed(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_embedded_default_is_the_hosts_root_read_only_and_not_id_mapped() {
    need_root!();
    let host = Host::new();
    let script = "hostname; cat /proc/1/comm; grep MemTotal /proc/meminfo; cat /proc/self/uid_map; stat -c %u /etc/shadow; \
        cat /etc/shadow; touch /usr/never; touch /tmp/x /run/x && echo own; ls /proc | grep -c '^[0-9]'";
    let said = host.run(&["run", "--", "sh", "-c", script]);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[1], "init", "{said}");
    assert_eq!(lines[2].split_whitespace().nth(1), Some("65536"), "{said}");
    assert_eq!(lines[4], "65534", "the host's root is nobody inside: {said}");
    assert!(
        said.stdout.contains("own\n") && said.stderr.contains("Permission denied") && said.stderr.contains("Read-only"),
        "{said}"
    );
    assert!(!std::path::Path::new("/usr/never").exists());
}

#[test]
fn every_container_has_ids_of_its_own() {
    need_root!();
    let host = Host::new();
    let names = [host.name("one"), host.name("two")];
    for name in &names {
        host.run(&borrow(
            &host.once_arguments(&["-d", "--name", name], &["sleep", "1000"]),
        ))
        .ok();
    }
    let map = |name: &str| fs::read_to_string(format!("/proc/{}/uid_map", host.pid_1(name).unwrap())).unwrap();
    assert_ne!(map(&names[0]), map(&names[1]));
    for name in &names {
        let words: Vec<u32> = map(name).split_whitespace().map(|w| w.parse().unwrap()).collect();
        assert!(
            words[0] == 0 && host.ids().contains(&words[1]) && words[2] == 65536,
            "{words:?}"
        );
    }
}

#[test]
fn no_descriptor_of_the_callers_comes_along() {
    need_root!();
    let host = Host::new();
    let mut command = host.command("sh");
    let lazaret = tests::programs::path(wire::Program::Lazaret);
    command
        .args(["-c", "exec 7</ 8</etc/shadow 9</root; exec \"$@\"", "sh"])
        .arg(lazaret);
    command.args(host.once_arguments(&[], &["sh", "-c", "ls /proc/self/fd; ls /proc/1/fd 2>/dev/null; true"]));
    let said = capture::run(&mut command, b"").ok();
    assert!(
        !said.stdout.split_whitespace().any(|w| matches!(w, "7" | "8" | "9")),
        "{said}"
    );
}

#[test]
fn capabilities_are_added_and_dropped() {
    need_root!();
    let host = Host::new();
    let name = host.name("caps");
    let once = |options: &[&str]| {
        let options = [&["--name", &name], options].concat();
        host.once(&options, &["grep", "CapEff", "/proc/self/status"])
    };
    let effective = |options: &[&str]| {
        let said = once(options).ok();
        u64::from_str_radix(said.stdout.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    let plain = effective(&[]);
    assert_eq!(plain & (1 << 13), 0, "net_raw is not among the default ones");
    once(&["--cap-add", "net_raw"]).refused(125, &["NET_RAW", &name]);
    host.policy(&format!("capability NET_RAW {name}"));
    assert_eq!(effective(&["--cap-add", "net_raw"]), plain | (1 << 13));
    assert_eq!(effective(&["--cap-add", "CAP_NET_RAW"]), plain | (1 << 13));
    once(&["--cap-add", "all"]).refused(125, &["DAC_READ_SEARCH", " more, which the profile app lacks", &name]);
    assert_eq!(effective(&["--cap-drop", "chown"]), plain & !1);
    assert_eq!(effective(&["--cap-drop", "ALL"]), 0);
    assert_eq!(effective(&["--cap-drop", "ALL", "--cap-add", "chown"]), 1);
}
