//! Signals as something to read, or to be ended by. May touch: the calling process's signals, and one signalfd.

use crate::error::{Error, Outcome};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// What a command is sent when `lazaret` is.
pub const FORWARDED: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGCONT,
];
/// What makes a viewer leave.
pub const LEAVING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Has these signals end this process as long as nobody takes them. A shell without job control starts what runs beside it with SIGINT ignored, and an
/// ignored signal is lost if it comes while nobody has taken it yet.
pub fn heed(signals: &[Signal]) -> Outcome<()> {
    sys::signals::heed(signals).map_err(|e| Error::kernel("heed signals", e))
}

/// The signals that came since they were last read. They do nothing else from now on, and the old mask is back when this is dropped.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Takes these signals, and that of a changed window, out of the usual course.
    pub fn take(signals: &[Signal]) -> Outcome<Self> {
        let failed = |e: Errno| Error::kernel("take signals", e);
        let mut set = SigSet::empty();
        signals.iter().for_each(|s| set.add(*s));
        set.add(Signal::SIGWINCH);
        let before = set
            .thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)
            .map_err(failed)?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        Ok(Self { fd, before })
    }

    /// The next signal that came, if any did.
    pub fn next(&self) -> Outcome<Option<i32>> {
        match self.fd.read_signal() {
            Ok(info) => Ok(info.and_then(|i| i32::try_from(i.ssi_signo).ok())),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
            Err(e) => Err(Error::kernel("read signals", e)),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Nothing is left to be done about a mask that cannot be set back.
        let _ = self.before.thread_set_mask();
    }
}
