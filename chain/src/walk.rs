//! One record after the other, from a file that anybody may have touched. Pure but for the reader that it is given.

use crate::record::{HEADER, Header, MAGIC, MOST, Record};
use std::io::{self, Read};

/// What stands at one place of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A record whose hash is the one that it says.
    Record(Record),
    /// Bytes that are of no record, and that no record says it follows.
    Strange {
        /// How many.
        bytes: u64,
    },
}

/// The most bytes that are searched for a record before they are given up: two whole records.
const SEARCHED: usize = MOST.saturating_mul(2);
/// The most headers that are believed to say how much before them is of no record, before that is given up: each costs a hash.
const TRIED: u32 = 16;

/// Goes through a log. Holds no more than a few records at a time.
#[derive(Debug)]
pub struct Walk<R> {
    from: R,
    /// What was read and is not yet given out.
    buffer: Vec<u8>,
    /// Bytes that were given out.
    passed: u64,
    ended: bool,
}

impl<R: Read> Walk<R> {
    /// Goes through what this reader gives.
    pub const fn new(from: R) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            passed: 0,
            ended: false,
        }
    }

    /// How many bytes the items had that were given out.
    pub const fn passed(&self) -> u64 {
        self.passed
    }

    /// The next item; `None` at the end.
    pub fn step(&mut self) -> io::Result<Option<Item>> {
        self.fill(HEADER)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if let Some(record) = self.record_at(0)? {
            return Ok(Some(Item::Record(record)));
        }
        // The record that says that it follows what is here; failing that, the first whole one. The order counts: what was not finished may
        // have had a whole record within its body.
        let (mut at, mut tried, mut whole) = (1, 0u32, None);
        while let Some(found) = self.search(at)? {
            let torn = self.header_at(found)?.map(|h| h.torn);
            if torn == Some(found) {
                if let Some(record) = self.record_at(found)? {
                    return Ok(Some(Item::Record(record)));
                }
                tried = tried.saturating_add(1);
            } else if torn == Some(0) && whole.is_none() && self.is_whole(found)? {
                whole = Some(found);
            }
            at = found.saturating_add(1);
            if at > SEARCHED || tried > TRIED {
                break;
            }
        }
        let rest = self.buffer.len().min(SEARCHED);
        Ok(Some(self.strange(whole.unwrap_or(rest))))
    }

    fn header_at(&mut self, at: usize) -> io::Result<Option<Header>> {
        self.fill(at.saturating_add(HEADER))?;
        Ok(self.buffer.get(at..).and_then(Header::read))
    }

    /// The record whose header begins at `at` and says that it follows what is before it: both are taken out.
    fn record_at(&mut self, at: usize) -> io::Result<Option<Record>> {
        let Some(header) = self.header_at(at)?.filter(|h| h.torn == at) else {
            return Ok(None);
        };
        let end = at.saturating_add(header.whole());
        self.fill(end)?;
        let parts = self.buffer.split_at_checked(at);
        let record = parts.and_then(|(torn, bytes)| header.record(torn, bytes));
        if record.is_some() {
            self.pass(end);
        }
        Ok(record)
    }

    /// Whether a whole record begins at `at` that follows directly on another.
    fn is_whole(&mut self, at: usize) -> io::Result<bool> {
        let Some(header) = self.header_at(at)? else {
            return Ok(false);
        };
        self.fill(at.saturating_add(header.whole()))?;
        let bytes = self.buffer.get(at..).unwrap_or_default();
        Ok(header.record(&[], bytes).is_some())
    }

    /// Where the next header may begin, from `at` on.
    fn search(&mut self, at: usize) -> io::Result<Option<usize>> {
        let magic = MAGIC.to_le_bytes();
        let mut from = at;
        loop {
            let rest = self.buffer.get(from..).unwrap_or_default();
            if let Some(found) = rest.windows(magic.len()).position(|w| w == magic) {
                return Ok(Some(from.saturating_add(found)));
            }
            from = self.buffer.len().saturating_sub(magic.len()).max(at);
            if self.ended || self.buffer.len() >= SEARCHED {
                return Ok(None);
            }
            self.fill(self.buffer.len().saturating_add(64 * 1024))?;
        }
    }

    fn strange(&mut self, length: usize) -> Item {
        self.pass(length);
        Item::Strange {
            bytes: u64::try_from(length).unwrap_or(u64::MAX),
        }
    }

    fn pass(&mut self, length: usize) {
        self.buffer.drain(..length.min(self.buffer.len()));
        self.passed = self.passed.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// Reads until there are `length` bytes, or no more.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        let missing = length.saturating_sub(self.buffer.len());
        if missing > 0 && !self.ended {
            let most = u64::try_from(missing).unwrap_or(u64::MAX);
            let read = self.from.by_ref().take(most).read_to_end(&mut self.buffer)?;
            self.ended = read < missing;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::append;

    fn record(number: u64, torn: &[u8], body: &[u8]) -> Vec<u8> {
        append(number, 0, &[0; 32], false, torn, body).unwrap().0
    }

    fn items(log: &[u8]) -> Vec<Item> {
        let mut walk = Walk::new(log);
        let mut found = Vec::new();
        while let Some(item) = walk.step().unwrap() {
            found.push(item);
        }
        assert_eq!(walk.passed(), log.len() as u64);
        found
    }

    fn numbers(log: &[u8]) -> Vec<i64> {
        let number = |i: &Item| match i {
            Item::Record(r) => r.number as i64,
            Item::Strange { bytes } => (*bytes as i64).wrapping_neg(),
        };
        items(log).iter().map(number).collect()
    }

    #[test]
    fn records_are_found_one_after_the_other() {
        assert_eq!(numbers(&[]), [0i64; 0]);
        let log = [record(1, b"", b"a"), record(2, b"", b""), record(3, b"", b"LZAULZAU")].concat();
        assert_eq!(numbers(&log), [1, 2, 3]);
    }

    #[test]
    fn what_was_not_finished_belongs_to_the_record_after_it() {
        let torn = &record(2, b"", b"never finished")[..40];
        let log = [&record(1, b"", b"a")[..], torn, &record(2, torn, b"b")].concat();
        assert_eq!(numbers(&log), [1, 2]);
        let mut changed = log.clone();
        changed[101] ^= 1;
        assert_eq!(numbers(&changed), [1, -137]);
        let tail = [&record(1, b"", b"a")[..], torn].concat();
        assert_eq!(numbers(&tail), [1, -40]);
    }

    #[test]
    fn a_changed_record_is_strange_and_the_next_one_is_found() {
        let mut log = [record(1, b"", b"a"), record(2, b"", b"bb"), record(3, b"", b"c")].concat();
        log[97 + 64] ^= 1;
        assert_eq!(numbers(&log), [1, -98, 3]);
    }

    #[test]
    fn a_record_within_the_body_of_one_that_was_not_finished_is_not_taken_for_one() {
        let within = [&record(7, b"", b"forged")[..], b"the rest"].concat();
        let whole = record(2, b"", &within);
        let torn = &whole[..whole.len() - 20];
        let log = [&record(1, b"", b"a")[..], torn, &record(2, torn, b"b")].concat();
        assert_eq!(numbers(&log), [1, 2]);
    }

    #[test]
    fn nothing_makes_it_stumble() {
        let mut state = 1u32;
        let log = [record(1, b"", b"LZAU"), record(2, b"", &[0; 300]), record(3, b"", b"c")].concat();
        for _ in 0..2000 {
            let mut bytes = log.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % bytes.len();
                bytes[at] = (state >> 24) as u8;
                if state.is_multiple_of(7) {
                    bytes.truncate(at);
                }
                if bytes.is_empty() {
                    break;
                }
            }
            items(&bytes);
        }
    }
}
