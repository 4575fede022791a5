//! libvirt's domain document for LXC: read strictly, as typed values, and printed in its canonical form. Pure: bytes in, a value or a
//! refusal with file and line out.

mod capability;
mod complete;
mod cpuset;
mod error;
mod format;
mod identity;
mod interface;
mod model;
mod parse;
mod units;
mod xml;

pub use capability::{Capabilities, Capability, Policy};
pub use complete::complete;
pub use cpuset::CpuSet;
pub use error::ParseError;
pub use format::{format, format_live};
pub use identity::{Mac, Uuid};
pub use interface::{Address, Attached, Interface, LinkState, Route};
pub use model::{Arch, Cputune, Domain, Filesystem, IdMap, Memtune, Os, Source, Value, Variable, Vcpu, guest_names};
pub use parse::parse;
pub use xml::MAX_BYTES;
