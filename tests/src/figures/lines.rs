//! Lines of ours that a linked program can run: those of every function of which the linker kept an instruction, by the program's own line
//! table (DWARF). A function counts whole, from `fn` to its closing brace, without blank and comment lines; code that a macro or a derive
//! made counts as the line that asked for it. Touches `target/figures`, where the program is built once more with that table.

use crate::programs;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use wire::Program;

/// Builds programs with line tables, optimised like those that are installed.
pub fn build(programs: &[Program]) -> PathBuf {
    let directory = programs::tree().join("target/figures");
    let mut command = Command::new("cargo");
    command
        .args(["build", "--quiet", "--release", "--target-dir"])
        .arg(&directory)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .current_dir(programs::tree());
    for program in programs {
        command.args(["-p", program.name()]);
    }
    assert!(command.status().expect("run cargo").success(), "build with line tables");
    directory.join("x86_64-unknown-linux-gnu/release")
}

/// By file of ours, the lines that have an instruction in a built program. `None`: readelf(1) is not there.
fn instructions(file: &PathBuf) -> Option<BTreeMap<String, BTreeSet<usize>>> {
    let output = Command::new("readelf")
        .args(["--debug-dump=decodedline", "-W"])
        .arg(file)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tree = format!("{}/", programs::tree().display());
    let (mut source, mut found) = (None, BTreeMap::new());
    for line in text.lines() {
        if let Some(path) = line.trim_end_matches("[++]").strip_suffix(':') {
            let path = path.strip_prefix(&tree).unwrap_or(path);
            let ours = !path.starts_with('/') && programs::tree().join(path).is_file();
            source = ours.then(|| path.to_owned());
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(path), [name, number, address, ..]) = (&source, words.as_slice()) else {
            continue;
        };
        // What the linker left out has its address near 0.
        let kept = u64::from_str_radix(address.trim_start_matches("0x"), 16).is_ok_and(|a| a >= 0x1000);
        let same = path.rsplit('/').next() == Some(name);
        // Line 0 is of no line: the compiler's own.
        if let (true, true, Ok(number @ 1..)) = (kept, same, number.parse::<usize>()) {
            found.entry(path.clone()).or_insert_with(BTreeSet::new).insert(number);
        }
    }
    Some(found)
}

/// First and last line of each function of a formatted source, from 1.
fn functions(source: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, line) in source.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.split_whitespace();
        let mut before = words.clone().take_while(|w| *w != "fn");
        let is_function = words.clone().any(|w| w == "fn")
            && before.all(|w| w.starts_with("pub") || ["const", concat!("un", "safe"), "extern", "\"C\""].contains(&w));
        let open = |l: &str| l.trim_end().ends_with('{');
        if !is_function {
            continue;
        }
        // A signature may take several lines; one without a body ends in a semicolon.
        let body = (at..source.len()).find(|i| open(source[*i]) || source[*i].trim_end().ends_with([';', '}']));
        let Some(body) = body.filter(|b| open(source[*b])) else {
            found.push((at + 1, body.unwrap_or(at) + 1));
            continue;
        };
        let close = format!("{}}}", " ".repeat(indent));
        let end = (body..source.len()).find(|i| source[*i] == close).unwrap_or(body);
        found.push((at + 1, end + 1));
    }
    found
}

/// By file, how many lines of ours the programs can run, all together. `None`: readelf(1) is not there.
pub fn reachable(programs: &[PathBuf]) -> Option<BTreeMap<String, usize>> {
    let mut all: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for program in programs {
        for (file, lines) in instructions(program)? {
            all.entry(file).or_default().extend(lines);
        }
    }
    let count = |(file, lines): (String, BTreeSet<usize>)| {
        let text = fs::read_to_string(programs::tree().join(&file)).expect("read a source of ours");
        let source: Vec<&str> = text.lines().collect();
        let mut counted = lines.clone();
        for (first, last) in functions(&source) {
            if lines.range(first..=last).next().is_some() {
                counted.extend(first..=last);
            }
        }
        let code = |n: &&usize| {
            let line = source.get(**n - 1).map_or("", |l| l.trim());
            !line.is_empty() && !line.starts_with("//")
        };
        (file, counted.iter().filter(code).count())
    };
    Some(all.into_iter().map(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_counted_from_its_first_line_to_its_brace() {
        let source = [
            "impl X {",
            "    pub(crate) const fn one(&self) -> u8 {",
            "        if true {",
            "        }",
            "    }",
            "}",
            "fn two(",
            "    a: u8,",
            ") -> u8 {",
            "    a",
            "}",
            "    fn three(&self);",
            "let no = |f: fn(u8)| 1;",
        ];
        assert_eq!(functions(&source), [(2, 5), (7, 11), (12, 12)]);
    }
}
