//! Makes all mounts of a request, or none: whatever was made goes with its descriptor when a later one fails.

use crate::judge::{Judged, Order};
use crate::{disk, fuse, node, pseudo, tree};
use std::os::fd::OwnedFd;
use wire::Failure;

/// One descriptor of a detached mount for each order.
pub fn make(judged: Judged) -> Result<Vec<OwnedFd>, Failure> {
    judged.into_orders().into_iter().map(one).collect()
}

fn one(order: Order) -> Result<OwnedFd, Failure> {
    match order {
        Order::Tree(at, recursive, flags, idmap) => tree::make(&at, recursive, flags, idmap.as_ref()),
        Order::Disk(at, kind, flags, idmap) => disk::make(&at, kind, flags, &idmap),
        Order::Node(device, at) => node::make(device, at),
        Order::Meminfo(connection) => fuse::make(connection),
        Order::Pseudo(kind, flags) => pseudo::make(kind, flags),
    }
}
