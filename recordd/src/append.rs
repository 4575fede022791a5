//! Appends a record to the log: with the head locked, whoever else appends waits. May touch: the log and the head.
//!
//! The head says where the last record ends. Where the log goes on beyond that, a writer was killed before it could say so: whole records
//! that continue the chain count, and whatever is left is of none, which the next record says.

use chain::{HEAD, Head, Item, MOST, Walk};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

/// A log and its head, open.
#[derive(Debug)]
pub struct Log {
    /// Open for reading and appending.
    pub log: OwnedFd,
    /// Open for reading and writing.
    pub head: OwnedFd,
    /// Whether the log may be another file than the head says.
    pub replaced: bool,
    /// Whether something is written that is not on disk.
    owes: bool,
    /// Why what was written did not reach the disk. The kernel does not try again (fsync(2), "Errors"): from then on nothing counts as written.
    lost: Option<Errno>,
}

/// Why a record was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritten {
    /// The log is another file than the head says.
    Replaced,
    /// The kernel refused this step.
    Kernel(&'static str, i32),
    /// The record is too long, or what was not finished before it.
    TooLong,
}

fn said(what: &'static str) -> impl Fn(Errno) -> Unwritten {
    move |e| Unwritten::Kernel(what, e.raw_os_error())
}

/// Where the next record goes, and what it continues.
struct End {
    head: Head,
    lost: bool,
    /// Bytes at the end of the log that are of no record.
    torn: Vec<u8>,
}

/// The head, locked; other descriptors of the same open file, as the launcher may hold one, do not keep it locked.
struct Locked<'a>(BorrowedFd<'a>);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // A lock that is held can be given up.
        let _ = rustix::fs::flock(self.0, FlockOperation::Unlock);
    }
}

impl Log {
    /// A log and its head, as they came.
    pub const fn new(log: OwnedFd, head: OwnedFd, replaced: bool) -> Self {
        Self {
            log,
            head,
            replaced,
            owes: false,
            lost: None,
        }
    }

    /// Whether something is written that is not on disk.
    pub const fn owes_the_disk(&self) -> bool {
        self.owes
    }

    /// Puts it there.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.owes) {
            self.lost = rustix::fs::fdatasync(&self.log).err().or(self.lost);
        }
    }

    /// Appends one record, and gives its number. With `sync` it is on disk before the head knows of it.
    pub fn append(&mut self, body: &[u8], sync: bool) -> Result<u64, Unwritten> {
        if let Some(errno) = self.lost {
            return Err(said("put an earlier deed on record, on disk")(errno));
        }
        rustix::fs::flock(&self.head, FlockOperation::LockExclusive).map_err(said("lock the log of deeds"))?;
        let _locked = Locked(self.head.as_fd());
        let end = self.end()?;
        let number = end.head.number.checked_add(1).ok_or(Unwritten::TooLong)?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        let made = chain::append(number, time, &end.head.hash, end.lost, &end.torn, body);
        let (bytes, hash) = made.ok_or(Unwritten::TooLong)?;
        self.write(&bytes)?;
        self.owes = true;
        if sync {
            rustix::fs::fdatasync(&self.log).map_err(said("put the deed on record, on disk"))?;
            self.owes = false;
        }
        let torn = u64::try_from(end.torn.len()).unwrap_or(u64::MAX);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let head = Head {
            end: end.head.end.saturating_add(torn).saturating_add(length),
            number,
            hash,
            ..end.head
        };
        let written =
            rustix::io::pwrite(&self.head, &head.bytes(), 0).map_err(said("write the head of the log of deeds"))?;
        if written == HEAD {
            Ok(number)
        } else {
            Err(Unwritten::Kernel(
                "write the head of the log of deeds",
                Errno::NOSPC.raw_os_error(),
            ))
        }
    }

    /// One write, unless the disk is full: then a second one tells.
    fn write(&self, mut bytes: &[u8]) -> Result<(), Unwritten> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.log, bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(e) => return Err(said("put the deed on record")(e)),
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<End, Unwritten> {
        let about = rustix::fs::fstat(&self.log).map_err(said("look at the log of deeds"))?;
        let size = u64::try_from(about.st_size).unwrap_or(0);
        let mut bytes = [0; HEAD];
        let read = rustix::io::pread(&self.head, &mut bytes, 0).map_err(said("read the head of the log of deeds"))?;
        let head = bytes.get(..read).and_then(Head::read);
        let file = about.st_ino;
        let nothing = Head {
            file,
            end: 0,
            number: 0,
            hash: [0; 32],
        };
        match head {
            // A log that begins, or one whose head was lost.
            None => self.search(nothing, size).map(|end| End { lost: size > 0, ..end }),
            Some(head) if head.file == file && size < head.end => Ok(End {
                // It was cut off. The chain goes on from what was there, so that this is seen for ever.
                head: Head { end: size, ..head },
                lost: false,
                torn: Vec::new(),
            }),
            Some(head) if head.file == file => self.search(head, size),
            Some(_) if !self.replaced => Err(Unwritten::Replaced),
            Some(head) if size == 0 => Ok(End {
                head: Head { file, end: 0, ..head },
                lost: false,
                torn: Vec::new(),
            }),
            Some(head) => {
                // A copy of the log, or something else: what the head says goes on, and if that is not what the file ends with it is seen.
                let end = self.search(nothing, size)?;
                let same = (end.head.number, end.head.hash) == (head.number, head.hash);
                Ok(End {
                    head: Head {
                        file,
                        end: if same { end.head.end } else { size },
                        ..head
                    },
                    lost: false,
                    torn: if same { end.torn } else { Vec::new() },
                })
            }
        }
    }

    /// The last record that continues from `from`, and what comes after it.
    fn search(&self, from: Head, size: u64) -> Result<End, Unwritten> {
        let mut end = End {
            head: from,
            lost: false,
            torn: Vec::new(),
        };
        if size <= from.end {
            return Ok(end);
        }
        let failed = |e: io::Error| Unwritten::Kernel("read the log of deeds", e.raw_os_error().unwrap_or(0));
        let mut walk = Walk::new(BufReader::with_capacity(64 * 1024, self.reader(from.end)));
        // From the beginning, whatever there is: whoever verifies the log sees where it does not fit.
        let whole = from.number == 0;
        while let Some(item) = walk.step().map_err(failed)? {
            if let Item::Record(record) = item
                && (whole || (record.number == end.head.number.saturating_add(1) && record.previous == end.head.hash))
            {
                end.head.number = record.number;
                end.head.hash = record.hash;
                end.head.end = from.end.saturating_add(walk.passed());
            }
        }
        let torn = size.saturating_sub(end.head.end);
        if torn > u64::try_from(MOST).unwrap_or(0) {
            // More than one record: somebody's doing, which is seen as such.
            end.head.end = size;
            return Ok(end);
        }
        self.reader(end.head.end)
            .take(torn)
            .read_to_end(&mut end.torn)
            .map_err(failed)?;
        Ok(end)
    }

    const fn reader(&self, at: u64) -> From<'_> {
        From { log: &self.log, at }
    }
}

/// Reads the log from a place on (pread(2)).
struct From<'a> {
    log: &'a OwnedFd,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = rustix::io::pread(self.log, into, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_disk_that_failed_nothing_counts_as_written() {
        // What is written to it is taken, and fdatasync(2) is EINVAL.
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        let head = rustix::fs::memfd_create("head", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut log = Log::new(null.unwrap().into(), head, false);
        assert_eq!(log.append(b"one", false), Ok(1));
        assert!(log.owes_the_disk());
        log.settle();
        assert!(!log.owes_the_disk());
        let refused = Unwritten::Kernel("put an earlier deed on record, on disk", Errno::INVAL.raw_os_error());
        assert_eq!(log.append(b"two", false), Err(refused));
    }
}
