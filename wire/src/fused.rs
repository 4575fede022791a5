//! What the launcher tells the server of `/proc/meminfo`, and what it answers.

use crate::failure::Failure;
use crate::frame::Message;
use serde::{Deserialize, Serialize};

/// Where the figures are read. The descriptors are open for reading and belong to the container's own group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// `memory.limit_in_bytes`, `memory.usage_in_bytes`, `memory.stat`; then, if `swap`, `memory.memsw.limit_in_bytes` and
    /// `memory.memsw.usage_in_bytes`.
    Version1 {
        /// Whether the kernel accounts swap.
        swap: bool,
    },
    /// `memory.max`, `memory.current`, `memory.stat`; then, if `swap`, `memory.swap.max` and `memory.swap.current`.
    Version2 {
        /// Whether the kernel accounts swap.
        swap: bool,
    },
}

/// A request to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Serves a connection whose superblock exists already: `/dev/fuse`, then the files of the source.
    Serve {
        /// Where the figures are read.
        source: Source,
        /// The host uid of the container's root, to whom the file seems to belong.
        uid: u32,
        /// The host gid of the container's root.
        gid: u32,
    },
}

/// The server's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The connection is initialised; from now on the server answers the kernel alone.
    Serving,
    /// It will not serve.
    Refused(Failure),
}

impl Source {
    /// Number of files that the figures are read from.
    pub const fn files(self) -> usize {
        match self {
            Self::Version1 { swap: true } | Self::Version2 { swap: true } => 5,
            Self::Version1 { swap: false } | Self::Version2 { swap: false } => 3,
        }
    }
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        let Self::Serve { source, .. } = self;
        source.files().saturating_add(1)
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
    use crate::frame::{HEADER, decode, encode};

    fn payload<M: Message>(value: &M) -> Vec<u8> {
        encode(value).unwrap()[HEADER..].to_vec()
    }

    #[test]
    fn bytes_are_frozen() {
        let serve = |source| Request::Serve {
            source,
            uid: 1,
            gid: 300,
        };
        let frozen: [(Source, [u8; 6], usize); 4] = [
            (Source::Version1 { swap: false }, [0, 0, 0, 1, 0xac, 2], 4),
            (Source::Version1 { swap: true }, [0, 0, 1, 1, 0xac, 2], 6),
            (Source::Version2 { swap: false }, [0, 1, 0, 1, 0xac, 2], 4),
            (Source::Version2 { swap: true }, [0, 1, 1, 1, 0xac, 2], 6),
        ];
        for (source, bytes, descriptors) in frozen {
            assert_eq!(payload(&serve(source)), bytes);
            assert_eq!(decode(&encode(&serve(source)).unwrap(), descriptors), Ok(serve(source)));
        }
        assert_eq!(payload(&Reply::Serving), [0]);
        assert_eq!(payload(&Reply::Refused(Failure::kernel("x", 5))), [1, 1, 1, b'x', 10]);
    }

    #[test]
    fn refuses_a_source_without_all_of_its_files() {
        let bytes = encode(&Request::Serve {
            source: Source::Version1 { swap: true },
            uid: 1,
            gid: 1,
        })
        .unwrap();
        assert!(decode::<Request>(&bytes, 5).is_err());
    }
}
