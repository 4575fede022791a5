//! Positions in a ring of bytes that is written round and round, and of those who read it. Pure: it knows no bytes, only where they are.
//! A position is the number of bytes ever written before it.

use std::ops::Range;

/// How far a ring has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    size: u64,
    written: u64,
}

/// Where a part of what is written goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Offset in the ring's data.
    pub offset: u64,
    /// Which of the bytes that are written.
    pub part: Range<usize>,
}

fn bytes(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl Ring {
    /// An empty ring of at least one byte.
    pub const fn new(size: u64) -> Self {
        Self {
            size: if size == 0 { 1 } else { size },
            written: 0,
        }
    }

    /// Bytes ever written.
    pub const fn written(self) -> u64 {
        self.written
    }

    /// The position of the oldest byte that is still there.
    pub const fn oldest(self) -> u64 {
        self.written.saturating_sub(self.size)
    }

    fn offset(self, position: u64) -> u64 {
        position.checked_rem(self.size).unwrap_or(0)
    }

    /// Where the next `length` bytes go: one place, or two around the end. Of more than the ring holds, only the last go anywhere.
    pub fn places(self, length: usize) -> [Place; 2] {
        let skipped = length.saturating_sub(bytes(self.size));
        let offset = self.offset(self.written.saturating_add(count(skipped)));
        let border = skipped
            .saturating_add(bytes(self.size.saturating_sub(offset)))
            .min(length);
        [
            Place {
                offset,
                part: skipped..border,
            },
            Place {
                offset: 0,
                part: border..length,
            },
        ]
    }

    /// `length` bytes have been written.
    pub fn advance(&mut self, length: usize) {
        self.written = self.written.saturating_add(count(length));
    }

    /// The longest unbroken run of bytes from `position` on: offset and length; of length 0 if there are none.
    pub fn run(self, position: u64) -> (u64, usize) {
        let offset = self.offset(position);
        let ahead = self.written.saturating_sub(position);
        (offset, bytes(ahead.min(self.size.saturating_sub(offset))))
    }
}

/// How far a viewer has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    position: u64,
    /// Whether the ring must not overrun it.
    pub lossless: bool,
}

impl Cursor {
    /// A viewer that sees what was printed before, if `replay`.
    pub const fn new(ring: Ring, replay: bool, lossless: bool) -> Self {
        Self {
            position: if replay { ring.oldest() } else { ring.written() },
            lossless,
        }
    }

    /// The position to read from. A viewer that was overrun loses the oldest bytes.
    pub fn position(&mut self, ring: Ring) -> u64 {
        self.position = self.position.max(ring.oldest());
        self.position
    }

    /// The viewer took `length` bytes.
    pub fn advance(&mut self, length: usize) {
        self.position = self.position.saturating_add(count(length));
    }

    /// The viewer gives up what it has not taken.
    pub const fn skip(&mut self, ring: Ring) {
        self.position = ring.written();
    }

    /// Whether there is something that the viewer has not taken.
    pub const fn behind(self, ring: Ring) -> bool {
        self.position < ring.written()
    }

    /// How many bytes may be written before the viewer loses some that it must not lose.
    pub fn room(self, ring: Ring) -> usize {
        if !self.lossless {
            return usize::MAX;
        }
        bytes(ring.size.saturating_sub(ring.written.saturating_sub(self.position)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring with its bytes, as the callers keep them.
    struct Whole(Ring, Vec<u8>);

    impl Whole {
        fn new(size: usize) -> Self {
            Self(Ring::new(size as u64), vec![0; size])
        }

        fn write(&mut self, text: &[u8]) {
            for place in self.0.places(text.len()) {
                let start = place.offset as usize;
                let part = &text[place.part];
                self.1[start..][..part.len()].copy_from_slice(part);
            }
            self.0.advance(text.len());
        }

        fn read(&self, cursor: &mut Cursor) -> Vec<u8> {
            let mut all = vec![];
            loop {
                let (offset, length) = self.0.run(cursor.position(self.0));
                if length == 0 {
                    return all;
                }
                all.extend_from_slice(&self.1[offset as usize..][..length]);
                cursor.advance(length);
            }
        }
    }

    #[test]
    fn what_is_read_is_what_was_written_for_all_small_sizes() {
        for size in 1..9 {
            for step in 1..20usize {
                let (mut ring, mut all) = (Whole::new(size), vec![]);
                for i in 0..12u8 {
                    let text: Vec<u8> = (0..step).map(|j| i.wrapping_mul(31).wrapping_add(j as u8)).collect();
                    ring.write(&text);
                    all.extend_from_slice(&text);
                    let mut cursor = Cursor::new(ring.0, true, false);
                    let kept = all.len().min(size);
                    assert_eq!(
                        ring.read(&mut cursor),
                        all[all.len() - kept..],
                        "size {size} step {step}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_slow_viewer_loses_the_oldest_and_nothing_else() {
        let mut ring = Whole::new(8);
        ring.write(b"abc");
        let mut cursor = Cursor::new(ring.0, true, false);
        assert_eq!(ring.read(&mut cursor), b"abc");
        ring.write(b"defghijklmno");
        assert!(cursor.behind(ring.0));
        assert_eq!(ring.read(&mut cursor), b"hijklmno");
        assert!(!cursor.behind(ring.0));
    }

    #[test]
    fn without_replay_only_new_output_is_seen() {
        let mut ring = Whole::new(8);
        ring.write(b"old");
        let mut cursor = Cursor::new(ring.0, false, false);
        ring.write(b"new");
        assert_eq!(ring.read(&mut cursor), b"new");
    }

    #[test]
    fn a_lossless_viewer_leaves_just_the_room_that_it_has_read() {
        let mut ring = Whole::new(8);
        let mut cursor = Cursor::new(ring.0, true, true);
        assert_eq!(cursor.room(ring.0), 8);
        ring.write(b"abcdefgh");
        assert_eq!(cursor.room(ring.0), 0);
        cursor.advance(3);
        assert_eq!(cursor.room(ring.0), 3);
        ring.write(b"ijk");
        assert_eq!(ring.read(&mut cursor), b"defghijk");
        assert_eq!(Cursor::new(ring.0, true, false).room(ring.0), usize::MAX);
    }

    #[test]
    fn a_ring_of_no_size_does_not_divide_by_it() {
        let ring = Ring::new(0);
        assert_eq!(
            ring.places(3),
            [Place { offset: 0, part: 2..3 }, Place { offset: 0, part: 3..3 }]
        );
        assert_eq!(ring.run(u64::MAX), (0, 0));
    }
}
