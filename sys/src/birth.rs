//! Starting a program: a child that shares its parent's memory until it executes, so that nothing of that has to be copied, while the parent stands
//! still (clone(2), `CLONE_VM` and `CLONE_VFORK`). May touch: this process and its children.

use crate::namespace::{Kind, join};
use crate::process::{
    Fork, INTO_GROUP, Power, become_power, become_power_beside, clone_into, execute_pointers, exit_now, fork,
    inherited, lay_out, pointers, wait,
};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use std::arch::asm;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The child's stack in units of 16 bytes, as it has to be aligned: 64 KiB. What it does there before it executes takes a tenth of that.
const STACK: usize = 4096;

/// Where a program begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Birth<'a> {
    /// The group of version 2, if it is not the caller's.
    pub group: Option<BorrowedFd<'a>>,
    /// Namespaces that the child joins before it gives up the caller's power for its own.
    pub spaces: &'a [(BorrowedFd<'a>, Kind)],
}

/// What a child becomes.
struct Becoming<'a> {
    /// Its descriptors, and behind them that of the program.
    table: Vec<BorrowedFd<'a>>,
    arguments: Vec<*const libc::c_char>,
    power: &'a Power,
    spaces: &'a [(BorrowedFd<'a>, Kind)],
    /// Why it did not. Written by a child that shares this memory.
    failed: Option<Errno>,
}

/// Starts the program behind `program` with `power`, in a child, which is born in `group` if one is given (see [`clone_into`]): descriptors
/// from 0 upwards, nothing else, `/` as directory, empty environment. A failure before the exec ends the child with status 111, which
/// its peers see as the end of their channels.
pub fn start(
    program: BorrowedFd<'_>,
    arguments: &[&CStr],
    descriptors: &[BorrowedFd<'_>],
    power: &Power,
    group: Option<BorrowedFd<'_>>,
) -> Result<Pid, Errno> {
    start_in(program, arguments, descriptors, power, Birth { group, spaces: &[] })
}

/// As [`start`], elsewhere than its parent.
pub fn start_in(
    program: BorrowedFd<'_>,
    arguments: &[&CStr],
    descriptors: &[BorrowedFd<'_>],
    power: &Power,
    birth: Birth<'_>,
) -> Result<Pid, Errno> {
    let mut table = descriptors.to_vec();
    table.push(program);
    let mut becoming = Becoming {
        table,
        arguments: pointers(arguments),
        power,
        spaces: birth.spaces,
        failed: None,
    };
    let pid = beside(&mut becoming, birth.group)?;
    if becoming.failed != Some(UNGUARDED) {
        return Ok(pid);
    }
    wait(pid)?;
    let born = match birth.group {
        None => fork()?,
        Some(_) => clone_into(CloneFlags::empty(), birth.group)?,
    };
    match born {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let _ = becoming.execute(become_power);
            exit_now(111)
        }
    }
}

/// What a child says that must not go on in memory which it shares: see [`become_power_beside`].
pub(crate) const UNGUARDED: Errno = Errno::EUSERS;

impl Becoming<'_> {
    /// Executes; comes back with the reason why it could not. Whatever it has allocated it has freed by then, or by the time it executes.
    fn execute(&self, power: fn(&Power) -> Result<(), Errno>) -> Errno {
        let prepared = || {
            self.spaces.iter().try_for_each(|(space, kind)| join(*space, *kind))?;
            nix::unistd::chdir("/")?;
            lay_out(&self.table)?;
            let last = self.table.len().checked_sub(1).ok_or(Errno::EBADF)?;
            let own = inherited(RawFd::try_from(last).map_err(|_| Errno::EMFILE)?)?;
            power(self.power)?;
            Ok(own)
        };
        match prepared() {
            Ok(own) => execute_pointers(own.as_fd(), &self.arguments, &pointers(&[])),
            Err(e) => e,
        }
    }
}

/// Where a child begins that shares its parent's memory.
extern "C" fn begin(becoming: *mut Becoming<'_>) -> ! {
    // SAFETY: [`beside`] passes a pointer to its own, which nobody else touches before this process has executed or ended.
    let becoming = unsafe { &mut *becoming };
    becoming.failed = Some(becoming.execute(become_power_beside));
    exit_now(111)
}

/// A child on this memory, which stands still until the child executes or ends: clone3(2) with `CLONE_VM` and `CLONE_VFORK`.
fn beside(becoming: &mut Becoming<'_>, group: Option<BorrowedFd<'_>>) -> Result<Pid, Errno> {
    // SAFETY: a structure of integers, for which zero is a value: it asks for nothing.
    let mut asked: libc::clone_args = unsafe { std::mem::zeroed() };
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    asked.flags = u64::from(flags.bits().cast_unsigned());
    asked.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(group) = group {
        asked.flags |= INTO_GROUP;
        asked.cgroup = u64::try_from(group.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    }
    let mut stack: Vec<u128> = Vec::with_capacity(STACK);
    asked.stack = stack.as_mut_ptr().addr() as u64;
    asked.stack_size = size_of::<u128>().saturating_mul(STACK) as u64;
    let result: isize;
    // SAFETY: the structure outlives the call and its true size is given. The child has a stack of its own, aligned as a function wants
    // it, and never comes back from `begin`, so nothing of this frame is overwritten; this process stands still meanwhile, and has no other
    // thread (see `fork`), so what the child does to its memory is done between two instructions: it leaves there `failed`, and errno.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r9",
            "call r8",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") &raw const asked,
            in("rsi") size_of::<libc::clone_args>(),
            in("r8") begin as extern "C" fn(*mut Becoming<'_>) -> !,
            in("r9") std::ptr::from_mut(becoming),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    drop(stack);
    let number = i32::try_from(result).map_err(|_| Errno::EOVERFLOW)?;
    if number < 0 {
        return Err(Errno::from_raw(number.saturating_neg()));
    }
    Ok(Pid::from_raw(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::WaitStatus;

    #[test]
    fn a_started_program_has_just_the_power_it_was_given() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        // A second child has as much to give up as the first, whatever that has done to its parent's memory.
        for _ in 0..2 {
            has_just_its_power();
        }
    }

    fn has_just_its_power() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let null = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        let cat = std::fs::File::open("/bin/cat").unwrap();
        let power = Power {
            id: 0x7fff_0000,
            groups: Vec::new(),
            capabilities: vec![12],
            no_new_privileges: true,
        };
        let pid = start(
            cat.as_fd(),
            &[c"cat", c"/proc/self/status"],
            &[null.as_fd(), write.as_fd(), null.as_fd()],
            &power,
            None,
        )
        .unwrap();
        drop(write);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(read), &mut text).unwrap();
        assert!(matches!(wait(pid), Ok(WaitStatus::Exited(_, 0))));
        for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(text.contains(&format!("{line}:\t0000000000001000")), "{line} in {text}");
        }
        assert!(
            text.contains("Uid:\t2147418112\t2147418112\t2147418112\t2147418112"),
            "{text}"
        );
        assert!(
            text.contains("Groups:\t \n") && text.contains("NoNewPrivs:\t1"),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_cannot_be_executed_ends_with_111() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let not_executable = std::fs::File::open("/etc/passwd").unwrap();
        let power = Power {
            id: 0x7fff_0000,
            groups: Vec::new(),
            capabilities: vec![],
            no_new_privileges: true,
        };
        let pid = start(not_executable.as_fd(), &[c"x"], &[], &power, None).unwrap();
        assert!(matches!(wait(pid), Ok(WaitStatus::Exited(_, 111))));
    }

    /// Says whether it is so in a process of its own: what is dumpable is all of one's memory, and other tests have threads on it.
    fn in_a_process(so: impl FnOnce() -> Result<bool, Errno>) -> bool {
        match fork().unwrap() {
            Fork::Child => exit_now(i32::from(so() != Ok(true))),
            Fork::Parent(pid) => matches!(wait(pid), Ok(WaitStatus::Exited(_, 0))),
        }
    }

    #[test]
    fn a_child_goes_on_in_memory_of_its_own_where_it_could_be_traced() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        // No id changes, so the memory stays what it is: to be traced.
        let power = Power {
            id: 0,
            groups: Vec::new(),
            capabilities: vec![],
            no_new_privileges: true,
        };
        let program = std::fs::File::open("/bin/true").unwrap();
        let ended = |pid, status| Ok::<_, Errno>(matches!(wait(pid)?, WaitStatus::Exited(_, is) if is == status));
        assert!(in_a_process(|| {
            crate::process::set_dumpable(true)?;
            let mut becoming = Becoming {
                table: vec![program.as_fd()],
                arguments: pointers(&[c"true"]),
                power: &power,
                spaces: &[],
                failed: None,
            };
            let refused = ended(beside(&mut becoming, None)?, 111)? && becoming.failed == Some(UNGUARDED);
            Ok(refused && ended(start(program.as_fd(), &[c"true"], &[], &power, None)?, 0)?)
        }));
        assert!(in_a_process(|| {
            crate::process::set_dumpable(false)?;
            let mut becoming = Becoming {
                table: vec![program.as_fd()],
                arguments: pointers(&[c"true"]),
                power: &power,
                spaces: &[],
                failed: None,
            };
            Ok(ended(beside(&mut becoming, None)?, 0)? && becoming.failed.is_none())
        }));
    }
}
