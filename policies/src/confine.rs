//! The one order in which a program confines itself. May touch: the calling process alone.

use crate::policy::{Policy, View, mask, of};
use crate::view;
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use rustix::thread::{capability_is_in_bounding_set, remove_capability_from_bounding_set};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::Program;

/// Proof that the calling process is confined as its policy says. Only this file makes one; a serve loop demands it.
#[derive(Debug)]
pub struct Confined {
    program: Program,
    beneath: Vec<OwnedFd>,
}

impl Confined {
    /// Which program's policy is in force.
    pub const fn program(&self) -> Program {
        self.program
    }

    /// The directories that were inherited by `--beneath`, in their order.
    pub fn beneath(&self) -> impl ExactSizeIterator<Item = BorrowedFd<'_>> {
        self.beneath.iter().map(AsFd::as_fd)
    }
}

/// What stood in the way, in words.
pub(crate) type Refusal = String;

/// Confines the calling process for good, in this order: descriptor table, umask, no traces or dumps, capabilities,
/// no-new-privileges, Landlock, all the memory that it will have, and the filter last, since all before it takes calls that no filter allows.
/// Descriptors from `undeclared` upwards are closed. A program whose policy is exempt stops after the umask.
pub(crate) fn confine(program: Program, undeclared: u32, beneath: Vec<OwnedFd>) -> Result<Confined, Refusal> {
    let policy = of(program);
    sys::process::close_from(undeclared).map_err(said("close inherited descriptors"))?;
    umask(Mode::from_bits_truncate(policy.umask));
    if !policy.exempt {
        restrain(policy)?;
        if policy.view != View::Lazaret {
            view::restrict(policy, &beneath)?;
        }
        if policy.memory > 0 && !sys::memory::reserve(policy.memory) {
            return Err("take memory: the kernel has none".into());
        }
        for filter in policy.filters {
            sys::seccomp::install(filter).map_err(said("install the system call filter"))?;
        }
    }
    Ok(Confined { program, beneath })
}

/// Confines `lazaret`, before it reads its arguments: everything but Landlock, whose rules need the directories that the launcher
/// opens; that follows with [`crate::restrict_lazaret`]. Descriptors from `undeclared` upwards are closed.
pub fn confine_lazaret(undeclared: u32) -> Result<Confined, String> {
    confine(Program::Lazaret, undeclared, Vec::new())
}

fn restrain(policy: &Policy) -> Result<(), Refusal> {
    nix::sys::prctl::set_dumpable(false).map_err(said("become untraceable"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(said("forbid core dumps"))?;
    give_up(policy).map_err(|e| said("give up capabilities")(sys::process::errno(e)))?;
    nix::sys::prctl::set_no_new_privs().map_err(said("set no-new-privileges"))
}

fn said(what: &'static str) -> impl Fn(Errno) -> Refusal {
    move |e| format!("{what}: {}", e.desc())
}

/// Cuts all five sets to what the policy names. The launcher hands over just that, and then this changes nothing; a program that
/// root starts by hand holds everything until here. An ambient set goes with the inheritable one, and with what is not permitted.
fn give_up(policy: &Policy) -> rustix::io::Result<()> {
    let held = capabilities(None)?.permitted;
    // In the one case that the policy file names, other capabilities are handed over: just those, or root started the program by hand.
    let otherwise = mask(policy.power_otherwise);
    let own = if held == otherwise {
        held
    } else {
        held & mask(policy.power)
    };
    let may_drop = held.contains(CapabilitySet::SETPCAP);
    for capability in (0..64)
        .map(|bit| mask(&[bit]))
        .filter(|c| may_drop && !own.contains(*c))
    {
        match capability_is_in_bounding_set(capability) {
            Ok(true) => remove_capability_from_bounding_set(capability)?,
            // A kernel that does not know a capability answers EINVAL to the question, and has nothing to drop.
            Ok(false) | Err(rustix::io::Errno::INVAL) => {}
            // What cannot be told apart from being there is no ground to go on.
            Err(e) => return Err(e),
        }
    }
    let sets = CapabilitySets {
        effective: own,
        permitted: own,
        inheritable: own,
    };
    set_capabilities(None, sets)
}
