//! The one order in which a program confines itself. May touch: the calling process alone.

use crate::policy::{Policy, View, mask, of};
use crate::view;
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
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
/// A program whose policy is exempt stops after the umask.
pub(crate) fn confine(program: Program, keep: &[RawFd], beneath: &[RawFd]) -> Result<Confined, Refusal> {
    let policy = of(program);
    let declared: Vec<RawFd> = [0, 1, 2].iter().chain(keep).chain(beneath).copied().collect();
    sys::confine::close_all_except(&declared).map_err(said("close inherited descriptors"))?;
    let beneath = beneath
        .iter()
        .map(|fd| sys::confine::inherited(*fd).ok_or_else(|| format!("descriptor {fd} is not open")))
        .collect::<Result<Vec<_>, _>>()?;
    umask(Mode::from_bits_truncate(policy.umask));
    if !policy.exempt {
        restrain(policy)?;
        if policy.view != View::Lazaret {
            let directories: Vec<_> = beneath.iter().map(AsFd::as_fd).collect();
            view::restrict(policy, &directories)?;
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
/// opens; that follows with [`crate::restrict_lazaret`]. Descriptors other than 0 to 2 and `keep` are closed.
pub fn confine_lazaret(keep: &[RawFd]) -> Result<Confined, String> {
    confine(Program::Lazaret, keep, &[])
}

fn restrain(policy: &Policy) -> Result<(), Refusal> {
    nix::sys::prctl::set_dumpable(false).map_err(said("become untraceable"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(said("forbid core dumps"))?;
    give_up(policy).map_err(|e| format!("give up capabilities: {e}"))?;
    nix::sys::prctl::set_no_new_privs().map_err(said("set no-new-privileges"))
}

fn said(what: &'static str) -> impl Fn(nix::errno::Errno) -> Refusal {
    move |e| format!("{what}: {}", e.desc())
}

/// Cuts all five sets to what the policy names. The launcher hands over just that, and then this changes nothing; a program that
/// root starts by hand holds everything until here.
fn give_up(policy: &Policy) -> Result<(), caps::errors::CapsError> {
    let held = bits(&caps::read(None, CapSet::Permitted)?);
    // In the one case that the policy file names, other capabilities are handed over: just those, or root started the program by hand.
    let otherwise = mask(policy.power_otherwise);
    let own = if held == otherwise {
        otherwise
    } else {
        mask(policy.power)
    };
    if held & !own == 0 && bits(&caps::read(None, CapSet::Inheritable)?) & !own == 0 {
        return Ok(());
    }
    let keep: CapsHashSet = caps::all()
        .into_iter()
        .filter(|c| c.bitmask() & own & held != 0)
        .collect();
    if held & Capability::CAP_SETPCAP.bitmask() != 0 {
        for capability in caps::runtime::thread_all_supported() {
            if !keep.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability)?;
            }
        }
    }
    caps::set(None, CapSet::Effective, &keep)?;
    caps::set(None, CapSet::Permitted, &keep)?;
    caps::set(None, CapSet::Inheritable, &keep)
}

fn bits(set: &CapsHashSet) -> u64 {
    set.iter().fold(0, |all, c| all | c.bitmask())
}
