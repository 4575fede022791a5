//! What comes in with a start or an `enter`, and as whom: no descriptor, no directory, no group and no capability of the caller's; a
//! user that is written oddly is what it says or an error.

use std::fs;
use tests::{Ground, Outcome, capture, need_root};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

/// CVE-2024-21626, CVE-2015-3627: descriptors and directories of the host's that were left open when the container was started.
#[test]
fn cve_2024_21626_a_hundred_descriptors_of_the_callers_do_not_come_along() {
    need_root!();
    let ground = ground();
    let system = ground.system();
    let lazaret = tests::programs::path(wire::Program::Lazaret);
    let image = ground.host.image();
    for n in [7, 20, 107] {
        std::os::unix::fs::symlink(format!("/proc/self/fd/{n}"), image.join(format!("cwd{n}"))).unwrap();
    }
    // A hundred descriptors, of directories and of a file that root alone may read; the caller's own directory is one of the host's too.
    let open = (7..107)
        .map(|n| format!("exec {n}<{}; ", if n % 2 == 0 { "/root" } else { "$1" }))
        .collect::<String>();
    let script = format!(
        "ls -l /proc/1/fd /proc/self/fd 2>/dev/null; for n in 3 7 20 107; do cat /proc/self/fd/$n /proc/1/fd/$n /proc/self/fd/$n/{0}; done 2>/dev/null; \
         cat ../../../..{1} 2>/dev/null; pwd",
        ground.canary.file().file_name().unwrap().to_str().unwrap(),
        ground.canary.file().display(),
    );
    let call = |words: &[&str]| -> Outcome {
        let mut command = ground.host.command("bash");
        command
            .args(["-c", &format!("{open} cd /root; shift; exec \"$@\""), "bash"])
            .arg(ground.canary.file())
            .arg(&lazaret)
            .args(words);
        capture::run(&mut command, b"")
    };
    let root = image.to_str().unwrap();
    for directory in [
        "/",
        "/cwd7",
        "/cwd20",
        "/cwd107",
        "/proc/self/fd/7",
        "/proc/self/fd/8",
        "/proc/1/cwd",
    ] {
        for said in [
            call(&[
                "run",
                "--rootfs",
                root,
                "--network",
                "none",
                "--workdir",
                directory,
                "--",
                "sh",
                "-c",
                &script,
            ]),
            call(&["enter", "--workdir", directory, &system, "--", "sh", "-c", &script]),
        ] {
            ground.canary.lives(&said.stdout);
            assert!(
                !said.stdout.contains("/root") && !said.stdout.contains("unreachable"),
                "{directory}: {said}"
            );
            // What a directory leads to that is no descriptor of the caller's: nowhere, or somewhere inside.
            if directory == "/" {
                assert!(said.stdout.ends_with("/\n"), "{said}");
            }
        }
    }
    let pid_1 = ground.host.pid_1(&system).unwrap();
    let open: Vec<String> = fs::read_dir(format!("/proc/{pid_1}/fd"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.parse::<u32>().unwrap() > 2)
        .collect();
    // The shell's own, for its script, is above 9.
    assert!(open.iter().all(|n| n.parse::<u32>().unwrap() >= 10), "{open:?}");
}

/// CVE-2016-8867, CVE-2022-24769, CVE-2022-29162, CVE-2022-27650, CVE-2025-27612: inheritable or ambient capabilities, which a file with
/// capabilities of its own would make permitted for an ordinary user.
#[test]
fn cve_2022_29162_nothing_is_inheritable_or_ambient_and_file_capabilities_give_nothing() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    for way in ["plain", "given"] {
        fs::copy(env!("CARGO_BIN_EXE_attack"), image.join("bin").join(way)).unwrap();
    }
    // By the host's root, as a file of the host's and as one of the container's user namespace.
    ground
        .host
        .inside(
            env!("CARGO_BIN_EXE_attack"),
            &["set-capability", image.join("bin/given").to_str().unwrap(), "0"],
        )
        .ok();
    let zero = |said: &Outcome, set: &str| said.stdout.contains(&format!("{set}:\t0000000000000000"));
    let app = ground.app(&["--user", "user"]);
    let system = ground.system();
    for program in ["/bin/plain", "/bin/given"] {
        for user in ["root", "user"] {
            for said in [
                ground.host.once(&["--user", user], &[program, "holding"]),
                ground
                    .host
                    .run(&["enter", "--user", user, &app, "--", program, "holding"]),
                ground
                    .host
                    .run(&["enter", "--user", user, &system, "--", program, "holding"]),
            ] {
                let refused = !said.stdout.contains("CapInh");
                assert!(
                    refused || (zero(&said, "CapInh") && zero(&said, "CapAmb")),
                    "{user}: {said}"
                );
                if user == "user" && !refused {
                    assert!(zero(&said, "CapPrm") && zero(&said, "CapEff"), "{said}");
                }
            }
        }
    }
    // Made inside, by a root that may: NET_RAW is not in its bounding set, so that no file gives it.
    let script = "cp /bin/plain /var/tmp/given; attack set-capability /var/tmp/given 0; chmod 755 /var/tmp /var/tmp/given; su user -s /bin/sh -c '/var/tmp/given holding'";
    let said = ground.enter(&system, script);
    assert!(
        !said.stdout.contains("CapPrm:\t0000000000002000") && !said.stdout.contains("CapEff:\t0000000000002000"),
        "{said}"
    );
}

/// CVE-2016-3697, CVE-2026-30892: a user that is a number, or looks like one, was taken for root.
#[test]
fn cve_2016_3697_a_user_that_is_written_oddly_is_what_it_says_or_an_error() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let mut passwd = fs::read_to_string(image.join("etc/passwd")).unwrap();
    // A user called 0, one called 1000 who is root, lines that are cut, and numbers that wrap.
    passwd.push_str("0:x:1234:1234::/:/bin/sh\n1000:x:0:0::/:/bin/sh\nwraps:x:4294967296:4294967296::/:/bin/sh\nminus:x:-1:-1::/:/bin/sh\ncut:x\nempty:x:::/:/bin/sh\nodd:x:0x0:0x0::/:/bin/sh\n");
    fs::write(image.join("etc/passwd"), passwd).unwrap();
    let system = ground.system();
    let cases: [(&str, Option<&str>); 24] = [
        ("1", Some("1")),
        ("1000", Some("1000")),
        ("0", Some("0")),
        ("user", Some("1000")),
        ("1:", None),
        (":1", None),
        ("+1", None),
        ("-1", None),
        (" 1", None),
        ("1 ", None),
        ("1\n", None),
        ("0x1", None),
        ("1e3", None),
        ("01", Some("1")),
        ("65536", None),
        ("4294967295", None),
        ("4294967296", None),
        ("18446744073709551616", None),
        ("", None),
        (":", None),
        ("wraps", None),
        ("minus", None),
        ("cut", None),
        ("odd", None),
    ];
    for (user, expected) in cases {
        let said = [
            ground.host.once(&[&format!("--user={user}")], &["/usr/bin/id", "-u"]),
            ground
                .host
                .run(&["enter", &format!("--user={user}"), &system, "--", "/usr/bin/id", "-u"]),
        ];
        for said in said {
            match expected {
                // A number with a leading zero may also be refused: it is never another number.
                Some(id) if said.code() == 0 => assert_eq!(said.stdout.trim(), id, "{user:?}: {said}"),
                _ => {
                    assert!(matches!(said.code(), 2 | 125 | 126), "{user:?}: {said}");
                    assert_eq!(said.stdout, "", "{user:?}: {said}");
                }
            }
        }
    }
}

/// CVE-2022-36109, CVE-2023-25173, CVE-2022-2989: the caller's groups were kept, or none were set.
#[test]
fn cve_2022_36109_groups_are_the_containers_own() {
    need_root!();
    let ground = ground();
    let system = ground.system();
    let lazaret = tests::programs::path(wire::Program::Lazaret);
    let root = ground.host.image();
    let call = |words: &[&str]| {
        let mut command = ground.host.command("setpriv");
        command.args(["--groups", "27,100,5000"]).arg(&lazaret).args(words);
        capture::run(&mut command, b"").ok().stdout
    };
    let run = ["run", "--rootfs", root.to_str().unwrap(), "--network", "none"];
    for (user, expected) in [("root", "0\n"), ("user", "1000 2000\n"), ("7:8", "8\n")] {
        let words = [&run[..], &["--user", user, "--", "/usr/bin/id", "-G"]].concat();
        assert_eq!(call(&words), expected);
        assert_eq!(
            call(&["enter", "--user", user, &system, "--", "/usr/bin/id", "-G"]),
            expected
        );
    }
}

/// CVE-2016-8659, CVE-2022-31214: a helper that can be traced, or that joins what an attacker made to look like a container.
#[test]
fn cve_2022_31214_a_container_that_somebody_made_up_is_not_entered() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let name = ground.system();
    // No program of ours that outlives the start lets itself be traced by its own uid: its files in /proc are root's.
    for (pid, program) in tests::kernel::processes(host.ids(), host.holder())
        .into_iter()
        .filter_map(|p| Some((p, tests::programs::of_file(&tests::process::executable(p)?)?)))
    {
        use std::os::unix::fs::MetadataExt;
        let owner = fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
        assert_eq!(owner, 0, "{} can be traced by its own uid", program.name());
    }
    // Its state, copied by an ordinary user to a place of his own, or with another's owner, is nobody's container.
    let fake = host.directory().join("fake");
    let state = host.run_directory();
    let copied = host.inside("cp", &["-a", state.to_str().unwrap(), fake.to_str().unwrap()]);
    assert!(copied.stderr.is_empty() || fake.exists(), "{copied}");
    host.inside("chown", &["-R", "1000:1000", fake.to_str().unwrap()]).ok();
    host.inside("chmod", &["-R", "777", fake.to_str().unwrap()]);
    for words in [
        &["enter", &name, "--", "true"][..],
        &["destroy", &name],
        &["list", "--all"],
        &["dominfo", &name],
    ] {
        let said = host.run(&[&["--run-dir", fake.to_str().unwrap()], words].concat());
        assert_ne!(said.code(), 0, "{said}");
        assert!(!said.stderr.is_empty(), "{said}");
    }
    fs::remove_dir_all(&fake).unwrap();
    assert!(host.runs(&name));
}
