//! Whole command lines, a word on each line. The launcher and `lazaret` read the same words, each on its own: what `lazaret` understands to be named
//! is what the launcher may open for it, and nothing else.

use clap::Parser;
use ctl::options::{AuditVerb, Networks, Options, Policy, PolicyVerb, Run, Verb};
use launcher::host::Named as Absolute;
use wire::named::{Named, Place};

/// The most words: the kernel takes more, and nothing is gained by them.
const MOST: usize = 64;

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

fn pairs(places: &[Place]) -> Vec<(&str, bool)> {
    sorted(places.iter().map(|p| (p.path.as_str(), p.writable)).collect())
}

fn definitions(named: &Named) -> Vec<&str> {
    sorted(named.definitions.iter().map(String::as_str).collect())
}

fn run_names(run: &Run, named: &Named) {
    let binds = run.bind.iter().map(|b| (b.source.as_str(), !b.read_only));
    let root = run.rootfs.iter().map(|r| (r.as_str(), !run.read_only));
    assert_eq!(
        pairs(&named.places),
        sorted(binds.chain(root).collect()),
        "other places are named than are understood"
    );
    assert_eq!(named.ports, run.publish, "other ports are named than are understood");
    assert_eq!(
        definitions(named),
        Vec::from_iter(run.seccomp.as_deref()),
        "another filter is named than is understood"
    );
}

fn names_nothing(named: &Named) {
    assert!(
        named.places.is_empty() && named.ports.is_empty(),
        "what is not understood is named: {named:?}"
    );
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // No argument has a NUL.
    if text.contains('\0') {
        return;
    }
    let words: Vec<String> = text.split('\n').take(MOST).map(str::to_owned).collect();
    let named = Named::by(&words);
    let _ = Absolute::new(&words, vec![], Some("/here"));
    let whole = ["lazaret"].into_iter().chain(words.iter().map(String::as_str));
    // What is refused is not done, whatever is named.
    let Ok(options) = Options::try_parse_from(whole) else {
        return;
    };
    assert_eq!(named.runs, options.verb.runs(), "whose exit status it is");
    match &options.verb {
        Verb::Run(run) => run_names(run, &named),
        Verb::Define(define) => {
            names_nothing(&named);
            assert_eq!(definitions(&named), [define.file.as_str()]);
        }
        Verb::Create(create) => {
            names_nothing(&named);
            assert_eq!(definitions(&named), [create.file.as_str()]);
        }
        Verb::Networks(Networks::Define(file) | Networks::Create(file)) => {
            names_nothing(&named);
            assert_eq!(definitions(&named), [file.file.as_str()]);
        }
        Verb::Audit(audit) => {
            names_nothing(&named);
            let files = match &audit.verb {
                AuditVerb::Log(log) => &log.file,
                AuditVerb::Verify(verify) => &verify.file,
                AuditVerb::Replay(replay) => &replay.file,
                AuditVerb::Rotate => &vec![],
            };
            assert!(named.audit);
            assert_eq!(definitions(&named), sorted(files.iter().map(String::as_str).collect()));
        }
        Verb::Policy(Policy {
            verb: PolicyVerb::Learn(learn),
        }) => run_names(&learn.run, &named),
        Verb::Policy(policy) => {
            names_nothing(&named);
            let files = match &policy.verb {
                PolicyVerb::Show(show) => vec![show.what.as_str()],
                PolicyVerb::Diff(diff) => vec![diff.first.as_str(), diff.second.as_str()],
                PolicyVerb::Check(check) => vec![check.file.as_str()],
                PolicyVerb::Learn(_) => vec![],
            };
            assert_eq!(definitions(&named), sorted(files));
        }
        Verb::DomxmlToNative(native) => {
            names_nothing(&named);
            assert_eq!(definitions(&named), Vec::from_iter(native.xml.as_deref()));
        }
        Verb::DomxmlFromNative(native) => {
            names_nothing(&named);
            let files = [&native.file].into_iter().chain(&native.included);
            assert_eq!(definitions(&named), sorted(files.map(String::as_str).collect()));
        }
        _ => {
            names_nothing(&named);
            assert!(named.definitions.is_empty() && !named.audit, "{named:?}");
        }
    }
}
