//! Those who are connected to the control socket: who they are, and what goes back to them. May touch: their sockets, which never
//! block: a client that does not read its answers is let go of.

use crate::end::Phase;
use crate::judge;
use crate::keeper::Keeper;
use crate::token::Token;
use crate::watch::READABLE;
use rustix::io::{Errno, IoSliceMut};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, Shutdown, SocketFlags, accept_with, recvmsg, shutdown};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use wire::Failure;
use wire::supervisor::{Control, Report};

/// How often in a row a connection that cannot be taken up is tried.
const TRIES: u8 = 8;

/// One conversation.
#[derive(Debug)]
pub struct Client {
    channel: Channel<Report, Control>,
    /// Whether it wants to know when the container has ended.
    pub waits: bool,
    /// Whether the container ends when it is gone.
    pub tied: bool,
    /// Whether it is root's.
    pub root: bool,
}

impl Client {
    /// Answers.
    pub fn say(&self, report: &Report, descriptors: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        self.channel.send(report, descriptors)
    }

    /// Gives the reason and ends the conversation. Bytes that are not read would make its end look like a failure of the connection,
    /// and hide the reason: so no more are let in, and those that came are thrown away.
    fn turn_away(self, reason: Failure) {
        let _ = shutdown(&self.channel, Shutdown::Read);
        while recvmsg(
            &self.channel,
            &mut [IoSliceMut::new(&mut [0u8; 1])],
            &mut RecvAncillaryBuffer::default(),
            RecvFlags::DONTWAIT | RecvFlags::TRUNC,
        )
        .is_ok_and(|r| r.bytes > 0)
        {}
        // It has its reason, or has gone already; either way that was all.
        let _ = self.say(&Report::Refused(reason), &[]);
    }
}

impl Keeper {
    /// Takes up all new connections. One that cannot be taken up now is tried again, a few times at once, and then whenever somebody has gone:
    /// the kernel tells of it no more.
    pub(crate) fn arrivals(&mut self) {
        let mut failed = 0u8;
        while failed < TRIES {
            match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.arrival(socket),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => failed = failed.saturating_add(1),
            }
        }
    }

    fn arrival(&mut self, socket: OwnedFd) {
        let uid = socket_peercred(&socket).map(|c| c.uid.as_raw());
        let client = Client {
            channel: Channel::new(socket),
            waits: false,
            tied: false,
            root: uid == Ok(0),
        };
        let judged = uid
            .map_err(|e| Failure::kernel("learn who connected", e.raw_os_error()))
            .and_then(|uid| judge::connection(uid, self.client, self.clients.len()));
        let id = self.next_id();
        let admitted = judged.and_then(|()| {
            let added = self.watch.add(client.channel.as_fd(), Token::Client(id), READABLE);
            added.map_err(|e| Failure::kernel("wait for a client", e.raw_os_error()))
        });
        match admitted {
            Ok(()) => drop(self.clients.insert(id, client)),
            Err(failure) => client.turn_away(failure),
        }
    }

    /// Takes one request of a client. Whatever is wrong with it ends this conversation and no other.
    pub(crate) fn client_speaks(&mut self, id: u32) {
        let Some(client) = self.clients.get(&id) else { return };
        let said = match client.channel.receive() {
            Ok((control, descriptors)) => self.answer(id, control, descriptors),
            Err(ChannelError::Kernel(e)) if e as i32 == Errno::AGAIN.raw_os_error() => Ok(()),
            Err(e) => Err(e),
        };
        if said.is_err() {
            let gone = self.clients.remove(&id);
            if gone.is_some_and(|client| client.tied) && self.phase == Phase::Running {
                // If PID 1 is gone already, `init` says so next.
                let _ = self.kill();
            }
            self.arrivals();
        }
    }

    /// Answers one client.
    pub(crate) fn say(&self, id: u32, report: &Report, descriptors: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        self.clients
            .get(&id)
            .map_or(Err(ChannelError::Closed), |client| client.say(report, descriptors))
    }
}
