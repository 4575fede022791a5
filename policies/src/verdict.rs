//! What a stack of filters answers to a call, worked out as the kernel would (`Documentation/userspace-api/seccomp_filter.rst`).
//! Pure: for tests, and for showing what a process may do.

use sys::seccomp::Instruction;

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel does it.
    Allowed,
    /// It fails with this errno.
    Fails(u32),
    /// The process ends.
    Killed,
}

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`.
pub const X86_64: u32 = 0xc000_003e;

const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;

/// What the call `number` with `arguments` meets on `architecture` behind `filters`, which were installed in this order. The
/// strictest answer wins; among errnos that of the filter installed last.
pub fn verdict(filters: &[&[Instruction]], architecture: u32, number: u32, arguments: [u64; 6]) -> Verdict {
    let data = data(architecture, number, arguments);
    let mut strictest = ALLOW;
    for filter in filters.iter().rev() {
        // A program that the kernel would not have taken kills.
        let answer = run(filter, &data).unwrap_or(KILL_PROCESS);
        if rank(answer) < rank(strictest) {
            strictest = answer;
        }
    }
    match strictest & 0xffff_0000 {
        ALLOW => Verdict::Allowed,
        ERRNO => Verdict::Fails(strictest & 0xffff),
        _ => Verdict::Killed,
    }
}

/// The kernel compares actions as signed numbers: KILL_PROCESS is the lowest.
const fn rank(answer: u32) -> i32 {
    (answer & 0xffff_0000).cast_signed()
}

/// `struct seccomp_data`, as 32-bit words in memory order. (The instruction pointer is 0: no filter looks at it.)
fn data(architecture: u32, number: u32, arguments: [u64; 6]) -> Vec<u32> {
    let mut words = vec![number, architecture, 0, 0];
    for argument in arguments {
        let bytes = argument.to_le_bytes();
        let (low, high) = bytes.split_at(4);
        for half in [low, high] {
            words.push(half.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte)));
        }
    }
    words
}

/// Whether a filter lets the call `number` pass with any arguments at all: every way through the program is gone, with both outcomes of
/// each comparison of an argument.
pub fn may_pass(filter: &[Instruction], architecture: u32, number: u32) -> bool {
    let mut ways = vec![(0usize, Some(0u32))];
    let mut seen = std::collections::BTreeSet::new();
    while let Some((at, known)) = ways.pop() {
        let Some(i) = filter.get(at).filter(|_| seen.insert((at, known))) else {
            continue;
        };
        let next = |skip: usize| at.saturating_add(1).saturating_add(skip);
        let (yes, no) = (next(usize::from(i.yes)), next(usize::from(i.no)));
        let mut compared = |holds: fn(u32, u32) -> bool| match known {
            Some(value) if holds(value, i.value) => ways.push((yes, known)),
            Some(_) => ways.push((no, known)),
            None => ways.extend([(yes, None), (no, None)]),
        };
        match (i.code, i.value) {
            (0x06, value) if value & 0xffff_0000 == ALLOW => return true,
            (0x20, 0) => ways.push((next(0), Some(number))),
            (0x20, 4) => ways.push((next(0), Some(architecture))),
            (0x20, _) => ways.push((next(0), None)),
            (0x54, mask) => ways.push((next(0), known.map(|value| value & mask))),
            (0x05, skip) => ways.push((next(usize::try_from(skip).unwrap_or(usize::MAX)), known)),
            (0x15, _) => compared(|a, b| a == b),
            (0x25, _) => compared(|a, b| a > b),
            (0x35, _) => compared(|a, b| a >= b),
            (0x45, _) => compared(|a, b| a & b != 0),
            _ => {}
        }
    }
    false
}

/// Runs one classic BPF program of the operations that filters use; `None` if it leaves its own bounds.
fn run(filter: &[Instruction], data: &[u32]) -> Option<u32> {
    let (mut at, mut accumulator) = (0usize, 0u32);
    loop {
        let i = filter.get(at)?;
        at = at.checked_add(1)?;
        let jump = |holds: bool| usize::from(if holds { i.yes } else { i.no });
        let skip = match i.code {
            0x20 => {
                accumulator = *data.get(usize::try_from(i.value).ok()?.checked_div(4)?)?;
                0
            }
            0x54 => {
                accumulator &= i.value;
                0
            }
            0x05 => usize::try_from(i.value).ok()?,
            0x15 => jump(accumulator == i.value),
            0x25 => jump(accumulator > i.value),
            0x35 => jump(accumulator >= i.value),
            0x45 => jump(accumulator & i.value != 0),
            0x06 => return Some(i.value),
            _ => return None,
        };
        at = at.checked_add(skip)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD_NUMBER: Instruction = Instruction::new(0x20, 0, 0, 0);

    #[test]
    fn the_strictest_answer_wins_and_among_errnos_the_last_installed() {
        let allow: &[Instruction] = &[Instruction::new(6, 0, 0, ALLOW)];
        let first: &[Instruction] = &[Instruction::new(6, 0, 0, ERRNO | 38)];
        let last: &[Instruction] = &[Instruction::new(6, 0, 0, ERRNO | 1)];
        let kill: &[Instruction] = &[Instruction::new(6, 0, 0, KILL_PROCESS)];
        assert_eq!(verdict(&[first, last], X86_64, 0, [0; 6]), Verdict::Fails(1));
        assert_eq!(verdict(&[first, allow], X86_64, 0, [0; 6]), Verdict::Fails(38));
        assert_eq!(verdict(&[kill, last], X86_64, 0, [0; 6]), Verdict::Killed);
        assert_eq!(verdict(&[], X86_64, 0, [0; 6]), Verdict::Allowed);
    }

    #[test]
    fn a_call_may_pass_if_some_argument_does() {
        let filter = [
            LOAD_NUMBER,
            Instruction::new(0x15, 0, 3, 7),
            Instruction::new(0x20, 0, 0, 16),
            Instruction::new(0x15, 0, 1, 1234),
            Instruction::new(6, 0, 0, ALLOW),
            Instruction::new(6, 0, 0, KILL_PROCESS),
        ];
        assert!(may_pass(&filter, X86_64, 7) && !may_pass(&filter, X86_64, 8));
        assert!(!may_pass(&[LOAD_NUMBER], X86_64, 7) && !may_pass(&[], X86_64, 7));
    }

    #[test]
    fn a_program_that_leaves_its_bounds_kills() {
        assert_eq!(verdict(&[&[LOAD_NUMBER]], X86_64, 0, [0; 6]), Verdict::Killed);
        let out = [Instruction::new(0x20, 0, 0, 64)];
        assert_eq!(verdict(&[&out], X86_64, 0, [0; 6]), Verdict::Killed);
    }
}
