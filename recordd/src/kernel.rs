//! Tells the kernel's audit system, by a netlink socket that the launcher opened (netlink(7), `linux/audit.h`). The kernel answers each
//! message; without an answer it was not taken. While audit is disabled it takes a message, says so, and drops it.

use crate::judge::Message;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::{AsRawFd, OwnedFd};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const FLAGS: u16 = 5;
/// `NLMSG_ERROR`: the answer, with an errno that is 0 if all is well.
const ERROR: u16 = 2;

/// Tells it, and waits for the answer.
pub fn tell(socket: &OwnedFd, message: &Message) -> Result<(), Errno> {
    let sent = send(socket.as_raw_fd(), &encode(message), MsgFlags::empty())?;
    if sent < HEADER {
        return Err(Errno::EIO);
    }
    let mut bytes = [0; 1024];
    let length = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
    match answer(bytes.get(..length).unwrap_or_default()) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw(errno)),
        None => Err(Errno::EPROTO),
    }
}

fn encode(message: &Message) -> Vec<u8> {
    // The kernel puts a NUL over the last byte of a message.
    let length = HEADER.saturating_add(message.text.len()).saturating_add(1);
    let mut bytes = u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes().to_vec();
    bytes.extend(message.kind.to_ne_bytes());
    bytes.extend(FLAGS.to_ne_bytes());
    // A sequence number and a port that nobody compares: there is one message at a time.
    bytes.extend([0; 8]);
    bytes.extend(message.text.as_bytes());
    bytes.push(0);
    bytes
}

/// The errno of an answer.
fn answer(bytes: &[u8]) -> Option<i32> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let (_, kind) = header.split_first_chunk::<4>()?;
    let (kind, _) = kind.split_first_chunk::<2>()?;
    let (errno, _) = rest.split_first_chunk::<4>()?;
    (u16::from_ne_bytes(*kind) == ERROR).then(|| i32::from_ne_bytes(*errno).saturating_neg())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::message;

    #[test]
    fn a_message_has_the_bytes_that_the_kernel_reads() {
        let bytes = encode(&message(2500, "op=start").unwrap());
        assert_eq!(bytes[..8], [25, 0, 0, 0, 0xc4, 9, 5, 0]);
        assert_eq!(&bytes[16..], b"op=start\0");
    }

    #[test]
    fn an_answer_is_an_errno() {
        let with = |kind: u8, errno: i32| {
            let mut bytes = vec![36, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend(errno.to_ne_bytes());
            answer(&bytes)
        };
        assert_eq!((with(2, 0), with(2, -1), with(3, 0)), (Some(0), Some(1), None));
        assert_eq!(answer(&[0; 15]), None);
    }
}
