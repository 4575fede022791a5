//! What virsh says first of a verb that failed. Pure.

use super::Verb;

impl Verb {
    /// The line, of verbs that virsh has such a line for.
    pub fn failing(&self) -> Option<String> {
        let domain = |what: &str, name: &str| Some(format!("Failed to {what} domain '{name}'"));
        match self {
            Self::Start(w) => domain("start", &w.container),
            Self::Destroy(w) => domain("destroy", &w.container),
            Self::Undefine(w) => domain("undefine", &w.container),
            Self::Shutdown(w) => domain("shutdown", &w.container),
            Self::Reboot(w) => domain("reboot", &w.container),
            Self::Suspend(w) => domain("suspend", &w.container),
            Self::Resume(w) => domain("resume", &w.container),
            Self::Create(f) => Some(format!("Failed to create domain from {}", f.file)),
            Self::Define(f) => Some(format!("Failed to define domain from {}", f.file)),
            _ => None,
        }
    }

    /// Whether the verb changes nothing, and so may be used by whoever asked for that.
    pub const fn only_reads(&self) -> bool {
        !matches!(
            self,
            Self::Run(_)
                | Self::Define(_)
                | Self::Undefine(_)
                | Self::Create(_)
                | Self::Start(_)
                | Self::Shutdown(_)
                | Self::Reboot(_)
                | Self::Destroy(_)
                | Self::Suspend(_)
                | Self::Resume(_)
                | Self::Enter(_)
                | Self::LxcEnterNamespace(_)
                | Self::SendProcessSignal(_)
                | Self::Console(_)
        )
    }
}
