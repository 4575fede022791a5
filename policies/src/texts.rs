//! The policy files themselves, as they were when the filters were compiled from them, and others of the same form. Pure.

use crate::condition::Vocabulary;
use crate::text::{DANGEROUS, Policy, Rule, Wrong, parse};
use crate::{calls, constants};
use wire::Program;
use wire::init::Profile;

/// What the words of a policy file stand for.
pub const VOCABULARY: Vocabulary<'static> = Vocabulary {
    calls: calls::CALLS,
    constants: &[constants::CONSTANTS, constants::KERNEL],
};

macro_rules! texts {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../", $name, ".policy")))),*] };
}

/// Name and text of each file: the programs, the two profiles, what several of them include, and the states of programs.
pub const TEXTS: &[(&str, &str)] = texts! {
    "lazaret" "launcher" "supervisor" "mountd" "netd" "idmapd" "cgroupd" "devd" "fused" "init" "nsenter" "app" "system" "base" "payload"
    "fused.serving" "supervisor.keeping" "init.keeping" "init.reaping" "nsenter.waiting" "recordd" "loopd" "launcher.brokering"
    "launcher.watching"
};

/// The rules that allow.
pub fn allowing(policy: &Policy) -> impl Iterator<Item = &Rule> {
    policy
        .sections
        .iter()
        .filter(|s| s.errno.is_none())
        .flat_map(|s| &s.rules)
}

/// Whether a rule allows a dangerous call whatever the arguments.
pub fn is_wide(rule: &Rule) -> bool {
    rule.condition.is_empty() && DANGEROUS.contains(&rule.name.as_str())
}

/// The name of a profile's file.
pub const fn profile(profile: Profile) -> &'static str {
    match profile {
        Profile::App => "app",
        Profile::System => "system",
    }
}

/// Whether this is the name of a program, of a profile, or of a program's state.
pub fn is_name(name: &str) -> bool {
    let program = |p: &Program| name.split_once('.').map_or(name, |(program, _)| program) == p.name();
    ["app", "system"].contains(&name) || (text(name).is_some() && Program::ALL.iter().any(program))
}

fn text(name: &str) -> Option<&'static str> {
    TEXTS.iter().find_map(|(n, text)| (*n == name).then_some(*text))
}

/// Reads a file of ours by its name.
pub fn read(name: &str) -> Result<Policy, Wrong> {
    let missing = || Wrong {
        file: name.into(),
        line: 0,
        what: "there is no policy of this name".into(),
    };
    read_other(&format!("{name}.policy"), text(name).ok_or_else(missing)?)
}

/// Reads the text of another file, which may include ours.
pub fn read_other(file: &str, content: &str) -> Result<Policy, Wrong> {
    let mut include = |name: &str| name.strip_suffix(".policy").and_then(text).map(str::to_owned);
    parse(file, content, VOCABULARY, &mut include)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_directory_is_there() {
        let mut files: Vec<String> = std::fs::read_dir(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .filter_map(|e| {
                e.unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".policy")
                    .map(str::to_owned)
            })
            .collect();
        let mut names: Vec<&str> = TEXTS.iter().map(|(n, _)| *n).collect();
        files.sort_unstable();
        names.sort_unstable();
        assert_eq!(files, names);
        for name in names.into_iter().filter(|n| is_name(n)) {
            assert!(read(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn another_file_may_include_ours_and_no_file_of_the_callers() {
        let policy = read_other("mine", "include payload.policy\n[calls]\nchroot | any: mine | x\n").unwrap();
        assert!(
            ["read", "chroot"]
                .iter()
                .all(|name| allowing(&policy).any(|r| r.name == *name))
        );
        assert_eq!(
            read_other("mine", "\ninclude /etc/passwd\n").unwrap_err().to_string(),
            "mine:2: there is no file /etc/passwd to include"
        );
    }
}
