//! Options of the verbs that tell of networks and change them. Pure.

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
    /// Keep a network's definition
    #[command(name = "net-define")]
    Define(NetworkFile),
    /// Start a network that is not kept
    #[command(name = "net-create")]
    Create(NetworkFile),
    /// Start a network: its bridge is there until it is ended
    #[command(name = "net-start")]
    Start(OneNetwork),
    /// End a network that no container is on
    #[command(name = "net-destroy")]
    Destroy(OneNetwork),
    /// Forget a network's definition
    #[command(name = "net-undefine")]
    Undefine(OneNetwork),
    /// Edit a network's definition
    #[command(name = "net-edit")]
    Edit(OneNetwork),
    /// Mark a network to be started with the host
    #[command(name = "net-autostart")]
    Autostart(NetAutostart),
}

/// A file with a network.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret net-define quay.xml\n  lazaret net-create quay.xml\n\n\
    <forward mode='nat'>, 'route', 'open' or none (nothing goes beyond the host) and <ip> make a network with a bridge of its own, whose \
    containers are given addresses out of <range>, or the one of their <host>; <forward mode='bridge'> is a bridge of the host's. A container \
    on a network that is not started has it made for as long as it runs. <source portgroup='...'> has the bandwidth and the VLANs of that <portgroup>, and one that names none those of the default one. Every element of libvirt's is kept and \
    shown; of what has no effect a warning tells, and with what would make it another network (a zone, a <bandwidth> that is shared, a <route>, DNS other than \
    <host> and <domain name='...'>, which `run` writes into its files) it does not start. <forward mode='private', 'vepa', 'passthrough' or 'bridge'> with one <interface dev='LINK'/> \
    is that link of the host's. A bridge has stp='on' unless something else is said, as libvirt has it, and the kernel then lets nothing through a new link for 4 s."
)]
pub struct NetworkFile {
    /// The file
    pub file: String,
    /// Accepted for virsh's sake: what is not known is refused anyway
    #[arg(long, hide = true)]
    pub validate: bool,
}

/// One network, of which something is changed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lazaret net-start quay")]
pub struct OneNetwork {
    /// Its name or uuid
    pub network: String,
}

/// Options of `net-autostart`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret net-autostart quay\n  lazaret net-autostart quay --disable\n\n\
    lazaret-autostart.service starts what is marked, before the containers that are."
)]
pub struct NetAutostart {
    /// Its name or uuid
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    pub network: Option<String>,
    /// Take the mark away
    #[arg(long, conflicts_with = "list")]
    pub disable: bool,
    /// Print the names of those that are marked and not started
    #[arg(long)]
    pub list: bool,
}

/// Options of `net-list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret net-list --all\n  lazaret net-list --json      with the containers on each\n\n\
    The network default is there without a definition: a bridge behind NAT, made as long as a container is on it. No verb has to start it."
)]
pub struct NetList {
    /// Active or not
    #[arg(long)]
    pub all: bool,
    /// Only what is not active
    #[arg(long)]
    pub inactive: bool,
    /// Only what is persistent
    #[arg(long)]
    pub persistent: bool,
    /// Only what is not
    #[arg(long)]
    pub transient: bool,
    /// Only what is started by itself
    #[arg(long)]
    pub autostart: bool,
    /// Only what is not
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
    /// What is kept, rather than what it was started from
    #[arg(long)]
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
    /// What virsh says first of a verb that failed.
    pub fn failing(&self) -> Option<String> {
        let network = |what: &str, n: &OneNetwork| Some(format!("Failed to {what} network {}", n.network));
        match self {
            Self::Define(f) => Some(format!("Failed to define network from {}", f.file)),
            Self::Create(f) => Some(format!("Failed to create network from {}", f.file)),
            Self::Start(n) => network("start", n),
            Self::Destroy(n) => network("destroy", n),
            Self::Undefine(n) => network("undefine", n),
            Self::Autostart(a) => {
                let what = if a.disable { "unmark" } else { "mark" };
                let name = a.network.as_deref()?;
                Some(format!("failed to {what} network {name} as autostarted"))
            }
            _ => None,
        }
    }

    /// Whether it changes nothing.
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::List(_) | Self::Info(_) | Self::Dumpxml(_) | Self::Uuid(_) | Self::Name(_) | Self::DhcpLeases(_) => {
                true
            }
            Self::Autostart(a) => a.list,
            Self::Define(_)
            | Self::Create(_)
            | Self::Start(_)
            | Self::Destroy(_)
            | Self::Undefine(_)
            | Self::Edit(_) => false,
        }
    }

    /// What is asked, as it follows "cannot".
    pub fn doing(&self) -> String {
        match self {
            Self::List(_) => "list networks".into(),
            Self::Info(n) | Self::Uuid(n) | Self::Name(n) => format!("show the network {}", n.network),
            Self::Dumpxml(n) => format!("print the network {}", n.network),
            Self::DhcpLeases(n) => format!("list the addresses of the network {}", n.network),
            Self::Define(f) => format!("define a network from {}", f.file),
            Self::Create(f) => format!("create a network from {}", f.file),
            Self::Start(n) => format!("start the network {}", n.network),
            Self::Destroy(n) => format!("end the network {}", n.network),
            Self::Undefine(n) => format!("undefine the network {}", n.network),
            Self::Edit(n) => format!("edit the network {}", n.network),
            Self::Autostart(a) => match &a.network {
                Some(network) => format!("mark the network {network}"),
                None => "list networks that are marked".into(),
            },
        }
    }
}
