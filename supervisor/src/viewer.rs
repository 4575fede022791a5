//! Someone who watches a console: what is shown goes out of one stream socket, what is typed comes in by it.
//! May touch: that socket and the terminal that it types on. Never blocks on either.

use crate::output::Output;
use crate::ring::Cursor;
use rustix::io::{Errno, IoSlice, IoSliceMut, write};
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recvmsg, sendmsg, shutdown,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of typed input that are taken at a time, and that wait if the terminal does not take them.
const TYPED: usize = 4096;
/// How often in a row; then the others have their turn.
const TURNS: usize = 16;

/// What is to be done about a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something changes.
    Rest,
    /// It has more to say.
    Again,
    /// It is gone.
    Leave,
}

/// One viewer.
#[derive(Debug)]
pub struct Viewer {
    stream: OwnedFd,
    cursor: Cursor,
    typed: Vec<u8>,
    /// Its socket takes no more for now.
    full: bool,
    /// It has said that it will type no more.
    silent: bool,
}

impl Viewer {
    /// One that reads from `cursor` on. It may type if `types`.
    pub fn new(stream: OwnedFd, cursor: Cursor, types: bool) -> Self {
        if !types {
            // Its next write fails, which tells it. The socket is connected: nothing can go wrong.
            let _ = shutdown(&stream, Shutdown::Read);
        }
        Self {
            stream,
            cursor,
            typed: Vec::new(),
            full: false,
            silent: !types,
        }
    }

    /// How far it has read.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Its socket may take more again.
    pub const fn room(&mut self) {
        self.full = false;
    }

    /// Shows it as much as it takes.
    pub fn show(&mut self, output: &Output, room: &mut [u8]) -> Next {
        while !self.full && self.cursor.behind(output.ring()) {
            let position = self.cursor.position(output.ring());
            let bytes = output.from(position, room);
            if bytes.is_empty() {
                // The log cannot be read: what it held is lost to this viewer.
                self.cursor.skip(output.ring());
                break;
            }
            let (parts, flags) = ([IoSlice::new(bytes)], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            match sendmsg(&self.stream, &parts, &mut SendAncillaryBuffer::default(), flags) {
                Ok(sent) => self.cursor.advance(sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.full = true,
                Err(_) => return Next::Leave,
            }
        }
        Next::Rest
    }

    /// Passes on what it types, as far as the terminal takes it; what it does not is kept, and no more is read until it does.
    pub fn hear(&mut self, terminal: BorrowedFd<'_>) -> Next {
        for _ in 0..TURNS {
            match self.pass_on(terminal) {
                Next::Rest if self.typed.is_empty() && !self.silent => {}
                other => return other,
            }
            let mut bytes = [0; TYPED];
            let received = recvmsg(
                &self.stream,
                &mut [IoSliceMut::new(&mut bytes)],
                // Without room for them, the kernel closes what descriptors came along.
                &mut RecvAncillaryBuffer::default(),
                RecvFlags::DONTWAIT,
            );
            match received.map(|r| r.bytes) {
                Ok(0) => self.silent = true,
                Ok(length) => self.typed.extend_from_slice(bytes.get(..length).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Next::Rest,
                Err(_) => return Next::Leave,
            }
        }
        Next::Again
    }

    fn pass_on(&mut self, terminal: BorrowedFd<'_>) -> Next {
        while !self.typed.is_empty() {
            match write(terminal, &self.typed) {
                Ok(0) => break,
                Ok(written) => drop(self.typed.drain(..written.min(self.typed.len()))),
                Err(Errno::INTR) => {}
                // It is full, or nobody in the container has it open.
                Err(Errno::AGAIN | Errno::IO) => break,
                Err(_) => self.typed.clear(),
            }
        }
        Next::Rest
    }
}

impl AsFd for Viewer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
