//! What one input costs, and whether that is more than anything may. May touch: the clock of this process, and the allocator's count.

use crate::Target;
use rustix::time::{ClockId, clock_gettime};
use sys::counted::{forget_most, most, taken};

/// The most time of the processor that one input may take, in nanoseconds.
pub const MOST_TIME: u64 = 100_000_000;
/// The most memory that one input may take, in bytes.
pub const MOST_MEMORY: usize = 16 * 1024 * 1024;

/// What an input cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Time of the processor, in nanoseconds: how loaded the machine is does not count.
    pub nanoseconds: u64,
    /// The most memory at one time, in bytes.
    pub bytes: usize,
}

/// The worst of many inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// The longest.
    pub nanoseconds: u64,
    /// The most.
    pub bytes: usize,
}

impl Worst {
    /// Of no input.
    pub const NONE: Self = Self {
        nanoseconds: 0,
        bytes: 0,
    };

    /// Whether these are worse in one way or the other.
    pub fn takes(&mut self, figures: Figures) -> bool {
        let before = *self;
        self.nanoseconds = self.nanoseconds.max(figures.nanoseconds);
        self.bytes = self.bytes.max(figures.bytes);
        before != *self
    }
}

/// Time of the processor that this process, with all its threads, has taken, in nanoseconds. One input is run at a time.
pub fn clock() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

fn once(target: &Target, input: &[u8]) -> Figures {
    let before = taken();
    forget_most();
    let from = clock();
    (target.run)(input);
    Figures {
        nanoseconds: clock() - from,
        bytes: most().saturating_sub(before),
    }
}

/// Runs one input, and panics if it takes too long or too much. What took too long is run twice more and the shortest counts: the kernel may
/// have had work of its own to do on our account.
pub fn measured(target: &Target, input: &[u8]) -> Figures {
    let mut figures = once(target, input);
    for _ in 0..2 {
        if figures.nanoseconds > MOST_TIME {
            figures.nanoseconds = figures.nanoseconds.min(once(target, input).nanoseconds);
        }
    }
    assert!(
        figures.nanoseconds <= MOST_TIME,
        "{}: one input takes {} ms, the most is {}",
        target.name,
        figures.nanoseconds / 1_000_000,
        MOST_TIME / 1_000_000
    );
    assert!(
        figures.bytes <= MOST_MEMORY + target.fixed,
        "{}: one input takes {} KiB of memory, the most is {}",
        target.name,
        figures.bytes / 1024,
        (MOST_MEMORY + target.fixed) / 1024
    );
    figures
}
