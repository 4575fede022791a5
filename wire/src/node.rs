//! A device node of the host's that a container is given: what of the host, and what it is called inside. Plain data.

use crate::init::Path;
use crate::name::NameError;
use serde::{Deserialize, Serialize};

/// The most nodes of one container.
pub const MOST: usize = 64;

/// What a node is in a libvirt domain, which decides what it may be on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// `disk`: a block or character device.
    Disk,
    /// `hostdev` of type `storage`: a block device.
    Storage,
    /// `hostdev` of type `misc`: a character device.
    Misc,
    /// `hostdev` of type `usb`: a character device.
    Usb,
    /// `timer` of a `clock`: a character device.
    Timer,
}

impl NodeKind {
    /// Whether it may be this kind of device.
    pub const fn may_be(self, block: bool) -> bool {
        match self {
            Self::Disk => true,
            Self::Storage => block,
            Self::Misc | Self::Usb | Self::Timer => !block,
        }
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// The node on the host.
    pub from: Path,
    /// What it is called inside.
    pub name: NodeName,
    /// Whether it may be written.
    pub writable: bool,
}

/// Names below `/dev` that every container's own have, with what is below them; and `tty` with a number.
const OWN: [&str; 16] = [
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
    "tty", "urandom", "zero",
];

/// The name of a node below `/dev`: up to 8 parts, each of letters, digits and `._:+@=-`, none beginning with another than a letter or digit,
/// and none that is the container's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

impl NodeName {
    /// Accepts a valid name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        Self::try_from(name.to_owned())
    }

    /// The name itself, below `/dev`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        if name.len() > 200 {
            return Err(NameError::TooLong(200));
        }
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 8 {
            return Err(NameError::Character('/'));
        }
        for part in &parts {
            let first = part.chars().next().ok_or(NameError::Empty)?;
            if !first.is_ascii_alphanumeric() {
                return Err(NameError::Reserved);
            }
            if let Some(c) = part
                .chars()
                .find(|c| !c.is_ascii_alphanumeric() && !"._:+@=-".contains(*c))
            {
                return Err(NameError::Character(c));
            }
        }
        let top = parts.first().copied().unwrap_or_default();
        let terminal = top
            .strip_prefix("tty")
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if OWN.contains(&top) || terminal {
            return Err(NameError::Taken);
        }
        Ok(Self(name))
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

impl core::fmt::Display for NodeName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else_and_is_not_the_containers_own() {
        for good in [
            "sda",
            "bus/usb/001/002",
            "disk/by-id/ata-X_1.2",
            "ttyUSB0",
            "input/event3",
        ] {
            let good = good.replace('_', "-");
            assert!(NodeName::new(&good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "/sda",
            "sda/",
            "a//b",
            ".",
            "..",
            "../sda",
            "a/../b",
            "-a",
            ".a",
            "a b",
            "a\n",
            "null",
            "pts/0",
            "shm/x",
            "tty1",
            "tty",
            "console",
            "a/b/c/d/e/f/g/h/i",
        ] {
            assert!(NodeName::new(bad).is_err(), "{bad:?}");
        }
        assert!(NodeName::new(&"a".repeat(201)).is_err());
    }

    #[test]
    fn each_kind_is_a_device_of_its_own_sort() {
        assert!(NodeKind::Disk.may_be(true) && NodeKind::Disk.may_be(false));
        assert!(NodeKind::Storage.may_be(true) && !NodeKind::Storage.may_be(false));
        assert!(!NodeKind::Misc.may_be(true) && NodeKind::Usb.may_be(false));
    }
}
