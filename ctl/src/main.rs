//! `lazaret`: options, confine, do what the verb says. It holds no power: whatever it was started with it hands to the launcher first.

mod begin;
mod console;
mod domain;
mod error;
mod escape;
mod existing;
mod foreground;
mod handover;
mod instant;
mod launcher;
mod learner;
mod lookup;
mod named;
mod native;
mod options;
mod output;
mod plan;
mod policy;
mod processes;
mod reconcile;
mod session;
mod signals;
mod state;
mod supervisor;
mod terminal;
mod timing;
mod values;
mod verbs;

use clap::Parser;
use clap::error::ErrorKind;
use error::{Error, Outcome};
use handover::Standing;
use launcher::Launcher;
use options::Options;
use policies::Confined;
use session::Session;
use std::os::fd::AsFd;
use std::process::ExitCode;
use timing::Clock;

fn main() -> ExitCode {
    let clock = Clock::start();
    let mut standing = handover::standing();
    if standing == Standing::Powerful {
        if let Err(reason) = handover::hand_over() {
            output::say(&reason);
            return ExitCode::from(status_before_options());
        }
        standing = Standing::Launched;
        clock.done("starts the launcher, and gives up all power");
    }
    let channel = u32::from(standing == Standing::Launched);
    let declared = handover::CHANNEL.unsigned_abs().saturating_add(channel);
    let confined = match policies::confine_lazaret(declared) {
        Ok(confined) => confined,
        Err(reason) => {
            output::say(&format!("cannot confine itself: {reason}"));
            return ExitCode::from(status_before_options());
        }
    };
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(e) => return ExitCode::from(unparsed(&e)),
    };
    clock.done("confines itself, and reads the command line");
    match act(&confined, standing, &options, clock) {
        Ok(status) => ExitCode::from(status),
        Err(e) => {
            output::say(&told(&options, &e));
            ExitCode::from(e.status(options.verb.runs()))
        }
    }
}

/// The status of a failure before the options are known: that of `run` and `enter` if the verb is one of them.
fn status_before_options() -> u8 {
    let words = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned());
    let runs = wire::named::Named::by(&words.collect::<Vec<_>>()).runs;
    if runs { error::OWN } else { error::REFUSED }
}

/// One line that says what could not be done, to what, and why.
fn told(options: &Options, error: &Error) -> String {
    let why = error.to_string();
    format!(
        "cannot {}: {}",
        options.verb.doing(),
        why.strip_prefix("cannot ").unwrap_or(&why)
    )
}

/// Prints help and version as they are, and what is wrong with the command line in one line.
fn unparsed(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody is there to be told that standard output is closed.
            let _ = output::print(&text);
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::say("a verb is missing; see lazaret --help");
            error::USAGE
        }
        _ => {
            let what = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = what.split_whitespace().collect();
            let line = words.join(" ");
            output::say(&format!(
                "{}; see lazaret --help",
                line.strip_prefix("error: ").unwrap_or(&line)
            ));
            error::USAGE
        }
    }
}

fn act(confined: &Confined, standing: Standing, options: &Options, clock: Clock) -> Outcome<u8> {
    if standing == Standing::Launched {
        let socket =
            sys::process::inherited(handover::CHANNEL).map_err(|e| Error::kernel("find the launcher's channel", e))?;
        let launcher = Launcher::new(socket);
        if !options.verb.needs_authority() {
            return bare(options, Some(&launcher));
        }
        let session = Session::open(confined, launcher, options, clock)?;
        reconcile::reconcile(&session)?;
        return verbs::with_authority(&session, &options.verb);
    }
    if options.verb.needs_authority() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let line = arguments.join(" ");
        return Err(Error::caller(format!(
            "this needs root, whose power goes to the launcher alone (sudo lazaret {line})"
        )));
    }
    bare(options, None)
}

/// Verbs that need nobody's help; `check` asks the launcher if there is one.
fn bare(options: &Options, launcher: Option<&Launcher>) -> Outcome<u8> {
    // What the command line names is opened while it can be, and read once nothing else can.
    let opened = verbs::open_named(&options.verb, launcher)?;
    let shared = verbs::shared_directory(&options.verb);
    let profiles = verbs::loaded_profiles(&options.verb);
    let shared: Vec<_> = shared.iter().map(AsFd::as_fd).collect();
    policies::restrict_lazaret(&shared).map_err(Error::Caller)?;
    verbs::without_authority(&options.verb, launcher, opened, profiles)
}
