//! The AppArmor profile or the SELinux context of a container's command: the kernel gives it to whatever this process, or a child of its,
//! executes next. May touch: the calling process's own attributes.

use crate::Step;
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use wire::failure::Failure;
use wire::init::Command;
use wire::{Context, ProfileName};

/// Where AppArmor is told, below a procfs. The kernel takes it from the process itself alone (proc(5), `/proc/PID/attr`).
const APPARMOR: &str = "thread-self/attr/apparmor/exec";
/// Where SELinux is told, which has the names that were there before there was a second such module.
const SELINUX: &str = "thread-self/attr/exec";
/// The line that tells, in the list of the kernel's file systems, that SELinux has been enabled since boot.
const ENABLED: &str = "nodev\tselinuxfs";

/// Asks for what the command is to have. `proc` is a procfs in which the caller has a number and over which nothing of the
/// container's can lie. It cannot be taken back, and the command's filter is no matter: it is asked for before, and granted at the exec.
pub fn upon_exec(proc: impl AsFd, command: &Command) -> Result<(), Failure> {
    let proc = proc.as_fd();
    command.apparmor.as_ref().map_or(Ok(()), |p| apparmor(proc, p))?;
    command.selinux.as_ref().map_or(Ok(()), |c| selinux(proc, c))
}

fn apparmor(proc: impl AsFd, profile: &ProfileName) -> Result<(), Failure> {
    let what = format!("confine the command by the AppArmor profile {profile}");
    let disabled = || Failure::caller(&format!("{what}: AppArmor is not enabled on this host"));
    let file = match open(proc, APPARMOR, OFlags::WRONLY) {
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

fn selinux(proc: impl AsFd, context: &Context) -> Result<(), Failure> {
    let what = format!("give the command the SELinux context {context}");
    let refused = |why: &str| Err(Failure::caller(&format!("{what}: {why}")));
    let mut systems = String::new();
    let mut list = File::from(open(proc.as_fd(), "filesystems", OFlags::RDONLY).to(&what)?);
    list.read_to_string(&mut systems)
        .map_err(|_| Failure::bug("read the list of file systems"))?;
    if systems.lines().all(|line| line != ENABLED) {
        return refused("SELinux is not enabled on this host");
    }
    let file = open(proc, SELINUX, OFlags::RDWR).to(&what)?;
    let text = context.as_str().as_bytes();
    match nix::unistd::write(&file, text) {
        Ok(written) if written == text.len() => {}
        Ok(_) => return Err(Errno::EIO).to(&what),
        Err(Errno::EINVAL) => return refused("the policy that is loaded knows no such context"),
        other => other.to(&what).map(drop)?,
    }
    // Without a policy the kernel takes any context, and gives its own.
    let mut taken = [0; wire::label::MOST_OF_CONTEXT];
    let length = rustix::io::pread(&file, &mut taken, 0).to(&what)?;
    let taken = String::from_utf8_lossy(taken.get(..length).unwrap_or_default()).into_owned();
    if context.is(taken.trim_end_matches(['\0', '\n'])) {
        return Ok(());
    }
    refused("no policy is loaded that knows it")
}

fn open(proc: impl AsFd, path: &str, access: OFlags) -> Result<OwnedFd, rustix::io::Errno> {
    rustix::fs::openat(proc, path, access | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(asked: Result<(), Failure>) -> String {
        asked.unwrap_err().what.as_str().to_owned()
    }

    #[test]
    fn a_profile_that_cannot_be_had_is_refused_with_the_reason() {
        let missing = ProfileName::new("lazaret-that-nobody-loads").unwrap();
        let refusal = why(apparmor(File::open("/proc").unwrap(), &missing));
        let enabled = std::fs::read("/proc/self/attr/apparmor/current").is_ok();
        let why = if enabled {
            "no profile of that name is loaded"
        } else {
            "not enabled on this host"
        };
        assert!(refusal.contains(missing.as_str()) && refusal.contains(why), "{refusal}");
    }

    #[test]
    fn a_context_that_cannot_be_had_is_refused_with_the_reason() {
        let missing = Context::new("nobody_u:nobody_r:that_no_policy_has_t:s0").unwrap();
        let refusal = why(selinux(File::open("/proc").unwrap(), &missing));
        let systems = std::fs::read_to_string("/proc/filesystems").unwrap();
        let why = if systems.contains("selinuxfs") {
            "knows"
        } else {
            "SELinux is not enabled on this host"
        };
        assert!(refusal.contains(missing.as_str()) && refusal.contains(why), "{refusal}");
    }
}
