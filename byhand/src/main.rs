//! What a piece becomes when people start it: it answers `--help`, and carries frames between pipes and the piece, which it starts again as
//! the launcher would. It holds what its caller holds and no power of its own; no start of a container comes by here. May touch: the
//! arguments, the three standard streams, and what the options name.

mod begin;
mod refusal;
mod relay;

use policies::options::{self, Order};
use refusal::{Refusal, system, usage};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use wire::Program;

const USAGE: &str = "byhand: works a piece of Lazaret by hand; a piece becomes this when it is not started by the launcher.\n\n\
usage: byhand PIECE OPTION...\n\n`PIECE --help` says the same as `byhand PIECE --help`.\n";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next().unwrap_or_default();
    let (name, done) = match piece(&first) {
        Some(program) => (program.name(), obey(program, arguments)),
        None if first == "--help" => ("byhand", say(USAGE)),
        None if first == "--version" => ("byhand", say(&version("byhand"))),
        None => (
            "byhand",
            Err(usage("give the name of a piece and its options; --help says more")),
        ),
    };
    let refusal = match done {
        Ok(status) => return ExitCode::from(status),
        Err(refusal) => refusal,
    };
    // Nobody is left to tell if standard error is gone too.
    let _ = writeln!(std::io::stderr(), "{name}: {}", refusal.what);
    ExitCode::from(refusal.status)
}

/// The pieces: every program but the two that nobody sends frames by hand.
fn piece(name: &OsString) -> Option<Program> {
    let pieces = Program::ALL
        .into_iter()
        .filter(|p| !matches!(p, Program::Lazaret | Program::Launcher));
    pieces.into_iter().find(|p| name == p.name())
}

fn obey(program: Program, arguments: impl Iterator<Item = OsString>) -> Result<u8, Refusal> {
    match options::parse(arguments).map_err(usage)? {
        Order::Help => say(&options::help(program.name(), program.about())),
        Order::Version => say(&version(program.name())),
        Order::Socket { socket, beneath } => Err(begin::begin(program, socket, &beneath)),
        Order::Pipe { beneath, then } => relay::relay(program, &beneath, &then),
    }
}

fn version(name: &str) -> String {
    format!("{name} {}\n", env!("CARGO_PKG_VERSION"))
}

fn say(text: &str) -> Result<u8, Refusal> {
    let mut output = std::io::stdout();
    let done = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    done.map(|()| 0).map_err(|e| system("write to standard output", e))
}
