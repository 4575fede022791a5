//! What the launcher reads and judges by: the host's policy file, the command line's names, and plans. Compiled in by path, for the
//! reasons that the page of this folder gives. Pure but for what the modules say of themselves; no target calls what is not.

// A program uses all of it, a target a part.
#![allow(dead_code, missing_docs)]

/// The program's own folder, so that modules within modules are found as it finds them.
#[path = "../../../launcher/src"]
mod src {
    pub mod claim;
    pub mod consent;
    pub mod delegated;
    pub mod groups;
    pub mod host;
    pub mod judge;
    pub mod ledger;
    pub mod links;
    pub mod networks;
    pub mod open;
    pub mod partition;
    pub mod piece;
    pub mod policy;
    pub mod share;
    pub mod user;
    pub mod virt;
}

pub use src::*;
