//! The lines of a policy file before its calls: who the program is, what it holds, whom it talks to, what it sees. Pure.

use crate::text::{Policy, Wrong};

/// Capabilities by bit (capabilities(7), include/uapi/linux/capability.h).
pub const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What the facts say, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The uid it runs as, in words.
    pub uid: String,
    /// Bits of its capabilities.
    pub power: Vec<u8>,
    /// Bits of its capabilities on a host without a unified cgroup hierarchy, where they differ.
    pub power_otherwise: Option<Vec<u8>>,
    /// Descriptors that it is started with, in words.
    pub descriptors: String,
    /// Programs that it exchanges frames with.
    pub peers: Vec<String>,
    /// Variant of `View` in the crate, as Rust text.
    pub view: &'static str,
    /// Whether it may not signal processes outside.
    pub scope_signal: bool,
    /// Whether it may not connect to abstract sockets.
    pub scope_abstract: bool,
    /// Whether TCP is denied.
    pub no_tcp: bool,
    /// Whether it does not filter itself.
    pub exempt: bool,
    /// Whether no-new-privileges is set.
    pub no_new_privileges: bool,
    /// File mode bits that what it makes never has.
    pub umask: u32,
    /// Bytes of memory that it has before it is confined, for it gets no more after that.
    pub memory: usize,
}

/// Checks that every fact is there, known and well formed.
pub fn check(file: &str, policy: &Policy, payload: bool) -> Result<Facts, Wrong> {
    let wrong = |what: String| Wrong {
        file: file.into(),
        line: 0,
        what,
    };
    let known: &[&str] = if payload {
        &["uid", "power", "no-new-privileges"]
    } else {
        &[
            "uid",
            "power",
            "power-otherwise",
            "descriptors",
            "peers",
            "view",
            "deny",
            "filter",
            "umask",
            "memory",
        ]
    };
    if let Some((key, _)) = policy.facts.iter().find(|(k, _)| !known.contains(&k.as_str())) {
        return Err(wrong(format!("unknown fact {key}")));
    }
    let find = |key: &str| policy.facts.iter().find_map(|(k, v)| (k == key).then_some(v.as_str()));
    let need = |key: &str| find(key).ok_or_else(|| wrong(format!("the fact {key} is missing")));
    let mut facts = Facts {
        uid: need("uid")?.into(),
        power: bits(need("power")?).map_err(&wrong)?,
        view: "View::None",
        ..Facts::default()
    };
    if payload {
        facts.no_new_privileges = match need("no-new-privileges")? {
            "yes" => true,
            "no" => false,
            other => return Err(wrong(format!("no-new-privileges is yes or no, not {other}"))),
        };
        return Ok(facts);
    }
    facts.no_new_privileges = true;
    facts.umask = match find("umask") {
        None => 0o077,
        Some(octal) => {
            let umask = u32::from_str_radix(octal, 8).ok().filter(|m| *m <= 0o777);
            umask.ok_or_else(|| wrong(format!("umask is up to three octal digits, not {octal}")))?
        }
    };
    facts.memory = match find("memory") {
        None => 0,
        Some(mebibytes) => {
            let bytes = mebibytes.parse::<usize>().ok().filter(|m| (1..=64).contains(m));
            bytes
                .and_then(|m| m.checked_mul(1 << 20))
                .ok_or_else(|| wrong(format!("memory is 1 to 64 MiB, not {mebibytes}")))?
        }
    };
    facts.power_otherwise = find("power-otherwise").map(bits).transpose().map_err(&wrong)?;
    facts.descriptors = need("descriptors")?.into();
    facts.peers = need("peers")?.split_whitespace().map(Into::into).collect();
    facts.view = match need("view")? {
        "none" => "View::None",
        "beneath-inherited" => "View::BeneathInherited",
        "write-proc" => "View::WriteProc",
        "lazaret" => "View::Lazaret",
        "exempt" => "View::Exempt",
        other => return Err(wrong(format!("unknown view {other}"))),
    };
    for word in need("deny")?.split_whitespace() {
        match word {
            "signal" => facts.scope_signal = true,
            "abstract-unix" => facts.scope_abstract = true,
            "tcp" => facts.no_tcp = true,
            "nothing" => {}
            other => return Err(wrong(format!("unknown denial {other}"))),
        }
    }
    facts.exempt = match (need("filter")?, policy.sections.is_empty()) {
        ("listed", false) => false,
        ("exempt", true) => true,
        ("listed" | "exempt", _) => return Err(wrong("a filter is `listed` with calls, or `exempt` without".into())),
        (other, _) => return Err(wrong(format!("unknown filter {other}"))),
    };
    if facts.exempt != (facts.view == "View::Exempt") {
        return Err(wrong(
            "a program is exempt from both filter and view, or from neither".into(),
        ));
    }
    if facts.exempt && !["launcher.policy", "init.policy", "nsenter.policy"].contains(&file) {
        return Err(wrong(
            "only launcher, init and nsenter are exempt: what they start would inherit their filter".into(),
        ));
    }
    Ok(facts)
}

fn bits(text: &str) -> Result<Vec<u8>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let mut bits = Vec::new();
    for word in text.split_whitespace() {
        let at = CAPABILITIES
            .iter()
            .position(|c| *c == word)
            .ok_or_else(|| format!("unknown capability {word}"))?;
        let bit = u8::try_from(at).map_err(|_| format!("unknown capability {word}"))?;
        if bits.contains(&bit) {
            return Err(format!("duplicate: {word}"));
        }
        bits.push(bit);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Rule, Section};

    fn policy(facts: &[(&str, &str)]) -> Policy {
        let rules = vec![Rule {
            name: "read".into(),
            number: 0,
            condition: Vec::new(),
            written: "any".into(),
            reason: "a file".into(),
            place: ("t".into(), 1),
        }];
        Policy {
            facts: facts.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            sections: vec![Section { errno: None, rules }],
        }
    }

    const GOOD: [(&str, &str); 7] = [
        ("uid", "its own"),
        ("power", "SYS_ADMIN"),
        ("descriptors", "3"),
        ("peers", "launcher"),
        ("view", "none"),
        ("deny", "signal tcp"),
        ("filter", "listed"),
    ];

    fn with(key: &str, value: &str) -> Result<Facts, Wrong> {
        let mut facts = GOOD.to_vec();
        facts.retain(|(k, _)| *k != key);
        facts.push((key, value));
        check("t", &policy(&facts), false)
    }

    #[test]
    fn refuses_a_missing_unknown_or_malformed_fact() {
        assert_eq!(check("t", &policy(&GOOD), false).unwrap().power, [21]);
        for left_out in GOOD {
            let facts: Vec<_> = GOOD.into_iter().filter(|fact| *fact != left_out).collect();
            assert!(check("t", &policy(&facts), false).is_err(), "{}", left_out.0);
        }
        let mut more = GOOD.to_vec();
        more.push(("colour", "red"));
        assert!(check("t", &policy(&more), false).is_err());
        let bad = [
            ("power", "SYS_ADMlN"),
            ("power", "KILL KILL"),
            ("view", "all"),
            ("deny", "udp"),
            ("filter", "open"),
            ("umask", "999"),
            ("memory", "0"),
            ("memory", "65"),
        ];
        for (key, value) in bad {
            assert!(with(key, value).is_err(), "{key} {value}");
        }
    }

    #[test]
    fn refuses_an_exemption_of_any_other_program_or_half_of_one() {
        assert!(with("filter", "exempt").is_err());
        assert!(with("view", "exempt").is_err());
        let mut facts = GOOD;
        facts[4].1 = "exempt";
        facts[6].1 = "exempt";
        let exempt = Policy {
            sections: Vec::new(),
            ..policy(&facts)
        };
        assert!(check("mountd.policy", &exempt, false).is_err());
        assert!(check("init.policy", &exempt, false).unwrap().exempt);
    }
}
