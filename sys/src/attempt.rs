//! One system call of any number and with any arguments, made in a child that ends right after it: for the programs that attack, to see
//! what a filter lets through. May touch: that child, and whatever the call does. Behind a feature that nothing installed is built with.

use crate::process::{Fork, exit_now, fork};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use std::arch::asm;

/// The door by which a call enters the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The `syscall` instruction; with bit 30 of the number set, that of the x32 architecture.
    Native,
    /// `int 0x80`, the 32-bit architecture's.
    Interrupt,
}

/// An argument.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// A number.
    Number(u64),
    /// The address of a copy of these bytes.
    Bytes(&'a [u8]),
}

/// What came of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It succeeded, or ended the child as it should.
    Done,
    /// It failed.
    Failed(Errno),
    /// It waited for longer than a fifth of a second: the kernel was doing it.
    Waited,
    /// The child was ended by this signal.
    Ended(i32),
}

impl Answer {
    /// Whether it is what a filter answers: an errno of a refusal, or the end by SIGSYS.
    pub fn refused(self) -> bool {
        matches!(self, Self::Failed(Errno::EPERM | Errno::ENOSYS | Errno::EAFNOSUPPORT))
            || self == Self::Ended(libc::SIGSYS)
    }
}

/// Makes the call in a child, and says what came of it. Not vfork(2): its child would go on with the memory of its parent.
pub fn attempt(door: Door, number: u64, arguments: &[Argument<'_>]) -> Result<Answer, Errno> {
    if door == Door::Native && number == libc::SYS_vfork.cast_unsigned() {
        return Err(Errno::EINVAL);
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut values = [0_u64; 6];
    for (value, argument) in values.iter_mut().zip(arguments) {
        *value = match argument {
            Argument::Number(number) => *number,
            Argument::Bytes(bytes) => {
                let mut copy = bytes.to_vec();
                let address = copy.as_mut_ptr() as u64;
                kept.push(copy);
                address
            }
        };
    }
    match fork()? {
        Fork::Child => {
            let _ = end_soon();
            let answer = match door {
                Door::Native => native(number, values),
                Door::Interrupt => interrupt(number, values),
            };
            exit_now(if (-4095..0).contains(&answer) {
                i32::try_from(answer.saturating_neg()).unwrap_or(255)
            } else {
                0
            })
        }
        Fork::Parent(child) => Ok(match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Answer::Done,
            WaitStatus::Exited(_, errno) => Answer::Failed(Errno::from_raw(errno)),
            WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGALRM, _) => Answer::Waited,
            WaitStatus::Signaled(_, signal, _) => Answer::Ended(signal as i32),
            _ => Answer::Waited,
        }),
    }
}

/// Has this process ended by SIGALRM in a fifth of a second.
fn end_soon() -> Result<(), Errno> {
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval {
        it_interval: never,
        it_value: libc::timeval {
            tv_usec: 200_000,
            ..never
        },
    };
    // SAFETY: the first address is that of a whole itimerval, which setitimer(2) only reads; the null says that the old one is not
    // wanted. With another size, memory beside it would be read.
    Errno::result(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) }).map(drop)
}

/// The call through `syscall`: its result, or the errno as a negative number.
fn native(number: u64, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    let answer: i64;
    // SAFETY: this runs in a child of one thread, whose memory is its own and which ends right after, so whatever the call does to
    // memory, descriptors or identity is seen by nobody; the only caller is `attempt`, after the fork. Made in a process that goes on,
    // the call could change memory that Rust believes unchanged.
    unsafe {
        asm!("syscall", inlateout("rax") number.cast_signed() => answer, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            in("r9") f, lateout("rcx") _, lateout("r11") _);
    }
    answer
}

/// The call through `int 0x80`, by the 32-bit numbers; of the arguments the lower halves count, and the last is left out.
fn interrupt(number: u64, [a, b, c, d, e, _]: [u64; 6]) -> i64 {
    let answer: u64;
    // SAFETY: as in `native`; and rbx, which the compiler keeps for itself, is put back before the block ends.
    unsafe {
        asm!("xchg {first}, rbx", "int 0x80", "xchg {first}, rbx", first = inout(reg) a => _, inlateout("rax") number => answer,
            in("rcx") b, in("rdx") c, in("rsi") d, in("rdi") e, lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    // A 32-bit result is not sign-extended.
    i64::from(u32::try_from(answer & 0xffff_ffff).unwrap_or(0).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID_OF_32_BIT: u64 = 20;

    #[test]
    fn says_what_came_of_a_call() {
        let none = [Argument::Number(u64::MAX); 6];
        assert_eq!(
            attempt(Door::Native, libc::SYS_getpid.cast_unsigned(), &none),
            Ok(Answer::Done)
        );
        assert_eq!(
            attempt(Door::Native, libc::SYS_close.cast_unsigned(), &none),
            Ok(Answer::Failed(Errno::EBADF))
        );
        assert_eq!(attempt(Door::Native, 600, &none), Ok(Answer::Failed(Errno::ENOSYS)));
        assert_eq!(
            attempt(Door::Native, libc::SYS_pause.cast_unsigned(), &[]),
            Ok(Answer::Waited)
        );
        assert_eq!(attempt(Door::Interrupt, PID_OF_32_BIT, &[]), Ok(Answer::Done));
    }

    #[test]
    fn an_address_is_that_of_the_bytes() {
        let path = [Argument::Bytes(b"/dev/null\0"), Argument::Number(0)];
        assert_eq!(
            attempt(Door::Native, libc::SYS_open.cast_unsigned(), &path),
            Ok(Answer::Done)
        );
        let path = [Argument::Bytes(b"/not/there\0"), Argument::Number(0)];
        assert_eq!(
            attempt(Door::Native, libc::SYS_open.cast_unsigned(), &path),
            Ok(Answer::Failed(Errno::ENOENT))
        );
    }
}
