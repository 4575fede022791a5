//! The proxy between the caller's terminal and a terminal of the container's. One poll loop; nothing in it blocks but writing to the
//! caller's own terminal. May touch: the standard streams, the container's stream, signals, and the peer that tells the end.

use crate::error::{Error, Outcome};
use crate::signals::Signals;
use crate::terminal::{Raw, screen, size};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The key that leaves a console: ^]
pub const LEAVE: u8 = 0x1d;
/// What a terminal's line discipline takes for the end of input: ^D
const END_OF_INPUT: u8 = 4;
/// The most typed bytes that wait for the container to take them; while there are more, nothing is read from the keyboard.
const MOST_TYPED: usize = 64 * 1024;

/// Who is at the other end, apart from the stream itself.
pub trait Peer {
    /// What becomes readable when there is news.
    fn news(&self) -> BorrowedFd<'_>;
    /// Reads the news: the wait(2) status once what runs has ended; `None` within if it was lost.
    fn read_news(&mut self) -> Outcome<Option<Ended>>;
    /// What else becomes readable while it goes on, if there is anything.
    fn other(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Reads what that is.
    fn read_other(&mut self) -> Outcome<()> {
        Ok(())
    }
    /// Does what a signal to `lazaret` asks for; `true` if that is to leave.
    fn signalled(&mut self, signal: i32) -> Outcome<bool>;
    /// The window has this size.
    fn resize(&mut self, rows: u16, columns: u16) -> Outcome<()>;
}

/// How something ended: its wait(2) status, or nothing if whoever kept it was lost.
pub type Ended = Option<i32>;

/// Why the proxy came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The caller left, or was told to.
    Viewer,
    /// What runs has ended, and everything that it printed is shown.
    Ended(Ended),
}

/// What is connected.
pub struct Proxy<'a> {
    /// The container's end: a stream socket or the master of a terminal.
    pub stream: Option<OwnedFd>,
    /// Whether standard input is typed into it.
    pub input: bool,
    /// The key that leaves, if one does.
    pub escape: Option<u8>,
    /// The signals that were taken.
    pub signals: &'a Signals,
}

impl Proxy<'_> {
    /// Connects until what runs has ended or the caller leaves.
    pub fn run(self, peer: &mut dyn Peer) -> Outcome<Left> {
        let _raw = if self.input { Raw::begin()? } else { None };
        if let Some(stream) = &self.stream {
            not_blocking(stream)?;
            if let Some((rows, columns)) = size() {
                peer.resize(rows, columns)?;
            }
        }
        Loop {
            stream: self.stream,
            input: self.input,
            escape: self.escape,
            typed: Vec::new(),
            leaving: false,
            ended: None,
        }
        .run(self.signals, peer)
    }
}

struct Loop {
    stream: Option<OwnedFd>,
    input: bool,
    escape: Option<u8>,
    typed: Vec<u8>,
    /// Whether the caller has left, but for what was typed last.
    leaving: bool,
    ended: Option<Ended>,
}

impl Loop {
    fn run(mut self, signals: &Signals, peer: &mut dyn Peer) -> Outcome<Left> {
        loop {
            if let (Some(ended), None) = (self.ended, &self.stream) {
                return Ok(Left::Ended(ended));
            }
            if self.leaving && self.typed.is_empty() {
                return Ok(Left::Viewer);
            }
            let [signalled, news, keyboard, readable, writable, other] = self.wait(signals, peer)?;
            if other {
                peer.read_other()?;
            }
            if signalled {
                while let Some(signal) = signals.next()? {
                    if signal == Signal::SIGWINCH as i32 {
                        if let Some((rows, columns)) = size() {
                            peer.resize(rows, columns)?;
                        }
                    } else if peer.signalled(signal)? {
                        return Ok(Left::Viewer);
                    }
                }
            }
            if news && self.ended.is_none() {
                self.ended = peer.read_news()?;
            }
            if readable {
                self.show()?;
            }
            if keyboard && self.type_in()? {
                // What was typed before the key goes out if there is room for it; nobody waits for that.
                self.send()?;
                return Ok(Left::Viewer);
            }
            if writable {
                self.send()?;
            }
        }
    }

    /// Waits for anything at all: signals, news, the keyboard, output of the container, room for input to it, what else the peer has.
    fn wait(&self, signals: &Signals, peer: &dyn Peer) -> Outcome<[bool; 6]> {
        let stream = self.stream.as_ref().map(AsFd::as_fd);
        let mut wanted = vec![(0, signals.as_fd(), PollFlags::POLLIN)];
        if self.ended.is_none() {
            wanted.push((1, peer.news(), PollFlags::POLLIN));
        }
        if self.input && self.typed.len() < MOST_TYPED && self.ended.is_none() {
            wanted.push((2, rustix::stdio::stdin(), PollFlags::POLLIN));
        }
        if let Some(stream) = stream {
            let write = if self.typed.is_empty() {
                PollFlags::empty()
            } else {
                PollFlags::POLLOUT
            };
            wanted.push((3, stream, PollFlags::POLLIN | write));
        }
        wanted.extend(peer.other().map(|other| (5, other, PollFlags::POLLIN)));
        let mut fds: Vec<PollFd<'_>> = wanted.iter().map(|(_, fd, flags)| PollFd::new(*fd, *flags)).collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok([false; 6]),
            Err(e) => return Err(Error::kernel("wait", e)),
        }
        let mut ready = [false; 6];
        for ((what, _, _), fd) in wanted.iter().zip(&fds) {
            let found = fd.revents().unwrap_or(PollFlags::empty());
            let can_read =
                found.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
            if let Some(slot) = ready.get_mut(*what) {
                *slot = can_read;
            }
            if *what == 3 {
                let [.., writable, _] = &mut ready;
                *writable = found.contains(PollFlags::POLLOUT);
            }
        }
        Ok(ready)
    }

    /// Shows what the container printed. The end of a terminal's master is EIO.
    fn show(&mut self) -> Outcome<()> {
        let Some(stream) = &self.stream else { return Ok(()) };
        let mut part = [0u8; 16384];
        match rustix::io::read(stream, &mut part) {
            Ok(0) | Err(rustix::io::Errno::IO | rustix::io::Errno::CONNRESET) => {
                self.stream = None;
                self.typed.clear();
                Ok(())
            }
            Ok(n) => write_all(screen(), part.get(..n).unwrap_or_default()),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(()),
            Err(e) => Err(Error::kernel("read the console", Errno::from_raw(e.raw_os_error()))),
        }
    }

    /// Takes what was typed; `true` if the key that leaves was among it. Where there is one, the end of the input leaves too; else it is
    /// typed, as a terminal would.
    fn type_in(&mut self) -> Outcome<bool> {
        let mut part = [0u8; 4096];
        match rustix::io::read(rustix::stdio::stdin(), &mut part) {
            Ok(0) if self.escape.is_none() => {
                self.input = false;
                self.typed.push(END_OF_INPUT);
            }
            Ok(n) if n > 0 => {
                let part = part.get(..n).unwrap_or_default();
                let mut pieces = part.split(|b| self.escape == Some(*b));
                self.typed.extend_from_slice(pieces.next().unwrap_or_default());
                if pieces.next().is_some() {
                    return Ok(true);
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // The end, or a terminal that hung up.
            _ => {
                self.input = false;
                self.leaving = self.escape.is_some();
            }
        }
        if self.stream.is_none() {
            self.typed.clear();
        }
        Ok(false)
    }

    fn send(&mut self) -> Outcome<()> {
        let Some(stream) = &self.stream else { return Ok(()) };
        match rustix::io::write(stream, &self.typed) {
            Ok(n) => {
                self.typed.drain(..n.min(self.typed.len()));
                Ok(())
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(()),
            // Nobody reads any more; what was printed last is still to be read.
            Err(_) => {
                self.typed.clear();
                self.input = false;
                Ok(())
            }
        }
    }
}

/// Writes all of it, waiting where the other end does not block.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Outcome<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
                poll(&mut fds, PollTimeout::NONE)
                    .or_else(|e| if e == Errno::EINTR { Ok(0) } else { Err(e) })
                    .map_err(|e| Error::kernel("wait", e))?;
            }
            Err(e) => {
                return Err(Error::kernel(
                    "write to the terminal",
                    Errno::from_raw(e.raw_os_error()),
                ));
            }
        }
    }
    Ok(())
}

fn not_blocking(fd: &OwnedFd) -> Outcome<()> {
    let failed = |e: rustix::io::Errno| Error::kernel("set up the console", Errno::from_raw(e.raw_os_error()));
    let flags = rustix::fs::fcntl_getfl(fd).map_err(failed)?;
    rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK).map_err(failed)
}
