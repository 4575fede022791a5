//! Starting a program: a child that shares its parent's memory until it executes, so that nothing of that has to be copied, while the parent stands
//! still (clone(2), `CLONE_VM` and `CLONE_VFORK`). May touch: this process and its children.

use crate::namespace::{Kind, join};
use crate::process::{
    Fork, INTO_GROUP, Power, become_such, clone_into, errno, execute_pointers, exit_now, fork, group_ids, inherited,
    lay_out_by, pointers, wait,
};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::SigSet;
use nix::unistd::Pid;
use rustix::process::{DumpableBehavior, Gid, dumpable_behavior, set_dumpable_behavior};
use std::arch::asm;
use std::ffi::{CStr, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The child's stack in units of 16 bytes, as it has to be aligned: 64 KiB. What it does there before it executes takes a small part of that.
const STACK: usize = 4096;

/// Where a program begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Birth<'a> {
    /// The group of version 2, if it is not the caller's.
    pub group: Option<BorrowedFd<'a>>,
    /// Namespaces that the child joins before it gives up the caller's power for its own.
    pub spaces: &'a [(BorrowedFd<'a>, Kind)],
    /// Whether it begins in memory of its own, while its parent goes on: in a group that may be frozen, or has little of the processor.
    pub apart: bool,
}

/// What a child becomes. All that it needs memory for is here before it is born: it may be killed at any instruction, and leaves the allocator
/// of its parent alone.
struct Becoming<'a> {
    /// Its descriptors, and behind them that of the program.
    table: Vec<BorrowedFd<'a>>,
    /// Room for where those are on their way.
    moved: Vec<RawFd>,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    power: &'a Power,
    groups: Vec<Gid>,
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
    let birth = Birth {
        group,
        ..Birth::default()
    };
    start_in(program, arguments, descriptors, power, birth)
}

/// As [`start`], elsewhere than its parent.
pub fn start_in(
    program: BorrowedFd<'_>,
    arguments: &[&CStr],
    descriptors: &[BorrowedFd<'_>],
    power: &Power,
    birth: Birth<'_>,
) -> Result<Pid, Errno> {
    let mut becoming = Becoming::new(program, arguments, descriptors, power, birth.spaces);
    if !birth.apart {
        match guarded(|| becoming.beside(birth.group)) {
            Ok(pid) if becoming.failed != Some(UNGUARDED) => return Ok(pid),
            Ok(pid) => wait(pid).map(drop)?,
            // A filter around this process may say that there is no clone3(2), whose flags it cannot see (systemd's `RestrictNamespaces=`).
            Err(Errno::ENOSYS) if birth.group.is_none() => {}
            Err(e) => return Err(e),
        }
    }
    let born = match birth.group {
        None => fork()?,
        Some(_) => clone_into(CloneFlags::empty(), birth.group)?,
    };
    match born {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let _ = becoming.execute(false);
            exit_now(111)
        }
    }
}

/// Whether this memory may be looked at, and how a crash of it is kept, is afterwards as it was: a child that changes its ids changes that for all
/// who share it, to what the host's `fs.suid_dumpable` says (proc_sys_fs(5)).
fn guarded<T>(born: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let before = dumpable_behavior().map_err(errno)?;
    let result = born();
    // That only root may read its crash can be had by a change of ids alone, and is no less than what was.
    if before != DumpableBehavior::DumpableReadableOnlyByRoot && dumpable_behavior().map_err(errno)? != before {
        set_dumpable_behavior(before).map_err(errno)?;
    }
    result
}

/// What a child says that must not go on in memory which it shares: see [`become_such`].
pub(crate) const UNGUARDED: Errno = Errno::EUSERS;

impl<'a> Becoming<'a> {
    fn new(
        program: BorrowedFd<'a>,
        arguments: &[&CStr],
        descriptors: &[BorrowedFd<'a>],
        power: &'a Power,
        spaces: &'a [(BorrowedFd<'a>, Kind)],
    ) -> Self {
        let mut table = descriptors.to_vec();
        table.push(program);
        Self {
            moved: Vec::with_capacity(table.len()),
            table,
            arguments: pointers(arguments),
            environment: pointers(&[]),
            power,
            groups: group_ids(power),
            spaces,
            failed: None,
        }
    }

    /// A child that becomes it, on this memory.
    fn beside(&mut self, group: Option<BorrowedFd<'_>>) -> Result<Pid, Errno> {
        beside(become_it, std::ptr::from_mut(self).cast(), group)
    }

    /// Executes; comes back with the reason why it could not. Neither allocates anything nor frees it. `beside`: in memory that it shares.
    fn execute(&mut self, beside: bool) -> Errno {
        let mut prepared = || {
            self.spaces.iter().try_for_each(|(space, kind)| join(*space, *kind))?;
            nix::unistd::chdir("/")?;
            lay_out_by(&self.table, &mut self.moved)?;
            let last = self.table.len().checked_sub(1).ok_or(Errno::EBADF)?;
            let own = inherited(RawFd::try_from(last).map_err(|_| Errno::EMFILE)?)?;
            become_such(self.power, &self.groups, beside)?;
            Ok(own)
        };
        match prepared() {
            Ok(own) => execute_pointers(own.as_fd(), &self.arguments, &self.environment),
            Err(e) => e,
        }
    }
}

/// Where a child begins that becomes another, in memory that it shares.
extern "C" fn become_it(becoming: *mut c_void) -> ! {
    // SAFETY: [`Becoming::beside`] passes a pointer to its own, which nobody else touches before this process has executed or ended.
    let becoming = unsafe { &mut *becoming.cast::<Becoming<'_>>() };
    becoming.failed = Some(becoming.execute(true));
    exit_now(111)
}

/// What a child executes that stays what its parent is.
struct Following {
    path: *const libc::c_char,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// As for [`Becoming`].
    failed: Option<Errno>,
}

impl Following {
    /// Executes, with no signal blocked; comes back with the reason why it could not.
    fn execute(&self) -> Errno {
        if let Err(e) = SigSet::empty().thread_set_mask() {
            return e;
        }
        // SAFETY: all of it comes from [`follow`], which has made it of strings that outlive the call, and the lists end in a null pointer.
        let result = unsafe { libc::execve(self.path, self.arguments.as_ptr(), self.environment.as_ptr()) };
        Errno::result(result).err().unwrap_or(Errno::UnknownErrno)
    }
}

/// Where a child begins that follows its parent, in memory that it shares.
extern "C" fn follow_it(following: *mut c_void) -> ! {
    // SAFETY: [`follow`] passes a pointer to its own, which nobody else touches before this process has executed or ended.
    let following = unsafe { &mut *following.cast::<Following>() };
    following.failed = Some(following.execute());
    exit_now(111)
}

/// Starts the program at `path` in a child that keeps all that this process is and has, but the descriptors that are closed on exec. It begins at once, while
/// this process stands still; what it could not be executed for is the error.
pub fn follow(path: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> Result<Pid, Errno> {
    let mut following = Following {
        path: path.as_ptr(),
        arguments: pointers(arguments),
        environment: pointers(environment),
        failed: None,
    };
    let pid = match beside(follow_it, std::ptr::from_mut(&mut following).cast(), None) {
        Ok(pid) => pid,
        // As in `start_in`.
        Err(Errno::ENOSYS) => return follow_apart(&following),
        Err(e) => return Err(e),
    };
    match following.failed {
        None => Ok(pid),
        Some(e) => wait(pid).and(Err(e)),
    }
}

/// The same in memory of the child's own, which tells by a pipe why it could not.
fn follow_apart(following: &Following) -> Result<Pid, Errno> {
    let (hear, tell) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    match fork()? {
        Fork::Child => {
            let failed = following.execute() as i32;
            let _ = nix::unistd::write(&tell, &failed.to_ne_bytes());
            exit_now(111)
        }
        Fork::Parent(pid) => {
            drop(tell);
            let mut failed = [0; 4];
            match nix::unistd::read(&hear, &mut failed)? {
                0 => Ok(pid),
                _ => wait(pid).and(Err(Errno::from_raw(i32::from_ne_bytes(failed)))),
            }
        }
    }
}

/// A child on this memory, which begins there with what it is told; this process stands still until the child executes or ends: clone3(2) with `CLONE_VM` and
/// `CLONE_VFORK`.
fn beside(
    begin: extern "C" fn(*mut c_void) -> !,
    told: *mut c_void,
    group: Option<BorrowedFd<'_>>,
) -> Result<Pid, Errno> {
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
    #[cfg(test)]
    stack.resize(STACK, tests::UNTOUCHED);
    asked.stack = stack.as_mut_ptr().addr() as u64;
    asked.stack_size = size_of::<u128>().saturating_mul(STACK) as u64;
    let result: isize;
    // SAFETY: the structure outlives the call and its true size is given. The child has a stack of its own, aligned as a function wants
    // it, and never comes back from `begin`, so nothing of this frame is overwritten; this process stands still meanwhile, and has no other
    // thread (see `fork`), so what the child does to its memory is done between two instructions: it leaves there what it was told to, and errno.
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
            in("r8") begin,
            in("r9") told,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    #[cfg(test)]
    tests::took(&stack);
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What is at a place of a stack before a child was there.
    pub(super) const UNTOUCHED: u128 = 0x5a5a_a5a5_5a5a_a5a5_5a5a_a5a5_5a5a_a5a5;
    /// The most that any child has used, in units of 16 bytes.
    static MOST: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn took(stack: &[u128]) {
        let untouched = stack.iter().take_while(|place| **place == UNTOUCHED).count();
        MOST.fetch_max(stack.len().saturating_sub(untouched), Ordering::Relaxed);
    }

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
    fn who_follows_keeps_what_its_parent_has_and_is_told_of_at_once_where_it_cannot_be_executed() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let number = std::ffi::CString::new(write.as_raw_fd().to_string()).unwrap();
        let words = [
            c"sh",
            c"-c",
            c"{ readlink /proc/$$/cwd; echo $LZ; } > /proc/$$/fd/$0",
            number.as_c_str(),
        ];
        let pid = follow(c"/bin/sh", &words, &[c"LZ=yes", c"PATH=/usr/bin:/bin"]).unwrap();
        drop(write);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(read), &mut text).unwrap();
        assert!(matches!(wait(pid), Ok(WaitStatus::Exited(_, 0))));
        let here = std::env::current_dir().unwrap();
        assert_eq!(text, format!("{}\nyes\n", here.display()));
        assert_eq!(follow(c"/no/such/program", &[c"x"], &[]), Err(Errno::ENOENT));
        assert_eq!(follow(c"/etc/passwd", &[c"x"], &[]), Err(Errno::EACCES));
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

    /// There is no page behind a child's stack at which it would be stopped.
    #[test]
    fn a_child_takes_a_small_part_of_its_stack() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let null = std::fs::File::open("/dev/null").unwrap();
        let program = std::fs::File::open("/bin/true").unwrap();
        let power = Power {
            id: 0x7fff_0000,
            groups: (1..100).collect(),
            capabilities: (0..20).collect(),
            no_new_privileges: true,
        };
        let pid = start(program.as_fd(), &[c"true"], &[null.as_fd(); 60], &power, None).unwrap();
        assert!(matches!(wait(pid), Ok(WaitStatus::Exited(_, 0))));
        let most = MOST.load(Ordering::Relaxed);
        assert!(most > 0 && most < STACK / 4, "{most} of {STACK}");
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
            let mut becoming = Becoming::new(program.as_fd(), &[c"true"], &[], &power, &[]);
            let refused = ended(becoming.beside(None)?, 111)? && becoming.failed == Some(UNGUARDED);
            Ok(refused && ended(start(program.as_fd(), &[c"true"], &[], &power, None)?, 0)?)
        }));
        assert!(in_a_process(|| {
            crate::process::set_dumpable(false)?;
            let mut becoming = Becoming::new(program.as_fd(), &[c"true"], &[], &power, &[]);
            Ok(ended(becoming.beside(None)?, 0)? && becoming.failed.is_none())
        }));
    }
}
