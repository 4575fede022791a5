//! What the launcher knows of its host: the policy, the programs, the command line. May touch: `/proc/self/mountinfo`.

use crate::delegated;
use crate::groups::{self, Group};
use crate::ledger::Ledger;
use crate::partition;
use crate::piece::{Piece, Programs};
use crate::policy::Policy;
use rustix::fs::{Mode, OFlags};
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use sys::birth::Birth;
use sys::channel::Channel;
use wire::cgroupd::Hierarchy;
use wire::frame::Message;
use wire::ids::IdBlock;
use wire::launcher::{Directory, Reply, Request};
use wire::netd::Publish;
use wire::user::User;
use wire::{ContainerName, Failure, Program, cgroupd, idmapd};

/// This host.
#[derive(Debug)]
pub struct Host {
    /// What its administrator allows.
    pub policy: Policy,
    /// Where our programs are.
    pub programs: Programs,
    /// What whoever called `lazaret` named.
    pub named: Named,
    /// What is put on record.
    pub ledger: Ledger,
    /// Who executes the host's hook script, where there is one.
    pub hooks: Option<Channel<Request, Reply>>,
    /// The ordinary user whose host it is, if it is not root's.
    pub user: Option<User>,
    /// The state directory of whoever asks, once it is open.
    pub home: Cell<u64>,
    groups: RefCell<Option<Rc<[Group]>>>,
}

/// What the command line and the environment name, as absolute paths: all that root itself says to the launcher.
#[derive(Debug, Default)]
pub struct Named(wire::named::Named);

impl Named {
    /// What is named by these arguments (without the program's own name) and variables, in the directory `here`. Where that cannot be told,
    /// relative paths name nothing.
    pub fn new(arguments: &[String], variables: Vec<(Directory, String)>, here: Option<&str>) -> Self {
        let absolute = |path: &mut String| match here {
            _ if path.starts_with('/') => {}
            Some(here) => *path = format!("{}/{path}", here.trim_end_matches('/')),
            None => path.clear(),
        };
        let mut named = wire::named::Named::by(arguments);
        named
            .directories
            .extend(variables.into_iter().filter(|(_, path)| !path.is_empty()));
        named.directories.iter_mut().for_each(|(_, path)| absolute(path));
        named.definitions.iter_mut().for_each(absolute);
        named.places.iter_mut().for_each(|place| absolute(&mut place.path));
        Self(named)
    }

    /// Whether that directory is named for this use.
    pub fn directory(&self, which: Directory, path: &str) -> bool {
        self.0.directories.iter().any(|(d, p)| *d == which && p == path)
    }

    /// Whether the verb is one for which something can be made ready.
    pub const fn acts(&self) -> bool {
        self.0.acts
    }

    /// Whether the log of deeds is named.
    pub const fn audit(&self) -> bool {
        self.0.audit
    }

    /// Whether that file is named as a definition to be read.
    pub fn definition(&self, path: &str) -> bool {
        self.0.definitions.iter().any(|p| p == path)
    }

    /// Whether that port is named to be published.
    pub fn port(&self, port: &Publish) -> bool {
        self.0.ports.contains(port)
    }

    /// Whether that path is named as a container's root or bind, to be written if `writable`.
    pub fn place(&self, path: &str, writable: bool) -> bool {
        self.0
            .places
            .iter()
            .any(|p| p.path == path && (p.writable || !writable))
    }
}

impl Host {
    /// This host, of which nothing has been looked at.
    pub fn new(policy: Policy, programs: Programs, named: Named, ledger: Ledger, hooks: Option<OwnedFd>) -> Self {
        Self {
            policy,
            programs,
            named,
            ledger,
            hooks: hooks.map(Channel::new),
            user: crate::user::here(),
            home: Cell::default(),
            groups: RefCell::default(),
        }
    }

    /// Where a new container is placed: in every hierarchy, opened; once, by the mounts that the launcher sees then (proc_pid_mountinfo(5)). On an
    /// ordinary user's host in the group that was delegated to the user, if `lazaret` was called in one.
    pub fn groups(&self) -> Result<Rc<[Group]>, Failure> {
        if let Some(groups) = self.groups.borrow().as_ref() {
            return Ok(Rc::clone(groups));
        }
        let groups: Rc<[Group]> = match self.user {
            None => groups::all(&self.mountinfo()?)?.into(),
            Some(user) => delegated::new(&self.mountinfo()?, user.uid)?.into_iter().collect(),
        };
        *self.groups.borrow_mut() = Some(Rc::clone(&groups));
        Ok(groups)
    }

    /// What a new container's groups would have: of an ordinary user's nothing is made before a start.
    pub fn hierarchies(&self) -> Result<Vec<Hierarchy>, Failure> {
        match self.user {
            None => Ok(self.groups()?.iter().map(|g| g.hierarchy.clone()).collect()),
            Some(user) => Ok(delegated::possible(&self.mountinfo()?, user.uid)?.into_iter().collect()),
        }
    }

    /// Where this container's groups are; none, if an ordinary user's was started without.
    pub fn groups_of(&self, name: &ContainerName) -> Result<Rc<[Group]>, Failure> {
        match self.user {
            None => {
                let base = self.groups()?;
                let elsewhere = partition::holding(&base, name)?.into_iter().next();
                Ok(elsewhere.map_or(base, Into::into))
            }
            Some(_) => Ok(delegated::of(name)?.into_iter().collect()),
        }
    }

    /// The directories `lazaret` below which this container's groups are, in a partition or not.
    pub fn base_of(&self, name: &ContainerName) -> Result<Rc<[Group]>, Failure> {
        match self.user {
            None => self.groups(),
            Some(_) => Ok(delegated::base_of(name)?.into_iter().collect()),
        }
    }

    /// Closes them: they are opened again by whoever needs them.
    pub fn forget_groups(&self) {
        self.groups.take();
    }

    /// The mounts that the launcher sees. Some may be at places whose names are no text: an ordinary user of the host may have made them, and
    /// they are none that matter here.
    pub fn mountinfo(&self) -> Result<String, Failure> {
        let how = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open("/proc/self/mountinfo", how, Mode::empty())
            .and_then(crate::open::bytes)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|e| Failure::kernel("read /proc/self/mountinfo", sys::process::errno(e) as i32))
    }

    /// Puts on record that what was asked for is about to be done for the container with these ids; see [`Ledger::written`].
    pub fn begin(&self, block: IdBlock) -> Result<(), Failure> {
        self.ledger.begin(&self.programs, block)
    }

    /// Starts a program with the power that its policy gives it.
    pub fn piece<Q: Message, R: Message>(&self, program: Program, block: IdBlock) -> Result<Piece<Q, R>, Failure> {
        self.born(program, block, None)
    }

    /// The same; the program is born in a group of the unified hierarchy, if there is one.
    pub fn born<Q: Message, R: Message>(
        &self,
        program: Program,
        block: IdBlock,
        group: Option<BorrowedFd<'_>>,
    ) -> Result<Piece<Q, R>, Failure> {
        let birth = Birth {
            group,
            ..Birth::default()
        };
        self.born_in(program, block, birth)
    }

    /// The same, and in namespaces that were judged.
    pub fn born_in<Q: Message, R: Message>(
        &self,
        program: Program,
        block: IdBlock,
        birth: Birth<'_>,
    ) -> Result<Piece<Q, R>, Failure> {
        self.programs
            .start(program, block, policies::power(program, true), &[], birth)
    }

    /// Starts the control group writer, which inherits the directories that it may write below.
    pub fn cgroupd(
        &self,
        block: IdBlock,
        groups: &[Group],
    ) -> Result<Piece<cgroupd::Request, cgroupd::Reply>, Failure> {
        let directories: Vec<_> = groups.iter().map(|g| g.directory.as_fd()).collect();
        self.programs.start(
            Program::Cgroupd,
            block,
            policies::power(Program::Cgroupd, true),
            &directories,
            Birth::default(),
        )
    }

    /// Starts the id-map writer; with consent to map host id 0 it has the capability without which the kernel refuses that.
    pub fn idmapd(&self, block: IdBlock, consented: bool) -> Result<Piece<idmapd::Request, idmapd::Reply>, Failure> {
        let power = policies::power(Program::Idmapd, !consented);
        self.programs
            .start(Program::Idmapd, block, power, &[], Birth::default())
    }
}
