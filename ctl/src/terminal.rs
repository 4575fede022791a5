//! The caller's terminal: whether there is one, its size, and raw mode, which is always taken back. May touch: the three standard
//! streams.

use crate::error::{Error, Outcome};
use nix::errno::Errno;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::os::fd::BorrowedFd;
use wire::init::Window;

/// Which of the three standard streams are terminals.
pub fn terminals() -> [bool; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()].map(isatty)
}

/// Where a console is shown: the first of the standard streams, output before input, that is a terminal; or standard output.
pub fn screen() -> BorrowedFd<'static> {
    let streams = [rustix::stdio::stdout(), rustix::stdio::stderr(), rustix::stdio::stdin()];
    streams
        .into_iter()
        .find(|fd| isatty(*fd))
        .unwrap_or_else(|| rustix::stdio::stdout())
}

/// The size of the caller's terminal, for one that stands in for it.
pub fn window() -> Option<Window> {
    size().map(|(rows, columns)| Window { rows, columns })
}

/// Rows and columns, if they are known.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(screen()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Standard input in raw mode, until this is dropped.
#[derive(Debug)]
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Puts standard input into raw mode; `None` if it is no terminal.
    pub fn begin() -> Outcome<Option<Self>> {
        let input = rustix::stdio::stdin();
        if !isatty(input) {
            return Ok(None);
        }
        let failed = |e: rustix::io::Errno| Error::kernel("set the terminal's mode", Errno::from_raw(e.raw_os_error()));
        let before = tcgetattr(input).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(input, OptionalActions::Drain, &raw).map_err(failed)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.before);
    }
}
