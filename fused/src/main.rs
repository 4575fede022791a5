//! Serves a container its own `/proc/meminfo` by FUSE. It reads requests that the container makes, and so holds nothing.

mod figures;
mod filesystem;
mod gather;
mod judge;
mod meminfo;
mod serve;
mod texts;
mod unsent;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Fused, serve::serve)
}
