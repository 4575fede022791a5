//! The list of attacks is whole: every row from 1 to 65 is tried, by tests that exist and say what they try, or is named as one that cannot
//! be, with a reason that still holds; and every rule has a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tests::programs::tree;
use tests::rows::{ROWS, RULES, Tried};
use tests::{Host, need_root};

/// Every test of every file: its name as `file::function`, and the line of documentation above it.
fn tests_of_the_tree() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(tree().join("tests/tests")).unwrap() {
        let path = entry.unwrap().path();
        let Some(file) = path.file_stem().map(|s| s.to_string_lossy().into_owned()) else {
            continue;
        };
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, l)| **l == "#[test]") {
            assert_eq!(*line, "#[test]");
            let name = lines[at + 1].trim_start_matches("fn ").split('(').next().unwrap();
            let first = (0..at).rev().take_while(|n| lines[*n].starts_with("///")).last();
            let says = first.map_or(String::new(), |n| lines[n..at].join(" "));
            found.insert(format!("{file}::{name}"), says);
        }
    }
    found
}

#[test]
fn every_row_is_tried_by_tests_that_exist_or_named_as_absent() {
    let there = tests_of_the_tree();
    let numbers: Vec<u8> = ROWS.iter().map(|r| r.number).collect();
    assert_eq!(numbers, (1..=65).collect::<Vec<u8>>());
    let mut listed = BTreeSet::new();
    for row in &ROWS {
        assert!(
            !row.rules.is_empty() && row.rules.iter().all(|r| usize::from(*r) <= RULES.len() && *r > 0),
            "{row:?}"
        );
        match row.tried {
            Tried::By(tests) => {
                assert!(!tests.is_empty(), "{row:?}");
                for test in tests {
                    assert!(there.contains_key(*test), "row {}: there is no test {test}", row.number);
                    listed.insert(*test);
                }
            }
            Tried::Absent(reason, words) => assert!(!reason.is_empty() && !words.is_empty(), "{row:?}"),
        }
    }
    // No attack is tried beside the list.
    for test in there
        .keys()
        .filter(|t| t.starts_with("attack_") && !t.starts_with("attack_rows::"))
    {
        assert!(listed.contains(test.as_str()), "{test} is in no row");
    }
}

#[test]
fn an_attack_that_has_a_number_says_so_in_its_first_line() {
    let there = tests_of_the_tree();
    for row in &ROWS {
        let Tried::By(tests) = row.tried else { continue };
        let own = tests.iter().filter(|t| t.starts_with("attack_"));
        let first = row.known.split(", ").next().unwrap();
        if first.starts_with("CVE-") {
            assert!(
                tests.iter().any(|t| there[*t].contains(first)),
                "row {}: no test names {first}",
                row.number
            );
        }
        for test in own {
            assert!(!there[*test].is_empty(), "{test} does not say what it tries");
        }
    }
}

#[test]
fn every_rule_has_a_test() {
    for (number, rule) in (1..).zip(RULES) {
        assert!(rule.starts_with(&format!("R{number}: ")), "{rule}");
        let tried = ROWS
            .iter()
            .any(|r| r.rules.contains(&number) && matches!(r.tried, Tried::By(_)));
        assert!(tried, "no test tries {rule}");
    }
}

/// Where there is nothing to attack, nothing may be there: who adds it writes the attack.
#[test]
fn what_is_named_as_absent_is_in_no_help_text() {
    need_root!();
    let host = Host::new();
    let mut text = host.run(&["--help"]).ok().stdout;
    let verbs: Vec<String> = text
        .lines()
        .skip_while(|l| !l.starts_with("Commands:"))
        .skip(1)
        .take_while(|l| l.starts_with("  "))
        // What is said of a verb may go on in the next line.
        .filter(|l| !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next().map(str::to_owned))
        .collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs.iter().filter(|v| *v != "help") {
        text.push_str(&host.run(&[verb, "--help"]).ok().stdout);
    }
    let text = text.to_lowercase();
    for row in &ROWS {
        let Tried::Absent(reason, words) = row.tried else {
            continue;
        };
        println!("row {} ({}): not tried: {reason}", row.number, row.known);
        for word in words {
            assert!(
                !text.contains(word),
                "row {}: {word} is there now: {reason}",
                row.number
            );
        }
    }
}
