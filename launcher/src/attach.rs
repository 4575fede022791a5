//! Device nodes that come to a container while it runs, or go from it. A node is there before it may be opened, and may not be opened any more
//! before it goes. May touch: what `nodes` and `devices` open, and through `devd`, `mountd` and `nsenter` the container's groups and `/dev`.

use crate::devices::Devices;
use crate::expect;
use crate::host::Host;
use crate::judge::Judged;
use crate::nodes;
use crate::piece::Piece;
use crate::virt;
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};
use wire::devd::Rule;
use wire::launcher::Nodes;
use wire::mountd::Mount;
use wire::{Failure, Program, mountd, nsenter};

/// One change, and how far it has come.
#[derive(Debug)]
pub struct Change<'a> {
    host: &'a Host,
    asked: &'a Nodes,
    /// The container's of users and of mounts.
    namespaces: &'a [OwnedFd],
    /// Whether the node that comes may be below the container's `/dev`.
    placed: bool,
    /// Whether it may be opened, perhaps.
    widened: bool,
    /// Why a node that was to go is still there, though nobody opens it any more.
    pub left: Option<Failure>,
}

impl<'a> Change<'a> {
    /// Nothing is done yet.
    pub fn new(host: &'a Host, asked: &'a Judged<Nodes>, namespaces: &'a [OwnedFd]) -> Self {
        Self {
            host,
            asked: asked.get(),
            namespaces,
            placed: false,
            widened: false,
            left: None,
        }
    }

    /// Attaches or detaches. Where it fails, [`Change::undo`] is next.
    pub fn make(&mut self) -> Result<(), Failure> {
        let without = self.without();
        if !self.asked.attach {
            self.allow(without)?;
            // It is detached with that: its root, who may lay what it likes over the node, is in nobody's way.
            self.left = self.remove().err();
            return self.told("detach");
        }
        let found = nodes::find(&self.asked.node)?;
        // Nobody opens it without its rule: what is refused now was never open.
        self.place(&found)?;
        self.widened = true;
        self.allow(without.into_iter().chain([found.rule]).collect())?;
        self.told("attach")
    }

    /// Takes back what was done of an attachment that is refused for `why`. The failure: what could not be, beside that.
    pub fn undo(&self, why: &Failure) -> Result<(), Failure> {
        let narrowed = match self.widened {
            true => self.allow(self.without()),
            false => Ok(()),
        };
        let removed = match self.placed {
            true => self.remove(),
            false => Ok(()),
        };
        narrowed.and(removed).map_err(|failure| both(why, &failure))
    }

    /// The rules of all that it has but this node. A device of another node may be gone from the host: it has lost its rule with that.
    fn without(&self) -> Vec<Rule> {
        let others = self.asked.others.iter().filter_map(|n| nodes::find(n).ok());
        let usual = self.asked.rules.iter().copied();
        usual.chain(others.map(|n| n.rule)).collect()
    }

    fn told(&self, reason: &str) -> Result<(), Failure> {
        let asked = self.asked;
        let message = virt::changed(&asked.name, asked.uuid.as_str(), &asked.node, reason);
        let host = self.host;
        host.ledger.tell(&host.programs, asked.block, &[message], true)
    }

    fn nsenter(&self) -> Result<Piece<nsenter::Request, nsenter::Reply>, Failure> {
        self.host.piece(Program::Nsenter, self.asked.block)
    }

    fn place(&mut self, found: &nodes::Found) -> Result<(), Failure> {
        let asked = self.asked;
        let mountd: Piece<mountd::Request, mountd::Reply> = self.host.piece(Program::Mountd, asked.block)?;
        mountd.send(&mountd::Request::Make(vec![Mount::Nodes]), &[])?;
        let made = expect!(mountd, mountd, (mountd::Reply::Made(1), made) => made);
        let within = made.into_iter().next().ok_or_else(|| mountd.confused())?;
        nodes::make(std::slice::from_ref(found), &within, asked.owner)?;
        let nsenter = self.nsenter()?;
        let request = nsenter::Request::Place {
            name: asked.node.name.clone(),
            writable: asked.node.writable,
        };
        let mut descriptors: Vec<_> = self.namespaces.iter().map(AsFd::as_fd).collect();
        descriptors.push(within.as_fd());
        self.placed = true;
        nsenter.send(&request, &descriptors)?;
        match nsenter.receive_inside(asked.block)? {
            Some(nsenter::Reply::Placed) => Ok(()),
            Some(nsenter::Reply::Refused(failure)) => {
                // What there is of that name is the container's own.
                self.placed = false;
                Err(failure)
            }
            Some(_) => Err(nsenter.confused()),
            None => Err(unanswered("lay", asked)),
        }
    }

    fn remove(&self) -> Result<(), Failure> {
        let nsenter = self.nsenter()?;
        let remove = nsenter::Request::Remove(self.asked.node.name.clone());
        nsenter.send(&remove, &self.namespaces.iter().map(AsFd::as_fd).collect::<Vec<_>>())?;
        match nsenter.receive_inside(self.asked.block)? {
            Some(nsenter::Reply::Removed) => Ok(()),
            Some(nsenter::Reply::Refused(failure)) => Err(failure),
            Some(_) => Err(nsenter.confused()),
            None => Err(unanswered("remove", self.asked)),
        }
    }

    /// Puts these rules in force in the place of those that are.
    fn allow(&self, rules: Vec<Rule>) -> Result<(), Failure> {
        let groups = self.host.groups_of(&self.asked.name)?;
        Devices::new(self.host, self.asked.block, &groups)?.replace(&groups, &self.asked.name, rules)
    }
}

fn unanswered(act: &str, asked: &Nodes) -> Failure {
    Failure::caller(&format!(
        "{act} /dev/{}: a file system of the container's keeps who would do it waiting",
        asked.node.name
    ))
}

/// Why it is refused, and what stays of it for another reason.
pub fn both(why: &Failure, left: &Failure) -> Failure {
    let said = |f: &Failure| match f.errno {
        0 => f.what.as_str().to_owned(),
        e => format!("{} ({})", f.what.as_str(), Errno::from_raw(e).desc()),
    };
    Failure::caller(&format!("{}, nor undo what was done for it: {}", said(why), said(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_undone_stands_beside_the_reason() {
        let failure = both(&Failure::caller("do this"), &Failure::kernel("do that", 5));
        let said = "do this, nor undo what was done for it: do that (I/O error)";
        assert_eq!((failure.what.as_str(), failure.errno), (said, 0));
    }
}
