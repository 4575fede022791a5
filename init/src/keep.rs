//! The outer half while the container runs: it ends the container when its peer ends, and tells its peer when the container has.
//! May touch: the first process.

use crate::afterwards::{after, told};
use crate::again::again;
use crate::boot::Boot;
use crate::brake::Brake;
use crate::outer::First;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use policies::{Ended, State, Steady, steady};
use rustix::process::{WaitOptions, wait};
use std::os::fd::AsFd;
use std::time::Instant;
use sys::channel::Channel;
use wire::init::{Reply, Request, Then};

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

/// Waits for the first process: its wait(2) status. Other children that have ended are waited for too: the kernel does not let go of the
/// first process before everything else in its pid namespace has been.
fn status(first: &First) -> nix::Result<i32> {
    let pid = rustix::process::Pid::from_raw(first.pid.as_raw()).ok_or(Errno::ESRCH)?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == pid => return Ok(status.as_raw()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(sys::process::errno(e)),
        }
    }
}

/// Waits for the end of either, and starts the container again where that is what follows its end. Nothing is expected of the peer any more
/// but its end.
pub fn keep(boot: &mut Boot, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    if !boot.container.restarts() {
        let steady = steady(State::InitKeeping)?;
        return once(&steady, boot, channel);
    }
    let (began, mut brake) = (Instant::now(), Brake::default());
    brake.starts(began.elapsed());
    loop {
        if let Whose::Peer = either(&boot.first, channel)? {
            end(&boot.first);
            boot.places.placeholders.clear();
            return Ok(());
        }
        let status = status(&boot.first)?;
        let over = match after(boot.container.afterwards, status) {
            Then::End => Some(Reply::Ended(told(status))),
            Then::Restart => (!brake.starts(began.elapsed())).then(|| Reply::EndedTooOften(told(status))),
        };
        if let Some(over) = over {
            // Before anybody hears of the end: what hears of it may end this process.
            boot.places.placeholders.clear();
            return Ok(channel.send(&over, &[])?);
        }
        let mount = match again(boot) {
            Ok(mount) => mount,
            // What cannot start again has ended, and not well.
            Err(_) => {
                end(&boot.first);
                boot.places.undo();
                return Ok(channel.send(&Reply::Ended(status), &[])?);
            }
        };
        let first = &boot.first;
        let [_, pid, _, ipc, uts] = &first.namespaces;
        let pid1 = u32::try_from(first.pid.as_raw()).map_err(|_| Ended::Bug)?;
        let all = [
            mount.as_fd(),
            pid.as_fd(),
            ipc.as_fd(),
            uts.as_fd(),
            first.pidfd.as_fd(),
        ];
        channel.send(&Reply::Restarted { pid1 }, &all)?;
    }
}

/// The same for a container that does not start again: nothing is left to do but to wait.
fn once(_steady: &Steady, boot: &mut Boot, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let whose = either(&boot.first, channel)?;
    if let Whose::Peer = whose {
        end(&boot.first);
        boot.places.placeholders.clear();
        return Ok(());
    }
    let status = status(&boot.first)?;
    // Before anybody hears of the end: what hears of it may end this process.
    boot.places.placeholders.clear();
    Ok(channel.send(&Reply::Ended(told(status)), &[])?)
}

fn either(first: &First, channel: &Channel<Reply, Request>) -> Result<Whose, Ended> {
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
