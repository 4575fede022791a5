//! Called as virsh, Lazaret says what libvirt's own virsh says of its LXC driver: the same command lines to both, where libvirt is installed. Its
//! daemon runs in namespaces of its own, with everything that it keeps in the test's directory, and starts no container.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests::capture::{self, DEADLINE, Outcome, until};
use tests::skip::have;
use tests::{Host, need_root, skip, virsh};

/// Where Debian and others put the drivers.
const DRIVERS: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver",
    "/usr/lib/libvirt/connection-driver",
];

/// A daemon of libvirt's.
struct Libvirt<'a> {
    host: &'a Host,
    daemon: Child,
}

fn drivers() -> Option<PathBuf> {
    let driver = |d: &&&str| Path::new(d).join("libvirt_driver_lxc.so").exists();
    DRIVERS.iter().find(driver).map(PathBuf::from)
}

impl<'a> Libvirt<'a> {
    fn start(host: &'a Host, drivers: &Path) -> Self {
        let directory = host.directory().join("libvirt");
        for below in ["run", "var/log", "var/lib", "var/cache", "etc", "drivers"] {
            fs::create_dir_all(directory.join(below)).unwrap();
        }
        for driver in ["libvirt_driver_lxc.so", "libvirt_driver_network.so"] {
            symlink(drivers.join(driver), directory.join("drivers").join(driver)).unwrap();
        }
        let log = directory.join("log");
        let config = format!(
            "listen_tls = 0\nlisten_tcp = 0\nauth_unix_rw = \"none\"\nunix_sock_rw_perms = \"0700\"\nlog_outputs = \"3:file:{}\"\n",
            log.display()
        );
        fs::write(directory.join("libvirtd.conf"), config).unwrap();
        // Its cgroups have to be of version 1 alone where both are mounted, or it finds none.
        // The test's directory stays where it is below a /var that is the daemon's own.
        let script = "umount /sys/fs/cgroup/unified 2>/dev/null; mount --bind \"$1\" /mnt && mount --bind /mnt/libvirt/etc /etc/libvirt && \
            mount --bind /mnt/libvirt/run /run && mount --bind /mnt/libvirt/var /var && mkdir -p \"$1\" && mount --bind /mnt \"$1\" && \
            ln -sfn /run /var/run && cd \"$1/libvirt\" && exec env LIBVIRT_DRIVER_DIR=\"$PWD/drivers\" libvirtd -f \"$PWD/libvirtd.conf\" -p \"$PWD/pid\"";
        let mut command = host.command("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"]);
        command
            .arg(host.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let daemon = command.spawn().expect("unshare");
        let libvirt = Self { host, daemon };
        assert!(
            until(DEADLINE, || libvirt.run(&["uri"]).status.success()),
            "libvirtd does not answer: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
        libvirt
    }

    fn pid(&self) -> String {
        let file = self.host.directory().join("libvirt/pid");
        fs::read_to_string(file).unwrap_or_default().trim().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.told(arguments, "")
    }

    /// The same, with this on its standard input.
    fn told(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.pid()))
            .args(["--mount", "--net", "--", "virsh", "-c", "lxc:///"]);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/");
        capture::run(&mut command, input.as_bytes())
    }
}

impl Drop for Libvirt<'_> {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Both, or why not.
macro_rules! libvirt {
    ($host:expr) => {{
        let found = drivers().filter(|_| have("virsh") && have("libvirtd"));
        let Some(found) = found else {
            skip!("libvirt's LXC driver is not installed here: make incumbents");
        };
        Libvirt::start($host, &found)
    }};
}

/// Without what is said to differ: the path of the program that keeps a container.
fn comparable(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.trim_start().starts_with("<emulator>"));
    let lines: String = lines.map(|l| format!("{l}\n")).collect();
    if text.ends_with('\n') || text.is_empty() {
        lines
    } else {
        lines.trim_end_matches('\n').to_owned()
    }
}

#[test]
fn every_verb_says_of_what_is_defined_what_virsh_says() {
    need_root!();
    let host = Host::new();
    let libvirt = libvirt!(&host);
    let root = host.image().display().to_string();
    let xml = format!(
        "<domain type='lxc'><name>d1</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><title>The title</title><memory unit='KiB'>65536</memory>\
         <vcpu>1</vcpu><os><type>exe</type><init>/bin/sh</init></os><devices><filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>\
         <interface type='bridge'><source bridge='br9'/><mac address='52:54:00:11:22:33'/></interface><console type='pty'/></devices></domain>"
    );
    let (xml, bad) = (
        host.file("d1.xml", xml),
        host.file("bad.xml", "<domain type=\"lxc\"><name>\n"),
    );
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("../differential/verbs.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let (how, line) = line.split_once(' ').expect("a mark and a command line");
        let words: Vec<String> = line
            .split(' ')
            .map(|w| match w {
                "$XML" => xml.clone(),
                "$BAD" => bad.clone(),
                "''" => String::new(),
                other => other.replace("%20", " ").replace("%0A", "\n"),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // What follows << is typed.
        let (words, typed) = match words.as_slice() {
            [words @ .., "<<", typed] => (words, *typed),
            words => (words, ""),
        };
        let mut called = virsh::virsh(&host, &[&["-c", "lxc:///"], words].concat());
        let (theirs, ours) = (libvirt.told(words, typed), capture::run(&mut called, typed.as_bytes()));
        let same = match how {
            "=" => theirs.stderr == ours.stderr,
            "~" => theirs.stderr.is_empty() == ours.stderr.is_empty(),
            other => panic!("{other} is no mark"),
        };
        count += 1;
        if !same || theirs.status.code() != ours.status.code() || comparable(&theirs.stdout) != comparable(&ours.stdout)
        {
            wrong.push(format!("== {line}\nvirsh: {theirs}\nours: {ours}"));
        }
    }
    println!("{count} command lines, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_kept_is_printed_as_libvirt_prints_it() {
    need_root!();
    let host = Host::new();
    let libvirt = libvirt!(&host);
    let mut wrong = Vec::new();
    let pieces = include_str!("../differential/canonical.txt").lines();
    for line in pieces.filter(|l| !l.starts_with('#')) {
        let (place, piece) = line.split_once(' ').expect("a place and a piece");
        let at = |here: &str| if place == here { piece } else { "" };
        let or = |here: &str, usual: &str| {
            if place == here {
                piece.to_owned()
            } else {
                usual.to_owned()
            }
        };
        let os = format!("<os><type>exe</type><init>/i</init>{}</os>", at("O"));
        let xml = format!(
            "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>{}<name>d1</name>\
             <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>{}{}{}\
             <devices><filesystem type='mount'><source dir='/b'/><target dir='/b'/></filesystem>{}</devices>{}</domain>",
            at("P"),
            or("M", "<memory>65536</memory>"),
            or("X", &os),
            at("T"),
            at("D"),
            at("E")
        );
        let file = host.file("piece.xml", xml);
        let said = |run: &dyn Fn(&[&str]) -> Outcome| {
            let defined = run(&["define", &file]).status.code();
            let printed = comparable(&run(&["dumpxml", "d1"]).stdout);
            run(&["undefine", "d1"]);
            (defined, printed)
        };
        let theirs = said(&|words| libvirt.run(words));
        let ours = said(&|words| virsh::run(&host, &[&["-c", "lxc:///"], words].concat()));
        if theirs != ours {
            wrong.push(format!("== {piece}\nvirsh: {}\nours: {}", theirs.1, ours.1));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Without what each makes up for itself: a hardware address, a uuid, and the name of a bridge.
fn as_said(text: &str, piece: &str) -> String {
    let made_up = |line: &&str| {
        let mac = line.starts_with("  <mac ") && !piece.contains("<mac ");
        !(mac || line.starts_with("  <uuid>") && !piece.contains("<uuid>"))
    };
    let named = |line: &str| match line.split_once("<bridge name='") {
        Some((before, rest)) if !piece.contains("<bridge name=") => {
            let rest = rest.split_once('\'').map_or(rest, |(_, rest)| rest);
            format!("{before}<bridge{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().filter(made_up).map(named).collect()
}

#[test]
fn a_network_is_kept_and_printed_as_libvirt_prints_it() {
    need_root!();
    let host = Host::new();
    let libvirt = libvirt!(&host);
    let mut wrong = Vec::new();
    let mut count = 0;
    for piece in include_str!("../differential/networks.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let (attributes, inside) = piece.split_once('|').expect("attributes and a piece");
        let file = host.file(
            "n1.xml",
            format!("<network{attributes}><name>n1</name>{inside}</network>"),
        );
        let said = |run: &dyn Fn(&[&str]) -> Outcome| {
            let defined = run(&["net-define", &file]).status.code();
            let mut told = String::new();
            for words in [
                &["net-dumpxml", "n1"] as &[&str],
                &["net-dumpxml", "n1", "--inactive"],
                &["net-info", "n1"],
                &["net-list", "--all", "--name"],
                &["net-list", "--all"],
            ] {
                // The network that is built in is not libvirt's.
                let own = |l: &&str| !l.contains("default");
                let text = run(words).stdout;
                told.extend(text.lines().filter(own).map(|l| format!("{l}\n")));
            }
            run(&["net-undefine", "n1"]);
            let told = as_said(&told, inside);
            let facts =
                |l: &&str| !l.starts_with("UUID:") && (inside.contains("<bridge name=") || !l.starts_with("Bridge:"));
            let width = |l: &str| {
                // A column is as wide as the longest name, and one of ours has another length.
                let is_row = l.contains("Autostart   Persistent") || l.starts_with("---") || l.starts_with(" n1 ");
                if is_row {
                    l.split_whitespace()
                        .collect::<Vec<_>>()
                        .join(" ")
                        .trim_matches('-')
                        .to_owned()
                } else {
                    l.to_owned()
                }
            };
            (
                defined,
                told.lines()
                    .filter(facts)
                    .map(|l| format!("{}\n", width(l)))
                    .collect::<String>(),
            )
        };
        count += 1;
        let theirs = said(&|words| libvirt.run(words));
        let ours = said(&|words| virsh::run(&host, &[&["-c", "lxc:///"], words].concat()));
        if theirs != ours {
            wrong.push(format!(
                "== {piece}\nvirsh: {:?}\n{}\nours: {:?}\n{}",
                theirs.0, theirs.1, ours.0, ours.1
            ));
        }
    }
    println!("{count} networks, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
