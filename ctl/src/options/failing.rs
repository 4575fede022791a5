//! What virsh says first of a verb that failed. Pure.

use super::{Ask, AuditVerb, Node, PolicyVerb, Verb};

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
            Self::Ask(ask) => of_answer(ask),
            Self::Node(Node::Nodecpustats(_)) => Some("Unable to get node cpu stats".to_owned()),
            Self::Node(Node::Nodememstats(_)) => Some("Unable to get number of memory stats".to_owned()),
            Self::Setmaxmem(_) => Some("Unable to change MaxMemorySize".to_owned()),
            Self::Memtune(_) if self.only_reads() => Some("Unable to get number of memory parameters".to_owned()),
            Self::Memtune(_) => Some("Unable to change memory parameters".to_owned()),
            Self::Blkiotune(_) if self.only_reads() => Some("Unable to get blkio parameters".to_owned()),
            Self::Blkiotune(_) => Some("Unable to change blkio parameters".to_owned()),
            Self::Networks(asked) => asked.failing(),
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

    /// The file that the verb reads first of all, where it reads one.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Define(f) => Some(&f.file),
            Self::Create(f) => Some(&f.file),
            Self::DomxmlFromNative(f) => Some(&f.file),
            _ => None,
        }
    }

    /// Whether virsh has this verb; what the others print is followed by nothing.
    pub const fn is_virshs(&self) -> bool {
        !matches!(
            self,
            Self::Run(_)
                | Self::Enter(_)
                | Self::Logs(_)
                | Self::Wait(_)
                | Self::Top(_)
                | Self::Plan(_)
                | Self::Privileges(_)
                | Self::Audit(_)
                | Self::Policy(_)
                | Self::Check(_)
                | Self::Wire(_)
                | Self::Generate(_)
        )
    }

    /// Whether the verb changes nothing, and so may be used by whoever asked for that. Every verb is here, so that none is forgotten.
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::Desc(d) => d.new_desc.is_empty(),
            Self::Metadata(m) => m.set.is_none() && !m.remove,
            Self::Autostart(a) => a.list,
            Self::Memtune(m) => {
                m.hard_limit.is_none()
                    && m.soft_limit.is_none()
                    && m.swap_hard_limit.is_none()
                    && m.min_guarantee.is_none()
            }
            Self::Blkiotune(b) => b.only_shows(),
            Self::Schedinfo(s) => s.values.is_empty() && s.set.is_empty(),
            Self::Networks(asked) => asked.only_reads(),
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
            | Self::Check(_)
            | Self::Wire(_)
            | Self::Version(_)
            | Self::Generate(_) => true,
        }
    }
}

/// The line, of verbs that tell of one container.
fn of_answer(ask: &Ask) -> Option<String> {
    let line = match ask {
        Ask::Dommemstat(o) => format!("Failed to get memory statistics for domain {}", o.container),
        Ask::Domblkstat(o) => format!(
            "Failed to get block stats for domain '{}' device '{}'",
            o.container,
            o.device.as_deref().unwrap_or_default()
        ),
        Ask::Domifstat(o) => format!("Failed to get interface stats {} {}", o.container, o.interface),
        Ask::Domifaddr(_) => "Failed to query for interfaces addresses".to_owned(),
        Ask::Domhostname(_) => "failed to get hostname".to_owned(),
        Ask::CpuStats(o) => format!("Failed to retrieve CPU statistics for domain '{}'", o.container),
        _ => return None,
    };
    Some(line)
}
