//! Puts a search by number in front of a filter, so that a call passes a handful of tests instead of half the list: both when it is made and
//! when the filter is installed, for the kernel then tries every number there is (`seccomp_cache_prepare` of `kernel/seccomp.c`). Pure.

use seccompiler::{BpfProgram, sock_filter};

/// The most calls that are tested one after the other.
pub const TOGETHER: usize = 8;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const GO_ON: u16 = 0x05; // BPF_JMP | BPF_JA

/// One program that goes on in the last of `parts` whose first number is not above that of the call, or in the first part. Each is whole:
/// it tests the architecture for itself, and every way through it ends in a return.
pub fn dispatch(parts: Vec<(u32, BpfProgram)>) -> BpfProgram {
    // `seccomp_data.nr` lies at offset 0.
    let mut whole = vec![step(LOAD, 0, 0, 0)];
    let mut after = Vec::new();
    search(&parts, &mut whole, &mut after);
    for ((_, body), leaf) in parts.into_iter().zip(after) {
        let target = whole.len();
        if let Some(jump) = whole.get_mut(leaf) {
            jump.k = distance(leaf, target);
        }
        whole.extend(body);
    }
    whole
}

/// The search, and where its jumps to the parts are, in their order; their targets are known once it stands.
fn search(parts: &[(u32, BpfProgram)], whole: &mut BpfProgram, leaves: &mut Vec<usize>) {
    let (left, right) = parts.split_at(parts.len() / 2);
    let (false, Some((middle, _))) = (left.is_empty(), right.first()) else {
        leaves.push(whole.len());
        whole.push(step(GO_ON, 0, 0, 0));
        return;
    };
    whole.push(step(IF_AT_LEAST, 0, 1, *middle));
    let over = whole.len();
    whole.push(step(GO_ON, 0, 0, 0));
    search(left, whole, leaves);
    let target = whole.len();
    if let Some(jump) = whole.get_mut(over) {
        jump.k = distance(over, target);
    }
    search(right, whole, leaves);
}

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// From the instruction after `from` to `to`, both within the few thousand instructions that a filter may have.
fn distance(from: usize, to: usize) -> u32 {
    u32::try_from(to.saturating_sub(from).saturating_sub(1)).unwrap_or(u32::MAX)
}
