//! What the kernel says about a process: `/proc/PID/status` and its namespaces. Reads /proc, changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// The lines of `/proc/PID/status` that tell what a process holds (proc_pid_status(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Command name.
    pub name: String,
    /// Real, effective, saved and file-system uid.
    pub uid: [u32; 4],
    /// Real, effective, saved and file-system gid.
    pub gid: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Inheritable, permitted, effective, bounding and ambient capabilities, by bit.
    pub capabilities: [u64; 5],
    /// Whether no-new-privileges is set.
    pub no_new_privileges: bool,
    /// 0 none, 1 strict, 2 filter.
    pub seccomp: u8,
    /// Whether the process is in the initial user namespace, as far as its own link tells.
    pub initial_user_namespace: bool,
}

/// Positions in [`Holding::capabilities`].
pub const INHERITABLE: usize = 0;
/// Permitted.
pub const PERMITTED: usize = 1;
/// Effective.
pub const EFFECTIVE: usize = 2;
/// Bounding.
pub const BOUNDING: usize = 3;
/// Ambient.
pub const AMBIENT: usize = 4;

fn four(value: &str) -> [u32; 4] {
    let ids: Vec<u32> = value.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    ids.try_into().unwrap_or([u32::MAX; 4])
}

/// Reads what a process holds; `None` if it is gone.
pub fn holding(pid: i32) -> Option<Holding> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let user = namespace(pid, "user")?;
    // The tests run in the initial user namespace. PID 1 itself may hold more than root does here, and then hides its links.
    let own = fs::read_link("/proc/self/ns/user").ok()?;
    parse(&text, Path::new(&user) == own)
}

fn parse(text: &str, initial_user_namespace: bool) -> Option<Holding> {
    let field = |name: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let set = |name: &str| field(name).and_then(|v| u64::from_str_radix(v, 16).ok());
    Some(Holding {
        name: field("Name")?.to_owned(),
        uid: four(field("Uid")?),
        gid: four(field("Gid")?),
        groups: field("Groups")?
            .split_whitespace()
            .filter_map(|w| w.parse().ok())
            .collect(),
        capabilities: [
            set("CapInh")?,
            set("CapPrm")?,
            set("CapEff")?,
            set("CapBnd")?,
            set("CapAmb")?,
        ],
        no_new_privileges: field("NoNewPrivs")? == "1",
        seccomp: field("Seccomp")?.parse().ok()?,
        initial_user_namespace,
    })
}

/// The namespace of a process, as the kernel names it: `user:[4026531837]`.
pub fn namespace(pid: i32, kind: &str) -> Option<String> {
    Some(
        fs::read_link(format!("/proc/{pid}/ns/{kind}"))
            .ok()?
            .to_string_lossy()
            .into_owned(),
    )
}

/// The file that a process executes.
pub fn executable(pid: i32) -> Option<PathBuf> {
    let link = format!("/proc/{pid}/exe");
    let shown = fs::read_link(&link).ok()?;
    let ours = fs::metadata(&link)
        .ok()
        .and_then(|file| crate::programs::same_file(&file));
    Some(ours.unwrap_or(shown))
}

/// Whether a process has ended: it is gone, or nobody has waited for it yet. Its descriptors are closed by then, and not before.
pub fn over(pid: i32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    threads.flatten().all(|thread| {
        let text = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        !text
            .lines()
            .any(|l| l.starts_with("State:") && !l.contains("Z (") && !l.contains("X ("))
    })
}

/// When a process began, in clock ticks since the machine did (proc_pid_stat(5), field 22).
pub fn began(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    after
        .split_whitespace()
        .nth(19)
        .and_then(|w| w.parse().ok())
        .unwrap_or(0)
}

/// Every process that there is.
pub fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("read /proc");
    entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|l| l.strip_prefix("PPid:")?.trim().parse().ok())
}

/// The processes below one, with state and waiting place: for the message of a test that hangs.
pub fn tree_of(pid: u32) -> String {
    let pid = i32::try_from(pid).unwrap_or(0);
    let below = |mut p: i32| loop {
        if p == pid {
            return true;
        }
        match parent(p) {
            Some(up) if up > 1 => p = up,
            _ => return false,
        }
    };
    let mut lines = Vec::new();
    for p in all()
        .into_iter()
        .filter(|p| below(*p) || executable(*p).is_some_and(|e| crate::programs::of_file(&e).is_some()))
    {
        let read = |what: &str| fs::read_to_string(format!("/proc/{p}/{what}")).unwrap_or_default();
        let state = read("status")
            .lines()
            .find_map(|l| l.strip_prefix("State:").map(str::to_owned))
            .unwrap_or_default();
        let call = read("syscall").split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        lines.push(format!(
            "  {p} {} {} in {} {call}",
            read("comm").trim(),
            state.trim(),
            read("wchan")
        ));
    }
    lines.join("\n")
}

/// Kills these, none of which can do anything once the first is dead.
pub fn kill_together(pids: &[i32]) {
    use nix::sys::signal::{Signal, kill};
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in pids {
            let _ = kill(nix::unistd::Pid::from_raw(*pid), signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_over_once_it_has_ended_and_not_before() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(!over(pid));
        drop(child.stdin.take());
        assert!(crate::capture::until(crate::capture::DEADLINE, || over(pid)));
        child.wait().unwrap();
        assert!(over(pid));
    }

    #[test]
    fn reads_what_a_process_holds() {
        let text = "Name:\tx y\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nCapInh:\t0\nCapPrm:\t01\nCapEff:\t02\nCapBnd:\t000001fffeffffff\nCapAmb:\t04\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        let held = parse(text, true).unwrap();
        assert_eq!(
            (held.name.as_str(), held.uid, held.gid),
            ("x y", [1, 2, 3, 4], [5, 6, 7, 8])
        );
        assert_eq!(
            (held.groups, held.capabilities[AMBIENT], held.seccomp),
            (vec![9, 10], 4, 2)
        );
        assert!(held.no_new_privileges && parse("Name:\tx\n", true).is_none());
    }
}
