//! What a console printed last: a ring in memory, or in the log file. May touch: the log file, by preadv2(2) and pwrite(2).
//! The file's format stands in `wire::supervisor`.

use crate::ring::Ring;
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2, pwrite};
use std::os::fd::OwnedFd;
use wire::supervisor::{RING, RING_HEADER};

/// Bytes that a console without a file remembers.
pub const MEMORY: u64 = 64 * 1024;

#[derive(Debug)]
enum Bytes {
    /// Empty until the first output.
    Memory(Vec<u8>),
    File(OwnedFd),
}

/// A ring and its bytes.
#[derive(Debug)]
pub struct Output {
    ring: Ring,
    bytes: Bytes,
}

impl Output {
    /// A ring in memory.
    pub const fn memory() -> Self {
        Self {
            ring: Ring::new(MEMORY),
            bytes: Bytes::Memory(Vec::new()),
        }
    }

    /// A ring in the log file, which is emptied.
    pub fn file(file: OwnedFd) -> Result<Self, Errno> {
        let output = Self {
            ring: Ring::new(RING),
            bytes: Bytes::File(file),
        };
        output.head()?;
        Ok(output)
    }

    /// Whether it is the log file's.
    pub const fn is_file(&self) -> bool {
        matches!(self.bytes, Bytes::File(_))
    }

    /// How far it is written.
    pub const fn ring(&self) -> Ring {
        self.ring
    }

    /// Adds bytes, over the oldest. On an error (a full file system) these bytes are lost, for the log and for viewers alike.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let places = self.ring.places(bytes.len());
        for place in places {
            let part = bytes.get(place.part).unwrap_or_default();
            match &mut self.bytes {
                Bytes::Memory(ring) => {
                    if ring.is_empty() {
                        ring.resize(usize::try_from(MEMORY).unwrap_or(0), 0);
                    }
                    let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
                    let room = ring.get_mut(start..).and_then(|r| r.get_mut(..part.len()));
                    room.ok_or(Errno::NOSPC)?.copy_from_slice(part);
                }
                Bytes::File(file) => write(file, part, place.offset.saturating_add(RING_HEADER))?,
            }
        }
        // Readers of the file trust the header: it comes after the data.
        self.ring.advance(bytes.len());
        self.head()
    }

    /// Bytes from `position` on, as many as lie in one piece, read into `room` if they are not in memory. Empty at the end.
    pub fn from<'a>(&'a self, position: u64, room: &'a mut [u8]) -> &'a [u8] {
        let (offset, length) = self.ring.run(position);
        match &self.bytes {
            Bytes::Memory(ring) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                ring.get(start..).and_then(|r| r.get(..length)).unwrap_or_default()
            }
            Bytes::File(file) => {
                let most = length.min(room.len());
                let room = room.get_mut(..most).unwrap_or_default();
                let place = offset.saturating_add(RING_HEADER);
                let read = preadv2(file, &mut [IoSliceMut::new(room)], place, ReadWriteFlags::empty()).unwrap_or(0);
                room.get(..read).unwrap_or_default()
            }
        }
    }

    fn head(&self) -> Result<(), Errno> {
        match &self.bytes {
            Bytes::Memory(_) => Ok(()),
            Bytes::File(file) => write(file, &self.ring.written().to_le_bytes(), 0),
        }
    }
}

/// Writes all of `bytes`.
fn write(file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = pwrite(file, bytes, offset)?;
        bytes = bytes.get(written..).unwrap_or_default();
        offset = offset.saturating_add(u64::try_from(written).unwrap_or(0));
        if written == 0 {
            return Err(Errno::NOSPC);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, memfd_create};

    fn file() -> (Output, std::fs::File) {
        let file = memfd_create("log", MemfdFlags::CLOEXEC).unwrap();
        let copy = file.try_clone().unwrap();
        (Output::file(file).unwrap(), copy.into())
    }

    #[test]
    fn both_kinds_give_back_what_was_put_in() {
        for mut output in [Output::memory(), file().0] {
            let mut room = [0; 100];
            assert_eq!(output.from(0, &mut room), b"");
            output.append(b"hello").unwrap();
            assert_eq!(output.from(1, &mut room), b"ello");
            assert_eq!(output.from(5, &mut room), b"");
        }
    }

    #[test]
    fn the_file_has_the_documented_format() {
        use std::os::unix::fs::FileExt;
        let (mut output, file) = file();
        let size = usize::try_from(RING).unwrap();
        let all: Vec<u8> = (0..size + 100_000).map(|i| (i / 7) as u8).collect();
        for part in all.chunks(65_536) {
            output.append(part).unwrap();
        }
        let mut header = [0; 8];
        file.read_exact_at(&mut header, 0).unwrap();
        assert_eq!(u64::from_le_bytes(header), all.len() as u64);
        assert_eq!(file.metadata().unwrap().len(), RING_HEADER + RING);
        let mut ring = vec![0; size];
        file.read_exact_at(&mut ring, RING_HEADER).unwrap();
        ring.rotate_left(100_000);
        assert!(ring == all[100_000..]);
    }

    #[test]
    fn a_file_that_cannot_be_written_loses_output_and_says_so() {
        let full: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        assert!(Output::file(full).is_err());
    }
}
