//! Whether the kernel's audit system is enabled (`linux/audit.h`, netlink(7)), asked while this process still holds what root holds: the
//! question takes AUDIT_CONTROL, the answer nothing. It is asked before this process gives up its power and heard afterwards. May touch:
//! one socket.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::os::fd::{AsRawFd, OwnedFd};

/// CAP_AUDIT_WRITE.
pub const WRITE: u8 = 29;
/// `AUDIT_GET`: the system's state, as a question and as its answer.
const GET: u16 = 1000;
/// A question without content: length, type, `NLM_F_REQUEST`, sequence number, port.
const QUESTION: [u8; 16] = {
    let [a, b] = GET.to_ne_bytes();
    let [c, d, e, f] = 16u32.to_ne_bytes();
    let [g, h] = 1u16.to_ne_bytes();
    [c, d, e, f, a, b, g, h, 0, 0, 0, 0, 0, 0, 0, 0]
};

/// Asks; `None` if the kernel has no audit system.
pub fn ask() -> Result<Option<OwnedFd>, Errno> {
    let audit = SockProtocol::NetlinkAudit;
    let socket = match socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, audit) {
        Ok(socket) => socket,
        Err(Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT) => return Ok(None),
        Err(e) => return Err(e),
    };
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(5, 0))?;
    match send(socket.as_raw_fd(), &QUESTION, MsgFlags::empty()) {
        Ok(_) => Ok(Some(socket)),
        // The kernel has one, for another user namespace than this.
        Err(Errno::ECONNREFUSED) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Waits for the answer; gives the socket back if audit is enabled.
pub fn enabled(socket: OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    let mut bytes = [0; 1024];
    let length = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
    Ok(says_enabled(bytes.get(..length).unwrap_or_default()).then_some(socket))
}

/// Whether an answer is a state (`struct audit_status`) that is enabled, or locked so. An error, as in a pid namespace that is not the
/// first, is none: nothing that is said there would be recorded.
fn says_enabled(answer: &[u8]) -> bool {
    let word = |at: usize| {
        let bytes = answer.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let kind = answer.get(4..).and_then(|rest| rest.first_chunk::<2>());
    kind.is_some_and(|kind| u16::from_ne_bytes(*kind) == GET) && word(20).is_some_and(|enabled| enabled != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_state_that_is_enabled_is_enabled() {
        let answer = |kind: u16, enabled: u32| {
            let mut bytes = 56u32.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(0u32.to_ne_bytes());
            bytes.extend(enabled.to_ne_bytes());
            bytes
        };
        assert!(says_enabled(&answer(GET, 1)) && says_enabled(&answer(GET, 2)));
        assert!(!says_enabled(&answer(GET, 0)) && !says_enabled(&answer(2, 1)));
        assert!(!says_enabled(&answer(GET, 1)[..20]) && !says_enabled(&[]));
    }
}
