//! Inputs made of others, the same ones every time: what `make test` tries without a fuzzer. Pure.

/// Numbers that look random and are the same in every run (xorshift64*, Marsaglia 2003, Vigna 2016).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same way for one seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The next number below `bound`; 0 where there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        usize::try_from(number).unwrap_or(0).checked_rem(bound).unwrap_or(0)
    }
}

/// Bytes that readers tend to stumble over.
const AWKWARD: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\x1b",
    b"\x7f",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x10",
    b"\x00\x00\x00\x80",
    b"-1",
    b"0",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
    b"..",
    b"/",
    b":",
    b"\"",
    b"<",
    b"&",
    b"\xe2\x80\xae",
    b"\xc2\x9b",
    b"\xed\xa0\x80",
];

/// A place in the input, and one behind it.
fn span(dice: &mut Dice, input: &[u8]) -> (usize, usize) {
    let from = dice.below(input.len() + 1);
    let length = dice.below((input.len() - from).min(64) + 1);
    (from, from + length)
}

/// One change.
fn change(dice: &mut Dice, input: &mut Vec<u8>, others: &[Vec<u8>], most: usize) {
    let (from, to) = span(dice, input);
    match dice.below(9) {
        0 if !input.is_empty() => {
            let at = dice.below(input.len());
            input[at] ^= 1 << dice.below(8);
        }
        1 if !input.is_empty() => {
            let at = dice.below(input.len());
            input[at] = u8::try_from(dice.below(256)).unwrap_or(0);
        }
        2 => drop(input.drain(from..to)),
        3 => {
            let part = input[from..to].to_vec();
            let at = dice.below(input.len() + 1);
            input.splice(at..at, part);
        }
        4 | 5 => {
            let awkward = AWKWARD[dice.below(AWKWARD.len())];
            let over = if dice.below(2) == 0 {
                from
            } else {
                to.min(from + awkward.len())
            };
            input.splice(from..over, awkward.iter().copied());
        }
        6 => {
            // A part of another input.
            let other = others.get(dice.below(others.len())).map_or(&[][..], Vec::as_slice);
            let (a, b) = span(dice, other);
            input.splice(from..to, other[a..b].iter().copied());
        }
        7 => input.truncate(from),
        // The same again and again, now and then up to the most: what takes time that grows faster than the input shows here.
        _ if to > from => {
            let times = match dice.below(64) {
                0 => (most.saturating_sub(input.len())) / (to - from),
                _ => dice.below(64),
            };
            let part = input[from..to].repeat(times);
            input.splice(from..from, part);
        }
        _ => {}
    }
    input.truncate(most);
}

/// An input made of one of these by a few changes. `inputs` is not empty.
pub fn mutated(dice: &mut Dice, inputs: &[Vec<u8>], most: usize) -> Vec<u8> {
    let mut input = inputs[dice.below(inputs.len())].clone();
    for _ in 0..=dice.below(4) {
        change(dice, &mut input, inputs, most);
    }
    input
}
