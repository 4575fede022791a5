//! The bytes of a frame: a fixed header, then one postcard value that must be consumed whole.
//! Pure: it turns values into bytes and bytes into values, and knows no descriptor but their number.
//!
//! ```text
//! offset 0   u32  magic "LZRT", little-endian like every field here
//! offset 4   u16  protocol version
//! offset 6   u16  number of descriptors that come with the frame
//! offset 8   u32  length of the payload in bytes
//! offset 12       payload (postcard 1, <https://postcard.jamesmunns.com/wire-format>)
//! ```
//!
//! On a `SOCK_SEQPACKET` socket one packet is one frame, and the descriptors travel beside it (unix(7), `SCM_RIGHTS`). On a pipe
//! the payload is preceded by one little-endian u32 for each descriptor: the number under which the reader inherited it.

use serde::{Serialize, de::DeserializeOwned};

/// The first four bytes of every frame.
pub const MAGIC: u32 = u32::from_le_bytes(*b"LZRT");
/// The protocol version. Both ends of a connection come from one build, so any other version ends the conversation.
pub const VERSION: u16 = 1;
/// Bytes of the fixed header.
pub const HEADER: usize = 12;
/// The most bytes a payload may have; checked before anything is allocated.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// The most descriptors one frame may carry (the kernel's own bound, `SCM_MAX_FD`, is 253).
pub const MAX_DESCRIPTORS: usize = 128;

/// A value that can be sent: it knows how many descriptors must come with it.
pub trait Message: Serialize + DeserializeOwned {
    /// The number of descriptors that accompany this value; any other number ends the conversation.
    fn descriptors(&self) -> usize;
}

/// Why bytes are not a frame, or a value not sendable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer bytes than the header says, or than a header has.
    Cut,
    /// The first four bytes are not [`MAGIC`].
    NotAFrame,
    /// A protocol version other than [`VERSION`].
    Version(u16),
    /// A payload of more than [`MAX_PAYLOAD`] bytes.
    TooLong(u32),
    /// More bytes, or descriptors beside them, than the header or the value account for.
    Trailing,
    /// The payload is not a valid value of the expected type.
    Invalid,
    /// The number of descriptors differs from what the header or the value says.
    Descriptors {
        /// What the value or header demands.
        expected: usize,
        /// What there was.
        found: usize,
    },
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Cut => write!(f, "the frame is cut short"),
            Self::NotAFrame => write!(f, "these bytes are no Lazaret frame"),
            Self::Version(v) => write!(f, "the frame has protocol version {v}, this build speaks {VERSION}"),
            Self::TooLong(n) => write!(f, "the frame's payload is {n} bytes, the most is {MAX_PAYLOAD}"),
            Self::Trailing => write!(f, "more came than the frame's value accounts for"),
            Self::Invalid => write!(f, "the frame's payload is not a valid value"),
            Self::Descriptors { expected, found } => {
                write!(f, "the frame needs {expected} descriptors and came with {found}")
            }
        }
    }
}

impl core::error::Error for FrameError {}

/// A decoded header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number of descriptors that come with the frame.
    pub descriptors: usize,
    /// Payload length in bytes, at most [`MAX_PAYLOAD`].
    pub length: usize,
}

/// Reads a header from the first [`HEADER`] bytes.
pub fn header(bytes: &[u8]) -> Result<Header, FrameError> {
    let (words, _) = bytes.as_chunks::<4>();
    let [magic, [v0, v1, d0, d1], length, ..] = words else {
        return Err(FrameError::Cut);
    };
    if u32::from_le_bytes(*magic) != MAGIC {
        return Err(FrameError::NotAFrame);
    }
    let version = u16::from_le_bytes([*v0, *v1]);
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let descriptors = usize::from(u16::from_le_bytes([*d0, *d1]));
    counted(descriptors.min(MAX_DESCRIPTORS), descriptors)?;
    let length = u32::from_le_bytes(*length);
    match usize::try_from(length) {
        Ok(n) if n <= MAX_PAYLOAD => Ok(Header { descriptors, length: n }),
        _ => Err(FrameError::TooLong(length)),
    }
}

/// Refuses another number of descriptors than is expected.
pub fn counted(expected: usize, found: usize) -> Result<(), FrameError> {
    match expected == found {
        true => Ok(()),
        false => Err(FrameError::Descriptors { expected, found }),
    }
}

/// Turns a value into the bytes of one frame.
pub fn encode<M: Message>(value: &M) -> Result<Vec<u8>, FrameError> {
    let payload = postcard::to_allocvec(value).map_err(|_| FrameError::Invalid)?;
    let length = u32::try_from(payload.len()).map_err(|_| FrameError::TooLong(u32::MAX))?;
    if payload.len() > MAX_PAYLOAD {
        return Err(FrameError::TooLong(length));
    }
    let found = value.descriptors();
    counted(found.min(MAX_DESCRIPTORS), found)?;
    let descriptors = u16::try_from(found).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(HEADER.saturating_add(payload.len()));
    bytes.extend_from_slice(&MAGIC.to_le_bytes());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&descriptors.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// Turns the bytes of exactly one frame into a value; `descriptors` is the number that arrived with them.
pub fn decode<M: Message>(bytes: &[u8], descriptors: usize) -> Result<M, FrameError> {
    let head = header(bytes)?;
    let payload = bytes.get(HEADER..).ok_or(FrameError::Cut)?;
    match payload.len().cmp(&head.length) {
        core::cmp::Ordering::Less => return Err(FrameError::Cut),
        core::cmp::Ordering::Greater => return Err(FrameError::Trailing),
        core::cmp::Ordering::Equal => {}
    }
    counted(head.descriptors, descriptors)?;
    let (value, rest) = postcard::take_from_bytes::<M>(payload).map_err(|_| FrameError::Invalid)?;
    if !rest.is_empty() {
        return Err(FrameError::Trailing);
    }
    counted(value.descriptors(), descriptors)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Probe {
        Nothing,
        Two(u16),
    }

    impl Message for Probe {
        fn descriptors(&self) -> usize {
            match self {
                Self::Nothing => 0,
                Self::Two(_) => 2,
            }
        }
    }

    #[test]
    fn the_header_has_the_documented_bytes() {
        let bytes = encode(&Probe::Two(300)).unwrap();
        assert_eq!(bytes, [b'L', b'Z', b'R', b'T', 1, 0, 2, 0, 3, 0, 0, 0, 1, 0xac, 0x02]);
        assert_eq!(decode::<Probe>(&bytes, 2), Ok(Probe::Two(300)));
    }

    #[test]
    fn refuses_cut_frames_at_every_length() {
        let bytes = encode(&Probe::Two(300)).unwrap();
        for n in 0..bytes.len() {
            assert_eq!(decode::<Probe>(&bytes[..n], 2), Err(FrameError::Cut), "{n}");
        }
    }

    #[test]
    fn refuses_trailing_bytes_outside_and_inside_the_payload() {
        let mut bytes = encode(&Probe::Nothing).unwrap();
        bytes.push(0);
        assert_eq!(decode::<Probe>(&bytes, 0), Err(FrameError::Trailing));
        bytes[8] = 2;
        assert_eq!(decode::<Probe>(&bytes, 0), Err(FrameError::Trailing));
    }

    #[test]
    fn refuses_another_version_magic_length_or_number_of_descriptors() {
        let good = encode(&Probe::Nothing).unwrap();
        let with = |at: usize, byte: u8| {
            let mut b = good.clone();
            b[at] = byte;
            decode::<Probe>(&b, 0)
        };
        assert_eq!(with(0, b'X'), Err(FrameError::NotAFrame));
        assert_eq!(with(4, 2), Err(FrameError::Version(2)));
        assert_eq!(with(11, 1), Err(FrameError::TooLong(0x0100_0001)));
        assert_eq!(with(6, 1), Err(FrameError::Descriptors { expected: 1, found: 0 }));
        assert_eq!(
            decode::<Probe>(&good, 1),
            Err(FrameError::Descriptors { expected: 0, found: 1 })
        );
        assert_eq!(with(12, 7), Err(FrameError::Invalid));
    }
}
