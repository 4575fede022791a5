//! What is said of a command line that is not understood, in `lazaret`'s words or virsh's. May touch: standard output and error.

use crate::compose::verb_at;
use crate::manner::manner;
use crate::options::described;
use crate::output::{after, fail, print, say};
use crate::virsh::{about, refusal};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::time::Duration;

/// Prints help and version as they are, and what is wrong with the command line in one line; gives the exit status.
pub fn unparsed(error: &clap::Error, words: &[String]) -> u8 {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = match words.first().filter(|_| manner().virsh).map(|verb| about(verb)) {
                Some(Ok(about)) => format!("{about}\n"),
                _ => about_verb(&text),
            };
            print(&text).map_or_else(|e| e.status(false), |()| 0)
        }
        _ if manner().virsh => {
            if let Err(reasons) = in_virsh(error, words) {
                fail(&reasons.iter().map(String::as_str).collect::<Vec<_>>());
            }
            if is_found_late(error, words) {
                after(Duration::ZERO);
            }
            crate::error::REFUSED
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say("a verb is missing; see lazaret --help");
            crate::error::USAGE
        }
        kind => {
            let verb = match (kind, error.get(ContextKind::InvalidSubcommand)) {
                (ErrorKind::InvalidSubcommand, Some(ContextValue::String(verb))) => Some(verb),
                _ => None,
            };
            let what = verb.map_or_else(|| in_one_line(&text), |verb| format!("there is no verb {verb}"));
            let at = verb_at(words).unwrap_or(words.len());
            let (verbs, _) = told(words.get(at..).unwrap_or_default().iter().map(String::as_str));
            say(&format!(
                "{what}; see {} --help",
                [&["lazaret"], verbs.as_slice()].concat().join(" ")
            ));
            crate::error::USAGE
        }
    }
}

/// The verbs with which these words begin, and what the list of verbs says of the last.
fn told<'a>(words: impl Iterator<Item = &'a str>) -> (Vec<&'a str>, Option<String>) {
    let command = described();
    let mut at = &command;
    let mut verbs = Vec::new();
    for word in words {
        match at.find_subcommand(word) {
            Some(verb) if word != "help" => at = verb,
            _ => break,
        }
        verbs.push(word);
    }
    let about = at.get_about().map(ToString::to_string);
    (verbs, about)
}

/// Help that says first what the verb does, as the list of verbs does.
fn about_verb(text: &str) -> String {
    let Some((_, usage)) = text.split_once("\n\nUsage: ") else {
        return text.to_owned();
    };
    match told(usage.split_whitespace().skip(1)) {
        (verbs, Some(about)) if !verbs.is_empty() => format!("{about}\n\nUsage: {usage}"),
        _ => text.to_owned(),
    }
}

fn in_one_line(text: &str) -> String {
    let what = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = what.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// What virsh would say; nothing where help is asked for.
pub fn in_virsh(error: &clap::Error, words: &[String]) -> Result<(), Vec<String>> {
    let verb = words.first().map_or("", String::as_str);
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let wrong = named(ContextKind::InvalidArg);
    Err(vec![match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Ok(()),
        ErrorKind::InvalidSubcommand => match refusal(words) {
            Some(lines) => return Err(lines),
            None => format!("unknown command: '{}'", named(ContextKind::InvalidSubcommand)),
        },
        ErrorKind::MissingRequiredArgument => missing(verb, &wrong),
        ErrorKind::UnknownArgument if wrong.starts_with("--") => {
            format!("command '{verb}' doesn't support option {wrong}")
        }
        ErrorKind::UnknownArgument => format!("unexpected data '{wrong}'"),
        ErrorKind::ArgumentConflict => {
            let (one, other) = (option(&named(ContextKind::PriorArg)), option(&wrong));
            let turned = if other == "--table" {
                true
            } else {
                one != "--table" && other < one
            };
            let (one, other) = if turned { (other, one) } else { (one, other) };
            format!("Options {one} and {other} are mutually exclusive")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = named(ContextKind::InvalidValue);
            let reason = std::error::Error::source(error).map(ToString::to_string);
            malformed(verb, &option(&wrong), &value)
                .unwrap_or_else(|| reason.unwrap_or_else(|| in_one_line(&error.render().to_string())))
        }
        _ => in_one_line(&error.render().to_string()),
    }])
}

/// An option without what it takes.
fn option(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What is said where an operand or option is not there.
fn missing(verb: &str, wrong: &str) -> String {
    let wrong = option(wrong);
    let wrong = wrong.trim_matches(['<', '>', '.', '-', '[', ']']).to_lowercase();
    match (verb, wrong.as_str()) {
        ("event", _) => "one of --list, --all, or --event <type> is required".to_owned(),
        ("metadata", "key") => "namespace key is required when modifying metadata".to_owned(),
        (_, "size") => format!("command '{verb}' requires --size option"),
        (_, "container") => format!("command '{verb}' requires <domain> option"),
        (_, other) => format!("command '{verb}' requires <{other}> option"),
    }
}

/// What is said of a value that cannot be.
fn malformed(verb: &str, option: &str, value: &str) -> Option<String> {
    let name = option.trim_matches(['<', '>', '-', '[', ']']).to_lowercase();
    Some(match (verb, name.as_str()) {
        ("memtune", _) => format!("Unable to parse integer parameter {name}"),
        ("setmem" | "setmaxmem", "size") if value == "0" => "memory must not be zero".to_owned(),
        (_, "size") => format!("Scaled numeric value '{value}' for <size> option is malformed or out of range"),
        ("domifaddr" | "domhostname", "source") => format!("Unknown data source '{value}'"),
        ("event", "event") => format!("unknown event type {value}"),
        (_, "format") => format!("invalid argument: unsupported config type {value}"),
        (_, "weight" | "pid" | "timeout" | "start" | "count" | "cpu" | "cell" | "cellno") => {
            format!("Numeric value '{value}' for <{name}> option is malformed or out of range")
        }
        _ => return None,
    })
}

/// Whether virsh finds out only when it does the command, after those before it.
pub fn is_found_late(error: &clap::Error, words: &[String]) -> bool {
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::ArgumentConflict => true,
        ErrorKind::InvalidSubcommand => refusal(words).is_some(),
        // What one option asks of another is looked at then.
        ErrorKind::MissingRequiredArgument => {
            let named = error
                .get(ContextKind::InvalidArg)
                .map(ToString::to_string)
                .unwrap_or_default();
            named.contains("--key") || words.first().is_some_and(|verb| verb == "event")
        }
        _ => false,
    }
}
