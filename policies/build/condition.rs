//! The condition column of a policy's line. Pure: text in, tests or a reason out. The language is in README.md.

use wire::filter::{MOST_ALTERNATIVES, MOST_TESTS, Test};

/// Alternatives; in each, all tests must hold. None at all: every argument will do.
pub type Condition = Vec<Vec<Test>>;

/// What names stand for, and which calls need more than `any`.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary<'a> {
    /// System calls by name.
    pub calls: &'a [(&'a str, i64)],
    /// Constants by name, in several tables.
    pub constants: &'a [&'a [(&'a str, u64)]],
}

/// Reads a whole condition: alternatives, joined by `or`.
pub fn alternatives(text: &str, vocabulary: Vocabulary<'_>) -> Result<Condition, String> {
    let mut all = Vec::new();
    for alternative in text.split(" or ") {
        let mut expanded: Condition = vec![Vec::new()];
        for conjunct in alternative.split(" and ") {
            let choices = conjunct_choices(conjunct.trim(), vocabulary)?;
            if choices.len() > MOST_ALTERNATIVES {
                return Err(format!("there are more than {MOST_ALTERNATIVES} alternatives"));
            }
            expanded = expanded
                .iter()
                .flat_map(|head| {
                    choices
                        .iter()
                        .map(|choice| head.iter().chain(choice).cloned().collect::<Vec<_>>())
                })
                .collect();
            if expanded.len() > MOST_ALTERNATIVES || expanded.iter().any(|tests| tests.len() > MOST_TESTS) {
                return Err(format!(
                    "condition `{alternative}` stands for more than {MOST_ALTERNATIVES} alternatives or {MOST_TESTS} tests"
                ));
            }
        }
        all.append(&mut expanded);
        if all.len() > MOST_ALTERNATIVES {
            return Err(format!("there are more than {MOST_ALTERNATIVES} alternatives"));
        }
    }
    Ok(all)
}

/// `argN OP VALUES`: each choice is a list of tests that must hold together.
fn conjunct_choices(text: &str, vocabulary: Vocabulary<'_>) -> Result<Condition, String> {
    let bad = || format!("condition `{text}` is not `argN is|in|not|with|without VALUE...`");
    let mut words = text.split_whitespace();
    let subject = words.next().and_then(|w| w.strip_prefix("arg")).ok_or_else(bad)?;
    let (subject, wide) = match subject.strip_suffix(":64") {
        Some(s) => (s, true),
        None => (subject, false),
    };
    let argument: u8 = subject.parse().ok().filter(|n| *n < 6).ok_or_else(bad)?;
    let verb = words.next().ok_or_else(bad)?;
    let mut values = Vec::new();
    for word in words {
        let mut value = 0u64;
        for part in word.split('+') {
            value |= constant(part, vocabulary).ok_or_else(|| format!("unknown constant {part}"))?;
        }
        if !wide && value > u64::from(u32::MAX) && value < 0xffff_ffff_0000_0000 {
            return Err(format!("{word} does not fit 32 bits"));
        }
        values.push(if wide { value } else { value & u64::from(u32::MAX) });
    }
    if values.is_empty() {
        return Err(bad());
    }
    let test = |mask: Option<u64>, differs: bool, value: u64| Test {
        argument,
        wide,
        mask,
        differs,
        value,
    };
    let union = values.iter().fold(0, |all, v| all | v);
    // Of no bits everything is true, and of what lies beyond the bits that count nothing: neither is what was meant.
    let mask = values.first().copied().unwrap_or_default();
    let says_nothing = match verb {
        "with" | "without" => union == 0,
        "with-any" => values.contains(&0),
        "field" => mask == 0 || values.iter().any(|v| v & !mask != 0),
        _ => false,
    };
    if says_nothing {
        return Err(format!("condition `{text}` names no bit, or one that does not count"));
    }
    match (verb, values.len()) {
        ("is", 1) | ("in", _) => Ok(values.iter().map(|v| vec![test(None, false, *v)]).collect()),
        ("not", _) => Ok(vec![values.iter().map(|v| test(None, true, *v)).collect()]),
        ("with", _) => Ok(vec![vec![test(Some(union), false, union)]]),
        ("without", _) => Ok(vec![vec![test(Some(union), false, 0)]]),
        // Some of the bits: one alternative for each.
        ("with-any", _) => Ok(values.iter().map(|v| vec![test(Some(*v), false, *v)]).collect()),
        // A field of bits with one of these values: `argN field MASK VALUE...`
        ("field", n) if n > 1 => Ok(values
            .iter()
            .skip(1)
            .map(|v| vec![test(Some(mask), false, *v)])
            .collect()),
        _ => Err(bad()),
    }
}

/// A number, or the constant of that name.
pub fn constant(word: &str, vocabulary: Vocabulary<'_>) -> Option<u64> {
    if let Some(hexadecimal) = word.strip_prefix("0x") {
        return u64::from_str_radix(hexadecimal, 16).ok();
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return word.parse().ok();
    }
    vocabulary
        .constants
        .iter()
        .flat_map(|t| t.iter())
        .find_map(|(n, v)| (*n == word).then_some(*v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_alternatives() {
        let words = Vocabulary {
            calls: &[],
            constants: &[&[("AF_UNIX", 1), ("AF_NETLINK", 16)]],
        };
        let condition = alternatives("arg0 is AF_UNIX or arg0 is AF_NETLINK and arg2 in 0 15", words).unwrap();
        let test = |argument, value| Test {
            argument,
            wide: false,
            mask: None,
            differs: false,
            value,
        };
        assert_eq!(
            condition,
            [
                vec![test(0, 1)],
                vec![test(0, 16), test(2, 0)],
                vec![test(0, 16), test(2, 15)]
            ]
        );
    }

    #[test]
    fn tells_bits_from_values() {
        let words = Vocabulary {
            calls: &[],
            constants: &[],
        };
        let read = |text| alternatives(text, words).unwrap();
        let test = |mask, differs, value| Test {
            argument: 1,
            wide: false,
            mask,
            differs,
            value,
        };
        assert_eq!(read("arg1 not 1 2"), [vec![test(None, true, 1), test(None, true, 2)]]);
        assert_eq!(read("arg1 with 1 2"), [vec![test(Some(3), false, 3)]]);
        assert_eq!(read("arg1 without 1 2"), [vec![test(Some(3), false, 0)]]);
        assert_eq!(
            read("arg1 with-any 1 2"),
            [vec![test(Some(1), false, 1)], vec![test(Some(2), false, 2)]]
        );
        assert_eq!(
            read("arg1 field 0xf000 0x2000"),
            [vec![test(Some(0xf000), false, 0x2000)]]
        );
    }

    #[test]
    fn refuses_bits_of_which_everything_or_nothing_is_true() {
        let words = Vocabulary {
            calls: &[],
            constants: &[&[("NONE", 0)]],
        };
        for bad in [
            "arg1 with 0",
            "arg1 without NONE",
            "arg1 without 0 0x0",
            "arg1 with-any 1 0",
            "arg1 field 0 0",
            "arg1 field 0xf0 0x10 0x5",
            "arg0 is 1 or arg1 with NONE",
        ] {
            let refused = alternatives(bad, words).unwrap_err();
            assert!(refused.contains("names no bit"), "{bad}: {refused}");
        }
        for good in ["arg1 with 0 1", "arg1 field 0xf0 0 0x10", "arg1 is 0", "arg1 not NONE"] {
            assert!(alternatives(good, words).is_ok(), "{good}");
        }
    }
}
