//! One console: a pty master or the log pipe, what it printed, and who watches. May touch: that descriptor, and through `output` and
//! `viewer` theirs. What the container prints is always taken, whether somebody watches or not; only a lossless viewer holds it up.

use crate::output::Output;
use crate::ring::Cursor;
use crate::viewer::{Next, Viewer};
use crate::watch::EventFlags;
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2};
use rustix::termios::{Winsize, tcsetwinsize};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// For preadv2(2): not from a position, but what comes next. It is the one call for reading that the filter allows.
const NEXT: u64 = u64::MAX;

/// Where output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The master of a pty, which takes input too.
    Terminal,
    /// The reading end of a pipe.
    Pipe,
}

/// What the last read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Nothing more for now: the kernel will say when there is.
    Dry,
    /// Perhaps more.
    More,
    /// A lossless viewer has no room.
    Held,
}

/// One console.
#[derive(Debug)]
pub struct Console {
    device: OwnedFd,
    kind: Kind,
    output: Output,
    viewers: BTreeMap<u32, Viewer>,
    flow: Flow,
}

impl Console {
    /// A console that nobody watches; `device` does not block.
    pub const fn new(device: OwnedFd, kind: Kind, output: Output) -> Self {
        Self {
            device,
            kind,
            output,
            viewers: BTreeMap::new(),
            flow: Flow::Dry,
        }
    }

    /// How many watch.
    pub fn viewers(&self) -> usize {
        self.viewers.len()
    }

    /// Adds a viewer, who sees what was printed before if `replay`.
    pub fn attach(&mut self, id: u32, stream: OwnedFd, replay: bool, lossless: bool) -> Option<&Viewer> {
        let cursor = Cursor::new(self.output.ring(), replay, lossless);
        self.viewers
            .insert(id, Viewer::new(stream, cursor, self.kind == Kind::Terminal));
        self.viewers.get(&id)
    }

    /// Tells the terminal its size; the kernel tells the processes (SIGWINCH).
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), Errno> {
        tcsetwinsize(
            &self.device,
            Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
    }

    /// Whether what it prints goes to the log.
    pub const fn is_logged(&self) -> bool {
        self.output.is_file()
    }

    /// Has the kernel tell whoever watches the log that something happened which printed nothing.
    pub fn touch(&mut self) {
        // The same head again. Nobody depends on being told.
        let _ = self.output.append(&[]);
    }

    /// Adds what the container did not print, once all that it did was taken; whether that is so, and nobody has to miss a byte for it.
    pub fn say(&mut self, words: &[u8]) -> bool {
        if !self.dry() || self.room() < words.len() {
            return false;
        }
        // As with what was printed: what does not fit into the log's file system is lost.
        let _ = self.output.append(words);
        true
    }

    /// Takes what was printed, as much as fits into `room` at most, and shows it; and offers what was typed once more.
    pub fn turn(&mut self, room: &mut [u8]) {
        self.take(room);
        let (output, device) = (&self.output, self.device.as_fd());
        self.viewers
            .retain(|_, viewer| viewer.show(output, room) != Next::Leave && viewer.hear(device) != Next::Leave);
    }

    /// Something has changed for one viewer. Whether there is more of it.
    pub fn viewer(&mut self, id: u32, what: EventFlags, room: &mut [u8]) -> Option<&Viewer> {
        let viewer = self.viewers.get_mut(&id)?;
        if what.contains(EventFlags::OUT) {
            viewer.room();
        }
        let (shown, heard) = (viewer.show(&self.output, room), viewer.hear(self.device.as_fd()));
        let dead = what.intersects(EventFlags::HUP | EventFlags::ERR);
        match (shown, heard) {
            (Next::Leave, _) | (_, Next::Leave) => self.leave(id),
            (_, Next::Again) => return self.viewers.get(&id),
            _ if dead => self.leave(id),
            _ => {}
        }
        None
    }

    fn leave(&mut self, id: u32) {
        self.viewers.remove(&id);
    }

    /// Lets go of everybody for whom the container would have to wait.
    pub fn abandon(&mut self) {
        self.viewers.retain(|_, viewer| !viewer.cursor().lossless);
    }

    /// Whether there is more to take, and room to take it.
    pub fn willing(&self) -> bool {
        match self.flow {
            Flow::Dry => false,
            Flow::More => true,
            Flow::Held => self.room() > 0,
        }
    }

    /// Whether all that was printed was taken.
    pub fn dry(&self) -> bool {
        self.flow == Flow::Dry
    }

    /// Whether a lossless viewer has not taken everything yet.
    pub fn awaited(&self) -> bool {
        self.viewers
            .values()
            .any(|v| v.cursor().lossless && v.cursor().behind(self.output.ring()))
    }

    fn room(&self) -> usize {
        self.viewers
            .values()
            .map(|v| v.cursor().room(self.output.ring()))
            .min()
            .unwrap_or(usize::MAX)
    }

    fn take(&mut self, room: &mut [u8]) {
        let most = self.room().min(room.len());
        if most == 0 {
            self.flow = Flow::Held;
            return;
        }
        let mut filled = 0usize;
        self.flow = loop {
            let Some(rest) = room.get_mut(filled..most).filter(|r| !r.is_empty()) else {
                break Flow::More;
            };
            match preadv2(
                &self.device,
                &mut [IoSliceMut::new(rest)],
                NEXT,
                ReadWriteFlags::empty(),
            ) {
                // The pipe's other ends are closed, for good.
                Ok(0) => break Flow::Dry,
                Ok(length) => filled = filled.saturating_add(length),
                Err(Errno::INTR) => {}
                // Nothing for now; or no process has the terminal open, which may change (EIO).
                Err(_) => break Flow::Dry,
            }
        };
        // Where the log's file system is full, output is lost rather than the container held up.
        let _ = self.output.append(room.get(..filled).unwrap_or_default());
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::write;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
    use rustix::pipe::{PipeFlags, pipe_with};

    fn pipe() -> (OwnedFd, Console) {
        let (reading, writing) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        (writing, Console::new(reading, Kind::Pipe, Output::memory()))
    }

    fn watch(console: &mut Console, id: u32, replay: bool, lossless: bool) -> OwnedFd {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None).unwrap();
        console.attach(id, ours, replay, lossless).unwrap();
        theirs
    }

    fn seen(stream: &OwnedFd) -> Vec<u8> {
        let mut all = vec![];
        let mut bytes = [0u8; 65536];
        while let Ok((length, _)) = recv(stream, bytes.as_mut_slice(), RecvFlags::DONTWAIT) {
            if length == 0 {
                break;
            }
            all.extend_from_slice(&bytes[..length]);
        }
        all
    }

    #[test]
    fn a_pipe_is_taken_and_shown() {
        let (writing, mut console) = pipe();
        let mut room = [0; 1024];
        write(&writing, b"before").unwrap();
        console.turn(&mut room);
        assert!(console.dry());
        let (new, all) = (
            watch(&mut console, 1, false, false),
            watch(&mut console, 2, true, false),
        );
        write(&writing, b" after").unwrap();
        console.turn(&mut room);
        assert_eq!((seen(&new), seen(&all)), (b" after".to_vec(), b"before after".to_vec()));
        assert!(write(&new, b"x").is_err(), "nobody types on a pipe");
    }

    #[test]
    fn only_a_lossless_viewer_holds_output_up() {
        let (writing, mut console) = pipe();
        let mut room = vec![0; 65536];
        let careful = watch(&mut console, 1, true, true);
        let _careless = watch(&mut console, 2, true, false);
        let mut sent = 0;
        while write(&writing, &[b'x'; 4096]).is_ok_and(|n| {
            sent += n;
            true
        }) || console.willing()
        {
            console.turn(&mut room);
            assert!(sent < 1 << 24);
            if console.flow == Flow::Held {
                break;
            }
        }
        assert!(!console.willing() && console.awaited());
        let mut got = 0;
        while console.awaited() || !console.dry() {
            got += seen(&careful).len();
            console.viewer(1, EventFlags::OUT, &mut room);
            if console.willing() {
                console.turn(&mut room);
            }
        }
        assert_eq!(got + seen(&careful).len(), sent);
    }

    #[test]
    fn a_viewer_that_died_is_let_go_of() {
        let (writing, mut console) = pipe();
        drop(watch(&mut console, 1, true, true));
        write(&writing, b"x").unwrap();
        console.turn(&mut [0; 10]);
        assert_eq!(console.viewers(), 0);
        let _alive = watch(&mut console, 2, true, true);
        console.abandon();
        assert_eq!(console.viewers(), 0);
    }
}
