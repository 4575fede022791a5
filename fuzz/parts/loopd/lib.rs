//! What `loopd` knows file systems by. Compiled in by path, for the reasons that the page of this folder gives. Pure.

// A program uses all of it, a target a part.
#![allow(dead_code, missing_docs)]

/// The program's own folder, so that modules within modules are found as it finds them.
#[path = "../../../loopd/src"]
mod src {
    pub mod marks;
}

pub use src::*;
