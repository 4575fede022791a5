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
    /// Writes `devices.deny` and `devices.allow` of the version 1 group (two descriptors, open for writing, in that order).
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
