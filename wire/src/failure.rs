//! What every peer answers when it could not do what was asked. Plain data.

use crate::name::Text;
use serde::{Deserialize, Serialize};

/// Who must act for the request to succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The request itself is wrong or not allowed.
    Caller,
    /// The kernel refused a step; `errno` says why.
    Kernel,
    /// The peer broke the protocol.
    Protocol,
    /// Our own mistake.
    Bug,
}

/// A refusal or failure, with what the user needs to see: what was done to what, and the kernel's reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Who must act.
    pub kind: Kind,
    /// The step and its subject, as a phrase that follows "cannot": `attach the mount for /srv`.
    pub what: Text<512>,
    /// errno(3) of the refused call, 0 where there was none.
    pub errno: i32,
}

impl Failure {
    fn of(kind: Kind, what: &str, errno: i32) -> Self {
        let what = Text::cut(what);
        Self { kind, what, errno }
    }

    /// The kernel said no to `what`.
    pub fn kernel(what: &str, errno: i32) -> Self {
        Self::of(Kind::Kernel, what, errno)
    }

    /// The request is wrong or not allowed.
    pub fn caller(what: &str) -> Self {
        Self::of(Kind::Caller, what, 0)
    }

    /// The peer broke the protocol.
    pub fn protocol(what: &str) -> Self {
        Self::of(Kind::Protocol, what, 0)
    }

    /// Our own mistake.
    pub fn bug(what: &str) -> Self {
        Self::of(Kind::Bug, what, 0)
    }
}
