//! The last steps of a process that becomes a container's command: session, terminal, streams, limits, ids, directory, exec.
//! May touch: the calling process, which is replaced.

use crate::Step;
use crate::confine::{self, Restricted};
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::failure::{Failure, Kind};
use wire::init::Command;
use wire::learn::Told;

/// Where a name without a slash is looked for when the environment has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the command is to have of the world outside.
#[derive(Debug, Clone, Copy)]
pub struct Ends<'a> {
    /// Standard input, output and error.
    pub streams: [BorrowedFd<'a>; 3],
    /// Descriptors beyond these, from 3 upwards.
    pub beyond: &'a [OwnedFd],
    /// The terminal that it shall control.
    pub terminal: Option<BorrowedFd<'a>>,
    /// A socket of somebody who wants to learn which system calls it makes, and who must be there to let each go on.
    pub learner: Option<BorrowedFd<'a>>,
}

/// What the command is connected to.
#[derive(Debug)]
pub struct Connected<'a> {
    /// What it is to have.
    pub ends: Ends<'a>,
    /// A socket whose other end the parent holds: it closes when the command is executed, and its end says that the parent has died.
    pub parent: BorrowedFd<'a>,
}

/// Replaces the process. Returns only on failure, with the socket to say it on if it has got another number: then every other descriptor
/// is closed.
/// `ready` is called last before the exec, when there is nothing left to give up but what the command's own filter takes.
pub fn execute(
    restricted: &Restricted,
    command: &Command,
    connected: &Connected<'_>,
    ready: impl FnOnce(BorrowedFd<'_>) -> Result<(), Failure>,
) -> (Option<OwnedFd>, Failure) {
    let words = match Words::of(command) {
        Ok(words) => words,
        Err(failure) => return (None, failure),
    };
    let (socket, learner) = match lead(&connected.ends).and_then(|()| connect(connected)) {
        Ok(sockets) => sockets,
        Err(failure) => return (None, failure),
    };
    let done = become_it(restricted, command, socket.as_fd())
        .and_then(|()| ready(socket.as_fd()))
        .and_then(|()| restricted.filter_command())
        .and_then(|()| learner.map_or(Ok(()), |l| be_watched(&l)));
    let failure = match done {
        Ok(()) => words.exec(command),
        Err(failure) => failure,
    };
    (Some(socket), failure)
}

/// A session of its own, with its terminal.
fn lead(connected: &Ends<'_>) -> Result<(), Failure> {
    // EPERM: it leads one already, as the first process of a pid namespace does.
    match nix::unistd::setsid() {
        Ok(_) | Err(Errno::EPERM) => {}
        Err(e) => return Err(e).to("make a session"),
    }
    match connected.terminal {
        Some(terminal) => rustix::process::ioctl_tiocsctty(terminal).to("take the terminal"),
        None => Ok(()),
    }
}

/// Lays the streams and what is beyond them out and closes everything else but the sockets to the parent and to the learner.
fn connect(connected: &Connected<'_>) -> Result<(OwnedFd, Option<OwnedFd>), Failure> {
    let [input, output, error] = connected.ends.streams;
    let mut table = vec![input, output, error];
    table.extend(connected.ends.beyond.iter().map(AsFd::as_fd));
    let next = i32::try_from(table.len()).map_err(|_| Failure::caller("pass so many descriptors"))?;
    table.push(connected.parent);
    table.extend(connected.ends.learner);
    sys::process::lay_out(&table).to("lay out the standard streams")?;
    let parent = sys::process::inherited(next).to("keep the socket to the parent")?;
    let after = next.saturating_add(1);
    let learner = connected
        .ends
        .learner
        .map(|_| sys::process::inherited(after))
        .transpose();
    Ok((parent, learner.to("keep the socket to who learns")?))
}

/// Has each system call from here on told to who learns.
fn be_watched(learner: &OwnedFd) -> Result<(), Failure> {
    let frame = wire::frame::encode(&Told::Watched).map_err(|_| Failure::bug("say that the command is watched"))?;
    sys::notify::watch_from_here(learner.as_fd(), &frame).to("have the command's system calls told")
}

fn become_it(restricted: &Restricted, command: &Command, parent: BorrowedFd<'_>) -> Result<(), Failure> {
    sys::signals::reset().to("reset signals")?;
    confine::limit(&command.limits)?;
    confine::assume(restricted)?;
    // The change of uid has set it to what fs.suid_dumpable says; the exec opens it again.
    sys::process::set_dumpable(false).to("close the process to others")?;
    sys::process::die_with_parent().to("follow the parent")?;
    if parent_is_gone(parent).to("look for the parent")? {
        sys::process::exit_now(111);
    }
    let directory = command.directory.as_str();
    nix::unistd::chdir(directory).to(&format!("enter the directory {directory:?}"))
}

/// Whether the other end of the socket is closed, at this moment.
pub fn parent_is_gone(socket: BorrowedFd<'_>) -> nix::Result<bool> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut look = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    poll(&mut look, PollTimeout::ZERO)?;
    Ok(look.iter().any(|f| f.any().unwrap_or(true)))
}

/// The vectors of an exec, made before anything is given up.
struct Words {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    candidates: Vec<CString>,
}

impl Words {
    fn of(command: &Command) -> Result<Self, Failure> {
        // Text of the wire has no NUL.
        let word = |s: &str| CString::new(s).map_err(|_| Failure::caller("pass an argument with a NUL"));
        let program = command.program.as_str();
        let candidates = if program.contains('/') {
            vec![word(program)?]
        } else {
            let path = command
                .environment
                .iter()
                .find_map(|e| e.as_str().strip_prefix("PATH="))
                .unwrap_or(PATH);
            let join = |d: &str| {
                if d.is_empty() {
                    program.to_owned()
                } else {
                    format!("{d}/{program}")
                }
            };
            path.split(':').map(|d| word(&join(d))).collect::<Result<_, _>>()?
        };
        if program.is_empty() {
            return Err(Failure::caller("execute a program without a name"));
        }
        Ok(Self {
            arguments: command
                .arguments
                .iter()
                .map(|a| word(a.as_str()))
                .collect::<Result<_, _>>()?,
            environment: command
                .environment
                .iter()
                .map(|e| word(e.as_str()))
                .collect::<Result<_, _>>()?,
            candidates,
        })
    }

    /// Tries each candidate as execvp(3) does: a file that may not be executed matters only if none is found that may.
    fn exec(&self, command: &Command) -> Failure {
        let mut why = Errno::ENOENT;
        for candidate in &self.candidates {
            match run(candidate, &self.arguments, &self.environment) {
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => why = Errno::EACCES,
                other => {
                    why = other;
                    break;
                }
            }
        }
        let program = command.program.as_str();
        match (&command.selinux, why) {
            // It is for the policy to say who becomes what, and by which program.
            (Some(context), Errno::EACCES | Errno::EPERM) => Failure {
                kind: Kind::Caller,
                ..Failure::kernel(
                    &format!("execute {program:?} in the SELinux context {context}"),
                    why as i32,
                )
            },
            _ => not_executed(program, why as i32),
        }
    }
}

/// What is said of a program that could not be executed, for this reason.
pub fn not_executed(program: &str, errno: i32) -> Failure {
    Failure {
        kind: Kind::Caller,
        ..Failure::kernel(&format!("execute {program:?}"), errno)
    }
}

fn run(program: &CStr, arguments: &[CString], environment: &[CString]) -> Errno {
    match nix::unistd::execve(program, arguments, environment) {
        Ok(never) => match never {},
        Err(e) => e,
    }
}
