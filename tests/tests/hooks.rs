//! The host's hook script is executed when, and as, libvirt executes it: with its four arguments, the domain's document as its input, all of root's
//! power and nothing of the caller's. What it refuses does not start. It comes at most once for each end, whoever is killed, and never from where somebody
//! but root could have written it. Asks the kernel about the script while it waits.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use tests::capture::{self, DEADLINE, until};
use tests::deeds::{deeds, is_whole, words};
use tests::ordinary::Users;
use tests::{Host, need_root, process, programs};
use wire::Program;

const STAY: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";

/// Lays a script into the host's place for it, and a file to which it tells each step before all else.
struct Hook<'a> {
    host: &'a Host,
    log: String,
}

impl<'a> Hook<'a> {
    fn new(host: &'a Host, body: &str) -> Self {
        let hook = Self {
            host,
            log: host.file("hook.log", ""),
        };
        hook.does(body);
        hook
    }

    /// Lays another one there.
    fn does(&self, body: &str) {
        let text = format!("#!/bin/sh\necho \"$2\" >> {}\n{body}\n", self.log);
        let lay = "umask 022; mkdir -p /etc/lazaret.hooks && printf %s \"$1\" > /etc/lazaret.hooks/lxc && chmod 755 /etc/lazaret.hooks/lxc";
        self.host.inside("sh", &["-c", lay, "sh", &text]).ok();
    }

    /// The steps since this was asked last.
    fn steps(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap();
        fs::write(&self.log, "").unwrap();
        said.lines().collect::<Vec<_>>().join(" ")
    }
}

/// A script that waits at one step: it tells who it is, and goes on when it is let.
struct Gate {
    told: String,
    fifo: String,
    held: Cell<Option<File>>,
}

impl Gate {
    fn new(host: &Host) -> Self {
        let told = host.file("told", "");
        let fifo = format!("{told}.gate");
        nix::unistd::mkfifo(Path::new(&fifo), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let held = Cell::new(None);
        Self { told, fifo, held }
    }

    /// What is in the script for it: the shell itself does it all, and so forks nobody, for whom it would block signals.
    fn at(&self, step: &str) -> String {
        let Self { told, fifo, .. } = self;
        format!("if test $2 = {step}; then echo $$ > {told}; read go < {fifo}; fi")
    }

    /// Waits until the script reads at the gate, and gives its number. The gate can be opened for writing once somebody has it open for reading.
    fn waits(&self) -> i32 {
        let mut gate = File::options();
        gate.write(true).custom_flags(nix::libc::O_NONBLOCK);
        let open = || {
            self.held.set(gate.open(&self.fifo).ok());
            let held = self.held.take();
            let there = held.is_some();
            self.held.set(held);
            there
        };
        assert!(until(DEADLINE, open), "the script never came to its gate");
        let told = fs::read_to_string(&self.told).unwrap();
        told.trim().parse().unwrap()
    }

    /// Lets the script go on.
    fn open(&self) {
        let mut held = self.held.take().expect("somebody waits");
        held.write_all(b"go\n").unwrap();
    }
}

fn started(host: &Host, arguments: &[&str]) -> Child {
    let mut command = host.lazaret(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill_9(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn is_gone(pid: i32) -> bool {
    until(DEADLINE, || process::over(pid))
}

/// A line of `/proc/PID/status`.
fn status(pid: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn is_executed_at_each_step_with_the_document() {
    need_root!();
    let host = Host::new();
    let name = host.name("hooked");
    let kept = host.file("kept", "");
    let hook = Hook::new(
        &host,
        &format!("echo \"$#\" \"$@\" >> {kept}; cat > {kept}.$2; echo heard; echo said >&2"),
    );
    let file = host.domain_file(&name, STAY, "<title>a &amp; b</title>", "");
    host.run(&["define", &file]).ok();
    let said = host.run(&["start", &name]).ok();
    // What one that succeeds says is nobody's.
    assert_eq!(
        (said.stdout.trim(), said.stderr.as_str()),
        (&*format!("Domain '{name}' started"), "")
    );
    assert_eq!(hook.steps(), "prepare start started");
    let document = host.run(&["dumpxml", "--inactive", &name]).ok().stdout;
    host.run(&["destroy", &name]).ok();
    assert_eq!(hook.steps(), "stopped release");
    let lines = [
        "prepare begin",
        "start begin",
        "started begin",
        "stopped end",
        "release end",
    ]
    .map(|step| format!("4 {name} {step} -\n"));
    assert_eq!(fs::read_to_string(&kept).unwrap(), lines.concat());
    for step in ["prepare", "start", "started", "stopped", "release"] {
        let given = fs::read_to_string(format!("{kept}.{step}")).unwrap();
        assert!(
            given.contains("a &amp; b") && given.trim() == document.trim(),
            "{step}: {given}"
        );
    }

    // Each call is on record, before and after what it is about.
    let deeds = deeds(&host, &["--container", &name]);
    let all = ["hook", "hook", "start", "hook", "destroy", "hook", "stop", "hook"];
    assert_eq!(words(&deeds, "verb"), all);
    let steps: Vec<_> = deeds
        .iter()
        .filter_map(|d| d["request"]["Hook"]["hook"].as_str())
        .collect();
    assert_eq!(steps, ["prepare", "start", "started", "stopped", "release"]);
    is_whole(&host);

    // A command that is `run` has no document.
    host.once(&[], &["true"]).ok();
    assert_eq!(hook.steps(), "");
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn it_is_root_with_all_power_and_has_nothing_of_the_callers() {
    need_root!();
    let host = Host::new();
    let name = host.name("clean");
    let gate = Gate::new(&host);
    let _hook = Hook::new(&host, &gate.at("start"));
    let file = host.domain_file(&name, STAY, "", "");
    // A caller with much that is not to come along.
    let program = programs::path(Program::Lazaret);
    let script = "umask 077; cd /tmp; trap '' HUP USR1; exec 7</etc/passwd; exec \"$@\"";
    let mut command = host.command("sh");
    command.args(["-c", script, "sh"]).arg(program).args(["create", &file]);
    command
        .env("LD_DEBUG", "")
        .env("SECRET", "x")
        .env("IFS", "x")
        .env("BASH_ENV", "/x");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = gate.waits();

    // Everything that root has on this host, and what the kernel gives to whoever root executes.
    let whole = status(std::process::id().cast_signed(), "CapBnd");
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(status(pid, set), whole, "{set}");
    }
    for (field, value) in [
        ("Uid", "0 0 0 0"),
        ("Gid", "0 0 0 0"),
        ("Groups", ""),
        ("NoNewPrivs", "0"),
        ("Seccomp", "0"),
        ("Umask", "0022"),
        ("SigBlk", "0000000000000000"),
    ] {
        assert_eq!(status(pid, field), value, "{field}");
    }
    // The two numbers that the C library keeps for itself are nobody's to change.
    let ignored = u64::from_str_radix(&status(pid, "SigIgn"), 16).unwrap();
    assert_eq!(ignored & !0x1_8000_0000, 0, "{ignored:x}");
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let mut environment: Vec<_> = environment.split(|b| *b == 0).filter(|v| !v.is_empty()).collect();
    environment.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(environment, [b"LC_ALL=C".as_slice(), path.as_bytes()]);
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
    for file in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let number = file.file_name();
        let Ok(what) = fs::read_link(file.path()) else { continue };
        let what = what.to_string_lossy();
        match number.to_str().unwrap() {
            "1" => assert_eq!(what, "/dev/null"),
            "2" => assert!(what.starts_with("pipe:"), "{what}"),
            // Its input, which the shell has laid aside for the gate, and the shell's own.
            _ => assert!(
                what.ends_with("/domain.xml") || what == "/etc/lazaret.hooks/lxc" || what == gate.fifo,
                "{what}"
            ),
        }
    }
    // No terminal, and a session that is not the caller's.
    let session = |pid: i32| nix::unistd::getsid(Some(Pid::from_raw(pid))).unwrap();
    assert_ne!(session(pid), session(child.id().cast_signed()));

    // Who executes it: root's, without a capability, with a channel and nothing else; not the launcher, and not `lazaret`.
    let runner = process::parent(pid).unwrap();
    assert_eq!(status(runner, "Uid"), "0 0 0 0");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status(runner, set), "0000000000000000", "{set}");
    }
    let held = fs::read_dir(format!("/proc/{runner}/fd")).unwrap().flatten();
    let mut held: Vec<String> = held
        .filter_map(|f| Some(fs::read_link(f.path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    held.sort();
    let sockets = held.iter().filter(|h| h.starts_with("socket:")).count();
    assert_eq!(sockets, 1, "{held:?}");
    for what in &held {
        let known = what == "/dev/null" || what.starts_with("socket:") || what.starts_with("pipe:");
        // The lock of the container, which it keeps until the script has ended, and the number of the script.
        assert!(
            known || what.ends_with("/lock") || what == "anon_inode:[pidfd]",
            "{what} of {held:?}"
        );
    }

    gate.open();
    capture::collect(child, "create".into(), Vec::new(), DEADLINE).ok();
    assert!(is_gone(runner), "nobody is left to execute scripts");
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn what_it_refuses_does_not_start_and_leaves_nothing() {
    need_root!();
    let host = Host::new();
    let name = host.name("refused");
    let hook = Hook::new(&host, "");
    let file = host.domain_file(&name, STAY, "", "");
    // What was refused before anything was made has no end.
    for (step, steps) in [
        ("prepare", "prepare"),
        ("start", "prepare start stopped release"),
        ("started", "prepare start started stopped release"),
    ] {
        hook.does(&format!(
            "if test $2 = {step}; then printf 'no \\033[31mdisk\\n\\nat all\\n' >&2; exit 7; fi"
        ));
        let line = format!("lxc {name} {step} begin: it ended with status 7: no \\u{{1b}}[31mdisk; at all");
        let said = host.run(&["create", &file]);
        assert!(!said.stderr.contains('\x1b'), "{said}");
        said.refused(1, &[&line]);
        assert_eq!(hook.steps(), steps);
        assert!(!host.runs(&name) && host.pid_1(&name).is_none(), "{step}");
        host.nothing_is_left();
    }
    let refused = deeds(&host, &["--container", &name, "--verb", "hook"]);
    let refused: Vec<_> = refused.iter().filter(|d| d["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 3);
    assert!(
        refused
            .iter()
            .all(|d| d["reason"].as_str().unwrap().contains("status 7"))
    );

    // virsh's words and status are virsh's.
    host.run(&["-c", "lxc:///", "create", &file]).exits(1);
    assert_eq!(hook.steps(), "prepare start started stopped release");
    // One that is killed is no better.
    hook.does("test $2 != prepare || kill -KILL $$");
    host.run(&["create", &file])
        .refused(1, &["prepare begin: it was ended by signal 9"]);
    // A start that fails otherwise, after it was prepared, is released.
    hook.does("");
    hook.steps();
    let lost = fs::read_to_string(&file).unwrap().replace("/bin/sh", "/bin/nowhere");
    host.run(&["create", &host.file("lost.xml", lost)])
        .refused(1, &["nowhere"]);
    assert_eq!(hook.steps(), "prepare start stopped release");
    // Against an end nothing can be said, but it is told.
    hook.does("test $2 != release");
    host.run(&["create", &file]).ok();
    let said = host.run(&["destroy", &name]).ok().stderr;
    assert!(said.contains("release end: it ended with status 1"), "{said}");
    assert_eq!(hook.steps(), "prepare start started stopped release");
    host.nothing_is_left();
}

#[test]
fn what_it_prepares_is_there_when_the_start_is_planned() {
    need_root!();
    let host = Host::new();
    let name = host.name("prepared");
    let image = host.image().display().to_string();
    let hook = Hook::new(
        &host,
        &format!("case $2 in prepare) mv {image} {image}.there;; release) mv {image}.there {image};; esac"),
    );
    let text = host
        .domain(&name, STAY, "", "")
        .replace(&image, &format!("{image}.there"));
    let file = host.file("prepared.xml", text);
    host.run(&["create", &file]).ok();
    assert!(host.runs(&name));
    host.run(&["destroy", &name]).ok();
    assert_eq!(hook.steps(), "prepare start started stopped release");
    assert!(Path::new(&image).exists());
    host.nothing_is_left();
}

#[test]
fn one_that_is_not_roots_alone_is_refused_and_one_that_nobody_may_execute_is_none() {
    need_root!();
    let host = Host::new();
    let name = host.name("written");
    let file = host.domain_file(&name, STAY, "", "");
    let hook = Hook::new(&host, "");
    let (lxc, directory) = ("/etc/lazaret.hooks/lxc", "/etc/lazaret.hooks");
    for (change, why, undo) in [
        (
            format!("chmod 777 {lxc}"),
            "lxc can be written by others",
            format!("chmod 755 {lxc}"),
        ),
        (
            format!("chown 1000 {lxc}"),
            "lxc is not root's",
            format!("chown 0 {lxc}"),
        ),
        (
            format!("chmod 775 {directory}"),
            "hooks can be written by others",
            format!("chmod 755 {directory}"),
        ),
        (
            format!("chown 1000 {directory}"),
            "hooks is not root's",
            format!("chown 0 {directory}"),
        ),
        (
            format!("mv {directory} /etc/moved; ln -s moved {directory}"),
            "hooks is a link",
            format!("rm {directory}; mv /etc/moved {directory}"),
        ),
        (
            format!("mv {lxc} {lxc}.x; ln -s lxc.x {lxc}"),
            "lxc is a link",
            format!("rm {lxc}; mv {lxc}.x {lxc}"),
        ),
        (
            format!("mv {lxc} {lxc}.x; mkdir {lxc}"),
            "lxc is of another kind",
            format!("rmdir {lxc}; mv {lxc}.x {lxc}"),
        ),
    ] {
        host.inside("sh", &["-c", &change]).ok();
        host.run(&["create", &file]).refused(1, &["it is not executed", why]);
        assert!(host.run(&["check"]).stdout.contains(why), "{why}");
        host.inside("sh", &["-c", &undo]).ok();
        assert_eq!(hook.steps(), "", "{why}");
        host.nothing_is_left();
    }
    // One whose interpreter is not there.
    host.inside("sh", &["-c", &format!("echo '#!/nowhere' > {lxc}")]).ok();
    host.run(&["create", &file]).refused(1, &["it cannot be executed"]);
    host.inside("chmod", &["644", lxc]).ok();
    assert!(host.run(&["check"]).stdout.contains("lxc is not executable"));
    host.run(&["create", &file]).ok();
    host.run(&["destroy", &name]).ok();
    assert_eq!(hook.steps(), "");
    host.nothing_is_left();
}

#[test]
fn one_that_hangs_ends_with_the_command_whose_start_it_holds_up() {
    need_root!();
    let host = Host::new();
    for step in ["prepare", "start"] {
        let name = host.name(step);
        let gate = Gate::new(&host);
        let hook = Hook::new(&host, &gate.at(step));
        let file = host.domain_file(&name, STAY, "", "");
        let child = started(&host, &["create", &file]);
        let pid = gate.waits();
        // Others go on meanwhile, and this one is nobody's to start.
        assert_eq!(host.listed(&name)["state"], "starting");
        host.run(&["create", &file]).refused(1, &["is running"]);
        hook.steps();
        kill_9(child);
        assert!(is_gone(pid), "{step}");
        // The next command waits for it, and releases what it may have prepared; once.
        host.run(&["list"]).ok();
        assert_eq!(hook.steps(), "stopped release", "{step}");
        host.run(&["list"]).ok();
        assert_eq!(hook.steps(), "", "{step}");
        host.nothing_is_left();
        fs::remove_file(&gate.fifo).unwrap();
    }
}

#[test]
fn an_end_is_seen_through_though_its_command_is_killed_and_comes_once() {
    need_root!();
    let host = Host::new();
    for step in ["stopped", "release"] {
        let name = host.name(step);
        let gate = Gate::new(&host);
        let after = host.file("after", "");
        let hook = Hook::new(&host, &format!("{}; echo $2 >> {after}", gate.at(step)));
        let file = host.domain_file(&name, STAY, "", "");
        host.run(&["create", &file]).ok();
        hook.steps();
        let child = started(&host, &["destroy", &name]);
        let pid = gate.waits();
        kill_9(child);
        // It is being cleared away as long as that lasts, and nobody clears it away beside that.
        assert_eq!(host.listed(&name)["state"], "in shutdown");
        assert!(!process::over(pid));
        gate.open();
        assert!(is_gone(pid));
        assert!(
            until(DEADLINE, || host.listed(&name).is_null()),
            "{step}: {}",
            host.listed(&name)
        );
        assert_eq!(hook.steps(), "stopped release", "{step}");
        let ended = fs::read_to_string(&after).unwrap();
        assert!(ended.ends_with("stopped\nrelease\n"), "{step}: {ended}");
        host.nothing_is_left();
        fs::remove_file(&gate.fifo).unwrap();
    }
}

#[test]
fn of_one_that_ends_by_itself_the_next_command_tells_whichever_that_is_and_once() {
    need_root!();
    let host = Host::new();
    let name = host.name("itself");
    let hook = Hook::new(&host, "");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    let pid = host.pid_1(&name).unwrap();
    hook.steps();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert!(is_gone(pid));
    // The supervisor, who holds its lock, ends after it.
    assert!(until(DEADLINE, || {
        let all: Vec<Child> = (0..3).map(|_| started(&host, &["list"])).collect();
        for child in all {
            capture::collect(child, "list".into(), Vec::new(), DEADLINE).ok();
        }
        !host.runs(&name)
    }));
    assert_eq!(hook.steps(), "stopped release");
    host.run(&["start", &name]).ok();
    assert_eq!(hook.steps(), "prepare start started");
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn one_whose_starter_was_killed_is_reconnected() {
    need_root!();
    let host = Host::new();
    let name = host.name("orphan");
    let hook = Hook::new(&host, "");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    hook.steps();
    // What `lazaret` leaves that is killed between the launcher's answer and its note of it.
    let place = host.run_directory().join(&name);
    let change = |file: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let path = place.join(file);
        let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.write_all(&serde_json::to_vec(&value).unwrap()).unwrap();
    };
    change("lock", &|life| life["starting"] = true.into());
    change("state.json", &|record| {
        record["phase"] = "starting".into();
        record["pids"] = serde_json::Value::Null;
        record["id"] = i32::MAX.into();
    });
    assert!(host.runs(&name));
    assert_eq!(hook.steps(), "reconnect");
    host.run(&["list"]).ok();
    assert_eq!(hook.steps(), "");
    host.run(&["destroy", &name]).ok();
    assert_eq!(hook.steps(), "stopped release");
    host.nothing_is_left();
}

#[test]
fn one_whose_starter_is_killed_while_it_is_told_of_runs_on_and_is_reconnected_once() {
    need_root!();
    let host = Host::new();
    let name = host.name("untold");
    let gate = Gate::new(&host);
    let hook = Hook::new(&host, &gate.at("started"));
    let child = started(&host, &["create", &host.domain_file(&name, STAY, "", "")]);
    let pid = gate.waits();
    // As long as its asker lives, nobody else takes it over.
    assert!(host.runs(&name));
    host.run(&["list"]).ok();
    assert_eq!(hook.steps(), "prepare start started");
    kill_9(child);
    assert!(is_gone(pid));
    assert!(host.runs(&name));
    assert_eq!(hook.steps(), "reconnect");
    host.run(&["list"]).ok();
    assert_eq!(hook.steps(), "");
    host.run(&["destroy", &name]).ok();
    assert_eq!(hook.steps(), "stopped release");
    host.nothing_is_left();
}

#[test]
fn it_may_call_lazaret_itself() {
    need_root!();
    let host = Host::new();
    let name = host.name("within");
    let told = host.file("told", "");
    let directory = host.directory().display().to_string();
    let lazaret = programs::path(Program::Lazaret).display().to_string();
    let hook = Hook::new(
        &host,
        &format!(
            "export LAZARET_RUN_DIR={directory}/run LAZARET_CONFIG_DIR={directory}/config LAZARET_DATA_DIR={directory}/data\n\
             {lazaret} domstate \"$1\" >> {told} 2>&1; echo $? >> {told}"
        ),
    );
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    host.run(&["destroy", &name]).ok();
    assert_eq!(hook.steps(), "prepare start started stopped release");
    let said = fs::read_to_string(&told).unwrap();
    let said: Vec<_> = said.lines().filter(|l| !l.is_empty()).collect();
    let states: Vec<_> = said.iter().step_by(2).copied().collect();
    let statuses: Vec<_> = said.iter().skip(1).step_by(2).copied().collect();
    assert_eq!(statuses, ["0"; 5], "{said:?}");
    assert_eq!(states[2], "running", "{said:?}");
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn an_ordinary_users_containers_call_none_of_roots() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let name = format!("mine-{}", std::process::id());
    let lay = "mount -t tmpfs -o mode=0755 hooks /opt && mkdir /opt/up /opt/work && mount -t overlay -o lowerdir=/etc,upperdir=/opt/up,workdir=/opt/work hooks /etc \
               && mkdir -m 755 /etc/lazaret.hooks && printf '#!/bin/sh\\nexit 9\\n' > /etc/lazaret.hooks/lxc && chmod 755 /etc/lazaret.hooks/lxc \
               && for f in passwd group subuid subgid; do mount --bind \"$1/etc/$f\" /etc/$f || exit 1; done";
    let etc = users.image().parent().unwrap().display().to_string();
    capture::run(users.command("sh").args(["-c", lay, "sh", &etc]), b"").ok();
    capture::run(users.command("test").args(["-x", "/etc/lazaret.hooks/lxc"]), b"").ok();
    let file = user.domain(&name, &user.tree(0), STAY, "");
    user.run(&["create", &file]).ok();
    user.run(&["destroy", &name]).ok();
}
