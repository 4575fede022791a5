//! libvirt's domain document for LXC: read strictly, as typed values, and printed in its canonical form. Pure: bytes in, a value or a
//! refusal with file and line out.

mod capability;
mod cpuset;
mod identity;
mod interface;
mod model;

pub use capability::{Capabilities, Capability, Policy};
pub use cpuset::CpuSet;
pub use identity::{Mac, Uuid};
pub use interface::{Address, Attached, Interface, LinkState, Route};
pub use model::{Arch, Cputune, Domain, Filesystem, IdMap, Memtune, Os, Source, Value, Variable, Vcpu};
