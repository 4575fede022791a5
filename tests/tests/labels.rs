//! AppArmor profiles: what only the profile denies is denied to whoever starts and to whoever enters, and what cannot be had is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::programs::tree;
use tests::{Host, Outcome, capture, need_root, skip};

/// It stops when it is asked to.
const STAY: &str = "trap 'exit 0' TERM PWR; while :; do sleep 1000 & wait $!; done";
/// The profile that is installed.
const SHIPPED: &str = "lazaret-container";

fn enabled() -> bool {
    fs::read("/proc/self/attr/apparmor/current").is_ok()
}

/// Ends the running test as skipped unless profiles can be loaded here.
macro_rules! need_apparmor {
    () => {
        need_root!();
        if !enabled() {
            skip!("needs AppArmor, which this kernel has not enabled");
        }
        if !tests::skip::have("apparmor_parser") && !Path::new("/sbin/apparmor_parser").exists() {
            skip!("needs apparmor_parser, of the package apparmor");
        }
    };
}

/// A profile of a test's own, loaded until this is dropped.
struct Loaded(PathBuf);

impl Loaded {
    fn load(file: impl Into<PathBuf>) -> Self {
        let loaded = Self(file.into());
        loaded.parser("--replace").ok();
        loaded
    }

    /// One that allows everything but to read `/etc/only`.
    fn denying(host: &Host, name: &str) -> Self {
        let rules = "file,\n capability,\n network,\n mount,\n umount,\n pivot_root,\n signal,\n ptrace,\n unix,\n deny /etc/only rwklx,\n";
        let text = format!("profile {name} flags=(attach_disconnected,mediate_deleted) {{\n {rules}}}\n");
        Self::load(host.file(name, text))
    }

    fn parser(&self, how: &str) -> Outcome {
        let mut command = Command::new("apparmor_parser");
        command.args([how, "--skip-cache", "--quiet"]).arg(&self.0);
        capture::run(&mut command, b"")
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.parser("--remove");
    }
}

fn seclabel(profile: &str) -> String {
    format!("<seclabel type='static' model='apparmor'><label>{profile}</label></seclabel>")
}

/// A host whose image has the file.
fn host() -> Host {
    let host = Host::new();
    fs::write(host.image().join("etc/only"), "it is read\n").unwrap();
    host
}

#[test]
fn a_profile_that_cannot_be_had_is_refused_with_the_reason() {
    need_root!();
    let host = host();
    let why = if enabled() {
        "no profile of that name is loaded"
    } else {
        "AppArmor is not enabled"
    };
    let missing = "lazaret-that-nobody-loads";
    host.once(&["--apparmor", missing], &["true"])
        .refused(125, &[missing, why]);
    let name = host.name("labelled");
    let file = host.domain_file(&name, STAY, &seclabel(missing), "");
    host.run(&["define", "--validate", &file]).ok();
    host.run(&["start", &name]).refused(1, &[&name, missing, why]);
    let plan = host.run(&["plan", &name]).ok().stdout;
    assert!(plan.contains(&format!("AppArmor profile {missing}")), "{plan}");
    host.run(&["undefine", &name]).ok();
    for bad in ["unconfined", "a b", ":ns:a", "a//&b", ""] {
        host.once(&["--apparmor", bad], &["true"]).exits(2);
    }
    host.nothing_is_left();
}

#[test]
fn what_only_the_profile_denies_is_denied_to_a_command() {
    need_apparmor!();
    let host = host();
    let profile = host.name("lazaret-test-run");
    let _loaded = Loaded::denying(&host, &profile);
    let ask = ["sh", "-c", "cat /proc/self/attr/apparmor/current; cat /etc/only"];
    let said = host.once(&[], &ask).ok();
    assert_eq!(said.stdout, "unconfined\nit is read\n");
    let said = host.once(&["--apparmor", &profile], &ask).exits(1);
    assert_eq!(said.stdout, format!("{profile} (enforce)\n"));
    assert!(said.stderr.contains("'/etc/only': Permission denied"), "{said}");
    // It cannot leave its profile.
    let leave = "echo changeprofile unconfined > /proc/self/attr/apparmor/current; echo exec unconfined > /proc/self/attr/apparmor/exec; cat /etc/only";
    let said = host.once(&["--apparmor", &profile], &["sh", "-c", leave]).exits(1);
    assert_eq!(said.stdout, "");
    host.nothing_is_left();
}

#[test]
fn a_domain_has_its_profile_at_every_start_and_so_has_whoever_enters() {
    need_apparmor!();
    let host = host();
    let profile = host.name("lazaret-test-domain");
    let loaded = Loaded::denying(&host, &profile);
    let name = host.name("labelled");
    // It starts again once by itself.
    let shell = format!(
        "cat /proc/self/attr/apparmor/current >> /labels; cat /etc/only >> /labels 2>&1; [ $(wc -l < /labels) -gt 2 ] || exit 0; {STAY}"
    );
    let more = format!("<on_poweroff>restart</on_poweroff>{}", seclabel(&profile));
    host.run(&["define", &host.domain_file(&name, &shell, &more, "")]).ok();
    host.run(&["start", &name]).ok();
    let labels = host.image().join("labels");
    let once = format!("{profile} (enforce)\ncat: can't open '/etc/only': Permission denied\n");
    let mut seen = String::new();
    capture::until(capture::DEADLINE, || {
        seen = fs::read_to_string(&labels).unwrap_or_default();
        seen.lines().count() >= 4
    });
    assert_eq!(seen, once.repeat(2));
    let attribute = || {
        let pid = host.pid_1(&name)?;
        fs::read_to_string(format!("/proc/{pid}/attr/apparmor/current")).ok()
    };
    capture::until(capture::DEADLINE, || attribute().is_some());
    assert_eq!(attribute(), Some(format!("{profile} (enforce)\n")));

    let enter = |script: &str| host.run(&["enter", &name, "--", "sh", "-c", script]);
    let entered = |said: Outcome| {
        assert_eq!(said.stdout, "", "{said}");
        assert!(said.stderr.contains("'/etc/only': Permission denied"), "{said}");
    };
    let label = enter("cat /proc/self/attr/apparmor/current").ok();
    assert_eq!(label.stdout, format!("{profile} (enforce)\n"));
    entered(enter("cat /etc/only").exits(1));
    // Whatever the container lays over its own /proc: it is not asked there.
    enter("mkdir -p /tmp/p/self/attr/apparmor /tmp/p/thread-self/attr/apparmor; : > /tmp/p/thread-self/attr/apparmor/exec; mount --bind /tmp/p /proc").ok();
    entered(enter("cat /etc/only").exits(1));
    let without = ["enter", "--noseclabel", &name, "--", "true"];
    host.run(&without).refused(125, &["--noseclabel", &profile]);
    // What is not loaded any more confines nobody, and nobody enters.
    loaded.parser("--remove").ok();
    let enter = ["enter", &name, "--", "true"];
    host.run(&enter)
        .refused(125, &[&profile, "no profile of that name is loaded"]);
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn the_profile_that_is_installed_denies_what_is_hidden_even_where_no_mask_is() {
    need_apparmor!();
    let host = host();
    let check = || host.run(&["check"]).stdout;
    let mend = "apparmor_parser -r /etc/apparmor.d/lazaret-container";
    assert!(check().contains(mend), "{}", check());
    let _loaded = Loaded::load(tree().join("policies/apparmor").join(SHIPPED));
    assert!(check().contains("enabled; lazaret-container is loaded"), "{}", check());
    let name = host.name("bare");
    host.policy(&format!("unmask /proc/kallsyms {name}"));
    let bare = ["--name", name.as_str(), "--unmask", "/proc/kallsyms"];
    let ask = [
        "sh",
        "-c",
        "cat /proc/self/attr/apparmor/current; head -c 1 /proc/kallsyms | wc -c",
    ];
    let said = host.once(&bare, &ask).ok();
    assert_eq!(said.stdout, "unconfined\n1\n");
    let labelled: Vec<&str> = bare.into_iter().chain(["--apparmor", SHIPPED]).collect();
    let said = host.once(&labelled, &ask);
    assert_eq!(said.stdout, format!("{SHIPPED} (enforce)\n0\n"), "{said}");
    assert!(said.stderr.contains("Permission denied"), "{said}");
    host.nothing_is_left();
}

#[test]
fn what_runs_without_a_label_runs_in_the_profile_that_is_installed() {
    need_apparmor!();
    let host = host();
    let _loaded = Loaded::load(tree().join("policies/apparmor").join(SHIPPED));
    let network = "<interface type='network'><source network='default'/></interface>";
    let name = host.name("usual");
    host.run(&["define", &host.domain_file(&name, STAY, &seclabel(SHIPPED), network)])
        .ok();
    host.run(&["start", &name]).ok();
    let script = "set -e; mount -t tmpfs none /mnt; echo x > /mnt/x; umount /mnt; cat /proc/meminfo > /dev/null; ip addr > /dev/null; \
        echo 1 > /proc/sys/net/ipv4/ip_forward; sleep 100 & kill $!; su user -c id; ps > /dev/null; echo fine";
    let said = host.run(&["enter", &name, "--", "sh", "-c", script]).ok();
    assert!(said.stdout.ends_with("fine\n"), "{said}");
    host.run(&["suspend", &name]).ok();
    host.run(&["resume", &name]).ok();
    host.run(&["shutdown", &name]).ok();
    let ended = capture::until(capture::DEADLINE, || host.listed(&name)["state"] == "shut off");
    assert!(ended, "it does not hear that it is to end: {}", host.listed(&name));
    host.run(&["undefine", &name]).ok();
    // A command behind a first process of ours is told to end from there.
    let once = host.name("once");
    host.once(
        &["-d", "--name", &once, "--apparmor", SHIPPED],
        &["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait $!; done"],
    )
    .ok();
    host.run(&["shutdown", &once]).ok();
    let waited = host.run(&["wait", &once]).ok();
    assert!(waited.stdout.split_whitespace().any(|w| w == "3"), "{waited}");
    host.run(&["undefine", &once]).ok();
    host.nothing_is_left();
}
