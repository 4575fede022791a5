//! Every message that Lazaret's programs exchange: one file for each peer, one request enum and one reply enum in each.
//! Nothing here makes a system call; the bytes are laid down in [`frame`], and frozen in each peer's tests.
//! Variants are only ever appended: postcard writes their position, and old frames must keep their meaning.

pub mod broker;
pub mod bytes;
pub mod cgroupd;
pub mod devd;
pub mod failure;
pub mod filter;
pub mod frame;
pub mod fused;
pub mod hook;
pub mod idmapd;
pub mod ids;
pub mod init;
pub mod label;
pub mod launcher;
pub mod learn;
pub mod loopd;
pub mod memory;
pub mod mountd;
pub mod name;
pub mod named;
pub mod netd;
pub mod network;
pub mod node;
pub mod nsenter;
pub mod partition;
pub mod placeholder;
pub mod program;
pub mod recordd;
pub mod share;
pub mod supervisor;
pub mod timing;
pub mod user;

pub use bytes::Bytes;
pub use failure::{Failure, Kind};
pub use frame::Message;
pub use hook::Hook;
pub use ids::{IdBlock, IdRange};
pub use label::{Context, ProfileName};
pub use memory::MemoryPolicy;
pub use name::{ContainerName, LinkName, Text};
pub use node::{Node, NodeKind, NodeName};
pub use partition::Partition;
pub use program::Program;
