//! Which labels a container can be given here: AppArmor profiles, SELinux contexts. May touch: `/proc` and SELinux's own file system, to read.

use super::{Finding, Verdict, finding, number, text};
use std::fs::ReadDir;

/// The profile that is installed with these programs, and its place.
const PROFILE: &str = "lazaret-container";
const PROFILE_FILE: &str = "/etc/apparmor.d/lazaret-container";
/// Where each loaded profile has a directory of its name and a number (the kernel's AppArmor file system).
pub const PROFILES: &str = "/sys/kernel/security/apparmor/policy/profiles";
/// The line that tells, in the list of the kernel's file systems, that SELinux has been enabled since boot.
const SELINUX: &str = "nodev\tselinuxfs";

/// What is found of both. A kernel enables one of them, and what is missing is then not missed.
pub fn findings(profiles: Option<ReadDir>) -> [Finding; 2] {
    let apparmor = std::fs::read("/proc/self/attr/apparmor/current").is_ok();
    let selinux = text("/proc/filesystems").lines().any(|line| line == SELINUX);
    match (apparmor, selinux) {
        (true, false) => [by_profiles(profiles), instead("SELinux", "AppArmor")],
        (false, true) => [instead("AppArmor", "SELinux"), by_contexts(selinux_enforces())],
        (true, true) => [by_profiles(profiles), by_contexts(selinux_enforces())],
        (false, false) => [
            off(
                "AppArmor",
                "profile",
                "add apparmor to lsm= on the kernel's command line, and reboot",
            ),
            off(
                "SELinux",
                "context",
                "add selinux to lsm= on the kernel's command line, install a policy, and reboot",
            ),
        ],
    }
}

/// Whether SELinux denies what its policy does not allow; `None` where it is not enabled, or its file system is not mounted.
pub fn selinux_enforces() -> Option<bool> {
    number("/sys/fs/selinux/enforce").map(|enforce| enforce == 1)
}

fn off(what: &'static str, label: &str, mend: &str) -> Finding {
    let found = format!("not enabled: no container can be given a {label} of it");
    finding(what, false, Verdict::Warning, found, mend)
}

fn instead(what: &'static str, other: &str) -> Finding {
    finding(what, true, Verdict::Ok, format!("not enabled: {other} is"), "")
}

fn by_profiles(profiles: Option<ReadDir>) -> Finding {
    let what = "AppArmor";
    let Some(profiles) = profiles else {
        let found = "enabled; which profiles are loaded cannot be seen".to_owned();
        let mend = "mount -t securityfs securityfs /sys/kernel/security";
        return finding(what, false, Verdict::Warning, found, mend);
    };
    let names = profiles.flatten().map(|p| p.file_name().to_string_lossy().into_owned());
    let loaded = loaded(names, PROFILE);
    let found = format!("enabled; {PROFILE} is {}loaded", if loaded { "" } else { "not " });
    let mend = format!("apparmor_parser -r {PROFILE_FILE}");
    finding(what, loaded, Verdict::Warning, found, &mend)
}

/// Whether one of the directories is this profile's: its name, a dot, and a number.
fn loaded(mut directories: impl Iterator<Item = String>, profile: &str) -> bool {
    directories.any(|d| d.rsplit_once('.').is_some_and(|(name, _)| name == profile))
}

fn by_contexts(enforces: Option<bool>) -> Finding {
    let (found, mend) = match enforces {
        Some(true) => ("enabled and enforcing", ""),
        Some(false) => ("enabled and permissive: a context denies nothing", "setenforce 1"),
        None => (
            "enabled; whether it enforces cannot be seen",
            "mount -t selinuxfs selinuxfs /sys/fs/selinux",
        ),
    };
    finding("SELinux", mend.is_empty(), Verdict::Warning, found.to_owned(), mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_loaded_if_one_of_just_that_name_is() {
        let there = |names: &[&str]| loaded(names.iter().map(|n| (*n).to_owned()), PROFILE);
        assert!(there(&["a.1", "lazaret-container.12"]));
        assert!(!there(&[
            "lazaret-container",
            "lazaret-container.x.3",
            "lazaret-containers.4"
        ]));
    }

    #[test]
    fn only_what_enforces_is_good() {
        let verdicts = [Some(true), Some(false), None].map(|e| by_contexts(e).verdict);
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Warning, Verdict::Warning]);
    }
}
