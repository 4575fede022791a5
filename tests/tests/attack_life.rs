//! The life of a container: its end cannot be prevented, its processes cannot be mistaken, and what serves it cannot be worn down.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use tests::{Ground, capture, need_root};
use wire::Program;

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

fn serving(ground: &Ground, program: Program) -> i32 {
    let host = &ground.host;
    tests::kernel::processes(host.ids(), host.holder())
        .into_iter()
        .find(|p| tests::process::executable(*p).and_then(|e| tests::programs::of_file(&e)) == Some(program))
        .unwrap()
}

/// CVE-2015-1342, CVE-2015-1344: a FUSE server was made to do what its client could not.
#[test]
fn cve_2015_1342_every_call_on_the_served_file_is_refused_and_the_server_lives() {
    need_root!();
    let ground = ground();
    for (way, said) in ground.everywhere("attack every-file-call /proc/meminfo; head -n 1 /proc/meminfo") {
        let lines: Vec<&str> = said.stdout.lines().collect();
        assert!(lines.len() == 2 && lines[0] == "nothing", "{way:?}: {said}");
        assert!(lines[1].starts_with("MemTotal:"), "{way:?}: {said}");
    }
}

/// lxcfs 185, 204: a server that does not answer leaves its readers unkillable, and the container with them.
#[test]
fn a_server_that_has_stopped_answering_does_not_keep_a_container_from_ending() {
    need_root!();
    let ground = ground();
    let name = ground.system();
    let server = serving(&ground, Program::Fused);
    kill(Pid::from_raw(server), Signal::SIGSTOP).unwrap();
    let mut readers: Vec<_> = (0..4)
        .map(|_| {
            let mut command = ground.host.lazaret(&["enter", &name, "--", "cat", "/proc/meminfo"]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    // They do wait, where no signal reaches them.
    let stuck = || {
        tests::process::all().into_iter().any(|p| {
            fs::read(format!("/proc/{p}/cmdline")).is_ok_and(|c| c.starts_with(b"cat\0/proc/meminfo"))
                && fs::read_to_string(format!("/proc/{p}/stat")).is_ok_and(|s| s.contains(") D ") || s.contains(") S "))
        })
    };
    assert!(capture::until(capture::DEADLINE, stuck));
    ground.host.run(&["destroy", &name]).ok();
    for reader in &mut readers {
        assert!(capture::wait(reader, capture::DEADLINE).is_some());
    }
    ground.host.nothing_is_left();
}

/// A fork bomb and a hog of memory, inside the limits: the host's commands work, and the end comes.
#[test]
fn a_fork_bomb_and_a_memory_hog_do_not_keep_the_host_from_ending_them() {
    need_root!();
    let ground = ground();
    let bomb = "f() { f | f & }; f; i=0; while :; do dd if=/dev/zero of=/dev/shm/x$i bs=1M count=8 2>/dev/null; i=$((i+1)); : & done";
    let name = ground.host.name("bomb");
    ground
        .host
        .once(
            &["-d", "--name", &name, "--pids", "64", "--memory", "32M"],
            &["sh", "-c", bomb],
        )
        .ok();
    let full = || {
        tests::kernel::groups_of(&name)
            .iter()
            .filter_map(|g| fs::read_to_string(g.join("pids.current")).ok())
            .any(|n| n.trim().parse::<u32>().is_ok_and(|n| n > 40))
    };
    capture::until(std::time::Duration::from_secs(3), full);
    ground.host.run(&["list", "--all"]).ok();
    ground.host.run(&["dominfo", &name]);
    ground.host.run(&["destroy", &name]);
    ground.host.run(&["undefine", &name]);
    assert!(ground.host.pid_1(&name).is_none());
    let system = ground.host.name("bomb-vm");
    let limited = ground.host.domain(&system, bomb, "", "");
    ground
        .host
        .run(&["create", &ground.host.file("bomb.xml", limited)])
        .ok();
    ground.host.run(&["list"]).ok();
    ground.host.run(&["destroy", &system]);
    assert!(ground.host.pid_1(&system).is_none());
    ground.host.nothing_is_left();
}

/// The number of a process that ended is given to another before it is killed. In a pid namespace of the test's, where numbers are few.
#[test]
fn a_number_that_was_given_to_another_process_is_not_killed() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let name = host.name("reused");
    let file = host.domain_file(&name, "while :; do sleep 1000; done", "", "");
    let lazaret = tests::programs::path(Program::Lazaret);
    // 1: lazaret, 2: the definition, 3: the name. Every number that the container's processes had is the canary's in the end.
    let script = "mount -t proc proc /proc && echo 400 > /proc/sys/kernel/pid_max || { echo no own limit; exit 0; }\n\
        i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done\n\
        \"$1\" create \"$2\" || exit 1\n\
        had=$(for p in /proc/[0-9]*; do p=${p#/proc/}; case $p in 1|$$) ;; *) echo $p;; esac; done)\n\
        for p in $had; do kill -9 $p 2>/dev/null; done; sleep 0.2\n\
        alive=; i=0; while [ $i -lt 450 ]; do sleep 1000 & p=$!; case \" $(echo $had) \" in *\" $p \"*) alive=\"$alive $p\";; *) kill -9 $p; wait $p 2>/dev/null;; esac; i=$((i+1)); done\n\
        \"$1\" destroy \"$3\" >/dev/null 2>&1; \"$1\" list --all >/dev/null 2>&1; \"$1\" undefine \"$3\" >/dev/null 2>&1\n\
        n=0; for p in $alive; do if kill -0 $p; then n=$((n+1)); else echo killed $p; fi; done; echo canaries $n; for p in $alive; do kill -9 $p; done\n";
    let mut command = host.command("unshare");
    command
        .args([
            "--pid",
            "--fork",
            "--mount",
            "--kill-child",
            "--",
            "bash",
            "-c",
            script,
            "bash",
        ])
        .arg(lazaret)
        .args([&file, &name]);
    let said = capture::run(&mut command, b"");
    if said.stdout.contains("no own limit") {
        tests::skip!("this kernel has one pid_max for all (before 6.14)");
    }
    assert!(!said.stdout.contains("killed"), "{said}");
    let canaries: u32 = said
        .stdout
        .lines()
        .find_map(|l| l.strip_prefix("canaries ").and_then(|n| n.parse().ok()))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(canaries > 0, "no number was used again: {said}");
}

/// A device that a payload opens with its first instruction is denied already, whoever made the node. CVE-2014-3519 and its likes.
#[test]
fn a_device_is_denied_from_the_first_instruction_on() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    // The host's disk, FUSE, the kernel's log and memory: nodes in the image, which the host's root put there.
    let disk = fs::read_to_string("/sys/block/vda/dev").unwrap_or_else(|_| "254:0".to_owned());
    let (major, minor) = disk.trim().split_once(':').unwrap();
    let nodes = [
        ("disk", "b", major, minor),
        ("fuse", "c", "10", "229"),
        ("kmsg", "c", "1", "11"),
        ("mem", "c", "1", "1"),
        ("port", "c", "1", "4"),
        ("tty0", "c", "4", "0"),
        ("loop", "c", "10", "237"),
    ];
    for (node, kind, major, minor) in nodes {
        capture::output(
            "mknod",
            &[
                "-m",
                "666",
                image.join("var/tmp").join(node).to_str().unwrap(),
                kind,
                major,
                minor,
            ],
        );
    }
    for (node, ..) in nodes {
        let path = format!("/var/tmp/{node}");
        // The command itself is the first that runs.
        let said = ground
            .host
            .once(&[], &["dd", &format!("if={path}"), "bs=1", "count=1", "of=/dev/null"]);
        assert!(
            said.code() != 0 && said.stderr.contains("ot permitted") || said.stderr.contains("denied"),
            "{node}: {said}"
        );
    }
    let all = nodes.map(|(n, ..)| n).join(" ");
    let script = format!(
        "for n in {all}; do dd if=/var/tmp/$n bs=1 count=1 of=/dev/null 2>/dev/null && echo done; done; \
         i=0; for k in 'b {major} {minor}' 'c 10 229' 'c 1 1' 'c 1 11'; do i=$((i+1)); mknod /tmp/n$i $k 2>/dev/null && dd if=/tmp/n$i bs=1 count=1 of=/dev/null 2>/dev/null && echo done; done; \
         attack call 133 /tmp/raw 0x2180 0x101 2>&1 | sed 's/^done/raw/'; attack call 259 0xffffff9c /tmp/raw2 0x61b0 0xfe00; echo end"
    );
    ground.refused_everywhere(&script);
}

/// CVE-2022-0492's neighbour: an interpreter registered inside is the host's to execute. binfmt_misc is each user namespace's own, or refused.
#[test]
fn an_interpreter_that_is_registered_inside_is_not_the_hosts() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let magic = ground.host.directory().join("files/magic");
    fs::write(&magic, "LZRATTACK\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&magic, fs::Permissions::from_mode(0o755)).unwrap();
    let script = "mkdir -p /tmp/b; mount -t binfmt_misc none /tmp/b; for b in /tmp/b /proc/sys/fs/binfmt_misc; do \
        echo ':lzr:M::LZRATTACK::/bin/busybox:' > $b/register; done 2>/dev/null; echo end";
    for (way, said) in ground.everywhere(script) {
        assert_eq!(said.stdout, "end\n", "{way:?}: {said}");
    }
    let name = ground.system();
    ground.enter(&name, script);
    let outside = std::process::Command::new(&magic).output();
    assert!(outside.is_err(), "the host executed it: {outside:?}");
    ground.end(&name);
    assert!(image.exists());
}
