//! Processes: forking, executing by descriptor with exactly one power, ending. May touch: this process and its children.

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid};
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// The namespaces that a child can be born in (clone(2)).
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWUSER
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWCGROUP);

/// `CLONE_INTO_CGROUP` of `linux/sched.h`, which does not fit the `int` that the C library's headers have for it.
pub(crate) const INTO_GROUP: u64 = 1 << 33;

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Fork {
    /// The parent, with the child's pid.
    Parent(Pid),
    /// The child.
    Child,
}

/// fork(2). Only for single-threaded processes: in a child of a threaded one, a lock held by another thread stays locked forever.
pub fn fork() -> Result<Fork, Errno> {
    // SAFETY: every caller is single-threaded (no program of ours but `fused` starts a thread, and it never forks), so no lock can be
    // left held in the child; otherwise allocation in the child could hang.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Fork::Parent(child)),
        nix::unistd::ForkResult::Child => Ok(Fork::Child),
    }
}

/// A child in new namespaces, and in the control group of version 2 behind `group` if there is one: clone3(2) with `flags` (`CLONE_NEW*`,
/// `CLONE_PARENT`) and SIGCHLD, on a copy of this stack, like fork(2). Being born in a group spares the move into it, for which the kernel
/// waits until every processor has been seen idle or in another process. In the child the C library's cached thread id is stale;
/// nothing of ours reads it, and unlike fork(2) nobody sees to its locks: only for single-threaded processes.
pub fn clone_into(flags: CloneFlags, group: Option<BorrowedFd<'_>>) -> Result<Fork, Errno> {
    // SAFETY: a structure of integers, for which zero is a value: it asks for nothing.
    let mut asked: libc::clone_args = unsafe { std::mem::zeroed() };
    let known = CloneFlags::CLONE_PARENT.union(NAMESPACES);
    asked.flags = u64::from((flags & known).bits().cast_unsigned());
    // A sibling sends its parent what its maker would (clone(2)).
    if !flags.contains(CloneFlags::CLONE_PARENT) {
        asked.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    }
    if let Some(group) = group {
        asked.flags |= INTO_GROUP;
        asked.cgroup = u64::try_from(group.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    }
    // SAFETY: the structure outlives the call and its true size is given. Without CLONE_VM, which is masked out, and without a stack the
    // child runs on its own copy of this one, as after fork(2); the caller is single-threaded (see `fork`).
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const asked, size_of::<libc::clone_args>()) };
    match Errno::result(pid)? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Pid::from_raw(
            i32::try_from(pid).map_err(|_| Errno::EOVERFLOW)?,
        ))),
    }
}

/// Ends this process at once, without running anything.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) has no precondition.
    unsafe { libc::_exit(status) }
}

/// pidfd_open(2) of a child that has not been waited for, so that the pid cannot have been given to another.
pub fn pidfd(pid: Pid) -> Result<OwnedFd, Errno> {
    let pid = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(Errno::ESRCH)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).map_err(errno)
}

/// pidfd_send_signal(2). A process that is already gone is no error.
pub fn signal(pidfd: impl AsFd, signal: i32) -> Result<(), Errno> {
    let none: libc::c_long = 0;
    // SAFETY: the descriptor is borrowed for the call and a null siginfo is allowed; anything else is refused by the kernel.
    let r = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal,
            none,
            none,
        )
    };
    match Errno::result(r) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Sends SIGKILL to every process of this id and in the user namespaces that it owns: to all that this process may signal and that are visible
/// to it, except itself (kill(2) with pid -1). Only ever called by a process that has no capability but SETUID, for an id that belongs to
/// one container.
pub fn kill_everything_of(id: u32) -> Result<(), Errno> {
    let id = Uid::from_raw(id);
    nix::unistd::setresuid(id, id, id)?;
    match nix::sys::signal::kill(Pid::from_raw(-1), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
        Err(e) => Err(e),
    }
}

/// PR_SET_DUMPABLE: whether others of this uid may trace the process and read its `/proc` directory. Reset by setresuid(2) and exec.
pub fn set_dumpable(dumpable: bool) -> Result<(), Errno> {
    let value: libc::c_ulong = dumpable.into();
    // SAFETY: PR_SET_DUMPABLE takes one integer and touches no memory.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, value, 0, 0, 0) }).map(drop)
}

/// PR_SET_PDEATHSIG: SIGKILL when the parent dies. Cleared by every change of uid, so it is set last; the caller then checks that the
/// parent is still there.
pub fn die_with_parent() -> Result<(), Errno> {
    let signal = libc::c_ulong::try_from(libc::SIGKILL).map_err(|_| Errno::EINVAL)?;
    // SAFETY: PR_SET_PDEATHSIG takes one integer and touches no memory.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }).map(drop)
}

/// personality(2) with `PER_LINUX32`: the process, and what it executes, sees a 32-bit machine in uname(2).
pub fn show_32_bit() -> Result<(), Errno> {
    /// `PER_LINUX32` of `linux/personality.h`.
    const LINUX32: libc::c_ulong = 8;
    // SAFETY: personality(2) takes one integer and touches no memory.
    Errno::result(unsafe { libc::personality(LINUX32) }).map(drop)
}

/// PR_SET_CHILD_SUBREAPER: orphans below this process become its children.
pub fn adopt_orphans() -> Result<(), Errno> {
    let on: libc::c_ulong = 1;
    // SAFETY: PR_SET_CHILD_SUBREAPER takes one integer and touches no memory.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, on, 0, 0, 0) }).map(drop)
}

/// setfsuid(2) and setfsgid(2): the ids under which files are made. With `SECBIT_NO_SETUID_FIXUP` capabilities stay as they are.
pub fn set_file_ids(uid: u32, gid: u32) {
    // setfsuid(2) reports no error: it returns the previous id.
    let _ = nix::unistd::setfsgid(Gid::from_raw(gid));
    let _ = nix::unistd::setfsuid(Uid::from_raw(uid));
}

/// A number that this process shares with the children that it forks from here on. It is how a child whose filter lets it say nothing else
/// says that it could not become what it was to be.
#[derive(Debug, Clone, Copy)]
pub struct SharedNumber(&'static AtomicI32);

impl SharedNumber {
    /// A new one, which is 0. Its page is never given back: whoever makes one makes one in its life.
    pub fn new() -> Result<Self, Errno> {
        let size = size_of::<AtomicI32>();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory of ours.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                protection,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: the page is there, zeroed, aligned and never unmapped, and an atomic may change under a shared reference; were it unmapped,
        // the next access would end the process.
        Ok(Self(unsafe { &*page.cast::<AtomicI32>() }))
    }

    /// What was set last, in whatever process.
    pub fn get(self) -> i32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Sets it.
    pub fn set(self, number: i32) {
        self.0.store(number, Ordering::SeqCst);
    }
}

/// close_range(2) from `first` upwards.
pub fn close_from(first: u32) -> Result<(), Errno> {
    let none: libc::c_uint = 0;
    // SAFETY: whoever calls this gives up every owner of a descriptor from `first` upwards, by executing, exiting or forgetting it, or calls
    // it before any such owner exists; otherwise a later drop would close a stranger's descriptor.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, none) }).map(drop)
}

/// Takes ownership of an inherited descriptor, once, which from here on no program inherits: for the numbers that the starter of a program
/// declares.
pub fn inherited(number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: the call touches no memory; a number that is not open gives EBADF.
    Errno::result(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: the descriptor is open (checked above) and the program's start is the only place where numbers are turned into owners,
    // each number once; a second owner would close it twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The power of a process: who it is, and the capabilities that it keeps across exec.
#[derive(Debug, Clone)]
pub struct Power {
    /// Host uid and gid, real, effective and saved alike.
    pub id: u32,
    /// Supplementary groups, all of them.
    pub groups: Vec<u32>,
    /// Capabilities by number: bounding, permitted, effective, inheritable and ambient become just these.
    pub capabilities: Vec<u8>,
    /// Whether no-new-privileges is set.
    pub no_new_privileges: bool,
}

/// Becomes `power` for good. The caller holds SETUID, SETGID and SETPCAP and everything that it hands over.
pub fn become_power(power: &Power) -> Result<(), Errno> {
    become_such(power, &group_ids(power), false)
}

/// The supplementary groups of `power`, as the kernel is given them.
pub(crate) fn group_ids(power: &Power) -> Vec<rustix::process::Gid> {
    let groups = power.groups.iter();
    groups.map(|g| rustix::process::Gid::from_raw(*g)).collect()
}

/// The same, with its groups. `beside`: in a child that shares its parent's memory, of which nothing is allocated or freed. From the change of its uid
/// until it has executed, whoever has that uid could trace it, and so reach its parent, were that memory dumpable; and a change of ids
/// makes it so where the host's `fs.suid_dumpable` is 1 (proc_sys_fs(5)). Then it says so, while its uid is still its parent's, and becomes nothing.
pub(crate) fn become_such(power: &Power, groups: &[rustix::process::Gid], beside: bool) -> Result<(), Errno> {
    let keep = set_of(&power.capabilities);
    let mut bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED;
    if keep.is_empty() {
        // Whoever keeps nothing loses it all with uid 0, at once (capabilities(7), "Effect of user ID changes on capabilities").
        bound(keep, beside)?;
    } else {
        bits |= CapabilitiesSecureBits::NO_SETUID_FIXUP | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED;
    }
    rustix::thread::set_capabilities_secure_bits(bits).map_err(errno)?;
    change_ids(power.id, groups, beside)?;
    if !keep.is_empty() {
        bound(keep, beside)?;
    }
    hold(keep, keep)?;
    for capability in &power.capabilities {
        let capability = set_of(&[*capability]);
        rustix::thread::configure_capability_in_ambient_set(capability, true).map_err(errno)?;
    }
    if power.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(errno)?;
    }
    Ok(())
}

/// Capabilities by number, as a set. There is none above 63.
fn set_of(capabilities: &[u8]) -> CapabilitySet {
    let bit = |number: &u8| 1u64.checked_shl(u32::from(*number)).unwrap_or(0);
    CapabilitySet::from_bits_retain(capabilities.iter().map(bit).fold(0, |all, bit| all | bit))
}

/// Holds just these, permitted and effective, and `inheritable`, all by one call; what is not inheritable is not ambient either.
fn hold(capabilities: CapabilitySet, inheritable: CapabilitySet) -> Result<(), Errno> {
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable,
    };
    rustix::thread::set_capabilities(None, sets).map_err(errno)
}

/// Groups, gid and uid, by the calls themselves: the C library's would also have every other thread make them, and looks for those where there
/// may be none of this process (see [`crate::birth`]).
fn change_ids(id: u32, groups: &[rustix::process::Gid], beside: bool) -> Result<(), Errno> {
    rustix::thread::set_thread_groups(groups).map_err(errno)?;
    let gid = rustix::process::Gid::from_raw(id);
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(errno)?;
    if beside && rustix::process::dumpable_behavior().map_err(errno)? == DumpableBehavior::Dumpable {
        return Err(crate::birth::UNGUARDED);
    }
    let uid = rustix::process::Uid::from_raw(id);
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(errno)
}

/// What can be left in the bounding set of this process, by bit: all, before it has been cut for the first time. The kernel tells of one
/// capability at a time, and a child that is forked knows as much as its parent.
static BOUND: AtomicU64 = AtomicU64::new(u64::MAX);

/// Cuts the bounding set down to `keep`. What is known of it is the parent's, where a child does that which shares its memory.
fn bound(keep: CapabilitySet, beside: bool) -> Result<(), Errno> {
    let left = BOUND.load(Ordering::Relaxed);
    let going = CapabilitySet::from_bits_retain(left).difference(keep);
    for number in (0..64u8).filter(|number| going.contains(set_of(&[*number]))) {
        match crate::limits::drop_from_bounding_set(number.into()) {
            Ok(()) => {}
            // A kernel that does not know the capability has nothing to drop, and knows none above it.
            Err(Errno::EINVAL) => break,
            Err(e) => return Err(e),
        }
    }
    if !beside {
        BOUND.store(left & keep.bits(), Ordering::Relaxed);
    }
    Ok(())
}

/// Gives up every capability but `capabilities`, which stay permitted and effective but are not inherited, and lets changes of uid leave
/// them as they are.
pub fn limit_power(capabilities: &[u8]) -> Result<(), Errno> {
    let held = rustix::thread::capabilities(None).map_err(errno)?.permitted;
    let keep = set_of(capabilities).intersection(held);
    rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP).map_err(errno)?;
    bound(keep, false)?;
    hold(keep, CapabilitySet::empty())
}

/// Executes the program behind a descriptor (execveat(2) with AT_EMPTY_PATH); returns only on failure.
pub fn execute(program: BorrowedFd<'_>, arguments: &[&CStr], environment: &[&CStr]) -> Errno {
    execute_pointers(program, &pointers(arguments), &pointers(environment))
}

/// Strings as the kernel wants them, for as long as they live.
pub(crate) fn pointers(list: &[&CStr]) -> Vec<*const libc::c_char> {
    let strings = list.iter().map(|s| s.as_ptr());
    strings.chain(std::iter::once(std::ptr::null())).collect()
}

/// As [`execute`], with what [`pointers`] gave.
pub(crate) fn execute_pointers(
    program: BorrowedFd<'_>,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> Errno {
    // SAFETY: both come from `pointers`: they end in a null pointer and hold pointers to strings that outlive the call; without the null the
    // kernel would read past them.
    let r = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(r).err().unwrap_or(Errno::UnknownErrno)
}

/// Lays descriptors out from number 0 upwards, without close-on-exec, and closes all others. Only for a process that executes next, or whose
/// descriptors have no other owners from here on, not even where this fails.
pub fn lay_out(descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    lay_out_by(descriptors, &mut Vec::with_capacity(descriptors.len()))
}

/// The same by way of `moved`, which has room for as many numbers.
pub(crate) fn lay_out_by(descriptors: &[BorrowedFd<'_>], moved: &mut Vec<RawFd>) -> Result<(), Errno> {
    let count = RawFd::try_from(descriptors.len()).map_err(|_| Errno::EMFILE)?;
    for fd in descriptors {
        moved.push(nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(count))?);
    }
    for (number, fd) in (0..count).zip(&*moved) {
        // SAFETY: the descriptor in `fd` is open and lies above every target, so no source is overwritten before it is used; the targets
        // belong to nobody any more, for the caller executes or exits next, or forgets whoever owned a descriptor.
        Errno::result(unsafe { libc::dup3(*fd, number, 0) })?;
    }
    close_from(u32::try_from(count).map_err(|_| Errno::EMFILE)?)
}

/// waitpid(2) for one child, to its end.
pub fn wait(pid: Pid) -> Result<nix::sys::wait::WaitStatus, Errno> {
    loop {
        match nix::sys::wait::waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// As [`wait`], for so long at most; whether it has ended. (pidfd_open(2): a descriptor of a process can be waited on.)
pub fn wait_for(pid: Pid, patience: std::time::Duration) -> Result<bool, Errno> {
    let timeout = rustix::event::Timespec::try_from(patience).map_err(|_| Errno::EINVAL)?;
    let process = pidfd(pid)?;
    let ready = loop {
        let mut waited = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
        match rustix::event::poll(&mut waited, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(errno)?,
        }
    };
    if ready == 0 {
        return Ok(false);
    }
    wait(pid).map(|_| true)
}

/// A rustix error as nix's.
pub fn errno(e: rustix::io::Errno) -> Errno {
    Errno::from_raw(e.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::WaitStatus;

    #[test]
    fn a_number_that_is_not_open_is_not_inherited() {
        assert!(inherited(1_000_000).is_err() && inherited(-1).is_err());
    }

    #[test]
    fn a_number_is_shared_with_a_child() {
        let (shared, own) = (SharedNumber::new().unwrap(), SharedNumber::new().unwrap());
        match fork().unwrap() {
            Fork::Child => {
                shared.set(38);
                exit_now(0)
            }
            Fork::Parent(pid) => assert!(matches!(wait(pid), Ok(WaitStatus::Exited(_, 0)))),
        }
        assert_eq!((shared.get(), own.get()), (38, 0));
    }
}
