//! The writer of the log of deeds. May touch: the log and its head, which come with a request, and the kernel's audit system by a socket that
//! comes with them. Options, confinement and the loop are those of every piece: [`policies::piece`].

mod append;
mod judge;
mod kernel;
mod serve;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Recordd, serve::serve)
}
