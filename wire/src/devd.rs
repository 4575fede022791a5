//! What the launcher asks of the writer of device rules of version 2, and what it answers.

use crate::failure::Failure;
use crate::frame::Message;
use crate::mountd::Device;
use serde::{Deserialize, Serialize};

/// One permission. Everything that no rule names is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// A block device, or a character device.
    pub block: bool,
    /// Major number, or every one.
    pub major: Option<u32>,
    /// Minor number, or every one.
    pub minor: Option<u32>,
    /// May be opened for reading.
    pub read: bool,
    /// May be opened for writing.
    pub write: bool,
    /// A node may be made.
    pub make: bool,
}

/// The kernel keeps a major number in 12 bits and a minor in 20 (`include/linux/kdev_t.h`).
const MAJORS: u32 = 1 << 12;
const MINORS: u32 = 1 << 20;

impl Rule {
    /// Whether it allows something, of devices that there can be.
    pub fn is_sound(&self) -> bool {
        let exist = self.major.is_none_or(|n| n < MAJORS) && self.minor.is_none_or(|n| n < MINORS);
        exist && (self.read || self.write || self.make)
    }

    /// The rules that every container has: null, zero, full, random, urandom, tty, ptmx and every terminal of its own.
    pub fn usual() -> Vec<Self> {
        let rule = |major, minor| Self {
            block: false,
            major: Some(major),
            minor,
            read: true,
            write: true,
            make: true,
        };
        let own = Device::ALL.iter().map(|d| d.number());
        let own = own.map(|(major, minor)| rule(major, Some(minor)));
        own.chain([rule(5, Some(2)), rule(136, None)]).collect()
    }
}

/// A request to the device rule writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Attaches a BPF program that allows just these to the version 2 group whose directory comes with the frame (one descriptor).
    Attach(Vec<Rule>),
}

/// The device rule writer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The rules are in force.
    InForce,
    /// They are not.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Attach(_) => 1,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, encode};

    #[test]
    fn bytes_are_frozen() {
        let payload = |r: &Request| encode(r).unwrap()[HEADER..].to_vec();
        let null = Rule {
            block: false,
            major: Some(1),
            minor: Some(3),
            read: true,
            write: true,
            make: false,
        };
        let disks = Rule {
            block: true,
            major: Some(259),
            minor: None,
            read: true,
            write: false,
            make: true,
        };
        assert_eq!(payload(&Request::Attach(vec![null])), [0, 1, 0, 1, 1, 1, 3, 1, 1, 0]);
        assert_eq!(
            payload(&Request::Attach(vec![disks])),
            [0, 1, 1, 1, 0x83, 0x02, 0, 1, 0, 1]
        );
        assert_eq!(&encode(&Reply::InForce).unwrap()[HEADER..], [0]);
        let refused = encode(&Reply::Refused(Failure::caller("x"))).unwrap();
        assert_eq!(&refused[HEADER..], [1, 0, 1, b'x', 0]);
    }

    #[test]
    fn each_request_says_how_many_descriptors_it_needs() {
        assert_eq!(Request::Attach(vec![]).descriptors(), 1);
    }
}
