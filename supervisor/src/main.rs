//! Keeps a running container: its consoles, log, pidfds and namespaces, behind one control socket. It reads what the container prints,
//! and so holds nothing.

mod client;
mod console;
mod control;
mod end;
mod hold;
mod judge;
mod keeper;
mod output;
mod ring;
mod serve;
mod token;
mod viewer;
mod watch;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Supervisor, serve::serve)
}
