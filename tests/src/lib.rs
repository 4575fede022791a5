//! What the system tests stand on: the built programs, a network namespace that plays the host, root file systems, and the kernel's
//! own word on what exists. Needs root; everything that it makes is below one directory and goes with it.

pub mod beyond;
pub mod canary;
pub mod capture;
pub mod caught;
pub mod deeds;
pub mod delegated;
pub mod disk;
pub mod faults;
pub mod figures;
pub mod host;
pub mod image;
pub mod inject;
pub mod kernel;
pub mod lending;
pub mod ordinary;
pub mod outside;
pub mod process;
pub mod programs;
pub mod rows;
pub mod sight;
pub mod skip;
pub mod table;
pub mod terminal;
pub mod trace;
pub mod virsh;
pub mod ways;
pub mod yard;

pub use capture::Outcome;
pub use host::Host;
pub use ways::Ground;
