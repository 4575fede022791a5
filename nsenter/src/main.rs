//! `nsenter`: joins a running container by descriptors, confines itself as the container's first process is, and executes a command there.
//! May touch: itself, and one child.

mod join;
mod judge;
mod serve;
mod watch;

use wire::program::Program;

const ABOUT: &str = "Joins a container's namespaces by descriptor, confines itself as its first process is, and executes a command there.";

fn main() -> std::process::ExitCode {
    policies::piece::run_exempt(Program::Nsenter, ABOUT, serve::serve)
}
