//! `console`: attaches the caller's terminal to one of the container's; ^] leaves. May touch: the control socket, the terminal.

use crate::console::{Ended, Peer, Proxy};
use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::options::Console;
use crate::output::{print, say};
use crate::session::Session;
use crate::signals::{LEAVING, Signals};
use crate::supervisor::Supervisor;
use std::os::fd::{AsFd, BorrowedFd};
use wire::recordd::Deed;
use wire::supervisor::Control;

struct Viewer {
    supervisor: Supervisor,
    console: u8,
}

impl Peer for Viewer {
    fn news(&self) -> BorrowedFd<'_> {
        self.supervisor.as_fd()
    }

    fn read_news(&mut self) -> Outcome<Option<Ended>> {
        match self.supervisor.hear() {
            // The supervisor has nothing to say here but that it is gone, or that a window has no size.
            Ok(Some(_)) | Err(_) => Ok(None),
            Ok(None) => Ok(Some(None)),
        }
    }

    fn signalled(&mut self, _: i32) -> Outcome<bool> {
        Ok(true)
    }

    fn resize(&mut self, rows: u16, columns: u16) -> Outcome<()> {
        // A supervisor that is gone is noticed by its news.
        let _ = self.supervisor.say(&Control::Resize {
            console: self.console,
            rows,
            columns,
        });
        Ok(())
    }
}

/// Attaches until ^], a signal, or the container's end.
pub fn console(session: &Session, options: &Console) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let (place, _) = found.running()?;
    let number = options.devname.strip_prefix("console").unwrap_or(&options.devname);
    let console = number
        .parse::<u8>()
        .map_err(|_| Error::Usage(format!("{} is no console", options.devname)))?;
    let supervisor = Supervisor::reach(place)?;
    session.launcher.announce(&found.name, Deed::Console)?;
    let stream = supervisor.attach(console, true, false)?;
    session.launcher.leave();
    let signals = Signals::take(&LEAVING)?;
    if rustix::termios::isatty(rustix::stdio::stdin()) {
        say(&format!("connected to {}; ^] leaves", found.name));
    }
    let mut viewer = Viewer { supervisor, console };
    let proxy = Proxy {
        stream: Some(stream),
        input: true,
        escape: true,
        signals: &signals,
    };
    proxy.run(&mut viewer)?;
    print("\n")
}
