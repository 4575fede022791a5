//! What `devd` judges and makes programs by. Compiled in by path, for the reasons that the page of this folder gives. Pure.

// A program uses all of it, a target a part.
#![allow(dead_code, missing_docs)]

/// The program's own folder, so that modules within modules are found as it finds them.
#[path = "../../../devd/src"]
mod src {
    pub mod judge;
    pub mod program;
}

pub use src::*;
