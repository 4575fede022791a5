//! Options of `top`. Pure.

use clap::{Args, ValueEnum};

/// Options of `top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret top\n  lazaret top --batch -n 1 --sort memory\n  lazaret top --json -n 3 --delay 5\n\n\
    In a terminal the table is drawn anew after each delay, until q or ^C. Where standard output is no terminal, or with --batch or --json, \
    one table, or one line of JSON, is printed after each delay. Rates are those of that time; 100 % is one processor. PRESSURE is the part of \
    the last ten seconds in which a task waited for processors, memory or input and output, where the kernel tells it (version 2)."
)]
pub struct Top {
    /// Print one table after the other, without drawing
    #[arg(long, short = 'b')]
    pub batch: bool,
    /// How many tables
    #[arg(long = "iterations", short = 'n', value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: Option<u32>,
    /// Seconds between two tables
    #[arg(long, short = 'd', value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub delay: u32,
    /// What comes first
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t = Column::Cpu)]
    pub sort: Column,
    /// Print JSON, one sample a line
    #[arg(long)]
    pub json: bool,
}

/// A column by which containers are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Column {
    /// Processor time
    Cpu,
    /// Memory
    Memory,
    /// Tasks
    Tasks,
    /// What is read and written on disks
    Disk,
    /// What is received and sent
    Network,
    /// Names
    Name,
}
