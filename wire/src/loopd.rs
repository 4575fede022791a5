//! What the launcher asks of the keeper of loop devices, and what it answers. It never sees a path: devices and files come open.

use crate::failure::Failure;
use crate::frame::Message;
use crate::mountd::FileSystem;
use serde::{Deserialize, Serialize};

/// A request to `loopd`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The number of a loop device that nobody has (one descriptor, of `/dev/loop-control`). Answer: `Free`.
    Find,
    /// Puts a file behind a loop device, until nobody has that open or mounted any more (two descriptors: the loop device, open for writing; the
    /// file). Answer: `Attached`, or `Taken`.
    Attach {
        /// Whether nobody may write to it.
        read_only: bool,
    },
    /// Looks for a file system (one descriptor: a block device or file, open for reading). Answer: `Found`.
    Look,
}

/// What `loopd` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The number of a loop device that was free.
    Free(u32),
    /// The file is behind the loop device.
    Attached,
    /// Somebody else has taken the loop device meanwhile: another one can be tried.
    Taken,
    /// There is this file system.
    Found(FileSystem),
    /// It was not done.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Find | Self::Look => 1,
            Self::Attach { .. } => 2,
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
        let asked = |r: &Request| encode(r).unwrap()[HEADER..].to_vec();
        assert_eq!(asked(&Request::Find), [0]);
        assert_eq!(asked(&Request::Attach { read_only: true }), [1, 1]);
        assert_eq!(asked(&Request::Look), [2]);
        let said = |r: &Reply| encode(r).unwrap()[HEADER..].to_vec();
        assert_eq!(said(&Reply::Free(300)), [0, 0xac, 0x02]);
        assert_eq!(said(&Reply::Attached), [1]);
        assert_eq!(said(&Reply::Taken), [2]);
        assert_eq!(said(&Reply::Found(FileSystem::Xfs)), [3, 1]);
        assert_eq!(said(&Reply::Refused(Failure::caller("x"))), [4, 0, 1, b'x', 0]);
    }

    #[test]
    fn each_request_says_how_many_descriptors_it_needs() {
        assert_eq!(Request::Find.descriptors(), 1);
        assert_eq!(Request::Attach { read_only: false }.descriptors(), 2);
        assert_eq!(Request::Look.descriptors(), 1);
    }
}
