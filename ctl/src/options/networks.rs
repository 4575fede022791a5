//! Options of the verbs that tell of networks. Pure.

use clap::{Args, Subcommand};

/// What is asked of networks.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Networks {
    /// List the networks
    #[command(name = "net-list")]
    List(NetList),
    /// Show what is known of a network
    #[command(name = "net-info")]
    Info(Network),
    /// Print a network as XML
    #[command(name = "net-dumpxml")]
    Dumpxml(Network),
    /// Print the uuid of a network
    #[command(name = "net-uuid")]
    Uuid(Network),
    /// Print the name of a network
    #[command(name = "net-name")]
    Name(Network),
    /// List the addresses that a network has given to containers
    #[command(name = "net-dhcp-leases")]
    DhcpLeases(NetDhcpLeases),
}

/// Options of `net-list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret net-list --all\n  lazaret net-list --json      with the containers on each\n\n\
    There is one network, default: a bridge behind NAT, which is there as long as a container is on it. No verb has to start it."
)]
pub struct NetList {
    /// Active or not
    #[arg(long)]
    pub all: bool,
    /// Only what is not active
    #[arg(long)]
    pub inactive: bool,
    /// Only what is persistent, which all are
    #[arg(long)]
    pub persistent: bool,
    /// Only what is not, which none is
    #[arg(long)]
    pub transient: bool,
    /// Only what is made by itself, which all are
    #[arg(long)]
    pub autostart: bool,
    /// Only what is not, which none is
    #[arg(long)]
    pub no_autostart: bool,
    /// Names only
    #[arg(long, conflicts_with_all = ["uuid", "json"])]
    pub name: bool,
    /// Uuids only
    #[arg(long, conflicts_with = "json")]
    pub uuid: bool,
    /// The table, which is what is printed anyway
    #[arg(long, conflicts_with_all = ["name", "uuid", "json"])]
    pub table: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// One network.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret net-info default")]
pub struct Network {
    /// Its name or uuid
    pub network: String,
    /// Accepted for virsh's sake: it has one description, whether it is active or not
    #[arg(long, hide = true)]
    pub inactive: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `net-dhcp-leases`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret net-dhcp-leases default\n  lazaret net-dhcp-leases default 52:54:00:12:34:56\n\n\
    Addresses are given at a container's start and stay as long as it runs: none expires, and no DHCP server is asked."
)]
pub struct NetDhcpLeases {
    /// Name or uuid of the network
    pub network: String,
    /// Only that of this hardware address
    pub mac: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Networks {
    /// What is asked, as it follows "cannot".
    pub fn doing(&self) -> String {
        match self {
            Self::List(_) => "list networks".into(),
            Self::Info(n) | Self::Uuid(n) | Self::Name(n) => format!("show the network {}", n.network),
            Self::Dumpxml(n) => format!("print the network {}", n.network),
            Self::DhcpLeases(n) => format!("list the addresses of the network {}", n.network),
        }
    }
}
