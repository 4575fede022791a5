//! Policy files of a program's or a container's: the text, its rules and the kernel's program. What is accepted is compiled, and for some
//! calls the program answers as the rules say; what is refused is refused with file and line.

use crate::plans::host;
use ctl::plan::filter::Asked;
use ctl::policy::View;
use policies::compile::{Otherwise, compile};
use policies::verdict::{Verdict, X86_64, verdict};
use policies::{facts, texts};
use sys::seccomp::Instruction;
use wire::ContainerName;
use wire::filter::{Filter, Rule};
use wire::init::Profile;

const FILE: &str = "f.policy";
/// What a call that no rule names meets.
const MISSING: Verdict = Verdict::Fails(38);

/// What the rules say of a call: a refusal whose condition is met, else what allows it.
fn said(rules: &[Rule], call: u16, arguments: &[u64; 6]) -> Option<Verdict> {
    let met = |r: &&Rule| r.call == call && r.meets(arguments);
    let mut refusals = rules.iter().filter(met).filter_map(|r| r.answer);
    match (refusals.next(), refusals.next()) {
        // Which of two counts is not said.
        (Some(_), Some(_)) => None,
        (Some(errno), None) => Some(Verdict::Fails(errno.into())),
        (None, _) if rules.iter().filter(met).any(|r| r.answer.is_none()) => Some(Verdict::Allowed),
        (None, _) => Some(MISSING),
    }
}

fn answers(rules: &[Rule]) {
    let Ok(steps) = compile(rules, Otherwise::Missing) else {
        return;
    };
    assert!(
        steps.len() <= 4096,
        "the kernel takes no program of {} instructions",
        steps.len()
    );
    let program: Vec<Instruction> = steps
        .iter()
        .map(|(code, yes, no, value)| Instruction::new(*code, *yes, *no, *value))
        .collect();
    for rule in rules.iter().take(24) {
        // Arguments that meet its first alternative, and some that may not.
        let mut close = [0; 6];
        for test in rule.condition.iter().flatten().take(6) {
            if let Some(argument) = close.get_mut(usize::from(test.argument)) {
                *argument = test.value;
            }
        }
        for arguments in [
            [0; 6],
            close,
            close.map(|n| n ^ 1),
            close.map(|n| n | 1 << 32),
            [u64::MAX; 6],
        ] {
            let found = verdict(&[&program], X86_64, rule.call.into(), arguments);
            if let Some(said) = said(rules, rule.call, &arguments) {
                assert_eq!(found, said, "call {} with {arguments:x?}", rule.call);
            }
        }
    }
    let x32 = 0x4000_0000;
    assert_eq!(verdict(&[&program], X86_64, x32, [0; 6]), Verdict::Killed);
    assert_eq!(verdict(&[&program], 0x4000_0003, 1, [0; 6]), Verdict::Killed);
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let lines = text.lines().count();
    match texts::read_other(FILE, text) {
        Err(wrong) => assert!(
            !wrong.what.is_empty() && (wrong.file != FILE || wrong.line <= lines),
            "{wrong}"
        ),
        Ok(policy) => {
            let _ = View::of_file(FILE, &policy).text();
            let rules = policy.rules();
            if let Ok(rules) = &rules {
                answers(rules);
            }
            if let (Ok(rules), true) = (rules, policy.facts.is_empty()) {
                // What travels to `init` is the same filter there.
                if let Ok(filter) = Filter::try_from(rules.clone()) {
                    assert_eq!(filter.rules(), rules);
                }
            } else {
                let _ = (facts::check(FILE, &policy, true), facts::check(FILE, &policy, false));
            }
        }
    }
    let name = ContainerName::new("web").unwrap();
    match Asked::read(FILE, text) {
        Err(refusal) => assert!(refusal.to_string().contains(':'), "{refusal}"),
        Ok(asked) => {
            for profile in [Profile::App, Profile::System] {
                if let Ok(own) = asked.decide(profile, &name, &host()) {
                    assert!(!own.in_place, "nobody consented");
                    answers(own.filter.rules());
                }
            }
        }
    }
}
