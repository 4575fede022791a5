//! A container that is tied to the command which started it (`--autodestroy`). May touch: the control socket, signals, the terminal.

use super::console::{self, Key};
use super::destroy;
use crate::console::{Ended, Peer, Proxy};
use crate::error::Outcome;
use crate::lookup::find;
use crate::reconcile::finish;
use crate::session::Session;
use crate::signals::{LEAVING, Signals};
use crate::state::Place;
use crate::supervisor::Supervisor;
use std::os::fd::{AsFd, BorrowedFd};
use wire::ContainerName;
use wire::supervisor::Control;

/// The conversation that it is tied to.
#[derive(Debug)]
pub struct Tie {
    supervisor: Supervisor,
}

impl Tie {
    /// Ties a container that is about to start: it ends when this conversation does, whoever ends it.
    pub fn prepare(place: &Place) -> Outcome<Self> {
        let supervisor = Supervisor::reach(place)?;
        supervisor.say(&Control::WaitTied)?;
        Ok(Self { supervisor })
    }

    /// Stays until its end, or until the caller leaves, and ends it then.
    pub fn stay(mut self, session: &Session, name: &ContainerName, id: u32, console: Option<Key>) -> Outcome<()> {
        match console {
            Some(key) => console::attach(session, &find(&session.store, name.as_str())?, 0, key, false)?,
            None => {
                let signals = Signals::take(&LEAVING)?;
                let proxy = Proxy {
                    stream: None,
                    input: false,
                    escape: None,
                    signals: &signals,
                };
                proxy.run(&mut self)?;
            }
        }
        let found = find(&session.store, name.as_str());
        match found {
            // It may end meanwhile of itself, which is as well.
            Ok(found) if found.id() == Some(id) => destroy::end(session, &found).or_else(|e| match found.running() {
                Ok(_) => Err(e),
                Err(_) => Ok(()),
            }),
            _ => finish(session, name, id),
        }
    }
}

impl Peer for Tie {
    fn news(&self) -> BorrowedFd<'_> {
        self.supervisor.as_fd()
    }

    fn read_news(&mut self) -> Outcome<Option<Ended>> {
        self.supervisor.ended().map(Some)
    }

    fn signalled(&mut self, _: i32) -> Outcome<bool> {
        Ok(true)
    }

    fn resize(&mut self, _: u16, _: u16) -> Outcome<()> {
        Ok(())
    }
}
