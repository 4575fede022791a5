//! A link that comes to a container while it runs, as at its start, or goes from it. May touch: through `nsenter` and `netd` the container's network.

use crate::expect;
use crate::host::Host;
use crate::judge::Judged;
use crate::lend;
use crate::piece::Piece;
use crate::virt;
use std::os::fd::{AsFd, OwnedFd};
use wire::launcher::LinkChange;
use wire::netd::{Reply, Request};
use wire::{Failure, Program};

/// Attaches or detaches. Where attaching fails, [`undo`] is next, if it was `made`, perhaps.
pub fn change(host: &Host, asked: &Judged<LinkChange>, namespaces: &[OwnedFd], made: &mut bool) -> Result<(), Failure> {
    let LinkChange {
        name,
        block,
        uuid,
        link,
        attach,
    } = asked.get();
    if *attach {
        let [_, network] = namespaces else {
            return Err(Failure::protocol("give a link to a network that did not come"));
        };
        let inside = lend::netlink(host, *block, namespaces)?;
        let netd: Piece<Request, Reply> = host.piece(Program::Netd, *block)?;
        netd.send(
            &Request::Connect(vec![link.clone()]),
            &[network.as_fd(), inside.as_fd()],
        )?;
        *made = true;
        match netd.receive()?.0 {
            Reply::Connected => {}
            Reply::Refused(failure) => {
                // What it had made it has taken back.
                *made = false;
                return Err(failure);
            }
            _ => return Err(netd.confused()),
        }
    } else {
        remove(host, asked)?;
    }
    let reason = if *attach { "attach" } else { "detach" };
    let message = virt::link_changed(name, uuid.as_str(), link, reason);
    host.ledger.tell(&host.programs, *block, &[message], true)
}

/// Takes back what was done of an attachment that is refused for `why`. The failure: what could not be, beside that.
pub fn undo(host: &Host, asked: &Judged<LinkChange>, why: &Failure) -> Result<(), Failure> {
    // One that died in the midst may be at work still.
    host.programs.settle(&[Program::Netd]);
    let removed = remove(host, asked);
    removed.map_err(|failure| crate::attach::both(why, &failure))
}

fn remove(host: &Host, asked: &Judged<LinkChange>) -> Result<(), Failure> {
    let LinkChange { block, link, .. } = asked.get();
    let netd: Piece<Request, Reply> = host.piece(Program::Netd, *block)?;
    netd.send(&Request::Disconnect(Box::new(link.clone())), &[])?;
    expect!(netd, netd, (Reply::Removed(_), _) => ());
    Ok(())
}
