//! The programs, by the names under which they are installed. Everything that is looked up by program uses this enum.

use serde::{Deserialize, Serialize};

/// One executable of Lazaret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Program {
    /// Reads arguments and configuration, plans, connects; holds nothing. Built by `ctl`.
    Lazaret,
    /// Hands out power and descriptors; judges every request against the host's policy file.
    Launcher,
    /// A container's keeper: pidfds, consoles, the control socket.
    Supervisor,
    /// The mount factory.
    Mountd,
    /// Links, addresses, firewall.
    Netd,
    /// The writer of id maps.
    Idmapd,
    /// The writer of control groups.
    Cgroupd,
    /// The writer of device rules.
    Devd,
    /// Serves `/proc/meminfo`.
    Fused,
    /// Builds, confines and executes.
    Init,
    /// Enters a running container.
    Nsenter,
    /// The writer of the log of deeds.
    Recordd,
    /// Puts files behind loop devices, and looks what file system is on a disk.
    Loopd,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 13] = [
        Self::Lazaret,
        Self::Launcher,
        Self::Supervisor,
        Self::Mountd,
        Self::Netd,
        Self::Idmapd,
        Self::Cgroupd,
        Self::Devd,
        Self::Fused,
        Self::Init,
        Self::Nsenter,
        Self::Recordd,
        Self::Loopd,
    ];

    /// The installed file's name, also the name of its policy file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lazaret => "lazaret",
            Self::Launcher => "launcher",
            Self::Supervisor => "supervisor",
            Self::Mountd => "mountd",
            Self::Netd => "netd",
            Self::Idmapd => "idmapd",
            Self::Cgroupd => "cgroupd",
            Self::Devd => "devd",
            Self::Fused => "fused",
            Self::Init => "init",
            Self::Nsenter => "nsenter",
            Self::Recordd => "recordd",
            Self::Loopd => "loopd",
        }
    }

    /// What it does, in a line: what `--help` and the man page begin with.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Lazaret => "Runs containers by small programs that each hold one power",
            Self::Launcher => "Hands out power and descriptors, and judges every request for them",
            Self::Supervisor => {
                "Keeps a running container: its consoles, its log, its namespaces, behind one control socket"
            }
            Self::Mountd => "Makes detached mounts and hands over their descriptors",
            Self::Netd => "Makes a container's network links and firewall tables",
            Self::Idmapd => "Writes the id maps of a user namespace",
            Self::Cgroupd => "Makes, limits, freezes and removes control groups",
            Self::Devd => "Puts device rules in force for one control group",
            Self::Fused => "Serves a container its own /proc/meminfo, from the figures of its control group",
            Self::Init => "Makes a container's namespaces, builds its tree, confines itself and executes its command",
            Self::Nsenter => {
                "Joins a container's namespaces by descriptor, confines itself as its first process is, and executes"
            }
            Self::Recordd => "Appends records to the log of every deed, each with the hash of the one before",
            Self::Loopd => "Puts files behind loop devices, and looks what file system is on a disk",
        }
    }
}
