//! What goes wrong in `lazaret`, by who must act, and the exit status that follows (charter, section 6). Pure.

use nix::errno::Errno;
use sys::channel::ChannelError;
use wire::failure::{Failure, Kind};

/// Exit status of a verb that was refused or failed.
pub const REFUSED: u8 = 1;
/// Exit status of what nobody reads any more: that of a program which SIGPIPE ended, as a shell tells it.
pub const UNREAD: u8 = 141;
/// Exit status of a verb that was used wrongly.
pub const USAGE: u8 = 2;
/// Exit status of `run` and `enter` where Lazaret itself failed.
pub const OWN: u8 = 125;
/// Exit status of `run` and `enter` where the command is there but cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// Exit status of `run` and `enter` where there is no such command.
pub const NOT_FOUND: u8 = 127;

/// An error, by who must act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The command line is wrong.
    Usage(String),
    /// The caller asks for something that is not so, or not allowed.
    Caller(String),
    /// This container is not as the verb needs it.
    Container(Needed, String),
    /// The kernel said no to this step, which follows "cannot".
    Kernel(String, Errno),
    /// The payload's program could not be executed: `ENOENT`, `EACCES` or what else execve(2) says.
    Execution(String, Errno),
    /// A peer broke the protocol, or ended.
    Peer(String),
    /// Our own mistake.
    Bug(String),
    /// Whoever read what is printed has gone, as `head` does once it has its lines: there is nothing to be said, and nobody to hear it.
    Unread,
}

/// What a verb needs of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// That there is one.
    Known,
    /// That it runs.
    Running,
    /// That it does not.
    Inactive,
    /// That its definition is kept.
    Defined,
}

impl Needed {
    /// What is said of one that is not so.
    fn lacking(self, name: &str) -> String {
        match self {
            Self::Known => format!("there is no container called {name}"),
            Self::Running => format!("{name} is not running"),
            Self::Inactive => format!("{name} is running"),
            Self::Defined => format!("{name} has no definition"),
        }
    }

    /// The same in virsh's words.
    pub fn in_virsh(self, name: &str) -> String {
        match self {
            Self::Known => format!("Domain not found: no domain with matching name '{name}'"),
            Self::Running => "Requested operation is not valid: domain is not running".to_owned(),
            Self::Inactive => "Requested operation is not valid: domain is already running".to_owned(),
            Self::Defined => {
                "Requested operation is not valid: transient domains do not have any persistent config".to_owned()
            }
        }
    }
}

/// What every act of `lazaret` gives.
pub type Outcome<T> = Result<T, Error>;

impl Error {
    /// The caller must act.
    pub fn caller(text: impl Into<String>) -> Self {
        Self::Caller(text.into())
    }

    /// The kernel said no to `what`.
    pub fn kernel(what: impl Into<String>, errno: Errno) -> Self {
        Self::Kernel(what.into(), errno)
    }

    /// The same, where it is the command line that asks for what is wrong.
    pub fn into_usage(self) -> Self {
        match self {
            Self::Caller(text) => Self::Usage(text),
            other => other,
        }
    }

    /// Standard output did not take what was printed.
    pub fn printing(errno: Errno) -> Self {
        match errno {
            Errno::EPIPE => Self::Unread,
            errno => Self::kernel("write to standard output", errno),
        }
    }

    /// What the user is told when a peer's channel failed.
    pub fn channel(peer: &str, error: ChannelError) -> Self {
        match error {
            ChannelError::Closed => Self::Peer(format!("the {peer} ended without an answer")),
            ChannelError::Frame(e) => Self::Peer(format!("the {peer} broke the protocol: {e}")),
            ChannelError::Kernel(e) => Self::Kernel(format!("talk to the {peer}"), e),
        }
    }

    /// The exit status; `runs` says whether the verb has the statuses of `run` and `enter`.
    pub fn status(&self, runs: bool) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unread => UNREAD,
            Self::Execution(_, Errno::ENOENT) if runs => NOT_FOUND,
            Self::Execution(_, _) if runs => NOT_EXECUTABLE,
            _ if runs => OWN,
            _ => REFUSED,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Caller(text) | Self::Peer(text) => write!(f, "{text}"),
            Self::Container(needed, name) => write!(f, "{}", needed.lacking(name)),
            Self::Kernel(what, errno) => write!(f, "cannot {what}: {}", reason(*errno)),
            Self::Execution(what, errno) => write!(f, "{what}: {}", reason(*errno)),
            Self::Bug(text) => write!(f, "{text} (a mistake of Lazaret's own)"),
            Self::Unread => write!(f, "nobody reads what is printed any more"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let what = failure.what.as_str().to_owned();
        let errno = Errno::from_raw(failure.errno);
        match failure.kind {
            Kind::Caller if failure.errno != 0 => Self::Execution(what, errno),
            Kind::Caller => Self::Caller(format!("cannot {what}")),
            Kind::Kernel => Self::Kernel(what, errno),
            Kind::Protocol => Self::Peer(what),
            Kind::Bug => Self::Bug(what),
        }
    }
}

/// The kernel's reason in words (errno(3)), in lower case as it stands within a sentence.
pub fn reason(errno: Errno) -> String {
    let text = errno.desc();
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// The exit status that a shell would give for this wait(2) status.
pub fn status_of_wait(status: i32) -> u8 {
    let signal = status & 0x7f;
    let value = if signal == 0 {
        (status >> 8) & 0xff
    } else {
        signal.saturating_add(128)
    };
    u8::try_from(value).unwrap_or(OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_what_a_shell_would_give() {
        assert_eq!(status_of_wait(0), 0);
        assert_eq!(status_of_wait(7 << 8), 7);
        assert_eq!(status_of_wait(9), 137);
        assert_eq!(status_of_wait(11 | 0x80), 139);
    }

    #[test]
    fn run_has_statuses_of_its_own() {
        let missing = Error::Execution("execute /nope".into(), Errno::ENOENT);
        assert_eq!((missing.status(true), missing.status(false)), (127, 1));
        assert_eq!(Error::Execution("x".into(), Errno::EACCES).status(true), 126);
        assert_eq!(Error::caller("x").status(true), 125);
        assert_eq!(Error::Usage("x".into()).status(false), 2);
    }

    #[test]
    fn what_nobody_reads_ends_as_sigpipe_would_end_it() {
        assert_eq!(Error::printing(Errno::EPIPE).status(false), 141);
        let full = Error::printing(Errno::ENOSPC);
        assert_eq!(
            (full.status(false), full.to_string()),
            (1, "cannot write to standard output: no space left on device".into())
        );
    }

    #[test]
    fn a_refusal_says_what_and_why() {
        let e = Error::from(Failure::kernel("open /srv/x", 2));
        assert_eq!(e.to_string(), "cannot open /srv/x: no such file or directory");
        assert_eq!(reason(Errno::EIO), "I/O error");
    }
}
