//! Netlink messages as bytes: a header, a fixed part, then attributes, which nest (netlink(7), linux/netlink.h). Pure.
//! Lengths are checked once, at the end: what grew past its length field is never sent.

/// Bytes of a netlink header.
pub const HEADER: usize = 16;
/// Asks for something; every message that is sent has it.
pub const REQUEST: u16 = 0x1;
/// Asks for an answer that says whether it was done.
pub const ACKNOWLEDGE: u16 = 0x4;
/// Fails where the object exists.
pub const EXCLUSIVE: u16 = 0x200;
/// Asks for every object.
pub const DUMP: u16 = 0x300;
/// Makes the object.
pub const CREATE: u16 = 0x400;
/// Adds at the end of a list.
pub const APPEND: u16 = 0x800;

/// The flag of an attribute's type that says it holds attributes.
const NESTED: u16 = 0x8000;

/// Bytes that are no netlink, or a value too long to become some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A run of attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Attributes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn put(mut self, kind: u16, value: &[u8]) -> Self {
        let Some(length) = value.len().checked_add(4).and_then(|n| u16::try_from(n).ok()) else {
            self.too_long = true;
            return self;
        };
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Adds an attribute with these bytes.
    pub fn bytes(self, kind: u16, value: &[u8]) -> Self {
        self.put(kind, value)
    }

    /// Adds a string with its terminating NUL.
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// Adds a number in the machine's order, as rtnetlink writes them.
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds a number in network order, as nf_tables writes them.
    pub fn network_number(self, kind: u16, value: u32) -> Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// Adds an attribute that holds attributes.
    pub fn nest(self, kind: u16, inner: Self) -> Self {
        self.nest_behind(kind, &[], inner)
    }

    /// Adds an attribute that holds a fixed part and then attributes.
    pub fn nest_behind(mut self, kind: u16, fixed: &[u8], inner: Self) -> Self {
        self.too_long |= inner.too_long;
        let kind = if fixed.is_empty() { kind | NESTED } else { kind };
        self.put(kind, &[fixed, &inner.bytes].concat())
    }

    /// Adds `inner` if there is a value to make it from.
    pub fn maybe<T>(self, value: Option<T>, add: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => add(self, value),
            None => self,
        }
    }
}

/// One message, but for its sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    kind: u16,
    flags: u16,
    fixed: Vec<u8>,
    attributes: Attributes,
}

impl Message {
    /// A request of this type with these further flags.
    pub fn new(kind: u16, flags: u16, fixed: &[u8], attributes: Attributes) -> Self {
        Self {
            kind,
            flags: flags | REQUEST,
            fixed: fixed.to_vec(),
            attributes,
        }
    }

    /// The same, and an answer is wanted.
    pub fn acknowledged(mut self) -> Self {
        self.flags |= ACKNOWLEDGE;
        self
    }

    /// The whole message's bytes. The sender's port is 0: the kernel fills it in.
    pub fn bytes(&self, sequence: u32) -> Result<Vec<u8>, Malformed> {
        if self.attributes.too_long {
            return Err(Malformed);
        }
        let fixed = self.fixed.len().next_multiple_of(4);
        let length = HEADER.saturating_add(fixed).saturating_add(self.attributes.bytes.len());
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&u32::try_from(length).map_err(|_| Malformed)?.to_ne_bytes());
        bytes.extend_from_slice(&self.kind.to_ne_bytes());
        bytes.extend_from_slice(&self.flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(&self.fixed);
        bytes.resize(HEADER.saturating_add(fixed), 0);
        bytes.extend_from_slice(&self.attributes.bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_message_has_the_bytes_of_the_manual() {
        let inner = Attributes::new().text(1, "veth");
        let attributes = Attributes::new().text(3, "lzv").number(10, 7).nest(18, inner);
        let bytes = Message::new(16, CREATE, &[0; 2], attributes)
            .acknowledged()
            .bytes(9)
            .unwrap();
        #[rustfmt::skip]
        let expected = [
            52, 0, 0, 0,  16, 0,  5, 4,  9, 0, 0, 0,  0, 0, 0, 0,
            0, 0, 0, 0,
            8, 0, 3, 0,  b'l', b'z', b'v', 0,
            8, 0, 10, 0,  7, 0, 0, 0,
            16, 0, 18, 0x80,  9, 0, 1, 0,  b'v', b'e', b't', b'h', 0, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_value_that_its_length_cannot_name_is_never_sent() {
        // The flaw of CVE-2021-43784: a length that wraps would turn the value's own bytes into attributes.
        for (length, fits) in [(65531, true), (65532, false), (65536, false), (1 << 17, false)] {
            let message = Message::new(16, 0, &[], Attributes::new().bytes(1, &vec![0xaa; length]));
            assert_eq!(message.bytes(1).is_ok(), fits, "{length}");
            let nested = Message::new(
                16,
                0,
                &[],
                Attributes::new().nest(1, Attributes::new().bytes(2, &vec![0; length])),
            );
            assert!(nested.bytes(1).is_err(), "{length}");
        }
    }
}
