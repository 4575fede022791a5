//! The rules of a link on a network of ours that comes to a container while it runs, or goes: its supervisor keeps them from then on, or lets them
//! go. `lazaret` says where that is reached; that it is the supervisor who answers is the kernel's word (unix(7), `SCM_CREDENTIALS`), since rules that
//! somebody else kept would end whenever that one likes. May touch: the container's control socket.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use sys::process::errno;
use wire::frame::{MAX_PAYLOAD, decode};
use wire::ids::IdBlock;
use wire::supervisor::{Control, Report};
use wire::{Failure, LinkName};

/// How long the supervisor may take to be reached, and for its answer, in seconds.
const PATIENCE: i64 = 10;
/// Bytes of the longest answer: a refusal.
const LONGEST: usize = MAX_PAYLOAD;

/// A conversation with the supervisor of the container with these ids.
#[derive(Debug)]
pub struct Keeper {
    channel: Channel<Control, Report>,
    id: u32,
}

fn kernel(e: nix::errno::Errno) -> Failure {
    match e {
        nix::errno::Errno::EAGAIN => Failure::caller(&format!(
            "reach the container's supervisor: it did not answer within {PATIENCE} s"
        )),
        e => Failure::kernel("reach the container's supervisor", e as i32),
    }
}

impl Keeper {
    /// Connects by its socket, which was opened without reading or writing. `None`: it has ended.
    pub fn reach(control: &OwnedFd, block: IdBlock) -> Result<Option<Self>, Failure> {
        Self::reach_within(control, block, PATIENCE)
    }

    fn reach_within(control: &OwnedFd, block: IdBlock, seconds: i64) -> Result<Option<Self>, Failure> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let ours = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(kernel)?;
        setsockopt(&ours, sockopt::PassCred, &true).map_err(kernel)?;
        let limit = TimeVal::new(seconds, 0);
        setsockopt(&ours, sockopt::ReceiveTimeout, &limit).map_err(kernel)?;
        // connect(2) waits by this one where the backlog is full.
        setsockopt(&ours, sockopt::SendTimeout, &limit).map_err(kernel)?;
        let address = format!("/proc/self/fd/{}", control.as_raw_fd());
        let address = UnixAddr::new(address.as_str()).map_err(kernel)?;
        match connect(ours.as_raw_fd(), &address) {
            Ok(()) => Ok(Some(Self {
                channel: Channel::new(ours),
                id: block.keeper(),
            })),
            Err(nix::errno::Errno::ECONNREFUSED | nix::errno::Errno::ENOENT) => Ok(None),
            Err(e) => Err(kernel(e)),
        }
    }

    /// Has it keep the firewall's socket of this link and the claim of addresses.
    pub fn hold(&self, link: &LinkName, firewall: &OwnedFd, claim: &OwnedFd) -> Result<(), Failure> {
        self.ask(&Control::Wall(link.clone()), &[firewall.as_fd(), claim.as_fd()])
    }

    /// Has it let those of this link go. One that has ended keeps none; and one of an earlier version, which does not know of this and closes,
    /// keeps what it has to its end.
    pub fn let_go(&self, link: &LinkName) -> Result<(), Failure> {
        self.ask(&Control::Unwall(link.clone()), &[])
    }

    fn ask(&self, control: &Control, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        match self.channel.send(control, descriptors) {
            // One that has closed may have said why before.
            Ok(()) | Err(ChannelError::Closed) => {}
            Err(ChannelError::Kernel(e)) => return Err(kernel(e)),
            Err(ChannelError::Frame(_)) => return Err(Failure::bug("ask the container's supervisor")),
        }
        let mut bytes = vec![0; LONGEST];
        let (length, speaker) = self.hear(&mut bytes)?;
        if length == 0 {
            return match control {
                Control::Unwall(_) => Ok(()),
                _ => Err(Failure::caller("reach the container's supervisor: it has ended")),
            };
        }
        if speaker != Some(self.id) {
            return Err(Failure::caller(
                "reach the container's supervisor: what answers at its control socket is somebody else",
            ));
        }
        match decode(bytes.get(..length).unwrap_or_default(), 0) {
            Ok(Report::Done) => Ok(()),
            Ok(Report::Refused(failure)) => Err(failure),
            _ => Err(Failure::protocol("understand the container's supervisor")),
        }
    }

    /// One packet, and under which uid it was sent; an empty one is the end. No descriptor comes with it.
    fn hear(&self, bytes: &mut [u8]) -> Result<(usize, Option<u32>), Failure> {
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut room);
        let received = loop {
            let mut parts = [IoSliceMut::new(bytes)];
            match recvmsg(&self.channel, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC).map_err(errno) {
                Ok(received) => break received.bytes,
                // That it closed without reading is said once, ahead of what it had sent before and of the end.
                Err(nix::errno::Errno::EINTR | nix::errno::Errno::ECONNRESET) => {}
                Err(e) => return Err(kernel(e)),
            }
        };
        let speaker = beside.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmCredentials(who) => Some(who.uid.as_raw()),
            _ => None,
        });
        Ok((received, speaker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use rustix::net::{SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, socket_with};

    /// A control socket that nobody else has, as it is found by the launcher.
    fn control(name: &str, backlog: i32) -> (std::path::PathBuf, OwnedFd, OwnedFd) {
        let path = std::env::temp_dir().join(format!("lazaret-{name}-{}", std::process::id()));
        let family = rustix::net::AddressFamily::UNIX;
        let listener = socket_with(family, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&listener, backlog).unwrap();
        let control = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        (path, listener, control)
    }

    fn block() -> IdBlock {
        IdBlock::new(wire::ids::OWN_FIRST).unwrap()
    }

    fn link() -> LinkName {
        LinkName::new("lzv1").unwrap()
    }

    #[test]
    fn who_closes_has_let_the_rules_go_and_keeps_none() {
        let (path, listener, control) = control("closes", 1);
        let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let closes: [fn(OwnedFd); 3] = [
            |theirs| drop(Channel::<Report, Control>::new(theirs).receive().unwrap()),
            |theirs| {
                let mut look = [rustix::event::PollFd::new(&theirs, rustix::event::PollFlags::IN)];
                assert_eq!(rustix::event::poll(&mut look, None), Ok(1), "it is not read");
            },
            drop,
        ];
        for (number, close) in closes.into_iter().enumerate() {
            for lets_go in [true, false] {
                let keeper = Keeper::reach(&control, block()).unwrap().unwrap();
                let theirs = accept(&listener).unwrap();
                let closing = std::thread::spawn(move || close(theirs));
                let answer = match lets_go {
                    true => keeper.let_go(&link()),
                    false => keeper.hold(&link(), &file, &file),
                };
                closing.join().unwrap();
                match lets_go {
                    true => assert_eq!(answer, Ok(()), "{number}"),
                    false => assert!(answer.unwrap_err().what.as_str().ends_with("it has ended"), "{number}"),
                }
            }
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn one_that_stands_still_is_not_waited_for_for_ever() {
        let (path, _listener, control) = control("stands", 0);
        // The kernel lets one more wait than was asked for.
        let _waiting = Keeper::reach_within(&control, block(), 1).unwrap().unwrap();
        let why = Keeper::reach_within(&control, block(), 1).unwrap_err();
        assert!(why.what.as_str().contains("did not answer"), "{}", why.what);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn rules_are_given_to_nobody_but_the_supervisor_and_one_that_has_ended_is_no_error() {
        let (path, listener, control) = control("wall", 1);
        let keeper = Keeper::reach(&control, block()).unwrap().unwrap();
        let theirs = accept(&listener).unwrap();
        let imposter = std::thread::spawn(move || {
            let channel: Channel<Report, Control> = Channel::new(theirs);
            let (asked, _) = channel.receive().unwrap();
            channel.send(&Report::Done, &[]).unwrap();
            asked
        });
        let why = keeper.let_go(&link()).unwrap_err();
        assert!(why.what.as_str().contains("somebody else"), "{}", why.what);
        assert_eq!(imposter.join().unwrap(), Control::Unwall(link()));
        drop(listener);
        assert!(Keeper::reach(&control, block()).unwrap().is_none());
        std::fs::remove_file(path).unwrap();
    }
}
