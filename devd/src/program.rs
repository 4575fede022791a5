//! Turns rules into the instructions of a BPF device program (RFC 9669; `struct bpf_cgroup_dev_ctx` of `linux/bpf.h`). Pure.
//!
//! The program returns 1 for what some rule allows whole, and 0 for all else. A rule is one block of comparisons; each that fails
//! jumps to the next block.

use crate::judge::Judged;
use sys::bpf::Instruction;
use wire::devd::Rule;

const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const MOVE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const EXIT: u8 = 0x95;

/// What the kernel sets in `access_type`: the kind in the low half, what is wanted in the high half.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const MAKE: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;

/// Registers: the answer, the context, and what is loaded from it.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const WANTED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const fn with_constant(code: u8, register: u8, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers: register,
        offset: 0,
        immediate,
    }
}

const fn with_register(code: u8, to: u8, from: u8, offset: i16) -> Instruction {
    Instruction {
        code,
        registers: (from << 4) | to,
        offset,
        immediate: 0,
    }
}

const PROLOGUE: [Instruction; 6] = [
    with_register(LOAD_WORD, KIND, CONTEXT, 0),
    with_register(MOVE_REGISTER, WANTED, KIND, 0),
    with_constant(AND, KIND, 0xffff),
    with_constant(SHIFT_RIGHT, WANTED, 16),
    with_register(LOAD_WORD, MAJOR, CONTEXT, 4),
    with_register(LOAD_WORD, MINOR, CONTEXT, 8),
];

/// The whole program for these rules.
pub fn encode(judged: &Judged) -> Vec<Instruction> {
    let mut program = PROLOGUE.to_vec();
    for rule in judged.rules() {
        program.extend(block(rule));
    }
    program.extend([with_constant(MOVE, ANSWER, 0), with_constant(EXIT, 0, 0)]);
    program
}

fn block(rule: &Rule) -> Vec<Instruction> {
    let allowed = [(rule.make, MAKE), (rule.read, READ), (rule.write, WRITE)];
    let denied = allowed
        .iter()
        .filter(|(yes, _)| !yes)
        .fold(0, |bits, (_, bit)| bits | bit);
    let mut tests = vec![with_constant(
        JUMP_UNLESS_EQUAL,
        KIND,
        if rule.block { BLOCK } else { CHARACTER },
    )];
    if denied != 0 {
        // The answer register is free until the end: it holds what is wanted beyond the rule.
        tests.push(with_register(MOVE_REGISTER, ANSWER, WANTED, 0));
        tests.push(with_constant(AND, ANSWER, denied));
        tests.push(with_constant(JUMP_UNLESS_EQUAL, ANSWER, 0));
    }
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        // Judged to be below 2^20, so that no bit is lost.
        tests.extend(number.map(|n| with_constant(JUMP_UNLESS_EQUAL, register, n.cast_signed())));
    }
    tests.extend([with_constant(MOVE, ANSWER, 1), with_constant(EXIT, 0, 0)]);
    let length = tests.len();
    for (at, instruction) in tests.iter_mut().enumerate() {
        if instruction.code == JUMP_UNLESS_EQUAL {
            // A jump counts from the instruction after it; a block has at most 8.
            instruction.offset = i16::try_from(length.saturating_sub(at).saturating_sub(1)).unwrap_or(0);
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::judge;

    const NULL: Rule = Rule {
        block: false,
        major: Some(1),
        minor: Some(3),
        read: true,
        write: true,
        make: false,
    };

    fn program(rules: &[Rule]) -> Vec<Instruction> {
        encode(&judge(rules.to_vec()).unwrap())
    }

    /// Runs a program as the kernel would: `registers` are 32 bits wide because every operation used is.
    fn run(program: &[Instruction], access_type: i32, major: i32, minor: i32) -> i32 {
        let mut r = [0i32; 6];
        let mut at = 0;
        loop {
            let i = program[at];
            let (to, from) = (usize::from(i.registers & 15), usize::from(i.registers >> 4));
            at = at.saturating_add(1);
            match i.code {
                LOAD_WORD => r[to] = [access_type, major, minor][usize::try_from(i.offset).unwrap() / 4],
                AND => r[to] &= i.immediate,
                SHIFT_RIGHT => r[to] = (r[to].cast_unsigned() >> i.immediate).cast_signed(),
                MOVE => r[to] = i.immediate,
                MOVE_REGISTER => r[to] = r[from],
                JUMP_UNLESS_EQUAL if r[to] != i.immediate => at = at.saturating_add(usize::try_from(i.offset).unwrap()),
                JUMP_UNLESS_EQUAL => {}
                EXIT => return r[0],
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn no_rule_is_a_program_that_denies() {
        let end = [
            Instruction {
                code: 0xb4,
                registers: 0,
                offset: 0,
                immediate: 0,
            },
            Instruction {
                code: 0x95,
                registers: 0,
                offset: 0,
                immediate: 0,
            },
        ];
        assert_eq!(program(&[])[6..], end);
        assert_eq!(run(&program(&[]), (READ << 16) | CHARACTER, 1, 3), 0);
    }

    #[test]
    fn a_rule_has_these_instructions() {
        let word = |i: &Instruction| (i.code, i.registers, i.offset, i.immediate);
        let golden = [
            (0x61, 0x12, 0, 0),
            (0xbc, 0x23, 0, 0),
            (0x54, 0x02, 0, 0xffff),
            (0x74, 0x03, 0, 16),
            (0x61, 0x14, 4, 0),
            (0x61, 0x15, 8, 0),
            (0x56, 0x02, 7, 2),
            (0xbc, 0x30, 0, 0),
            (0x54, 0x00, 0, 1),
            (0x56, 0x00, 4, 0),
            (0x56, 0x04, 3, 1),
            (0x56, 0x05, 2, 3),
            (0xb4, 0x00, 0, 1),
            (0x95, 0x00, 0, 0),
            (0xb4, 0x00, 0, 0),
            (0x95, 0x00, 0, 0),
        ];
        assert_eq!(program(&[NULL]).iter().map(word).collect::<Vec<_>>(), golden);
    }

    #[test]
    fn just_what_a_rule_names_is_allowed() {
        let fuse = Rule {
            major: Some(10),
            minor: Some(229),
            write: false,
            ..NULL
        };
        let every_disk = Rule {
            block: true,
            major: Some(8),
            minor: None,
            read: true,
            write: false,
            make: true,
        };
        let anything_made = Rule {
            major: None,
            minor: None,
            read: false,
            write: false,
            make: true,
            ..NULL
        };
        let rules = [NULL, fuse, every_disk, anything_made];
        let program = program(&rules);
        for block in [false, true] {
            for wanted in 0..8 {
                for (major, minor) in [(1, 3), (1, 5), (10, 229), (10, 3), (8, 0), (8, 77), (0, 0)] {
                    let kind = if block { BLOCK } else { CHARACTER };
                    let allows = |r: &Rule| {
                        let number = |n: Option<u32>, is: i32| n.is_none_or(|n| n.cast_signed() == is);
                        r.block == block
                            && number(r.major, major)
                            && number(r.minor, minor)
                            && (wanted & MAKE == 0 || r.make)
                            && (wanted & READ == 0 || r.read)
                            && (wanted & WRITE == 0 || r.write)
                    };
                    let expected = i32::from(rules.iter().any(allows));
                    let found = run(&program, (wanted << 16) | kind, major, minor);
                    assert_eq!(found, expected, "{kind} {wanted} {major}:{minor}");
                }
            }
        }
    }
}
