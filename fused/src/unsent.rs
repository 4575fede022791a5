//! Notices an answer that the kernel did not take. `fuser` says so to its log and to nobody else, and goes on; whoever asked would wait for ever.
//! May touch: the log that `fuser` writes to, and the calling process, which it ends.

use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::errno::Errno;
use policies::Ended;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why an answer was not taken.
static UNSENT: OnceLock<Errno> = OnceLock::new();
/// Whether nobody is left who asks [`before_serving`].
static SERVING: AtomicBool = AtomicBool::new(false);

/// What `fuser` calls an error: an answer that was not taken, a request that is none, or a mistake of its own. None of them can a container
/// bring about.
struct Errors;

impl Log for Errors {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.level() == Level::Error
    }

    /// Comes just after the call that failed, in the same thread. While the connection is served, the end of the process is what frees
    /// who waits: the kernel then answers for it (ENOTCONN).
    fn log(&self, of: &Record<'_>) {
        if self.enabled(of.metadata()) {
            let errno = *UNSENT.get_or_init(Errno::last);
            if SERVING.load(Ordering::Relaxed) {
                sys::process::exit_now(Ended::System(errno).meaning().0.into());
            }
        }
    }

    fn flush(&self) {}
}

/// From here on they are noticed.
pub fn notice() {
    // There is one log in a process, and this is the first to ask for it: only the unit tests come here twice.
    let _ = log::set_logger(&Errors);
    log::set_max_level(LevelFilter::Error);
}

/// Whether all was answered until now. From then on whatever is not ends the process.
pub fn before_serving() -> Result<(), Errno> {
    SERVING.store(true, Ordering::Relaxed);
    UNSENT.get().map_or(Ok(()), |errno| Err(*errno))
}
