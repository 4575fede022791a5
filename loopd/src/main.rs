//! The keeper of loop devices. May touch: the devices and files that come with a request.
//! Options, confinement and the loop are those of every piece: [`policies::piece`].

mod attach;
mod judge;
mod look;
mod marks;
mod serve;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Loopd, serve::serve)
}
