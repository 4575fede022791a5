//! Becomes a piece, with the descriptors laid out as the launcher lays them out. May touch: the descriptors that the options name, and
//! the file of the piece, which lies beside this one.

use crate::refusal::{Refusal, system, usage};
use policies::View;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use wire::Program;

/// Executes the piece, which then finds the channel at 3 and the directories from 4 on; returns only on failure.
pub fn begin(program: Program, socket: RawFd, beneath: &[RawFd]) -> Refusal {
    match become_piece(program, socket, beneath) {
        Ok(e) => system(&format!("execute {}", program.name()), e),
        Err(refusal) => refusal,
    }
}

fn become_piece(program: Program, socket: RawFd, beneath: &[RawFd]) -> Result<std::io::Error, Refusal> {
    if !beneath.is_empty() && policies::of(program).view != View::BeneathInherited {
        return Err(usage("it works beneath no directory"));
    }
    let piece = std::env::current_exe().map_err(|e| system("find its own file", e))?;
    let open = |fd: &RawFd| sys::process::inherited(*fd).map_err(|_| usage(format!("descriptor {fd} is not open")));
    let owned: Vec<OwnedFd> = [socket].iter().chain(beneath).map(open).collect::<Result<_, _>>()?;
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut table: Vec<BorrowedFd<'_>> = vec![input.as_fd(), output.as_fd(), error.as_fd()];
    table.extend(owned.iter().map(AsFd::as_fd));
    sys::process::lay_out(&table).map_err(|e| system("lay the descriptors out", e))?;
    // From here on their numbers are the piece's: nobody here is to close one.
    std::mem::forget(owned);
    let mut command = Command::new(piece.with_file_name(program.name()));
    command.args(["--socket", "3"]);
    if !beneath.is_empty() {
        let numbers: Vec<String> = (4usize..).take(beneath.len()).map(|n| n.to_string()).collect();
        command.arg("--beneath").arg(numbers.join(","));
    }
    Ok(command.exec())
}
