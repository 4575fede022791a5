//! The writer of control groups. May touch: the directories that it inherits, one in each hierarchy, and what lies beneath.
//! Options, confinement and the loop are those of every piece: [`policies::piece`].

mod cpus;
mod freeze;
mod group;
mod judge;
mod limit;
mod make;
mod remove;
mod serve;
mod settings;
mod wait;

fn main() -> std::process::ExitCode {
    policies::piece::run_beneath(wire::Program::Cgroupd, serve::serve)
}
