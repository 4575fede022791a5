//! What is said of a command line that is not understood, in `lazaret`'s words or virsh's. May touch: standard output and error.

use crate::manner::manner;
use crate::output::{fail, print, say};
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Prints help and version as they are, and what is wrong with the command line in one line; gives the exit status.
pub fn unparsed(error: &clap::Error, words: &[String]) -> u8 {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody is there to be told that standard output is closed.
            let _ = print(&text);
            0
        }
        _ if manner().virsh => {
            if let Err(reason) = in_virsh(error, words) {
                fail(&[&reason]);
            }
            crate::error::REFUSED
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say("a verb is missing; see lazaret --help");
            crate::error::USAGE
        }
        _ => {
            say(&format!("{}; see lazaret --help", in_one_line(&text)));
            crate::error::USAGE
        }
    }
}

fn in_one_line(text: &str) -> String {
    let what = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = what.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// What virsh would say; nothing where help is asked for.
pub fn in_virsh(error: &clap::Error, words: &[String]) -> Result<(), String> {
    let verb = words.first().map_or("", String::as_str);
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let wrong = named(ContextKind::InvalidArg);
    Err(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Ok(()),
        ErrorKind::InvalidSubcommand => format!("unknown command: '{}'", named(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument => {
            let wrong = wrong.trim_matches(['<', '>', '.']).to_lowercase();
            let option = match wrong.as_str() {
                "container" => "domain",
                other => other,
            };
            format!("command '{verb}' requires <{option}> option")
        }
        ErrorKind::UnknownArgument if wrong.starts_with("--") => {
            format!("command '{verb}' doesn't support option {wrong}")
        }
        ErrorKind::UnknownArgument => format!("unexpected data '{wrong}'"),
        _ => in_one_line(&error.render().to_string()),
    })
}
