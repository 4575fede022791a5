//! Options of `run`. Pure.

use crate::values::network::Inside;
use crate::values::{Bind, Environment, Memory, Network, Rate, Tmpfs, Ulimit, UserSpec};
use clap::{Args, ValueEnum};
use wire::netd::Publish;
use wire::{Context, ProfileName};

/// How `--timing` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimingFormat {
    /// Tables
    Table,
    /// JSON
    Json,
}

/// Options of `run`.
#[derive(Debug, Args)]
#[command(
    override_usage = "lazaret run [OPTIONS] -- CMD [ARG]...",
    after_help = "Examples:\n  \
    lazaret run -- sh -c 'id; grep MemTotal /proc/meminfo'\n  \
    lazaret run --rootfs /srv/box --memory 128M --cpus 1.5 --pids 100 -- httpd -f\n  \
    lazaret run -d --name web --publish 8080:80 --bind /srv/www:/www:ro --rootfs /srv/box -- httpd -f -h /www\n  \
    lazaret logs -f web; lazaret wait web; lazaret undefine web\n\n\
    Without --rootfs the root is the host's own root file system, read-only and not id-mapped: the container's root may there only \
    what everyone may. /proc, /sys, /dev, /run and /tmp are the container's own."
)]
pub struct Run {
    /// Root file system [default: the host's own, read-only]
    #[arg(long, value_name = "DIR")]
    pub rootfs: Option<String>,
    /// Make the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Name of the container [default: made up]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Most memory, in bytes or with K, M, G or T [default: 64M, or none for an ordinary user without a group]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Memory>,
    /// Most processors' worth of time, such as 1.5
    #[arg(long, value_name = "N")]
    pub cpus: Option<Rate>,
    /// Most processes and threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4_194_304))]
    pub pids: Option<u64>,
    /// Network: `default` is a bridge with NAT, another one is called by its name, `none` has a loopback only, `host` is the host's own, `user` leads an ordinary user's
    /// container out by pasta; bridge:BRIDGE, macvlan:LINK, ipvlan:LINK (both also with :MODE) and vlan:LINK:ID are on a bridge or link of the host's [default: default, or none for an
    /// ordinary user]
    #[arg(long, value_name = "NET")]
    pub network: Option<Network>,
    /// Give its link this address
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub ip: Vec<Inside>,
    /// Lead what leaves it through this address
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Vec<std::net::IpAddr>,
    /// Show a file or directory of the host inside, writable or read-only
    #[arg(long, value_name = "SRC:DST[:ro]")]
    pub bind: Vec<Bind>,
    /// Mount an empty file system in memory
    #[arg(long, value_name = "DST[:SIZE]")]
    pub tmpfs: Vec<Tmpfs>,
    /// Let a port of the host lead to one of the container
    #[arg(long, value_name = "[IP:]HOST:CONT[/udp]")]
    pub publish: Vec<Publish>,
    /// Resource limit, soft and hard (getrlimit(2)), such as nofile=1024:4096
    #[arg(long, value_name = "NAME=S[:H]")]
    pub ulimit: Vec<Ulimit>,
    /// Environment variable
    #[arg(long, short = 'e', value_name = "K=V")]
    pub env: Vec<Environment>,
    /// Working directory inside
    #[arg(long, short = 'w', value_name = "DIR")]
    pub workdir: Option<String>,
    /// User, and group, by the container's own names or by number
    #[arg(long, short = 'u', value_name = "USER[:GROUP]")]
    pub user: Option<UserSpec>,
    /// Host name [default: the container's name]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Give a capability back, or ALL; one that the profile lacks only where the host's policy consents
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Take a capability away, or ALL
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// Filter the command's system calls by this policy too, which can only take away; in the place of the profile's where the host's
    /// policy consents
    #[arg(long, value_name = "FILE")]
    pub seccomp: Option<String>,
    /// Confine the command, and whatever enters, by this AppArmor profile too, which must be loaded
    #[arg(long, value_name = "PROFILE")]
    pub apparmor: Option<ProfileName>,
    /// Give the command, and whatever enters, this SELinux context, USER:ROLE:TYPE or USER:ROLE:TYPE:RANGE, which the policy that is loaded must know
    #[arg(long, value_name = "CONTEXT", conflicts_with = "apparmor")]
    pub selinux: Option<Context>,
    /// Leave a place as it is that is hidden or read-only otherwise, where the host's policy consents
    #[arg(long, value_name = "PATH")]
    pub unmask: Vec<String>,
    /// Give the command a terminal of the container's, even where there is none
    #[arg(long, short = 't')]
    pub tty: bool,
    /// Leave it running in the background and print its name
    #[arg(long, short = 'd')]
    pub detach: bool,
    /// Remove what is kept of it once it has ended (always so in the foreground)
    #[arg(long)]
    pub rm: bool,
    /// Show what each program would be asked to do, changing nothing
    #[arg(long)]
    pub plan: bool,
    /// With --plan or -d: print JSON
    #[arg(long)]
    pub json: bool,
    /// Say on standard error where the time went: by step of lazaret, by request to each program, by program
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "table", conflicts_with = "plan")]
    pub timing: Option<TimingFormat>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<String>,
}

impl Run {
    /// The command's first word.
    pub fn program(&self) -> &str {
        self.command.first().map_or("it", String::as_str)
    }
}
