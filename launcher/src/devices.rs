//! Who puts a container's device rules in force: `devd`, by a program on its group of version 2; on a host whose control groups are of version 1
//! alone one more `mountd`, since writing them takes the capability which that has. On an ordinary user's host nobody: neither is to be had there,
//! and the nodes that a container is given are all that it can have, since nobody makes one in a user namespace. May touch: what `groups` opens.

mod version1;

use crate::expect;
use crate::groups::{self, Group};
use crate::host::Host;
use crate::judge::Start;
use crate::piece::Piece;
use std::os::fd::AsFd;
use version1::Files;
use wire::cgroupd::Controller;
use wire::devd::Rule;
use wire::ids::IdBlock;
use wire::{ContainerName, Failure, Program, devd, mountd};

/// The program that does it.
#[derive(Debug)]
pub enum Devices {
    /// For version 2.
    Attached(Piece<devd::Request, devd::Reply>),
    /// For version 1.
    Written(Piece<mountd::Request, mountd::Reply>),
    /// Nobody.
    Nobody,
}

impl Devices {
    /// Starts it.
    pub fn new(host: &Host, block: IdBlock, groups: &[Group]) -> Result<Self, Failure> {
        if host.user.is_some() {
            Ok(Self::Nobody)
        } else if groups.iter().any(|g| g.hierarchy.unified) {
            host.piece(Program::Devd, block).map(Self::Attached)
        } else {
            host.piece(Program::Mountd, block).map(Self::Written)
        }
    }

    /// Tells it the rules of a container, whose group is there; `more` for what it alone is given.
    pub fn allow(&self, groups: &[Group], start: &Start, more: impl Iterator<Item = Rule>) -> Result<(), Failure> {
        let name = &start.name;
        let rules: Vec<Rule> = start.rules.iter().copied().chain(more).collect();
        match self {
            Self::Attached(devd) => {
                let directory = groups::directory(unified(groups)?, name.as_str())?;
                devd.send(&devd::Request::Attach(rules), &[directory.as_fd()])
            }
            Self::Written(mountd) => {
                let files = Files::new(of_devices(groups)?, name).of_a_start()?;
                mountd.send(&mountd::Request::Allow(rules), &files.each_ref().map(AsFd::as_fd))
            }
            Self::Nobody => Ok(()),
        }
    }

    /// Waits until they are in force.
    pub fn in_force(&self) -> Result<(), Failure> {
        match self {
            Self::Attached(devd) => expect!(devd, devd, (devd::Reply::InForce, _) => ()),
            Self::Written(mountd) => expect!(mountd, mountd, (mountd::Reply::Made(0), _) => ()),
            Self::Nobody => {}
        }
        Ok(())
    }

    /// Puts these rules in force in the place of those that are, on a container that runs.
    pub fn replace(self, groups: &[Group], name: &ContainerName, rules: Vec<Rule>) -> Result<(), Failure> {
        match &self {
            Self::Attached(devd) => {
                let directory = groups::directory(unified(groups)?, name.as_str())?;
                devd.send(&devd::Request::Attach(rules), &[directory.as_fd()])?;
                self.in_force()
            }
            Self::Written(mountd) => Files::new(of_devices(groups)?, name).replace(&rules, mountd),
            Self::Nobody => Err(Failure::caller(
                "change the devices of an ordinary user's container: it has no others",
            )),
        }
    }
}

fn unified(groups: &[Group]) -> Result<&Group, Failure> {
    let group = groups.iter().find(|g| g.hierarchy.unified);
    group.ok_or_else(|| Failure::bug("find the unified hierarchy"))
}

fn of_devices(groups: &[Group]) -> Result<&Group, Failure> {
    let has = |g: &&Group| g.hierarchy.controllers.contains(&Controller::Devices);
    let group = groups.iter().find(has);
    group.ok_or_else(|| Failure::caller("limit devices: this host has neither cgroup2 nor the devices controller"))
}
