//! Options of the verbs that attach devices, change them and take them off again. Pure.

use super::tune::Affect;
use clap::{Args, ValueEnum};

/// Which of a container's two definitions is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Where {
    #[command(flatten)]
    pub affect: Affect,
    /// What is kept, and what runs if it runs
    #[arg(long, conflicts_with = "current")]
    pub persistent: bool,
}

/// Options of `attach-device`, `detach-device` and `update-device`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret attach-device vm1 disk.xml --config\n  lazaret detach-device vm1 disk.xml --live\n\n\
    The file is one element of <devices>. One that is to go, or that another takes the place of, is told by the target of a disk or filesystem, \
    the mac of an interface, or by all that it says. While a container runs, interfaces are attached and detached, named, addressed and up as at a start, unless they lie on a link of \
    the host's (direct); and disks and host devices that are nodes. What is attached so lasts until the container ends; one that starts itself again has the nodes that it was \
    started with: what was attached since is detached and attached anew, and nobody opens what was detached. What a container has open when a \
    device is detached it keeps until it closes it."
)]
pub struct DeviceFile {
    /// Its name, uuid or id
    pub container: String,
    /// The file
    pub file: String,
    #[command(flatten)]
    pub to: Where,
    /// Accepted for virsh's sake: nothing is asked that could be forced
    #[arg(long, hide = true)]
    pub force: bool,
}

/// Options of `attach-disk`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lazaret attach-disk vm1 /dev/vg0/data vda --mode readonly --config\n\n\
    The node inside is /dev/TARGET. /etc/lazaret.policy has to consent to the device: a start that is refused says by which line."
)]
pub struct AttachDisk {
    /// Its name, uuid or id
    pub container: String,
    /// The device of the host's
    pub source: String,
    /// The name of the node inside
    pub target: String,
    /// Whether it may be written
    #[arg(long, value_name = "MODE")]
    pub mode: Option<DiskMode>,
    /// What the source is [default: what it is on this host]
    #[arg(long, value_name = "TYPE")]
    pub sourcetype: Option<SourceType>,
    /// What the disk says that it is
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<DiskType>,
    /// Print the element, and attach nothing
    #[arg(long)]
    pub print_xml: bool,
    #[command(flatten)]
    pub to: Where,
}

/// `attach-disk --mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiskMode {
    /// To be read
    Readonly,
    /// By several at once
    Shareable,
}

/// `attach-disk --sourcetype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceType {
    /// A device node
    Block,
    /// A file
    File,
}

/// `attach-disk --type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiskType {
    /// A disk
    Disk,
    /// A disc drive
    Cdrom,
    /// A floppy drive
    Floppy,
    /// A unit of SCSI
    Lun,
}

/// Options of `detach-disk`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lazaret detach-disk vm1 vda --config\n\nWhat a container has open when a disk is detached it keeps until it closes it."
)]
pub struct DetachDisk {
    /// Its name, uuid or id
    pub container: String,
    /// The name of the node inside
    pub target: String,
    /// Print the element, and detach nothing
    #[arg(long)]
    pub print_xml: bool,
    #[command(flatten)]
    pub to: Where,
}

/// Options of `attach-interface`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret attach-interface vm1 bridge br0 --config\n  lazaret attach-interface vm1 network default --mac 52:54:00:01:02:03 --config\n  \
    lazaret attach-interface vm1 network default --live\n\nattach-device takes an interface with addresses and all else. One on a network comes with the address that its network has for it. Of a container that runs no direct one comes or goes."
)]
pub struct AttachInterface {
    /// Its name, uuid or id
    pub container: String,
    /// network, bridge or direct
    #[arg(value_name = "TYPE")]
    pub kind: SourcedType,
    /// The network, the bridge, or the link of the host's
    pub source: String,
    /// Its hardware address
    #[arg(long, value_name = "ADDRESS")]
    pub mac: Option<String>,
    /// The name of its end on the host
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Print the element, and attach nothing
    #[arg(long)]
    pub print_xml: bool,
    #[command(flatten)]
    pub to: Where,
}

/// `attach-interface TYPE`: what has a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourcedType {
    /// A network of Lazaret's
    Network,
    /// A bridge of the host's
    Bridge,
    /// A link of the host's
    Direct,
}

impl SourcedType {
    /// Its name in a document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Bridge => "bridge",
            Self::Direct => "direct",
        }
    }
}

/// `detach-interface TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InterfaceType {
    /// A network of Lazaret's
    Network,
    /// A bridge of the host's
    Bridge,
    /// A link of the host's
    Direct,
    /// None on the host but its own end
    Ethernet,
}

impl InterfaceType {
    /// Its name in a document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Bridge => "bridge",
            Self::Direct => "direct",
            Self::Ethernet => "ethernet",
        }
    }
}

/// Options of `detach-interface`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret detach-interface vm1 bridge --mac 52:54:00:01:02:03 --config")]
pub struct DetachInterface {
    /// Its name, uuid or id
    pub container: String,
    /// network, bridge, direct or ethernet
    #[arg(value_name = "TYPE")]
    pub kind: InterfaceType,
    /// Its hardware address, which only one that has others of its type beside it has to say
    #[arg(long, value_name = "ADDRESS")]
    pub mac: Option<String>,
    #[command(flatten)]
    pub to: Where,
}
