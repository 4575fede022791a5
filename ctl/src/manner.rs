//! How `lazaret` speaks: in its own words, or in virsh's. Chosen once, by whoever reads the command line. Pure but for that.

use std::sync::OnceLock;

/// The manner of one command.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// As virsh: its words on standard error, its exit statuses.
    pub virsh: bool,
    /// Without what is said beside the answer (`-q`).
    pub quiet: bool,
    /// Without changing anything (`-r`).
    pub readonly: bool,
    /// With the time that it took (`-t`).
    pub timing: bool,
}

static MANNER: OnceLock<Manner> = OnceLock::new();

/// Chooses the manner; the first choice stays.
pub fn choose(manner: Manner) {
    let _ = MANNER.set(manner);
}

/// What a container is called where it is told of: as virsh does, as the caller did; else by its name.
pub fn named<'a>(said: &'a str, name: &'a str) -> &'a str {
    if manner().virsh { said } else { name }
}

/// The manner; `lazaret`'s own as long as none is chosen.
pub fn manner() -> Manner {
    MANNER.get().copied().unwrap_or_default()
}
