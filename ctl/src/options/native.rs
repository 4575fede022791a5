//! Options of `domxml-from-native`. Pure.

use clap::{Args, ValueEnum};

/// Options of `domxml-from-native`.
#[derive(Debug, Args)]
#[command(
    override_usage = "lazaret domxml-from-native [OPTIONS] FORMAT FILE [INCLUDED]...",
    after_help = "Examples:\n  \
    lazaret domxml-from-native lxc-tools /var/lib/lxc/web/config > web.xml\n  \
    lazaret domxml-from-native lxc-tools - < config\n  \
    lazaret domxml-from-native lxc-tools web/config web/more.conf\n\n\
    The domain goes to standard output; each line of the configuration that a domain cannot say is told on standard error. What the \
    configuration includes is read below /usr/share/lxc and /etc as far as anybody may read it, and from elsewhere if it is named too."
)]
pub struct FromNative {
    /// The format
    pub format: Format,
    /// The configuration; - is standard input
    pub file: String,
    /// Files that the configuration includes from elsewhere
    pub included: Vec<String>,
    /// Read lxc.idmap as libvirt 9.0 does, which takes the first id inside for that of the host and the other way round
    #[arg(long)]
    pub libvirt_idmap: bool,
}

/// A format that is not libvirt's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Configuration of LXC, lxc.container.conf(5)
    LxcTools,
}

/// Options of `domxml-to-native`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lazaret domxml-to-native lxc-tools web > config\n  \
    lazaret domxml-to-native lxc-tools --xml web.xml\n\n\
    Limits are said for both versions of control groups. What LXC cannot be told is told on standard error.")]
pub struct ToNative {
    /// The format
    pub format: Format,
    /// Name, uuid or id of a defined container
    #[arg(required_unless_present = "xml", conflicts_with = "xml")]
    pub container: Option<String>,
    /// A file with a domain
    #[arg(long, value_name = "FILE")]
    pub xml: Option<String>,
}
