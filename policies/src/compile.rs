//! From rules to the kernel's filter program (`Documentation/userspace-api/seccomp_filter.rst`): one program that gives every answer of a
//! policy. seccompiler makes the programs of a few calls each; what it has no words for, a search by number and more than two answers, is put
//! around them. Used while building, and for the filters that containers bring. Pure.

use crate::shorten::shorten;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
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

/// Why rules cannot be made into a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// They make more instructions than the kernel takes.
    TooLong,
    /// A call that is allowed under a condition has another answer too, or two others.
    TwoAnswers(u16),
    /// A test that no program can be made of, as the compiler puts it.
    Refused(String),
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => write!(f, "the rules make more instructions than the kernel takes"),
            Self::TwoAnswers(call) => write!(f, "call {call} meets two answers"),
            Self::Refused(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for CompileError {}

impl From<seccompiler::BackendError> for CompileError {
    fn from(error: seccompiler::BackendError) -> Self {
        match error {
            seccompiler::BackendError::FilterTooLarge(_) => Self::TooLong,
            other => Self::Refused(other.to_string()),
        }
    }
}

/// The most calls that are tested one after the other.
const TOGETHER: usize = 8;
/// `BPF_MAXINSNS` of `linux/bpf_common.h`.
const MOST: usize = 4096;
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const SKIP: u16 = 0x05; // BPF_JMP | BPF_JA
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets in `struct seccomp_data` of `linux/seccomp.h`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

const X86_64: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
const X32: u32 = 0x4000_0000; // __X32_SYSCALL_BIT
const ENOSYS: u32 = 38;

/// Calls that lie side by side and share their answers: a filter as seccompiler knows it.
struct Part {
    /// What a call meets where one of its conditions holds.
    met: SeccompAction,
    /// What it meets where none does, and what every call meets that is not among these.
    unmet: SeccompAction,
    /// The calls, and their conditions; none at all: whatever the arguments.
    calls: BTreeMap<i64, Vec<SeccompRule>>,
}

/// The parts by the first number that goes there. `None`: calls that no rule names.
type Parts = BTreeMap<u32, Option<Part>>;

/// The program of these rules. Calls of another architecture, and of x32, whose numbers have bit 30 set, end the process.
pub fn compile(rules: &[Rule], otherwise: Otherwise) -> Result<Vec<Step>, CompileError> {
    let parts = parts(rules, otherwise)?.into_iter();
    let program = whole(&parts.map(|(first, part)| (first, bare(part))).collect::<Vec<_>>())?;
    let program =
        shorten(&program).ok_or_else(|| CompileError::Refused("a program leads beyond its end".to_owned()))?;
    if program.len() > MOST {
        return Err(CompileError::TooLong);
    }
    Ok(program)
}

/// The programs of calls that lie side by side, by the first number that goes there.
fn parts(rules: &[Rule], otherwise: Otherwise) -> Result<Vec<(u32, Vec<Step>)>, CompileError> {
    let default = match otherwise {
        Otherwise::Kill => SeccompAction::KillProcess,
        Otherwise::Missing => SeccompAction::Errno(ENOSYS),
    };
    let mut calls: BTreeMap<u16, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        calls.entry(rule.call).or_default().push(rule);
    }
    let mut parts = Parts::from([(0, None)]);
    for (call, rules) in calls {
        add(&mut parts, call, answers(call, &rules, &default)?, &default);
    }
    let program = |part: Option<Part>| part.map_or_else(|| Ok(vec![give(&default)]), Part::program);
    parts
        .into_iter()
        .map(|(first, part)| Ok((first, program(part)?)))
        .collect()
}

/// What every part of seccompiler's begins with. By the time that one is reached, here, the architecture has been looked at, and the number is loaded.
fn bare(part: Vec<Step>) -> Vec<Step> {
    let known = [
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 1, 0, X86_64),
        give(&SeccompAction::KillProcess),
        (LOAD, 0, 0, NUMBER),
    ];
    part.strip_prefix(&known).map_or_else(|| part.clone(), <[Step]>::to_vec)
}

/// The parts, and before them what is for every call.
fn whole(parts: &[(u32, Vec<Step>)]) -> Result<Vec<Step>, CompileError> {
    let kill = give(&SeccompAction::KillProcess);
    let mut program = vec![
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 1, 0, X86_64),
        kill,
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, 0, 2, X32),
        // -1 is no call but a tracer's way to skip one.
        (IF_EQUAL, 1, 0, u32::MAX),
        kill,
    ];
    program.extend(search(parts)?);
    Ok(program)
}

/// The program as seccompiler's parts make it, not made shorter: what the shorter one is compared with.
#[cfg(test)]
pub(crate) fn unshortened(rules: &[Rule], otherwise: Otherwise) -> Vec<Step> {
    whole(&parts(rules, otherwise).unwrap()).unwrap()
}

fn give(action: &SeccompAction) -> Step {
    (RETURN, 0, 0, u32::from(action.clone()))
}

/// What a call meets where its conditions hold, what otherwise, and these conditions. What is allowed and has another answer too is allowed
/// where that does not apply; so is what only another answer names.
fn answers(call: u16, rules: &[&Rule], default: &SeccompAction) -> Result<Part, CompileError> {
    let allowing: Vec<&Rule> = rules.iter().filter(|r| r.answer.is_none()).copied().collect();
    let refusing: Vec<(u16, &Rule)> = rules.iter().filter_map(|r| Some((r.answer?, *r))).collect();
    let (met, unmet, rule) = match (allowing.as_slice(), refusing.as_slice()) {
        ([rule], []) => (SeccompAction::Allow, default.clone(), *rule),
        ([], [(errno, rule)]) if rule.condition.is_empty() => (refusal(*errno), default.clone(), *rule),
        ([], [(errno, rule)]) => (refusal(*errno), SeccompAction::Allow, *rule),
        ([whole], [(errno, rule)]) if whole.condition.is_empty() => (refusal(*errno), SeccompAction::Allow, *rule),
        _ => return Err(CompileError::TwoAnswers(call)),
    };
    Ok(Part {
        met,
        unmet,
        calls: BTreeMap::from([(call.into(), conditions(rule)?)]),
    })
}

fn refusal(errno: u16) -> SeccompAction {
    SeccompAction::Errno(errno.into())
}

/// Puts a call, which is above all that are there, into the last part if it goes together with that, or else into one of its own.
fn add(parts: &mut Parts, call: u16, part: Part, default: &SeccompAction) {
    let number = u32::from(call);
    if part.unmet != *default {
        // It lies alone: the answer that its conditions leave is for no other call.
        parts.insert(number, Some(part));
        parts.insert(number.saturating_add(1), None);
        return;
    }
    if part.met == *default {
        return;
    }
    match parts.last_entry() {
        Some(mut last) if last.get().as_ref().is_none_or(|l| l.takes(&part)) => match last.get_mut() {
            Some(together) => together.calls.extend(part.calls),
            none => *none = Some(part),
        },
        _ => {
            parts.insert(number, Some(part));
        }
    }
}

impl Part {
    fn takes(&self, other: &Self) -> bool {
        self.met == other.met && self.unmet == other.unmet && self.calls.len() < TOGETHER
    }

    fn program(self) -> Result<Vec<Step>, CompileError> {
        let filter = SeccompFilter::new(self.calls, self.unmet, self.met, TargetArch::x86_64)?;
        let program = BpfProgram::try_from(filter)?;
        Ok(program.iter().map(|s| (s.code, s.jt, s.jf, s.k)).collect())
    }
}

fn conditions(rule: &Rule) -> Result<Vec<SeccompRule>, CompileError> {
    let one = |all: &Vec<Test>| {
        let tests = all.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        Ok(SeccompRule::new(tests)?)
    };
    rule.condition.iter().map(one).collect()
}

fn condition(test: &Test) -> Result<SeccompCondition, CompileError> {
    let length = if test.wide {
        SeccompCmpArgLen::Qword
    } else {
        SeccompCmpArgLen::Dword
    };
    let operator = match (test.mask, test.differs) {
        (None, false) => SeccompCmpOp::Eq,
        (None, true) => SeccompCmpOp::Ne,
        (Some(mask), false) => SeccompCmpOp::MaskedEq(mask),
        (Some(_), true) => return Err(CompileError::Refused("no test is for bits that differ".into())),
    };
    Ok(SeccompCondition::new(test.argument, length, operator, test.value)?)
}

/// A search by number, so that a call passes a handful of tests instead of half the list: both when it is made and when the filter is
/// installed, for the kernel then tries every number there is (`seccomp_cache_prepare` of `kernel/seccomp.c`). Every part is whole: each way
/// through it ends in an answer.
fn search(parts: &[(u32, Vec<Step>)]) -> Result<Vec<Step>, CompileError> {
    let (left, right) = parts.split_at(parts.len() / 2);
    let (false, Some((middle, _))) = (left.is_empty(), right.first()) else {
        return Ok(right.first().map(|(_, part)| part.clone()).unwrap_or_default());
    };
    let (left, right) = (search(left)?, search(right)?);
    let over = u32::try_from(left.len()).map_err(|_| CompileError::TooLong)?;
    let mut steps = vec![(IF_AT_LEAST, 0, 1, *middle), (SKIP, 0, 0, over)];
    steps.extend(left);
    steps.extend(right);
    Ok(steps)
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
                if mask.is_some() && differs {
                    continue;
                }
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
        assert_eq!(compile(&rules, Otherwise::Missing), Err(CompileError::TooLong));
        assert!(compile(&rules[..10], Otherwise::Missing).is_ok());
        let differs = Test { differs: true, ..test };
        let refused = compile(&[rule(1, None, vec![vec![differs]])], Otherwise::Kill);
        assert!(matches!(refused, Err(CompileError::Refused(_))));
    }

    #[test]
    fn each_call_has_one_answer_beside_the_default() {
        let test = Test {
            argument: 0,
            wide: false,
            mask: None,
            differs: false,
            value: 7,
        };
        let some = vec![vec![test]];
        for rules in [
            [rule(1, None, some.clone()), rule(1, Some(1), vec![])],
            [rule(1, Some(2), some.clone()), rule(1, Some(1), vec![])],
            [rule(1, None, vec![]), rule(1, None, some.clone())],
        ] {
            assert_eq!(compile(&rules, Otherwise::Kill), Err(CompileError::TwoAnswers(1)));
        }
        // Calls side by side that share no answer, the lowest and the highest among them, and gaps between.
        let rules = [
            rule(0, Some(1), some.clone()),
            rule(2, Some(38), vec![]),
            rule(3, None, vec![]),
            rule(4, Some(2), some.clone()),
            rule(5, Some(3), some),
            rule(1023, Some(4), vec![]),
        ];
        let program = filter(&rules, Otherwise::Missing);
        let meets = |number, value| verdict(&[&program], X86_64, number, [value; 6]);
        for (number, met, unmet) in [
            (0, Verdict::Fails(1), Verdict::Allowed),
            (1, Verdict::Fails(38), Verdict::Fails(38)),
            (2, Verdict::Fails(38), Verdict::Fails(38)),
            (3, Verdict::Allowed, Verdict::Allowed),
            (4, Verdict::Fails(2), Verdict::Allowed),
            (5, Verdict::Fails(3), Verdict::Allowed),
            (6, Verdict::Fails(38), Verdict::Fails(38)),
            (1023, Verdict::Fails(4), Verdict::Fails(4)),
            (1024, Verdict::Fails(38), Verdict::Fails(38)),
        ] {
            assert_eq!((meets(number, 7), meets(number, 8)), (met, unmet), "{number}");
        }
    }
}
