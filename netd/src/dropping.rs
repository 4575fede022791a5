//! Looks for chains of others that drop what a bridge of ours has forwarded. May touch: the host's nf_tables, which it only reads.

use crate::chain;
use crate::encode::Message;
use crate::judge::{Judged, OurBridge};
use crate::netlink::{Denied, Netlink};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use wire::netd::{DROPPING, Dropping};
use wire::{Failure, LinkName};

/// How often a list is asked for that changes while it is read.
const ATTEMPTS: usize = 16;

/// The chains that drop by their policy, but those with rules that accept what comes from the bridge and what goes to it. On a host
/// without a chain that drops, this is one question.
pub fn find(bridge: &Judged<OurBridge>) -> Result<Vec<Dropping>, Failure> {
    let OurBridge(bridge) = bridge.get();
    look(bridge).map_err(|denied| denied.during("look for firewall chains that drop what is forwarded"))
}

fn look(bridge: &LinkName) -> Result<Vec<Dropping>, Denied> {
    let mut socket = Netlink::open(SockProtocol::NetlinkNetFilter)?;
    let mut found = Vec::new();
    for body in all(&mut socket, &chain::get_chains())? {
        let Some(dropping) = chain::dropping(&body)? else {
            continue;
        };
        if found.len() < DROPPING && !lets_through(&mut socket, &dropping, bridge)? {
            found.push(dropping);
        }
    }
    Ok(found)
}

fn lets_through(socket: &mut Netlink, dropping: &Dropping, bridge: &LinkName) -> Result<bool, Denied> {
    let rules = match all(socket, &chain::get_rules(dropping)) {
        // Table or chain went away meanwhile.
        Err(Denied::Kernel(Errno::ENOENT)) => return Ok(true),
        rules => rules?,
    };
    let mut passage = chain::Passage::default();
    for body in &rules {
        passage = passage.and(chain::passage(body, bridge.as_str())?);
    }
    Ok(passage.from && passage.to)
}

fn all(socket: &mut Netlink, request: &Message) -> Result<Vec<Vec<u8>>, Denied> {
    for _ in 0..ATTEMPTS {
        match socket.ask(request) {
            Err(Denied::Kernel(Errno::EINTR)) => {}
            answer => return answer,
        }
    }
    Err(Denied::Kernel(Errno::EINTR))
}
