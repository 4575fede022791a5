//! What the `main` of every piece is: options, confinement, serving, exit status. May touch: the calling process, the inherited
//! descriptors that the options name, and the three standard streams.

use crate::confine::{Confined, confine};
use crate::options::{self, Order};
use crate::{of, pipe};
use nix::errno::Errno;
use std::io::Write;
use std::os::fd::{OwnedFd, RawFd};
use std::process::ExitCode;
use sys::channel::{Channel, ChannelError};
use wire::{Message, Program};

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
    /// The exit status that says so.
    pub const fn status(self) -> u8 {
        match self {
            Self::Peer => 0,
            Self::Usage => 100,
            Self::Bug => 101,
            Self::System(_) => 111,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer => write!(f, "the peer closed the channel"),
            Self::Usage => write!(f, "the peer broke the protocol"),
            Self::Bug => write!(f, "a bug of its own"),
            Self::System(e) => write!(f, "{}", e.desc()),
        }
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
    if of(program).exempt {
        return fail(program, 101, "its policy says that it is exempt");
    }
    obey(program, serve)
}

/// The whole `main` of `init` and `nsenter`, which become another program and so are exempt: descriptors and umask only.
pub fn run_exempt<S: Message, R: Message>(program: Program, serve: Serve<S, R>) -> ExitCode {
    if !of(program).exempt {
        return fail(program, 101, "its policy does not say that it is exempt");
    }
    obey(program, serve)
}

fn obey<S: Message, R: Message>(program: Program, serve: Serve<S, R>) -> ExitCode {
    match options::parse(std::env::args_os().skip(1)) {
        Err(what) => fail(program, 100, &what),
        Ok(Order::Help) => say(program, &options::help(program.name(), program.about())),
        Ok(Order::Version) => say(program, &format!("{} {}\n", program.name(), env!("CARGO_PKG_VERSION"))),
        Ok(Order::Socket { socket, beneath }) => attend(program, socket, &beneath, serve),
        Ok(Order::Pipe { beneath, then }) => match pipe::relay(&beneath, &then) {
            Ok(status) => ExitCode::from(status),
            Err(refusal) => fail(program, refusal.status, &refusal.what),
        },
    }
}

fn attend<S: Message, R: Message>(program: Program, socket: RawFd, beneath: &[RawFd], serve: Serve<S, R>) -> ExitCode {
    // Nothing is read from it before the program is confined.
    let channel = match sys::confine::inherited(socket) {
        Some(socket) => Channel::new(close_on_exec(socket)),
        None => return fail(program, 100, &format!("descriptor {socket} is not open")),
    };
    let confined = match confine(program, &[socket], beneath) {
        Ok(confined) => confined,
        Err(what) => return fail(program, 111, &what),
    };
    tell_of_bugs(program);
    let status = match serve(&confined, &channel) {
        Ok(()) | Err(Ended::Peer) => 0,
        Err(ended) => {
            complain(program, &ended.to_string());
            ended.status()
        }
    };
    // Not by way of the end of main, at which the standard and the C library tidy up by calls that no filter allows.
    sys::process::exit_now(status.into())
}

/// A panic is told in one line and ends the process at once, as a bug of its own.
fn tell_of_bugs(program: Program) {
    std::panic::set_hook(Box::new(move |bug| {
        complain(program, &bug.to_string().replace('\n', " "));
        sys::process::exit_now(Ended::Bug.status().into())
    }));
}

fn close_on_exec(socket: OwnedFd) -> OwnedFd {
    // A descriptor that is open takes this flag; what could fail is only that it is not.
    let _ = nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC));
    socket
}

fn say(program: Program, text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(program, 111, &format!("write to standard output: {e}")),
    }
}

fn fail(program: Program, status: u8, what: &str) -> ExitCode {
    complain(program, what);
    ExitCode::from(status)
}

fn complain(program: Program, what: &str) {
    // Nobody is left to tell if standard error is gone too.
    let _ = writeln!(std::io::stderr(), "{}: {what}", program.name());
}
