//! What is waited for: one epoll(7) instance. May touch: that instance.

use crate::token::Token;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::{Errno, Result};
use std::os::fd::{AsFd, OwnedFd};

pub use rustix::event::epoll::EventFlags;

/// Readable, for as long as it is.
pub const READABLE: EventFlags = EventFlags::IN;
/// Every change, once. A pty whose other side is closed says so for as long as it is, and would never let us rest otherwise.
pub const CHANGES: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);
/// Every new connection, once: when descriptors run out, it would be said for ever.
pub const ARRIVALS: EventFlags = EventFlags::IN.union(EventFlags::ET);

/// The most events that are taken up at once.
const EVENTS: usize = 32;

/// The instance.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// One that waits for nothing yet.
    pub fn new() -> Result<Self> {
        epoll::create(epoll::CreateFlags::CLOEXEC).map(Self)
    }

    /// Waits for this too.
    pub fn add(&self, fd: impl AsFd, token: Token, what: EventFlags) -> Result<()> {
        epoll::add(&self.0, fd, epoll::EventData::new_u64(token.into()), what)
    }

    /// Says a change again that was said before, if it is still so.
    pub fn again(&self, fd: impl AsFd, token: Token, what: EventFlags) -> Result<()> {
        epoll::modify(&self.0, fd, epoll::EventData::new_u64(token.into()), what)
    }

    /// Waits for this no longer. Closing is not enough where another process holds the same open file.
    pub fn remove(&self, fd: impl AsFd) {
        // It fails only for what was not waited for.
        let _ = epoll::delete(&self.0, fd);
    }

    /// Blocks until something happens; `events` are then the only ones.
    pub fn wait(&self, events: &mut Vec<epoll::Event>) -> Result<()> {
        events.clear();
        events.reserve(EVENTS);
        loop {
            match epoll::wait(&self.0, spare_capacity(events), None) {
                Err(Errno::INTR) => {}
                other => return other.map(drop),
            }
        }
    }
}
