//! The whole power of each program, as text that is compiled at build, and the code that applies it to the calling process.
//! May touch: the calling process alone, on its way to less power.

pub mod compile;
mod confine;
pub mod masks;
pub mod options;
pub mod piece;
mod policy;
mod shorten;
mod steady;
pub mod texts;
pub mod verdict;
mod view;

#[cfg(test)]
mod rules;

// What the build reads the policy files by, `lazaret` reads those of its users by.
#[path = "../build/calls.rs"]
pub mod calls;
#[path = "../build/condition.rs"]
pub mod condition;
#[path = "../build/constants.rs"]
pub mod constants;
#[path = "../build/facts.rs"]
pub mod facts;
#[path = "../build/text.rs"]
pub mod text;

pub use confine::{Confined, confine_lazaret};
pub use piece::Ended;
pub use policy::{Payload, Policy, State, Stricter, View, of, payload, power, stricter};
pub use steady::{Steady, steady};
pub use sys::confine::landlock_abi;
pub use view::{ViewOfLazaret, restrict_lazaret};
