//! One command's session with authority: the launcher, the state store, and what the planner must know of the host.
//! May touch: the launcher's channel, `/proc`, `/etc/resolv.conf`.

use crate::error::{Error, Outcome};
use crate::launcher::Launcher;
use crate::options::Options;
use crate::plan::Host;
use crate::plan::run::{absolute, working_directory};
use crate::state::Store;
use crate::timing::Clock;
use crate::user;
use policies::{Confined, ViewOfLazaret};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use wire::ContainerName;
use wire::ids::IdRange;
use wire::init::Profile;
use wire::launcher::Directory;

/// Where the three directories are, unless an option or a variable says otherwise: root's, or the user's on whose host this is.
fn usual() -> Result<[(Directory, String); 3], String> {
    match user::here() {
        None => {
            let all = [Directory::Run, Directory::Definitions, Directory::Data];
            Ok(all.map(|which| (which, which.usual().to_owned())))
        }
        Some(user) => Ok(user::places(user.uid).map_err(|o| o.told())?.1.directories),
    }
}

/// The session.
#[derive(Debug)]
pub struct Session {
    /// The launcher.
    pub launcher: Launcher,
    /// The state store.
    pub store: Store,
    /// The directory that relative paths of the command line begin from, if it can be told.
    pub directory: Option<String>,
    /// What has been done, and when.
    pub clock: Clock,
    /// Descriptors of the caller's that a container is to have (`--pass-fds`).
    pub passed: Vec<OwnedFd>,
    /// Whether this host has a hook script.
    pub hooks: bool,
    /// Who lived when this command last looked, and their ids, where their locks told.
    pub living: RefCell<BTreeMap<ContainerName, Vec<IdRange>>>,
    resolv: Vec<String>,
}

impl Session {
    /// Has the launcher open the directories, and then sees nothing of the file system but those, `/proc`, control groups and `/etc`.
    pub fn open(
        _: &Confined,
        launcher: Launcher,
        options: &Options,
        clock: Clock,
        passed: Vec<OwnedFd>,
        hooks: bool,
    ) -> Outcome<Self> {
        let directory = working_directory();
        let usual = usual().map_err(Error::Caller)?;
        let asked = [&options.run_dir, &options.config_dir, &options.data_dir];
        let mut paths: [String; 3] = Default::default();
        for ((path, asked), (which, usual)) in paths.iter_mut().zip(asked).zip(usual) {
            let named = || std::env::var(which.variable()).ok().filter(|v| !v.is_empty());
            let chosen = asked.clone().or_else(named);
            *path = absolute(&chosen.unwrap_or(usual), directory.as_deref())?;
        }
        let meanwhile = || {
            // The host's resolv.conf may be a link to a place that is out of sight afterwards.
            let resolv = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"].iter();
            let resolv = resolv.filter_map(|p| std::fs::read_to_string(p).ok()).collect();
            (resolv, ViewOfLazaret::new())
        };
        let ([run, definitions, data], (resolv, view)) = launcher.directories(&paths, meanwhile)?;
        let store = Store::new(run, definitions, data);
        let view = view.and_then(|view| view.restrict(&store.directories()));
        view.map_err(Error::Caller)?;
        clock.done("opens its directories, and sees no others");
        Ok(Self {
            launcher,
            store,
            directory,
            clock,
            passed,
            hooks,
            living: RefCell::default(),
            resolv,
        })
    }

    /// What the planner must know of the host.
    pub fn host(&self) -> Outcome<Host> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let (policy, hierarchies) = self.launcher.host()?;
        Ok(Host {
            policy,
            hierarchies,
            user: user::here().is_some(),
            covered_proc: covered_proc(&mounts),
            forwards: forwards(),
            resolv: self.resolv.clone(),
            capabilities: [Profile::App, Profile::System].map(|p| policies::payload(p).capabilities),
            block_device,
            usb: crate::figures::usb::find,
            found: Vec::new(),
        })
    }
}

/// Whether the host forwards what is not for itself, of all families that it has.
pub fn forwards() -> bool {
    let on = |path: &str| std::fs::read_to_string(path).is_ok_and(|t| t.trim() != "0");
    let v6 = "/proc/sys/net/ipv6/conf/all/forwarding";
    on("/proc/sys/net/ipv4/ip_forward") && (on(v6) || !std::path::Path::new(v6).exists())
}

/// The number of a block device, whose node nobody opens for it.
fn block_device(path: &str) -> Option<(u32, u32)> {
    let stat = rustix::fs::stat(path).ok()?;
    let device = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::BlockDevice;
    device.then(|| (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)))
}

/// Whether a mountinfo (proc_pid_mountinfo(5)) shows that a part of `/proc` is covered. The kernel then gives no new procfs to a user
/// namespace; what lies on its own empty directories, as `binfmt_misc` does, it does not mind.
pub fn covered_proc(mountinfo: &str) -> bool {
    let point = |line: &str| line.split(' ').nth(4).map(str::to_owned);
    mountinfo.lines().filter_map(point).any(|p| {
        p.strip_prefix("/proc/")
            .is_some_and(|below| !matches!(below, "sys/fs/binfmt_misc" | "fs/nfsd" | "openprom"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covered_part_of_proc_is_seen() {
        let line = |p: &str| format!("24 1 0:22 / {p} rw,nosuid - proc proc rw\n");
        assert!(!covered_proc(
            &(line("/proc") + &line("/proc/sys/fs/binfmt_misc") + &line("/procfs"))
        ));
        assert!(covered_proc(&(line("/proc") + &line("/proc/meminfo"))));
    }
}
