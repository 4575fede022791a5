//! The head of a log: where its last record ends, and what that record is. It is kept beside the log, so that records which are cut
//! off at the end are missed. Pure.

use crate::record::Hash;
use hmac_sha256::Hash as Sha256;

const MAGIC: [u8; 8] = *b"LZAUHEAD";
/// Bytes of a head.
pub const HEAD: usize = 96;

/// A head.
///
/// ```text
/// offset 0        "LZAUHEAD"
/// offset 8   u64  inode number of the file that the last record is in
/// offset 16  u64  where that record ends in it
/// offset 24  u64  its number
/// offset 32       its hash
/// offset 64       SHA-256 of all of the above
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Inode number of the file that the last record is in.
    pub file: u64,
    /// Where the last record ends in that file.
    pub end: u64,
    /// The last record's number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend_from_slice(&MAGIC);
        for number in [self.file, self.end, self.number] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&Sha256::hash(&bytes));
        bytes
    }

    /// Reads one; `None` if these bytes are none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (said, rest) = bytes.split_at_checked(64)?;
        let (magic, numbers) = said.split_first_chunk::<8>()?;
        let (file, numbers) = numbers.split_first_chunk::<8>()?;
        let (end, numbers) = numbers.split_first_chunk::<8>()?;
        let (number, hash) = numbers.split_first_chunk::<8>()?;
        let (hash, _) = hash.split_first_chunk::<32>()?;
        (*magic == MAGIC && rest == Sha256::hash(said)).then_some(Self {
            file: u64::from_le_bytes(*file),
            end: u64::from_le_bytes(*end),
            number: u64::from_le_bytes(*number),
            hash: *hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written_and_no_other_way() {
        let head = Head {
            file: 1,
            end: 300,
            number: 3,
            hash: [9; 32],
        };
        let bytes = head.bytes();
        assert_eq!(bytes.len(), HEAD);
        assert_eq!(&bytes[..24], b"LZAUHEAD\x01\0\0\0\0\0\0\0\x2c\x01\0\0\0\0\0\0");
        assert_eq!(Head::read(&bytes), Some(head));
        for at in 0..HEAD {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Head::read(&changed), None, "byte {at}");
        }
        assert_eq!(Head::read(&bytes[..95]), None);
        assert_eq!(Head::read(&[]), None);
    }
}
