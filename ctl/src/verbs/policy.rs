//! `policy`: what profiles, programs, files and containers give, how two of them differ, and whether a file is one. May touch: files that the
//! command line names, the store, to read.

use crate::error::{Error, Outcome};
use crate::launcher::Launcher;
use crate::lookup::find;
use crate::named::text;
use crate::options::{Policy, PolicyVerb};
use crate::output::{print, print_json};
use crate::plan::run::{absolute, working_directory};
use crate::policy::{View, difference, is_file};
use crate::session::Session;
use policies::text::Wrong;
use policies::{compile, facts, texts};
use serde_json::json;
use std::os::fd::OwnedFd;

/// Files that were opened while they could be: each with the word that names it.
pub type Opened = Vec<(String, OwnedFd)>;

fn wrong(e: Wrong) -> Error {
    Error::caller(e.to_string())
}

/// Opens the files that are named: by the launcher, which reads for `lazaret` what its caller may read; else as the caller.
pub fn open(options: &Policy, launcher: Option<&Launcher>) -> Outcome<Opened> {
    let here = working_directory();
    let one = |name: &String| {
        let path = absolute(name, here.as_deref())?;
        let opened = match launcher {
            Some(launcher) => launcher.open(&path)?,
            None => std::fs::File::open(&path).map(OwnedFd::from).map_err(|e| {
                Error::kernel(
                    format!("open {name}"),
                    nix::errno::Errno::from_raw(e.raw_os_error().unwrap_or(0)),
                )
            })?,
        };
        Ok((name.clone(), opened))
    };
    options.files().map(one).collect()
}

/// Shows, compares or checks.
pub fn policy(options: &Policy, session: Option<&Session>, opened: Opened) -> Outcome<()> {
    let mut opened = opened.into_iter();
    let mut view = |word: &str| -> Outcome<View> {
        if texts::is_name(word) {
            return View::of_ours(word).map_err(wrong);
        }
        if is_file(word) {
            let (name, file) = opened
                .next()
                .ok_or_else(|| Error::Bug("a file was not opened".into()))?;
            let policy = texts::read_other(&name, &text(file, &name)?).map_err(wrong)?;
            return Ok(View::of_file(&name, &policy));
        }
        let session = session.ok_or_else(|| Error::Bug("a container was asked for without the store".into()))?;
        let found = find(&session.store, word)?;
        let (place, _) = found.running()?;
        let plan = place.plan()?;
        let container = plan.container();
        let container = container.ok_or_else(|| Error::Bug("the record has no container".into()))?;
        View::of_container(container).map_err(wrong)
    };
    match &options.verb {
        PolicyVerb::Show(show) => {
            let view = view(&show.what)?;
            if show.json {
                print_json(&view)
            } else {
                print(&view.text())
            }
        }
        PolicyVerb::Diff(diff) => {
            let found = difference(&view(&diff.first)?, &view(&diff.second)?);
            if diff.json {
                return print_json(&found);
            }
            if found.is_empty() { Ok(()) } else { print(&found.text()) }
        }
        PolicyVerb::Check(check) => {
            let (name, file) = opened
                .next()
                .ok_or_else(|| Error::Bug("the file was not opened".into()))?;
            let view = checked(&name, &text(file, &name)?)?;
            report(&view, check.json)
        }
        PolicyVerb::Learn(_) => Err(Error::Bug("a command was to be run without the launcher".into())),
    }
}

/// Reads a file with the rules of the build.
fn checked(name: &str, content: &str) -> Outcome<View> {
    let policy = texts::read_other(name, content).map_err(wrong)?;
    let rules = policy.rules().map_err(wrong)?;
    compile::compile(&rules, compile::Otherwise::Missing).map_err(|e| Error::caller(format!("{name}: {e}")))?;
    if policy.facts.is_empty() {
        let filter = wire::filter::Filter::try_from(rules);
        filter.map_err(|e| Error::caller(format!("{name}: as a container's own filter: {e}")))?;
    } else {
        let payload = !policy.facts.iter().any(|(f, _)| f == "descriptors" || f == "peers");
        facts::check(name, &policy, payload).map_err(wrong)?;
    }
    Ok(View::of_file(name, &policy))
}

fn report(view: &View, json: bool) -> Outcome<()> {
    let (allowed, refused) = view.counts();
    let wide: Vec<&str> = view.calls.iter().filter(|c| c.wide).map(|c| c.call.as_str()).collect();
    if json {
        return print_json(
            &json!({"file": view.of, "allowed": allowed, "refused": refused, "dangerous_without_condition": wide}),
        );
    }
    let mut out = format!("{}: {allowed} calls allowed, {refused} refused by name\n", view.of);
    for call in view.calls.iter().filter(|c| c.wide) {
        out.push_str(&format!(
            "dangerous without a condition: {} ({})\n",
            call.call, call.condition
        ));
    }
    print(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_checked_as_the_build_checks_ours() {
        for (name, text) in texts::TEXTS
            .iter()
            .filter(|(name, _)| texts::is_name(name) && !name.contains('.'))
        {
            assert!(checked(&format!("{name}.policy"), text).is_ok(), "{name}");
        }
        let refusal = |text: &str| checked("f", text).unwrap_err().to_string();
        assert_eq!(refusal("[calls]\nread | any"), "f:2: read has no reason");
        assert_eq!(
            refusal("[calls]\nmount | any | x"),
            "f:2: mount is dangerous: give a condition, or `any: why none is possible`"
        );
        assert!(
            refusal("uid x\npower KILLER\nno-new-privileges yes\n[calls]\nread | any | x")
                .contains("unknown capability KILLER")
        );
        assert!(refusal("[calls]\nread | any | x").contains("must allow execve"));
    }
}
