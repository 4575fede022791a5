//! What the kernel tells of processes, read from `/proc/PID` (proc_pid_status(5)). May touch: `/proc`, to read.

use crate::policy::Difference;
use serde::Serialize;

/// What one living process holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number on the host.
    pub pid: u32,
    /// Its parent's number on the host.
    pub parent: u32,
    /// Its program's name.
    pub program: String,
    /// Its effective uid.
    pub uid: u32,
    /// Its effective gid.
    pub gid: u32,
    /// In whose user namespace its capabilities count: `host`, which is an ordinary user's own where this process is in that; `container`; or `-`
    /// where the kernel does not tell.
    pub in_namespace_of: &'static str,
    /// Inheritable, permitted, effective, bounding and ambient set, by bit.
    pub capabilities: Sets,
    /// The seccomp mode: 0 none, 2 filtered.
    pub seccomp: u32,
    /// Whether no-new-privileges is set.
    pub no_new_privileges: bool,
    /// Its label, as the security module in charge of these writes it; `-` where there is none.
    pub label: String,
    /// Its namespaces, `-` where the kernel does not tell.
    pub namespaces: Vec<(String, String)>,
    /// Of PID 1: how the container differs from its profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// Five capability sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sets {
    /// Inheritable.
    pub inheritable: u64,
    /// Permitted.
    pub permitted: u64,
    /// Effective.
    pub effective: u64,
    /// Bounding.
    pub bounding: u64,
    /// Ambient.
    pub ambient: u64,
}

/// The namespaces that are shown.
pub const NAMESPACES: [&str; 8] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"];

/// Reads a status file; `None` if it lacks what every kernel since 4.10 tells, or is that of a process that has ended.
pub fn parse(pid: u32, status: &str) -> Option<Process> {
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    if field("State:")?.starts_with(['Z', 'X']) {
        return None;
    }
    let set = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
    Some(Process {
        pid,
        parent: field("PPid:")?.parse().ok()?,
        in_namespace_of: "-",
        program: field("Name:")?.to_owned(),
        uid: field("Uid:")?.split_whitespace().nth(1)?.parse().ok()?,
        gid: field("Gid:")?.split_whitespace().nth(1)?.parse().ok()?,
        capabilities: Sets {
            inheritable: set("CapInh:")?,
            permitted: set("CapPrm:")?,
            effective: set("CapEff:")?,
            bounding: set("CapBnd:")?,
            ambient: set("CapAmb:")?,
        },
        seccomp: field("Seccomp:")?.parse().ok()?,
        no_new_privileges: field("NoNewPrivs:")? == "1",
        label: "-".to_owned(),
        namespaces: Vec::new(),
        difference: None,
    })
}

/// Reads one process; `None` if it is gone.
pub fn read(pid: u32) -> Option<Process> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut process = parse(pid, &status)?;
    let map = |whose: &str| std::fs::read_to_string(format!("/proc/{whose}/uid_map"));
    process.in_namespace_of = match (map(&pid.to_string()), map("self")) {
        // This process is in the host's. To whoever is in one, its map is told as its parent sees it, and a container's never is that
        // (user_namespaces(7)).
        (Ok(its), Ok(own)) if its == own => "host",
        (Ok(_), Ok(_)) => "container",
        _ => "-",
    };
    process.label = label(pid).unwrap_or_else(|| "-".to_owned());
    let link = |kind: &str| {
        let target = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
        let text = target.map(|t| t.to_string_lossy().into_owned());
        text.and_then(|t| Some(t.split_once('[')?.1.trim_end_matches(']').to_owned()))
            .unwrap_or_else(|| "-".into())
    };
    process.namespaces = NAMESPACES.iter().map(|kind| ((*kind).to_owned(), link(kind))).collect();
    Some(process)
}

/// The AppArmor profile or SELinux context of a process; a kernel without either has neither file, or gives an error.
fn label(pid: u32) -> Option<String> {
    let files = ["attr/apparmor/current", "attr/current"];
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let text = files.into_iter().find_map(read)?;
    let text = text.trim_end_matches(['\0', '\n']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// The numbers of all living processes.
pub fn all() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut pids: Vec<u32> = entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// Whether a process has a signal caught or blocked, either of which means that it waits for it.
pub fn awaits(status: &str, signal: u32) -> bool {
    let set = |name: &str| {
        let text = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("0");
        u64::from_str_radix(text.trim(), 16).unwrap_or(0)
    };
    let bit = signal.checked_sub(1).and_then(|n| 1u64.checked_shl(n)).unwrap_or(0);
    (set("SigCgt:") | set("SigBlk:")) & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tnetd\nState:\tS (sleeping)\nPPid:\t3\nUid:\t5\t6\t7\t8\nGid:\t1\t2\t3\t4\nSigBlk:\t0000000000000000\nSigCgt:\t0000001000000001\nCapInh:\t1\nCapPrm:\t2\n\
        CapEff:\t4\nCapBnd:\t8\nCapAmb:\t10\nNoNewPrivs:\t1\nSeccomp:\t2\n";

    #[test]
    fn a_status_is_read_whole_or_not_at_all() {
        let p = parse(9, STATUS).unwrap();
        assert_eq!((p.pid, p.uid, p.gid), (9, 6, 2));
        assert_eq!((p.seccomp, p.no_new_privileges), (2, true));
        assert_eq!((p.capabilities.effective, p.capabilities.ambient), (4, 16));
        assert_eq!(parse(9, "Name:\tx\n"), None);
        assert_eq!(parse(9, &STATUS.replace("S (sleeping)", "Z (zombie)")), None);
    }

    #[test]
    fn a_caught_signal_is_awaited() {
        assert!(awaits(STATUS, 1) && awaits(STATUS, 37) && !awaits(STATUS, 15));
    }

    #[test]
    fn reads_itself() {
        let me = read(std::process::id()).unwrap();
        assert_eq!((me.namespaces.len(), me.in_namespace_of), (NAMESPACES.len(), "host"));
        assert!(all().contains(&me.pid));
    }
}
