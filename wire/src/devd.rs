//! What the launcher asks of the device rule writer, and what it answers.

use crate::failure::Failure;
use crate::frame::Message;
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

/// A request to the device rule writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Attaches a BPF program that allows just these to the version 2 group whose directory comes with the frame (one descriptor).
    Attach(Vec<Rule>),
    /// Writes `devices.deny` and `devices.allow` of the version 1 group (two descriptors, open for writing, in that order). The group
    /// must have no group below it: the kernel gives EINVAL otherwise (`Documentation/admin-guide/cgroup-v1/devices.rst`).
    Write(Vec<Rule>),
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
            Self::Write(_) => 2,
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
            payload(&Request::Write(vec![disks])),
            [1, 1, 1, 1, 0x83, 0x02, 0, 1, 0, 1]
        );
        assert_eq!(&encode(&Reply::InForce).unwrap()[HEADER..], [0]);
        let refused = encode(&Reply::Refused(Failure::caller("x"))).unwrap();
        assert_eq!(&refused[HEADER..], [1, 0, 1, b'x', 0]);
    }

    #[test]
    fn each_request_says_how_many_descriptors_it_needs() {
        assert_eq!(Request::Attach(vec![]).descriptors(), 1);
        assert_eq!(Request::Write(vec![]).descriptors(), 2);
    }
}
