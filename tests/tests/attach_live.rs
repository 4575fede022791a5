//! Device nodes that come to a container while it runs, and go from it.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::time::Duration;
use tests::inject::{Account, Fault, Injection, When, follow};
use tests::{Host, kernel, need_root};
use wire::Program;

const STAY: &str = "while :; do sleep 1000; done";

fn inactive(host: &Host, name: &str) -> String {
    host.run(&["dumpxml", name, "--inactive"]).ok().stdout
}

fn sh(host: &Host, name: &str, script: &str) -> tests::Outcome {
    host.run(&["enter", name, "--", "sh", "-c", script])
}

fn misc(path: &str) -> String {
    format!("<hostdev mode='capabilities' type='misc'><source><char>{path}</char></source></hostdev>")
}

/// What the container's first process sees mounted below its `/dev`.
fn mounts(host: &Host, name: &str) -> Vec<String> {
    let pid = host.pid_1(name).unwrap();
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let at = |l: &str| l.split(' ').nth(4).unwrap().to_owned();
    mounts.lines().map(at).filter(|p| p.starts_with("/dev")).collect()
}

/// A device of the host's that no container has by itself, beside `/dev/fuse`.
const SECOND: &str = "/dev/loop-control";

/// Whether control groups of version 2 are mounted.
fn version_2() -> bool {
    std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .contains(" - cgroup2 ")
}

/// That there is no second device to give.
fn no_second() -> Option<&'static str> {
    (!std::path::Path::new(SECOND).exists()).then_some("needs /dev/loop-control for a second device")
}

/// The rules of each of the container's groups of version 1, as the kernel lists them.
fn rules(name: &str) -> Vec<(String, Vec<String>)> {
    let hierarchies = kernel::hierarchies();
    let groups = hierarchies.iter().map(|h| h.join("lazaret").join(name));
    let group = groups.into_iter().find(|g| g.join("devices.list").exists()).unwrap();
    let listed = |part: &str| {
        let list = std::fs::read_to_string(group.join(part).join("devices.list")).unwrap();
        let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        (part.to_owned(), lines)
    };
    ["", "payload", "enter"].map(listed).into()
}

#[test]
fn on_version_1_alone_each_of_its_groups_has_the_rule_as_long_as_the_node_is_there() {
    need_root!();
    if version_2() {
        tests::skip!("control groups of version 2 are mounted");
    }
    let host = Host::new();
    let name = host.name("old");
    host.policy(&format!("device /dev/fuse {name}\ndevice /dev/null {name} readonly"));
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    sh(&host, &name, ":").ok();
    let before = rules(&name);
    assert!(before.iter().all(|(_, lines)| lines.len() == 8), "{before:?}");
    let with = |rule: &str| {
        let mut with = before.clone();
        for (_, lines) in &mut with {
            lines.push(rule.to_owned());
            lines.sort_unstable();
        }
        with
    };
    let file = host.file("fuse.xml", misc("/dev/fuse"));
    for _ in 0..2 {
        host.run(&["attach-device", &name, &file, "--live"]).ok();
        assert_eq!(rules(&name), with("c 10:229 rwm"));
        host.run(&["detach-device", &name, &file, "--live"]).ok();
        assert_eq!(rules(&name), before);
    }
    // One whose device every container has takes nothing away when it goes.
    host.run(&["attach-disk", &name, "/dev/null", "xvdn", "--mode", "readonly"])
        .ok();
    assert_eq!(rules(&name), before);
    host.run(&["detach-disk", &name, "xvdn"]).ok();
    assert_eq!(rules(&name), before);
    sh(&host, &name, "echo x > /dev/null").ok();
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn of_two_changes_at_once_both_stay() {
    need_root!();
    if let Some(what) = no_second() {
        tests::skip!("{what}");
    }
    let host = Host::new();
    let name = host.name("twice");
    host.policy(&format!("device /dev/fuse {name}\ndevice /dev/loop-control {name}"));
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    let seen = mounts(&host, &name);
    let devices = ["/dev/fuse", "/dev/loop-control"].map(|path| (path, host.file(&path.replace('/', "-"), misc(path))));
    let at_once = |verbs: [&str; 2]| {
        std::thread::scope(|scope| {
            let run = |(verb, (_, file)): (&str, &(&str, String))| {
                let words = [verb.to_owned(), name.clone(), file.clone(), "--live".to_owned()];
                let host = &host;
                scope.spawn(move || host.run(&words.each_ref().map(String::as_str)).ok())
            };
            // Both stand before the container's devices, as they would behind a third.
            let state = File::open(host.run_directory().join(&name)).unwrap();
            let held = Flock::lock(state, FlockArg::LockExclusive).unwrap();
            let before = (mounts(&host, &name), host.run(&["dumpxml", &name]).ok().stdout);
            let all: Vec<_> = verbs.into_iter().zip(&devices).map(run).collect();
            std::thread::sleep(Duration::from_millis(500));
            assert_eq!(
                (mounts(&host, &name), host.run(&["dumpxml", &name]).ok().stdout),
                before
            );
            drop(held);
            all.into_iter().for_each(|one| drop(one.join().unwrap()));
        });
    };
    let opened = |path: &str| sh(&host, &name, &format!(": < {path}")).code() == 0;
    let listed = |path: &str| host.run(&["dumpxml", &name]).ok().stdout.contains(path);
    for _ in 0..3 {
        at_once(["attach-device", "attach-device"]);
        for (path, _) in &devices {
            assert!(opened(path) && listed(path), "{path}");
        }
        host.run(&["detach-device", &name, &devices[1].1]).ok();
        sh(
            &host,
            &name,
            "touch /dev/same && mount --bind /dev/fuse /dev/same && : < /dev/same",
        )
        .ok();
        // What one takes the other does not bring back, nor the other way round.
        at_once(["detach-device", "attach-device"]);
        let is = devices.each_ref().map(|(path, _)| (opened(path), listed(path)));
        assert_eq!(is, [(false, false), (true, true)]);
        assert!(!opened("/dev/same"), "by another name its rule alone is asked");
        sh(&host, &name, "umount /dev/same && rm /dev/same").ok();
        host.run(&["detach-device", &name, &devices[1].1]).ok();
        assert_eq!(mounts(&host, &name), seen);
    }
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_container_that_runs_is_given_a_device_and_loses_it_again() {
    need_root!();
    let host = Host::new();
    if let Some(what) = no_second() {
        tests::skip!("{what}");
    }
    let name = host.name("live");
    host.policy(&format!(
        "device /dev/fuse {name}\ndevice /dev/loop-control {name} readonly"
    ));
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    let (before, seen) = (inactive(&host, &name), mounts(&host, &name));
    assert!(sh(&host, &name, ": < /dev/fuse").code() != 0);

    let file = host.file("fuse.xml", misc("/dev/fuse"));
    host.run(&["attach-device", &name, &file, "--live"]).ok();
    sh(&host, &name, ": <> /dev/fuse").ok();
    assert_eq!(
        sh(&host, &name, "stat -c '%F %a %u %g %t:%T' /dev/fuse").ok().stdout,
        "character special file 700 0 0 a:e5\n"
    );
    // Without --config it is the running one's alone.
    assert!(
        host.run(&["dumpxml", &name])
            .ok()
            .stdout
            .contains("<char>/dev/fuse</char>")
    );
    assert_eq!(inactive(&host, &name), before);
    host.run(&["attach-device", &name, &file, "--live"])
        .refused(1, &[&name, "two devices would be /dev/fuse"]);

    // A disk to be read is only read, though its node's mount can be changed inside.
    host.run(&["attach-disk", &name, "/dev/loop-control", "xvdb", "--mode", "readonly"])
        .ok();
    sh(&host, &name, ": < /dev/xvdb && : <> /dev/fuse").ok();
    let refused = sh(
        &host,
        &name,
        "mount -o remount,bind,rw /dev/xvdb 2>/dev/null; : <> /dev/xvdb",
    );
    assert!(
        refused.code() != 0 && refused.stderr.contains("Operation not permitted"),
        "{refused}"
    );
    let listed = host.run(&["domblklist", &name]).ok().stdout;
    assert!(listed.contains("\n xvdb     /dev/loop-control\n"), "{listed}");

    // What is open when it goes stays open; nobody opens it any more, and the other stays.
    host.run(&["detach-device", &name, &file, "--live"]).ok();
    assert!(sh(&host, &name, "[ -e /dev/fuse ]").code() != 0);
    sh(&host, &name, ": < /dev/xvdb").ok();
    host.run(&["detach-disk", &name, "xvdb"]).ok();
    assert_eq!(mounts(&host, &name), seen);
    assert!(!host.run(&["dumpxml", &name]).ok().stdout.contains("loop-control"));
    let log = host.run(&["audit", "log", "--container", &name]).ok().stdout;
    assert!(
        log.matches("attach").count() >= 2 && log.matches("detach").count() >= 2,
        "{log}"
    );

    // One that was there from the start goes as well, and both definitions change where both are meant.
    host.run(&["attach-device", &name, &file, "--persistent"]).ok();
    host.run(&["destroy", &name]).ok();
    host.run(&["start", &name]).ok();
    sh(&host, &name, ": <> /dev/fuse").ok();
    host.run(&["detach-device", &name, &file, "--live", "--config"]).ok();
    assert_eq!((inactive(&host, &name), mounts(&host, &name)), (before, seen));
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_containers_root_that_was_there_first_leads_nobody_anywhere() {
    need_root!();
    let host = Host::new();
    let name = host.name("traps");
    host.policy(&format!("device /dev/fuse {name}"));
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    let victim = host.file("victim", "untouched");
    let file = host.file("fuse.xml", misc("/dev/fuse"));
    let disk = host.file(
        "disk.xml",
        "<disk type='block'><source dev='/dev/fuse'/><target dev='a/b'/></disk>",
    );
    for (trap, device) in [
        (format!("ln -s {victim} /dev/fuse"), &file),
        ("echo mine > /dev/fuse".to_owned(), &file),
        ("mkdir /dev/fuse".to_owned(), &file),
        ("ln -s / /dev/a".to_owned(), &disk),
        ("echo mine > /dev/a".to_owned(), &disk),
    ] {
        sh(&host, &name, &trap).ok();
        let seen = mounts(&host, &name);
        host.run(&["attach-device", &name, device, "--live"])
            .refused(1, &[&name, "/dev/"]);
        assert_eq!(mounts(&host, &name), seen, "{trap}");
        // The rule that was widened for it is as it was.
        let left = sh(&host, &name, "rm -rf /dev/fuse /dev/a; [ ! -e /b ]").ok();
        assert_eq!(left.stderr, "", "{trap}");
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    // And what it put over an attached one stays its own.
    host.run(&["attach-device", &name, &file, "--live"]).ok();
    sh(
        &host,
        &name,
        "umount /dev/fuse && rm /dev/fuse && echo mine > /dev/fuse",
    )
    .ok();
    host.run(&["detach-device", &name, &file, "--live"]).ok();
    assert_eq!(sh(&host, &name, "cat /dev/fuse").ok().stdout, "mine\n");
    sh(&host, &name, "rm /dev/fuse").ok();
    // Nor does it keep one from being detached.
    for trap in [
        "umount /dev/a/b && rm -r /dev/a && ln -s / /dev/a",
        "umount /dev/a/b && rm -r /dev/a && echo mine > /dev/a",
        "umount /dev/a/b && rm -r /dev/a",
        "mv /dev/a /dev/c",
        "mv /dev/a /dev/c && ln -s c /dev/a",
        "mount -t tmpfs t /dev/a",
    ] {
        host.run(&["attach-device", &name, &disk, "--live"]).ok();
        sh(&host, &name, ": < /dev/a/b").ok();
        sh(&host, &name, trap).ok();
        host.run(&["detach-device", &name, &disk, "--live"]).ok();
        assert!(!host.run(&["dumpxml", &name]).ok().stdout.contains("a/b"), "{trap}");
        let opened = "umount /dev/a; for n in /dev/a/b /dev/c/b; do (: < $n) && exit 1; done; exit 0";
        sh(&host, &name, opened).ok();
        sh(
            &host,
            &name,
            "umount /dev/a/b; umount /dev/c/b; rm -rf /dev/a /dev/c; [ ! -e /dev/a ]",
        )
        .ok();
        // Nor does the next one bring its rule back.
        host.run(&["attach-device", &name, &file, "--live"]).ok();
        host.run(&["detach-device", &name, &file, "--live"]).ok();
    }
    // Other kinds are refused by name.
    for device in [
        "<filesystem><source dir='/srv/x'/><target dir='/x'/></filesystem>",
        "<console/>",
    ] {
        let file = host.file("other.xml", device);
        host.run(&["attach-device", &name, &file, "--live"])
            .refused(1, &[&name, "while a container runs", "--config"]);
    }
    host.policy("");
    host.run(&["attach-device", &name, &file, "--live"]).refused(
        1,
        &[&format!(
            "a line `device /dev/fuse {name}` in /etc/lazaret.policy would allow it"
        )],
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

/// What SECURITY.md says of it.
#[test]
fn a_container_that_starts_by_itself_has_the_nodes_that_it_was_started_with() {
    need_root!();
    if let Some(what) = no_second() {
        tests::skip!("{what}");
    }
    let host = Host::new();
    let name = host.name("again");
    host.policy(&format!("device /dev/fuse {name}\ndevice /dev/loop-control {name}"));
    let domain = host.domain_file(
        &name,
        "trap 'reboot -f' USR1; while :; do sleep 0.1; done",
        "",
        &misc("/dev/fuse"),
    );
    host.run(&["define", &domain]).ok();
    host.run(&["start", &name]).ok();
    let [fuse, control] = ["/dev/fuse", "/dev/loop-control"].map(|p| host.file(&p.replace('/', "-"), misc(p)));
    host.run(&["detach-device", &name, &fuse, "--live"]).ok();
    host.run(&["attach-device", &name, &control, "--live"]).ok();
    let first = host.pid_1(&name).unwrap();
    host.run(&["send-process-signal", &name, "1", "usr1"]).ok();
    assert!(tests::capture::until(tests::capture::DEADLINE, || {
        host.pid_1(&name).is_some_and(|pid| pid != first)
    }));
    let there = |node: &str| sh(&host, &name, &format!("[ -c {node} ]")).code() == 0;
    assert!(tests::capture::until(tests::capture::DEADLINE, || there("/dev/fuse")));
    assert!(sh(&host, &name, ": < /dev/fuse").code() != 0 && !there("/dev/loop-control"));
    // Detached and attached again.
    host.run(&["detach-device", &name, &control, "--live"]).ok();
    host.run(&["attach-device", &name, &control, "--live"]).ok();
    sh(&host, &name, ": < /dev/loop-control").ok();
    assert!(sh(&host, &name, ": < /dev/fuse").code() != 0);
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

/// Attaches or detaches, and is struck.
fn struck(host: &Host, [verb, name, file]: [&str; 3], fault: Option<Fault>) -> (Account, String) {
    let said = host.directory().join("files/followed");
    let output = File::create(&said).unwrap();
    let command = host.lazaret(&[verb, name, file, "--live"]);
    let account = follow(&command, output, &[], fault, Duration::from_secs(30));
    assert!(account.hung.is_none(), "{fault:?} {:?}", account.hung);
    (account, std::fs::read_to_string(said).unwrap())
}

#[test]
fn what_strikes_in_the_midst_of_it_leaves_nothing_or_what_can_be_detached() {
    need_root!();
    let host = Host::new();
    let name = host.name("struck");
    host.policy(&format!("device /dev/fuse {name}"));
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    let listed = || host.run(&["dumpxml", &name]).ok().stdout;
    let (text, seen) = (listed(), mounts(&host, &name));
    let file = host.file("fuse.xml", misc("/dev/fuse"));
    let attach = ["attach-device", &name, &file];
    let (calm, said) = struck(&host, attach, None);
    assert_eq!(calm.status, 0, "{said}");
    host.run(&["detach-device", &name, &file, "--live"]).ok();
    // sendmsg(2), recvmsg(2), move_mount(2), bpf(2), write(2).
    let (send, receive, lay) = (46, 47, 429);
    // Who puts the rules in force, and by what. Of two factories the second does.
    let (writer, instance, put) = match version_2() {
        true => (Program::Devd, 0, 321),
        false => (Program::Mountd, 1, 1),
    };
    let (kill, fail) = (Injection::Kill, Injection::Fail(Errno::EIO));
    let mut reached = 0;
    for (program, number, injection) in [
        (writer, put, fail),
        (writer, put, kill),
        (writer, send, kill),
        (Program::Nsenter, lay, fail),
        (Program::Nsenter, lay, kill),
        (Program::Nsenter, send, kill),
        (Program::Recordd, send, kill),
        (Program::Launcher, send, kill),
        (Program::Launcher, receive, kill),
        (Program::Lazaret, receive, kill),
    ] {
        let instance = (program, if program == writer { instance } else { 0 });
        let made = &calm.calls[&instance];
        let places = (1..).zip(made).filter(|(_, n)| **n == number).map(|(call, _)| call);
        for call in places.collect::<Vec<_>>() {
            let fault = Fault {
                instance,
                when: When::Call(call),
                injection,
            };
            let (account, said) = struck(&host, attach, Some(fault));
            reached += usize::from(account.struck.is_some());
            let what = format!("{fault:?}: {} {said}", account.status);
            if program == writer || program == Program::Nsenter {
                // It is refused, and all is as it was.
                assert_eq!(account.status, 1, "{what}");
                assert_eq!((listed(), mounts(&host, &name)), (text.clone(), seen.clone()), "{what}");
            }
            let detached = host.run(&["detach-device", &name, &file, "--live"]);
            let was_none = detached.stderr.contains("there is no hostdev like this");
            assert!(detached.code() == 0 || was_none, "{what}: {detached}");
            assert_eq!((listed(), mounts(&host, &name)), (text.clone(), seen.clone()), "{what}");
            host.run(&["attach-device", &name, &file, "--live"]).ok();
            sh(&host, &name, "touch /dev/same && mount --bind /dev/fuse /dev/same").ok();
            host.run(&["detach-device", &name, &file, "--live"]).ok();
            assert!(sh(&host, &name, ": < /dev/same").code() != 0, "{what}");
            sh(&host, &name, "umount /dev/same && rm /dev/same").ok();
        }
    }
    assert!(reached > 20, "{reached}");
    // A node that does not go is told, and its rule goes all the same; umount2(2).
    let detach = ["detach-device", &name, &file];
    host.run(&["attach-device", &name, &file, "--live"]).ok();
    let (calm, said) = struck(&host, detach, None);
    assert_eq!(calm.status, 0, "{said}");
    host.run(&["attach-device", &name, &file, "--live"]).ok();
    let call = calm.calls[&(Program::Nsenter, 0)].iter().position(|n| *n == 166);
    let fault = Fault {
        instance: (Program::Nsenter, 0),
        when: When::Call(call.unwrap() + 1),
        injection: fail,
    };
    let (account, said) = struck(&host, detach, Some(fault));
    assert_eq!((account.status, account.struck), (0, Some(166)), "{said}");
    assert!(
        said.contains("nobody opens /dev/fuse of") && said.contains("Device detached"),
        "{said}"
    );
    assert_eq!(listed(), text);
    assert!(sh(&host, &name, "[ -c /dev/fuse ]").code() == 0 && sh(&host, &name, ": < /dev/fuse").code() != 0);
    let log = host.run(&["audit", "log", "--container", &name]).ok().stdout;
    let last = log.lines().rfind(|l| l.contains("tach "));
    assert!(
        last.is_some_and(|l| l.contains(" detach ") && l.trim_end().ends_with("done")),
        "{log}"
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
