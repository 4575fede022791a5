//! A container on its way from the first process to the command: what the first start and every later one share.
//! May touch: what the outer half holds of one container.

use crate::dev::{self, Console};
use crate::etc::Placeholder;
use crate::inner::{Answer, Order};
use crate::judge::Judged;
use crate::outer::{First, ask};
use crate::templates::Templates;
use crate::tree::{self, Parts};
use crate::undo::Places;
use crate::views::Shown;
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::ChannelError;
use wire::failure::Failure;

/// What the outer half holds.
pub struct Boot {
    /// The container.
    pub container: Judged,
    /// Its first process.
    pub first: First,
    /// The passed streams; kept only if the container can start again.
    pub streams: Vec<OwnedFd>,
    /// By what it moves into its group in each hierarchy of version 1; kept only if the container can start again.
    pub groups: Vec<OwnedFd>,
    /// Its group of version 2, in which it is born; kept only if the container can start again.
    pub cradle: Option<OwnedFd>,
    /// Whether it has a group of its own in any hierarchy; without one there is none to show.
    pub grouped: bool,
    /// Its cgroup namespace.
    pub cgroup: Option<OwnedFd>,
    /// The factory's mounts, until the tree is built from them.
    pub mounts: Vec<OwnedFd>,
    /// Its consoles, which outlive every start.
    pub consoles: Vec<Console>,
    /// Copies of its mounts for later starts, if there can be any.
    pub templates: Option<Templates>,
    /// Whether its tree is built.
    pub built: bool,
    /// Mounts of the device nodes that it is given, from when the tree is built until the first process has attached them.
    pub nodes: Vec<OwnedFd>,
    /// The places in its file systems on which its mounts lie.
    pub places: Places,
}

impl Boot {
    /// The first process moves into its groups.
    pub fn join(&mut self, groups: Vec<OwnedFd>) -> Result<(), Failure> {
        let number = u16::try_from(groups.len()).map_err(|_| Failure::protocol("join that many hierarchies"))?;
        let borrowed: Vec<_> = groups.iter().map(AsFd::as_fd).collect();
        let (answer, descriptors) = ask(&self.first.channel, &Order::Join(number), &borrowed)?;
        self.grouped |= !groups.is_empty();
        self.cgroup = Some(only(answer, descriptors, |a| matches!(a, Answer::Joined))?);
        if self.container.restarts() {
            self.groups = groups;
        }
        Ok(())
    }

    /// What the first tree is built from; of a container that can start again, copies, the originals being laid aside.
    pub fn first_parts(&mut self) -> Result<Parts, Failure> {
        let (terminals, consoles) = dev::terminals(self.container.consoles, dev::tty_mapped(&self.container.gid_map))?;
        if let Some(console) = consoles.first() {
            payload::streams::size(&console.master, self.container.command.window)?;
        }
        self.consoles = consoles;
        let parts = Parts {
            mounts: std::mem::take(&mut self.mounts),
            terminals,
        };
        match &mut self.templates {
            Some(templates) => templates.lay_aside(parts),
            None => Ok(parts),
        }
    }

    /// Builds the tree and lets the first process become the payload, once more. Returns its mount namespace.
    pub fn again(&mut self, parts: Parts) -> Result<OwnedFd, Failure> {
        // Those of the start before are held until this one holds its own.
        let before = std::mem::take(&mut self.places);
        self.build(parts)?;
        self.execute(before)
    }

    /// Builds the tree.
    pub fn build(&mut self, parts: Parts) -> Result<(), Failure> {
        let [_, pid, net, ipc, _] = &self.first.namespaces;
        let cgroup = self
            .cgroup
            .as_ref()
            .ok_or_else(|| Failure::protocol("build before joining the control groups"))?;
        let shown = Shown {
            pid,
            net,
            ipc,
            cgroup,
            grouped: self.grouped,
        };
        self.nodes = tree::build(&self.container, parts, &shown, &mut self.places)?;
        self.built = true;
        Ok(())
    }

    /// Lets the first process become the payload, and then lets go the places of the start before. Returns its mount namespace.
    pub fn execute(&mut self, before: Places) -> Result<OwnedFd, Failure> {
        if !self.built {
            return Err(Failure::protocol("execute before the tree is built"));
        }
        let nodes = std::mem::take(&mut self.nodes);
        let borrowed: Vec<_> = nodes.iter().map(AsFd::as_fd).collect();
        let number = u16::try_from(nodes.len()).map_err(|_| Failure::bug("count the device nodes"))?;
        let (answer, descriptors) = ask(&self.first.channel, &Order::Execute(number), &borrowed)?;
        drop(nodes);
        let mount = only(answer, descriptors, |a| matches!(a, Answer::Ready))?;
        self.places.placeholders.iter().for_each(Placeholder::uncover);
        drop(before);
        if !self.container.restarts() {
            // The payload's streams are its own from here on: their ends must be seen.
            self.streams.clear();
        }
        match self.first.channel.receive() {
            Err(ChannelError::Closed) => {
                // What a container has lived on stays its image's.
                self.places.made.clear();
                Ok(mount)
            }
            Ok((Answer::Failed(failure), _)) => Err(failure),
            Ok(_) => Err(Failure::bug("understand the first process")),
            Err(e) => Err(Failure::bug(&format!("speak to the first process: {e}"))),
        }
    }
}

fn only(answer: Answer, descriptors: Vec<OwnedFd>, right: fn(&Answer) -> bool) -> Result<OwnedFd, Failure> {
    let misunderstood = || Failure::bug("understand the first process");
    descriptors
        .into_iter()
        .next()
        .filter(|_| right(&answer))
        .ok_or_else(misunderstood)
}
