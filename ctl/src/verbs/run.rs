//! `run`: a one-off container, in the foreground or in the background. May touch: what `begin` and `foreground` touch.

use crate::begin::{Start, begin, lot};
use crate::domain::Uuid;
use crate::error::{Error, Outcome, status_of_wait};
use crate::foreground::Foreground;
use crate::learner::Learner;
use crate::named::text;
use crate::options::{Run, TimingFormat};
use crate::output::{json, print, print_json, say};
use crate::plan::filter::Asked;
use crate::plan::run::{Caller, absolute, plan, streams};
use crate::reconcile::finish;
use crate::session::Session;
use crate::signals::{FORWARDED, Signals};
use crate::state::Place;
use crate::state::record::Origin;
use crate::terminal::{terminals, window};
use std::io::Write;
use wire::ContainerName;
use wire::init::Stream;

/// Random bytes from the kernel.
pub fn random(bytes: &mut [u8]) -> Outcome<()> {
    let failed =
        |e: rustix::io::Errno| Error::kernel("get random bytes", nix::errno::Errno::from_raw(e.raw_os_error()));
    let mut rest = bytes;
    while !rest.is_empty() {
        let got = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty()).map_err(failed)?;
        rest = rest.get_mut(got..).unwrap_or_default();
    }
    Ok(())
}

/// Reads a container's name from the command line.
pub fn name(text: &str) -> Outcome<ContainerName> {
    ContainerName::new(text).map_err(|e| Error::caller(format!("the name {text:?} is refused: {e}")))
}

/// Reads a filter that the command line names.
fn own_filter(session: &Session, file: &str) -> Outcome<Asked> {
    let opened = session.launcher.open(&absolute(file, session.directory.as_deref())?)?;
    Asked::read(file, &text(opened, file)?)
}

/// Runs, and gives the command's exit status.
pub fn run(session: &Session, options: &Run) -> Outcome<u8> {
    conduct(session, options, None)
}

/// Runs, and learns which system calls the command makes, if somebody wants to; its output then goes where its errors go.
pub fn conduct(session: &Session, options: &Run, mut learner: Option<&mut Learner>) -> Outcome<u8> {
    if options.json && !options.plan && !options.detach {
        return Err(Error::Usage(
            "--json goes with --plan or -d: in the foreground the output is the command's own".into(),
        ));
    }
    let mut bytes = [0u8; 16];
    random(&mut bytes)?;
    let Uuid(uuid) = Uuid::from_random(bytes);
    let [a, b, c, ..] = uuid;
    let name = match &options.name {
        Some(text) => name(text).map_err(Error::into_usage)?,
        None => name(&format!("run-{a:02x}{b:02x}{c:02x}"))?,
    };
    let host = session.host()?;
    let mut terminals = terminals();
    let mut output = [rustix::stdio::stdout(), rustix::stdio::stderr()];
    if learner.is_some() {
        let ([_, out, err], [printed, _]) = (&mut terminals, &mut output);
        (*out, *printed) = (*err, rustix::stdio::stderr());
    }
    let term = std::env::var("TERM").ok();
    let caller = Caller {
        terminals,
        term: term.as_deref(),
        window: window(),
        directory: session.directory.as_deref(),
        learns: learner.is_some(),
    };
    let filter = options.seccomp.as_ref().map(|f| own_filter(session, f)).transpose()?;
    let make = |lot: &_| plan(options, &name, filter.as_ref(), caller, lot, &host);
    if options.plan {
        let planned = make(&lot(session, &host.policy, uuid)?)?;
        crate::existing::check(&planned)?;
        return super::plan::show(&planned, options.json).map(|()| 0);
    }
    let streams = streams(terminals, options.tty, options.detach);
    let on_console = streams.contains(&Stream::Console);
    let signals = if options.detach {
        None
    } else {
        Some(Signals::take(&FORWARDED)?)
    };
    let mut foreground = None;
    let mut before = |place: &Place| {
        if signals.is_some() {
            foreground = Some(Foreground::prepare(place, on_console)?);
        }
        Ok(())
    };
    let origin = Origin::Run {
        remove: options.rm || !options.detach,
    };
    let (detach, definition) = (options.detach, None);
    let mut start = Start {
        name: &name,
        uuid,
        origin,
        definition,
        passed: !detach,
        tied: !detach,
        output,
        beyond: &[],
        shared: &[],
        learner: learner.as_deref_mut(),
        plan: &make,
        before: &mut before,
    };
    let (place, record) = begin(session, &host.policy, &mut start)?;
    let (Some(foreground), Some(signals)) = (foreground, &signals) else {
        tell_timing(session, options.timing);
        if options.json {
            let known = serde_json::json!({"name": name, "uuid": record.uuid, "id": record.id});
            return print_json(&known).map(|()| 0);
        }
        return print(&format!("{name}\n")).map(|()| 0);
    };
    let [input, ..] = streams;
    let stayed = foreground.stay(&place, input == Stream::Console, signals, learner);
    session.clock.done("waits for its end");
    if let Err(e) = finish(session, &name, record.id) {
        say(&format!("cannot clear away what is left of {name}: {e}"));
    }
    session.clock.done("clears away");
    tell_timing(session, options.timing);
    stayed.map(status_of_wait)
}

/// Tells where the time went, if somebody wants to know. That nobody can say it any more changes nothing for the command.
fn tell_timing(session: &Session, format: Option<TimingFormat>) {
    let Some(format) = format else { return };
    let text = session.clock.told(&session.launcher).and_then(|timing| match format {
        TimingFormat::Table => Ok(timing.text()),
        TimingFormat::Json => json(&timing).map(|text| format!("{text}\n")),
    });
    match text {
        // Whoever closed standard error does not want to know.
        Ok(text) => drop(std::io::stderr().lock().write_all(text.as_bytes())),
        Err(e) => say(&format!("cannot tell where the time went: {e}")),
    }
}
