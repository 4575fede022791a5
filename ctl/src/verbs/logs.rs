//! `logs`: what a container has printed, from the ring that the supervisor writes. May touch: the log file, the control socket.

use crate::console::write_all;
use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::options::Logs;
use crate::session::Session;
use crate::state::Place;
use crate::state::files::read_open;
use crate::supervisor::Supervisor;
use nix::errno::Errno;
use wire::supervisor::{RING, RING_HEADER};

/// Puts the content of a ring file into order: the number of bytes ever written, then the ring. Pure.
pub fn unroll(file: &[u8]) -> Vec<u8> {
    let Some((count, ring)) = file.split_first_chunk::<8>() else {
        return Vec::new();
    };
    let count = u64::from_le_bytes(*count);
    let size = u64::try_from(ring.len()).unwrap_or(u64::MAX);
    if count <= size {
        return ring
            .get(..usize::try_from(count).unwrap_or(0))
            .unwrap_or_default()
            .to_vec();
    }
    let at = count
        .checked_rem(size)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0);
    let (newer, older) = ring.split_at_checked(at).unwrap_or((ring, &[]));
    [older, newer].concat()
}

/// Shows what is there, or goes on until the end.
pub fn logs(session: &Session, options: &Logs) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let Some(place) = &found.place else {
        return Err(Error::caller(format!(
            "{} is not running, and nothing of it is kept",
            found.name
        )));
    };
    if options.follow
        && found.running().is_ok()
        && let Some(supervisor) = Supervisor::connect(place)?
    {
        session.launcher.leave();
        return follow(&supervisor);
    }
    show(place)
}

fn show(place: &Place) -> Outcome<()> {
    let Some(log) = place.log()? else { return Ok(()) };
    let most = usize::try_from(RING.saturating_add(RING_HEADER)).unwrap_or(usize::MAX);
    let content = read_open(log, "the log", most)?.unwrap_or_default();
    put(&unroll(&content))
}

/// Everything from the start of the ring, and what comes, until the stream ends.
fn follow(supervisor: &Supervisor) -> Outcome<()> {
    let stream = supervisor.attach(0, true, false)?;
    let mut part = [0u8; 16384];
    loop {
        match rustix::io::read(&stream, &mut part) {
            Ok(0) | Err(rustix::io::Errno::CONNRESET) => return Ok(()),
            Ok(n) => put(part.get(..n).unwrap_or_default())?,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Error::kernel("read the log", Errno::from_raw(e.raw_os_error()))),
        }
    }
}

/// Bytes of the container's: as they are into a file or pipe, escaped onto a terminal.
fn put(bytes: &[u8]) -> Outcome<()> {
    let out = rustix::stdio::stdout();
    if rustix::termios::isatty(out) {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        return write_all(out, crate::escape::escape_lines(&text).as_bytes());
    }
    write_all(out, bytes).map_err(|e| match e {
        Error::Kernel(_, errno) => Error::printing(errno),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(count: u64, ring: &[u8]) -> Vec<u8> {
        [&count.to_le_bytes(), ring].concat()
    }

    #[test]
    fn a_ring_is_read_from_its_oldest_byte() {
        assert_eq!(unroll(&file(0, b"....")), b"");
        assert_eq!(unroll(&file(3, b"abc.")), b"abc");
        assert_eq!(unroll(&file(4, b"abcd")), b"abcd");
        assert_eq!(unroll(&file(6, b"efcd")), b"cdef");
        assert_eq!(unroll(b"short"), b"");
        assert_eq!(unroll(&file(9, b"")), b"");
    }
}
