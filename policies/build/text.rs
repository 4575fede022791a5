//! The text of a policy file, and what is wrong with it. Pure: text in, rules or a reason out. The format is in README.md.

use crate::condition::{Condition, Vocabulary, alternatives, constant};
use std::fmt;

/// One line: a call, and on what condition it meets its section's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The call's name.
    pub name: String,
    /// Its number.
    pub number: i64,
    /// The condition.
    pub condition: Condition,
    /// The condition as it is written, with the reason why there is none.
    pub written: String,
    /// The reason.
    pub reason: String,
    /// The file in which it stands, and the line, from 1.
    pub place: (String, usize),
}

/// The calls that meet one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `None`: they are allowed. Otherwise they fail with this errno.
    pub errno: Option<u32>,
    /// The calls.
    pub rules: Vec<Rule>,
}

/// A policy file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The lines before the first section: key and value.
    pub facts: Vec<(String, String)>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

impl Policy {
    /// The rules of all sections, as they travel.
    pub fn rules(&self) -> Result<Vec<wire::filter::Rule>, Wrong> {
        let mut rules = Vec::new();
        for section in &self.sections {
            for rule in &section.rules {
                let wrong = |what: &str| rule.wrong(format!("{}: {what}", rule.name));
                rules.push(wire::filter::Rule {
                    call: u16::try_from(rule.number).map_err(|_| wrong("a call of this number does not exist"))?,
                    answer: match section.errno {
                        None => None,
                        Some(errno) => Some(u16::try_from(errno).map_err(|_| wrong("an errno is at most 4095"))?),
                    },
                    condition: rule.condition.clone(),
                });
            }
        }
        Ok(rules)
    }
}

impl Rule {
    fn wrong(&self, what: String) -> Wrong {
        let (file, line) = self.place.clone();
        Wrong { file, line, what }
    }
}

/// Where a file is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl std::error::Error for Wrong {}

/// Calls that widen what a process can do so far that `any` needs a stated reason.
pub const DANGEROUS: &[&str] = &[
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "clone",
    "clone3",
    "delete_module",
    "execve",
    "execveat",
    "fanotify_init",
    "finit_module",
    "fork",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioctl",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "kill",
    "memfd_create",
    "mknod",
    "mknodat",
    "mmap",
    "mount",
    "mount_setattr",
    "move_mount",
    "mprotect",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "open_tree_attr",
    "perf_event_open",
    "personality",
    "pidfd_getfd",
    "pidfd_send_signal",
    "pivot_root",
    "pkey_mprotect",
    "prctl",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "seccomp",
    "setgid",
    "setgroups",
    "setns",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
    "shmat",
    "socket",
    "swapoff",
    "swapon",
    "syslog",
    "tgkill",
    "tkill",
    "umount2",
    "unshare",
    "userfaultfd",
    "vfork",
    "capset",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "arch_prctl",
    "modify_ldt",
    "vhangup",
];

/// Calls that no policy may allow: their work escapes every filter.
const NEVER: &[&str] = &["io_uring_setup", "io_uring_enter", "io_uring_register"];

/// Reads a policy file. `include` gives the text of a file that an `include` line names.
pub fn parse(
    file: &str,
    text: &str,
    vocabulary: Vocabulary<'_>,
    include: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<Policy, Wrong> {
    let mut policy = Policy::default();
    read(file, text, vocabulary, include, &mut policy)?;
    reconcile(&policy)?;
    Ok(policy)
}

fn read(
    file: &str,
    text: &str,
    vocabulary: Vocabulary<'_>,
    include: &mut dyn FnMut(&str) -> Option<String>,
    policy: &mut Policy,
) -> Result<(), Wrong> {
    let mut current: Option<Option<u32>> = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = |what: String| Wrong {
            file: file.into(),
            line: index.saturating_add(1),
            what,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            current = Some(answer(header, vocabulary).ok_or_else(|| wrong(format!("unknown section [{header}]")))?);
            continue;
        }
        if let Some(name) = line.strip_prefix("include-calls ") {
            let included = include(name.trim()).ok_or_else(|| wrong(format!("there is no file {name} to include")))?;
            let mut part = Policy::default();
            read(name.trim(), &included, vocabulary, include, &mut part)?;
            for section in part.sections.into_iter().filter(|s| s.errno.is_none()) {
                for rule in section.rules {
                    add(policy, None, rule).map_err(wrong)?;
                }
            }
            continue;
        }
        if let Some(name) = line.strip_prefix("include ") {
            let included = include(name.trim()).ok_or_else(|| wrong(format!("there is no file {name} to include")))?;
            read(name.trim(), &included, vocabulary, include, policy)?;
            continue;
        }
        let Some(errno) = current else {
            let (key, value) = line
                .split_once(' ')
                .ok_or_else(|| wrong("a fact is a key and a value".into()))?;
            if policy.facts.iter().any(|(k, _)| k == key) {
                return Err(wrong(format!("duplicate: {key}")));
            }
            policy.facts.push((key.into(), value.trim().into()));
            continue;
        };
        let rule = Rule {
            place: (file.into(), index.saturating_add(1)),
            ..rule(line, errno, vocabulary).map_err(wrong)?
        };
        add(policy, errno, rule).map_err(wrong)?;
    }
    Ok(())
}

/// Puts a rule into the section of its answer.
fn add(policy: &mut Policy, errno: Option<u32>, rule: Rule) -> Result<(), String> {
    let section = match policy.sections.iter_mut().position(|s| s.errno == errno) {
        Some(at) => policy.sections.get_mut(at),
        None => {
            policy.sections.push(Section {
                errno,
                rules: Vec::new(),
            });
            policy.sections.last_mut()
        }
    };
    if let Some(section) = section {
        if section.rules.iter().any(|r| r.name == rule.name) {
            return Err(format!("duplicate: {}", rule.name));
        }
        section.rules.push(rule);
    }
    Ok(())
}

fn answer(header: &str, vocabulary: Vocabulary<'_>) -> Option<Option<u32>> {
    if header == "calls" {
        return Some(None);
    }
    let errno = constant(header.strip_prefix("answer ")?, vocabulary)?;
    Some(Some(u32::try_from(errno).ok()?))
}

/// A call may stand in two sections only if it is allowed with whatever arguments and the other takes some of them back; on a condition it fails
/// only so.
fn reconcile(policy: &Policy) -> Result<(), Wrong> {
    let mut seen: Vec<(String, Option<u32>, bool)> = Vec::new();
    for section in &policy.sections {
        for rule in &section.rules {
            for (name, errno, whole) in &seen {
                let split = errno.is_some() != section.errno.is_some();
                let allowed_whole = if errno.is_none() {
                    *whole
                } else {
                    rule.condition.is_empty()
                };
                if *name == rule.name && !(split && allowed_whole) {
                    let what = format!("{name} meets two answers: allow it with `any` and take back what must fail");
                    return Err(rule.wrong(what));
                }
            }
            seen.push((rule.name.clone(), section.errno, rule.condition.is_empty()));
        }
    }
    // What fails on a condition is done otherwise: that has to be said where calls are allowed, and is judged there.
    let allowed = |name: &str| seen.iter().any(|(n, errno, _)| n == name && errno.is_none());
    let refusing = policy
        .sections
        .iter()
        .filter(|s| s.errno.is_some())
        .flat_map(|s| &s.rules);
    for rule in refusing.filter(|r| !r.condition.is_empty()) {
        if !allowed(&rule.name) {
            let what = format!(
                "{} fails on a condition alone, which would allow it otherwise: allow it with `any` below [calls]",
                rule.name
            );
            return Err(rule.wrong(what));
        }
    }
    Ok(())
}

fn rule(line: &str, errno: Option<u32>, vocabulary: Vocabulary<'_>) -> Result<Rule, String> {
    let mut columns = line.splitn(3, '|').map(str::trim);
    let name = columns.next().unwrap_or_default();
    let written = columns.next().ok_or("a line is: call | condition | reason")?;
    let reason = columns.next().unwrap_or_default();
    let number = vocabulary
        .calls
        .iter()
        .find_map(|(n, number)| (*n == name).then_some(*number))
        .ok_or_else(|| format!("unknown system call {name}"))?;
    if reason.is_empty() {
        return Err(format!("{name} has no reason"));
    }
    let (condition, excuse) = match written.strip_prefix("any") {
        Some("") => (Vec::new(), ""),
        Some(rest) => match rest.strip_prefix(':') {
            Some(excuse) => (Vec::new(), excuse.trim()),
            None => return Err(format!("{name}: after `any` comes nothing, or `: why`")),
        },
        None => (alternatives(written, vocabulary)?, ""),
    };
    if errno.is_none() {
        if NEVER.contains(&name) {
            return Err(format!("{name} is never allowed"));
        }
        if condition.is_empty() && excuse.is_empty() && DANGEROUS.contains(&name) {
            return Err(format!(
                "{name} is dangerous: give a condition, or `any: why none is possible`"
            ));
        }
    }
    Ok(Rule {
        name: name.into(),
        number,
        condition,
        written: written.into(),
        reason: reason.into(),
        place: (String::new(), 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Vocabulary<'_> = Vocabulary {
        calls: &[
            ("read", 0),
            ("ioctl", 16),
            ("socket", 41),
            ("io_uring_setup", 425),
            ("clone3", 435),
        ],
        constants: &[&[("AF_UNIX", 1), ("AF_NETLINK", 16), ("ENOSYS", 38), ("TIOCSTI", 0x5412)]],
    };

    fn read(text: &str) -> Result<Policy, String> {
        let mut include = |name: &str| (name == "base").then(|| String::from("[calls]\nread | any | a file"));
        parse("t", text, WORDS, &mut include).map_err(|e| e.to_string())
    }

    fn refusal(text: &str) -> String {
        read(text).unwrap_err()
    }

    #[test]
    fn refuses_a_duplicate_even_of_an_included_file() {
        assert_eq!(
            refusal("[calls]\nread | any | x\nread | any | y"),
            "t:3: duplicate: read"
        );
        assert_eq!(refusal("include base\n[calls]\nread | any | y"), "t:3: duplicate: read");
        assert_eq!(refusal("uid 1\nuid 2"), "t:2: duplicate: uid");
    }

    #[test]
    fn takes_only_what_is_allowed_from_a_file_of_which_the_calls_are_included() {
        let mut include = |_: &str| {
            Some(String::from(
                "[calls]\nread | any | x\n[answer ENOSYS]\nsocket | any | y",
            ))
        };
        let policy = parse("t", "include-calls other", WORDS, &mut include).unwrap();
        assert_eq!(policy.sections.len(), 1);
        assert_eq!(policy.sections[0].rules[0].name, "read");
        let again = parse("t", "include-calls other\n[calls]\nread | any | z", WORDS, &mut include);
        assert_eq!(again.unwrap_err().to_string(), "t:3: duplicate: read");
    }

    #[test]
    fn refuses_an_unknown_call_constant_section_or_file() {
        assert_eq!(refusal("[calls]\nraed | any | x"), "t:2: unknown system call raed");
        assert_eq!(
            refusal("[calls]\nsocket | arg0 is AF_UNlX | x"),
            "t:2: unknown constant AF_UNlX"
        );
        assert_eq!(refusal("[colls]"), "t:1: unknown section [colls]");
        assert_eq!(refusal("[answer ENOSIS]"), "t:1: unknown section [answer ENOSIS]");
        assert_eq!(refusal("include bose"), "t:1: there is no file bose to include");
    }

    #[test]
    fn refuses_a_missing_reason() {
        assert_eq!(refusal("[calls]\nread | any"), "t:2: read has no reason");
        assert_eq!(refusal("[calls]\nread | any | "), "t:2: read has no reason");
        assert_eq!(refusal("[calls]\nread"), "t:2: a line is: call | condition | reason");
    }

    #[test]
    fn refuses_a_dangerous_call_without_condition_or_excuse() {
        assert!(refusal("[calls]\nioctl | any | x").contains("dangerous"));
        assert!(refusal("[calls]\nioctl | any: | x").contains("dangerous"));
        assert!(read("[calls]\nioctl | any: it is only a test | x").is_ok());
        assert!(read("[calls]\nioctl | arg1 not TIOCSTI | x").is_ok());
        assert!(read("[answer ENOSYS]\nclone3 | any | x").is_ok());
        assert_eq!(
            refusal("[calls]\nio_uring_setup | any: please | x"),
            "t:2: io_uring_setup is never allowed"
        );
    }

    #[test]
    fn refuses_a_condition_that_it_does_not_understand() {
        for bad in [
            "arg6 is 1",
            "arg0 is",
            "arg0 is 1 2",
            "arg0 equals 1",
            "argument 1",
            "",
            "any way",
            "arg0 field 7",
        ] {
            assert!(read(&format!("[calls]\nread | {bad} | x")).is_err(), "{bad}");
        }
        assert!(refusal("[calls]\nread | arg0 is 0x100000000 | x").contains("does not fit 32 bits"));
        assert!(read("[calls]\nread | arg0:64 is 0x100000000 | x").is_ok());
    }

    #[test]
    fn refuses_two_answers_unless_the_allowed_one_is_whole() {
        let both = |allowed: &str| format!("[calls]\nsocket | {allowed} | x\n[answer ENOSYS]\nsocket | arg0 is 5 | y");
        assert!(read(&both("any: taken back below")).is_ok());
        assert!(refusal(&both("arg0 is AF_UNIX")).contains("meets two answers"));
    }

    #[test]
    fn a_condition_on_a_refusal_allows_nothing_by_itself() {
        for call in ["socket", "io_uring_setup"] {
            let refused = refusal(&format!("[answer ENOSYS]\n{call} | arg0 is 5 | x"));
            assert!(
                refused.starts_with(&format!("t:2: {call} fails on a condition alone")),
                "{refused}"
            );
        }
    }
}
