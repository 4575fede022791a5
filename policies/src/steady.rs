//! The stricter filter of a program that is past its start, or that has started what it is exempt for. May touch: the calling process
//! alone.

use crate::policy::{State, of, stricter};
use nix::errno::Errno;

/// Memory of a program that was exempt until here, in bytes.
const MEMORY: usize = 1 << 20;

/// Proof that the filter of a state is in force. Only this file makes one; the loop that such a program then stays in demands it.
#[derive(Debug)]
pub struct Steady(State);

impl Steady {
    /// Which state it is.
    pub const fn state(&self) -> State {
        self.0
    }
}

/// Puts the filter of `state` in force, on top of those that are there, for every thread of the calling process and for good. What the
/// process has started already is not touched by it.
pub fn steady(state: State) -> Result<Steady, Errno> {
    if of(state.program()).exempt {
        if !sys::memory::reserve(MEMORY) {
            return Err(Errno::ENOMEM);
        }
        nix::sys::prctl::set_no_new_privs()?;
    }
    for filter in stricter(state).filters {
        sys::seccomp::install_for_all_threads(filter)?;
    }
    Ok(Steady(state))
}
