//! Hears of every system call of a container's command before it is made, writes it down, and lets it go on. May touch: the socket over
//! which the command's process hands its listener over, and that listener (seccomp_unotify(2)).

use crate::error::{Error, Outcome};
use crate::policy::Learned;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use wire::learn::{Nothing, Told};

/// execve(2) and execveat(2).
const EXECUTES: [i32; 2] = [59, 322];

/// Who learns.
#[derive(Debug)]
pub struct Learner {
    channel: Channel<Nothing, Told>,
    theirs: OwnedFd,
    listener: Option<OwnedFd>,
    /// Whether the command is executed: what its process did before is ours.
    executed: bool,
    /// Nobody is there any more that could be heard of.
    over: bool,
    learned: Learned,
}

impl Learner {
    /// Makes the socket for the command's process.
    pub fn new() -> Outcome<Self> {
        let (channel, theirs) =
            sys::channel::pair::<Nothing, Told>().map_err(|e| Error::kernel("make a channel to the command", e))?;
        Ok(Self {
            channel,
            theirs: theirs.into(),
            listener: None,
            executed: false,
            over: false,
            learned: Learned::default(),
        })
    }

    /// A copy of the end that is the command's.
    pub fn theirs(&self) -> Outcome<OwnedFd> {
        let copied = self.theirs.try_clone();
        copied.map_err(|e| Error::kernel("copy a descriptor", Errno::from_raw(e.raw_os_error().unwrap_or(0))))
    }

    /// What has been learned.
    pub fn into_learned(self) -> Learned {
        self.learned
    }

    /// What becomes readable when there is something to hear.
    pub fn news(&self) -> Option<BorrowedFd<'_>> {
        if self.over {
            return None;
        }
        Some(self.listener.as_ref().map_or_else(|| self.channel.as_fd(), AsFd::as_fd))
    }

    /// Hears what there is.
    pub fn hear(&mut self) -> Outcome<()> {
        let Some(listener) = &self.listener else {
            match self.channel.receive() {
                Ok((Told::Watched, descriptors)) => self.listener = descriptors.into_iter().next(),
                Err(ChannelError::Closed) => self.over = true,
                Err(e) => return Err(Error::channel("command's process", e)),
            }
            return Ok(());
        };
        let mut look = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        poll(&mut look, PollTimeout::ZERO).map_err(|e| Error::kernel("listen to the command's system calls", e))?;
        let found = look.iter().find_map(PollFd::revents).unwrap_or(PollFlags::empty());
        if !found.contains(PollFlags::POLLIN) {
            // POLLHUP: the last process that was watched has ended.
            self.over = !found.is_empty();
            return Ok(());
        }
        let failed = |e| Error::kernel("hear of the command's system calls", e);
        let Some(call) = sys::notify::next_call(listener).map_err(failed)? else {
            return Ok(());
        };
        self.executed |= EXECUTES.contains(&call.number);
        if self.executed {
            self.learned.add(call.number, &call.arguments);
        }
        sys::notify::go_on(listener, &call).map_err(failed)
    }

    /// Hears whatever there is until `until` becomes readable.
    pub fn serve_until(&mut self, until: BorrowedFd<'_>) -> Outcome<()> {
        loop {
            let mut fds = vec![PollFd::new(until, PollFlags::POLLIN)];
            fds.extend(self.news().map(|news| PollFd::new(news, PollFlags::POLLIN)));
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(|e| Error::kernel("wait", e))?,
            };
            let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(true));
            if ready.next() == Some(true) {
                return Ok(());
            }
            if ready.next() == Some(true) {
                drop(fds);
                self.hear()?;
            }
        }
    }
}
