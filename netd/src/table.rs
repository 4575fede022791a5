//! Makes a container's tables in one batch, owned by a socket of their own. May touch: the host's nf_tables, through that socket.

use crate::encode::Message;
use crate::judge::Judged;
use crate::link;
use crate::netlink::{Denied, Netlink};
use crate::rule::{batch_begin, batch_end};
use crate::ruleset::{Step, ruleset};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use std::os::fd::OwnedFd;
use wire::Failure;
use wire::netd::Firewall;

/// Makes the tables, whole or not at all; they stand as long as the socket that comes back. Nothing of the container's runs yet.
pub fn protect(host: &mut Netlink, firewall: &Judged<Firewall>) -> Result<OwnedFd, Failure> {
    let mac = link::other_end(host, &firewall.get().link)?;
    protect_as(firewall, mac)
}

/// The same for a link whose other end is a running container's already, who could give it another address: `mac` is what it was made with.
pub fn protect_as(firewall: &Judged<Firewall>, mac: [u8; 6]) -> Result<OwnedFd, Failure> {
    let firewall = firewall.get();
    let steps = ruleset(firewall, mac);
    let what = format!("protect {}", firewall.name);
    let mut socket = Netlink::open(SockProtocol::NetlinkNetFilter).map_err(|denied| denied.during(&what))?;
    commit(&mut socket, &steps, &what)?;
    Ok(socket.into_socket())
}

/// Sends the batch. The kernel answers every step that it refuses, and the last one, which says that the batch is in force.
fn commit(socket: &mut Netlink, steps: &[Step], what: &str) -> Result<(), Failure> {
    let fail = |denied: Denied| denied.during(what);
    let mut batch = Vec::new();
    let mut add = |sequence, message: &Message| -> Result<(), Denied> {
        batch.extend_from_slice(&message.bytes(sequence)?);
        Ok(())
    };
    add(socket.next(), &batch_begin()).map_err(fail)?;
    let mut sent: Vec<(u32, &str)> = Vec::with_capacity(steps.len());
    for (number, (phrase, message)) in steps.iter().enumerate() {
        let sequence = socket.next();
        let is_last = number.saturating_add(1) == steps.len();
        let message = if is_last {
            message.clone().acknowledged()
        } else {
            message.clone()
        };
        add(sequence, &message).map_err(fail)?;
        sent.push((sequence, phrase));
    }
    add(socket.next(), &batch_end()).map_err(fail)?;
    socket.send(&batch).map_err(fail)?;
    let answers = socket.answers().map_err(fail)?;
    if let Some(refused) = answers.iter().find(|a| a.errno != 0) {
        let phrase = sent
            .iter()
            .find(|(sequence, _)| *sequence == refused.sequence)
            .map_or(what, |(_, phrase)| phrase);
        let errno = Errno::from_raw(refused.errno);
        // The first step makes a table: nf_tables says EPERM where another socket owns one of that name.
        let taken = errno == Errno::EPERM && sent.first().is_some_and(|(first, _)| *first == refused.sequence);
        let why = if taken {
            ", one of that name belongs to another process"
        } else {
            ""
        };
        return Err(Denied::Kernel(errno).during(&format!("{phrase}{why}")));
    }
    let last = sent.last().map(|(sequence, _)| *sequence);
    if answers.iter().any(|a| Some(a.sequence) == last) {
        Ok(())
    } else {
        Err(fail(Denied::Garbled))
    }
}
