//! The form of the log of deeds: records that each carry the hash of the one before. Shared by `recordd`, which appends, and `lazaret
//! audit`, which reads. Pure: it reads what it is given, and makes no system call.
//!
//! A log is records, one after the other, in one file or several. Every number is little-endian.
//!
//! ```text
//! offset 0   u32  magic "LZAU"
//! offset 4   u16  version of this form, 1
//! offset 6   u16  flags; bit 0: the head was lost when this was written
//! offset 8   u32  number of bytes before this record that are of none: a record that was not finished
//! offset 12  u32  length of the body
//! offset 16  u64  number of the record, from 1, over all files of the log
//! offset 24  u64  when it was written, in nanoseconds since 1970
//! offset 32       the last 32 bytes of the record before, wherever that is; zeros in the first of all
//! offset 64       body
//! after it        SHA-256 of the bytes of none before it, and of all of the above
//! ```

mod head;
mod record;
mod verify;
mod walk;

pub use head::{HEAD, Head};
pub use record::{Hash, MOST, Record, append};
pub use verify::{Finding, Verifier};
pub use walk::{Item, Walk};
