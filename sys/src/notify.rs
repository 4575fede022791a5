//! Being told of every system call of a process that is about to execute a program (seccomp_unotify(2)): the process has itself watched and
//! hands the listener over; who listens hears of each call before it is made and lets it go on. May touch: the calling thread's filters,
//! and descriptors that it is given.

use crate::seccomp::Instruction;
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
const NOTIFY: u32 = 0x7fc0_0000; // SECCOMP_RET_USER_NOTIF
const KILL: u32 = 0x8000_0000; // SECCOMP_RET_KILL_PROCESS
const X86_64: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
const SENDMSG: u32 = 46;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER` of `linux/seccomp.h`.
const NEW_LISTENER: libc::c_ulong = 1 << 3;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: no signal but a deadly one disturbs a call that somebody has heard of.
const WAIT_KILLABLE: libc::c_ulong = 1 << 5;
/// `SECCOMP_IOCTL_NOTIF_RECV` and `SECCOMP_IOCTL_NOTIF_SEND` of `linux/seccomp.h`.
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;

/// A call that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// By this it is let go on.
    pub cookie: u64,
    /// Its number.
    pub number: i32,
    /// Its arguments, as they are in the registers.
    pub arguments: [u64; 6],
}

/// `struct seccomp_data` of `linux/seccomp.h`.
#[repr(C)]
#[derive(Default)]
struct Data {
    number: i32,
    architecture: u32,
    instruction: u64,
    arguments: [u64; 6],
}

/// `struct seccomp_notif` of `linux/seccomp.h`.
#[repr(C)]
#[derive(Default)]
struct Notification {
    cookie: u64,
    pid: u32,
    flags: u32,
    data: Data,
}

/// `struct seccomp_notif_resp` of `linux/seccomp.h`.
#[repr(C)]
struct Answer {
    cookie: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// `struct sock_fprog` of `linux/filter.h`.
#[repr(C)]
struct Program {
    length: libc::c_ushort,
    first: *const Instruction,
}

/// The control message that carries one descriptor (cmsg(3)), laid out as the kernel reads it.
#[repr(C)]
struct Control {
    length: usize,
    level: libc::c_int,
    kind: libc::c_int,
    descriptor: libc::c_int,
    padding: libc::c_int,
}

/// From here on somebody is told of every call of this thread and of what it starts, and each waits until it is let go on. The listener goes
/// out over `socket` with `message`, which is the one call that is not told: it is known by the address of what it sends, which no program
/// that is executed later has. Without no-new-privileges the kernel asks for SYS_ADMIN over the caller's user namespace.
pub fn watch_from_here(socket: BorrowedFd<'_>, message: &[u8]) -> nix::Result<()> {
    let mut part = libc::iovec {
        iov_base: message.as_ptr().cast_mut().cast(),
        iov_len: message.len(),
    };
    let mut control = Control {
        // CMSG_LEN of one descriptor.
        length: size_of::<Control>().saturating_sub(size_of::<libc::c_int>()),
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        descriptor: -1,
        padding: 0,
    };
    // SAFETY: all-zero is a `msghdr` that names nothing.
    let mut header: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = size_of::<Control>();
    let address = &raw const *header;
    let filter = watching(socket.as_raw_fd(), address.addr())?;
    let program = Program {
        length: libc::c_ushort::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        first: filter.as_ptr(),
    };
    // SAFETY: `program` says where `filter` is and how long; both outlive the call.
    let listener = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            NEW_LISTENER | WAIT_KILLABLE,
            &raw const program,
        )
    })?;
    control.descriptor = libc::c_int::try_from(listener).map_err(|_| Errno::EBADF)?;
    // The compiler does not see that the kernel reads it through the header.
    std::hint::black_box(&mut control);
    // SAFETY: the header names one part and one control message, which live until the end of this function, and the kernel writes to neither.
    Errno::result(unsafe { libc::syscall(libc::SYS_sendmsg, socket.as_raw_fd(), address, libc::MSG_NOSIGNAL) })?;
    // SAFETY: the number is that of a descriptor that the kernel has just made for us, and nobody else knows it. (Closing it is told already.)
    drop(unsafe { OwnedFd::from_raw_fd(control.descriptor) });
    Ok(())
}

/// Tells of everything but sendmsg(2) on this socket with the header at this address. Calls by another entry end the process: their numbers
/// mean something else.
fn watching(socket: i32, address: usize) -> nix::Result<Vec<Instruction>> {
    let half = |shift: u32| u32::try_from((address >> shift) & 0xffff_ffff).map_err(|_| Errno::EINVAL);
    let step = Instruction::new;
    Ok(vec![
        step(LOAD, 0, 0, 4),
        step(IF_EQUAL, 1, 0, X86_64),
        step(RETURN, 0, 0, KILL),
        step(LOAD, 0, 0, 0),
        step(IF_EQUAL, 0, 7, SENDMSG),
        step(LOAD, 0, 0, 16),
        step(IF_EQUAL, 0, 5, u32::try_from(socket).map_err(|_| Errno::EBADF)?),
        step(LOAD, 0, 0, 24),
        step(IF_EQUAL, 0, 3, half(0)?),
        step(LOAD, 0, 0, 28),
        step(IF_EQUAL, 0, 1, half(32)?),
        step(RETURN, 0, 0, ALLOW),
        step(RETURN, 0, 0, NOTIFY),
    ])
}

/// The next call; waits for one. `None`: whoever made it has been killed, or it was only a signal to the caller.
pub fn next_call(listener: impl AsFd) -> nix::Result<Option<Call>> {
    let mut told = Notification::default();
    // SAFETY: `told` is all zero, as the kernel asks, and as long as the request says.
    let done = unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), RECEIVE, &raw mut told) };
    match Errno::result(done) {
        Ok(_) => Ok(Some(Call {
            cookie: told.cookie,
            number: told.data.number,
            arguments: told.data.arguments,
        })),
        Err(Errno::ENOENT | Errno::EINTR) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Lets a call go on as if nobody had been told. That whoever made it has been killed meanwhile is no failure.
pub fn go_on(listener: impl AsFd, call: &Call) -> nix::Result<()> {
    let answer = Answer {
        cookie: call.cookie,
        value: 0,
        error: 0,
        flags: CONTINUE,
    };
    // SAFETY: the answer is as long as the request says, and the kernel only reads it.
    let done = unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), SEND, &raw const answer) };
    match Errno::result(done) {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Fork, exit_now, fork, wait};
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    use nix::sys::wait::WaitStatus;
    use std::io::IoSliceMut;

    #[test]
    fn every_call_is_told_in_its_order_and_goes_on() {
        let (ours, theirs) = nix::sys::socket::socketpair(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::SeqPacket,
            None,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        let Fork::Parent(child) = fork().unwrap() else {
            let _ = nix::sys::prctl::set_no_new_privs();
            let watched = watch_from_here(theirs.as_fd(), b"here");
            let _ = nix::sys::stat::umask(nix::sys::stat::Mode::S_IRWXO);
            exit_now(if watched.is_ok() { 7 } else { 1 })
        };
        drop(theirs);
        let mut bytes = [0u8; 16];
        let mut space = nix::cmsg_space!(std::os::fd::RawFd);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let got = recvmsg::<()>(ours.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty()).unwrap();
        assert_eq!(got.bytes, 4);
        let listener = match got.cmsgs().unwrap().next() {
            // SAFETY: the number has just been received, and nobody else knows it.
            Some(ControlMessageOwned::ScmRights(fds)) => unsafe { OwnedFd::from_raw_fd(fds[0]) },
            other => unreachable!("{other:?}"),
        };
        let mut told = Vec::new();
        loop {
            let mut look = [nix::poll::PollFd::new(listener.as_fd(), nix::poll::PollFlags::POLLIN)];
            nix::poll::poll(&mut look, nix::poll::PollTimeout::NONE).unwrap();
            if !look[0].revents().unwrap().contains(nix::poll::PollFlags::POLLIN) {
                break;
            }
            if let Some(call) = next_call(&listener).unwrap() {
                told.push((call.number, call.arguments[0]));
                go_on(&listener, &call).unwrap();
            }
        }
        assert_eq!(wait(child), Ok(WaitStatus::Exited(child, 7)));
        let numbers: Vec<i32> = told.iter().map(|(n, _)| *n).collect();
        let umask = (i32::try_from(libc::SYS_umask).unwrap(), 0o7);
        assert!(told.contains(&umask), "{told:?}");
        assert_eq!(numbers.last().copied(), i32::try_from(libc::SYS_exit_group).ok());
        assert!(!numbers.contains(&46), "{told:?}");
    }
}
