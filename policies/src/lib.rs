//! The whole power of each program, as text that is compiled at build, and the code that applies it to the calling process.
//! May touch: the calling process alone, on its way to less power.

mod confine;
pub mod options;
pub mod piece;
mod pipe;
mod policy;
mod view;

pub use confine::{Confined, confine_lazaret};
pub use piece::Ended;
pub use policy::{Payload, Policy, View, of, payload, power};
pub use sys::confine::landlock_abi;
pub use view::restrict_lazaret;
