//! Device nodes that come to a container while it runs, or go from it. What may be opened is widened before a node is there, and narrowed before
//! one goes. May touch: what `nodes` and `groups` open, and through `devd`, `mountd` and `nsenter` the container's group and `/dev`.

use crate::expect;
use crate::groups;
use crate::host::Host;
use crate::judge::Judged;
use crate::nodes;
use crate::piece::Piece;
use crate::virt;
use std::os::fd::{AsFd, OwnedFd};
use wire::devd::Rule;
use wire::launcher::Nodes;
use wire::mountd::Mount;
use wire::{ContainerName, Failure, Program, devd, mountd, nsenter};

/// Attaches or detaches. `namespaces` are the container's of users and of mounts.
pub fn change(host: &Host, asked: &Judged<Nodes>, namespaces: &[OwnedFd]) -> Result<(), Failure> {
    let asked = asked.get();
    // A device of another node may be gone from the host: it has lost its rule with that.
    let others: Vec<Rule> = asked
        .others
        .iter()
        .filter_map(|n| nodes::find(n).ok())
        .map(|n| n.rule)
        .collect();
    let without: Vec<Rule> = asked.rules.iter().copied().chain(others).collect();
    if !asked.attach {
        allow(host, asked, without)?;
        let nsenter: Piece<nsenter::Request, nsenter::Reply> = host.piece(Program::Nsenter, asked.block)?;
        let remove = nsenter::Request::Remove(asked.node.name.clone());
        nsenter.send(&remove, &namespaces.iter().map(AsFd::as_fd).collect::<Vec<_>>())?;
        expect!(nsenter, nsenter, (nsenter::Reply::Removed, _) => ());
        return told(host, asked, "detach");
    }
    let found = nodes::find(&asked.node)?;
    let with = without.iter().copied().chain([found.rule]).collect();
    allow(host, asked, with)?;
    let placed = place(host, asked, &found, namespaces);
    if placed.is_err() {
        // The reason of the refusal is the node's own.
        let _ = allow(host, asked, without);
    }
    placed?;
    told(host, asked, "attach")
}

fn told(host: &Host, asked: &Nodes, reason: &str) -> Result<(), Failure> {
    let message = virt::changed(&asked.name, asked.uuid.as_str(), &asked.node, reason);
    host.ledger.tell(&host.programs, asked.block, &[message], true)
}

fn place(host: &Host, asked: &Nodes, found: &nodes::Found, namespaces: &[OwnedFd]) -> Result<(), Failure> {
    let mountd: Piece<mountd::Request, mountd::Reply> = host.piece(Program::Mountd, asked.block)?;
    mountd.send(&mountd::Request::Make(vec![Mount::Nodes]), &[])?;
    let made = expect!(mountd, mountd, (mountd::Reply::Made(1), made) => made);
    let within = made.into_iter().next().ok_or_else(|| mountd.confused())?;
    nodes::make(std::slice::from_ref(found), &within, asked.owner)?;
    let nsenter: Piece<nsenter::Request, nsenter::Reply> = host.piece(Program::Nsenter, asked.block)?;
    let request = nsenter::Request::Place {
        name: asked.node.name.clone(),
        writable: asked.node.writable,
    };
    let mut descriptors: Vec<_> = namespaces.iter().map(AsFd::as_fd).collect();
    descriptors.push(within.as_fd());
    nsenter.send(&request, &descriptors)?;
    expect!(nsenter, nsenter, (nsenter::Reply::Placed, _) => ());
    Ok(())
}

/// Puts these rules in force in the place of those that are.
fn allow(host: &Host, asked: &Nodes, rules: Vec<Rule>) -> Result<(), Failure> {
    let directory = group(host, &asked.name)?;
    let devd: Piece<devd::Request, devd::Reply> = host.piece(Program::Devd, asked.block)?;
    devd.send(&devd::Request::Attach(rules), &[directory.as_fd()])?;
    expect!(devd, devd, (devd::Reply::InForce, _) => ());
    Ok(())
}

fn group(host: &Host, name: &ContainerName) -> Result<OwnedFd, Failure> {
    let groups = host.groups()?;
    let unified = groups.iter().find(|g| g.hierarchy.unified).ok_or_else(|| {
        Failure::caller(
            "change the devices of a container that runs: where control groups are of version 1 alone its device rules stay as they are",
        )
    })?;
    groups::directory(unified, name.as_str())
}
