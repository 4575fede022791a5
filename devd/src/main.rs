//! The writer of device rules of version 2. May touch: the group that comes with a request.
//! Options, confinement and the loop are those of every piece: [`policies::piece`].

mod attach;
mod judge;
mod program;
mod serve;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Devd, serve::serve)
}
