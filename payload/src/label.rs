//! The AppArmor profile of a container's command: the kernel gives it to whatever this process, or a child of its, executes next.
//! May touch: the calling process's own attributes.

use crate::Step;
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;
use wire::ProfileName;
use wire::failure::Failure;

/// Where AppArmor is told, below a procfs. The kernel takes it from the process itself alone (proc(5), `/proc/PID/attr`).
const EXEC: &str = "thread-self/attr/apparmor/exec";

/// Asks for the profile, if there is to be one. `proc` is a procfs in which the caller has a number and over which nothing of the
/// container's can lie. It cannot be taken back, and the command's filter is no matter: it is asked for before, and granted at the exec.
pub fn upon_exec(proc: impl AsFd, profile: Option<&ProfileName>) -> Result<(), Failure> {
    let Some(profile) = profile else {
        return Ok(());
    };
    let what = format!("confine the command by the AppArmor profile {profile}");
    let disabled = || Failure::caller(&format!("{what}: AppArmor is not enabled on this host"));
    let file = match rustix::fs::openat(proc, EXEC, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        // A kernel that was built without it.
        Err(rustix::io::Errno::NOENT) => return Err(disabled()),
        other => other.to(&what)?,
    };
    let order = format!("exec {profile}");
    match nix::unistd::write(&file, order.as_bytes()) {
        Ok(written) if written == order.len() => Ok(()),
        Ok(_) => Err(Errno::EIO).to(&what),
        // A kernel in which it is off.
        Err(Errno::EINVAL) => Err(disabled()),
        Err(Errno::ENOENT) => Err(Failure::caller(&format!("{what}: no profile of that name is loaded"))),
        other => other.to(&what).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(profile: Option<&ProfileName>) -> Result<(), String> {
        let proc = std::fs::File::open("/proc").unwrap();
        upon_exec(&proc, profile).map_err(|f| f.what.as_str().to_owned())
    }

    #[test]
    fn a_profile_that_cannot_be_had_is_refused_with_the_reason_and_none_is_none() {
        let missing = ProfileName::new("lazaret-that-nobody-loads").unwrap();
        let refusal = asked(Some(&missing)).unwrap_err();
        let enabled = std::fs::read("/proc/self/attr/apparmor/current").is_ok();
        let why = if enabled {
            "no profile of that name is loaded"
        } else {
            "not enabled on this host"
        };
        assert!(refusal.contains(missing.as_str()) && refusal.contains(why), "{refusal}");
        assert_eq!(asked(None), Ok(()));
    }
}
