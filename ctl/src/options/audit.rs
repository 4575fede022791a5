//! Options of `audit`. Pure.

use crate::instant::Instant;
use crate::values::audit::{Expected, Verbs};
use clap::{Args, Subcommand};

/// Options of `audit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lazaret audit log --container vm1 --since 2026-11-01\n  \
    lazaret audit log --verb start --json | jq .request\n  \
    lazaret audit log --virt | grep op=start\n  \
    lazaret audit verify\n  \
    lazaret audit replay 17\n  \
    lazaret audit replay 17 --program netd --raw | od -c\n\n\
    Every start, stop, enter, suspend and resume, and everything that was refused, is on record in a file of root's, by default \
    /var/log/lazaret/audit.log: who asked, as the kernel tells, for what, and how it ended. Environment and arguments of containers stand \
    in it. What a container does by itself, its end among it, is not on record before a command clears it away.")]
pub struct Audit {
    /// What to do with it
    #[command(subcommand)]
    pub verb: AuditVerb,
}

/// The verbs of `audit`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum AuditVerb {
    /// Show every deed
    Log(AuditLog),
    /// Find records that were changed, cut out, put in, or cut off at the end
    Verify(AuditVerify),
    /// Print the frames that each program was sent for a deed, as JSON lines
    Replay(AuditReplay),
    /// Begin a new file; the old one stays beside it, under a name that ends in a number
    Rotate,
}

/// Options of `audit log`.
#[derive(Debug, Args)]
pub struct AuditLog {
    /// Only those of this container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Only those of this kind: start, stop, enter, suspend, resume, destroy, shutdown, reboot, console, rotate, open, unreadable, limit, signal, attach, detach, network, hook, lend
    #[arg(long, value_name = "VERB")]
    pub verb: Option<Verbs>,
    /// Only what began then or later: YYYY-MM-DD, YYYY-MM-DDTHH:MM, with or without :SS, or @SECONDS since 1970, in UTC
    #[arg(long, value_name = "TIME")]
    pub since: Option<Instant>,
    /// Only what began before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<Instant>,
    /// Print JSON, one line for each
    #[arg(long)]
    pub json: bool,
    /// Print the records that libvirt's LXC driver writes (VIRT_CONTROL, VIRT_RESOURCE, VIRT_MACHINE_ID), one line each, as the kernel's audit log has
    /// them: whether or not that is enabled
    #[arg(long, conflicts_with = "json")]
    pub virt: bool,
    /// Older files of the log, which are read first, in this order
    pub file: Vec<String>,
}

/// Options of `audit verify`.
#[derive(Debug, Args)]
pub struct AuditVerify {
    /// Record NUMBER must be there and have this hash, which an earlier `audit verify` printed: keep it where root of this host cannot write
    #[arg(long, value_name = "NUMBER:HASH")]
    pub expect: Option<Expected>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Older files of the log, which are read first, in this order
    pub file: Vec<String>,
}

/// Options of `audit replay`.
#[derive(Debug, Args)]
pub struct AuditReplay {
    /// The deed's number, as `audit log` shows it
    pub id: u64,
    /// Only what this program was sent; `launcher` is what was asked for
    #[arg(long, value_name = "PROGRAM")]
    pub program: Option<String>,
    /// Print the bytes of the frames as they were sent
    #[arg(long)]
    pub raw: bool,
    /// Older files of the log, which are read first, in this order
    pub file: Vec<String>,
}
