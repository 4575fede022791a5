//! What a domain document says, as values that cannot hold what the document may not say. Pure.
//! The meaning of each part is libvirt's (<https://libvirt.org/formatdomain.html>), as its LXC driver takes it.

use super::capability::Capabilities;
use super::cpuset::CpuSet;
use super::identity::Uuid;
use super::interface::Interface;
use super::kept::Kept;
use wire::init::{Afterwards, Path};
use wire::{ContainerName, Context, IdRange, LinkName, ProfileName, Text};

/// Text of one argument or value; short enough that `NAME=value` still fits the 32768 bytes of [`wire::init::Command`].
pub type Value = Text<32000>;

/// A whole domain. Sizes are in KiB, as the document prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// `name`
    pub name: ContainerName,
    /// `uuid`; [`super::complete()`] makes one.
    pub uuid: Option<Uuid>,
    /// `title`: one line for people.
    pub title: Option<String>,
    /// `description`: text for people.
    pub description: Option<String>,
    /// `memory`: the limit, above 0.
    pub memory: u64,
    /// `currentMemory`: above 0 and at most `memory`; it has no effect of its own.
    pub current_memory: u64,
    /// `memtune`
    pub memtune: Memtune,
    /// `blkiotune`
    pub blkiotune: Blkiotune,
    /// `numatune/memory@nodeset`: the memory nodes that are meant.
    pub nodes: Option<CpuSet>,
    /// `numatune/memory@mode`
    pub memory_mode: MemoryMode,
    /// `vcpu`
    pub vcpu: Vcpu,
    /// `cputune`
    pub cputune: Cputune,
    /// `resource/partition`: the group in which its groups lie, as it is said; whether it can be one is judged at a start.
    pub partition: Option<Path>,
    /// `os`
    pub os: Os,
    /// `idmap`; without it the container is given a block of its own.
    pub idmap: Option<IdMap>,
    /// `features/privnet`: a network namespace of its own even without an interface.
    pub privnet: bool,
    /// `features/capabilities`
    pub capabilities: Capabilities,
    /// `on_poweroff`, `on_reboot`, `on_crash`: `destroy` is `End`, `restart` is `Restart`.
    pub afterwards: Afterwards,
    /// `devices/emulator`: kept and printed, without effect.
    pub emulator: Option<Path>,
    /// `devices/filesystem`, in order; no two have the same target.
    pub filesystems: Vec<Filesystem>,
    /// `devices/interface`, in order.
    pub interfaces: Vec<Interface>,
    /// Number of `devices/console`, whose ports count from 0.
    pub consoles: u8,
    /// `seclabel`
    pub seclabel: Seclabel,
    /// `lxc:namespace`: whose network, ipc and uts namespaces it has, in this order, where they are not its own.
    pub shares: [Option<Share>; 3],
    /// What is said and not done.
    pub kept: Vec<Kept>,
}

/// `numatune/memory@mode`: what is made of the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryMode {
    /// `strict`: no others may be used.
    #[default]
    Strict,
    /// `restrictive`: the same, and only the control group says so, as it does for both here.
    Restrictive,
    /// `interleave`: memory comes from each in turn.
    Interleave,
    /// `preferred`: memory comes from the one as long as it has some.
    Preferred,
}

impl MemoryMode {
    const ALL: [Self; 4] = [Self::Strict, Self::Restrictive, Self::Interleave, Self::Preferred];

    /// The word of documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Restrictive => "restrictive",
            Self::Interleave => "interleave",
            Self::Preferred => "preferred",
        }
    }

    /// The mode of that word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }

    /// Whether it is the control group that holds the nodes.
    pub const fn is_the_groups(self) -> bool {
        matches!(self, Self::Strict | Self::Restrictive)
    }
}

/// `lxc:sharenet`, `lxc:shareipc`, `lxc:shareuts`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// Those of the container of this name.
    Container(ContainerName),
    /// Those of a process of the host's.
    Process(u32),
    /// The network namespace of this name.
    Netns(Text<255>),
}

impl Share {
    /// Reads `@type` and `@value`; `none` is none.
    pub fn read(kind: &str, value: &str) -> Option<Option<Self>> {
        Some(Some(match kind {
            "none" => return Some(None),
            "name" => Self::Container(ContainerName::new(value).ok()?),
            "pid" => Self::Process(value.parse().ok().filter(|pid| *pid > 0)?),
            "netns" if !value.is_empty() && !value.contains('/') && !matches!(value, "." | "..") => {
                Self::Netns(Text::new(value).ok()?)
            }
            _ => return None,
        }))
    }
}

/// Which label a command has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seclabel {
    /// Nothing is said, and it has none.
    Unsaid,
    /// It is said that it has none.
    None,
    /// This AppArmor profile.
    AppArmor(ProfileName),
    /// This SELinux context.
    Selinux(Context),
}

impl Seclabel {
    /// The AppArmor profile, if there is to be one.
    pub const fn profile(&self) -> Option<&ProfileName> {
        match self {
            Self::AppArmor(profile) => Some(profile),
            Self::Unsaid | Self::None | Self::Selinux(_) => None,
        }
    }

    /// The SELinux context, if there is to be one.
    pub const fn context(&self) -> Option<&Context> {
        match self {
            Self::Selinux(context) => Some(context),
            Self::Unsaid | Self::None | Self::AppArmor(_) => None,
        }
    }
}

impl Domain {
    /// Why nothing may start that says this: what of it has no effect, or never has one.
    pub fn hindrance(&self) -> Option<String> {
        self.kept.iter().find_map(Kept::hindrance)
    }

    /// The filesystem whose target is `/`; without one the host's own root is meant.
    pub fn root(&self) -> Option<&Filesystem> {
        self.filesystems.iter().find(|f| f.is_at("/"))
    }
}

/// The names that interfaces have inside, in their order: their own, or `eth0`, `eth1`, ..., which counts only those without one.
pub fn guest_names(interfaces: &[Interface]) -> Vec<LinkName> {
    let mut unnamed = 0u32..;
    let name = |i: &Interface| match &i.guest {
        Some(name) => Some(name.clone()),
        None => unnamed.next().and_then(|n| LinkName::new(&format!("eth{n}")).ok()),
    };
    interfaces.iter().filter_map(name).collect()
}

/// `memtune`, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memtune {
    /// `hard_limit`: overrides `memory` as the limit.
    pub hard_limit: Option<u64>,
    /// `soft_limit`
    pub soft_limit: Option<u64>,
    /// `swap_hard_limit`: memory and swap together; not below the limit on memory.
    pub swap_hard_limit: Option<u64>,
}

/// `blkiotune`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blkiotune {
    /// `weight`, 10 to 1000.
    pub weight: Option<u16>,
    /// `device`, in order; no two have the same path.
    pub devices: Vec<BlkioDevice>,
}

/// `blkiotune/device`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlkioDevice {
    /// `path` of the block device, on the host.
    pub path: Path,
    /// `weight`, 10 to 1000.
    pub weight: Option<u16>,
    /// `read_iops_sec`
    pub read_operations: Option<u64>,
    /// `write_iops_sec`
    pub write_operations: Option<u64>,
    /// `read_bytes_sec`
    pub read_bytes: Option<u64>,
    /// `write_bytes_sec`
    pub write_bytes: Option<u64>,
}

/// `vcpu`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vcpu {
    /// The number, which the LXC driver only prints: `cpuset` and `cputune` are what limits.
    pub count: u32,
    /// The processors that may be used.
    pub cpuset: Option<CpuSet>,
}

/// `cputune`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cputune {
    /// `shares`, 2 to 262144.
    pub shares: Option<u64>,
    /// `period` in microseconds, 1000 to 1000000.
    pub period: Option<u64>,
    /// `quota` in microseconds, at least 1000, or -1 for no limit.
    pub quota: Option<i64>,
}

/// The architecture that the container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// `x86_64`
    X86_64,
    /// `i686`: personality(2) `PER_LINUX32` on an x86_64 host.
    I686,
}

impl Arch {
    /// The name that documents and uname(2) use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I686 => "i686",
        }
    }
}

/// `os`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// `type@arch`; [`super::complete()`] fills it in.
    pub arch: Option<Arch>,
    /// `init`: a path, absolute where it is used inside; also the first of argv.
    pub init: Path,
    /// `initarg`, in order: the rest of argv; none is empty.
    pub initargs: Vec<Value>,
    /// `initenv`, in order; a name may come twice.
    pub initenv: Vec<Variable>,
    /// `initdir`: a path, absolute where it is used inside.
    pub initdir: Option<Path>,
    /// `inituser`: a name, or a number with or without `+`.
    pub inituser: Option<Text<256>>,
    /// `initgroup`: a name, or a number with or without `+`.
    pub initgroup: Option<Text<256>>,
    /// `cmdline`: becomes `LIBVIRT_LXC_CMDLINE`.
    pub cmdline: Option<Value>,
}

/// `initenv`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// `@name`: not empty, without `=`.
    pub name: Text<255>,
    /// The value; not empty.
    pub value: Value,
}

/// `idmap`: both maps have passed [`wire::ids::check_map`], and are sorted by their first id inside. Whether host id 0 may be
/// mapped is not judged here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// `uid`
    pub uid: Vec<IdRange>,
    /// `gid`
    pub gid: Vec<IdRange>,
}

/// `filesystem`, with accessmode `passthrough`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Type and source.
    pub source: Source,
    /// `target@dir`: a path, absolute where it is used inside.
    pub target: Path,
    /// `readonly`
    pub read_only: bool,
}

impl Filesystem {
    /// Whether its target is this path, however many slashes and dots either is written with.
    pub fn is_at(&self, path: &str) -> bool {
        std::path::Path::new(self.target.as_str()) == std::path::Path::new(path)
    }
}

/// Where the files of a [`Filesystem`] come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `mount`: a directory or file of the host, a path, absolute where it is used.
    Mount(Path),
    /// `bind`: another place inside, a path, absolute where it is used.
    Bind(Path),
    /// `ram`: a tmpfs of so many KiB, above 0.
    Ram(u64),
    /// `block`: what is on a block device of the host, a path, absolute where it is used.
    Block(Path),
    /// `file`: what is in a file of the host behind a loop device, a path, absolute where it is used; whether the document says so (`driver@type`), and that
    /// the file is as a disk is (`driver@format`).
    File(Path, [bool; 2]),
}
