//! A channel of frames over an `AF_UNIX` `SOCK_SEQPACKET` socket (unix(7)), typed by direction: what it sends, what it receives.
//! May touch: the one socket it is made of.

use crate::process::errno;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use wire::frame::{self, FrameError, HEADER, MAX_DESCRIPTORS, MAX_PAYLOAD, Message};

/// Why a frame did not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelError {
    /// The peer closed its end.
    Closed,
    /// The peer broke the protocol.
    Frame(FrameError),
    /// The kernel refused the call.
    Kernel(Errno),
}

impl std::fmt::Display for ChannelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => write!(f, "the peer closed the channel"),
            Self::Frame(e) => write!(f, "{e}"),
            Self::Kernel(e) => write!(f, "the channel failed: {}", e.desc()),
        }
    }
}

impl std::error::Error for ChannelError {}

impl From<FrameError> for ChannelError {
    fn from(e: FrameError) -> Self {
        Self::Frame(e)
    }
}

/// One end of a conversation in which this side sends `S` and receives `R`.
#[derive(Debug)]
pub struct Channel<S, R> {
    socket: OwnedFd,
    direction: PhantomData<fn(S) -> R>,
}

/// Both ends of a conversation.
pub type Pair<A, B> = (Channel<A, B>, Channel<B, A>);

/// Makes a connected pair: the first end sends `A` and receives `B`, the second the reverse. Both are close-on-exec.
pub fn pair<A: Message, B: Message>() -> Result<Pair<A, B>, Errno> {
    let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    Ok((Channel::new(a), Channel::new(b)))
}

impl<S: Message, R: Message> Channel<S, R> {
    /// A channel over a connected `SOCK_SEQPACKET` socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            direction: PhantomData,
        }
    }

    /// Sends one frame with its descriptors. Never raises SIGPIPE. A non-blocking socket that is full gives `Kernel(EAGAIN)`.
    pub fn send(&self, message: &S, descriptors: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        self.send_frame(message, descriptors).map(drop)
    }

    /// As [`Self::send`], and gives the bytes of the frame that was sent.
    pub fn send_frame(&self, message: &S, descriptors: &[BorrowedFd<'_>]) -> Result<Vec<u8>, ChannelError> {
        frame::counted(message.descriptors(), descriptors.len())?;
        let bytes = frame::encode(message)?;
        send_packet(self.socket.as_fd(), &bytes, descriptors)?;
        Ok(bytes)
    }

    /// Receives one frame and its descriptors, which are close-on-exec. Blocks unless the socket does not.
    pub fn receive(&self) -> Result<(R, Vec<OwnedFd>), ChannelError> {
        self.receive_frame()
            .map(|(message, descriptors, _)| (message, descriptors))
    }

    /// As [`Self::receive`], and gives the bytes of the frame too.
    pub fn receive_frame(&self) -> Result<(R, Vec<OwnedFd>, Vec<u8>), ChannelError> {
        let (bytes, descriptors) = match LONGEST.try_lock() {
            Ok(mut room) => self.packet(room.as_mut_slice())?,
            // Another thread waits for a frame of its own: a test's, for no program of ours receives in two.
            Err(_) => self.packet(&mut vec![0u8; MORE_THAN_A_FRAME])?,
        };
        let message = frame::decode::<R>(&bytes, descriptors.len())?;
        Ok((message, descriptors, bytes))
    }

    /// One packet, received into `room`.
    fn packet(&self, room: &mut [u8]) -> Result<(Vec<u8>, Vec<OwnedFd>), ChannelError> {
        let (length, descriptors) = receive_packet(self.socket.as_fd(), room)?;
        let bytes = room.get(..length).map_or_else(Vec::new, <[u8]>::to_vec);
        Ok((bytes, descriptors))
    }
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<S, R> From<Channel<S, R>> for OwnedFd {
    fn from(channel: Channel<S, R>) -> Self {
        channel.socket
    }
}

/// So that a packet which is longer than any frame is seen to be.
const MORE_THAN_A_FRAME: usize = HEADER + MAX_PAYLOAD + 1;

/// Where frames arrive. Zeroed by the kernel, a page at a time once something reaches it: a program that is sent thirty bytes has one page, where
/// room that the allocator zeroes would be seventeen, for each frame that is received.
static LONGEST: Mutex<[u8; MORE_THAN_A_FRAME]> = Mutex::new([0; MORE_THAN_A_FRAME]);

/// Room for the descriptors of any frame.
const ROOM: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS));

/// Sends one packet, whatever is in it, with the descriptors beside it. Never raises SIGPIPE.
pub fn send_packet(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut beside = SendAncillaryBuffer::new(&mut room);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(ChannelError::Kernel(Errno::EMSGSIZE));
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL).map_err(errno) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(ChannelError::Closed),
            Err(e) => return Err(ChannelError::Kernel(e)),
        }
    }
}

/// Receives one packet, whatever is in it, and the descriptors beside it. An empty packet is the end: no frame is empty.
pub fn receive_packet(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), ChannelError> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut beside = RecvAncillaryBuffer::new(&mut room);
    let message = loop {
        let mut parts = [IoSliceMut::new(bytes)];
        match recvmsg(socket, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC).map_err(errno) {
            Ok(message) => break message,
            // The peer closed its end with something unread. The kernel says so once, ahead of what the peer had sent before; that is read
            // next, and then the end.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            Err(e) => return Err(ChannelError::Kernel(e)),
        }
    };
    if message.bytes == 0 {
        return Err(ChannelError::Closed);
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(FrameError::Trailing.into());
    }
    let mut descriptors = Vec::new();
    for part in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            descriptors.extend(rights);
        }
    }
    Ok((message.bytes, descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::idmapd::{Reply, Request};

    #[test]
    fn says_closed_when_the_peer_is_gone() {
        let (a, b) = pair::<Request, Reply>().unwrap();
        drop(b);
        assert_eq!(a.receive().map(|_| ()), Err(ChannelError::Closed));
    }

    #[test]
    fn hears_the_last_words_of_a_peer_that_did_not_listen() {
        let (a, b) = pair::<Request, Reply>().unwrap();
        a.send(
            &Request::WriteMaps {
                uid: vec![],
                gid: vec![],
            },
            &[a.as_fd()],
        )
        .unwrap();
        b.send(&Reply::Mapped, &[]).unwrap();
        drop(b);
        assert_eq!(a.receive().map(|(reply, _)| reply), Ok(Reply::Mapped));
        assert_eq!(a.receive().map(|_| ()), Err(ChannelError::Closed));
    }

    #[test]
    fn refuses_a_packet_that_is_no_frame() {
        let (a, b) = pair::<Request, Reply>().unwrap();
        send_packet(b.as_fd(), b"nonsense that is long enough", &[]).unwrap();
        assert_eq!(a.receive().map(|_| ()), Err(ChannelError::Frame(FrameError::NotAFrame)));
    }

    #[test]
    fn refuses_to_send_the_wrong_number_of_descriptors() {
        let (a, b) = pair::<Request, Reply>().unwrap();
        let r = b.send(&Reply::Mapped, &[a.as_fd()]);
        assert_eq!(
            r,
            Err(ChannelError::Frame(FrameError::Descriptors { expected: 0, found: 1 }))
        );
    }
}
