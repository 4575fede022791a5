//! The only crate of Lazaret that may say `unsafe`: one function for each kernel facility that no crate wraps, and the channel
//! over which frames travel. One system call per unsafe block, with the reason why it is sound.

#[cfg(feature = "attempt")]
pub mod attempt;
pub mod birth;
pub mod bpf;
pub mod channel;
pub mod clock;
pub mod confine;
#[cfg(feature = "counted")]
pub mod counted;
pub mod limits;
pub mod loops;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod nodes;
pub mod notify;
pub mod peer;
pub mod process;
pub mod seccomp;
pub mod signals;
