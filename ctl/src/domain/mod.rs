//! libvirt's domain document for LXC: read strictly, as typed values, and printed in its canonical form. Pure: bytes in, a value or a
//! refusal with file and line out.

mod canonical;
pub mod capability;
pub mod change;
mod clock;
mod complete;
pub mod cpuset;
pub mod device;
pub mod error;
mod format;
mod hostdev;
mod hypervisor;
pub mod identity;
pub mod interface;
pub mod kept;
mod label;
pub mod lent;
pub mod metadata;
pub mod model;
mod parse;
mod put;
mod schema;
mod settle;
mod sift;
pub mod units;
pub mod xml;

pub use capability::{Capabilities, Capability};
pub use complete::complete;
pub use format::{format, tree};

/// Parts of an interface that a network has too.
pub mod parts {
    pub use super::format::{bandwidth, vlan};
    pub use super::parse::{bandwidth as read_bandwidth, vlan as read_vlan};
}

pub use identity::{Mac, Uuid};
pub use interface::{Address, Attached, Bandwidth, Interface, LinkState, Mode, Native, Rate, Route, Tag, Vlan};
pub use model::{Arch, Domain, Filesystem, Share, Source};
pub use parse::{parse, parse_telling};
pub use sift::{device_element, said_tree};
pub use xml::MAX_BYTES;
