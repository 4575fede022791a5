//! The compiled policies, looked up by enum. Pure.

use rustix::thread::CapabilitySet;
use sys::seccomp::Instruction;
use wire::Program;
use wire::init::Profile;

/// Which files a program can reach by path, and by Landlock no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// None.
    None,
    /// What lies beneath the directories that it inherited.
    BeneathInherited,
    /// It may write existing files below /proc.
    WriteProc,
    /// See [`crate::restrict_lazaret`].
    Lazaret,
    /// It is not restricted, for what it starts would be too.
    Exempt,
}

/// A policy file, compiled.
#[derive(Debug)]
pub struct Policy {
    /// The program's name, or the profile's.
    pub name: &'static str,
    /// The uid it runs as, in words.
    pub uid: &'static str,
    /// Its capabilities, by bit (capabilities(7)).
    pub power: &'static [u8],
    /// Its capabilities on a host that has no unified cgroup hierarchy.
    pub power_otherwise: &'static [u8],
    /// What descriptors it is started with, in words.
    pub descriptors: &'static str,
    /// The programs that it exchanges frames with.
    pub peers: &'static [&'static str],
    /// Files it can reach.
    pub view: View,
    /// Whether it may signal only processes that it started.
    pub scope_signal: bool,
    /// Whether it may connect only to abstract sockets of its own.
    pub scope_abstract: bool,
    /// Whether TCP is denied.
    pub no_tcp: bool,
    /// Whether it does not confine itself by filter and view.
    pub exempt: bool,
    /// Whether no-new-privileges is set.
    pub no_new_privileges: bool,
    /// File mode bits that what it makes never has.
    pub umask: u32,
    /// Bytes of memory that it takes before it is confined; after that it gets no more. Nothing where it does not confine itself.
    pub memory: usize,
    /// Names of the calls that its allow-list names.
    pub calls: &'static [&'static str],
    /// Filters in the order in which they are to be installed.
    pub filters: &'static [&'static [Instruction]],
}

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// The policy of a program.
pub const fn of(program: Program) -> &'static Policy {
    match program {
        Program::Lazaret => &LAZARET,
        Program::Launcher => &LAUNCHER,
        Program::Supervisor => &SUPERVISOR,
        Program::Mountd => &MOUNTD,
        Program::Netd => &NETD,
        Program::Idmapd => &IDMAPD,
        Program::Cgroupd => &CGROUPD,
        Program::Devd => &DEVD,
        Program::Fused => &FUSED,
        Program::Init => &INIT,
        Program::Nsenter => &NSENTER,
        Program::Recordd => &RECORDD,
        Program::Loopd => &LOOPD,
    }
}

/// The capabilities that a program is handed, by bit: `usual`, or in the one case that its policy file names. That is consent to map host id 0 for `idmapd` and the launcher.
pub const fn power(program: Program, usual: bool) -> &'static [u8] {
    if usual {
        of(program).power
    } else {
        of(program).power_otherwise
    }
}

/// The stricter filter of a program that is past its start, compiled.
#[derive(Debug)]
pub struct Stricter {
    /// The program's name and the state's.
    pub name: &'static str,
    /// Names of the calls that its allow-list names.
    pub calls: &'static [&'static str],
    /// Filters in the order in which they are to be installed.
    pub filters: &'static [&'static [Instruction]],
}

/// What a program has come to, and then only needs the calls of its policy file of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `fused` has been asked for something.
    FusedServing,
    /// `supervisor` keeps a container.
    SupervisorKeeping,
    /// `init`'s outer half waits for the end of a container that does not start again.
    InitKeeping,
    /// `init` is the first process of a container that runs one command.
    InitReaping,
    /// `nsenter`'s outer half waits for the end of the command.
    NsenterWaiting,
    /// The launcher, started by the broker's socket, serves one request of an ordinary user's.
    LauncherBrokering,
    /// A child of the launcher's waits for the end of an ordinary user's container that `pasta` leads out.
    LauncherWatching,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::FusedServing,
        Self::SupervisorKeeping,
        Self::InitKeeping,
        Self::InitReaping,
        Self::NsenterWaiting,
        Self::LauncherBrokering,
        Self::LauncherWatching,
    ];

    /// Whose state it is.
    pub const fn program(self) -> Program {
        match self {
            Self::FusedServing => Program::Fused,
            Self::SupervisorKeeping => Program::Supervisor,
            Self::InitKeeping | Self::InitReaping => Program::Init,
            Self::NsenterWaiting => Program::Nsenter,
            Self::LauncherBrokering | Self::LauncherWatching => Program::Launcher,
        }
    }
}

/// The filter of a state.
pub const fn stricter(state: State) -> &'static Stricter {
    match state {
        State::FusedServing => &FUSED_SERVING,
        State::SupervisorKeeping => &SUPERVISOR_KEEPING,
        State::InitKeeping => &INIT_KEEPING,
        State::InitReaping => &INIT_REAPING,
        State::NsenterWaiting => &NSENTER_WAITING,
        State::LauncherBrokering => &LAUNCHER_BROKERING,
        State::LauncherWatching => &LAUNCHER_WATCHING,
    }
}

/// What a payload is confined by, and what it keeps at most.
#[derive(Debug, Clone, Copy)]
pub struct Payload {
    /// Filters in the order in which they are to be installed, by [`sys::seccomp::install`].
    pub filters: &'static [&'static [Instruction]],
    /// Its default capabilities, one bit each (capabilities(7)).
    pub capabilities: u64,
    /// Whether no-new-privileges is set by default. Without it, installing the filters takes SYS_ADMIN over the user namespace.
    pub no_new_privileges: bool,
}

/// The policy of a profile.
pub fn payload(profile: Profile) -> Payload {
    let policy = match profile {
        Profile::App => &APP,
        Profile::System => &SYSTEM,
    };
    Payload {
        filters: policy.filters,
        capabilities: mask(policy.power).bits(),
        no_new_privileges: policy.no_new_privileges,
    }
}

/// A set of capabilities that are given by bit.
pub(crate) fn mask(bits: &[u8]) -> CapabilitySet {
    bits.iter()
        .filter_map(|bit| 1u64.checked_shl(u32::from(*bit)))
        .map(CapabilitySet::from_bits_retain)
        .collect()
}
