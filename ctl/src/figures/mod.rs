//! Figures as the kernel tells them: of a container's control groups and links, and of this host. Pure but for `read.rs` and `machine.rs`.

pub mod groups;
pub mod host;
pub mod links;
pub mod machine;
pub mod read;
pub mod topology;
pub mod usb;
