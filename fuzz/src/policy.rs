//! The host's policy file, with the two of subordinate ids behind it, each after a NUL byte. What is accepted gives out ids that are nobody
//! else's and none of the system's; what is refused is refused with its file and line.

use launcher::host::Named;
use launcher::judge;
use launcher::policy::{PolicyError, parse, subordinates, system_directory};
use wire::ids::{BLOCK, HIGHEST, IdBlock, LAZARET};

fn refused(error: &PolicyError, text: &str) {
    assert!(error.line <= text.lines().count(), "{error}");
    crate::xml::harmless(&error.to_string());
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut files = text.splitn(3, '\0');
    let mut file = || files.next().unwrap_or_default();
    let (text, users, groups) = (file(), file(), file());
    let read = |name, text| subordinates(name, text).inspect_err(|e| refused(e, text));
    let (Ok(users), Ok(groups)) = (read("/etc/subuid", users), read("/etc/subgid", groups)) else {
        return;
    };
    let policy = match parse(text, &users, &groups) {
        Ok(policy) => policy,
        Err(error) => return refused(&error, text),
    };
    let last = u64::from(policy.first) + u64::from(policy.blocks) * u64::from(BLOCK) - 1;
    assert!(policy.first >= 65536 && policy.blocks > 0 && last < u64::from(HIGHEST));
    assert!(
        !(u64::from(policy.first)..=last).contains(&LAZARET.into()),
        "lazaret's own id is given out"
    );
    assert!(IdBlock::new(policy.first).is_some_and(|b| policy.gives(b)));
    assert!(IdBlock::new(policy.first + 1).is_none_or(|b| !policy.gives(b)));
    for (kind, ranges) in policy.maps.iter().enumerate() {
        for (from, to) in ranges {
            assert!(
                *from >= 65536 && from <= to && *to <= HIGHEST,
                "ids {from} to {to} may be mapped"
            );
            assert_eq!(policy.not_mapped(kind, *from, *to), None);
        }
        assert!(policy.not_mapped(kind, 0, 0).is_some(), "host id 0 may be mapped");
    }
    assert!(!policy.roots.is_empty() || policy.named);
    assert!(policy.roots.iter().all(|r| r.starts_with('/')));
    assert!(policy.audit.file.starts_with('/'));
    for root in &policy.roots {
        let _ = (policy.root_of(root), system_directory(root));
        let way = judge::way(&policy, &Named::default(), root, false);
        assert!(way.is_ok(), "a root that is said to be one is none: {root:?}");
    }
    if !policy.named {
        let other = judge::way(&policy, &Named::default(), "/nowhere", true);
        assert!(
            other.is_err() || policy.root_of("/nowhere").is_some(),
            "a path that nothing allows may be opened"
        );
    }
}
