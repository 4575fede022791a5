//! When the host's hook script is called. Plain data.

use serde::{Deserialize, Serialize};

/// When, in the life of a container that is made from a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// Before anything is planned or made for it.
    Prepare,
    /// Everything is chosen; it is about to be made.
    Start,
    /// It runs.
    Started,
    /// It has ended, and nothing of it is cleared away yet.
    Stopped,
    /// Nothing of it is left.
    Release,
    /// It was found running although nobody was left who had asked for its start.
    Reconnect,
}

impl Hook {
    /// The second and third argument, which are libvirt's.
    pub const fn words(self) -> [&'static str; 2] {
        match self {
            Self::Prepare => ["prepare", "begin"],
            Self::Start => ["start", "begin"],
            Self::Started => ["started", "begin"],
            Self::Stopped => ["stopped", "end"],
            Self::Release => ["release", "end"],
            Self::Reconnect => ["reconnect", "begin"],
        }
    }

    /// Whether it belongs to the end of a container: it is then seen through, whoever asked for it.
    pub const fn is_of_the_end(self) -> bool {
        matches!(self, Self::Stopped | Self::Release)
    }
}
