//! What one policy gives and another does not. Pure.

use super::{Call, View};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is only in one of two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sides<T> {
    /// Only in the first.
    pub first: T,
    /// Only in the second.
    pub second: T,
}

/// How two policies differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What the first is the policy of, and what the second is.
    pub of: Sides<String>,
    /// Capabilities.
    pub capabilities: Sides<Vec<String>>,
    /// Other facts: the value in the first, and in the second.
    pub facts: BTreeMap<String, Sides<Option<String>>>,
    /// What meets a call, where it differs: each answer with its condition.
    pub calls: BTreeMap<String, Sides<Vec<String>>>,
    /// Hidden places.
    pub hidden: Sides<Vec<String>>,
    /// Places that cannot be written.
    pub read_only: Sides<Vec<String>>,
    /// Places within those that can.
    pub writable: Sides<Vec<String>>,
}

/// Compares two policies.
pub fn difference(first: &View, second: &View) -> Difference {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut names: Vec<&String> = first.facts.iter().chain(&second.facts).map(|(f, _)| f).collect();
    names.retain(|f| *f != "power");
    let value = |view: &View, name: &String| view.facts.iter().find_map(|(f, v)| (f == name).then(|| v.clone()));
    let facts = names.into_iter().filter_map(|name| {
        let (a, b) = (value(first, name), value(second, name));
        (a != b).then(|| (name.clone(), Sides { first: a, second: b }))
    });
    Difference {
        of: Sides {
            first: first.of.clone(),
            second: second.of.clone(),
        },
        capabilities: sides(&owned(first.power()), &owned(second.power())),
        facts: facts.collect(),
        calls: calls(first, second),
        hidden: sides(&first.hidden, &second.hidden),
        read_only: sides(&first.read_only, &second.read_only),
        writable: sides(&first.writable, &second.writable),
    }
}

fn sides(first: &[String], second: &[String]) -> Sides<Vec<String>> {
    let only = |a: &[String], b: &[String]| a.iter().filter(|x| !b.contains(x)).cloned().collect();
    Sides {
        first: only(first, second),
        second: only(second, first),
    }
}

/// What each call meets in a policy.
fn met(view: &View) -> BTreeMap<&str, Vec<String>> {
    let mut met: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let words = |call: &Call| {
        let condition = call
            .condition
            .split_once(':')
            .map_or(call.condition.as_str(), |(any, _)| any);
        let condition = if call.condition.starts_with("any") {
            condition
        } else {
            call.condition.as_str()
        };
        format!("{} {condition}", call.answer)
    };
    for call in &view.calls {
        met.entry(&call.call).or_default().push(words(call));
    }
    if let Some(own) = &view.own {
        for (call, answers) in &mut met {
            let mut left: Vec<String> = own.iter().filter(|c| c.call == **call).map(words).collect();
            if left.is_empty() {
                *answers = vec![format!("{} any", view.otherwise)];
            } else if left != ["allowed any"] {
                left.retain(|l| !answers.contains(l));
                answers.extend(left.into_iter().map(|l| format!("of its own filter: {l}")));
            }
        }
    }
    met
}

fn calls(first: &View, second: &View) -> BTreeMap<String, Sides<Vec<String>>> {
    let (a, b) = (met(first), met(second));
    let missing = |view: &View| vec![format!("{} any", view.otherwise)];
    let names = a.keys().chain(b.keys());
    let differing = names.filter_map(|name| {
        let first = a.get(name).cloned().unwrap_or_else(|| missing(first));
        let second = b.get(name).cloned().unwrap_or_else(|| missing(second));
        (first != second).then(|| ((*name).to_owned(), Sides { first, second }))
    });
    differing.collect()
}

impl Difference {
    /// What the first is the policy of.
    pub fn first(&self) -> &str {
        &self.of.first
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.capabilities, &self.hidden, &self.read_only, &self.writable];
        self.facts.is_empty()
            && self.calls.is_empty()
            && lists.iter().all(|l| l.first.is_empty() && l.second.is_empty())
    }

    /// As text: what only the first has begins with `-`, what only the second has with `+`.
    pub fn text(&self) -> String {
        let mut out = format!("--- {}\n+++ {}\n", self.of.first, self.of.second);
        for (what, list) in [
            ("capability", &self.capabilities),
            ("hidden", &self.hidden),
            ("read-only", &self.read_only),
            ("writable", &self.writable),
        ] {
            for (sign, side) in [('-', &list.first), ('+', &list.second)] {
                for one in side {
                    let _ = writeln!(out, "{sign} {what} {one}");
                }
            }
        }
        for (fact, sides) in &self.facts {
            for (sign, value) in [('-', &sides.first), ('+', &sides.second)] {
                if let Some(value) = value {
                    let _ = writeln!(out, "{sign} {fact} {value}");
                }
            }
        }
        for (call, sides) in &self.calls {
            for (sign, answers) in [('-', &sides.first), ('+', &sides.second)] {
                for answer in answers {
                    let _ = writeln!(out, "{sign} {call} {answer}");
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policies::texts;

    fn file(text: &str) -> View {
        View::of_file("f", &texts::read_other("f", text).unwrap())
    }

    #[test]
    fn the_profiles_differ_in_power_calls_and_what_can_be_written() {
        let (app, system) = (View::of_ours("app").unwrap(), View::of_ours("system").unwrap());
        assert!(difference(&app, &app).is_empty());
        let found = difference(&app, &system);
        assert_eq!(
            (found.capabilities.first.len(), found.capabilities.second.len()),
            (0, 11)
        );
        assert_eq!(found.calls["mount"].first, ["EPERM any"]);
        assert_eq!(found.calls["mount"].second, ["allowed any"]);
        assert_eq!(found.calls["mincore"].first, ["ENOSYS any"]);
        assert!(!found.calls.contains_key("read"));
        let text = found.text();
        assert!(
            text.contains("\n+ capability SYS_ADMIN\n") && text.contains("\n- mount EPERM any\n+ mount allowed any\n"),
            "{text}"
        );
    }

    #[test]
    fn reasons_make_no_difference_and_conditions_do() {
        let first = file("[calls]\nptrace | any: x | y\nread | arg0 is 1 | z\n");
        let second = file("[calls]\nptrace | any: a | b\nread | arg0 is 2 | z\n");
        let found = difference(&first, &second);
        assert_eq!(found.calls.keys().collect::<Vec<_>>(), ["read"]);
    }
}
