//! A link that comes to a container while it runs, as at its start, or goes from it. May touch: through `nsenter` and `netd` the container's network;
//! by way of `wall` who keeps the rules that go with it.

use crate::claim;
use crate::expect;
use crate::host::Host;
use crate::judge::{self, Judged};
use crate::lend;
use crate::piece::Piece;
use crate::start::{forward, looks};
use crate::virt;
use crate::wall::Keeper;
use std::os::fd::{AsFd, OwnedFd};
use wire::launcher::LinkChange;
use wire::netd::{Dropping, Firewall, HostSide, Reply, Request};
use wire::{Failure, Program};

type Netd = Piece<Request, Reply>;

/// One change, and how far it has come.
#[derive(Debug)]
pub struct Change<'a> {
    host: &'a Host,
    asked: &'a LinkChange,
    /// The container's namespaces of users and of the network; its control socket, where there are rules.
    given: &'a [OwnedFd],
    /// Whether a link that comes may be there.
    pub made: bool,
    /// Whether forwarding had to be turned on.
    pub forwarding: bool,
    /// Chains of others that drop what its network has forwarded.
    pub dropping: Vec<Dropping>,
}

impl<'a> Change<'a> {
    /// Nothing is done yet.
    pub fn new(host: &'a Host, asked: &'a Judged<LinkChange>, given: &'a [OwnedFd]) -> Self {
        Self {
            host,
            asked: asked.get(),
            given,
            made: false,
            forwarding: false,
            dropping: Vec::new(),
        }
    }

    /// Attaches or detaches. Where attaching fails, [`Change::undo`] is next, if it was `made`, perhaps.
    pub fn make(&mut self) -> Result<(), Failure> {
        let asked = self.asked;
        match (asked.attach, &asked.protect) {
            (true, None) => self.connect()?,
            (true, Some((firewall, forward))) => self.join(firewall, *forward)?,
            (false, _) => self.remove()?,
        }
        let reason = if asked.attach { "attach" } else { "detach" };
        let message = virt::link_changed(&asked.name, asked.uuid.as_str(), &asked.link, reason);
        let host = self.host;
        host.ledger.tell(&host.programs, asked.block, &[message], true)
    }

    /// Takes back what was done of an attachment that is refused for `why`. The failure: what could not be, beside that.
    pub fn undo(&self, why: &Failure) -> Result<(), Failure> {
        // One that died in the midst may be at work still.
        self.host.programs.settle(&[Program::Netd]);
        self.remove().map_err(|failure| crate::attach::both(why, &failure))
    }

    fn netd(&self) -> Result<Netd, Failure> {
        self.host.piece(Program::Netd, self.asked.block)
    }

    /// The network namespace, and a socket that was opened inside.
    fn inside(&self) -> Result<(&'a OwnedFd, OwnedFd), Failure> {
        let [_, network, ..] = self.given else {
            return Err(Failure::protocol("give a link to a network that did not come"));
        };
        let namespaces = self.given.get(..2).unwrap_or_default();
        Ok((network, lend::netlink(self.host, self.asked.block, namespaces)?))
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let (network, inside) = self.inside()?;
        let netd = self.netd()?;
        let connect = Request::Connect(vec![self.asked.link.clone()]);
        netd.send(&connect, &[network.as_fd(), inside.as_fd()])?;
        self.made = true;
        match netd.receive()?.0 {
            Reply::Connected => Ok(()),
            Reply::Refused(failure) => {
                // What it had made it has taken back.
                self.made = false;
                Err(failure)
            }
            _ => Err(netd.confused()),
        }
    }

    /// The link carries nothing before its rules are in force, and kept by who ends with the container: whoever is killed in between leaves one
    /// that carries nothing.
    fn join(&mut self, firewall: &Firewall, forwards: bool) -> Result<(), Failure> {
        let asked = self.asked;
        let keeper = self.keeper()?.ok_or_else(gone)?;
        let claim = claim::on_network(&judge::on_network(firewall, std::slice::from_ref(&asked.link)))?;
        let (network, inside) = self.inside()?;
        let netd = self.netd()?;
        if forwards {
            forward(&netd)?;
            self.forwarding =
                expect!(netd, netd, (Reply::Forwarding { v4_changed, v6_changed }, _) => v4_changed || v6_changed);
        }
        let link = Box::new(asked.link.clone());
        let join = Request::Join {
            link: link.clone(),
            firewall: Box::new(firewall.clone()),
        };
        netd.send(&join, &[network.as_fd()])?;
        self.made = true;
        let rules = match netd.receive()? {
            (Reply::Protected, rules) => rules.into_iter().next().ok_or_else(|| netd.confused())?,
            (Reply::Refused(failure), _) => {
                self.made = false;
                return Err(failure);
            }
            _ => return Err(netd.confused()),
        };
        keeper.hold(&asked.link.host, &rules, &claim)?;
        netd.send(&Request::Raise(link), &[inside.as_fd()])?;
        expect!(netd, netd, (Reply::Connected, _) => ());
        if looks(firewall) {
            netd.send(&Request::FindDropping(firewall.bridge.clone()), &[])?;
            self.dropping = expect!(netd, netd, (Reply::Dropping(chains), _) => chains);
        }
        Ok(())
    }

    /// The rules go after the link whose they are; the bridge, if nobody else is on it.
    fn remove(&self) -> Result<(), Failure> {
        let link = &self.asked.link;
        let netd = self.netd()?;
        netd.send(&Request::Disconnect(Box::new(link.clone())), &[])?;
        expect!(netd, netd, (Reply::Removed(_), _) => ());
        if self.asked.protect.is_some()
            && let Some(keeper) = self.keeper()?
        {
            keeper.let_go(&link.host)?;
        }
        if let HostSide::Network(bridge) = &link.side {
            netd.send(&Request::RemoveBridge(bridge.name.clone()), &[])?;
            expect!(netd, netd, (Reply::Removed(_), _) => ());
        }
        Ok(())
    }

    fn keeper(&self) -> Result<Option<Keeper>, Failure> {
        let [_, _, control] = self.given else {
            return Err(Failure::protocol(
                "give rules to a supervisor whose socket did not come",
            ));
        };
        Keeper::reach(control, self.asked.block)
    }
}

fn gone() -> Failure {
    Failure::caller("give the container a link: it has ended")
}
