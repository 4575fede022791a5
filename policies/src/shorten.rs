//! A filter program made shorter, with the same answer for every call: what the kernel translates, tries with every number and keeps is then a third
//! of what a compiler of single rules writes. Jumps to jumps go where those go, each answer is there once for all that are near it, and what
//! nothing reaches is left out. Used while building, and for the filters that containers bring. Pure.

use crate::compile::Step;
use std::collections::{BTreeMap, BTreeSet};

/// As far as a condition leads at most; its offset has eight bits, and up to two instructions may come between.
const FAR: usize = 250;
const SKIP: u16 = 0x05; // BPF_JMP | BPF_JA
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const CLASS: u16 = 0x07;
const JUMP: u16 = 0x05; // BPF_JMP
const ANSWER: u16 = 0x06; // BPF_RET

/// Where an instruction leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    Nowhere(u32),
    On(usize),
    Either { yes: usize, no: usize },
}

/// The shorter program. `None`: this is none, since it leads beyond its end.
pub fn shorten(program: &[Step]) -> Option<Vec<Step>> {
    let first = followed(program, 0)?;
    let mut made = Made::default();
    for index in reached(program, first)?.into_iter().rev() {
        made.put(program, index)?;
    }
    made.lead_on(program, first)?;
    made.backwards.reverse();
    Some(made.backwards)
}

/// The first instruction from there that is no jump.
fn followed(program: &[Step], mut index: usize) -> Option<usize> {
    loop {
        match program.get(index)? {
            (SKIP, _, _, over) => index = index.checked_add(1)?.checked_add(usize::try_from(*over).ok()?)?,
            _ => return Some(index),
        }
    }
}

fn leads(program: &[Step], index: usize) -> Option<Leads> {
    let (code, yes, no, value) = *program.get(index)?;
    let next = index.checked_add(1)?;
    match (code, code & CLASS) {
        (RETURN, _) => Some(Leads::Nowhere(value)),
        (_, ANSWER) => None,
        (_, JUMP) => Some(Leads::Either {
            yes: followed(program, next.checked_add(yes.into())?)?,
            no: followed(program, next.checked_add(no.into())?)?,
        }),
        _ => Some(Leads::On(followed(program, next)?)),
    }
}

/// Everything that is no answer and is reached from there.
fn reached(program: &[Step], first: usize) -> Option<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    let mut left = vec![first];
    while let Some(index) = left.pop() {
        match leads(program, index)? {
            Leads::Nowhere(_) => {}
            _ if !found.insert(index) => {}
            Leads::On(next) => left.push(next),
            Leads::Either { yes, no } => left.extend([yes, no]),
        }
    }
    Some(found)
}

/// A program that grows from its end, where every way leads. A place is how many instructions there are from there to the end.
#[derive(Default)]
struct Made {
    backwards: Vec<Step>,
    places: BTreeMap<usize, usize>,
    answers: BTreeMap<u32, usize>,
}

impl Made {
    fn push(&mut self, step: Step) -> usize {
        self.backwards.push(step);
        self.backwards.len()
    }

    /// How many instructions lie between a place and the one that is pushed next.
    fn over(&self, place: usize) -> Option<usize> {
        self.backwards.len().checked_sub(place)
    }

    fn answer(&mut self, answer: u32) -> usize {
        let place = self.push((RETURN, 0, 0, answer));
        self.answers.insert(answer, place);
        place
    }

    fn put(&mut self, program: &[Step], index: usize) -> Option<()> {
        let (code, _, _, value) = *program.get(index)?;
        let step = match leads(program, index)? {
            Leads::Nowhere(_) => return None,
            Leads::On(next) => {
                self.lead_on(program, next)?;
                (code, 0, 0, value)
            }
            Leads::Either { yes, no } => {
                let (no, yes) = (self.near(program, no)?, self.near(program, yes)?);
                let offset = |place| u8::try_from(self.over(place)?).ok();
                (code, offset(yes)?, offset(no)?, value)
            }
        };
        let place = self.push(step);
        self.places.insert(index, place);
        Some(())
    }

    /// Sees to it that what is pushed next goes on there.
    fn lead_on(&mut self, program: &[Step], next: usize) -> Option<()> {
        match leads(program, next)? {
            Leads::Nowhere(answer) if self.answers.get(&answer) != Some(&self.backwards.len()) => {
                self.answer(answer);
            }
            Leads::Nowhere(_) => {}
            _ => {
                let over = self.over(*self.places.get(&next)?)?;
                if over > 0 {
                    self.push((SKIP, 0, 0, u32::try_from(over).ok()?));
                }
            }
        }
        Some(())
    }

    /// A place from which it goes on there, as near as a condition leads.
    fn near(&mut self, program: &[Step], index: usize) -> Option<usize> {
        if let Leads::Nowhere(answer) = leads(program, index)? {
            return match self.answers.get(&answer) {
                Some(place) if self.over(*place)? <= FAR => Some(*place),
                _ => Some(self.answer(answer)),
            };
        }
        let place = *self.places.get(&index)?;
        match self.over(place)? {
            over if over <= FAR => Some(place),
            over => Some(self.push((SKIP, 0, 0, u32::try_from(over).ok()?))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // it only counts

    use super::*;
    use crate::compile::{Otherwise, compile, unshortened};
    use crate::verdict::{Verdict, X86_64, verdict};
    use sys::seccomp::Instruction;
    use wire::filter::{Rule, Test};

    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
    const KILL: u32 = 0x8000_0000; // SECCOMP_RET_KILL_PROCESS

    #[test]
    fn a_call_takes_one_instruction_and_each_answer_too() {
        let program = [
            (LOAD, 0, 0, 0),
            (IF_EQUAL, 0, 1, 7),
            (SKIP, 0, 0, 1),
            (SKIP, 0, 0, 2),
            (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, KILL),
            (IF_EQUAL, 0, 1, 8),
            (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, KILL),
        ];
        let shorter = [
            (LOAD, 0, 0, 0),
            (IF_EQUAL, 1, 0, 7),
            (IF_EQUAL, 0, 1, 8),
            (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, KILL),
        ];
        assert_eq!(shorten(&program).unwrap(), shorter);
        assert_eq!(shorten(&shorter).unwrap(), shorter);
        assert_eq!(
            shorten(&[(RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]).unwrap(),
            [(RETURN, 0, 0, KILL)]
        );
    }

    #[test]
    fn refuses_what_leads_beyond_its_end() {
        for program in [
            vec![],
            vec![(LOAD, 0, 0, 0)],
            vec![(SKIP, 0, 0, 0)],
            vec![(SKIP, 0, 0, u32::MAX), (RETURN, 0, 0, KILL)],
            vec![(IF_EQUAL, 0, 1, 7), (RETURN, 0, 0, KILL)],
            vec![(0x16, 0, 0, 0)], // BPF_RET | BPF_A
        ] {
            assert_eq!(shorten(&program), None, "{program:?}");
        }
    }

    /// Longer than a condition leads, with answers of many kinds, and with jumps out of the middle to the end.
    #[test]
    fn a_long_program_gives_every_call_the_same_answer() {
        let mut program = vec![(LOAD, 0, 0, 0)];
        for call in 0..1000u32 {
            let answer = if call % 3 == 0 { ALLOW } else { 0x5_0000 | (call % 7) };
            program.extend([(IF_EQUAL, 0, 1, call), (SKIP, 0, 0, 1), (SKIP, 0, 0, 2)]);
            match call % 100 {
                // To the very end, from wherever it is.
                50 => program.extend([(SKIP, 0, 0, (999 - call) * 5 + 1), (RETURN, 0, 0, KILL)]),
                _ => program.extend([(RETURN, 0, 0, answer), (RETURN, 0, 0, KILL)]),
            }
        }
        program.extend([(RETURN, 0, 0, KILL), (RETURN, 0, 0, 0x5_0026)]);
        let shorter = shorten(&program).unwrap();
        assert!(
            shorter.len() < program.len() / 3,
            "{} of {}",
            shorter.len(),
            program.len()
        );
        let [before, after] = [&program, &shorter].map(|steps| {
            let all = steps.iter().map(|(c, y, n, v)| Instruction::new(*c, *y, *n, *v));
            all.collect::<Vec<_>>()
        });
        for call in 0..1100 {
            let meets = |program| verdict(&[program], X86_64, call, [0; 6]);
            assert_eq!(meets(&after), meets(&before), "call {call}");
        }
    }

    /// Numbers that look random and are the same in every run (xorshift64*, Marsaglia 2003, Vigna 2016).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, most: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
            usize::try_from(number).unwrap().checked_rem(most).unwrap()
        }

        fn of<T: Copy>(&mut self, all: &[T]) -> T {
            all[self.below(all.len())]
        }

        fn arguments(&mut self) -> [u64; 6] {
            [(); 6].map(|()| self.of(&VALUES))
        }
    }

    const VALUES: [u64; 8] = [0, 1, 2, 5, 0x8000_0000, 1 << 32, 0xffff_ffff_0000_0005, u64::MAX];

    fn instructions(steps: &[Step]) -> Vec<Instruction> {
        let all = steps.iter().map(|(c, y, n, v)| Instruction::new(*c, *y, *n, *v));
        all.collect()
    }

    /// A program that the kernel would take: every jump is forward and within it, and it ends with an answer.
    fn program(numbers: &mut Numbers, length: usize) -> Vec<Step> {
        const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
        let word = |n: u64| u32::try_from(n & 0xffff_ffff).unwrap();
        let answer = |numbers: &mut Numbers| (RETURN, 0, 0, numbers.of(&[ALLOW, KILL, 0x5_0001, 0x5_0026]));
        let mut steps: Vec<Step> = Vec::new();
        for left in (0..length).rev() {
            let near = |numbers: &mut Numbers| {
                let most = numbers.of(&[4, 256]).min(left);
                u8::try_from(numbers.below(most)).unwrap()
            };
            let value = word(numbers.of(&VALUES));
            let step = match numbers.below(40) {
                _ if left == 0 => answer(numbers),
                0 => answer(numbers),
                1..10 => (LOAD, 0, 0, 4 * numbers.of(&[0, 1, 4, 5, 6, 7, 8, 15])),
                10..12 => (AND, 0, 0, value),
                12..20 => {
                    let most = numbers.of(&[3, 3, left]).min(left);
                    (SKIP, 0, 0, u32::try_from(numbers.below(most)).unwrap())
                }
                _ => {
                    let code = numbers.of(&[IF_EQUAL, 0x25, 0x35, 0x45]); // JEQ, JGT, JGE, JSET
                    (code, near(numbers), near(numbers), value)
                }
            };
            steps.push(step);
        }
        steps
    }

    #[test]
    fn random_programs_keep_every_answer() {
        let mut numbers = Numbers(0x1a2a_2e70);
        let mut led_far = 0usize;
        for case in 0..1000 {
            let most = if case % 20 == 0 { 3000 } else { 60 };
            let length = numbers.below(most).max(1);
            let program = program(&mut numbers, length);
            let shorter = shorten(&program).unwrap();
            led_far += usize::from(shorter.iter().any(|step| step.0 == SKIP));
            let (before, after) = (instructions(&program), instructions(&shorter));
            for _ in 0..20 {
                let number = u32::try_from(numbers.of(&VALUES) & 0xffff_ffff).unwrap();
                let arguments = numbers.arguments();
                let meets = |program| verdict(&[program], X86_64, number, arguments);
                assert_eq!(
                    meets(&after),
                    meets(&before),
                    "case {case}: call {number} with {arguments:x?}"
                );
            }
        }
        assert!(led_far > 0);
    }

    fn test(numbers: &mut Numbers) -> Test {
        let mask = numbers.of(&[
            None,
            None,
            Some(7),
            Some(0xffff_ffff),
            Some(0xff00_0000_0000_0001),
            Some(0),
        ]);
        Test {
            argument: numbers.of(&[0, 0, 1, 5]),
            wide: numbers.below(2) == 0,
            mask,
            differs: mask.is_none() && numbers.below(2) == 0,
            value: numbers.of(&VALUES),
        }
    }

    fn condition(numbers: &mut Numbers) -> Vec<Vec<Test>> {
        let alternatives = 1 + numbers.of(&[0, 0, 1, 2, 40]);
        let all = |numbers: &mut Numbers| {
            let tests = 1 + numbers.of(&[0, 0, 1, 2, 15]);
            (0..tests).map(|_| test(numbers)).collect()
        };
        (0..alternatives).map(|_| all(numbers)).collect()
    }

    /// Rules as a filter may have them, for calls side by side and apart.
    fn rules(numbers: &mut Numbers) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut call = numbers.of(&[0u16, 1, 1000]);
        for _ in 0..numbers.of(&[1, 3, 9, 30]) {
            let errno = Some(numbers.of(&[1u16, 13, 38]));
            let some = condition(numbers);
            let answers = match numbers.below(8) {
                0 => vec![(errno, vec![])],
                1 => vec![(errno, some)],
                2 => vec![(None, some)],
                3 => vec![(None, vec![]), (errno, some)],
                _ => vec![(None, vec![])],
            };
            let rule = |(answer, condition)| Rule {
                call,
                answer,
                condition,
            };
            rules.extend(answers.into_iter().map(rule));
            call += numbers.of(&[1, 1, 1, 2, 9]);
        }
        rules
    }

    /// What rules say of a call, worked out without any program.
    fn said(rules: &[Rule], default: Verdict, number: u32, arguments: &[u64; 6]) -> Verdict {
        let its = || rules.iter().filter(|r| u32::from(r.call) == number);
        if let Some(errno) = its().filter(|r| r.meets(arguments)).find_map(|r| r.answer) {
            return Verdict::Fails(errno.into());
        }
        match its().find(|r| r.answer.is_none()) {
            Some(rule) if rule.meets(arguments) => Verdict::Allowed,
            None if its().count() > 0 => Verdict::Allowed,
            _ => default,
        }
    }

    #[test]
    fn random_rules_keep_every_answer() {
        let mut numbers = Numbers(0x5ec_c03b);
        for case in 0..150 {
            let rules = rules(&mut numbers);
            let (otherwise, default) = numbers.of(&[
                (Otherwise::Kill, Verdict::Killed),
                (Otherwise::Missing, Verdict::Fails(38)),
            ]);
            let Ok(shorter) = compile(&rules, otherwise) else {
                continue;
            };
            let (before, after) = (instructions(&unshortened(&rules, otherwise)), instructions(&shorter));
            for _ in 0..40 {
                let call = u32::from(rules[numbers.below(rules.len())].call);
                let number = match numbers.below(16) {
                    0 => numbers.of(&[u32::MAX, 0x7fff_ffff, 0xffff_fffe]),
                    1..4 => call + 1,
                    _ => call,
                };
                let arguments = numbers.arguments();
                let meets = |program, a, n| verdict(&[program], a, n, arguments);
                for (a, n) in [(X86_64, number), (X86_64, number | 0x4000_0000), (0x4000_0003, number)] {
                    assert_eq!(
                        meets(&after, a, n),
                        meets(&before, a, n),
                        "case {case}: call {n} with {arguments:x?}"
                    );
                }
                if number >= 0x4000_0000 {
                    continue;
                }
                let found = meets(&after, X86_64, number);
                let told = said(&rules, default, number, &arguments);
                assert_eq!(found, told, "case {case}: call {number} with {arguments:x?}");
            }
        }
    }
}
