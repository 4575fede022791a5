//! Signals (signal(7)) for the kinds of process that need more than what they were started with: a PID 1 that takes each one in turn, a process
//! about to execute a stranger's program, which must inherit none of our settings, and one that some are to end. May touch: the calling process.

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

/// The highest signal number (`_NSIG` of the kernel).
const LAST: i32 = 64;

/// Blocks every signal that can be blocked.
pub fn block_all() -> nix::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)
}

/// Waits for the next signal among the blocked ones, and takes it (rt_sigtimedwait(2) without a timeout). Returns its number, which may
/// be a real-time one.
pub fn next() -> nix::Result<i32> {
    let every = SigSet::all();
    loop {
        // SAFETY: the set is alive and initialised, and a null `info` is allowed.
        let signal = unsafe { libc::sigwaitinfo(every.as_ref(), std::ptr::null_mut()) };
        match Errno::result(signal) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Gives every signal its default action and blocks none: the Rust runtime ignores SIGPIPE, and ignored signals survive an exec.
pub fn reset() -> nix::Result<()> {
    for signal in (1..=LAST).filter(|s| *s != libc::SIGKILL && *s != libc::SIGSTOP) {
        // SAFETY: SIG_DFL installs no code of ours; the two numbers below 64 that the C library keeps for itself it refuses with
        // SIG_ERR, which changes nothing.
        let _ = unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// Gives these signals their default action, whoever started this process with some of them ignored.
pub fn heed(signals: &[Signal]) -> nix::Result<()> {
    for one in signals {
        // SAFETY: SIG_DFL installs no code of ours; what cannot be set is refused.
        unsafe { signal(*one, SigHandler::SigDfl) }?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Fork, exit_now, fork, wait};
    use nix::sys::wait::WaitStatus;

    #[test]
    fn takes_a_signal_that_would_have_killed() {
        let Fork::Parent(child) = fork().unwrap() else {
            let taken = block_all()
                .and_then(|()| nix::sys::signal::raise(nix::sys::signal::SIGTERM))
                .and_then(|()| next());
            exit_now(taken.unwrap_or(0))
        };
        assert_eq!(wait(child), Ok(WaitStatus::Exited(child, 15)));
    }

    #[test]
    fn a_signal_that_was_ignored_ends_again_and_one_that_has_no_action_is_refused() {
        let Fork::Parent(child) = fork().unwrap() else {
            // SAFETY: SIG_IGN installs no code.
            let _ = unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }
                .and_then(|_| heed(&[Signal::SIGTERM]))
                .and_then(|()| nix::sys::signal::raise(Signal::SIGTERM));
            exit_now(0)
        };
        assert!(matches!(wait(child), Ok(WaitStatus::Signaled(_, Signal::SIGTERM, _))));
        assert_eq!(heed(&[Signal::SIGKILL]), Err(Errno::EINVAL));
    }

    #[test]
    fn a_pipe_without_a_reader_kills_again_after_a_reset() {
        let Fork::Parent(child) = fork().unwrap() else {
            let _ = block_all()
                .and_then(|()| reset())
                .and_then(|()| nix::sys::signal::raise(nix::sys::signal::SIGPIPE));
            exit_now(0)
        };
        assert!(matches!(
            wait(child),
            Ok(WaitStatus::Signaled(_, nix::sys::signal::SIGPIPE, _))
        ));
    }
}
