//! Options of `event`. Pure.

use clap::{Args, ValueEnum};

/// Options of `event`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret event --event lifecycle --loop\n  lazaret event vm1 --event lifecycle --timeout 60\n  \
    lazaret event --all --loop --json\n\n\
    Tells of what is defined, changed and forgotten, and of what starts, ends, is suspended and goes on. Without --loop the first event is the \
    last. Ends with 0 if an event came, and else with 1. Nobody's power is kept while it waits."
)]
pub struct Event {
    /// Name, uuid or id of the only container that is meant
    pub container: Option<String>,
    /// What is meant
    #[arg(long = "event", value_name = "EVENT", conflicts_with = "all", required_unless_present_any = ["all", "list"])]
    pub kind: Option<Kind>,
    /// Everything
    #[arg(long)]
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

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Defined, undefined, started, suspended, resumed, stopped
    Lifecycle,
}
