//! Compiles every `.policy` file of this directory into constants of the crate, and refuses to build where one is wrong.
//! Reads the policy files, writes `policies.rs` into OUT_DIR.

#[path = "build/calls.rs"]
mod calls;
#[path = "src/compile.rs"]
mod compile;
#[path = "build/condition.rs"]
mod condition;
#[path = "build/constants.rs"]
mod constants;
#[path = "build/emit.rs"]
mod emit;
#[path = "build/facts.rs"]
mod facts;
#[path = "src/shorten.rs"]
mod shorten;
#[path = "build/text.rs"]
mod text;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

/// Programs, as `wire::Program` has them, and the two profiles of payloads.
const PROGRAMS: [&str; 13] = [
    "lazaret",
    "launcher",
    "supervisor",
    "mountd",
    "netd",
    "idmapd",
    "cgroupd",
    "devd",
    "fused",
    "init",
    "nsenter",
    "recordd",
    "loopd",
];
const PAYLOADS: [&str; 2] = ["app", "system"];
/// What stricter filters there are for the time after a program's start, as `State` has them.
const STATES: [&str; 7] = [
    "launcher.brokering",
    "launcher.watching",
    "fused.serving",
    "supervisor.keeping",
    "init.keeping",
    "init.reaping",
    "nsenter.waiting",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=.");
    let here = std::env::var("CARGO_MANIFEST_DIR")?;
    let mut generated = String::from("// Made by build.rs from the policy files.\n");
    for name in PROGRAMS.into_iter().chain(PAYLOADS) {
        let file = format!("{name}.policy");
        let policy = read(Path::new(&here), &file)?;
        let facts = facts::check(&file, &policy, PAYLOADS.contains(&name))?;
        let otherwise = if PAYLOADS.contains(&name) {
            compile::Otherwise::Missing
        } else {
            compile::Otherwise::Kill
        };
        let programs = if facts.exempt {
            Vec::new()
        } else {
            vec![compile::compile(&policy.rules()?, otherwise)?]
        };
        emit::policy(&mut generated, name, &facts, &policy, &programs)?;
    }
    for name in STATES {
        let policy = read(Path::new(&here), &format!("{name}.policy"))?;
        let programs = [compile::compile(&policy.rules()?, compile::Otherwise::Kill)?];
        emit::state(&mut generated, name, &policy, &programs)?;
    }
    writeln!(generated)?;
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("policies.rs"), generated)?;
    Ok(())
}

fn read(directory: &Path, file: &str) -> Result<text::Policy, Box<dyn Error>> {
    let vocabulary = condition::Vocabulary {
        calls: calls::CALLS,
        constants: &[constants::CONSTANTS, constants::KERNEL],
    };
    let text = std::fs::read_to_string(directory.join(file)).map_err(|e| format!("{file}: {e}"))?;
    let mut include = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
    Ok(text::parse(file, &text, vocabulary, &mut include)?)
}
