//! What SECURITY.md says in numbers, measured: on processes that run, on the linked programs, on what is installed. Each figure is one
//! line, `figure NAME: VALUE`, which `make security-figures` shows.

pub mod lines;
pub mod processes;

/// Prints one figure.
pub fn print(name: &str, value: impl std::fmt::Display) {
    println!("figure {name}: {value}");
}
