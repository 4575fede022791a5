//! Options of the verbs that only tell something of containers. Pure.

use clap::{Args, Subcommand, ValueEnum};

/// Options of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret list              what runs\n  lazaret list --all --json everything, for a program\n  \
    lazaret list --inactive --name\n\nThe columns are virsh's. One more, Host root, is there where a container maps host id 0, by the host's policy."
)]
pub struct List {
    /// Running or not
    #[arg(long)]
    pub all: bool,
    /// Only what does not run
    #[arg(long)]
    pub inactive: bool,
    /// Only what has a definition
    #[arg(long)]
    pub persistent: bool,
    /// Only what has none
    #[arg(long)]
    pub transient: bool,
    /// Only what runs and is not suspended
    #[arg(long)]
    pub state_running: bool,
    /// Only what is suspended
    #[arg(long)]
    pub state_paused: bool,
    /// Only what does not run; without --all
    #[arg(long)]
    pub state_shutoff: bool,
    /// Only what is in no such state, as one that starts or has crashed
    #[arg(long)]
    pub state_other: bool,
    /// Only what is started with the host
    #[arg(long)]
    pub autostart: bool,
    /// Only what is not
    #[arg(long)]
    pub no_autostart: bool,
    /// Names only; with --uuid and --id these too, in one line
    #[arg(long, conflicts_with = "json")]
    pub name: bool,
    /// Uuids only
    #[arg(long, conflicts_with = "json")]
    pub uuid: bool,
    /// Ids only
    #[arg(long, conflicts_with = "json")]
    pub id: bool,
    /// The table, which is what is printed anyway
    #[arg(long, conflicts_with_all = ["name", "uuid", "id", "json"])]
    pub table: bool,
    /// With the title of each
    #[arg(long)]
    pub title: bool,
    /// Accepted for virsh's sake: nothing is ever saved
    #[arg(long, hide = true)]
    pub managed_save: bool,
    /// Only what is saved, or has a snapshot, which is nothing
    #[arg(long, hide = true, aliases = ["with-snapshot", "with-checkpoint"])]
    pub with_managed_save: bool,
    /// Only what is not saved, which is everything
    #[arg(long, hide = true, aliases = ["without-snapshot", "without-checkpoint"])]
    pub without_managed_save: bool,
    /// With what virsh does not show: exit status, first process, first host id
    #[arg(long, conflicts_with_all = ["name", "uuid", "id"])]
    pub wide: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// One container, and JSON or not.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret domid vm1")]
pub struct One {
    /// Its name, uuid or id
    pub container: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is asked of one container.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Ask {
    /// Print the state of a container
    Domstate(Domstate),
    /// Print the id of a container that runs
    Domid(One),
    /// Print the uuid of a container
    Domuuid(One),
    /// Print the name of a container
    Domname(One),
    /// Print the host name that a container was started with
    Domhostname(Domhostname),
    /// Show what memory a container has and uses
    Dommemstat(Dommemstat),
    /// Show what a container has read from block devices and written to them
    Domblkstat(Domblkstat),
    /// Show what a container has received and sent
    Domifstat(Domifstat),
    /// List the links of a container
    Domiflist(Domiflist),
    /// List the disks of a container
    Domblklist(Domblklist),
    /// Print whether a link of a container is up
    DomifGetlink(DomifGetlink),
    /// List the addresses of a container
    Domifaddr(Domifaddr),
    /// Print the terminal of a container's first console
    Ttyconsole(One),
    /// Show the figures of containers, for programs
    Domstats(Domstats),
    /// Show the processor time of a container
    CpuStats(CpuStats),
}

/// Options of `domstate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lazaret domstate vm1\n  lazaret domstate vm1 --reason")]
pub struct Domstate {
    /// Its name, uuid or id
    pub container: String,
    /// Also why it is so, as far as that is known
    #[arg(long)]
    pub reason: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `domhostname`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lazaret domhostname vm1\n\nOne that a container gave itself since is not seen from outside."
)]
pub struct Domhostname {
    /// Its name, uuid or id
    pub container: String,
    /// Accepted for virsh's sake: there is one source
    #[arg(long, hide = true, value_name = "SOURCE", value_parser = ["lease", "agent"])]
    pub source: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `dommemstat`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lazaret dommemstat vm1\n\nIn KiB, but for faults, which are counted. actual is what it may use, rss what it uses, files in memory \
    (disk_caches) among it, swap_in what of it lies in swap; each as the control groups have it."
)]
pub struct Dommemstat {
    /// Its name, uuid or id
    pub container: String,
    /// Accepted for virsh's sake: what runs is what is asked
    #[arg(long, hide = true)]
    pub live: bool,
    /// Accepted for virsh's sake
    #[arg(long, hide = true)]
    pub current: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `domblkstat`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret domblkstat vm1        all devices together\n  lazaret domblkstat vm1 vda    one of the host's"
)]
pub struct Domblkstat {
    /// Its name, uuid or id
    pub container: String,
    /// A block device of the host's, by its name in /proc/partitions
    pub device: Option<String>,
    /// In words
    #[arg(long)]
    pub human: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `domifstat`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lazaret domifstat vm1 lzv0\n\nrx is what the container received, tx what it sent: what the host's end of the link has counted, the other way round. \
    A link of type direct has no end on the host: it is called by its name inside, and has counted there."
)]
pub struct Domifstat {
    /// Its name, uuid or id
    pub container: String,
    /// The link, by its name on the host or its hardware address
    pub interface: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `domiflist`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret domiflist vm1")]
pub struct Domiflist {
    /// Its name, uuid or id
    pub container: String,
    /// Those of the kept definition, even if what runs was made from another
    #[arg(long)]
    pub inactive: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `domif-getlink`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret domif-getlink vm1 lzv0\n  lazaret domif-getlink vm1 52:54:00:11:22:33 --config\n\n\
    Of a container that runs it is the state that its definition asks for and that was set since; without one it is up."
)]
pub struct DomifGetlink {
    /// Its name, uuid or id
    pub container: String,
    /// The link, by its name on the host or its hardware address
    pub interface: String,
    /// That of the kept definition
    #[arg(long, alias = "persistent")]
    pub config: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `domblklist`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret domblklist vm1 --details")]
pub struct Domblklist {
    /// Its name, uuid or id
    pub container: String,
    /// Also their types
    #[arg(long)]
    pub details: bool,
    /// Those of the kept definition, even if what runs was made from another
    #[arg(long)]
    pub inactive: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Where addresses are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Addresses {
    /// The container's own network, under the names of the links on the host
    Lease,
    /// What the host has heard answer
    Arp,
    /// The container's own network, under the names there, with lo and what is local to a link
    Agent,
}

/// Options of `domifaddr`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lazaret domifaddr vm1\n  lazaret domifaddr vm1 --source agent")]
pub struct Domifaddr {
    /// Its name, uuid or id
    pub container: String,
    /// Only this link, by its name
    pub interface: Option<String>,
    /// The same
    #[arg(
        long = "interface",
        value_name = "INTERFACE",
        conflicts_with = "interface",
        hide = true
    )]
    pub only: Option<String>,
    /// Name and hardware address in every line
    #[arg(long)]
    pub full: bool,
    /// Where they are looked for
    #[arg(long, value_enum, default_value = "lease")]
    pub source: Addresses,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `domstats`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret domstats\n  lazaret domstats --cpu-total --interface vm1\n\n\
    Without a group all are shown; without a container all containers, running or not."
)]
pub struct Domstats {
    /// State and its reason, as numbers
    #[arg(long)]
    pub state: bool,
    /// Processor time in nanoseconds
    #[arg(long)]
    pub cpu_total: bool,
    /// Memory in KiB
    #[arg(long)]
    pub balloon: bool,
    /// How many processors the definition asks for
    #[arg(long)]
    pub vcpu: bool,
    /// Links
    #[arg(long)]
    pub interface: bool,
    /// Block devices
    #[arg(long)]
    pub block: bool,
    /// Only what runs
    #[arg(long)]
    pub list_active: bool,
    /// Only what does not run
    #[arg(long)]
    pub list_inactive: bool,
    /// Only what has a definition
    #[arg(long)]
    pub list_persistent: bool,
    /// Only what has none
    #[arg(long)]
    pub list_transient: bool,
    /// Only what runs and is not suspended
    #[arg(long)]
    pub list_running: bool,
    /// Only what is suspended
    #[arg(long)]
    pub list_paused: bool,
    /// Only what has ended or never ran
    #[arg(long)]
    pub list_shutoff: bool,
    /// Only what is in no such state
    #[arg(long)]
    pub list_other: bool,
    /// Accepted for virsh's sake: nothing is made prettier
    #[arg(long, hide = true)]
    pub raw: bool,
    /// Accepted for virsh's sake: no question waits for another
    #[arg(long, hide = true)]
    pub nowait: bool,
    /// Names, uuids or ids
    #[arg(id = "container", value_name = "CONTAINER")]
    pub containers: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `cpu-stats`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret cpu-stats vm1\n  lazaret cpu-stats vm1 --total\n\nVersion 2 of control groups does not tell processors apart: there only --total is answered."
)]
pub struct CpuStats {
    /// Its name, uuid or id
    pub container: String,
    /// Only all processors together
    #[arg(long)]
    pub total: bool,
    /// The first processor to show
    #[arg(long, value_name = "N")]
    pub start: Option<usize>,
    /// How many to show
    #[arg(long, value_name = "N")]
    pub count: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Ask {
    /// What is asked, as it follows "cannot".
    pub fn doing(&self) -> String {
        match self {
            Self::Domstate(o) => format!("show the state of {}", o.container),
            Self::Domid(o) => format!("show the id of {}", o.container),
            Self::Domuuid(o) => format!("show the uuid of {}", o.container),
            Self::Domname(o) => format!("show the name of {}", o.container),
            Self::Domhostname(o) => format!("show the host name of {}", o.container),
            Self::Dommemstat(o) => format!("show the memory of {}", o.container),
            Self::Domblkstat(o) => format!("show the block devices of {}", o.container),
            Self::Domifstat(o) => format!("show the link {} of {}", o.interface, o.container),
            Self::Domiflist(o) => format!("list the links of {}", o.container),
            Self::Domblklist(o) => format!("list the disks of {}", o.container),
            Self::DomifGetlink(o) => format!("show the link {} of {}", o.interface, o.container),
            Self::Ttyconsole(o) => format!("show the terminal of {}", o.container),
            Self::Domifaddr(o) => format!("list the addresses of {}", o.container),
            Self::Domstats(_) => "show the figures of containers".into(),
            Self::CpuStats(o) => format!("show the processor time of {}", o.container),
        }
    }
}
