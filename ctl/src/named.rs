//! The text of a file that the command line names. May touch: that file, by the launcher's descriptor or its own.

use crate::error::{Error, Outcome};
use crate::state::files::read_open;
use std::os::fd::OwnedFd;

/// The most bytes of a policy that somebody brings.
pub const MOST: usize = 64 * 1024;

/// Reads a whole file of at most [`MOST`] bytes, in UTF-8.
pub fn text(file: OwnedFd, name: &str) -> Outcome<String> {
    let bytes = read_open(file, name, MOST)?;
    let bytes = bytes.ok_or_else(|| Error::caller(format!("{name} has more than {MOST} bytes")))?;
    String::from_utf8(bytes).map_err(|_| Error::caller(format!("{name} is not UTF-8")))
}
