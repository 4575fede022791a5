//! Waits until a link is gone that `netd` was asked to remove. Whoever asks the kernel for that comes back when its callbacks of all kinds have run, some 15 ms
//! to 70 ms after nobody finds the link any more; nobody else has to wait for that. May touch: two rtnetlink sockets, which change nothing.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, recvmsg, send, socket,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use wire::LinkName;

/// How long is waited: as long as for any answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// `RTMGRP_LINK`: what becomes of links (rtnetlink(7)).
const LINKS: u32 = 1;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const IFLA_IFNAME: u16 = 3;
/// Of a message (`struct nlmsghdr`), and of what is said of a link before its attributes (`struct ifinfomsg`).
const HEADER: usize = 16;

/// How it came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The link is gone.
    Gone,
    /// Whoever was asked has answered, or has ended, or nothing has happened for very long.
    Answered,
}

/// Hears what becomes of links.
#[derive(Debug)]
pub struct Leaving {
    news: OwnedFd,
    question: OwnedFd,
}

fn netlink() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
}

impl Leaving {
    /// From now on.
    pub fn listen() -> nix::Result<Self> {
        let (news, question) = (netlink()?, netlink()?);
        bind(news.as_raw_fd(), &NetlinkAddr::new(0, LINKS))?;
        Ok(Self { news, question })
    }

    /// Waits until nobody finds a link of that name any more, or until who was asked to remove it has something to say.
    pub fn until_gone(&self, name: &LinkName, asked: BorrowedFd<'_>) -> nix::Result<Left> {
        let end = Instant::now().checked_add(PATIENCE);
        loop {
            let left = end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
            let left = Timespec::try_from(left).unwrap_or_default();
            let mut both = [
                PollFd::new(&self.news, PollFlags::IN),
                PollFd::from_borrowed_fd(asked, PollFlags::IN),
            ];
            match poll(&mut both, Some(&left)) {
                Ok(0) => return Ok(Left::Answered),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(sys::process::errno(e)),
            }
            let [news, answer] = both.map(|fd| !fd.revents().is_empty());
            if answer {
                return Ok(Left::Answered);
            }
            if news && self.forget_news()? && !self.is_there(name)? {
                return Ok(Left::Gone);
            }
        }
    }

    /// What they say is not asked: who wants to know looks.
    fn forget_news(&self) -> nix::Result<bool> {
        let mut room = [0u8; 64];
        loop {
            match recv(self.news.as_raw_fd(), &mut room, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => return Ok(true),
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether there is a link of that name. The kernel answers while nobody is changing any.
    fn is_there(&self, name: &LinkName) -> nix::Result<bool> {
        let flags = MsgFlags::MSG_NOSIGNAL;
        send(self.question.as_raw_fd(), &question(name).ok_or(Errno::EINVAL)?, flags)?;
        match judge(&self.answer()?) {
            Some(Ok(())) => Ok(true),
            Some(Err(Errno::ENODEV)) => Ok(false),
            Some(Err(e)) => Err(e),
            None => Err(Errno::EPROTO),
        }
    }

    /// The kernel's answer, which is there when it was asked; what a link is said to be is cut off. What another process has sent is passed over.
    fn answer(&self) -> nix::Result<[u8; 64]> {
        loop {
            let mut answer = [0u8; 64];
            let mut parts = [IoSliceMut::new(&mut answer)];
            let socket = self.question.as_raw_fd();
            let received = recvmsg::<NetlinkAddr>(socket, &mut parts, None, MsgFlags::MSG_DONTWAIT)?;
            if received.address.is_some_and(|sender| sender.pid() == 0) {
                return Ok(answer);
            }
        }
    }
}

/// Asks for the link of that name.
fn question(name: &LinkName) -> Option<Vec<u8>> {
    let name = name.as_str().as_bytes();
    let attribute = name.len().checked_add(5)?;
    let length = attribute.next_multiple_of(4).checked_add(HEADER)?.checked_add(HEADER)?;
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&u32::try_from(length).ok()?.to_ne_bytes());
    message.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    // Its number, from whom, and an `ifinfomsg` that says nothing.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[0; HEADER]);
    message.extend_from_slice(&u16::try_from(attribute).ok()?.to_ne_bytes());
    message.extend_from_slice(&IFLA_IFNAME.to_ne_bytes());
    message.extend_from_slice(name);
    message.resize(length, 0);
    Some(message)
}

/// Whether an answer is of a link, or which error it is; `None` if it is neither.
fn judge(answer: &[u8]) -> Option<Result<(), Errno>> {
    let kind = answer.get(4..6)?.try_into().ok().map(u16::from_ne_bytes)?;
    match kind {
        RTM_NEWLINK => Some(Ok(())),
        NLMSG_ERROR => {
            let errno = answer
                .get(HEADER..)?
                .get(..4)?
                .try_into()
                .ok()
                .map(i32::from_ne_bytes)?;
            Some(Err(Errno::from_raw(errno.checked_neg()?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn name(name: &str) -> LinkName {
        LinkName::new(name).unwrap()
    }

    #[test]
    fn the_loopback_is_there_and_others_are_not() {
        let leaving = Leaving::listen().unwrap();
        assert_eq!(leaving.is_there(&name("lo")), Ok(true));
        assert_eq!(leaving.is_there(&name("lz.missing")), Ok(false));
        assert_eq!(leaving.is_there(&name("lo")), Ok(true));
    }

    #[test]
    fn who_was_asked_and_answers_or_ends_is_not_waited_for() {
        let leaving = Leaving::listen().unwrap();
        for speaks in [true, false] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            if speaks {
                std::io::Write::write_all(&mut theirs, b"x").unwrap();
            } else {
                drop(theirs);
            }
            assert_eq!(leaving.until_gone(&name("lo"), ours.as_fd()), Ok(Left::Answered));
        }
    }

    #[test]
    fn garbage_is_no_answer() {
        assert_eq!(judge(&[]), None);
        assert_eq!(judge(&[0; 64]), None);
        let mut refusal = [0u8; 20];
        refusal[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        refusal[16..20].copy_from_slice(&(-19i32).to_ne_bytes());
        assert_eq!(judge(&refusal), Some(Err(Errno::ENODEV)));
        assert_eq!(judge(&refusal[..18]), None);
    }
}
