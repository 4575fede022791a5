//! The client of the launcher: one request, one answer. May touch: the channel that the launcher gave.

use crate::error::{Error, Outcome};
use crate::output::say;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use wire::cgroupd::{Hierarchy, Limits};
use wire::launcher::{HostPolicy, Lending, LinkChange, Nodes, Remains, Reply, Request};
use wire::netd::{Bridge, Dropping, Found};
use wire::nsenter::Runlevel;
use wire::recordd::Deed;
use wire::timing::Moment;
use wire::{ContainerName, Hook, IdBlock, LinkName, Text};

/// An answer of the launcher's, with its descriptors.
pub type Answer = (Reply, Vec<OwnedFd>);

/// The launcher, at the other end of descriptor 3.
#[derive(Debug)]
pub struct Launcher {
    channel: Channel<Request, Reply>,
}

impl Launcher {
    /// The launcher behind this socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            channel: Channel::new(socket),
        }
    }

    /// Asks, and gives the answer, a refusal too; an error says nothing of whether it was done. `meanwhile` is called with what becomes readable
    /// when the answer is there.
    pub fn answer_while(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
        meanwhile: impl FnOnce(BorrowedFd<'_>) -> Outcome<()>,
    ) -> Outcome<Answer> {
        let failed = |e| Error::channel("launcher", e);
        match self.channel.send(request, descriptors) {
            // One that cannot start says why before it is asked, and is gone.
            Err(ChannelError::Closed) => return self.channel.receive().map_err(failed),
            sent => sent.map_err(failed)?,
        }
        meanwhile(self.channel.as_fd())?;
        self.channel.receive().map_err(failed)
    }

    /// Asks, and gives the answer that is no refusal, with its descriptors.
    pub fn ask(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Outcome<Answer> {
        match self.answer_while(request, descriptors, |_| Ok(()))? {
            (Reply::Refused(failure), _) => Err(failure.into()),
            answer => Ok(answer),
        }
    }

    /// Opens the three directories; what is done meanwhile is given with them.
    pub fn directories<T>(&self, paths: &[String; 3], meanwhile: impl FnOnce() -> T) -> Outcome<([OwnedFd; 3], T)> {
        let path = |p: &str| Text::new(p).map_err(|e| Error::caller(format!("the directory {p} is refused: {e}")));
        let [run, definitions, data] = paths;
        let request = Request::Directories {
            run: path(run)?,
            definitions: path(definitions)?,
            data: path(data)?,
        };
        match self.ask_while(&request, meanwhile)? {
            ((Reply::Directories, descriptors), done) => {
                let directories = descriptors.try_into().map_err(|_| unexpected())?;
                Ok((directories, done))
            }
            _ => Err(unexpected()),
        }
    }

    /// Asks, and gives the answer that is no refusal, with what was done meanwhile.
    fn ask_while<T>(&self, request: &Request, meanwhile: impl FnOnce() -> T) -> Outcome<(Answer, T)> {
        let mut done = None;
        let answer = self.answer_while(request, &[], |_| {
            done = Some(meanwhile());
            Ok(())
        })?;
        match (answer, done) {
            ((Reply::Refused(failure), _), _) => Err(failure.into()),
            (answer, Some(done)) => Ok((answer, done)),
            _ => Err(unexpected()),
        }
    }

    /// Opens a file that was named on the command line.
    pub fn open(&self, path: &str) -> Outcome<OwnedFd> {
        let path = Text::new(path).map_err(|e| Error::caller(format!("the path {path} is refused: {e}")))?;
        match self.ask(&Request::Open(path), &[])? {
            (Reply::File, descriptors) => descriptors.into_iter().next().ok_or_else(unexpected),
            _ => Err(unexpected()),
        }
    }

    /// When each program was started, asked and answered.
    pub fn timing(&self) -> Outcome<Vec<Moment>> {
        match self.ask(&Request::Timing, &[])? {
            (Reply::Timing(moments), _) => Ok(moments),
            _ => Err(unexpected()),
        }
    }

    /// What the host's policy says, and where containers are placed: both are asked for before either is answered.
    pub fn host(&self) -> Outcome<(HostPolicy, Vec<Hierarchy>)> {
        let failed = |e| Error::channel("launcher", e);
        self.channel.send(&Request::Policy, &[]).map_err(failed)?;
        self.channel.send(&Request::Hierarchies, &[]).map_err(failed)?;
        let (policy, hierarchies) = (self.channel.receive(), self.channel.receive());
        match (policy.map_err(failed)?.0, hierarchies.map_err(failed)?.0) {
            (Reply::Policy(policy), Reply::Hierarchies(hierarchies)) => Ok((policy, hierarchies)),
            (Reply::Refused(failure), _) | (_, Reply::Refused(failure)) => Err(failure.into()),
            _ => Err(unexpected()),
        }
    }

    /// What the host's policy says.
    pub fn policy(&self) -> Outcome<HostPolicy> {
        match self.ask(&Request::Policy, &[])? {
            (Reply::Policy(policy), _) => Ok(policy),
            _ => Err(unexpected()),
        }
    }

    /// Where containers are placed.
    pub fn hierarchies(&self) -> Outcome<Vec<Hierarchy>> {
        match self.ask(&Request::Hierarchies, &[])? {
            (Reply::Hierarchies(hierarchies), _) => Ok(hierarchies),
            _ => Err(unexpected()),
        }
    }

    /// Freezes or thaws.
    pub fn freeze(&self, name: &ContainerName, frozen: bool) -> Outcome<()> {
        self.done(&Request::Freeze {
            name: name.clone(),
            frozen,
        })
    }

    /// Changes limits.
    pub fn limit(&self, name: &ContainerName, limits: Limits) -> Outcome<()> {
        self.done(&Request::Limit {
            name: name.clone(),
            limits: Box::new(limits),
        })
    }

    /// Gives a container that runs a device node, or takes one from it.
    pub fn change_node(&self, nodes: Nodes, namespaces: &[BorrowedFd<'_>]) -> Outcome<Changed> {
        self.changed(&Request::Nodes(Box::new(nodes)), namespaces)
    }

    /// Gives a container that runs a link, or takes one from it.
    pub fn change_link(&self, change: LinkChange, descriptors: &[BorrowedFd<'_>]) -> Outcome<Changed> {
        self.changed(&Request::ChangeLink(Box::new(change)), descriptors)
    }

    fn changed(&self, request: &Request, namespaces: &[BorrowedFd<'_>]) -> Outcome<Changed> {
        match self.answer_while(request, namespaces, |_| Ok(()))?.0 {
            Reply::Done => Ok(Changed::Whole),
            Reply::Linked {
                forwarding_changed,
                dropping,
            } => Ok(Changed::Linked(forwarding_changed, dropping)),
            Reply::Refused(failure) => Ok(Changed::Refused(failure.into())),
            Reply::Half(failure) => Ok(Changed::Half(failure.into())),
            _ => Err(unexpected()),
        }
    }

    /// Calls the host's hook script, with a file as its input; the lock, if it is given, is kept until the script has ended.
    pub fn hook(
        &self,
        name: &ContainerName,
        hook: Hook,
        document: BorrowedFd<'_>,
        claim: Option<BorrowedFd<'_>>,
    ) -> Outcome<()> {
        let request = Request::Hook {
            name: name.clone(),
            hook,
            claimed: claim.is_some(),
        };
        let descriptors: Vec<_> = std::iter::once(document).chain(claim).collect();
        match self.ask(&request, &descriptors)? {
            (Reply::Done, _) => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Asks a container's init to halt or to reboot, by the pipe called initctl; whether there is one.
    pub fn initctl(
        &self,
        name: &ContainerName,
        block: IdBlock,
        runlevel: Runlevel,
        namespaces: &[BorrowedFd<'_>],
    ) -> Outcome<bool> {
        let request = Request::Initctl {
            name: name.clone(),
            block,
            runlevel,
        };
        match self.ask(&request, namespaces)?.0 {
            Reply::Done => Ok(true),
            Reply::NoPipe => Ok(false),
            _ => Err(unexpected()),
        }
    }

    /// Clears away what is left of a container. Which of the host's links have not come back is said.
    pub fn clear(&self, remains: Remains) -> Outcome<()> {
        let (name, lent) = (remains.name.clone(), remains.lent.clone());
        let missing = self.cleared(&Request::Clear(remains), &[])?;
        for link in missing {
            let hardware = lent.iter().find(|l| l.found.name == link && l.found.is_moved_back());
            let why = hardware.map_or_else(
                || "the kernel ends one that is no hardware with the network that it is in".into(),
                |l| {
                    let guest = &l.guest;
                    format!("the kernel may move it yet; it is then there as {guest}, if that is its name inside still, or as dev and a number, and is named again by hand (ip link set {guest} name {link})")
                },
            );
            say(&format!(
                "the host's link {link} has not come back from {name}: {why}; and one whose `lend` line is gone is left where it is"
            ));
        }
        Ok(())
    }

    /// Looks at links of the host's that a container is to have.
    pub fn find_links(&self, name: &ContainerName, links: Vec<LinkName>) -> Outcome<Vec<Found>> {
        let name = name.clone();
        match self.ask(&Request::Find { name, links }, &[])? {
            (Reply::Found(found), _) => Ok(found),
            _ => Err(unexpected()),
        }
    }

    /// Moves links of the host's back from a container that ends, by its namespaces of users and of the network. Which are not there is told when
    /// it is cleared away.
    pub fn take_back(&self, lending: Lending, namespaces: &[BorrowedFd<'_>]) -> Outcome<()> {
        self.cleared(&Request::TakeBack(Box::new(lending)), namespaces)
            .map(drop)
    }

    fn cleared(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Outcome<Vec<LinkName>> {
        match self.ask(request, descriptors)? {
            (Reply::Done, _) => Ok(Vec::new()),
            (Reply::Cleared(missing), _) => Ok(missing),
            _ => Err(unexpected()),
        }
    }

    /// Makes the bridge of a network, which stays without a port.
    pub fn start_network(&self, bridge: Bridge) -> Outcome<()> {
        self.done(&Request::StartNetwork(bridge))
    }

    /// Removes that.
    pub fn end_network(&self, bridge: LinkName) -> Outcome<()> {
        self.done(&Request::EndNetwork(bridge))
    }

    /// Lets the launcher go: it ends, and nothing more can be asked of it. For verbs that then only wait.
    pub fn leave(&self) {
        // A launcher that is gone already has been left.
        let _ = nix::sys::socket::shutdown(self.channel.as_fd().as_raw_fd(), nix::sys::socket::Shutdown::Both);
    }

    /// Has it put on record what is about to be done through a supervisor.
    pub fn announce(&self, name: &ContainerName, deed: Deed) -> Outcome<()> {
        self.done(&Request::Announce {
            name: name.clone(),
            deed,
        })
    }

    /// The same; what is done meanwhile, which changes nothing, is given.
    pub fn announce_while<T>(&self, name: &ContainerName, deed: Deed, meanwhile: impl FnOnce() -> T) -> Outcome<T> {
        let name = name.clone();
        match self.ask_while(&Request::Announce { name, deed }, meanwhile)? {
            ((Reply::Done, _), done) => Ok(done),
            _ => Err(unexpected()),
        }
    }

    /// Opens the log of deeds and its head.
    pub fn log(&self) -> Outcome<[OwnedFd; 2]> {
        match self.ask(&Request::Log, &[])? {
            (Reply::Log, descriptors) => descriptors.try_into().map_err(|_| unexpected()),
            _ => Err(unexpected()),
        }
    }

    /// Begins a new file of the log of deeds.
    pub fn rotate(&self) -> Outcome<()> {
        self.done(&Request::Rotate)
    }

    /// Removes empty groups that no container has; their names.
    pub fn sweep(&self) -> Outcome<Vec<ContainerName>> {
        match self.ask(&Request::Sweep, &[])? {
            (Reply::Swept(names), _) => Ok(names),
            _ => Err(unexpected()),
        }
    }

    fn done(&self, request: &Request) -> Outcome<()> {
        match self.ask(request, &[])? {
            (Reply::Done, _) => Ok(()),
            _ => Err(unexpected()),
        }
    }
}

/// What came of a change of a container's device nodes, or of its links.
#[derive(Debug)]
pub enum Changed {
    /// What was asked for.
    Whole,
    /// The same, on a network of ours: whether forwarding had to be turned on, and chains of others that drop what it has forwarded.
    Linked(bool, Vec<Dropping>),
    /// Nothing.
    Refused(Error),
    /// One that was to come did not, and something of it may be left; one that was to go can no longer be opened, and may still be there.
    Half(Error),
}

/// An answer that does not belong to the question.
pub fn unexpected() -> Error {
    Error::Peer("the launcher gave an answer that does not belong to the question".into())
}
