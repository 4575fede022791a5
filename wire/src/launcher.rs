//! What `lazaret` asks of the launcher, and what it answers. The launcher trusts none of it: it judges every request against the
//! host's policy file before it opens a path or gives a program its power.

use crate::cgroupd::{Hierarchy, Limits};
use crate::devd::Rule;
use crate::failure::Failure;
use crate::frame::Message;
use crate::hook::Hook;
use crate::ids::{IdBlock, IdRange};
use crate::init::{Command, Container, NAMESPACES, Path, Stream};
use crate::mountd::{Flags, Mount};
use crate::name::{ContainerName, LinkName, Text};
use crate::netd::{Bridge, Dropping, Firewall, Found, Lent, Link};
use crate::node::Node;
use crate::nsenter::Runlevel;
use crate::partition::Partition;
use crate::placeholder::{self, Etc};
use crate::program::Program;
use crate::recordd::Deed;
use crate::timing::Moment;
use serde::{Deserialize, Serialize};

/// What the launcher opens for a mount of the factory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opened {
    /// Nothing: the factory makes it from nothing.
    Nothing,
    /// The host's own root file system.
    HostRoot,
    /// A host path, which must lie below a root that the host's policy allows.
    Path {
        /// The path.
        path: Path,
        /// Whether the container may write there. A place that other users of the host can reach is then refused, unless it is nosuid.
        writable: bool,
    },
    /// The device node of that name below `/dev`, or `/dev/fuse`.
    Device,
    /// The file system on a disk, as far as the host's policy consents; the mount, a tree, says how it is to be mounted.
    FileSystem {
        /// The block device, or the file.
        path: Path,
        /// Whether it is a file, which goes behind a loop device.
        image: bool,
        /// Whether the container may write there.
        writable: bool,
    },
    /// The host's own `/sys`.
    HostSys,
}

/// One mount of the factory and what the launcher opens for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedMount {
    /// The mount.
    pub mount: Mount,
    /// What it is made from.
    pub from: Opened,
}

impl PlannedMount {
    /// The host's own `/sys`, for an ordinary user's container that shares the host's network: the kernel makes a sysfs of a network namespace for
    /// its owner alone, and does not take the one that is there apart from what is mounted below it.
    pub const fn hosts_sys() -> Self {
        let flags = Flags {
            read_only: true,
            no_suid: true,
            no_dev: true,
            no_exec: true,
        };
        Self {
            mount: Mount::Tree {
                recursive: true,
                flags,
                idmapped: false,
            },
            from: Opened::HostSys,
        }
    }
}

/// The link of an ordinary user's container that leads out by `pasta`, and has no end on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outward {
    /// Its name inside.
    pub guest: LinkName,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// One step of a start: a request to one program. What runs side by side is the launcher's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// `cgroupd` makes the groups with these limits. Undo: `cgroupd` removes them.
    Groups(Limits),
    /// `devd`, or `mountd` where control groups are version 1 alone, allows these devices and no others. Undo: none, the rules go with the group.
    Devices(Vec<Rule>),
    /// `init` makes the namespaces, builds, and, when all else is ready, confines and executes. Undo: it is ended, by its socket's end.
    Build(Box<Container>),
    /// `idmapd` writes the maps. Undo: none, they go with the namespace.
    Maps {
        /// Lines of `uid_map`.
        uid: Vec<IdRange>,
        /// Lines of `gid_map`.
        gid: Vec<IdRange>,
    },
    /// `mountd` makes these mounts, in the order that `init` expects. Undo: none, they go with their descriptors.
    Mounts(Vec<PlannedMount>),
    /// `fused` serves `/proc/meminfo`. Undo: it is ended.
    Meminfo,
    /// `netd` makes the links. Undo: none, they go with the network namespace; `netd` removes the bridge if it has no port left.
    Connect(Vec<Link>),
    /// `netd` makes the container's table and, if `forward`, turns forwarding on. Undo: none, the table goes with its socket.
    Protect {
        /// The rules.
        firewall: Firewall,
        /// Whether the network needs the host to forward.
        forward: bool,
    },
    /// The supervisor keeps the container. Undo: it is ended.
    Keep,
    /// `netd` moves links of the host's inside, before it makes others. Undo: it moves them back.
    Lend(Vec<Lent>),
    /// The launcher makes these groups, where they are not there, and the container's below them. Undo: it removes those that it made, once nothing is in them.
    Partition(Partition),
    /// The launcher starts `pasta`, which leads an ordinary user's container out. Undo: it ends with the container.
    Outward(Outward),
}

impl Step {
    /// The program that does it; for device rules, where there is a hierarchy of version 2.
    pub const fn program(&self) -> Program {
        match self {
            Self::Groups(_) => Program::Cgroupd,
            Self::Devices(_) => Program::Devd,
            Self::Build(_) => Program::Init,
            Self::Maps { .. } => Program::Idmapd,
            Self::Mounts(_) => Program::Mountd,
            Self::Meminfo => Program::Fused,
            Self::Connect(_) | Self::Protect { .. } | Self::Lend(_) => Program::Netd,
            Self::Keep => Program::Supervisor,
            Self::Partition(_) | Self::Outward(_) => Program::Launcher,
        }
    }

    /// What takes the step back, in words.
    pub const fn undo(&self) -> &'static str {
        match self {
            Self::Groups(_) => "cgroupd removes the groups",
            Self::Devices(_) => "the rules go with the group",
            Self::Build(_) => "init ends with its socket",
            Self::Maps { .. } => "the maps go with the namespace",
            Self::Mounts(_) => "the mounts go with their descriptors",
            Self::Meminfo => "the connection goes with the mount",
            Self::Connect(_) => "the links go with the network namespace; netd removes a bridge without ports",
            Self::Protect { .. } => "the table goes with its socket",
            Self::Keep => "the supervisor ends with init",
            Self::Partition(_) => "the launcher removes those that it made, once nothing is in them",
            Self::Outward(_) => "pasta ends with the container",
            Self::Lend(_) => {
                "netd moves them back; of those that are left the kernel moves back hardware, and ends what is none"
            }
        }
    }
}

/// One start, whole: data that can be printed, stored, compared and replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The container.
    pub name: ContainerName,
    /// Its ids on the host.
    pub block: IdBlock,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// How many processors its definition names, for the kernel's audit system.
    #[serde(default)]
    pub processors: Option<u32>,
}

impl Plan {
    /// What `init` is told.
    pub fn container(&self) -> Option<&Container> {
        self.steps
            .iter()
            .find_map(|s| if let Step::Build(c) = s { Some(&**c) } else { None })
    }

    /// Its uuid, as it is told of it.
    pub fn uuid(&self) -> Option<&str> {
        self.container().and_then(uuid_of)
    }

    /// The container that is built, to be changed.
    pub fn container_mut(&mut self) -> Option<&mut Container> {
        self.steps
            .iter_mut()
            .find_map(|s| if let Step::Build(c) = s { Some(&mut **c) } else { None })
    }

    /// The partition in which its groups lie, if it has one.
    pub fn partition(&self) -> Option<&Partition> {
        let mut steps = self.steps.iter();
        steps.find_map(|s| if let Step::Partition(p) = s { Some(p) } else { None })
    }

    /// Where the empty files may be that its image was given ([`placeholder`]).
    pub fn etc(&self) -> Option<Etc> {
        let mut steps = self.steps.iter();
        let mounts = steps.find_map(|s| if let Step::Mounts(m) = s { Some(m) } else { None })?;
        placeholder::etc(self.container()?, mounts)
    }

    /// Whether the payload's output goes to the supervisor's log, through a pipe that the launcher makes.
    pub fn log_pipe(&self, passed: bool) -> bool {
        !passed && self.container().is_some_and(|c| c.streams.contains(&Stream::Passed))
    }
}

/// The uuid that a container is told in its environment.
pub fn uuid_of(container: &Container) -> Option<&str> {
    let mut variables = container.command.environment.iter();
    variables.find_map(|v| v.as_str().strip_prefix("container_uuid="))
}

/// What is left of a container that has ended, or that crashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// The container.
    pub name: ContainerName,
    /// Its ids on the host: every process that runs under the keeper's, or under a program's, is ended.
    pub block: IdBlock,
    /// Host ends of its links.
    pub links: Vec<LinkName>,
    /// Bridges of our own that it used.
    pub bridges: Vec<LinkName>,
    /// Where the empty files may be that its image was given.
    pub etc: Option<Etc>,
    /// Links of the host's that it had.
    pub lent: Vec<Lent>,
    /// Its uuid, for the kernel's audit system.
    #[serde(default)]
    pub uuid: Option<Text<64>>,
}

/// Which of the three directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Directory {
    /// Runtime state, `/run/lazaret`.
    Run,
    /// Definitions, `/etc/lazaret`.
    Definitions,
    /// Data, `/var/lib/lazaret`.
    Data,
}

impl Directory {
    /// Where it is unless an option or the variable says otherwise.
    pub const fn usual(self) -> &'static str {
        match self {
            Self::Run => "/run/lazaret",
            Self::Definitions => "/etc/lazaret",
            Self::Data => "/var/lib/lazaret",
        }
    }

    /// The variable that says where it is.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Run => "LAZARET_RUN_DIR",
            Self::Definitions => "LAZARET_CONFIG_DIR",
            Self::Data => "LAZARET_DATA_DIR",
        }
    }
}

/// A request to the launcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Opens the three directories, making those that are missing, owned by `lazaret`'s uid. Answer: `Directories`.
    Directories {
        /// For runtime state.
        run: Path,
        /// For definitions.
        definitions: Path,
        /// For data.
        data: Path,
    },
    /// Opens a regular file for reading, if it was named on the command line. Answer: `File`.
    Open(Path),
    /// Starts a container. Descriptors: the state directory's lock file, the listening control socket, the exit record open for
    /// writing, the log ring open for reading and writing; the namespaces of other containers that it shares ([`crate::share::Shares::passed`]); then what
    /// [`Container::passed`] counts if `passed` (without, the launcher makes a
    /// pipe to the supervisor and passes it as standard output and error, and `/dev/null` as input). Answer: `Started`, or `Busy`.
    Start {
        /// What to do.
        plan: Box<Plan>,
        /// Whether the streams come with the frame.
        passed: bool,
        /// Whether the container ends with `lazaret`: a run in the foreground whose `lazaret` is killed leaves nothing behind.
        tied: bool,
    },
    /// Enters a container. Descriptors: its namespaces user, mnt, pid, net, ipc, uts, cgroup; then the passed streams. Answer: `Entering`.
    Enter {
        /// The container.
        name: ContainerName,
        /// Its ids on the host.
        block: IdBlock,
        /// What to execute.
        command: Box<Command>,
        /// The three standard streams.
        streams: [Stream; 3],
    },
    /// Freezes or thaws. Answer: `Done`.
    Freeze {
        /// The container.
        name: ContainerName,
        /// Frozen or thawed.
        frozen: bool,
    },
    /// Clears away what is left of a container: its processes, groups, links, bridges without ports, and the empty files that its image was
    /// given; links that were the host's have their names again. Answer: `Done`, or `Cleared`.
    Clear(Remains),
    /// The cgroup hierarchies in which containers are placed. Answer: `Hierarchies`.
    Hierarchies,
    /// What the host's policy says that the planner must know. Answer: `Policy`.
    Policy,
    /// Says that something is about to be done through a container's supervisor, which takes no power of the launcher's: it is put on
    /// record. Answer: `Done`.
    Announce {
        /// The container.
        name: ContainerName,
        /// What.
        deed: Deed,
    },
    /// Opens the log of deeds and its head for reading, if the command line says `audit`. Answer: `Log`.
    Log,
    /// Begins a new file of the log of deeds, if the command line says `audit`; the old one stays beside it. Answer: `Done`.
    Rotate,
    /// Removes the groups that no container has and no process is in: of one whose state directory was removed by hand nobody else would.
    /// Answer: `Swept`.
    Sweep,
    /// When each program was started, asked and answered, since the last start was asked for. Answer: `Timing`.
    Timing,
    /// Changes limits of a container that runs, as [`crate::cgroupd::Request::Limit`]. Answer: `Done`.
    Limit {
        /// The container.
        name: ContainerName,
        /// What is to be changed.
        limits: Box<Limits>,
    },
    /// Gives a container that runs a device node, or takes one from it. Descriptors: its namespaces user and mnt. Answer: `Done`, or `Half`.
    Nodes(Box<Nodes>),
    /// Starts a network of ours: its bridge is made, and stays without a port. Answer: `Done`.
    StartNetwork(Bridge),
    /// Ends one: its bridge, which must have no port, is removed. Answer: `Done`.
    EndNetwork(LinkName),
    /// Looks at links of the host's that a container is to have. Answer: `Found`.
    Find {
        /// The container.
        name: ContainerName,
        /// The links.
        links: Vec<LinkName>,
    },
    /// Moves links of the host's back from a container that ends, while its network namespace is there. Descriptors: its namespaces user and
    /// net. Answer: `Done`, or `Cleared`.
    TakeBack(Box<Lending>),
    /// Asks the init of a container that runs to halt or to reboot, by its pipe called initctl. Descriptors: its namespaces user and mnt. Answer:
    /// `Done`, or `NoPipe`.
    Initctl {
        /// The container.
        name: ContainerName,
        /// Its ids on the host.
        block: IdBlock,
        /// What it is asked for.
        runlevel: Runlevel,
    },
    /// Calls the host's hook script. Descriptors: a file with the domain's document, which becomes its input; and, if `claimed`, the state
    /// directory's lock file, locked, which is kept until the script has ended. The launcher hands the request on, as it is, to the process of
    /// root's that executes the script (`ctl/src/hooks/runner.rs`), whose answers are these too. Answer: `Done`.
    Hook {
        /// The container.
        name: ContainerName,
        /// When.
        hook: Hook,
        /// Whether the lock comes.
        claimed: bool,
    },
    /// Gives a container that runs a link, or takes one from it. Descriptors: its namespaces user and net; where rules come or go with the link, its
    /// control socket, opened without reading or writing (`O_PATH`). Answer: `Done`, `Linked`, or `Half`.
    ChangeLink(Box<LinkChange>),
}

/// A link that comes to a container that runs, or goes from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// The container.
    pub name: ContainerName,
    /// Its ids on the host.
    pub block: IdBlock,
    /// Its uuid, for the kernel's audit system.
    pub uuid: Text<64>,
    /// The link.
    pub link: Link,
    /// Whether it comes.
    pub attach: bool,
    /// The rules that come or go with it, and whether the host must forward.
    pub protect: Option<(Firewall, bool)>,
}

/// Links of the host's that a container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lending {
    /// The container.
    pub name: ContainerName,
    /// Its ids on the host.
    pub block: IdBlock,
    /// The links.
    pub links: Vec<Lent>,
}

/// A device node that comes to a container that runs, or goes from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// The container.
    pub name: ContainerName,
    /// Its ids on the host.
    pub block: IdBlock,
    /// Its uuid, for the kernel's audit system.
    pub uuid: Text<64>,
    /// The user and group that its root is on the host.
    pub owner: [u32; 2],
    /// The rules that every container has ([`Rule::usual`]).
    pub rules: Vec<Rule>,
    /// The other nodes that it has.
    pub others: Vec<Node>,
    /// The node.
    pub node: Node,
    /// Whether it comes.
    pub attach: bool,
}

/// What the planner must know of the host's policy; the launcher judges by the file itself, whatever the planner makes of this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPolicy {
    /// First host id from which blocks are given out.
    pub first: u32,
    /// Number of blocks.
    pub blocks: u32,
    /// Containers that may map host id 0.
    pub host_root: Vec<ContainerName>,
    /// Whether forwarding may be turned on.
    pub forwarding: bool,
    /// Containers that may have a filter of their own in place of their profile's.
    pub own_filter: Vec<ContainerName>,
}

/// What the launcher answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The directories, in the order of the request (three descriptors).
    Directories,
    /// The file (one descriptor).
    File,
    /// The container runs and is kept.
    Started {
        /// PID 1, as the host numbers it.
        pid1: u32,
        /// `init`'s outer half.
        init: u32,
        /// The supervisor.
        supervisor: u32,
        /// The server of `/proc/meminfo`, 0 if there is none.
        fused: u32,
        /// Whether IPv4 or IPv6 forwarding had to be turned on.
        forwarding_changed: bool,
        /// Chains of others that drop what the network of the container has forwarded.
        dropping: Vec<Dropping>,
    },
    /// `nsenter` has its orders (one descriptor: its socket, on which its answers come).
    Entering,
    /// It was done.
    Done,
    /// The hierarchies.
    Hierarchies(Vec<Hierarchy>),
    /// The policy.
    Policy(HostPolicy),
    /// It was not done; nothing is left of it.
    Refused(Failure),
    /// Another container has the block of ids that the plan gives: nothing was done, and another block can be tried.
    Busy,
    /// The log of deeds and its head (two descriptors).
    Log,
    /// Groups of these names are removed.
    Swept(Vec<ContainerName>),
    /// In the order in which it happened; the first [`crate::timing::MOST`].
    Timing(Vec<Moment>),
    /// A device node or a link was not given, and what was done for it could not all be undone; or a node was taken away as far as its rule goes, and the
    /// node is still there.
    Half(Failure),
    /// The links, in the order in which they were asked for.
    Found(Vec<Found>),
    /// It was done, but these links, which were the host's, are not there again.
    Cleared(Vec<LinkName>),
    /// The container has no pipe called initctl that anybody reads.
    NoPipe,
    /// The link is there, with its rules.
    Linked {
        /// Whether IPv4 or IPv6 forwarding had to be turned on.
        forwarding_changed: bool,
        /// Chains of others that drop what the network of the container has forwarded.
        dropping: Vec<Dropping>,
    },
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        let passed = |streams: &[Stream; 3]| streams.iter().filter(|s| **s == Stream::Passed).count();
        match self {
            Self::Start { plan, passed, .. } => {
                let of = |c: &Container| {
                    let streams = if *passed { c.passed() } else { 0 };
                    c.shares.passed().saturating_add(streams)
                };
                4usize.saturating_add(plan.container().map_or(0, of))
            }
            Self::Enter { streams, .. } => NAMESPACES.saturating_add(passed(streams)),
            Self::ChangeLink(change) => 2usize.saturating_add(usize::from(change.protect.is_some())),
            Self::Nodes(_) | Self::TakeBack(_) | Self::Initctl { .. } => 2,
            Self::Hook { claimed, .. } => 1usize.saturating_add(usize::from(*claimed)),
            Self::Directories { .. }
            | Self::Open(_)
            | Self::Freeze { .. }
            | Self::Clear(_)
            | Self::Hierarchies
            | Self::Policy
            | Self::Announce { .. }
            | Self::Log
            | Self::Rotate
            | Self::Sweep
            | Self::Timing
            | Self::Limit { .. }
            | Self::StartNetwork(_)
            | Self::EndNetwork(_)
            | Self::Find { .. } => 0,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        match self {
            Self::Directories => 3,
            Self::Log => 2,
            Self::File | Self::Entering => 1,
            Self::Started { .. }
            | Self::Done
            | Self::Hierarchies(_)
            | Self::Policy(_)
            | Self::Refused(_)
            | Self::Half(_)
            | Self::NoPipe
            | Self::Linked { .. }
            | Self::Busy
            | Self::Swept(_)
            | Self::Timing(_)
            | Self::Found(_)
            | Self::Cleared(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
