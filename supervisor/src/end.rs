//! How a container ends: by its own first process, of which `init` tells; or by us, when `init` is gone or a client says so.
//! May touch: PID 1 and `init` by pidfd, and the exit record.

use crate::console::Console;
use crate::judge::Signal;
use crate::keeper::Keeper;
use crate::token::Token;
use crate::watch::READABLE;
use rustix::io::pwrite;
use rustix::net::{Shutdown, shutdown};
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};
use sys::channel::ChannelError;
use wire::frame::encode;
use wire::init::{MOST_STARTS, RESTART_WINDOW, Reply};
use wire::supervisor::{ExitRecord, LoopRecord, Report};

/// How far its life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    Running,
    /// It was killed, and PID 1 is not gone yet.
    Dying,
    /// PID 1 is gone, with this wait(2) status; what it printed is being taken.
    Ended(i32),
    /// All was taken and written down; viewers that must not lose anything still read.
    Told(i32),
}

/// wait(2) status of a process that SIGKILL ended.
const KILLED: i32 = 9;

impl Keeper {
    /// `init` has sent something, or closed its end. An event that came together with the one that ended it says nothing more.
    pub(crate) fn init_speaks(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        match self.init.receive() {
            Ok((Reply::Ended(status), _)) => self.ended(status),
            Ok((Reply::EndedTooOften(status), _)) => {
                self.looped = true;
                self.last_word = Some(format!(
                    "\r\nlazaret: {} is not started again: it was started {MOST_STARTS} times within {RESTART_WINDOW} s\r\n",
                    self.name
                ));
                self.ended(status);
            }
            Ok((Reply::Restarted { pid1 }, descriptors)) => self.restarted(pid1, descriptors),
            Err(ChannelError::Kernel(nix_again)) if nix_again as i32 == rustix::io::Errno::AGAIN.raw_os_error() => {}
            Ok(_) | Err(_) => self.finish_off(),
        }
    }

    /// `init`'s process is gone. What it said before that still counts.
    pub(crate) fn init_died(&mut self) {
        while self.phase == Phase::Running {
            let restarts = self.restarts;
            self.init_speaks();
            if self.phase == Phase::Running && self.restarts == restarts {
                self.finish_off();
            }
        }
    }

    fn restarted(&mut self, pid1: u32, descriptors: Vec<OwnedFd>) {
        // The order of the message: mnt, pid, ipc, uts, pidfd. user, net and cgroup stay.
        let mut descriptors = descriptors.into_iter();
        for place in [1, 2, 4, 5] {
            if let (Some(place), Some(new)) = (self.namespaces.get_mut(place), descriptors.next()) {
                *place = new;
            }
        }
        if let Some(first) = descriptors.next() {
            self.first = first;
        }
        self.pids[0] = pid1;
        self.restarts = self.restarts.saturating_add(1);
        let logged = self.consoles.iter_mut().filter(|c| c.is_logged());
        logged.for_each(Console::touch);
        if self.killed {
            self.finish_off();
        }
    }

    /// Ends PID 1 at once. `init` then says how it ended.
    pub(crate) fn kill(&mut self) -> Result<(), i32> {
        self.killed = true;
        match self.phase {
            Phase::Running => sys::process::signal(&self.first, Signal::KILL.number()).map_err(|e| e as i32),
            Phase::Dying => Ok(()),
            Phase::Ended(_) | Phase::Told(_) => {
                self.consoles.iter_mut().for_each(Console::abandon);
                Ok(())
            }
        }
    }

    /// Ends the container without `init`, which is gone or cannot be understood.
    fn finish_off(&mut self) {
        self.forget_init();
        // Either may be gone already; what matters is that PID 1's pidfd says so.
        let _ = sys::process::signal(&self.init_process, Signal::KILL.number());
        let _ = sys::process::signal(&self.first, Signal::KILL.number());
        self.phase = match self.watch.add(&self.first, Token::First, READABLE) {
            Ok(()) => Phase::Dying,
            Err(_) => Phase::Ended(KILLED),
        };
    }

    fn forget_init(&mut self) {
        self.watch.remove(&self.init);
        self.watch.remove(&self.init_process);
        // It is told that nobody listens any more; if it is gone, nobody is told.
        let _ = shutdown(&self.init, Shutdown::Both);
    }

    /// PID 1 is gone, after [`Keeper::finish_off`].
    pub(crate) fn first_died(&mut self) {
        self.watch.remove(&self.first);
        self.begin_end(KILLED);
    }

    fn ended(&mut self, status: i32) {
        self.forget_init();
        self.begin_end(status);
    }

    /// Every process of the container is gone: what is left in the consoles is all there will be.
    fn begin_end(&mut self, status: i32) {
        self.phase = Phase::Ended(status);
        for (number, _) in (0..).zip(0..self.consoles.len()) {
            self.turn(number);
        }
    }

    /// Adds to the log what we have to say ourselves, after all that the container printed.
    fn say_last_word(&mut self) {
        let Some(word) = self.last_word.as_ref() else { return };
        if !matches!(self.phase, Phase::Ended(_) | Phase::Told(_)) {
            return;
        }
        let Some((number, console)) = (0..).zip(&mut self.consoles).find(|(_, c)| c.is_logged()) else {
            self.last_word = None;
            return;
        };
        if console.say(word.as_bytes()) {
            self.last_word = None;
            self.turn(number);
        }
    }

    /// Once everything that can be taken was taken: writes the record and tells those who wait.
    pub(crate) fn conclude(&mut self) {
        self.say_last_word();
        let Phase::Ended(status) = self.phase else { return };
        if self.consoles.iter().any(Console::willing) {
            return;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let starts = self.restarts.saturating_add(1);
        let bytes = if self.looped {
            encode(&LoopRecord { status, at, starts })
        } else {
            encode(&ExitRecord { status, at })
        };
        if let Ok(bytes) = bytes {
            // A record that cannot be written is not there: whoever looks for it is told that the status is unknown.
            let _ = pwrite(&self.record, &bytes, 0);
        }
        self.phase = Phase::Told(status);
        self.clients
            .retain(|_, client| !client.waits || client.say(&Report::Ended(status), &[]).is_ok());
    }

    /// Whether there is nothing left to do.
    pub(crate) fn over(&self) -> bool {
        let all_is_shown = self.consoles.iter().all(|c| c.dry() && !c.awaited());
        matches!(self.phase, Phase::Told(_)) && self.last_word.is_none() && all_is_shown
    }
}
