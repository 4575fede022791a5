//! A netlink socket and its conversations (netlink(7)). May touch: its one socket. Nothing here blocks: the kernel has answered when a
//! request has been sent, and a socket that somebody else opened may lead to somebody who never answers.

use crate::decode::{self, DONE, DUMP_INTERRUPTED, ERROR, messages};
use crate::encode::{Malformed, Message};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, send, sendto, socket,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use wire::Failure;

/// Bytes that one answer may have: the kernel fills less of a dump into one datagram, and of one link all its other names, which are almost 64 KiB at most.
const DATAGRAM: usize = 96 * 1024;
/// Datagrams read for one request before it is given up, whoever sent them: a dump of 65,536 ports takes fewer.
const DATAGRAMS: usize = 16 * 1024;

/// How often a list is asked for that changes while it is read.
const ATTEMPTS: usize = 16;

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The kernel said no.
    Kernel(Errno),
    /// No answer, or one that is no netlink.
    Garbled,
}

impl Denied {
    /// The failure to tell of, where `what` follows "cannot".
    pub fn during(self, what: &str) -> Failure {
        match self {
            Self::Kernel(errno) => Failure::kernel(what, errno as i32),
            Self::Garbled => Failure::protocol(&format!("{what}: the answer over netlink makes no sense")),
        }
    }
}

impl From<Malformed> for Denied {
    fn from(Malformed: Malformed) -> Self {
        Self::Garbled
    }
}

impl From<Errno> for Denied {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

/// An answer to one of several requests that were sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The request's sequence number.
    pub sequence: u32,
    /// 0, or what the kernel says against it.
    pub errno: i32,
}

/// What the kernel tells of links that come, change and go, whoever did it (`RTMGRP_LINK`).
#[derive(Debug)]
pub struct News(Netlink);

impl News {
    /// Everything from now on.
    pub fn listen() -> Result<Self, Denied> {
        const LINKS: u32 = 1;
        let netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
        bind(netlink.socket.as_raw_fd(), &NetlinkAddr::new(0, LINKS))?;
        Ok(Self(netlink))
    }

    /// Waits for news, for as long as this at most. What it says is not asked: who wants to know looks again.
    pub fn wait(&self, most: Duration) -> Result<(), Denied> {
        let time = Timespec::try_from(most).unwrap_or_default();
        let wait = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&time));
        match wait {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Errno::from_raw(e.raw_os_error()).into()),
        }
        self.0.answers().map(drop)
    }
}

/// One end of a conversation with the kernel.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    /// Whether what is sent has an address.
    addressed: bool,
}

impl Netlink {
    /// A new socket in this process's network namespace.
    pub fn open(protocol: SockProtocol) -> Result<Self, Denied> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        Ok(Self::over(socket))
    }

    /// A conversation over a socket that was opened elsewhere.
    pub const fn over(socket: OwnedFd) -> Self {
        Self {
            socket,
            sequence: 0,
            addressed: false,
        }
    }

    /// The next sequence number.
    pub const fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends bytes to the kernel, where a socket leads that nobody has connected elsewhere. To one that is addressed the kernel lends this process's power
    /// whoever opened the socket; without an address it asks for that of who opened it, too (netlink(7) does not say so; `netlink_ns_capable`).
    pub fn send(&self, bytes: &[u8]) -> Result<(), Denied> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let socket = self.socket.as_raw_fd();
        let sent = if self.addressed {
            sendto(socket, bytes, &NetlinkAddr::new(0, 0), flags)
        } else {
            send(socket, bytes, flags)
        }?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(Denied::Garbled)
        }
    }

    /// One datagram from the kernel itself; `None` where no more is there. What other processes sent is passed over, and counts as well.
    fn receive<'a>(&self, buffer: &'a mut [u8], left: &mut usize) -> Result<Option<&'a [u8]>, Denied> {
        while let Some(fewer) = left.checked_sub(1) {
            *left = fewer;
            let (length, sender, flags) = {
                let mut parts = [IoSliceMut::new(buffer)];
                match recvmsg::<NetlinkAddr>(self.socket.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT) {
                    Ok(message) => (message.bytes, message.address, message.flags),
                    Err(Errno::EAGAIN) => return Ok(None),
                    // Some answers did not fit into the socket's memory; the earliest ones did.
                    Err(Errno::EINTR | Errno::ENOBUFS) => continue,
                    Err(errno) => return Err(errno.into()),
                }
            };
            if flags.contains(MsgFlags::MSG_TRUNC) {
                return Err(Denied::Garbled);
            }
            if sender.is_some_and(|s| s.pid() == 0) {
                return buffer.get(..length).map(Some).ok_or(Denied::Garbled);
            }
        }
        Err(Denied::Garbled)
    }

    /// Sends a request that wants an answer, and returns the bodies of what came before the answer.
    pub fn ask(&mut self, request: &Message) -> Result<Vec<Vec<u8>>, Denied> {
        self.select(request, |_| true)
    }

    /// The same of a list, of which only what is wanted is kept; again where it changed while it was read.
    pub fn list(&mut self, request: &Message, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>, Denied> {
        for _ in 0..ATTEMPTS {
            match self.select(request, &wanted) {
                Err(Denied::Kernel(Errno::EINTR)) => {}
                answer => return answer,
            }
        }
        Err(Denied::Kernel(Errno::EINTR))
    }

    fn select(&mut self, request: &Message, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>, Denied> {
        let sequence = self.next();
        self.send(&request.bytes(sequence)?)?;
        let mut buffer = vec![0; DATAGRAM];
        let mut found = Vec::new();
        let mut left = DATAGRAMS;
        loop {
            let datagram = self.receive(&mut buffer, &mut left)?.ok_or(Denied::Garbled)?;
            for message in messages(datagram) {
                let message = message?;
                match message.kind {
                    _ if message.sequence != sequence => {}
                    ERROR => {
                        return match decode::answer(message.body)? {
                            0 => Ok(found),
                            errno => Err(Errno::from_raw(errno).into()),
                        };
                    }
                    _ if message.flags & DUMP_INTERRUPTED != 0 => return Err(Denied::Kernel(Errno::EINTR)),
                    DONE => return Ok(found),
                    _ if wanted(message.body) => found.push(message.body.to_vec()),
                    _ => {}
                }
            }
        }
    }

    /// Every answer that waits, in the order of the requests.
    pub fn answers(&self) -> Result<Vec<Answer>, Denied> {
        let mut buffer = vec![0; DATAGRAM];
        let mut answers = Vec::new();
        let mut left = DATAGRAMS;
        while let Some(datagram) = self.receive(&mut buffer, &mut left)? {
            for message in messages(datagram) {
                let message = message?;
                if message.kind == ERROR {
                    answers.push(Answer {
                        sequence: message.sequence,
                        errno: decode::answer(message.body)?,
                    });
                }
            }
        }
        Ok(answers)
    }

    /// Does it, and says what could not be done.
    pub fn order(&mut self, request: &Message, what: impl Fn() -> String) -> Result<(), Failure> {
        self.ask(request).map(drop).map_err(|denied| denied.during(&what()))
    }

    /// The same by this process's power alone, whoever opened the socket: for what comes from there to the host, where who opened it has none.
    pub fn order_alone(&mut self, request: &Message, what: impl Fn() -> String) -> Result<(), Failure> {
        self.addressed = true;
        let done = self.order(request, what);
        self.addressed = false;
        done
    }

    /// The socket itself.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;
    use nix::sys::socket::socketpair;

    #[test]
    fn the_kernel_describes_the_loopback_and_denies_what_is_not_there() {
        let mut netlink = Netlink::open(SockProtocol::NetlinkRoute).unwrap();
        let lo = netlink
            .ask(&request::get_link(&wire::LinkName::new("lo").unwrap()))
            .unwrap();
        assert_eq!(decode::link(&lo[0]).unwrap().index, 1);
        let missing = netlink.ask(&request::get_link(&wire::LinkName::new("lz.missing").unwrap()));
        assert_eq!(missing, Err(Denied::Kernel(Errno::ENODEV)));
    }

    #[test]
    fn a_socket_that_is_not_netlink_or_never_answers_is_an_error_at_once() {
        let (ours, _theirs) = socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::empty()).unwrap();
        assert!(Netlink::over(ours).ask(&request::up(1)).is_err());
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::empty()).unwrap();
        drop(theirs);
        assert!(Netlink::over(ours).ask(&request::up(1)).is_err());
    }
}
