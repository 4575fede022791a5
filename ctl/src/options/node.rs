//! Options of the verbs that only tell something of the host, and of the program itself. Pure.

use clap::{Args, Subcommand};

/// JSON or not.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret nodeinfo --json")]
pub struct Plain {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is asked of the host.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Node {
    /// Show the host's processors and memory
    Nodeinfo(Plain),
    /// Show the time of the host's processors
    Nodecpustats(Nodecpustats),
    /// Show which of the host's processors are online
    Nodecpumap(Nodecpumap),
    /// Show the host's memory
    Nodememstats(Nodememstats),
    /// Show the host's free memory
    Freecell(Freecell),
    /// Show how many of the host's pages are free
    Freepages(Freepages),
    /// Print the host's name
    Hostname(Plain),
    /// Print the address that virsh knows this by
    Uri(Plain),
    /// Print what the host has and can run, as XML
    Capabilities(Plain),
}

/// Options of `nodecpustats`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret nodecpustats              nanoseconds since the host was started\n  \
    lazaret nodecpustats --percent    of one second, from now on\n  lazaret nodecpustats --cpu 0"
)]
pub struct Nodecpustats {
    /// Only this processor
    #[arg(value_name = "CPU")]
    pub at: Option<u32>,
    /// The same
    #[arg(long, value_name = "CPU", conflicts_with = "at", hide = true)]
    pub cpu: Option<u32>,
    /// Percentages of one second
    #[arg(long)]
    pub percent: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `nodecpumap`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lazaret nodecpumap\n  lazaret nodecpumap --pretty")]
pub struct Nodecpumap {
    /// Their numbers, rather than a letter for each
    #[arg(long)]
    pub pretty: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `nodememstats`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lazaret nodememstats\n  lazaret nodememstats --cell 0")]
pub struct Nodememstats {
    /// Only this node
    #[arg(value_name = "CELL")]
    pub at: Option<u32>,
    /// The same
    #[arg(long, value_name = "CELL", conflicts_with = "at", hide = true)]
    pub cell: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `freecell`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lazaret freecell\n  lazaret freecell --all\n  lazaret freecell 0")]
pub struct Freecell {
    /// Only this node
    #[arg(value_name = "CELL")]
    pub at: Option<u32>,
    /// The same
    #[arg(long, value_name = "CELL", conflicts_with = "at", hide = true)]
    pub cellno: Option<u32>,
    /// Each node, and all together
    #[arg(long, conflicts_with_all = ["at", "cellno"])]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `freepages`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret freepages --all\n  lazaret freepages --all --pagesize 2M\n  lazaret freepages 0 4"
)]
pub struct Freepages {
    /// Only this node
    #[arg(value_name = "CELL")]
    pub at: Option<u32>,
    /// Only pages of this size, in KiB or with a unit
    #[arg(value_name = "SIZE", conflicts_with = "pagesize")]
    pub size: Option<String>,
    /// As CELL
    #[arg(long, value_name = "CELL", conflicts_with = "at", hide = true)]
    pub cellno: Option<u32>,
    /// As SIZE
    #[arg(long, value_name = "SIZE")]
    pub pagesize: Option<String>,
    /// Each node
    #[arg(long, conflicts_with_all = ["at", "cellno"])]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Node {
    /// What is asked, as it follows "cannot".
    pub const fn doing(&self) -> &'static str {
        match self {
            Self::Nodeinfo(_) => "show the host",
            Self::Nodecpustats(_) => "show the time of the host's processors",
            Self::Nodecpumap(_) => "show the host's processors",
            Self::Nodememstats(_) | Self::Freecell(_) | Self::Freepages(_) => "show the host's memory",
            Self::Hostname(_) => "show the host's name",
            Self::Uri(_) => "show the address",
            Self::Capabilities(_) => "show what the host has",
        }
    }
}

/// Options of `version`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret version")]
pub struct Version {
    /// Also that no daemon runs: none is needed
    #[arg(long)]
    pub daemon: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
