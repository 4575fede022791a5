//! The real supervisor, confined, under an id of its own, with ptys, and with processes that stand in for PID 1 and `init`.
//! Needs root, to give it that id. Touches: a directory of its own below the system's temporary one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)] // Tests say so that something is wrong.

mod consoles;
mod control;
mod ends;
mod kept;
