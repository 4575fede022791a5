//! Rules about the tree itself: the documents tell the truth about it, and what must be in one place is only there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tests::programs::tree;
use wire::Program;

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&tree(), &mut found);
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    let rust = all().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    rust.map(|p| {
        (
            p.strip_prefix(tree()).unwrap().to_owned(),
            fs::read_to_string(&p).unwrap(),
        )
    })
    .collect()
}

fn members() -> Vec<String> {
    let text = fs::read_to_string(tree().join("Cargo.toml")).unwrap();
    let list = text.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn paths_named_in_documents_exist() {
    let mut missing = Vec::new();
    let tops: BTreeSet<String> = fs::read_dir(tree())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for document in all().into_iter().filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let word = word.trim_end_matches('/');
            let first = word.split('/').next().unwrap_or_default();
            let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
            let is_file = [".rs", ".md", ".toml", ".policy", ".sh"]
                .iter()
                .any(|e| word.ends_with(e))
                && !word.starts_with('.');
            let in_tree = word.contains('/') && tops.contains(first);
            if !plain || !(is_file || in_tree) || word.starts_with('/') {
                continue;
            }
            // A bare name stands for any file below the document's directory.
            let crate_directory = document.parent().unwrap();
            let places = [
                tree().join(word),
                crate_directory.join(word),
                crate_directory.join("src").join(word),
            ];
            let bare = !word.contains('/')
                && all()
                    .iter()
                    .any(|p| p.starts_with(crate_directory) && p.file_name().is_some_and(|n| n == word));
            if !bare && !places.iter().any(|p| p.exists()) {
                missing.push(format!("{}: {word}", document.strip_prefix(tree()).unwrap().display()));
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there:\n{}", missing.join("\n"));
}

#[test]
fn unsafe_code_is_in_sys_only() {
    for (path, text) in sources().into_iter().filter(|(p, _)| !p.starts_with("sys")) {
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap();
            let word = code
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|w| w == concat!("un", "safe"));
            assert!(!word, "{}:{number}: {line}", path.display());
        }
    }
    for member in members().iter().filter(|m| *m != "sys") {
        let manifest = fs::read_to_string(tree().join(member).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true") || manifest.contains("unsafe_code = \"forbid\""),
            "{member} has not the workspace's lints"
        );
    }
}

#[test]
fn each_program_has_its_policy_and_its_folder() {
    let policies: BTreeSet<String> = fs::read_dir(tree().join("policies"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "policy"))
        .map(|p| p.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    for program in Program::ALL {
        assert!(
            policies.contains(program.name()),
            "policies/{}.policy is missing",
            program.name()
        );
        let folder = if program == Program::Lazaret {
            "ctl"
        } else {
            program.name()
        };
        assert!(
            members().iter().any(|m| m == folder),
            "{folder} is no member of the workspace"
        );
        assert!(tree().join(folder).join("src/main.rs").exists());
    }
    // Beside the programs': what they have in common, and the payload's.
    let known = Program::ALL
        .iter()
        .map(|p| p.name())
        .chain(["base", "payload", "app", "system"])
        .chain(policies::State::ALL.map(|s| policies::stricter(s).name))
        .collect::<BTreeSet<_>>();
    let strange: Vec<&String> = policies.iter().filter(|p| !known.contains(p.as_str())).collect();
    assert!(strange.is_empty(), "policies of no program: {strange:?}");
}

/// The names of the variants of an enum in a source text.
fn variants(text: &str, name: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(&format!("pub enum {name} {{\n")) else {
        return Vec::new();
    };
    let body = rest.split_once("\n}").unwrap().0;
    let variant = |l: &str| {
        let l = l.strip_prefix("    ")?;
        let word: String = l.chars().take_while(|c| c.is_alphanumeric()).collect();
        word.starts_with(char::is_uppercase).then_some(word)
    };
    body.lines().filter_map(variant).collect()
}

const PEERS: [&str; 13] = [
    "broker",
    "cgroupd",
    "devd",
    "fused",
    "idmapd",
    "init",
    "launcher",
    "loopd",
    "mountd",
    "netd",
    "nsenter",
    "recordd",
    "supervisor",
];

#[test]
fn each_message_has_golden_bytes() {
    let mut missing = Vec::new();
    for peer in PEERS {
        let text = fs::read_to_string(tree().join(format!("wire/src/{peer}.rs"))).unwrap();
        let Some((messages, golden)) = text.split_once("#[cfg(test)]") else {
            missing.push(format!("{peer}: no tests at all"));
            continue;
        };
        // Tests that would make a long file longer lie beside it.
        let beside = fs::read_to_string(tree().join(format!("wire/src/{peer}/tests.rs"))).unwrap_or_default();
        let golden = format!("{golden}{beside}");
        if !golden.contains("fn bytes_are_frozen") {
            missing.push(format!("{peer}: no test called bytes_are_frozen"));
        }
        for name in ["Request", "Reply", "Control", "Report"] {
            for variant in variants(messages, name) {
                if !golden.contains(&format!("{name}::{variant}")) {
                    missing.push(format!("{peer}: {name}::{variant}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "without frozen bytes:\n{}", missing.join("\n"));
}

#[test]
fn each_request_is_tested_in_its_piece() {
    let mut missing = Vec::new();
    for peer in PEERS {
        let text = fs::read_to_string(tree().join(format!("wire/src/{peer}.rs"))).unwrap();
        let mut found = Vec::new();
        // The broker is the launcher, which a test's user asks.
        let place = if peer == "broker" { "launcher/src/broker" } else { peer };
        files(&tree().join(place), &mut found);
        found.extend((peer == "broker").then(|| tree().join("tests/src/bin/borrow.rs")));
        // The launcher's client is played by a `lazaret` that was taken over.
        let imposter = (peer == "launcher").then(|| tree().join("tests/src/bin/imposter.rs"));
        found.extend(imposter);
        let tested: String = found
            .iter()
            .filter(|p| p.extension().is_some_and(|e| e == "rs"))
            .map(|p| {
                let text = fs::read_to_string(p).unwrap();
                let whole = p.components().any(|c| c.as_os_str() == "tests");
                if whole {
                    text
                } else {
                    text.split_once("#[cfg(test)]")
                        .map(|(_, t)| t.to_owned())
                        .unwrap_or_default()
                }
            })
            .collect();
        for variant in variants(text.split("#[cfg(test)]").next().unwrap(), "Request") {
            if !tested.contains(&format!("Request::{variant}")) {
                missing.push(format!("{peer}: Request::{variant}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "without a test in the piece:\n{}",
        missing.join("\n")
    );
}

#[test]
fn each_source_file_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(
            text.starts_with("//! "),
            "{} does not say what it is for",
            path.display()
        );
        assert!(
            !text.contains(concat!("Placeholder ", "until the crate lands")),
            "{} is a placeholder",
            path.display()
        );
    }
}

#[test]
fn each_crate_has_its_page() {
    const HEADINGS: [&str; 7] = [
        "Purpose",
        "Runs as",
        "Holds",
        "Talks to",
        "Trusts",
        "If it is compromised",
        "Files",
    ];
    for member in members() {
        let page = tree().join(&member).join("README.md");
        let text = fs::read_to_string(&page).unwrap_or_else(|_| panic!("{member} has no README.md"));
        let found: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
        assert_eq!(found, HEADINGS, "{member}/README.md");
    }
}

#[test]
fn no_file_has_a_name_whose_purpose_was_not_found() {
    for path in all() {
        let stem = path.file_stem().unwrap().to_string_lossy().to_lowercase();
        for word in [
            "util", "utils", "helper", "helpers", "common", "misc", "manager", "handler",
        ] {
            assert!(
                stem.split(['_', '-', '.']).all(|part| part != word),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn no_program_sleeps() {
    for (path, text) in sources()
        .into_iter()
        .filter(|(p, _)| !p.starts_with("tests") && !p.components().any(|c| c.as_os_str() == "tests"))
    {
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in ["thread::sleep", "nanosleep(", "usleep("] {
            assert!(!code.contains(word), "{} sleeps: {word}", path.display());
        }
    }
}

#[test]
fn wire_and_sys_depend_on_nothing_of_ours_and_nobody_on_an_executable() {
    for member in members() {
        let manifest = fs::read_to_string(tree().join(&member).join("Cargo.toml")).unwrap();
        let dependencies = manifest
            .split_once("[dependencies]")
            .map(|(_, d)| d.split("\n[").next().unwrap())
            .unwrap_or_default();
        let ours: Vec<&str> = dependencies
            .lines()
            .filter_map(|l| l.split(['.', ' ', '=']).next())
            .filter(|d| members().iter().any(|m| m == d))
            .collect();
        for dependency in &ours {
            assert!(
                Program::ALL.iter().all(|p| p.name() != *dependency) && *dependency != "ctl",
                "{member} depends on an executable: {dependency}"
            );
        }
        if member == "wire" {
            assert!(ours.is_empty(), "{member}: {ours:?}");
        }
        if member == "sys" {
            assert!(ours.iter().all(|d| *d == "wire"), "{member}: {ours:?}");
        }
    }
}

#[test]
fn nothing_that_is_installed_has_a_set_id_bit() {
    let makefile = fs::read_to_string(tree().join("Makefile")).unwrap();
    for mode in makefile
        .split("install -m ")
        .skip(1)
        .map(|m| m.split_whitespace().next().unwrap())
    {
        assert!(matches!(mode, "0755" | "0644"), "{mode}");
    }
    for word in ["setcap", "chmod"] {
        assert!(!makefile.contains(word), "{word} in the Makefile");
    }
}
