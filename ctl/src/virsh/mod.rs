//! `lazaret` where it is called as virsh, or with `--connect`: which command line that is in `lazaret`'s own words, several commands in one
//! line, and the prompt.

mod absent;
mod builtin;
mod called;
mod grammar;
mod help;
mod line;
mod operands;
mod reader;
mod starter;

pub use absent::refusal;
pub use called::{Session, What, called};
pub use help::about;

use nix::errno::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sys::process::Fork;

/// Holds a session: a child without any power reads what is typed, and this process starts, without a capability of its own, what the
/// child says. Gives the exit status.
pub fn hold(session: &Session) -> Result<u8, String> {
    let failed = |e: Errno| format!("cannot begin a session: {}", e.desc());
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|e| failed(Errno::from_raw(e.raw_os_error())))?;
    match sys::process::fork().map_err(failed)? {
        Fork::Child => {
            drop(ours);
            let status = reader::read(theirs, session).unwrap_or_else(|reason| {
                crate::output::fail(&[&reason]);
                1
            });
            sys::process::exit_now(i32::from(status))
        }
        Fork::Parent(reader) => {
            drop(theirs);
            starter::serve(ours, session)?;
            let ended = sys::process::wait(reader).map_err(failed)?;
            Ok(crate::compose::status(ended))
        }
    }
}
