//! The uuid of a domain and the hardware address of an interface: read, written, made from random bytes. Pure.

use core::fmt;

/// A uuid (RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// A random uuid, version 4, from 16 random bytes.
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// Reads 32 hexadecimal digits, with or without the four hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let hyphens: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        if !hyphens.is_empty() && hyphens != [8, 13, 18, 23] {
            return None;
        }
        let mut digits = text.chars().filter(|c| *c != '-').map(|c| c.to_digit(16));
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = pair(digits.next()??, digits.next()??)?;
        }
        digits.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A hardware address of one station: neither a group's nor all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// An address under the prefix that libvirt and QEMU use, 52:54:00, from three random bytes.
    pub const fn from_random(bytes: [u8; 3]) -> Self {
        let [a, b, c] = bytes;
        Self([0x52, 0x54, 0, a, b, c])
    }

    /// Reads six groups of one or two hexadecimal digits with colons between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut groups = text.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let mut digits = groups.next()?.chars().map(|c| c.to_digit(16));
            let first = digits.next()??;
            *byte = match digits.next() {
                None => pair(0, first)?,
                Some(second) => pair(first, second?)?,
            };
            if digits.next().is_some() {
                return None;
            }
        }
        let [first, ..] = bytes;
        (groups.next().is_none() && first & 1 == 0 && bytes != [0; 6]).then_some(Self(bytes))
    }

    /// The six bytes.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

fn pair(high: u32, low: u32) -> Option<u8> {
    u8::try_from(high << 4 | low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_uuids_with_and_without_hyphens() {
        let text = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let uuid = Uuid::parse(text).unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(Uuid::parse(&text.replace('-', "").to_uppercase()), Some(uuid));
    }

    #[test]
    fn refuses_what_is_not_a_uuid() {
        for bad in [
            "",
            "x",
            "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f",
            "0f1e2d3c4-b5a-6978-8796-a5b4c3d2e1f0",
            &"0".repeat(33),
            "é",
        ] {
            assert_eq!(Uuid::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_random_uuid_says_version_4() {
        assert_eq!(
            Uuid::from_random([0xff; 16]).to_string(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }

    #[test]
    fn reads_addresses_of_one_station_only() {
        assert_eq!(Mac::parse("2:0:aB:cd:EF:1").unwrap().to_string(), "02:00:ab:cd:ef:01");
        for bad in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "002:0:0:0:0:1",
            "g:0:0:0:0:0",
        ] {
            assert_eq!(Mac::parse(bad), None, "{bad}");
        }
        assert_eq!(Mac::from_random([1, 2, 3]).to_string(), "52:54:00:01:02:03");
    }
}
