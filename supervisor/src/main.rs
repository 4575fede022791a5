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

const ABOUT: &str =
    "Keeps one running container: its consoles, its log, its pidfds and namespaces, behind one control socket.";

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Supervisor, ABOUT, serve::serve)
}
