//! The two profiles, asked of the kernel from inside; and what a container may take away from its own, or the host's administrator may give
//! it beyond.

use std::collections::BTreeMap;
use std::fs;
use tests::{Host, Outcome, capture, need_root, process};

/// A program for the host's own python3: calls the kernel with the numbers that it is given, and prints the errno, or `done`.
const CALL: &str = "import ctypes,os,sys\nc=ctypes.CDLL(None,use_errno=True)\na=[ctypes.c_ulong(int(x,0)) for x in sys.argv[1:]]\n\
    r=c.syscall(*a)\nprint('done' if r!=-1 else os.strerror(ctypes.get_errno()) if ctypes.get_errno() not in (97,) else 'EAFNOSUPPORT')\n";

/// The calls of the profile `app`, without those that make directories.
fn without_directories() -> String {
    "include payload.policy\n[calls]\nclone | arg0 without CLONE_NEWUSER | threads and processes\n\
     [answer EPERM]\nmkdir | any | a test\nmkdirat | any | a test\n"
        .to_owned()
}

/// A domain on the host's own root, with a network of its own.
fn system(host: &Host) -> String {
    let name = host.name("vm");
    let text = format!(
        "<domain type='lxc'><name>{name}</name><memory unit='MiB'>256</memory><os><type>exe</type><init>/bin/sleep</init>\
         <initarg>100000</initarg></os><features><privnet/></features><devices><console type='pty'/></devices></domain>"
    );
    host.run(&["create", &host.file(&format!("{name}.xml"), text)]).ok();
    name
}

/// Each call under both profiles: as the command of a `run`, and entered into a domain.
#[track_caller]
fn under_both(host: &Host, vm: &str, call: &[&str], app: &str, system: &str) {
    let mut words = vec!["run", "--network", "none", "--", "python3", "-c", CALL];
    words.extend(call);
    let said = host.run(&words).ok();
    assert_eq!(said.stdout.trim(), app, "app: {said}");
    let mut words = vec!["enter", vm, "--", "python3", "-c", CALL];
    words.extend(call);
    let said = host.run(&words).ok();
    assert_eq!(said.stdout.trim(), system, "system: {said}");
}

#[test]
fn the_argument_rules_hold_inside_both_profiles() {
    need_root!();
    if !tests::skip::have("python3") {
        tests::skip!("needs python3 on the host's root");
    }
    let host = Host::new();
    let vm = system(&host);
    let (no, none, family) = ("Operation not permitted", "Function not implemented", "EAFNOSUPPORT");
    for (call, app, system) in [
        // ioctl: TIOCSTI and TIOCLINUX, with the upper half set too (CVE-2019-10063).
        (vec!["16", "0", "0x100005412", "0"], no, no),
        (vec!["16", "0", "0x541c", "0"], no, no),
        // socket: AF_ALG, AF_VSOCK, AF_PACKET; netlink for audit and for netfilter; AF_UNIX.
        (vec!["41", "38", "5", "0"], family, family),
        (vec!["41", "40", "1", "0"], family, family),
        (vec!["41", "17", "3", "0"], family, family),
        (vec!["41", "16", "3", "9"], family, family),
        (vec!["41", "16", "3", "12"], family, family),
        (vec!["41", "1", "1", "0"], "done", "done"),
        (vec!["41", "16", "3", "0"], "done", "done"),
        // socketpair: AF_TIPC, which would be loaded for it.
        (vec!["53", "30", "1", "0"], family, family),
        // clone3, and a call that no kernel has.
        (vec!["435", "0", "0"], none, none),
        (vec!["999"], none, none),
        // personality: READ_IMPLIES_EXEC, ADDR_NO_RANDOMIZE, and a question.
        (vec!["135", "0x400000"], no, no),
        (vec!["135", "0x40000"], no, no),
        (vec!["135", "0xffffffff"], "done", "done"),
        // mknodat: a block device; umount2 with MNT_FORCE.
        (vec!["259", "-100", "0", "0x6000", "0x800"], no, no),
        (vec!["166", "0", "1"], no, no),
        // unshare, mount, bpf, io_uring_setup, open_by_handle_at, keyctl, acct, clock_settime, process_madvise.
        (vec!["272", "0x20000"], no, "done"),
        (vec!["165", "0", "0", "0", "0", "0"], no, "Bad address"),
        (vec!["321", "0", "0", "0"], no, no),
        (vec!["425", "1", "0"], no, no),
        (vec!["304", "0", "0", "0"], no, no),
        (vec!["250", "0", "0"], no, no),
        (vec!["163", "0"], no, no),
        (vec!["227", "0", "0"], no, no),
        (vec!["440", "0"], no, no),
    ] {
        under_both(&host, &vm, &call, app, system);
    }
}

#[test]
fn capabilities_and_no_new_privileges_are_those_of_the_profiles() {
    need_root!();
    let host = Host::new();
    let vm = system(&host);
    let ask = |words: &[&str]| -> BTreeMap<String, String> {
        let said = host.run(&[words, &["grep", "-E", "^(Cap|NoNewPrivs|Seccomp)", "/proc/self/status"]].concat());
        let lines = said.ok().stdout;
        lines
            .lines()
            .filter_map(|l| l.split_once(":\t"))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    };
    let app = ask(&["run", "--network", "none", "--"]);
    let system = ask(&["enter", &vm, "--"]);
    // CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID NET_BIND_SERVICE.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(app[set], "00000000000004eb", "{set}");
        let of_system = u64::from_str_radix(&system[set], 16).unwrap();
        assert_eq!(of_system.count_ones(), 18, "{set}: {of_system:x}");
        assert_eq!(
            of_system & (1 << 19 | 1 << 27 | 1 << 24 | 1 << 25),
            0,
            "trace, nodes, resources, clock"
        );
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(
            (app[set].as_str(), system[set].as_str()),
            ("0000000000000000", "0000000000000000"),
            "{set}"
        );
    }
    assert_eq!((app["NoNewPrivs"].as_str(), system["NoNewPrivs"].as_str()), ("1", "0"));
    assert_eq!((app["Seccomp"].as_str(), system["Seccomp"].as_str()), ("2", "2"));
}

fn detached(host: &Host, name: &str, options: &[&str]) {
    let options = [options, &["-d", "--name", name]].concat();
    let words = host.once_arguments(&options, &["sleep", "100000"]);
    host.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
}

#[track_caller]
fn entered(host: &Host, name: &str, shell: &str) -> Outcome {
    host.run(&["enter", name, "--", "sh", "-c", shell])
}

#[test]
fn a_filter_of_ones_own_takes_calls_away_from_the_command_and_from_who_enters() {
    need_root!();
    let host = Host::new();
    let file = host.file("own.policy", without_directories());
    let shell = "mkdir /run/d; ls /run; echo on";
    let said = host.once(&["--seccomp", &file], &["sh", "-c", shell]).ok();
    assert_eq!(said.stdout, "on\n");
    assert!(said.stderr.contains("Operation not permitted"), "{said}");
    assert_eq!(host.once(&[], &["sh", "-c", shell]).ok().stdout, "d\non\n");

    let name = host.name("own");
    detached(&host, &name, &["--seccomp", &file]);
    let said = entered(&host, &name, shell).ok();
    assert!(
        said.stdout == "on\n" && said.stderr.contains("Operation not permitted"),
        "{said}"
    );
    // The kernel's own count of filters: the entering command has as many as the one that was run.
    let count = |text: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix("Seccomp_filters:\t").map(str::to_owned))
    };
    let command = process::all().into_iter().find(|p| {
        let line = fs::read_to_string(format!("/proc/{p}/cmdline")).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{p}/status")).unwrap_or_default();
        let uid = status
            .lines()
            .find_map(|l| l.strip_prefix("Uid:\t")?.split('\t').next()?.parse::<u32>().ok());
        line.starts_with("sleep\x00100000") && uid.is_some_and(|u| host.ids().contains(&u))
    });
    let own = count(&fs::read_to_string(format!("/proc/{}/status", command.unwrap())).unwrap());
    assert_eq!(count(&entered(&host, &name, "cat /proc/self/status").ok().stdout), own);
    assert!(own.is_some());
}

#[test]
fn a_filter_that_lets_nothing_be_said_still_lets_a_failed_execution_be_told() {
    need_root!();
    let host = Host::new();
    // The child could send nothing: of all calls it has two.
    let file = host.file(
        "least.policy",
        "[calls]\nexecve | any: a test | x\nexit_group | any | x\n",
    );
    host.once(&["--seccomp", &file], &["no-such-command"])
        .refused(127, &["no-such-command", "no such file"]);
    host.once(&["--seccomp", &file], &["/etc"])
        .refused(126, &["/etc", "permission denied"]);
    // What is executed finds no call to begin with, and is ended by that; nothing waits for it.
    assert_ne!(host.once(&["--seccomp", &file], &["true"]).code(), 0);
}

#[test]
fn what_the_profile_lacks_takes_a_line_of_the_hosts_policy_for_that_container() {
    need_root!();
    let host = Host::new();
    let more = format!("{}[calls]\nchroot | any: a test | x\n", without_directories());
    let file = host.file("more.policy", more);
    let name = host.name("more");
    let run = |options: &[&str]| {
        host.once(
            &[&["--name", &name], options].concat(),
            &["chroot", "/", "echo", "inside"],
        )
    };
    run(&["--seccomp", &file]).refused(125, &["more.policy:8:", "chroot", "seccomp"]);
    host.policy(&format!("seccomp {name}x"));
    run(&["--seccomp", &file]).refused(125, &["chroot"]);
    host.policy(&format!("seccomp {name}"));
    assert_ne!(
        run(&["--seccomp", &file]).code(),
        0,
        "without the capability it is still refused"
    );
    run(&["--seccomp", &file, "--cap-add", "sys_chroot"]).refused(125, &["SYS_CHROOT", "capability"]);
    host.policy(&format!("seccomp {name}\ncapability sys_chroot {name}"));
    let said = run(&["--seccomp", &file, "--cap-add", "sys_chroot"]).ok();
    assert_eq!(said.stdout, "inside\n");
    let said = run(&["--cap-add", "sys_chroot"]);
    assert!(
        said.code() != 0 && said.stderr.contains("not permitted"),
        "the profile's own filter: {said}"
    );
}

#[test]
fn a_file_that_is_no_policy_is_refused_with_its_line() {
    need_root!();
    let host = Host::new();
    let file = host.file("bad.policy", "[calls]\nexecve | any: x | x\nraed | any | x\n");
    host.once(&["--seccomp", &file], &["true"])
        .refused(125, &["bad.policy:3: unknown system call raed"]);
    let file = host.file("none.policy", "");
    host.once(&["--seccomp", &file], &["true"]).refused(125, &["execve"]);
}

#[test]
fn a_place_is_left_as_it_is_only_where_the_hosts_policy_names_it() {
    need_root!();
    let host = Host::new();
    let name = host.name("seeing");
    let run = |options: &[&str]| {
        host.once(
            &[&["--name", &name], options].concat(),
            &["wc", "-c", "/proc/key-users"],
        )
    };
    let bytes = |said: &Outcome| said.stdout.split(' ').next().unwrap().to_owned();
    assert_eq!(bytes(&run(&[]).ok()), "0");
    run(&["--unmask", "/proc/key-users"]).refused(125, &["/proc/key-users", "unmask"]);
    host.policy(&format!("unmask /proc/key-users {name}"));
    assert_eq!(bytes(&run(&[]).ok()), "0", "consent alone changes nothing");
    assert_ne!(bytes(&run(&["--unmask", "/proc/key-users"]).ok()), "0");
    run(&["--unmask", "/proc/keys"]).refused(125, &["/proc/keys"]);
    host.policy(&format!("unmask /proc/1 {name}"));
    run(&["--unmask", "/proc/1"]).refused(125, &["/proc/1", "no profile"]);
}

#[test]
fn a_domain_has_at_most_4096_tasks() {
    need_root!();
    let host = Host::new();
    let vm = system(&host);
    let limits: Vec<(bool, String)> = tests::kernel::groups_of(&vm)
        .iter()
        .map(|group| (group.join("cgroup.controllers").exists(), group.join("pids.max")))
        .filter_map(|(unified, f)| Some((unified, fs::read_to_string(f).ok()?)))
        .collect();
    // In version 2 the limit is that of a group in which `init`'s outer half is too.
    let expected = |unified| if unified { "4097\n" } else { "4096\n" };
    assert_eq!(limits.len(), 1, "{limits:?}");
    assert!(limits.iter().all(|(unified, l)| l == expected(*unified)), "{limits:?}");
}

/// Every setting below /proc/sys/net that a system can open for writing is changed from inside, and the host's own of that name stays.
#[test]
fn what_a_system_writes_of_its_network_is_its_own() {
    need_root!();
    let host = Host::new();
    let vm = system(&host);
    let list =
        "cd /proc/sys/net && find . -type f | while read f; do if ( : >> $f ) 2>/dev/null; then echo $f; fi; done";
    let writable = entered(&host, &vm, list).ok().stdout;
    assert!(writable.lines().count() > 50, "{writable}");
    assert!(writable.contains("ipv4/ip_forward"), "{writable}");
    // All at once: there are hundreds.
    let read = "cd /proc/sys/net && while read f; do echo $f=$(cat $f 2>/dev/null); done";
    let values = |said: Outcome| -> BTreeMap<String, String> {
        let lines = said.stdout.lines().filter_map(|l| l.split_once('='));
        lines.map(|(f, v)| (f.to_owned(), v.to_owned())).collect()
    };
    let hosts = || {
        let mut command = host.command("sh");
        values(capture::run(command.args(["-c", read]), writable.as_bytes()).ok())
    };
    assert!(
        !writable.contains("netfilter"),
        "nf_hooks_lwtunnel is the host's: {writable}"
    );
    let before = hosts();
    let change = "cd /proc/sys/net && while read f; do v=$(cat $f 2>/dev/null) || continue; case $v in ''|*[!0-9]*) ;; 0) echo 1 > $f ;; \
                  *) echo $((v-1)) > $f ;; esac; done 2>/dev/null; true";
    host.run_with(&["enter", &vm, "--", "sh", "-c", change], writable.as_bytes())
        .ok();
    let (mut changed, mut leaked) = (0, Vec::new());
    let after = hosts();
    let inside = values(
        host.run_with(&["enter", &vm, "--", "sh", "-c", read], writable.as_bytes())
            .ok(),
    );
    for (file, value) in &before {
        if after.get(file) != Some(value) {
            leaked.push(file);
        }
        changed += usize::from(inside.get(file).is_some_and(|v| v != value));
    }
    assert!(leaked.is_empty(), "the host's own have changed: {leaked:?}");
    assert!(
        changed > 20,
        "only {changed} of {} could be changed inside",
        before.len()
    );
}

/// A system that shares the host's network has the host's settings there, which it may not write whoever its root is.
#[test]
fn a_system_with_the_hosts_network_writes_none_of_its_settings() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let text = host.domain(&name, "sleep 100000", "", "").replace("<privnet/>", "");
    host.run(&["create", &host.file("shared.xml", text)]).ok();
    let options = entered(&host, &name, "grep ' /proc/sys' /proc/self/mountinfo")
        .ok()
        .stdout;
    assert!(
        !options.is_empty() && options.lines().all(|l| l.contains(" ro,")),
        "{options}"
    );
    assert!(!options.contains("/proc/sys/net"), "{options}");
}

#[test]
fn a_policy_is_shown_compared_and_checked() {
    need_root!();
    let host = Host::new();
    let shown = host.run(&["policy", "show", "app", "--json"]).ok().json();
    let allowed = shown["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["answer"] == "allowed")
        .count();
    assert_eq!((allowed, shown["hidden"].as_array().unwrap().len()), (288, 34));
    assert!(host.run(&["policy", "show", "netd"]).ok().stdout.contains("NET_ADMIN"));
    let difference = host.run(&["policy", "diff", "app", "system"]).ok().stdout;
    assert!(
        difference.contains("+ capability SYS_ADMIN\n")
            && difference.contains("- mount EPERM any\n+ mount allowed any\n")
    );
    assert_eq!(host.run(&["policy", "diff", "app", "app"]).ok().stdout, "");

    let good = host.file("good.policy", without_directories());
    let said = host.run(&["policy", "check", &good]).ok().stdout;
    assert!(
        said.contains("dangerous without a condition: mmap") && said.contains("calls allowed"),
        "{said}"
    );
    let bad = host.file("bad.policy", "[calls]\nmount | any | everything\n");
    host.run(&["policy", "check", &bad])
        .refused(1, &["bad.policy:2: mount is dangerous"]);
    host.run(&["policy", "check", "/no/such.policy"])
        .refused(1, &["/no/such.policy", "no such file"]);
    // Nobody needs power to look.
    let lazaret = tests::programs::path(wire::Program::Lazaret);
    fs::set_permissions(host.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let words = [
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        lazaret.to_str().unwrap(),
        "policy",
        "check",
        &bad,
    ];
    host.inside("setpriv", &words)
        .refused(1, &["bad.policy:2: mount is dangerous"]);
    // Only what the command line names as a policy is read.
    host.run(&["policy", "check", "/etc/shadow"])
        .refused(1, &["/etc/shadow:1:"]);
}

#[test]
fn privileges_tell_how_a_container_differs_from_its_profile() {
    need_root!();
    let host = Host::new();
    let (plain, other) = (host.name("plain"), host.name("other"));
    detached(&host, &plain, &[]);
    let said = host.run(&["privileges", &plain]).ok().stdout;
    assert!(said.ends_with("as the profile app has it\n"), "{said}");
    host.policy(&format!("capability net_raw {other}\nunmask /proc/keys {other}"));
    let file = host.file("own.policy", without_directories());
    let options = [
        "--cap-add",
        "net_raw",
        "--cap-drop",
        "kill",
        "--seccomp",
        &file,
        "--unmask",
        "/proc/keys",
    ];
    detached(&host, &other, &options);
    let said = host.run(&["privileges", &other]).ok().stdout;
    for line in [
        "+ capability NET_RAW",
        "- capability KILL",
        "- hidden /proc/keys",
        "- mkdir allowed any",
    ] {
        assert!(said.lines().any(|l| l == line), "{line}: {said}");
    }
    let json = host.run(&["privileges", &other, "--json"]).ok().json();
    let differences: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| !p["difference"].is_null())
        .collect();
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0]["difference"]["capabilities"]["second"][0], "NET_RAW");
    let said = host.run(&["policy", "diff", "app", &other]).ok().stdout;
    assert!(
        said.contains("+ capability NET_RAW\n") && said.contains("- mkdir allowed any\n"),
        "{said}"
    );
}
