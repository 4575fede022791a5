//! `lazaret`: options, confine, do what the verb says. It holds no power: whatever it was started with it hands to the launcher first.

mod begin;
mod compose;
mod console;
mod domain;
mod error;
mod escape;
mod existing;
mod figures;
mod first;
mod foreground;
mod handover;
mod hooks;
mod instant;
mod launcher;
mod learner;
mod lent;
mod lookup;
mod manner;
mod named;
mod native;
mod network;
mod networks;
mod options;
mod output;
mod passing;
mod plan;
mod policy;
mod processes;
mod reconcile;
mod session;
mod sharing;
mod signals;
mod signames;
mod state;
mod supervisor;
mod terminal;
mod timing;
mod unparsed;
mod user;
mod values;
mod verbs;
mod virsh;

use clap::Parser;
use error::{Error, Needed, Outcome};
use handover::Standing;
use launcher::Launcher;
use options::{Options, Verb};
use policies::Confined;
use session::Session;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use timing::Clock;
use virsh::What;

fn main() -> ExitCode {
    let clock = Clock::start();
    let words: Vec<OsString> = std::env::args_os().collect();
    let variable = std::env::var(values::uri::VARIABLE).ok();
    let called = virsh::called(&words, variable.as_deref());
    manner::choose(called.manner);
    called.told.iter().for_each(|told| output::fail(&[told]));
    let status = match called.what {
        What::Verb(words) => verb(&words, clock),
        What::Session(session) => virsh::hold(&session).unwrap_or_else(|reason| {
            output::fail(&[&reason]);
            error::REFUSED
        }),
        What::Print(text) => output::print(&text).map_or_else(|e| e.status(false), |()| 0),
        What::Failed(reason) => {
            output::fail(&[&reason]);
            output::after(std::time::Duration::ZERO);
            error::REFUSED
        }
        What::Refused(reasons) => {
            output::fail(&reasons.iter().map(String::as_str).collect::<Vec<_>>());
            if called.manner.virsh {
                error::REFUSED
            } else {
                error::USAGE
            }
        }
    };
    ExitCode::from(status)
}

/// Does what one command line says, without the program's own name; gives the exit status.
fn verb(words: &[OsString], clock: Clock) -> u8 {
    let text: Vec<String> = words.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    if compose::is_for_here(&text) {
        return compose::conduct(&text);
    }
    let passed = match passing::take(&text) {
        Ok(passed) => passed,
        Err(reason) => {
            output::fail(&[&reason]);
            return error::REFUSED;
        }
    };
    let count = passed.len();
    let mut standing = handover::standing();
    let mut obstacle = None;
    if standing == Standing::Ordinary && user::is_needed(&text) {
        // From here on this process is root of the user's own host, and does as root does.
        match user::enter() {
            Ok(()) => standing = Standing::Powerful,
            Err(reason) => obstacle = Some(reason),
        }
    }
    let mut hooked = false;
    if standing == Standing::Powerful {
        let handed = hooks_for(&text).and_then(|hooks| {
            hooked = hooks.is_some();
            handover::hand_over(words, passed, hooks)
        });
        if let Err(reason) = handed {
            output::fail(&[&reason]);
            return status_before_options(&text);
        }
        standing = Standing::Launched;
        clock.done("starts the launcher, and gives up all power");
    } else {
        // Nothing starts from here, and whoever confines itself closes what it did not declare.
        drop(passed);
    }
    let channel = u32::from(standing == Standing::Launched);
    let first = handover::CHANNEL.unsigned_abs().saturating_add(channel);
    let declared = first.saturating_add(u32::try_from(count).unwrap_or(0));
    let confined = match policies::confine_lazaret(declared) {
        Ok(confined) => confined,
        Err(reason) => {
            output::fail(&[&format!("cannot confine itself: {reason}")]);
            return status_before_options(&text);
        }
    };
    let options = match Options::try_parse_from(
        std::iter::once(OsStr::new("lazaret")).chain(words.iter().map(OsString::as_os_str)),
    ) {
        Ok(options) => options,
        Err(e) => return unparsed::unparsed(&e, &text),
    };
    clock.done("confines itself, and reads the command line");
    let began = std::time::Instant::now();
    let launched = standing == Standing::Launched;
    let status = if launched || !options.verb.needs_authority() {
        act(&confined, launched, &options, clock, (count, hooked))
    } else {
        Err(powerless(obstacle))
    };
    let status = status.unwrap_or_else(|e| {
        if e == Error::Unread {
            return error::UNREAD;
        }
        let told = told(&options, &e);
        output::fail(&told.iter().map(String::as_str).collect::<Vec<_>>());
        let virsh = manner::manner().virsh;
        if virsh {
            error::REFUSED
        } else {
            e.status(options.verb.runs())
        }
    });
    if options.verb.is_virshs() {
        output::after(began.elapsed());
    }
    status
}

/// Whoever executes the host's hook script, if it has one and these words may call it: root's own, not that of a user's host.
fn hooks_for(words: &[String]) -> Result<Option<OwnedFd>, String> {
    match user::here() {
        None if user::is_needed(words) => hooks::runner::start(),
        _ => Ok(None),
    }
}

/// The status of a failure before the options are known: that of `run` and `enter` if the verb is one of them.
fn status_before_options(words: &[String]) -> u8 {
    let runs = wire::named::Named::by(words).runs;
    if runs && !manner::manner().virsh {
        error::OWN
    } else {
        error::REFUSED
    }
}

/// What could not be done, to what, and why: one line, or those of virsh's.
fn told(options: &Options, error: &Error) -> Vec<String> {
    let why = error.to_string();
    let why = why.strip_prefix("cannot ").unwrap_or(&why);
    if !manner::manner().virsh {
        return vec![format!("cannot {}: {why}", options.verb.doing())];
    }
    match (error, options.verb.failing()) {
        (Error::Container(Needed::Known, name), _) => vec![format!("failed to get domain '{name}'")],
        (Error::Container(Needed::Inactive, _), _) => vec!["Domain is already active".to_owned()],
        (Error::Container(Needed::Running, _), _) if matches!(options.verb, Verb::Console(_)) => {
            vec!["The domain is not running".to_owned()]
        }
        (Error::Kernel(what, errno), _) if what.starts_with("open ") && options.verb.file().is_some() => {
            let file = options.verb.file().unwrap_or_default();
            vec![format!("Failed to open file '{file}': {}", errno.desc())]
        }
        (Error::Container(needed, name), first) => first.into_iter().chain([needed.in_virsh(name)]).collect(),
        (Error::Usage(text), _) => vec![text.clone()],
        (_, first) => first.into_iter().chain([error.to_string()]).collect(),
    }
}

/// Why nothing can be done that takes a launcher: nobody could be root of anything.
fn powerless(obstacle: Option<String>) -> Error {
    let root = "or call it as root";
    match obstacle {
        Some(reason) => Error::caller(format!("{reason}, {root}")),
        None => Error::caller(format!(
            "this takes a user namespace of yours, which was not made, {root}"
        )),
    }
}

fn act(
    confined: &Confined,
    launched: bool,
    options: &Options,
    clock: Clock,
    (passed, hooked): (usize, bool),
) -> Outcome<u8> {
    if manner::manner().readonly && !options.verb.only_reads() {
        return Err(Error::caller("operation forbidden: read only access prevents it"));
    }
    if !launched {
        return bare(options, None);
    }
    if options.verb.ties() {
        signals::heed(&signals::LEAVING)?;
    }
    let socket =
        sys::process::inherited(handover::CHANNEL).map_err(|e| Error::kernel("find the launcher's channel", e))?;
    let launcher = Launcher::new(socket);
    if !options.verb.needs_authority() {
        return bare(options, Some(&launcher));
    }
    let session = Session::open(confined, launcher, options, clock, passing::kept(passed)?, hooked)?;
    reconcile::reconcile(&session)?;
    verbs::with_authority(&session, &options.verb)
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
