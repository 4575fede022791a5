//! What the launcher asks of the id-map writer, and what it answers.

use crate::failure::Failure;
use crate::frame::Message;
use crate::ids::IdRange;
use serde::{Deserialize, Serialize};

/// A request to the id-map writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Writes `uid_map`, then `gid_map`, of the process whose `/proc/PID` directory comes with the frame (one descriptor).
    WriteMaps {
        /// Lines of `uid_map`.
        uid: Vec<IdRange>,
        /// Lines of `gid_map`.
        gid: Vec<IdRange>,
    },
    /// The same, for a container that the host's policy file lets map host id 0.
    WriteConsentedMaps {
        /// Lines of `uid_map`.
        uid: Vec<IdRange>,
        /// Lines of `gid_map`.
        gid: Vec<IdRange>,
    },
}

/// The id-map writer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Both maps are written.
    Mapped,
    /// It was not done.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::WriteMaps { .. } | Self::WriteConsentedMaps { .. } => 1,
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
        let r = IdRange {
            inside: 0,
            outside: 300,
            count: 1,
        };
        let bytes = encode(&Request::WriteMaps {
            uid: vec![r],
            gid: vec![],
        })
        .unwrap();
        assert_eq!(&bytes[HEADER..], [0, 1, 0, 0xac, 0x02, 1, 0]);
        let consented = encode(&Request::WriteConsentedMaps {
            uid: vec![],
            gid: vec![r],
        })
        .unwrap();
        assert_eq!(&consented[HEADER..], [1, 0, 1, 0, 0xac, 0x02, 1]);
        assert_eq!(&encode(&Reply::Mapped).unwrap()[HEADER..], [0]);
        let refused = encode(&Reply::Refused(Failure::kernel("x", 1))).unwrap();
        assert_eq!(&refused[HEADER..], [1, 1, 1, b'x', 2]);
    }
}
