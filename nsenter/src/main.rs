//! `nsenter`: joins a running container by descriptors, confines itself as the container's first process is, and executes a command there.
//! May touch: itself, and one child.

mod initctl;
mod join;
mod judge;
mod network;
mod node;
mod serve;
mod watch;

use wire::program::Program;

fn main() -> std::process::ExitCode {
    policies::piece::run_exempt(Program::Nsenter, serve::serve)
}
