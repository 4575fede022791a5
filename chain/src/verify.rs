//! What shows that a log was touched. Pure: it is told what stands in the log, one item after the other, and what the head says.

use crate::head::Head;
use crate::record::Hash;
use crate::walk::Item;

/// Something that is not as the writer left it, or that is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The log begins with another record than the first, and not with that of a rotation.
    Begins {
        /// Its first record.
        number: u64,
    },
    /// These records were changed: bytes that are of no record stand in their place.
    Changed {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// Bytes were put in that are of no record.
    PutIn {
        /// After which record; 0 for the beginning.
        after: u64,
        /// How many.
        bytes: u64,
    },
    /// These records are not there.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A record stands where it does not belong: it was put in, or moved.
    Misplaced {
        /// Its number.
        number: u64,
        /// The record before it.
        after: u64,
    },
    /// A record carries another hash than that of the record before it: one of the two was put in place of what was there.
    Unchained {
        /// Its number.
        number: u64,
    },
    /// The head was lost when this record was written: whether records before it were cut off cannot be known.
    HeadLost {
        /// Its number.
        number: u64,
    },
    /// These records were cut off at the end.
    CutOff {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The last record is another than the head says.
    OtherEnd {
        /// Its number.
        number: u64,
    },
    /// There is no head: whether records were cut off at the end cannot be known.
    NoHead,
    /// A record was not finished: its writer was killed, or the disk was full. Harmless.
    NotFinished {
        /// After which record.
        after: u64,
        /// How many bytes of it there are.
        bytes: u64,
    },
    /// The head says less than the log has: a writer was killed between the two. Harmless.
    HeadBehind {
        /// What the head says.
        head: u64,
        /// The last record.
        last: u64,
    },
}

impl Finding {
    /// Whether this happens without anybody's touching the log.
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::NotFinished { .. } | Self::HeadBehind { .. })
    }
}

impl core::fmt::Display for Finding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let records = |f: &mut core::fmt::Formatter<'_>, from: &u64, to: &u64, what: &str| {
            if from == to {
                write!(f, "record {from} was {what}")
            } else {
                write!(f, "records {from} to {to} were {what}")
            }
        };
        match self {
            Self::Begins { number } => {
                write!(
                    f,
                    "the log begins with record {number}, and no rotation is on record: what came before is elsewhere, or was cut out"
                )
            }
            Self::Changed { from, to } => records(f, from, to, "changed"),
            Self::PutIn { after, bytes } => {
                write!(
                    f,
                    "{bytes} bytes that are of no record were put in after record {after}"
                )
            }
            Self::Missing { from, to } => records(f, from, to, "cut out"),
            Self::Misplaced { number, after } => write!(f, "record {number} was put in after record {after}"),
            Self::Unchained { number } => write!(
                f,
                "record {number} does not carry the hash of the record before it: one of the two was changed or put in"
            ),
            Self::HeadLost { number } => write!(
                f,
                "the head was lost when record {number} was written: whether records before it were cut off cannot be known"
            ),
            Self::CutOff { from, to } => records(f, from, to, "cut off at the end (or lost when the host lost power)"),
            Self::OtherEnd { number } => write!(f, "the last record, {number}, is another than the head says"),
            Self::NoHead => write!(
                f,
                "there is no head: whether records were cut off at the end cannot be known"
            ),
            Self::NotFinished { after, bytes } => write!(
                f,
                "after record {after} stand {bytes} bytes of one that was not finished (its writer was killed, or the disk was full)"
            ),
            Self::HeadBehind { head, last } => write!(
                f,
                "the head knows of record {head} only and the log has {last}: a writer was killed in between"
            ),
        }
    }
}

/// Compares what it is told with what the writer would have left.
#[derive(Debug, Default)]
pub struct Verifier {
    last: Option<(u64, Hash)>,
    strange: u64,
}

impl Verifier {
    /// The last record so far.
    pub const fn last(&self) -> Option<(u64, Hash)> {
        self.last
    }

    /// The next item of the log; `rotated` says whether it is the first record of a file that a rotation began.
    pub fn see(&mut self, item: &Item, rotated: bool) -> Vec<Finding> {
        let record = match item {
            Item::Strange { bytes } => {
                self.strange = self.strange.saturating_add(*bytes);
                return Vec::new();
            }
            Item::Record(record) => record,
        };
        let strange = std::mem::take(&mut self.strange);
        let number = record.number;
        let mut found = Vec::new();
        let next = self.last.map_or(1, |(n, _)| n.saturating_add(1));
        let before = next.saturating_sub(1);
        if record.torn > 0 {
            let bytes = u64::try_from(record.torn).unwrap_or(u64::MAX);
            found.push(Finding::NotFinished { after: before, bytes });
        }
        let last = number.saturating_sub(1);
        match (self.last, number.cmp(&next)) {
            (None, std::cmp::Ordering::Greater) if strange == 0 => {
                if !rotated {
                    found.push(Finding::Begins { number });
                }
            }
            (_, std::cmp::Ordering::Greater) if strange > 0 => found.push(Finding::Changed { from: next, to: last }),
            (_, std::cmp::Ordering::Greater) => found.push(Finding::Missing { from: next, to: last }),
            (_, std::cmp::Ordering::Less) => found.push(Finding::Misplaced { number, after: before }),
            (last, std::cmp::Ordering::Equal) => {
                if strange > 0 {
                    found.push(Finding::PutIn {
                        after: before,
                        bytes: strange,
                    });
                }
                if record.previous != last.map_or([0; 32], |(_, hash)| hash) {
                    found.push(Finding::Unchained { number });
                }
            }
        }
        if record.head_lost {
            found.push(Finding::HeadLost { number });
        }
        // What was put in does not change what is expected next.
        if number >= next {
            self.last = Some((number, record.hash));
        }
        found
    }

    /// The end of the log's last file, and its head.
    pub fn end(&mut self, head: Option<&Head>) -> Vec<Finding> {
        let strange = std::mem::take(&mut self.strange);
        let (last, hash) = self.last.unwrap_or((0, [0; 32]));
        let mut found = Vec::new();
        let Some(head) = head else {
            if strange > 0 || last > 0 {
                found.push(Finding::NoHead);
            }
            if strange > 0 {
                found.push(Finding::PutIn {
                    after: last,
                    bytes: strange,
                });
            }
            return found;
        };
        let next = last.saturating_add(1);
        match head.number.cmp(&last) {
            std::cmp::Ordering::Greater if strange > 0 => found.push(Finding::Changed {
                from: next,
                to: head.number,
            }),
            std::cmp::Ordering::Greater => found.push(Finding::CutOff {
                from: next,
                to: head.number,
            }),
            order => {
                if order == std::cmp::Ordering::Less {
                    found.push(Finding::HeadBehind {
                        head: head.number,
                        last,
                    });
                } else if head.hash != hash {
                    found.push(Finding::OtherEnd { number: last });
                }
                if strange > 0 {
                    found.push(Finding::NotFinished {
                        after: last,
                        bytes: strange,
                    });
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::append;
    use crate::walk::Walk;

    struct Log {
        records: Vec<Vec<u8>>,
        head: Head,
    }

    fn log(count: u64) -> Log {
        let mut log = Log {
            records: Vec::new(),
            head: Head {
                file: 0,
                end: 0,
                number: 0,
                hash: [0; 32],
            },
        };
        for number in 1..=count {
            add(&mut log, number, b"");
        }
        log
    }

    fn add(log: &mut Log, number: u64, torn: &[u8]) {
        let body = format!("body {number}");
        let (bytes, hash) = append(number, number, &log.head.hash, false, torn, body.as_bytes()).unwrap();
        log.records.push(bytes);
        (log.head.number, log.head.hash) = (number, hash);
    }

    fn findings(bytes: &[u8], head: Option<&Head>) -> Vec<Finding> {
        let (mut walk, mut verifier, mut found) = (Walk::new(bytes), Verifier::default(), Vec::new());
        while let Some(item) = walk.step().unwrap() {
            found.extend(verifier.see(&item, false));
        }
        found.extend(verifier.end(head));
        found
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole() {
        let log = log(5);
        assert_eq!(findings(&log.records.concat(), Some(&log.head)), []);
        assert_eq!(findings(&[], None), []);
    }

    #[test]
    fn every_byte_counts() {
        let log = log(4);
        let whole = log.records.concat();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let found = findings(&bytes, Some(&log.head));
            assert!(found.iter().any(|f| !f.is_harmless()), "byte {at}: {found:?}");
        }
    }

    #[test]
    fn records_that_are_cut_out_or_cut_off_are_missed() {
        let log = log(4);
        for gone in 0..4usize {
            let mut records = log.records.clone();
            records.remove(gone);
            let number = gone as u64 + 1;
            let expected = match gone {
                0 => Finding::Begins { number: 2 },
                3 => Finding::CutOff { from: 4, to: 4 },
                _ => Finding::Missing {
                    from: number,
                    to: number,
                },
            };
            assert_eq!(findings(&records.concat(), Some(&log.head)), [expected]);
        }
        let whole = log.records.concat();
        for length in 0..whole.len() {
            let found = findings(&whole[..length], Some(&log.head));
            assert!(found.iter().any(|f| !f.is_harmless()), "{length}: {found:?}");
        }
        assert_eq!(findings(&whole, None), [Finding::NoHead]);
    }

    #[test]
    fn a_record_that_is_put_in_moved_or_made_anew_is_noticed() {
        let log = log(4);
        let forge = |number: u64, previous: &Hash| append(number, 1, previous, false, b"", b"forged").unwrap().0;
        let with = |at: usize, record: Vec<u8>| {
            let mut records = log.records.clone();
            records.insert(at, record);
            findings(&records.concat(), Some(&log.head))
        };
        assert_eq!(
            with(2, log.records[0].clone()),
            [Finding::Misplaced { number: 1, after: 2 }]
        );
        assert!(!with(2, forge(3, &[1; 32])).is_empty());
        assert_eq!(
            with(4, forge(5, &log.head.hash)),
            [Finding::HeadBehind { head: 4, last: 5 }]
        );
        let mut records = log.records.clone();
        records.swap(1, 2);
        assert!(!findings(&records.concat(), Some(&log.head)).is_empty());
        // One made anew with the right hash of the one before: the next one does not carry its hash.
        let mut records = log.records.clone();
        let previous: Hash = records[1][records[1].len() - 32..].try_into().unwrap();
        records[2] = forge(3, &previous);
        assert_eq!(
            findings(&records.concat(), Some(&log.head)),
            [Finding::Unchained { number: 4 }]
        );
        records.truncate(3);
        let head = Head { number: 3, ..log.head };
        assert_eq!(
            findings(&records.concat(), Some(&head)),
            [Finding::OtherEnd { number: 3 }]
        );
        assert_eq!(
            findings(&[&log.records.concat()[..], b"junk"].concat(), Some(&log.head)),
            [Finding::NotFinished { after: 4, bytes: 4 }]
        );
        let between = [&log.records[..2].concat()[..], b"junk", &log.records[2..].concat()].concat();
        assert_eq!(
            findings(&between, Some(&log.head)),
            [Finding::PutIn { after: 2, bytes: 4 }]
        );
    }

    #[test]
    fn a_record_that_was_not_finished_is_no_harm() {
        let mut log = log(2);
        let torn = log.records[1][..50].to_vec();
        add(&mut log, 3, &torn);
        let bytes = [&log.records[..2].concat()[..], &torn, &log.records[2]].concat();
        let found = findings(&bytes, Some(&log.head));
        assert_eq!(found, [Finding::NotFinished { after: 2, bytes: 50 }]);
        assert!(found[0].is_harmless());
    }
}
