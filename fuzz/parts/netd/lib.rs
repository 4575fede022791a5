//! What `netd` reads, judges and encodes by: what comes back over netlink, and what is sent for a container. Compiled in by path, for the
//! reasons that the page of this folder gives. Pure.

// A program uses all of it, a target a part.
#![allow(dead_code, missing_docs)]

/// The program's own folder, so that modules within modules are found as it finds them.
#[path = "../../../netd/src"]
mod src {
    pub mod decode;
    pub mod encode;
    pub mod judge;
    pub mod request;
    pub mod rule;
    pub mod ruleset;
}

pub use src::*;
