//! What the `main` of every piece is: confinement, serving, exit status; and how it is started: by the launcher's own words and no
//! others. Whatever else it is told is for `byhand`, the program beside it. May touch: the calling process, the inherited descriptors, and
//! standard error.

use crate::confine::confine;
use crate::{Confined, of};
use nix::errno::Errno;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use sys::channel::{Channel, ChannelError};
use sys::process::inherited;
use wire::{Message, Program};

/// The descriptor at which the channel is handed over. Directories follow it.
const CHANNEL: i32 = 3;

/// Why a serve loop ended, by who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed its end: all is well (status 0).
    Peer,
    /// The peer, or the user, did what is not allowed (status 100).
    Usage,
    /// Our own mistake (status 101).
    Bug,
    /// The system refused (status 111).
    System(Errno),
}

impl Ended {
    /// The exit status that says so, and words for it.
    pub fn meaning(&self) -> (u8, &'static str) {
        match self {
            Self::Peer => (0, "the peer closed the channel"),
            Self::Usage => (100, "the peer broke the protocol"),
            Self::Bug => (101, "a bug of its own"),
            Self::System(e) => (111, e.desc()),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.meaning().1)
    }
}

impl std::error::Error for Ended {}

impl From<ChannelError> for Ended {
    fn from(e: ChannelError) -> Self {
        match e {
            ChannelError::Closed => Self::Peer,
            ChannelError::Frame(_) => Self::Usage,
            ChannelError::Kernel(e) => Self::System(e),
        }
    }
}

impl From<Errno> for Ended {
    fn from(e: Errno) -> Self {
        Self::System(e)
    }
}

/// A serve loop: it sends `S` and receives `R` until something ends it.
pub type Serve<S, R> = fn(&Confined, &Channel<S, R>) -> Result<(), Ended>;

/// The whole `main` of a piece that confines itself.
pub fn run<S: Message, R: Message>(program: Program, serve: Serve<S, R>) -> ExitCode {
    begin(program, false, serve)
}

/// The whole `main` of `init` and `nsenter`, which become another program and so are exempt: descriptors and umask only.
pub fn run_exempt<S: Message, R: Message>(program: Program, serve: Serve<S, R>) -> ExitCode {
    begin(program, true, serve)
}

fn begin<S: Message, R: Message>(program: Program, exempt: bool, serve: Serve<S, R>) -> ExitCode {
    if of(program).exempt != exempt {
        return fail(of(program).name, 101, "its policy says otherwise");
    }
    if std::env::args_os().skip(1).eq(["--socket", "3"]) {
        attend(program, Vec::new(), serve)
    } else {
        by_hand(program)
    }
}

/// As [`run`], for a piece that works beneath directories, which are handed over beside the channel.
pub fn run_beneath<S: Message, R: Message>(program: Program, serve: Serve<S, R>) -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .filter_map(|w| w.into_string().ok())
        .collect();
    let ["--socket", "3", "--beneath", list] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        return begin(program, false, serve);
    };
    let directories: Vec<i32> = (CHANNEL..).skip(1).take(list.split(',').count()).collect();
    let numbers: Vec<String> = directories.iter().map(ToString::to_string).collect();
    if *list != numbers.join(",") {
        return by_hand(program);
    }
    match directories.into_iter().map(inherited).collect() {
        Ok(directories) => attend(program, directories, serve),
        Err(_) => fail(of(program).name, 100, "a directory of --beneath is not open"),
    }
}

/// What people say is answered by another program, which holds what the caller holds: the help, and the relay between a pipe and this
/// program, which it starts again. Nothing has been read yet but the arguments. Returns only on failure.
fn by_hand(program: Program) -> ExitCode {
    let name = of(program).name;
    let started = std::env::current_exe().map(|own| {
        Command::new(own.with_file_name("byhand"))
            .arg(name)
            .args(std::env::args_os().skip(1))
            .exec()
    });
    let (Ok(e) | Err(e)) = started;
    fail(name, 111, &format!("execute byhand, which lies beside it: {e}"))
}

fn attend<S: Message, R: Message>(program: Program, beneath: Vec<OwnedFd>, serve: Serve<S, R>) -> ExitCode {
    let name = of(program).name;
    // Nothing is read from it before the program is confined.
    let Ok(channel) = inherited(CHANNEL) else {
        return fail(name, 100, "descriptor 3 is not open");
    };
    let declared = beneath.len().saturating_add(4);
    let confined = match confine(program, u32::try_from(declared).unwrap_or(u32::MAX), beneath) {
        Ok(confined) => confined,
        Err(what) => return fail(name, 111, &what),
    };
    tell_of_bugs(name);
    let status = match serve(&confined, &Channel::new(channel)).map_err(|ended| ended.meaning()) {
        Ok(()) | Err((0, _)) => 0,
        Err((status, words)) => {
            complain(name, words);
            status
        }
    };
    // Not by way of the end of main, at which the standard and the C library tidy up by calls that no filter allows.
    sys::process::exit_now(status.into())
}

/// A panic is told in one line and ends the process at once, as a bug of its own.
fn tell_of_bugs(name: &'static str) {
    std::panic::set_hook(Box::new(move |bug| {
        complain(name, &bug.to_string().replace('\n', " "));
        sys::process::exit_now(Ended::Bug.meaning().0.into())
    }));
}

fn fail(name: &str, status: u8, what: &str) -> ExitCode {
    complain(name, what);
    ExitCode::from(status)
}

fn complain(name: &str, what: &str) {
    // Nobody is left to tell if standard error is gone too.
    let _ = writeln!(std::io::stderr(), "{name}: {what}");
}
