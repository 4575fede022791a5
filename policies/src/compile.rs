//! From rules to the kernel's filter program (`Documentation/userspace-api/seccomp_filter.rst`): one program that gives every answer of a
//! policy. Used while building, and for the filters that containers bring. Pure.

use std::collections::BTreeMap;
use wire::filter::{Rule, Test};

/// One instruction: the four fields of `struct sock_filter` of `linux/filter.h`, in their order.
pub type Step = (u16, u8, u8, u32);

/// What meets a call that no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The process ends: it is ours, and its policy is wrong or it has been taken over.
    Kill,
    /// The call does not exist, as a program that probes for it expects.
    Missing,
}

/// The rules make more instructions than the kernel takes, or than a jump can pass over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the rules make more instructions than the kernel takes")
    }
}

impl std::error::Error for TooLong {}

/// The most calls that are tested one after the other.
const TOGETHER: usize = 8;
/// `BPF_MAXINSNS` of `linux/bpf_common.h`.
const MOST: usize = 4096;
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const SKIP: u16 = 0x05; // BPF_JMP | BPF_JA
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets in `struct seccomp_data` of `linux/seccomp.h`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const X86_64: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
const X32: u32 = 0x4000_0000; // __X32_SYSCALL_BIT

const KILL: u32 = 0x8000_0000; // SECCOMP_RET_KILL_PROCESS
const ERRNO: u32 = 0x0005_0000; // SECCOMP_RET_ERRNO
const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
const ENOSYS: u32 = 38;

const fn answer(code: u32) -> Step {
    (RETURN, 0, 0, code)
}

/// The program of these rules. Calls of another architecture, and of x32, whose numbers have bit 30 set, end the process.
pub fn compile(rules: &[Rule], otherwise: Otherwise) -> Result<Vec<Step>, TooLong> {
    let default = match otherwise {
        Otherwise::Kill => answer(KILL),
        Otherwise::Missing => answer(ERRNO | ENOSYS),
    };
    let mut calls: BTreeMap<u16, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        calls.entry(rule.call).or_default().push(rule);
    }
    let mut program = vec![
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 1, 0, X86_64),
        answer(KILL),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, 0, 2, X32),
        // -1 is no call but a tracer's way to skip one.
        (IF_EQUAL, 1, 0, u32::MAX),
        answer(KILL),
    ];
    let mut groups: Vec<(u32, Vec<Step>)> = Vec::new();
    for (index, (call, rules)) in calls.into_iter().enumerate() {
        let body = call_body(&rules, default)?;
        let number = u32::from(call);
        if index.checked_rem(TOGETHER) == Some(0) {
            groups.push((number, Vec::new()));
        }
        let Some((_, group)) = groups.last_mut() else { continue };
        match u8::try_from(body.len()) {
            Ok(length) => group.push((IF_EQUAL, 0, length, number)),
            Err(_) => group.extend([(IF_EQUAL, 1, 0, number), (SKIP, 0, 0, distance(&body)?)]),
        }
        group.extend(body);
    }
    for (_, group) in &mut groups {
        group.push(default);
    }
    program.extend(search(&groups, default)?);
    if program.len() > MOST {
        return Err(TooLong);
    }
    Ok(program)
}

fn distance(over: &[Step]) -> Result<u32, TooLong> {
    u32::try_from(over.len()).map_err(|_| TooLong)
}

/// A search by number, so that a call passes a handful of tests instead of half the list: both when it is made and when the filter is
/// installed, for the kernel then tries every number there is (`seccomp_cache_prepare` of `kernel/seccomp.c`).
fn search(groups: &[(u32, Vec<Step>)], default: Step) -> Result<Vec<Step>, TooLong> {
    let (left, right) = groups.split_at(groups.len() / 2);
    let (false, Some((middle, _))) = (left.is_empty(), right.first()) else {
        return Ok(right.first().map_or_else(|| vec![default], |(_, group)| group.clone()));
    };
    let (left, right) = (search(left, default)?, search(right, default)?);
    let mut steps = vec![(IF_AT_LEAST, 0, 1, *middle), (SKIP, 0, 0, distance(&left)?)];
    steps.extend(left);
    steps.extend(right);
    Ok(steps)
}

/// What one call meets: first what is taken back, then what is allowed. Never runs into what follows.
fn call_body(rules: &[&Rule], default: Step) -> Result<Vec<Step>, TooLong> {
    let mut body = Vec::new();
    let refusals = rules.iter().filter_map(|r| r.answer.map(|errno| (*r, errno)));
    for (rule, errno) in refusals {
        body.extend(meeting(rule, answer(ERRNO | u32::from(errno)))?);
    }
    let mut allowing = rules.iter().filter(|r| r.answer.is_none()).peekable();
    if allowing.peek().is_none() {
        // What only other answers name is allowed where they do not apply.
        body.push(answer(ALLOW));
        return Ok(body);
    }
    for rule in allowing {
        body.extend(meeting(rule, answer(ALLOW))?);
    }
    body.push(default);
    Ok(body)
}

/// Gives `then` where the rule's condition is met, and else runs into what follows.
fn meeting(rule: &Rule, then: Step) -> Result<Vec<Step>, TooLong> {
    if rule.condition.is_empty() {
        return Ok(vec![then]);
    }
    let mut all = Vec::new();
    for alternative in &rule.condition {
        // From the last test to the first, so that each knows how far the end is.
        let mut steps = vec![then];
        for test in alternative.iter().rev() {
            let mut checked = check(test, u8::try_from(steps.len()).map_err(|_| TooLong)?);
            checked.extend(steps);
            steps = checked;
        }
        all.extend(steps);
    }
    Ok(all)
}

/// Runs into what follows where the test holds, and else passes over `fail` instructions.
fn check(test: &Test, fail: u8) -> Vec<Step> {
    let offset = u32::from(test.argument).saturating_mul(8).saturating_add(ARGUMENTS);
    let mask = test.mask.unwrap_or(u64::MAX);
    let half = |offset: u32, shift: u32| {
        let part = |n: u64| u32::try_from(n.checked_shr(shift).unwrap_or(0) & u64::from(u32::MAX)).unwrap_or(0);
        let mut steps = vec![(LOAD, 0, 0, offset)];
        if part(mask) != u32::MAX {
            steps.push((AND, 0, 0, part(mask)));
        }
        (steps, part(test.value & mask))
    };
    let (mut low, value) = half(offset, 0);
    low.push(match test.differs {
        false => (IF_EQUAL, 0, fail, value),
        true => (IF_EQUAL, fail, 0, value),
    });
    if !test.wide {
        return low;
    }
    let (mut steps, value) = half(offset.saturating_add(4), 32);
    let rest = u8::try_from(low.len()).unwrap_or(u8::MAX);
    steps.push(match test.differs {
        false => (IF_EQUAL, 0, fail.saturating_add(rest), value),
        // It differs already.
        true => (IF_EQUAL, 0, rest, value),
    });
    steps.extend(low);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Verdict, X86_64, verdict};
    use sys::seccomp::Instruction;

    fn filter(rules: &[Rule], otherwise: Otherwise) -> Vec<Instruction> {
        let steps = compile(rules, otherwise).unwrap();
        steps
            .iter()
            .map(|(c, y, n, v)| Instruction::new(*c, *y, *n, *v))
            .collect()
    }

    fn rule(call: u16, answer: Option<u16>, condition: Vec<Vec<Test>>) -> Rule {
        Rule {
            call,
            answer,
            condition,
        }
    }

    /// Every kind of test, on every argument, alone and beside another, at its value and beside it.
    #[test]
    fn a_condition_holds_in_the_program_just_where_it_holds() {
        let values = [0u64, 1, 5, 0x8000_0000, 1 << 32, 0xffff_ffff_0000_0005, u64::MAX];
        let masks = [
            None,
            Some(0),
            Some(7),
            Some(0xffff_ffff),
            Some(0xff00_0000_0000_0001),
            Some(u64::MAX),
        ];
        let mut tests = Vec::new();
        for mask in masks {
            for (wide, differs) in [(false, false), (false, true), (true, false), (true, true)] {
                tests.extend(values.map(|value| Test {
                    argument: 0,
                    wide,
                    mask,
                    differs,
                    value,
                }));
            }
        }
        for (index, test) in tests.iter().enumerate() {
            let argument = u8::try_from(index % 6).unwrap();
            let first = Test { argument, ..*test };
            let second = Test {
                argument: (argument + 1) % 6,
                ..tests[(index * 7) % tests.len()]
            };
            let other = vec![Test { value: 9, ..second }];
            let rules = [
                rule(3, None, vec![]),
                rule(3, Some(13), vec![vec![first, second], other]),
                rule(2, None, vec![vec![second]]),
            ];
            let program = filter(&rules, Otherwise::Kill);
            for a in values {
                for b in values {
                    let mut arguments = [9u64; 6];
                    arguments[usize::from(first.argument)] = a;
                    arguments[usize::from(second.argument)] = b;
                    let refused = if rules[1].meets(&arguments) {
                        Verdict::Fails(13)
                    } else {
                        Verdict::Allowed
                    };
                    assert_eq!(
                        verdict(&[&program], X86_64, 3, arguments),
                        refused,
                        "{first:?} {second:?} {a:x} {b:x}"
                    );
                    let allowed = if rules[2].meets(&arguments) {
                        Verdict::Allowed
                    } else {
                        Verdict::Killed
                    };
                    assert_eq!(
                        verdict(&[&program], X86_64, 2, arguments),
                        allowed,
                        "{second:?} {a:x} {b:x}"
                    );
                }
            }
            assert_eq!(verdict(&[&program], X86_64, 4, [0; 6]), Verdict::Killed);
        }
    }

    #[test]
    fn a_body_longer_than_a_jump_is_passed_over() {
        let test = |value| Test {
            argument: 1,
            wide: true,
            mask: Some(0xff),
            differs: false,
            value,
        };
        let many = (0..200).map(|v| vec![test(v)]).collect();
        let program = filter(&[rule(1, None, many), rule(2, None, vec![])], Otherwise::Missing);
        assert_eq!(verdict(&[&program], X86_64, 1, [0, 199, 0, 0, 0, 0]), Verdict::Allowed);
        assert_eq!(
            verdict(&[&program], X86_64, 1, [0, 200, 0, 0, 0, 0]),
            Verdict::Fails(38)
        );
        assert_eq!(verdict(&[&program], X86_64, 2, [0; 6]), Verdict::Allowed);
        assert_eq!(verdict(&[&program], X86_64, 3, [0; 6]), Verdict::Fails(38));
    }

    #[test]
    fn what_the_kernel_would_not_take_is_refused() {
        let test = Test {
            argument: 0,
            wide: true,
            mask: Some(1),
            differs: false,
            value: 0,
        };
        let rules: Vec<Rule> = (0..100).map(|n| rule(n, None, vec![vec![test; 16]; 2])).collect();
        assert_eq!(compile(&rules, Otherwise::Missing), Err(TooLong));
        assert_eq!(
            compile(&[rule(1, None, vec![vec![test; 16]])], Otherwise::Kill).map(|p| p.len()),
            Ok(107)
        );
    }
}
