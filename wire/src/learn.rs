//! What a container's command says to `lazaret` that learns which system calls it makes. Plain data.

use crate::frame::Message;
use serde::{Deserialize, Serialize};

/// What the command's process sends before it executes; nothing is ever sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// From here on each of its system calls is told (one descriptor: the listener of seccomp_unotify(2)).
    Watched,
}

/// What is sent to it: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {}

impl Message for Told {
    fn descriptors(&self) -> usize {
        1
    }
}

impl Message for Nothing {
    fn descriptors(&self) -> usize {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, encode};

    #[test]
    fn bytes_are_frozen() {
        assert_eq!(encode(&Told::Watched).unwrap()[HEADER..], [0]);
    }
}
