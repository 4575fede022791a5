//! The texts that open files have been shown, so that a reader who takes the file in pieces gets the pieces of one text. Pure.

use std::collections::BTreeMap;

/// How many texts are kept. A container may open more files than that: those opened first then get a new text for each piece.
pub const KEPT: usize = 256;

/// Texts by file handle.
#[derive(Debug, Default)]
pub struct Texts {
    shown: BTreeMap<u64, String>,
    last: u64,
}

impl Texts {
    /// A number for a file that is being opened; none is given out twice.
    pub fn open(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Remembers what a file was shown, and forgets the oldest beyond [`KEPT`].
    pub fn show(&mut self, handle: u64, text: String) {
        self.shown.insert(handle, text);
        while self.shown.len() > KEPT {
            self.shown.pop_first();
        }
    }

    /// What a file was shown last.
    pub fn shown(&self, handle: u64) -> Option<&str> {
        self.shown.get(&handle).map(String::as_str)
    }

    /// A file has been closed.
    pub fn close(&mut self, handle: u64) {
        self.shown.remove(&handle);
    }
}

/// The bytes of a text that a read of `size` at `offset` gives; none beyond its end.
pub fn piece(text: &str, offset: u64, size: u32) -> &[u8] {
    let bytes = text.as_bytes();
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = start
        .saturating_add(usize::try_from(size).unwrap_or(usize::MAX))
        .min(bytes.len());
    bytes.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_within_the_text() {
        assert_eq!(piece("abcdef", 0, 3), b"abc");
        assert_eq!(piece("abcdef", 4, 100), b"ef");
        assert_eq!(piece("abcdef", 6, 1), b"");
        assert_eq!(piece("abcdef", u64::MAX, u32::MAX), b"");
    }

    #[test]
    fn each_file_keeps_its_own_text_until_it_is_closed() {
        let mut texts = Texts::default();
        let (a, b) = (texts.open(), texts.open());
        texts.show(a, "one".into());
        texts.show(b, "two".into());
        assert_eq!((texts.shown(a), texts.shown(b)), (Some("one"), Some("two")));
        texts.close(a);
        assert_eq!((texts.shown(a), texts.shown(b)), (None, Some("two")));
    }

    #[test]
    fn a_container_that_opens_it_for_ever_does_not_fill_memory() {
        let mut texts = Texts::default();
        for _ in 0..10 * KEPT {
            let handle = texts.open();
            texts.show(handle, "x".into());
        }
        assert_eq!(texts.shown.len(), KEPT);
        assert_eq!(texts.shown(u64::try_from(10 * KEPT).unwrap()), Some("x"));
    }
}
