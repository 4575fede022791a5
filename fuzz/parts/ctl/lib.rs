//! What `lazaret` reads by: domain documents, options and their values, state files, plans and policy files. Pure but for what the
//! modules say of themselves.
//!
//! Nobody depends on an executable: its modules are compiled in by path, as they are, so that there is neither a second copy of a parser
//! nor a public door in the program for the sake of a test. A module finds its neighbours by `crate::`, so each program has a crate of its
//! own here.

// A program uses all of it, a target a part.
#![allow(dead_code, missing_docs)]

/// The program's own folder, so that modules within modules are found as it finds them.
#[path = "../../../ctl/src"]
mod src {
    pub mod domain;
    pub mod error;
    pub mod escape;
    pub mod instant;
    pub mod native;
    pub mod network;
    pub mod options;
    pub mod plan;
    pub mod policy;
    pub mod state;
    pub mod values;
}

pub use src::*;
