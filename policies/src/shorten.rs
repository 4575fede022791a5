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
    use super::*;
    use crate::verdict::{X86_64, verdict};
    use sys::seccomp::Instruction;

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
}
