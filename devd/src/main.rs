//! The writer of device rules. May touch: the group, or the two files, that come with a request.
//! Options, confinement and the loop are those of every piece: [`policies::piece`].

mod attach;
mod judge;
mod program;
mod serve;
mod write;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Devd, serve::serve)
}
