//! Configuration, frames and names: what is too long, cut, doubled or written to be taken for something else is an error, and never a
//! container with other walls than were asked for.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, send, socket};
use std::fs;
use std::os::fd::AsRawFd;
use tests::{Ground, capture, need_root};
use wire::frame::{HEADER, MAGIC, VERSION};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

const KINDS: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];

/// CVE-2021-43784: a field whose length wraps in the message to the first process, so that namespaces were left out.
#[test]
fn cve_2021_43784_no_length_of_a_field_changes_the_namespaces() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let own: Vec<String> = KINDS
        .map(|k| tests::process::namespace(host.holder().cast_signed(), k).unwrap())
        .to_vec();
    let links = KINDS.join(" ");
    let (mut started, mut refused) = (0, 0);
    for length in [255_usize, 256, 257, 4095, 4096, 4097, 65_535, 65_536, 65_537, 100_000] {
        let long = "a".repeat(length);
        let target = format!("{}:/{long}", host.directory().join("files").display());
        for options in [
            vec!["-e".to_owned(), format!("LONG={long}")],
            vec!["--hostname".to_owned(), long.clone()],
            vec!["--bind".to_owned(), target],
            vec!["--workdir".to_owned(), format!("/{long}")],
            vec!["--user".to_owned(), long.clone()],
        ] {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let said = host.once(
                &options,
                &[
                    "sh",
                    "-c",
                    &format!("for k in {links}; do readlink /proc/self/ns/$k; done; echo ${{#LONG}}"),
                ],
            );
            if matches!(said.code(), 2 | 125) {
                refused += 1;
                assert_eq!(said.stdout, "", "{length}");
                continue;
            }
            started += 1;
            let lines: Vec<&str> = said.stdout.lines().collect();
            for (line, outside) in lines.iter().zip(&own) {
                assert_ne!(line, outside, "{length}: not a namespace of its own");
            }
            assert_eq!(lines.len(), 8, "{said}");
            assert_eq!(
                lines[7],
                if options[0] == "-e" {
                    length.to_string()
                } else {
                    "0".to_owned()
                }
            );
        }
        // As XML: so many arguments, id ranges and devices.
        let count = length.min(20_000);
        let (first, name) = (host.ids().start + 16, host.name("long"));
        let maps: String = (0..count)
            .map(|n| {
                format!(
                    "<uid start='{n}' target='{}' count='1'/>",
                    first + u32::try_from(n).unwrap()
                )
            })
            .collect();
        let maps = format!("<idmap>{maps}<gid start='0' target='{first}' count='1000'/></idmap>");
        for xml in [
            host.domain(&name, "true", &maps, ""),
            host.domain(&name, &"x".repeat(count), "", ""),
            host.domain(&name, "true", "", "")
                .replace("<initarg>-c</initarg>", &"<initarg>x</initarg>".repeat(count)),
            host.domain(&name, "true", "", "").replace(
                "</os>",
                &format!("<initenv name='LONG'>{}</initenv></os>", "x".repeat(count)),
            ),
            host.domain(&name, "true", "", &"<console type='pty'/>".repeat(count)),
        ] {
            let said = host.run(&["create", &host.file("long.xml", xml)]);
            assert!(matches!(said.code(), 0 | 1), "{length}: {said}");
            if said.code() == 0 {
                if let Some(pid) = host.pid_1(&name) {
                    for (kind, outside) in KINDS.iter().zip(&own) {
                        assert_ne!(
                            tests::process::namespace(pid, kind).as_ref(),
                            Some(outside),
                            "{length}: {kind}"
                        );
                    }
                }
                host.run(&["destroy", &name]);
            }
        }
    }
    println!("{started} started, {refused} refused");
    assert!(started > 5 && refused > 5, "{started} started, {refused} refused");
    host.nothing_is_left();
}

/// A frame of which one byte is another, one bit, or which is cut.
fn mutations(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..frame.len()).map(|n| frame[..n].to_vec()).collect();
    for at in 0..frame.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, frame[at] ^ 1, frame[at] ^ 0x80] {
            let mut changed = frame.to_vec();
            changed[at] = value;
            all.push(changed);
        }
    }
    all
}

/// LXC 19ad80ed8, 06f626091: frames on the command socket whose lengths lie, read by a privileged monitor. CVE-2024-41110: empty and oversized
/// bodies.
#[test]
fn lxc_19ad80ed8_frames_that_lie_about_their_length_end_their_own_conversation_alone() {
    need_root!();
    let ground = ground();
    let name = ground.system();
    let host = &ground.host;
    // The first seven requests that a supervisor knows, as they travel.
    let frames: Vec<Vec<u8>> = (0..7_u8)
        .map(|kind| {
            let payload = [kind, 9, 0, 0, 0, 0];
            let mut bytes = MAGIC.to_le_bytes().to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend(0_u16.to_le_bytes());
            bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
            bytes.extend(payload);
            assert_eq!(bytes.len(), HEADER + payload.len());
            bytes
        })
        .collect();
    let supervisor = tests::kernel::processes(host.ids(), host.holder())
        .into_iter()
        .find(|p| {
            tests::process::executable(*p).and_then(|e| tests::programs::of_file(&e)) == Some(wire::Program::Supervisor)
        })
        .unwrap();
    // Counted anew from its page tables: what `status` shows lags behind before Linux 6.2.
    let resident = || {
        let counted = fs::read_to_string(format!("/proc/{supervisor}/smaps_rollup")).unwrap();
        let line = counted.lines().find_map(|l| l.strip_prefix("Rss:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let before = resident();
    let mut sent = 0_u32;
    // The path of the socket is longer than its address may be: it is reached through the directory.
    let directory = host.run_directory().join(&name);
    let short = ground.canary.directory().join("s");
    std::os::unix::fs::symlink(&directory, &short).unwrap();
    let address = UnixAddr::new(&short.join("control")).unwrap();
    for frame in frames
        .iter()
        .flat_map(|f| mutations(f))
        .chain([vec![], vec![0; 70_000], vec![0xff; 16]])
    {
        let client = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )
        .unwrap();
        // A crowd is turned away; then it is the next one's turn.
        let connected = capture::until(capture::DEADLINE, || connect(client.as_raw_fd(), &address).is_ok());
        assert!(connected, "the supervisor takes nobody any more");
        let _ = send(client.as_raw_fd(), &frame, nix::sys::socket::MsgFlags::MSG_NOSIGNAL);
        sent += 1;
    }
    fs::remove_file(&short).unwrap();
    assert!(sent > 900, "{sent}");
    // Some of them were whole requests, and one of those kills; but nothing else came of it.
    let after = fs::read_to_string(format!("/proc/{supervisor}/status")).is_ok();
    if host.runs(&name) {
        assert!(
            after && resident() < before + 1024,
            "{} KiB, then {}",
            before,
            resident()
        );
        host.run(&["enter", &name, "--", "true"]).ok();
    }
    host.run(&["destroy", &name]);
    host.run(&["undefine", &name]);
    host.nothing_is_left();
}

/// CVE-2026-23953: a value with a line end in it became another line of the configuration. CVE-2022-0811: one with `+` another setting.
#[test]
fn cve_2026_23953_a_value_with_a_line_end_stays_one_value() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let touch = format!("touch {}/PWN", ground.canary.directory().display());
    let injected = [
        format!("x\nlxc.hook.pre-start = {touch}"),
        format!("x\r\nlxc.hook.pre-start={touch}"),
        format!("x\u{1b}]0;{touch}\u{7}"),
        "x\", \"state\": \"running\", \"y\": \"".to_owned(),
        "x</initarg><initarg>y".to_owned(),
        "x+kernel.core_pattern=|/bin/sh".to_owned(),
    ];
    for text in &injected {
        // In the environment and as an argument, any text is a value; it arrives as it is.
        let said = host
            .once(
                &["-e", &format!("VALUE={text}")],
                &["sh", "-c", "printf %s \"$VALUE\"; printf %s \"$1\"", "sh", text],
            )
            .ok();
        assert_eq!(said.stdout, format!("{text}{text}"));
        // As a host name it is refused.
        let said = host.once(&["--hostname", text], &["hostname"]);
        assert!(matches!(said.code(), 2 | 125) && said.stdout.is_empty(), "{said}");
        let escaped: String = text.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        for (from, to) in [
            ("<vcpu>1</vcpu>", format!("<vcpu>1</vcpu><title>{escaped}</title>")),
            (
                "<vcpu>1</vcpu>",
                format!("<vcpu>1</vcpu><description>{escaped}</description>"),
            ),
            ("</os>", format!("<initenv name='V'>{escaped}</initenv></os>")),
            ("</os>", format!("<initdir>/{escaped}</initdir></os>")),
            ("</os>", format!("<inituser>{escaped}</inituser></os>")),
        ] {
            let name = host.name("injected");
            let xml = host.domain(&name, "sleep 1000", "", "").replace(from, &to);
            let said = host.run(&["define", &host.file("injected.xml", xml)]);
            assert!(matches!(said.code(), 0 | 1), "{said}");
            assert!(!said.stderr.contains('\u{1b}'), "{said}");
            if said.code() == 0 {
                // What is kept and shown is one document with one value, and the container starts as it was asked for, or not at all.
                let again = host.run(&["dumpxml", &name]).ok().stdout;
                assert!(
                    !again.contains("lxc.hook") || again.matches("<initarg>").count() == 2,
                    "{again}"
                );
                let once_more = host.run(&["define", &host.file("again.xml", &again)]);
                assert!(once_more.code() == 0 || once_more.stderr.contains(&name), "{once_more}");
                host.run(&["list", "--all", "--json"]).ok().json();
                host.run(&["start", &name]);
                host.run(&["destroy", &name]);
                host.run(&["undefine", &name]).ok();
            }
            ground.canary.lives("");
        }
    }
    host.nothing_is_left();
}

/// CVE-2013-6436: a question about a container that does not run crashed the daemon.
#[test]
fn cve_2013_6436_every_question_about_a_container_that_does_not_run_has_an_answer() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let defined = host.name("defined");
    host.run(&["define", &host.domain_file(&defined, "sleep 1000", "", "")])
        .ok();
    let stopped = host.name("stopped");
    host.run(&["define", &host.domain_file(&stopped, "sleep 1000", "", "")])
        .ok();
    host.run(&["start", &stopped]).ok();
    host.run(&["destroy", &stopped]).ok();
    for state in ["never there", "never started", "stopped", "just killed"] {
        for verb in [
            "dominfo",
            "domstate",
            "domid",
            "domuuid",
            "domname",
            "domhostname",
            "dommemstat",
            "domblkstat",
            "domifstat",
            "domiflist",
            "domblklist",
            "domifaddr",
            "domstats",
            "cpu-stats",
            "memtune",
            "schedinfo",
            "dumpxml",
            "privileges",
            "plan",
            "logs",
            "console",
            "wait",
            "suspend",
            "resume",
            "shutdown",
            "reboot",
            "enter",
            "destroy",
            "list",
        ] {
            let name = match state {
                "never there" => "nobody",
                "never started" => &defined,
                "stopped" => &stopped,
                _ => {
                    host.run(&["start", &stopped]);
                    for pid in tests::kernel::processes(host.ids(), host.holder()) {
                        let _ =
                            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
                    }
                    &stopped
                }
            };
            let words = match verb {
                "enter" => vec![verb, name, "--", "true"],
                "list" => vec![verb, "--all", "--json"],
                "domifstat" => vec![verb, name, "lzv0"],
                _ => vec![verb, name],
            };
            let said = host.run(&words);
            assert!(matches!(said.code(), 0 | 1 | 125), "{state}: {said}");
            assert!(said.code() == 0 || said.stderr.lines().count() == 1, "{state}: {said}");
        }
    }
    host.run(&["undefine", &defined]).ok();
    host.run(&["undefine", &stopped]).ok();
    host.nothing_is_left();
}

/// CVE-2014-0179, CVE-2025-12748 and the crates' own RUSTSEC-2026-0194, RUSTSEC-2026-0195: documents that cost more than they are long. The rest
/// is in `bad_input.rs`. It is read with 64 MiB of address space, the program's own included.
#[test]
fn cve_2025_12748_a_document_costs_no_more_memory_than_it_is_long() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let spaces: String = (0..30_000).map(|n| format!(" xmlns:a{n}='u:{n}'")).collect();
    let laughs: String = (0..20)
        .map(|n| format!("<!ENTITY l{} \"&l{n};&l{n};&l{n};&l{n};\">", n + 1))
        .collect();
    for text in [
        format!("<domain type='lxc'{spaces}/>"),
        format!("<!DOCTYPE d [<!ENTITY l0 \"lol\">{laughs}]><domain type='lxc'><name>&l20;</name></domain>"),
        format!("<domain type='lxc'><name>{}</name></domain>", "&#97;".repeat(200_000)),
        format!("<domain type='lxc'>{}</domain>", "<!--x-->".repeat(100_000)),
        format!(
            "<!DOCTYPE d SYSTEM \"{}\"><domain type='lxc'/>",
            ground.canary.file().display()
        ),
    ] {
        let file = host.file("costly.xml", text);
        let lazaret = tests::programs::path(wire::Program::Lazaret);
        let mut command = host.command("prlimit");
        command
            .args(["--as=67108864", "--cpu=20"])
            .arg(lazaret)
            .args(["define", &file]);
        let said = capture::run(&mut command, b"").exits(1);
        assert_eq!(said.stderr.lines().count(), 1, "{said}");
        ground.canary.lives(&format!("{}{}", said.stdout, said.stderr));
    }
    host.nothing_is_left();
}
