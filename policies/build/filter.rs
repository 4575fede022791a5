//! From a policy's rules to the kernel's filter programs, by seccompiler. Pure.

use crate::condition::Test;
use crate::dispatch::{TOGETHER, dispatch};
use crate::text::{Policy, Rule};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use std::collections::BTreeMap;

/// What meets a call that no line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The process ends: it is ours, and its policy is wrong or it has been taken over.
    Kill,
    /// The call does not exist, as a program that probes for it expects.
    Missing,
}

/// The filters of a policy, in the order in which they are installed: the guard of payloads, one for each errno, and the
/// allow-list last, for it may well not allow seccomp(2). No call fails in two of them, so their order means nothing else.
pub fn compile(policy: &Policy, otherwise: Otherwise) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut answers = Vec::new();
    for section in &policy.sections {
        let mut rules = BTreeMap::new();
        for rule in &section.rules {
            rules.insert(rule.number, conditions(rule)?);
        }
        match section.errno {
            None => allowed.extend(rules),
            Some(errno) => answers.push((errno, rules)),
        }
    }
    // A call that only an errno's filter answers must pass the allow-list, which would otherwise refuse it in its own way.
    for (_, rules) in &answers {
        for number in rules.keys() {
            allowed.entry(*number).or_default();
        }
    }
    let default = match otherwise {
        Otherwise::Kill => SeccompAction::KillProcess,
        Otherwise::Missing => SeccompAction::Errno(ENOSYS),
    };
    let mut programs = Vec::new();
    if otherwise == Otherwise::Missing {
        programs.push(guard());
    }
    for (errno, rules) in answers {
        programs.push(program(rules, SeccompAction::Allow, SeccompAction::Errno(errno))?);
    }
    programs.push(program(allowed, default, SeccompAction::Allow)?);
    Ok(programs)
}

const ENOSYS: u32 = 38;

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    default: SeccompAction,
    action: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let list = |rules| -> Result<BpfProgram, seccompiler::Error> {
        let filter = SeccompFilter::new(rules, default.clone(), action.clone(), TargetArch::x86_64)?;
        Ok(filter.try_into()?)
    };
    if rules.len() <= TOGETHER {
        return list(rules);
    }
    let mut parts = Vec::new();
    let mut rules = rules.into_iter().peekable();
    while let Some((first, _)) = rules.peek() {
        let first = u32::try_from(*first).unwrap_or(0);
        parts.push((first, list(rules.by_ref().take(TOGETHER).collect())?));
    }
    Ok(dispatch(parts))
}

/// Kills the x32 personality, whose numbers have bit 30 set on the same architecture. -1 is no call but a tracer's way to skip
/// one, and gets the kernel's own ENOSYS. seccompiler compares numbers for equality only, hence by hand:
/// `seccomp_data.nr` lies at offset 0.
fn guard() -> BpfProgram {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD, 0, 0, 0),
        step(IF_AT_LEAST, 0, 2, 0x4000_0000),
        step(IF_EQUAL, 1, 0, u32::MAX),
        step(RETURN, 0, 0, SeccompAction::KillProcess.into()),
        step(RETURN, 0, 0, SeccompAction::Allow.into()),
    ]
}

fn conditions(rule: &Rule) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let mut rules = Vec::new();
    for alternative in &rule.condition {
        let tests = alternative.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        rules.push(SeccompRule::new(tests)?);
    }
    Ok(rules)
}

fn condition(test: &Test) -> Result<SeccompCondition, seccompiler::BackendError> {
    let length = if test.wide {
        SeccompCmpArgLen::Qword
    } else {
        SeccompCmpArgLen::Dword
    };
    let operator = match (test.mask, test.differs) {
        (Some(mask), _) => SeccompCmpOp::MaskedEq(mask),
        (None, true) => SeccompCmpOp::Ne,
        (None, false) => SeccompCmpOp::Eq,
    };
    SeccompCondition::new(test.argument, length, operator, test.value)
}
