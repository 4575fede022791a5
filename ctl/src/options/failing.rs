//! What virsh says first of a verb that failed. Pure.

use super::{AuditVerb, PolicyVerb, Verb};

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
            Self::Autostart(a) => {
                let what = if a.disable { "unmark" } else { "mark" };
                let name = a.container.as_deref()?;
                Some(format!("Failed to {what} domain '{name}' as autostarted"))
            }
            Self::Desc(d) if !d.new_desc.is_empty() => {
                let what = if d.title { "title" } else { "description" };
                Some(format!("Failed to set new domain {what}"))
            }
            Self::AttachDevice(d) => Some(format!("Failed to attach device from {}", d.file)),
            Self::DetachDevice(d) => Some(format!("Failed to detach device from {}", d.file)),
            Self::UpdateDevice(d) => Some(format!("Failed to update device from {}", d.file)),
            Self::AttachDisk(_) => Some("Failed to attach disk".to_owned()),
            Self::DetachDisk(_) => Some("Failed to detach disk".to_owned()),
            Self::AttachInterface(_) => Some("Failed to attach interface".to_owned()),
            Self::DetachInterface(_) => Some("Failed to detach interface".to_owned()),
            _ => None,
        }
    }

    /// Whether the verb changes nothing, and so may be used by whoever asked for that. Every verb is here, so that none is forgotten.
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::Desc(d) => d.new_desc.is_empty(),
            Self::Metadata(m) => m.set.is_none() && !m.remove,
            Self::Autostart(a) => a.list,
            Self::Memtune(m) => m.hard_limit.is_none() && m.soft_limit.is_none() && m.swap_hard_limit.is_none(),
            Self::Schedinfo(s) => s.values.is_empty() && s.set.is_empty(),
            Self::Policy(p) => !matches!(p.verb, PolicyVerb::Learn(_)),
            Self::Audit(a) => !matches!(a.verb, AuditVerb::Rotate),
            Self::AttachDisk(d) => d.print_xml,
            Self::DetachDisk(d) => d.print_xml,
            Self::AttachInterface(i) => i.print_xml,
            Self::AttachDevice(_) | Self::DetachDevice(_) | Self::UpdateDevice(_) | Self::DetachInterface(_) => false,
            Self::Run(_)
            | Self::Edit(_)
            | Self::Define(_)
            | Self::Undefine(_)
            | Self::Domrename(_)
            | Self::Create(_)
            | Self::Start(_)
            | Self::Shutdown(_)
            | Self::Reboot(_)
            | Self::Destroy(_)
            | Self::Suspend(_)
            | Self::Resume(_)
            | Self::Setmem(_)
            | Self::Setmaxmem(_)
            | Self::Enter(_)
            | Self::LxcEnterNamespace(_)
            | Self::SendProcessSignal(_)
            | Self::Console(_) => false,
            Self::List(_)
            | Self::Dominfo(_)
            | Self::Ask(_)
            | Self::Node(_)
            | Self::Dumpxml(_)
            | Self::DomxmlFromNative(_)
            | Self::DomxmlToNative(_)
            | Self::Logs(_)
            | Self::Wait(_)
            | Self::Event(_)
            | Self::Top(_)
            | Self::Plan(_)
            | Self::Privileges(_)
            | Self::Networks(_)
            | Self::Check(_)
            | Self::Wire(_)
            | Self::Version(_)
            | Self::Generate(_) => true,
        }
    }
}
