//! The mount factory: makes mounts that are attached nowhere. May touch: the descriptors of a request.
//! Options, confinement and the loop are those of every piece: [`policies::piece`].

mod devices;
mod disk;
mod fuse;
mod judge;
mod make;
mod node;
mod pseudo;
mod serve;
mod tree;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Mountd, serve::serve)
}
