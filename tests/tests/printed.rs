//! Every command line of `virsh` that libvirt's documents and their announcement print for its LXC driver, typed as it stands there, and what holds
//! afterwards. `virt-top -c lxc:///`, which they print too, is another program: nothing of that name is here.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use tests::capture::{self, DEADLINE, until};
use tests::terminal::Terminal;
use tests::{Host, Outcome, kernel, need_root, programs};
use wire::Program;

/// What holds once a line was typed.
enum Holds {
    /// Its definition is kept, and it does not run.
    Kept,
    /// It runs, and its definition is kept.
    Runs,
    /// It runs, and nothing is kept of it.
    RunsUnkept,
    /// It has ended; its definition is kept.
    Ended,
    /// Nothing is known of it any more.
    Gone,
    /// PID 1 is another than before.
    Restarted,
    /// The line prints this, and this does not stand in it.
    Prints(&'static [&'static str], &'static [&'static str]),
    /// It shows the console of that number until the key that leaves.
    Shows(u8),
    /// It runs, and its descriptor 3 is the file that the caller had as 3.
    HasThree,
}

/// A line and what holds of the container afterwards.
struct Printed(&'static str, &'static str, Holds);

use Holds::*;

/// In an order in which each has what it needs.
const DOCUMENTS: &[Printed] = &[
    Printed("myguest", "virsh -c lxc:/// define myguest.xml", Kept),
    Printed(
        "myguest",
        "virsh -c lxc:/// dumpxml myguest",
        Prints(&["<domain type='lxc'>", "<name>myguest</name>", "<uuid>"], &[]),
    ),
    Printed("myguest", "virsh -c lxc:/// start myguest", Runs),
    Printed(
        "myguest",
        "virsh -c lxc:/// dumpxml myguest",
        Prints(&["<domain type='lxc' id='", "<name>myguest</name>"], &[]),
    ),
    Printed("myguest", "virsh -c lxc:/// console myguest", Shows(0)),
    Printed(
        "myguest",
        "virsh -c lxc:/// console myguest --devname console1",
        Shows(1),
    ),
    Printed(
        "myguest",
        "virsh -c lxc:/// lxc-enter-namespace myguest -- /bin/ls -al /dev",
        Prints(&["total ", " null\n", " zero\n", " ptmx"], &["kmsg", "mem\n"]),
    ),
    Printed("myguest", "virsh -c lxc:/// reboot myguest", Restarted),
    Printed("myguest", "virsh -c lxc:/// shutdown myguest", Ended),
    Printed("myguest", "virsh -c lxc:/// start myguest", Runs),
    Printed("myguest", "virsh -c lxc:/// destroy myguest", Ended),
    Printed("myguest", "virsh -c lxc:/// undefine myguest", Gone),
    Printed("myguest", "virsh -c lxc:/// create myguest.xml", RunsUnkept),
    Printed("myguest", "virsh -c lxc:/// destroy myguest", Gone),
    Printed(
        "myguest",
        "virsh -c lxc:/// domxml-from-native lxc-tools /var/lib/lxc/myguest/config",
        Prints(
            &[
                "<domain type='lxc'>",
                "<name>myguest</name>",
                "<source dir='/srv/myguest'/>",
            ],
            &[],
        ),
    ),
];

/// The lines of the unit files for socket activation.
const ACTIVATION: &[Printed] = &[
    Printed(
        "mycontainer",
        "/usr/bin/virsh -c lxc:/// start --pass-fds 3 mycontainer",
        HasThree,
    ),
    Printed("mycontainer", "/usr/bin/virsh -c lxc:/// destroy mycontainer", Ended),
];

/// The lines of the announcement of 2008.
const ANNOUNCEMENT: &[Printed] = &[
    Printed("mycontainer", "virsh --connect lxc:/// define mycontainer.xml", Kept),
    Printed(
        "mycontainer",
        "virsh --connect lxc:/// list --inactive",
        Prints(&["Name", "State", "mycontainer"], &[]),
    ),
    Printed(
        "mycontainer",
        "virsh --connect lxc:/// list",
        Prints(&["Name", "State"], &["mycontainer"]),
    ),
    Printed("mycontainer", "virsh --connect lxc:/// start mycontainer", Runs),
    Printed(
        "mycontainer",
        "virsh --connect lxc:/// list",
        Prints(&["mycontainer", "running"], &[]),
    ),
    Printed(
        "mycontainer",
        "virsh --connect lxc:/// dominfo mycontainer",
        Prints(
            &["Id:", "Name:", "mycontainer", "UUID:", "State:", "running", "500000 K"],
            &[],
        ),
    ),
    Printed("mycontainer", "virsh --connect lxc:/// console mycontainer", Shows(0)),
    Printed(
        "mycontainer",
        "virsh --connect lxc:/// dumpxml mycontainer",
        Prints(
            &[
                "<domain type='lxc' id='",
                "<init>/sbin/init</init>",
                "<mac address='00:11:22:34:34:34'/>",
                "<console type='pty'",
            ],
            &[],
        ),
    ),
    Printed("mycontainer", "virsh --connect lxc:/// destroy mycontainer", Ended),
];

/// What the shell is told before the line: where the files are, and that the program is found.
fn shell(host: &Host, line: &str) -> Command {
    let mut command = host.command("sh");
    let files = host.directory().join("files");
    command.args(["-c", &format!("cd {}; exec 3<three; {line}", files.display())]);
    command
}

/// Puts the link into the host's /usr/bin, as its mount namespace has it, and LXC's directory into its /var/lib.
fn furnish(host: &Host) {
    let [upper, work] = ["upper", "work"].map(|d| host.directory().join(d));
    fs::create_dir(&upper).unwrap();
    fs::create_dir(&work).unwrap();
    symlink(programs::path(Program::Lazaret), upper.join("virsh")).unwrap();
    let options = format!(
        "lowerdir=/usr/bin,upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    host.inside("mount", &["-t", "overlay", "-o", &options, "overlay", "/usr/bin"])
        .ok();
    let lxc = std::path::Path::new("/var/lib/lxc");
    if !lxc.exists() {
        fs::create_dir(lxc).unwrap();
    }
    host.inside("mount", &["-t", "tmpfs", "tmpfs", "/var/lib/lxc"]).ok();
    let config = "lxc.uts.name = myguest\nlxc.rootfs.path = /srv/myguest\nlxc.init.cmd = /sbin/init\nlxc.net.0.type = empty\nlxc.cgroup.memory.limit_in_bytes = 64M\n";
    host.inside(
        "sh",
        &[
            "-c",
            "mkdir /var/lib/lxc/myguest; printf %s \"$1\" > /var/lib/lxc/myguest/config",
            "sh",
            config,
        ],
    )
    .ok();
    host.file("three", "the third\n");
}

/// Takes both away again.
fn clear(host: &Host) {
    host.inside("umount", &["-l", "/usr/bin", "/var/lib/lxc"]).ok();
}

/// A guest whose init ends, or starts anew, when it is asked to, and says who it is on each console.
const INIT: &str = "echo on console 0; echo on console 1 > /dev/tty2; trap 'poweroff -f' TERM; trap 'reboot -f' INT; while :; do sleep 0.1; done";

fn known(host: &Host, name: &str) -> bool {
    host.config_directory().join(format!("{name}.xml")).exists()
}

/// Whether a process catches SIGTERM, as the kernel tells it.
fn hears(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    caught.is_some_and(|set| set >> 14 & 1 == 1)
}

fn check(host: &Host, printed: &Printed) {
    let Printed(name, line, holds) = printed;
    let before = host.pid_1(name);
    if let Shows(number) = holds {
        let mut console = Terminal::start(&shell(host, line), 24, 80);
        console.expect(&format!("Connected to domain '{name}'"));
        console.expect(&format!("on console {number}"));
        console.send("\x1d");
        assert!(console.wait().success(), "{line}");
        assert_eq!(host.pid_1(name), before, "{line}");
        return;
    }
    let said: Outcome = capture::run(&mut shell(host, line), b"").ok();
    let kept = known(host, name);
    let runs = || host.pid_1(name).is_some();
    let holds = match holds {
        Kept => kept && !runs(),
        Runs => kept && runs(),
        RunsUnkept => !kept && runs(),
        Ended => until(DEADLINE, || !runs()) && kept,
        Gone => until(DEADLINE, || !runs()) && !kept && kernel::groups_of(name).is_empty(),
        // The next line asks it something, which it can be asked once it has said what it does then.
        Restarted => {
            until(DEADLINE, || {
                host.pid_1(name).is_some_and(|now| Some(now) != before && hears(now))
            }) && kept
        }
        Prints(there, not) => {
            there.iter().all(|w| said.stdout.contains(w)) && !not.iter().any(|w| said.stdout.contains(w))
        }
        HasThree => {
            let pid = host.pid_1(name).expect("it runs");
            let its = fs::metadata(format!("/proc/{pid}/fd/3")).unwrap();
            let ours = fs::metadata(host.directory().join("files/three")).unwrap();
            use std::os::unix::fs::MetadataExt;
            (its.dev(), its.ino()) == (ours.dev(), ours.ino())
        }
        Shows(_) => false,
    };
    assert!(holds, "after {line}: {said}");
    // No line leaves a word on standard error.
    assert_eq!(said.stderr, "", "{line}");
}

#[test]
fn each_line_of_the_documents_runs_as_printed() {
    need_root!();
    let host = Host::new();
    furnish(&host);
    let guest = host.domain("myguest", INIT, "", "<console type='pty'/>");
    host.file("myguest.xml", guest);
    DOCUMENTS.iter().for_each(|printed| check(&host, printed));
    host.file("mycontainer.xml", host.domain("mycontainer", INIT, "", ""));
    capture::run(&mut shell(&host, "virsh define mycontainer.xml"), b"").ok();
    ACTIVATION.iter().for_each(|printed| check(&host, printed));
    capture::run(&mut shell(&host, "virsh undefine mycontainer"), b"").ok();
    clear(&host);
    host.nothing_is_left();
}

#[test]
fn each_line_of_the_announcement_runs_as_printed() {
    need_root!();
    let host = Host::new();
    furnish(&host);
    host.inside("ip", &["link", "add", "br0", "type", "bridge"]).ok();
    host.inside("ip", &["link", "set", "br0", "up"]).ok();
    let root = host.image_called("mycontainer");
    fs::remove_file(root.join("sbin/init")).ok();
    fs::write(root.join("sbin/init"), format!("#!/bin/sh\n{INIT}\n")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(root.join("sbin/init"), fs::Permissions::from_mode(0o755)).unwrap();
    // As the announcement has it, but for the root's place, and that a bridge is named as one.
    host.file(
        "mycontainer.xml",
        format!(
            "<domain type='lxc'>\n  <name>mycontainer</name>\n  <memory>500000</memory>\n  <os>\n    <type>exe</type>\n    <init>/sbin/init</init>\n  </os>\n  \
             <devices>\n    <filesystem type='mount'>\n      <source dir='{}'/>\n      <target dir='/'/>\n    </filesystem>\n    <interface type='bridge'>\n      \
             <source bridge='br0'/>\n      <mac address='00:11:22:34:34:34'/>\n    </interface>\n    <console type='pty' />\n  </devices>\n</domain>\n",
            root.display()
        ),
    );
    ANNOUNCEMENT.iter().for_each(|printed| check(&host, printed));
    capture::run(&mut shell(&host, "virsh undefine mycontainer"), b"").ok();
    host.inside("ip", &["link", "delete", "br0"]).ok();
    clear(&host);
    host.nothing_is_left();
}
