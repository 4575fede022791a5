//! The outer half while the container runs: it ends the container when its peer ends, and tells its peer when the container has.
//! May touch: the first process.

use crate::outer::First;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use policies::Ended;
use rustix::process::{WaitOptions, waitpid};
use std::os::fd::AsFd;
use sys::channel::Channel;
use wire::init::{Reply, Request};

/// Which of the two ended.
enum Whose {
    Peer,
    Container,
}

/// Ends the first process, and with it everything in its pid namespace, and waits until it is gone.
pub fn end(first: &First) {
    // It can only be gone already.
    let _ = sys::process::signal(&first.pidfd, nix::libc::SIGKILL);
    let _ = status(first);
}

/// Waits for the first process: its wait(2) status.
fn status(first: &First) -> nix::Result<i32> {
    let pid = rustix::process::Pid::from_raw(first.pid.as_raw()).ok_or(Errno::ESRCH)?;
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status.as_raw()),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(sys::process::errno(e)),
        }
    }
}

/// Waits for the end of either. Nothing is expected of the peer any more but its end.
pub fn keep(first: &First, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    match wait(first, channel)? {
        Whose::Peer => {
            end(first);
            Ok(())
        }
        Whose::Container => {
            let status = status(first)?;
            channel.send(&Reply::Ended(status), &[])?;
            Ok(())
        }
    }
}

fn wait(first: &First, channel: &Channel<Reply, Request>) -> Result<Whose, Ended> {
    loop {
        let mut look = [
            PollFd::new(channel.as_fd(), PollFlags::POLLIN),
            PollFd::new(first.pidfd.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut look, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let [peer, container] = look.map(|f| f.any().unwrap_or(true));
        if container {
            return Ok(Whose::Container);
        }
        if peer {
            // Its end, or a frame, which it may not send any more.
            return Ok(Whose::Peer);
        }
    }
}
