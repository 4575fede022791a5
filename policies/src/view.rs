//! The Landlock ruleset of each view. May touch: the calling process, and, for the views that name them, /proc, /sys/fs/cgroup,
//! /sys/fs/selinux/enforce, /sys/bus/usb, /sys/devices, /etc and terminals.

use crate::confine::Refusal;
use crate::policy::{Policy, View};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Restricts the calling process for good. A kernel without Landlock restricts nothing, which `lazaret check` says; one that
/// has it and does not take a rule makes this fail.
pub(crate) fn restrict(policy: &Policy, beneath: &[impl AsFd]) -> Result<(), Refusal> {
    let Some(abi) = abi()? else { return Ok(()) };
    let ruleset = create(policy, abi).map_err(said)?;
    enforce(match policy.view {
        // `lazaret` puts its own in force, by [`ViewOfLazaret`].
        View::None | View::Exempt | View::Lazaret => ruleset,
        View::BeneathInherited => allow_beneath(ruleset, abi, beneath)?,
        View::WriteProc => allow_path(ruleset, "/proc", AccessFs::WriteFile.into())?,
    })
}

/// What the kernel has of Landlock; `None` if that is nothing.
fn abi() -> Result<Option<ABI>, Refusal> {
    let version = sys::confine::landlock_abi().map_err(|e| format!("landlock: {e}"));
    version.map(|some| some.map(|version| ABI::from(i32::try_from(version).unwrap_or(i32::MAX))))
}

fn enforce(ruleset: RulesetCreated) -> Result<(), Refusal> {
    // no-new-privileges is set already, by confine.rs.
    match ruleset.no_new_privs(false).restrict_self().map_err(said)?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        _ => Err("landlock: the kernel enforces only part of the view".into()),
    }
}

fn said(e: RulesetError) -> Refusal {
    format!("landlock: {e}")
}

/// A ruleset that denies everything the policy wants denied, and of that all the kernel knows.
fn create(policy: &Policy, abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if policy.no_tcp && abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?;
    }
    let wanted = [
        (policy.scope_signal, Scope::Signal),
        (policy.scope_abstract, Scope::AbstractUnixSocket),
    ];
    for (_, scope) in wanted.into_iter().filter(|(wanted, _)| *wanted && abi >= ABI::V6) {
        ruleset = ruleset.scope(scope)?;
    }
    ruleset.create()
}

fn allow_beneath(mut ruleset: RulesetCreated, abi: ABI, directories: &[impl AsFd]) -> Result<RulesetCreated, Refusal> {
    for directory in directories {
        ruleset = allow(ruleset, directory.as_fd(), AccessFs::from_all(abi))?;
    }
    Ok(ruleset)
}

/// What `lazaret` sees beside its own directories.
fn allow_lazaret(mut ruleset: RulesetCreated, abi: ABI) -> Result<RulesetCreated, Refusal> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    for path in ["/proc", "/sys/fs/cgroup", "/etc", "/sys/bus/usb", "/sys/devices"] {
        ruleset = allow_path(ruleset, path, read)?;
    }
    ruleset = allow_path(ruleset, "/sys/fs/selinux/enforce", AccessFs::ReadFile.into())?;
    let mut terminal = AccessFs::ReadFile | AccessFs::WriteFile;
    if abi >= ABI::V5 {
        terminal |= AccessFs::IoctlDev;
    }
    for path in ["/dev/tty", "/dev/null", "/dev/pts"] {
        let rights = if path == "/dev/pts" {
            terminal | AccessFs::ReadDir
        } else {
            terminal
        };
        ruleset = allow_path(ruleset, path, rights)?;
    }
    Ok(ruleset)
}

fn allow(ruleset: RulesetCreated, file: impl AsFd, rights: BitFlags<AccessFs>) -> Result<RulesetCreated, Refusal> {
    ruleset.add_rule(PathBeneath::new(file, rights)).map_err(said)
}

/// A path that is not there needs no rule: nothing can be opened below it.
fn allow_path(ruleset: RulesetCreated, path: &str, rights: BitFlags<AccessFs>) -> Result<RulesetCreated, Refusal> {
    const O_PATH: i32 = nix::fcntl::OFlag::O_PATH.bits();
    match OpenOptions::new().read(true).custom_flags(O_PATH).open(path) {
        Ok(file) => allow(ruleset, file, rights),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(ruleset),
        Err(e) => Err(format!("open {path}: {e}")),
    }
}

/// The view of `lazaret`, not in force yet: what it sees beside its own directories, which the launcher may still be opening.
#[must_use = "it restricts nobody before it is in force"]
pub struct ViewOfLazaret(Option<(RulesetCreated, ABI)>);

impl std::fmt::Debug for ViewOfLazaret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let abi = self.0.as_ref().map(|(_, abi)| abi);
        f.debug_tuple("ViewOfLazaret").field(&abi).finish()
    }
}

impl ViewOfLazaret {
    /// Makes it: /proc, /sys/fs/cgroup, /etc, which USB devices there are (/sys/bus/usb, /sys/devices), whether SELinux enforces, and terminals.
    pub fn new() -> Result<Self, String> {
        let Some(abi) = abi()? else {
            return Ok(Self(None));
        };
        let ruleset = create(crate::of(wire::Program::Lazaret), abi).map_err(said)?;
        Ok(Self(Some((allow_lazaret(ruleset, abi)?, abi))))
    }

    /// Restricts `lazaret` to it for good, and to what is beneath `directories`, where it does as it likes. The rest of its confinement is
    /// [`crate::confine_lazaret`].
    pub fn restrict(self, directories: &[BorrowedFd<'_>]) -> Result<(), String> {
        self.0.map_or(Ok(()), |(ruleset, abi)| {
            enforce(allow_beneath(ruleset, abi, directories)?)
        })
    }
}

/// Makes the view of `lazaret` and puts it in force at once.
pub fn restrict_lazaret(directories: &[BorrowedFd<'_>]) -> Result<(), String> {
    ViewOfLazaret::new()?.restrict(directories)
}
