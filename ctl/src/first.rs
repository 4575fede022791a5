//! The first process of a container, held by its pidfd while it is waited for. May touch: pidfds, the control socket.

use crate::error::{Error, Outcome};
use crate::state::Place;
use crate::supervisor::Supervisor;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a supervisor may take, after the end of PID 1, to write down what there is to write, and to end.
const GRACE: Duration = Duration::from_secs(10);

/// PID 1 as it was when it was asked for: one that is started in its place is another.
#[derive(Debug)]
pub struct First {
    /// The conversation with its supervisor.
    pub supervisor: Supervisor,
    /// Its number on the host.
    pub pid: u32,
    held: OwnedFd,
}

impl First {
    /// Holds the one that a container has now.
    pub fn hold(place: &Place) -> Outcome<Self> {
        let supervisor = Supervisor::reach(place)?;
        let pid = supervisor.identify()?.pid1;
        let number = i32::try_from(pid).map_err(|_| Error::Bug("a process has no number".into()))?;
        let held = match sys::process::pidfd(Pid::from_raw(number)) {
            Err(Errno::ESRCH) => {
                let what = format!("{} has just ended, or is starting anew: ask again", place.name());
                return Err(Error::caller(what));
            }
            held => held.map_err(|e| Error::kernel("hold the first process", e))?,
        };
        Ok(Self { supervisor, pid, held })
    }

    /// Whether it goes down within this time. If so, and if nothing is started in its place, its supervisor is waited for as well, so that the
    /// next command finds a container that has ended.
    pub fn goes_down(&self, within: Duration, again: bool) -> Outcome<bool> {
        if !ready(self.held.as_fd(), PollFlags::POLLIN, within)? {
            return Ok(false);
        }
        if !again {
            // It hangs up when it ends; what it may say before is not waited for.
            ready(self.supervisor.as_fd(), PollFlags::empty(), GRACE)?;
        }
        Ok(true)
    }
}

/// Whether a descriptor has this to tell, or is hung up, within this time.
pub fn ready(fd: BorrowedFd<'_>, what: PollFlags, within: Duration) -> Outcome<bool> {
    let until = Instant::now().checked_add(within);
    loop {
        let left = until.map_or(within, |u| u.saturating_duration_since(Instant::now()));
        // Rounded up, so that the time is up when it has passed.
        let timeout =
            PollTimeout::try_from(left.saturating_add(Duration::from_micros(999))).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, what)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(Error::kernel("wait for the end of a container", e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told_at_once_and_what_is_not_when_the_time_is_up() {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let from = Instant::now();
        assert!(!ready(reader.as_fd(), PollFlags::POLLIN, Duration::from_millis(30)).unwrap());
        assert!(from.elapsed() >= Duration::from_millis(30));
        assert!(!ready(reader.as_fd(), PollFlags::empty(), Duration::ZERO).unwrap());
        drop(writer);
        assert!(ready(reader.as_fd(), PollFlags::empty(), Duration::from_secs(60)).unwrap());
        assert!(from.elapsed() < Duration::from_secs(60));
    }
}
