//! Options of `policy`. Pure.

use super::Run;
use clap::{Args, Subcommand};

/// Options of `policy`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lazaret policy show app            what `run` gives\n  \
    lazaret policy diff app system     what a domain gets beyond that\n  \
    lazaret policy diff app web        how the container web differs from its profile\n  \
    lazaret policy check web.policy    whether --seccomp would take it\n\n\
    A policy is that of a profile (app, system), of a program, of a file (a word with a slash, or that ends in .policy), or of a running \
    container.")]
pub struct Policy {
    /// What to do.
    #[command(subcommand)]
    pub verb: PolicyVerb,
}

/// The verbs of `policy`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PolicyVerb {
    /// Show what a policy gives
    Show(PolicyShow),
    /// Show what differs between two policies: what only the first has, and what only the second has
    Diff(PolicyDiff),
    /// Read a file by the rules by which Lazaret's own are read
    Check(PolicyCheck),
    /// Run a command, and print the smallest policy under which it runs as it has run
    Learn(Box<PolicyLearn>),
}

/// Options of `policy show`.
#[derive(Debug, Args)]
pub struct PolicyShow {
    /// Profile, program, file or container
    pub what: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `policy diff`.
#[derive(Debug, Args)]
pub struct PolicyDiff {
    /// Profile, program, file or container
    pub first: String,
    /// Another
    pub second: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// The file
    pub file: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `policy learn`: those of `run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lazaret policy learn --rootfs /srv/box -- nginx -t > nginx.policy\n  \
    lazaret run --rootfs /srv/box --seccomp nginx.policy -- nginx -t\n\n\
    The command's own output goes to standard error, the policy to standard output once the command has ended, and the exit status is \
    the command's. What the command does not do this time is not in the policy: let it do all that it is to be able to do. What its \
    profile refuses is refused while it is learned from, too. Each call waits until it is written down, so it runs slowly.")]
pub struct PolicyLearn {
    /// How it runs.
    #[command(flatten)]
    pub run: Run,
}
