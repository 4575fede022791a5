//! What a command was seen to call, and the smallest policy under which it runs as it did. Pure.

use crate::escape::escape;
use policies::text::DANGEROUS;
use policies::texts::VOCABULARY;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Arguments that tell what a call does, by the call's name: the argument, and how names of its values begin. Only calls of which it is one
/// number, and means the same in every run.
const TELLING: [(&str, u8, &[&str]); 16] = [
    ("arch_prctl", 0, &[]),
    ("clone", 0, &[]),
    ("fcntl", 1, &["F_"]),
    ("ioctl", 1, &["TC", "TIOC", "FIO", "NS_"]),
    ("madvise", 2, &["MADV_"]),
    ("memfd_create", 1, &["MFD_"]),
    ("mmap", 2, &[]),
    ("mprotect", 2, &[]),
    ("personality", 0, &["PER_"]),
    ("pkey_mprotect", 2, &[]),
    ("prctl", 0, &["PR_"]),
    ("prlimit64", 1, &["RLIMIT_"]),
    ("seccomp", 0, &["SECCOMP_"]),
    ("setns", 1, &[]),
    ("socket", 0, &["AF_"]),
    ("unshare", 0, &[]),
];
/// The most values that are listed; with more, the argument is no choice of a few.
const MOST: usize = 48;
/// Calls without which no filter is taken: nothing could be executed, and nothing could end.
const NEEDED: [&str; 2] = ["execve", "exit_group"];

/// How often a call was made, and with which values of the argument that tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Seen {
    times: u64,
    values: BTreeSet<u64>,
}

/// What a command was seen to call.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Learned {
    calls: BTreeMap<String, Seen>,
    /// Numbers that no call has that we know by name, and how often each was tried.
    unknown: BTreeMap<i32, u64>,
}

fn telling(name: &str) -> Option<(u8, &'static [&'static str])> {
    let found = TELLING.iter().find(|(call, _, _)| *call == name);
    found.map(|(_, argument, names)| (*argument, *names))
}

impl Learned {
    /// Writes down one call.
    pub fn add(&mut self, number: i32, arguments: &[u64; 6]) {
        let mut calls = VOCABULARY.calls.iter();
        let Some((name, _)) = calls.find(|(_, n)| *n == i64::from(number)) else {
            let times = self.unknown.entry(number).or_default();
            *times = times.saturating_add(1);
            return;
        };
        let seen = self.calls.entry((*name).to_owned()).or_default();
        seen.times = seen.times.saturating_add(1);
        if let Some((argument, _)) = telling(name)
            && seen.values.len() <= MOST
        {
            let value = arguments.get(usize::from(argument)).copied().unwrap_or(0);
            seen.values.insert(value & u64::from(u32::MAX));
        }
    }

    /// The policy, as a text that says where it is from.
    pub fn text(&self, command: &[String]) -> String {
        let words: Vec<String> = command.iter().map(|w| escape(w)).collect();
        let times = self.calls.values().fold(0u64, |sum, s| sum.saturating_add(s.times));
        let mut text = format!(
            "# What `{}` called, as `lazaret policy learn` saw it: {times} calls of {} kinds.\n# To be in force beside a profile: \
             lazaret run --seccomp FILE -- ...\n",
            words.join(" ").replace('\n', " "),
            self.calls.len()
        );
        for (number, times) in &self.unknown {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "# Not in it: call {number}, which has no name here, made {}.",
                often(*times)
            );
        }
        text.push_str("\n[calls]\n");
        let mut calls = self.calls.clone();
        for needed in NEEDED {
            calls.entry(needed.to_owned()).or_default();
        }
        for (name, seen) in &calls {
            let reason = match seen.times {
                0 => "not seen, but nothing could end without it".to_owned(),
                times => format!("called {}", often(times)),
            };
            let _ = writeln!(text, "{name:<24}| {} | {reason}", condition(name, seen));
        }
        text
    }
}

fn often(times: u64) -> String {
    match times {
        1 => "once".to_owned(),
        more => format!("{more} times"),
    }
}

fn condition(name: &str, seen: &Seen) -> String {
    match telling(name) {
        Some((argument, names)) if (1..=MOST).contains(&seen.values.len()) => {
            let values: Vec<String> = seen.values.iter().map(|v| called(*v, names)).collect();
            format!("arg{argument} in {}", values.join(" "))
        }
        Some(_) => format!("any: with more than {MOST} different values"),
        None if DANGEROUS.contains(&name) => "any: what it was called with differs from run to run".to_owned(),
        None => "any".to_owned(),
    }
}

/// A value by its name, if it has one that begins so; else as a number.
fn called(value: u64, names: &[&str]) -> String {
    let known = VOCABULARY.constants.iter().flat_map(|table| table.iter());
    let mut fitting = known.filter(|(name, v)| *v == value && names.iter().any(|n| name.starts_with(n)));
    fitting
        .next()
        .map_or_else(|| format!("{value:#x}"), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::filter::Asked;

    fn number(name: &str) -> i32 {
        let found = VOCABULARY.calls.iter().find(|(n, _)| *n == name);
        i32::try_from(found.unwrap().1).unwrap()
    }

    fn learned(calls: &[(&str, [u64; 6])]) -> String {
        let mut learned = Learned::default();
        for (name, arguments) in calls {
            learned.add(number(name), arguments);
        }
        learned.text(&["sh".to_owned(), "-c".to_owned(), "a\n\u{1b}b".to_owned()])
    }

    #[test]
    fn it_is_a_policy_of_just_what_was_seen() {
        let text = learned(&[
            ("execve", [0; 6]),
            ("read", [1; 6]),
            ("read", [2; 6]),
            ("ioctl", [1, 0x5401, 0, 0, 0, 0]),
            ("ioctl", [1, 0x1_0000_5413, 0, 0, 0, 0]),
            ("socket", [2, 1, 0, 0, 0, 0]),
            ("kill", [9, 0, 0, 0, 0, 0]),
        ]);
        assert!(text.starts_with("# What `sh -c a\\n\\u{1b}b` called"), "{text}");
        let lines: Vec<&str> = text.lines().skip_while(|l| *l != "[calls]").skip(1).collect();
        assert_eq!(
            lines,
            [
                "execve                  | any: what it was called with differs from run to run | called once",
                "exit_group              | any | not seen, but nothing could end without it",
                "ioctl                   | arg1 in TCGETS TIOCGWINSZ | called 2 times",
                "kill                    | any: what it was called with differs from run to run | called once",
                "read                    | any | called 2 times",
                "socket                  | arg0 in AF_INET | called once",
            ]
        );
        assert!(Asked::read("f", &text).is_ok());
    }

    #[test]
    fn an_argument_that_is_never_the_same_is_no_condition() {
        let many: Vec<(&str, [u64; 6])> = (0..100).map(|n| ("ioctl", [1, n, 0, 0, 0, 0])).collect();
        let text = learned(&many);
        assert!(
            text.contains("ioctl                   | any: with more than 48 different values"),
            "{text}"
        );
        assert!(Asked::read("f", &text).is_ok());
    }

    #[test]
    fn a_call_without_a_name_is_told_and_left_out() {
        let mut seen = Learned::default();
        seen.add(9999, &[0; 6]);
        seen.add(9999, &[0; 6]);
        let text = seen.text(&["x".to_owned()]);
        assert!(text.contains("# Not in it: call 9999, which has no name here, made 2 times."));
        assert!(Asked::read("f", &text).is_ok());
    }

    #[test]
    fn every_call_of_which_an_argument_tells_is_known() {
        for (name, _, _) in TELLING {
            assert!(VOCABULARY.calls.iter().any(|(n, _)| *n == name), "{name}");
        }
    }
}
