//! The network writer: links, addresses, routes and firewall tables, over netlink. May touch: the host's network, and a container's through
//! the socket that it is given. Options, confinement and the loop are those of every piece: [`policies::piece`].

mod bridge;
mod chain;
mod decode;
mod disconnect;
mod dropping;
mod encode;
mod forward;
mod judge;
mod lend;
mod link;
mod member;
mod netlink;
mod reached;
mod request;
mod rule;
mod ruleset;
mod serve;
mod shape;
mod table;
mod undo;

fn main() -> std::process::ExitCode {
    policies::piece::run(wire::Program::Netd, serve::serve)
}
