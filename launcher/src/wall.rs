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
use wire::Failure;
use wire::frame::{MAX_PAYLOAD, decode};
use wire::ids::IdBlock;
use wire::supervisor::{Control, Report};

/// How long the supervisor may take for its answer, in seconds.
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
    Failure::kernel("reach the container's supervisor", e as i32)
}

impl Keeper {
    /// Connects by its socket, which was opened without reading or writing. `None`: it has ended.
    pub fn reach(control: &OwnedFd, block: IdBlock) -> Result<Option<Self>, Failure> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let ours = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(kernel)?;
        setsockopt(&ours, sockopt::PassCred, &true).map_err(kernel)?;
        setsockopt(&ours, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE, 0)).map_err(kernel)?;
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

    /// Has it keep the firewall's socket and the claim of addresses.
    pub fn hold(&self, firewall: &OwnedFd, claim: &OwnedFd) -> Result<(), Failure> {
        self.ask(&Control::Wall, &[firewall.as_fd(), claim.as_fd()])
    }

    /// Has it let them go.
    pub fn let_go(&self) -> Result<(), Failure> {
        self.ask(&Control::Unwall, &[])
    }

    fn ask(&self, control: &Control, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let closed = |e| match e {
            ChannelError::Kernel(e) => kernel(e),
            _ => Failure::caller("reach the container's supervisor: it has ended"),
        };
        self.channel.send(control, descriptors).map_err(closed)?;
        let mut bytes = vec![0; LONGEST];
        let (length, speaker) = self.hear(&mut bytes)?;
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

    /// One packet, and under which uid it was sent. No descriptor comes with it.
    fn hear(&self, bytes: &mut [u8]) -> Result<(usize, Option<u32>), Failure> {
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut room);
        let received = loop {
            let mut parts = [IoSliceMut::new(bytes)];
            match recvmsg(&self.channel, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC).map_err(errno) {
                Ok(received) => break received.bytes,
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::EAGAIN) => {
                    return Err(Failure::caller(&format!(
                        "reach the container's supervisor: it did not answer within {PATIENCE} s"
                    )));
                }
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

    #[test]
    fn rules_are_given_to_nobody_but_the_supervisor_and_one_that_has_ended_is_no_error() {
        let path = std::env::temp_dir().join(format!("lazaret-wall-{}", std::process::id()));
        let family = rustix::net::AddressFamily::UNIX;
        let listener = socket_with(family, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&listener, 1).unwrap();
        let control = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let block = IdBlock::new(wire::ids::OWN_FIRST).unwrap();
        let keeper = Keeper::reach(&control, block).unwrap().unwrap();
        let theirs = accept(&listener).unwrap();
        let imposter = std::thread::spawn(move || {
            let channel: Channel<Report, Control> = Channel::new(theirs);
            let (asked, _) = channel.receive().unwrap();
            channel.send(&Report::Done, &[]).unwrap();
            asked
        });
        let why = keeper.let_go().unwrap_err();
        assert!(why.what.as_str().contains("somebody else"), "{}", why.what);
        assert_eq!(imposter.join().unwrap(), Control::Unwall);
        drop(listener);
        assert!(Keeper::reach(&control, block).unwrap().is_none());
        std::fs::remove_file(path).unwrap();
    }
}
