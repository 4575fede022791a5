//! SELinux contexts: what only the context denies is denied to whoever starts and to whoever enters, and what cannot be had is refused.
//! What denies is the policy `tests/vm/selinux.te`, which one boot of the virtual machine loads.

use rustix::fs::XattrFlags;
use std::fs;
use std::path::Path;
use tests::{Host, Outcome, capture, need_root, skip};

/// It stops when it is asked to.
const STAY: &str = "trap 'exit 0' TERM PWR; while :; do sleep 1000 & wait $!; done";
/// What is asked for, and what the policy gives the host's own processes.
const CONTEXT: &str = "system_u:system_r:container_t:s0:c1";
const HOST: &str = "system_u:system_r:host_t:s0-s0:c0.c3";
/// Prints the label of who runs it.
const WHO: &str = "tr -d '\\0' < /proc/self/attr/current; echo";
/// SELinux's own switch.
const ENFORCE: &str = "/sys/fs/selinux/enforce";

fn enabled() -> bool {
    let systems = fs::read_to_string("/proc/filesystems").unwrap();
    systems.lines().any(|line| line == "nodev\tselinuxfs")
}

/// Ends the running test as skipped unless the policy of these tests is loaded.
macro_rules! need_selinux {
    () => {
        need_root!();
        if !enabled() {
            skip!("needs SELinux, which this kernel has not enabled");
        }
        // The kernel takes what it knows.
        if fs::write("/sys/fs/selinux/context", CONTEXT).is_err() {
            skip!("needs the policy tests/vm/selinux.te to be loaded");
        }
        assert_eq!(fs::read_to_string(ENFORCE).unwrap(), "1");
    };
}

/// Gives a file a label; it keeps its type and gets these categories.
fn label(file: &Path, kind: &str, range: &str) {
    let context = format!("system_u:object_r:{kind}:{range}\0");
    rustix::fs::setxattr(file, "security.selinux", context.as_bytes(), XattrFlags::empty()).expect("label a file");
}

fn seclabel(context: &str) -> String {
    format!("<seclabel type='static' model='selinux'><label>{context}</label></seclabel>")
}

/// A host whose image has the file.
fn host() -> Host {
    let host = Host::new();
    fs::write(host.image().join("etc/only"), "it is read\n").unwrap();
    host
}

/// One in which only the policy says who may read the file.
fn host_with_secret() -> Host {
    let host = host();
    label(&host.image().join("etc/only"), "secret_t", "s0");
    host
}

/// The label of a process, by the kernel's word.
fn label_of(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/attr/current")).ok()?;
    Some(text.trim_end_matches('\0').to_owned())
}

/// What the reader of a file is told whom the policy denies it.
const DENIED: &str = "'/etc/only': Permission denied";

#[test]
fn a_context_that_cannot_be_had_is_refused_with_the_reason() {
    need_root!();
    let host = host();
    let why = if enabled() {
        "knows"
    } else {
        "SELinux is not enabled on this host"
    };
    let missing = "nobody_u:nobody_r:that_no_policy_has_t:s0";
    host.once(&["--selinux", missing], &["true"])
        .refused(125, &[missing, why]);
    let name = host.name("labelled");
    let file = host.domain_file(&name, STAY, &seclabel(missing), "");
    host.run(&["define", "--validate", &file]).ok();
    host.run(&["start", &name]).refused(1, &[&name, missing, why]);
    let plan = host.run(&["plan", &name]).ok().stdout;
    assert!(plan.contains(&format!("SELinux context {missing}")), "{plan}");
    host.run(&["undefine", &name]).ok();
    for bad in ["container_t", "a:b", "a b:c:d", "a:b:c:", "a:b:c\u{e9}", ""] {
        host.once(&["--selinux", bad], &["true"]).exits(2);
    }
    host.once(&["--selinux", missing, "--apparmor", "a"], &["true"])
        .exits(2);
    host.nothing_is_left();
}

#[test]
fn a_label_for_which_files_would_be_relabelled_starts_nothing() {
    need_root!();
    let host = host();
    let name = host.name("relabelled");
    for label in [
        "<seclabel type='static' model='selinux' relabel='yes'><label>u:r:t:s0</label></seclabel>",
        "<seclabel type='dynamic' model='selinux' relabel='yes'/>",
        "<seclabel type='dynamic' model='selinux'><baselabel>u:r:t:s0</baselabel></seclabel>",
    ] {
        host.run(&["define", &host.domain_file(&name, STAY, label, "")]).ok();
        host.run(&["start", &name]).refused(1, &[&name, "<seclabel>"]);
        host.run(&["undefine", &name]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn what_only_the_context_denies_is_denied_to_a_command() {
    need_selinux!();
    let host = host_with_secret();
    let ask = format!("{WHO}; cat /etc/only");
    let said = host.once(&[], &["sh", "-c", &ask]).ok();
    assert_eq!(said.stdout, format!("{HOST}\nit is read\n"));
    let said = host.once(&["--selinux", CONTEXT], &["sh", "-c", &ask]).exits(1);
    assert_eq!(said.stdout, format!("{CONTEXT}\n"));
    assert!(said.stderr.contains(DENIED), "{said}");
    // It cannot leave its context, by itself or at an exec.
    let leave = format!(
        "printf %s {HOST} > /proc/self/attr/current; cat /etc/only; printf %s {HOST} > /proc/self/attr/exec; cat /etc/only; \
         busybox cat /etc/only || exit 7"
    );
    let said = host.once(&["--selinux", CONTEXT], &["sh", "-c", &leave]).exits(7);
    assert_eq!(said.stdout, "");
    host.nothing_is_left();
}

#[test]
fn categories_part_two_containers_of_one_type() {
    need_selinux!();
    let host = host();
    label(&host.image().join("etc/only"), "container_t", "s0:c2");
    let read = ["cat", "/etc/only"];
    let with = |categories: &str| format!("system_u:system_r:container_t:s0:{categories}");
    let said = host.once(&["--selinux", &with("c1")], &read).exits(1);
    assert!(said.stderr.contains(DENIED), "{said}");
    let said = host.once(&["--selinux", &with("c2")], &read).ok();
    assert_eq!(said.stdout, "it is read\n");
    // The kernel has one way of writing a range, and takes others.
    let said = host.once(&["--selinux", &with("c3,c2")], &["sh", "-c", WHO]).ok();
    assert_eq!(said.stdout, format!("{}\n", with("c2,c3")));
    host.once(&["--selinux", &with("c7")], &read)
        .refused(125, &["the policy that is loaded knows no such context"]);
    host.nothing_is_left();
}

#[test]
fn a_domain_has_its_context_at_every_start_and_so_has_whoever_enters() {
    need_selinux!();
    let host = host_with_secret();
    let name = host.name("labelled");
    // It starts again once by itself.
    let shell = format!("{{ {WHO}; cat /etc/only; }} >> /labels 2>&1; [ $(wc -l < /labels) -gt 2 ] || exit 0; {STAY}");
    let more = format!("<on_poweroff>restart</on_poweroff>{}", seclabel(CONTEXT));
    host.run(&["define", &host.domain_file(&name, &shell, &more, "")]).ok();
    host.run(&["start", &name]).ok();
    let labels = host.image().join("labels");
    let mut seen = String::new();
    capture::until(capture::DEADLINE, || {
        seen = fs::read_to_string(&labels).unwrap_or_default();
        seen.lines().count() >= 4
    });
    assert_eq!(seen, format!("{CONTEXT}\ncat: can't open {DENIED}\n").repeat(2));
    let first = || host.pid_1(&name).and_then(label_of);
    capture::until(capture::DEADLINE, || first().is_some());
    assert_eq!(first().as_deref(), Some(CONTEXT));

    let enter = |script: &str| host.run(&["enter", &name, "--", "sh", "-c", script]);
    let entered = |said: Outcome| {
        assert_eq!(said.stdout, "", "{said}");
        assert!(said.stderr.contains(DENIED), "{said}");
    };
    assert_eq!(enter(WHO).ok().stdout, format!("{CONTEXT}\n"));
    entered(enter("cat /etc/only").exits(1));
    // Whatever the container lays over its own /proc: it is not asked there.
    enter("mkdir -p /tmp/p/self/attr /tmp/p/thread-self/attr; : > /tmp/p/thread-self/attr/exec; : > /tmp/p/filesystems; mount --bind /tmp/p /proc").ok();
    entered(enter("cat /etc/only").exits(1));
    let without = ["enter", "--noseclabel", &name, "--", "true"];
    host.run(&without).refused(125, &["--noseclabel", CONTEXT]);
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_type_that_the_policy_lets_nobody_become_is_a_refusal() {
    need_selinux!();
    let host = host();
    let other = "system_u:system_r:other_t:s0";
    host.once(&["--selinux", other], &["true"])
        .refused(126, &["execute \"true\" in the SELinux context", other]);
    let name = host.name("other");
    host.run(&["define", &host.domain_file(&name, STAY, &seclabel(other), "")])
        .ok();
    host.run(&["start", &name])
        .refused(1, &[&name, other, "Permission denied"]);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

/// Puts the switch back.
struct Enforcing;

impl Drop for Enforcing {
    fn drop(&mut self) {
        fs::write(ENFORCE, "1").expect("have SELinux enforce again");
    }
}

#[test]
fn what_is_told_of_labels_is_what_the_kernel_says() {
    need_selinux!();
    let host = host();
    let check = || host.run(&["check"]).stdout;
    assert!(check().contains("enabled and enforcing"), "{}", check());
    let name = host.name("told");
    host.run(&["define", &host.domain_file(&name, STAY, &seclabel(CONTEXT), "")])
        .ok();
    host.run(&["start", &name]).ok();
    let info = || host.run(&["dominfo", &name]).ok().stdout;
    assert!(info().contains(&format!("{CONTEXT} (enforcing)")), "{}", info());
    let rows = host.run(&["privileges", &name, "--json"]).ok().json();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() > 2, "{rows:?}");
    for row in rows {
        let pid = i32::try_from(row["pid"].as_i64().unwrap()).unwrap();
        // What has come and gone meanwhile has none.
        if let Some(label) = label_of(pid) {
            assert_eq!(row["label"], label.as_str(), "{row}");
        }
    }
    let ours = |row: &&serde_json::Value| row["label"] == CONTEXT;
    assert!(
        rows.iter().any(|row| ours(&row)) && !rows.iter().all(|row| ours(&row)),
        "{rows:?}"
    );
    let shown = host.run(&["privileges", &name]).ok().stdout;
    assert!(shown.contains("Label") && shown.contains(CONTEXT), "{shown}");
    {
        let _enforcing = Enforcing;
        fs::write(ENFORCE, "0").unwrap();
        assert!(check().contains("SELinux: setenforce 1"), "{}", check());
        assert!(info().contains(&format!("{CONTEXT} (permissive)")), "{}", info());
    }
    host.run(&["shutdown", &name]).ok();
    let ended = capture::until(capture::DEADLINE, || host.listed(&name)["state"] == "shut off");
    assert!(ended, "it does not hear that it is to end: {}", host.listed(&name));
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
