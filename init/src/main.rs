//! `init`: the outer half makes a container's namespaces and its tree, the inner half is its first process.
//! May touch: what its frames bring, and the namespaces that it makes.

mod afterwards;
mod again;
mod attachments;
mod below;
mod boot;
mod brake;
mod dev;
mod etc;
mod first;
mod inner;
mod judge;
mod keep;
mod masks;
mod outer;
mod place;
mod reaper;
mod serve;
mod templates;
mod tree;
mod undo;
mod vacate;
mod views;

use wire::program::Program;

fn main() -> std::process::ExitCode {
    policies::piece::run_exempt(Program::Init, serve::serve)
}
