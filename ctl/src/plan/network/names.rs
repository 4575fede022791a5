//! What links are called, on the host and inside. Pure.

use crate::error::{Error, Outcome};
use wire::LinkName;
use wire::netd::Link;

/// A name that a link can have.
pub fn link_name(name: &str) -> Outcome<LinkName> {
    LinkName::new(name).map_err(|e| Error::caller(format!("the link name {name} is refused: {e}")))
}

/// The first name for another link's end on the host that none of these has.
pub fn free_host(slot: u32, links: &[Link]) -> Outcome<LinkName> {
    let numbers = 0..=links.len();
    let names = numbers
        .map(|number| host_link(slot, number))
        .collect::<Outcome<Vec<_>>>()?;
    let free = names.into_iter().find(|name| links.iter().all(|l| l.host != *name));
    free.ok_or_else(|| Error::Bug("no name for a link is free".into()))
}

/// The first of `eth0`, `eth1`, ... that none of these has inside.
pub fn free_guest(taken: &[&LinkName]) -> Outcome<LinkName> {
    let numbers = 0..=taken.len();
    let names = numbers
        .map(|n| link_name(&format!("eth{n}")))
        .collect::<Outcome<Vec<_>>>()?;
    let free = names.into_iter().find(|name| !taken.contains(&name));
    free.ok_or_else(|| Error::Bug("no name for a link is free".into()))
}

/// What the end on the host of a container's link of this number is called.
pub fn host_link(slot: u32, number: usize) -> Outcome<LinkName> {
    link_name(&if number == 0 {
        format!("lzv{slot}")
    } else {
        format!("lzv{slot}-{number}")
    })
}
