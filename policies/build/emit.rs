//! Writes one policy as Rust text. Pure.

use crate::compile::Step;
use crate::facts::Facts;
use crate::text::Policy;
use std::fmt::{self, Write as _};

/// Appends the constant of the policy `name`.
pub fn policy(out: &mut String, name: &str, facts: &Facts, policy: &Policy, programs: &[Vec<Step>]) -> fmt::Result {
    let upper = name.to_uppercase();
    let allowed = allowed(policy);
    writeln!(out, "pub(crate) static {upper}: Policy = Policy {{")?;
    writeln!(out, "    name: {name:?},")?;
    writeln!(out, "    uid: {:?},", facts.uid)?;
    writeln!(out, "    power: &{:?},", facts.power)?;
    writeln!(
        out,
        "    power_otherwise: &{:?},",
        facts.power_otherwise.as_ref().unwrap_or(&facts.power)
    )?;
    writeln!(out, "    descriptors: {:?},", facts.descriptors)?;
    writeln!(out, "    peers: &{:?},", facts.peers)?;
    writeln!(out, "    view: {},", facts.view)?;
    writeln!(out, "    scope_signal: {},", facts.scope_signal)?;
    writeln!(out, "    scope_abstract: {},", facts.scope_abstract)?;
    writeln!(out, "    no_tcp: {},", facts.no_tcp)?;
    writeln!(out, "    exempt: {},", facts.exempt)?;
    writeln!(out, "    no_new_privileges: {},", facts.no_new_privileges)?;
    writeln!(out, "    calls: &{allowed:?},")?;
    writeln!(out, "    umask: {:#o},", facts.umask)?;
    writeln!(out, "    memory: {},", facts.memory)?;
    filters(out, programs)?;
    writeln!(out, "}};")
}

/// Appends the constant of the stricter policy of a program's state.
pub fn state(out: &mut String, name: &str, policy: &Policy, programs: &[Vec<Step>]) -> fmt::Result {
    let upper = name.to_uppercase().replace('.', "_");
    writeln!(out, "pub(crate) static {upper}: Stricter = Stricter {{")?;
    writeln!(out, "    name: {name:?},")?;
    writeln!(out, "    calls: &{:?},", allowed(policy))?;
    filters(out, programs)?;
    writeln!(out, "}};")
}

fn allowed(policy: &Policy) -> Vec<&str> {
    let allowing = policy.sections.iter().filter(|s| s.errno.is_none());
    allowing.flat_map(|s| s.rules.iter().map(|r| r.name.as_str())).collect()
}

fn filters(out: &mut String, programs: &[Vec<Step>]) -> fmt::Result {
    writeln!(out, "    filters: &[")?;
    for program in programs {
        writeln!(out, "        &[")?;
        for (code, yes, no, value) in program {
            writeln!(out, "            Instruction::new({code}, {yes}, {no}, {value}),")?;
        }
        writeln!(out, "        ],")?;
    }
    writeln!(out, "    ],")
}
