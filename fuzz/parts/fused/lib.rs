//! What `fused` answers a container with. Compiled in by path, for the reasons that the page of this folder gives. May touch: the
//! descriptors that it is given.
//!
//! The file system puts its last filter in force once it is asked for the first time, and a filter cannot be taken away again: nothing
//! could be tried after the first input. So what it uses of `policies` is this crate's own, and does nothing.

// A program uses all of it, a target a part.
#![allow(dead_code, missing_docs)]

extern crate self as policies;

/// The program's own folder, so that modules within modules are found as it finds them.
#[path = "../../../fused/src"]
mod src {
    pub mod figures;
    pub mod filesystem;
    pub mod gather;
    pub mod judge;
    pub mod meminfo;
    pub mod texts;
}

pub use src::*;

/// In place of the filter's name.
#[derive(Debug, Clone, Copy)]
pub enum State {
    /// It answers.
    FusedServing,
}

/// In place of the proof that the filter is in force.
#[derive(Debug)]
pub struct Steady;

/// In place of why it is not.
#[derive(Debug)]
pub enum Ended {
    /// A mistake of our own.
    Bug,
}

impl Ended {
    /// In place of the exit status, and what it means.
    pub const fn meaning(&self) -> (u8, &'static str) {
        (101, "")
    }
}

/// In place of what puts the filter in force.
pub const fn steady(_: State) -> Result<Steady, Ended> {
    Ok(Steady)
}
