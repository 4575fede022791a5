//! Who is at the other end of an `AF_UNIX` connection, beyond what `SO_PEERCRED` tells. May touch: the socket that it is given.

use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd};

/// Most groups that a process may be in (`NGROUPS_MAX`, linux/limits.h).
const MOST: usize = 65536;

/// The supplementary groups of who made the connection, as they were then (`SO_PEERGROUPS`, unix(7)).
pub fn groups(socket: impl AsFd) -> Result<Vec<u32>, Errno> {
    let size = size_of::<libc::gid_t>();
    let mut groups: Vec<libc::gid_t> = vec![0; MOST];
    let all = groups.len().checked_mul(size).ok_or(Errno::EOVERFLOW)?;
    let mut length = libc::socklen_t::try_from(all).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the kernel writes at most `length` bytes into the vector, which has as many and is alive, and into `length` how many it wrote.
    Errno::result(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    let written = usize::try_from(length).ok().and_then(|l| l.checked_div(size));
    groups.truncate(written.unwrap_or(0));
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    #[test]
    fn they_are_those_of_who_made_the_pair_and_of_no_other_file() {
        let (a, _b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let own: Vec<u32> = nix::unistd::getgroups().unwrap().iter().map(|g| g.as_raw()).collect();
        assert_eq!(groups(&a), Ok(own));
        let other = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(groups(&other), Err(Errno::ENOTSOCK));
    }
}
