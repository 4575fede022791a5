//! The bytes of one record. Pure.

use hmac_sha256::Hash as Sha256;

/// SHA-256 of a record.
pub type Hash = [u8; 32];

/// The first four bytes of every record.
pub const MAGIC: u32 = u32::from_le_bytes(*b"LZAU");
/// The version of the form.
const VERSION: u16 = 1;
/// Set in a record that was written while the head was lost.
const HEAD_LOST: u16 = 1;
/// Bytes before the body.
pub const HEADER: usize = 64;
/// Bytes after it.
pub const TRAILER: usize = 32;
/// The most bytes of a body, and of what is of no record before one.
pub const MOST: usize = 1024 * 1024;

/// One record, without what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub number: u64,
    /// When it was written, in nanoseconds since 1970.
    pub time: u64,
    /// The hash of the record before.
    pub previous: Hash,
    /// Whether the head was lost when it was written: what stood between it and the one before can then not be known.
    pub head_lost: bool,
    /// How many bytes before it are of no record.
    pub torn: usize,
    /// Its hash.
    pub hash: Hash,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    number: u64,
    time: u64,
    previous: Hash,
    head_lost: bool,
    /// Bytes of none before it.
    pub torn: usize,
    /// Bytes of its body.
    pub length: usize,
}

impl Header {
    /// Reads a header; `None` if these bytes are none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (flags, rest) = rest.split_first_chunk::<2>()?;
        let (torn, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (previous, _) = rest.split_first_chunk::<32>()?;
        let flags = u16::from_le_bytes(*flags);
        let size = |n: &[u8; 4]| usize::try_from(u32::from_le_bytes(*n)).ok().filter(|n| *n <= MOST);
        if u32::from_le_bytes(*magic) != MAGIC || u16::from_le_bytes(*version) != VERSION || flags & !HEAD_LOST != 0 {
            return None;
        }
        Some(Self {
            number: u64::from_le_bytes(*number),
            time: u64::from_le_bytes(*time),
            previous: *previous,
            head_lost: flags & HEAD_LOST != 0,
            torn: size(torn)?,
            length: size(length)?,
        })
    }

    fn bytes(&self) -> [u8; HEADER] {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let flags = if self.head_lost { HEAD_LOST } else { 0 };
        let mut bytes = [0; HEADER];
        let parts: [&[u8]; 8] = [
            &MAGIC.to_le_bytes(),
            &VERSION.to_le_bytes(),
            &flags.to_le_bytes(),
            &size(self.torn),
            &size(self.length),
            &self.number.to_le_bytes(),
            &self.time.to_le_bytes(),
            &self.previous,
        ];
        bytes
            .iter_mut()
            .zip(parts.into_iter().flatten())
            .for_each(|(to, from)| *to = *from);
        bytes
    }

    /// The whole bytes of a record with this header.
    pub const fn whole(&self) -> usize {
        HEADER.saturating_add(self.length).saturating_add(TRAILER)
    }

    /// The record of these bytes, which begin with its header, if its hash is the one that it says; `torn` are those before it.
    pub fn record(&self, torn: &[u8], bytes: &[u8]) -> Option<Record> {
        let (sealed, rest) = bytes.split_at_checked(HEADER.saturating_add(self.length))?;
        let (hash, _) = rest.split_first_chunk::<TRAILER>()?;
        (torn.len() == self.torn && sum(torn, sealed) == *hash).then(|| Record {
            number: self.number,
            time: self.time,
            previous: self.previous,
            head_lost: self.head_lost,
            torn: self.torn,
            hash: *hash,
            body: sealed.get(HEADER..).unwrap_or_default().to_vec(),
        })
    }
}

fn sum(torn: &[u8], sealed: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(torn);
    hash.update(sealed);
    hash.finalize()
}

/// The bytes that are to be appended for a record, and its hash; `torn` are those at the end of the log that are of no record.
/// `None` if the body, or what is torn, is longer than [`MOST`].
pub fn append(
    number: u64,
    time: u64,
    previous: &Hash,
    head_lost: bool,
    torn: &[u8],
    body: &[u8],
) -> Option<(Vec<u8>, Hash)> {
    if body.len() > MOST || torn.len() > MOST {
        return None;
    }
    let header = Header {
        number,
        time,
        previous: *previous,
        head_lost,
        torn: torn.len(),
        length: body.len(),
    };
    let mut bytes = Vec::with_capacity(header.whole());
    bytes.extend_from_slice(&header.bytes());
    bytes.extend_from_slice(body);
    let hash = sum(torn, &bytes);
    bytes.extend_from_slice(&hash);
    Some((bytes, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_record_are_those_of_the_documented_form() {
        let (bytes, hash) = append(258, 3, &[5; 32], true, b"torn", b"body").unwrap();
        assert_eq!(bytes.len(), 64 + 4 + 32);
        assert_eq!(
            bytes[..32],
            [
                b'L', b'Z', b'A', b'U', 1, 0, 1, 0, 4, 0, 0, 0, 4, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0,
                0, 0
            ]
        );
        assert_eq!(&bytes[32..64], [5; 32]);
        assert_eq!(&bytes[64..68], b"body");
        assert_eq!(&bytes[68..], hash);
        let mut whole = b"torn".to_vec();
        whole.extend_from_slice(&bytes[..68]);
        assert_eq!(Sha256::hash(&whole), hash);
    }

    #[test]
    fn sha_256_is_sha_256() {
        // FIPS 180-2, appendix B.1.
        let hash = sum(b"a", b"bc");
        let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_record_with_any_byte_changed_is_none() {
        let (bytes, hash) = append(1, 2, &[0; 32], false, b"", b"a body").unwrap();
        let header = Header::read(&bytes).unwrap();
        assert_eq!(header.record(b"", &bytes).unwrap().hash, hash);
        assert!(header.record(b"x", &bytes).is_none());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let record = Header::read(&changed).and_then(|h| h.record(b"", &changed));
            assert!(record.is_none(), "byte {at}");
        }
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            assert!(Header::read(cut).and_then(|h| h.record(b"", cut)).is_none(), "{length}");
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_not_made() {
        assert!(append(1, 2, &[0; 32], false, b"", &vec![0; MOST + 1]).is_none());
    }
}
