//! Options of `event`. Pure.

use clap::{Args, ValueEnum};

/// Options of `event`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret event --event lifecycle --loop\n  lazaret event vm1 --event lifecycle --timeout 60\n  \
    lazaret event --all --loop --json\n\n\
    Tells of what is defined, changed and forgotten, of what starts, ends, is suspended and goes on (lifecycle), of what starts itself anew (reboot), and of \
    titles, descriptions and metadata that change (metadata-change). virsh's other events are known, and happen to no container. Without --loop the first event is the last. Ends with 0 if an event came, and else with 1. Nobody's power is kept while it waits."
)]
pub struct Event {
    /// Name, uuid or id of the only container that is meant
    pub container: Option<String>,
    /// What is meant
    #[arg(long = "event", value_name = "EVENT", conflicts_with = "all", required_unless_present_any = ["all", "list"])]
    pub kind: Option<Kind>,
    /// Everything
    #[arg(long, conflicts_with = "list")]
    pub all: bool,
    /// Go on after the first
    #[arg(long = "loop")]
    pub again: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: Option<u32>,
    /// Begin each line with the time, in UTC
    #[arg(long)]
    pub timestamp: bool,
    /// Print which events there are, and nothing else
    #[arg(long)]
    pub list: bool,
    /// Print JSON, one event a line
    #[arg(long)]
    pub json: bool,
}

/// A kind of event, in virsh's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Defined, undefined, started, suspended, resumed, stopped
    Lifecycle,
    /// Started itself anew
    Reboot,
    RtcChange,
    Watchdog,
    IoError,
    Graphics,
    IoErrorReason,
    ControlError,
    BlockJob,
    DiskChange,
    TrayChange,
    PmWakeup,
    PmSuspend,
    BalloonChange,
    PmSuspendDisk,
    DeviceRemoved,
    #[value(name = "block-job-2")]
    BlockJob2,
    Tunable,
    AgentLifecycle,
    DeviceAdded,
    MigrationIteration,
    JobCompleted,
    DeviceRemovalFailed,
    /// Has another title, description or element of metadata
    MetadataChange,
    BlockThreshold,
    MemoryFailure,
    MemoryDeviceSizeChange,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|v| v.get_name().to_owned())
            .unwrap_or_default()
    }
}
