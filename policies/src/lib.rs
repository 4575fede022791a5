//! The whole power of each program, as text that is compiled at build, and the code that applies it to the calling process.
//! May touch: the calling process alone, on its way to less power.

mod confine;
pub mod options;
pub mod piece;
mod pipe;
mod policy;
mod steady;
pub mod verdict;
mod view;

#[cfg(test)]
#[path = "../build/calls.rs"]
mod calls;
#[cfg(test)]
#[path = "../build/condition.rs"]
mod condition;
#[cfg(test)]
#[path = "../build/constants.rs"]
mod constants;
#[cfg(test)]
#[path = "../build/facts.rs"]
mod facts;
#[cfg(test)]
mod rules;
#[cfg(test)]
#[path = "../build/text.rs"]
mod text;

pub use confine::{Confined, confine_lazaret};
pub use piece::Ended;
pub use policy::{Payload, Policy, State, Stricter, View, of, payload, power, stricter};
pub use steady::{Steady, steady};
pub use sys::confine::landlock_abi;
pub use view::restrict_lazaret;
