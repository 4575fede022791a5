//! A terminal of the test's own, in which a command runs as a person would run it.

use crate::capture::{DEADLINE, words};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::Winsize;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::time::Instant;

/// A command in a terminal.
pub struct Terminal {
    master: File,
    child: Child,
    seen: String,
    shown: String,
}

impl Terminal {
    /// Starts a command as the leader of a session whose terminal this is.
    pub fn start(command: &Command, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("open a terminal");
        grantpt(&master).expect("grant");
        unlockpt(&master).expect("unlock");
        let name = ptsname(&master, Vec::new())
            .expect("name")
            .into_string()
            .expect("a UTF-8 path");
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&master, size).expect("size");
        let slave = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(&name)
                .expect("open the terminal's other side")
        };
        let mut wrapped = Command::new("setsid");
        wrapped
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .current_dir("/");
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(key, value);
            }
        }
        let child = wrapped
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .expect("setsid");
        Self {
            master: File::from(master),
            child,
            seen: String::new(),
            shown: words(command),
        }
    }

    /// The process, which is the command itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("type");
    }

    /// Gives the window another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&self.master, size).expect("size");
    }

    /// Everything that was shown so far.
    pub fn seen(&self) -> &str {
        &self.seen
    }

    fn read(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).expect("a short time");
        let mut polled = [PollFd::new(&self.master, PollFlags::IN)];
        if poll(&mut polled, Some(&timeout)).unwrap_or(0) == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        match self.master.read(&mut bytes) {
            Ok(n) if n > 0 => {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
                true
            }
            _ => false,
        }
    }

    /// Waits until this text was shown, and forgets everything up to its end.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let until = Instant::now() + DEADLINE / 3;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            assert!(
                self.read(until),
                "`{}` did not show {text:?}, but {:?}",
                self.shown,
                self.seen
            );
        }
    }

    /// Reads what is shown until the command ends.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE / 3;
        while self.read(until) {}
        let left = until.saturating_duration_since(Instant::now());
        crate::capture::wait(&mut self.child, left.max(std::time::Duration::from_secs(1)))
            .unwrap_or_else(|| panic!("`{}` did not end; it showed {:?}", self.shown, self.seen))
    }

    /// Kills the command, as a closed laptop does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.kill();
    }
}
