//! One policy, laid out: its facts, what each call meets, and what is hidden. Pure.

use super::condition;
use crate::plan::capabilities;
use policies::calls::CALLS;
use policies::constants;
use policies::masks::{HIDDEN, READ_ONLY, SYSTEM_WRITES};
use policies::text::{Policy, Wrong};
use policies::texts;
use serde::Serialize;
use std::fmt::Write;
use wire::filter::{Filter, Rule};
use wire::init::{Container, Profile};

/// What one call meets on one condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Its name.
    pub call: String,
    /// `allowed`, or the errno.
    pub answer: String,
    /// On what condition, in the words of policy files.
    pub condition: String,
    /// Why, where the policy is a text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether it is a dangerous call that is allowed whatever the arguments.
    #[serde(skip_serializing_if = "is_false")]
    pub wide: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A policy, laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// What it is the policy of.
    pub of: String,
    /// Facts, each with its value.
    pub facts: Vec<(String, String)>,
    /// The calls that it names, in the order of its answers.
    pub calls: Vec<Call>,
    /// What meets every other call.
    pub otherwise: &'static str,
    /// Calls that a container's own filter leaves of these, where it has one beside its profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Vec<Call>>,
    /// Places that are not seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
    /// Places that are seen and cannot be written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
    /// Places within those that can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<String>,
}

/// The name of an errno, if it is one that policies name.
fn answer(errno: Option<u32>) -> String {
    let Some(errno) = errno else { return "allowed".into() };
    let known = constants::CONSTANTS
        .iter()
        .find(|(name, value)| name.starts_with('E') && *value == u64::from(errno));
    known.map_or_else(|| format!("errno {errno}"), |(name, _)| (*name).to_owned())
}

fn of_text(policy: &Policy) -> Vec<Call> {
    let section = |errno: Option<u32>| {
        let rules = policy
            .sections
            .iter()
            .filter(move |s| s.errno == errno)
            .flat_map(|s| &s.rules);
        rules.map(move |rule| Call {
            call: rule.name.clone(),
            answer: answer(errno),
            condition: rule.written.clone(),
            reason: rule.reason.clone(),
            wide: errno.is_none() && texts::is_wide(rule),
        })
    };
    policy.sections.iter().flat_map(|s| section(s.errno)).collect()
}

fn of_rules(filter: &Filter) -> Vec<Call> {
    let call = |rule: &Rule| Call {
        call: name(rule.call),
        answer: answer(rule.answer.map(u32::from)),
        condition: condition(&rule.condition),
        reason: String::new(),
        wide: false,
    };
    filter.rules().iter().map(call).collect()
}

/// The name of a call.
fn name(number: u16) -> String {
    let known = CALLS.iter().find(|(_, n)| *n == i64::from(number));
    known.map_or_else(|| format!("call {number}"), |(name, _)| (*name).to_owned())
}

impl View {
    /// The policy of a profile or of a program.
    pub fn of_ours(ours: &str) -> Result<Self, Wrong> {
        let policy = texts::read(ours)?;
        let mut view = Self::of_file(ours, &policy);
        let profile = [Profile::App, Profile::System]
            .into_iter()
            .find(|p| texts::profile(*p) == ours);
        match profile {
            Some(profile) => view.masks(profile, true, &[]),
            None => view.otherwise = "killed",
        }
        Ok(view)
    }

    /// A policy that somebody brings.
    pub fn of_file(file: &str, policy: &Policy) -> Self {
        Self {
            of: file.to_owned(),
            facts: policy.facts.clone(),
            calls: of_text(policy),
            otherwise: "ENOSYS",
            own: None,
            hidden: Vec::new(),
            read_only: Vec::new(),
            writable: Vec::new(),
        }
    }

    /// What a container has.
    pub fn of_container(container: &Container) -> Result<Self, Wrong> {
        let command = &container.command;
        let profile = texts::profile(command.profile);
        let mut view = Self::of_file(container.name.as_str(), &texts::read(profile)?);
        let upper = |set| capabilities::names(set).join(" ").to_ascii_uppercase();
        let privileges = if command.no_new_privileges { "yes" } else { "no" };
        view.facts = vec![
            ("profile".into(), profile.into()),
            ("power".into(), upper(command.capabilities)),
            ("no-new-privileges".into(), privileges.into()),
        ];
        match &command.filter {
            Some(own) if own.in_place => view.calls = of_rules(&own.filter),
            own => view.own = own.as_ref().map(|o| of_rules(&o.filter)),
        }
        let left: Vec<&str> = container.unmasked.iter().map(|p| p.as_str()).collect();
        view.masks(command.profile, !container.shares_network(), &left);
        Ok(view)
    }

    fn masks(&mut self, profile: Profile, own_network: bool, left: &[&str]) {
        let covered = |places: &[&str]| -> Vec<String> {
            let kept = places.iter().filter(|p| !left.contains(p));
            kept.map(|p| (*p).to_owned()).collect()
        };
        self.hidden = covered(&HIDDEN);
        self.read_only = covered(&READ_ONLY);
        if profile == Profile::System && own_network {
            self.writable = covered(&SYSTEM_WRITES);
        }
    }

    /// The capabilities that it names.
    pub fn power(&self) -> Vec<&str> {
        let power = self.facts.iter().find(|(fact, _)| fact == "power");
        power.map_or_else(Vec::new, |(_, names)| {
            names.split_whitespace().filter(|n| *n != "none").collect()
        })
    }

    /// The numbers of calls that are allowed, and that are refused by name.
    pub fn counts(&self) -> (usize, usize) {
        let allowed = self.calls.iter().filter(|c| c.answer == "allowed").count();
        (allowed, self.calls.len().saturating_sub(allowed))
    }

    /// As text, for people.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.of);
        for (fact, value) in &self.facts {
            let _ = writeln!(out, "  {fact:<18} {value}");
        }
        for (what, places) in [
            ("hidden", &self.hidden),
            ("read-only", &self.read_only),
            ("writable", &self.writable),
        ] {
            for place in places {
                let _ = writeln!(out, "  {what:<18} {place}");
            }
        }
        calls(&mut out, &self.calls);
        if let Some(own) = &self.own {
            let _ = writeln!(out, "\nand of these only, by a filter of its own:");
            calls(&mut out, own);
        }
        let _ = writeln!(out, "\nany other call: {}", self.otherwise);
        out
    }
}

fn calls(out: &mut String, calls: &[Call]) {
    let mut answers: Vec<&str> = calls.iter().map(|c| c.answer.as_str()).collect();
    answers.dedup();
    for answer in answers {
        let of_it: Vec<&Call> = calls.iter().filter(|c| c.answer == answer).collect();
        let _ = writeln!(out, "\n{answer}: {}", of_it.len());
        for call in of_it {
            let line = format!("  {:<24} {:<34} {}", call.call, call.condition, call.reason);
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_shown_with_its_power_its_calls_and_its_masks() {
        let app = View::of_ours("app").unwrap();
        assert_eq!((app.power().len(), app.counts().0, app.otherwise), (7, 288, "ENOSYS"));
        assert!(app.hidden.iter().any(|p| p == "/proc/kcore") && app.writable.is_empty());
        let text = app.text();
        assert!(
            text.contains("allowed: 288\n") && text.contains("\nany other call: ENOSYS\n"),
            "{text}"
        );
        assert!(text.contains("EAFNOSUPPORT: 2\n"), "{text}");
        assert_eq!(View::of_ours("system").unwrap().writable.len(), 4);
        assert_eq!(View::of_ours("mountd").unwrap().otherwise, "killed");
        assert!(View::of_ours("nobody").is_err());
    }

    #[test]
    fn a_dangerous_call_with_any_arguments_is_marked() {
        let file = texts::read_other("f", "[calls]\nptrace | any: a test | x\nread | any | x\n").unwrap();
        let wide: Vec<bool> = View::of_file("f", &file).calls.iter().map(|c| c.wide).collect();
        assert_eq!(wide, [true, false]);
    }
}
