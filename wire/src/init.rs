//! What the launcher tells `init`, step by step, and what `init` answers. The steps come in the order of the variants.

use crate::failure::Failure;
use crate::filter::OwnFilter;
use crate::frame::Message;
use crate::ids::IdRange;
use crate::label::{Context, ProfileName};
use crate::memory::MemoryPolicy;
use crate::mountd::Device;
use crate::name::{ContainerName, Text};
use crate::node::Node;
use crate::share::Shares;
use serde::{Deserialize, Serialize};

/// An absolute path.
pub type Path = Text<4096>;

/// Which system calls and capabilities the payload has, and what is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// One application: no-new-privileges, few capabilities.
    App,
    /// A system that boots an init of its own.
    System,
}

/// Where one of the three standard streams of the payload comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// A descriptor that comes with the frame: the caller's own, or the supervisor's log.
    Passed,
    /// The first console.
    Console,
    /// `/dev/null` of the container.
    Null,
}

/// What is attached at one place of the container's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The next mount of the factory.
    Factory,
    /// A tmpfs of so many bytes, and mode.
    Tmpfs {
        /// Most bytes.
        size: u64,
        /// Mode of its root directory.
        mode: u32,
    },
    /// Another place of the container's own tree (libvirt's filesystem type `bind`).
    Inside(Path),
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Where, inside. A place that is missing is made, unless the root is read-only: then it is refused.
    pub target: Path,
    /// What.
    pub source: Source,
    /// Whether it is read-only.
    pub read_only: bool,
}

/// Who the payload runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// A name from the container's own passwd(5), or a number; `None` is root.
    pub user: Option<Text<256>>,
    /// A name from the container's own group(5), or a number; `None` is the user's own group.
    pub group: Option<Text<256>>,
}

/// One resource limit (getrlimit(2)); `u64::MAX` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// The resource's number.
    pub resource: u8,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// What is executed, and as what. Also used for entering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program: a path, or, without a slash, a name that is looked up in the `PATH` of `environment`.
    pub program: Path,
    /// The whole argument vector, `argv[0]` first.
    pub arguments: Vec<Text<32768>>,
    /// The whole environment, `NAME=value`.
    pub environment: Vec<Text<32768>>,
    /// The working directory.
    pub directory: Path,
    /// User and group.
    pub user: User,
    /// Capabilities that are kept, by bit (capabilities(7)): bounding and permitted alike.
    pub capabilities: u64,
    /// Whether no-new-privileges is set.
    pub no_new_privileges: bool,
    /// Which filter is installed.
    pub profile: Profile,
    /// Resource limits.
    pub limits: Vec<Rlimit>,
    /// The size that its terminal has from the start, if it has one.
    pub window: Option<Window>,
    /// Whether it sees a 32-bit machine (personality(2), `PER_LINUX32`), as a libvirt domain of architecture i686 does.
    pub linux32: bool,
    /// A filter of its own, which takes no-new-privileges.
    pub filter: Option<OwnFilter>,
    /// The AppArmor profile that it has from its first instruction on.
    pub apparmor: Option<ProfileName>,
    /// The SELinux context that it has from its first instruction on.
    pub selinux: Option<Context>,
    /// Where its memory comes from, and that of whatever it executes.
    pub memory: Option<MemoryPolicy>,
}

/// The size of a terminal (ioctl_tty(2), `TIOCSWINSZ`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Rows of characters.
    pub rows: u16,
    /// Columns of characters.
    pub columns: u16,
}

/// What follows when the payload's first process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    /// The container ends.
    End,
    /// It starts again, in the same namespaces of user, network and cgroup.
    Restart,
}

/// What follows on each kind of end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Afterwards {
    /// It exited with status 0, or called reboot(2) to halt or power off.
    pub poweroff: Then,
    /// It called reboot(2) to restart.
    pub reboot: Then,
    /// It exited with another status, or was killed by a signal from outside reboot(2).
    pub crash: Then,
}

/// Everything that `init` needs to know of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: ContainerName,
    /// Its host name.
    pub hostname: Text<64>,
    /// Lines of `uid_map`, as seen from the host.
    pub uid_map: Vec<IdRange>,
    /// Lines of `gid_map`, as seen from the host.
    pub gid_map: Vec<IdRange>,
    /// Whether it shares the host's network namespace.
    pub host_network: bool,
    /// Whether the root file system, which is the first of the factory's mounts, is read-only.
    pub read_only_root: bool,
    /// Mounts in order.
    pub attachments: Vec<Attachment>,
    /// Device nodes that the factory delivers, after the root and before the attachments.
    pub devices: Vec<Device>,
    /// Whether the factory delivers a file for `/proc/meminfo`, after the devices.
    pub meminfo: bool,
    /// Whether the factory lends a procfs, after meminfo.
    pub lent_proc: bool,
    /// Whether a unified cgroup hierarchy exists, so that it can be mounted; otherwise `name=systemd` is.
    pub unified: bool,
    /// Whether the container's root may write below its own cgroup.
    pub cgroup_writable: bool,
    /// Number of consoles: `/dev/console` and `/dev/tty1` are the first.
    pub consoles: u8,
    /// The three standard streams.
    pub streams: [Stream; 3],
    /// Whether `init` stays as PID 1, reaps, and forwards signals to the command, whose exit status becomes its own.
    pub reaper: bool,
    /// What is executed.
    pub command: Command,
    /// What follows its end.
    pub afterwards: Afterwards,
    /// Content of `/etc/resolv.conf`, laid over the image's.
    pub resolv_conf: Option<Text<4096>>,
    /// Content of `/etc/hosts`, laid over the image's.
    pub hosts: Option<Text<4096>>,
    /// Places that its profile hides or makes read-only, and that stay as they are for it.
    pub unmasked: Vec<Path>,
    /// Whether somebody learns which system calls its command makes: a socket for [`crate::learn::Told`] comes with it, after the streams.
    pub learn: bool,
    /// How many descriptors its command has beyond the three, from 3 upwards: they come with it, after the streams.
    pub descriptors: u8,
    /// Device nodes of the host's that it is given: the factory delivers one mount, after the lent procfs, in which each lies under its number.
    pub nodes: Vec<Node>,
    /// Namespaces that it shares with others: `init` is born in them.
    pub shares: Shares,
}

impl Container {
    /// Whether its network namespace is not its own.
    pub const fn shares_network(&self) -> bool {
        self.host_network || self.shares.net.is_some()
    }

    /// How many descriptors come with it: the streams that are passed, those beyond them, and the socket of whoever learns.
    pub fn passed(&self) -> usize {
        let beyond = usize::from(self.descriptors);
        self.passed_streams()
            .saturating_add(beyond)
            .saturating_add(self.learn.into())
    }

    /// How many of its streams are passed.
    pub fn passed_streams(&self) -> usize {
        self.streams.iter().filter(|s| **s == Stream::Passed).count()
    }

    /// How many mounts the factory delivers for this container, in the order root, devices, meminfo, sysfs (if the network is
    /// not its own), lent proc, nodes (if there are any), then those of the attachments.
    pub fn factory_mounts(&self) -> usize {
        let attached = self.attachments.iter().filter(|a| a.source == Source::Factory).count();
        let single = [
            self.meminfo,
            self.shares_network(),
            self.lent_proc,
            !self.nodes.is_empty(),
        ]
        .iter()
        .filter(|b| **b)
        .count();
        1usize
            .saturating_add(self.devices.len())
            .saturating_add(single)
            .saturating_add(attached)
    }
}

/// A step that `init` is told to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Unshares the outer user namespace ([`Container::passed`] descriptors). Answer: `Unshared`.
    Begin(Box<Container>),
    /// The maps are written. Makes the inner user namespace and PID 1 in it. Answer: `Born`.
    Mapped,
    /// `tasks` of the payload's group in every hierarchy of version 1, or any other file that takes a process which writes `0` into its group; the
    /// first process does so before anything else. No answer.
    Join(u16),
    /// The factory's mounts, in the order that [`Container::factory_mounts`] gives: build, and verify. No answer, unless it is refused.
    Attach(u16),
    /// Everything outside is ready: confine, execute. Answer: `Running`.
    Execute,
    /// As `Mapped`; PID 1, now and at every later start, is born in the group of version 2 whose directory comes with it. Answer: `Born`.
    MappedInto,
}

/// What `init` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The outer user namespace exists and waits for its maps (one descriptor: itself).
    Unshared,
    /// PID 1 exists (four descriptors: the inner user namespace, the network namespace, an rtnetlink socket in it, a pidfd of PID 1).
    Born,
    /// The payload has been executed (the namespaces user, mnt, pid, net, ipc, uts, cgroup in this order, then one pty master for
    /// each console).
    Running {
        /// Number of pty masters.
        consoles: u8,
    },
    /// It was not done, and the container is gone.
    Refused(Failure),
    /// To the supervisor, on the same socket: PID 1 was started anew (the mnt, pid, ipc, uts namespaces and a pidfd).
    Restarted {
        /// PID 1, as `init`'s outer half sees it, which is in the host's pid namespace.
        pid1: u32,
    },
    /// To the supervisor: the container has ended, with this wait(2) status of its first process: 0 if that called reboot(2), whatever the
    /// kernel made of it.
    Ended(i32),
    /// As `Ended`; it would have been started anew, had it not been so too often already.
    EndedTooOften(i32),
}

/// So many times a container is started within [`RESTART_WINDOW`], the first one included, and not once more: it is in a loop, as after a start
/// whose cause of failure stays. The same as systemd's defaults for a service (systemd.unit(5), `StartLimitBurst=`).
pub const MOST_STARTS: usize = 5;

/// Seconds within which starts are counted.
pub const RESTART_WINDOW: u64 = 10;

/// Number of namespace descriptors in [`Reply::Running`].
pub const NAMESPACES: usize = 7;

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Begin(c) => c.passed(),
            Self::Join(n) | Self::Attach(n) => usize::from(*n),
            Self::Mapped | Self::Execute => 0,
            Self::MappedInto => 1,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        match self {
            Self::Unshared => 1,
            Self::Born => 4,
            Self::Running { consoles } => NAMESPACES.saturating_add(usize::from(*consoles)),
            Self::Restarted { .. } => 5,
            Self::Refused(_) | Self::Ended(_) | Self::EndedTooOften(_) => 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::frame::{HEADER, encode};

    fn hex<M: Message>(message: &M) -> String {
        encode(message).unwrap()[HEADER..]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    pub(crate) fn container() -> Container {
        let path = |p: &str| Path::new(p).unwrap();
        let tmpfs = Source::Tmpfs {
            size: 4096,
            mode: 0o755,
        };
        let attach = |target: &str, source: Source| Attachment {
            target: path(target),
            source,
            read_only: true,
        };
        Container {
            name: ContainerName::new("c").unwrap(),
            hostname: Text::new("h").unwrap(),
            uid_map: vec![IdRange {
                inside: 0,
                outside: 300,
                count: 1,
            }],
            gid_map: vec![],
            host_network: false,
            read_only_root: true,
            attachments: vec![
                attach("/a", Source::Factory),
                attach("/b", tmpfs),
                attach("/c", Source::Inside(path("/a"))),
            ],
            devices: vec![Device::Null, Device::Tty],
            meminfo: true,
            lent_proc: false,
            unified: true,
            cgroup_writable: false,
            consoles: 2,
            streams: [Stream::Passed, Stream::Console, Stream::Null],
            reaper: true,
            command: Command {
                program: path("/x"),
                arguments: vec![Text::new("x").unwrap()],
                environment: vec![Text::new("A=b").unwrap()],
                directory: path("/"),
                user: User {
                    user: Some(Text::new("u").unwrap()),
                    group: None,
                },
                capabilities: 300,
                no_new_privileges: true,
                profile: Profile::System,
                limits: vec![Rlimit {
                    resource: 7,
                    soft: 1,
                    hard: u64::MAX,
                }],
                window: Some(Window { rows: 24, columns: 80 }),
                linux32: false,
                filter: None,
                apparmor: None,
                selinux: None,
                memory: None,
            },
            afterwards: Afterwards {
                poweroff: Then::End,
                reboot: Then::Restart,
                crash: Then::End,
            },
            resolv_conf: Some(Text::new("n").unwrap()),
            hosts: None,
            unmasked: vec![],
            learn: false,
            descriptors: 0,
            nodes: vec![],
            shares: crate::share::Shares::default(),
        }
    }

    #[test]
    fn bytes_are_frozen() {
        assert_eq!(
            hex(&Request::Begin(Box::new(container()))),
            "00016301680100ac020100000103022f610001022f62018020ed0301022f6302022f6101020005010001000200010201022f780101780103413d62012f01017500ac020101010701ffffffffffffffffff01011850000000000000010001016e0000000000000000"
        );
        assert_eq!(hex(&Request::Mapped), "01");
        assert_eq!(hex(&Request::Join(3)), "0203");
        assert_eq!(hex(&Request::Attach(1)), "0301");
        assert_eq!(hex(&Request::Execute), "04");
        assert_eq!(hex(&Request::MappedInto), "05");
        assert_eq!(hex(&Reply::Unshared), "00");
        assert_eq!(hex(&Reply::Born), "01");
        assert_eq!(hex(&Reply::Running { consoles: 2 }), "0202");
        assert_eq!(hex(&Reply::Refused(Failure::kernel("x", 1))), "0301017802");
        assert_eq!(hex(&Reply::Restarted { pid1: 3 }), "0403");
        assert_eq!(hex(&Reply::Ended(-1)), "0501");
        assert_eq!(hex(&Reply::EndedTooOften(-1)), "0601");
    }

    #[test]
    fn each_descriptor_is_accounted_for() {
        let c = container();
        assert_eq!(c.factory_mounts(), 5);
        assert_eq!(Request::Begin(Box::new(c.clone())).descriptors(), 1);
        let beyond = Container { descriptors: 2, ..c };
        assert_eq!(
            (
                Request::Begin(Box::new(beyond.clone())).descriptors(),
                beyond.passed_streams()
            ),
            (3, 1)
        );
        assert_eq!(Reply::Running { consoles: 2 }.descriptors(), 9);
    }
}
