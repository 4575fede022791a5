//! The writer of id maps. May touch: `uid_map` and `gid_map` of the process whose directory comes with a request.
//! Options, confinement and the loop are those of every piece: [`policies::piece`].

mod judge;
mod serve;
mod write;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Idmapd, serve::serve)
}
