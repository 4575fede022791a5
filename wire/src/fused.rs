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
    Serve(Source),
}

/// The server's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The connection is initialised; from now on the server answers the kernel alone.
    Serving,
    /// It will not serve.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Serve(Source::Version1 { swap: true } | Source::Version2 { swap: true }) => 6,
            Self::Serve(Source::Version1 { swap: false } | Source::Version2 { swap: false }) => 4,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        0
    }
}
