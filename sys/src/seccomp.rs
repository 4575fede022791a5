//! seccomp(2): installs a filter that was compiled at build time. May touch: the calling thread's filters, which are never
//! taken off again.

use nix::errno::Errno;

/// One instruction of a filter: `struct sock_filter` of `linux/filter.h`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub yes: u8,
    /// Instructions to skip if it does not.
    pub no: u8,
    /// Operand.
    pub value: u32,
}

impl Instruction {
    /// An instruction from the four fields of `struct sock_filter`, in their order.
    pub const fn new(code: u16, yes: u8, no: u8, value: u32) -> Self {
        Self { code, yes, no, value }
    }
}

/// `struct sock_fprog` of `linux/filter.h`.
#[repr(C)]
struct Program {
    length: libc::c_ushort,
    first: *const Instruction,
}

/// Installs a filter for the calling thread and what it starts. no-new-privileges is left as it is: without it the kernel asks
/// for SYS_ADMIN over the caller's user namespace, and answers EACCES.
pub fn install(filter: &[Instruction]) -> nix::Result<()> {
    add(filter, 0)
}

/// Installs a filter for every thread of the calling process, and what they start; none of them may have one that this thread has not.
pub fn install_for_all_threads(filter: &[Instruction]) -> nix::Result<()> {
    add(filter, libc::SECCOMP_FILTER_FLAG_TSYNC)
}

fn add(filter: &[Instruction], flags: libc::c_ulong) -> nix::Result<()> {
    let length = libc::c_ushort::try_from(filter.len()).map_err(|_| Errno::EINVAL)?;
    let first = filter.as_ptr();
    let program = Program { length, first };
    let (call, mode) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: `program` says where `filter` is and how long, which the slice guarantees, and both outlive the call; `Instruction`
    // and `Program` have the kernel's layout. Were the length wrong, the kernel would read past the slice.
    let result = unsafe { libc::syscall(call, mode, flags, &raw const program) };
    // With TSYNC it is the id of a thread that could not be given the filter, and then no thread was.
    match Errno::result(result)? {
        0 => Ok(()),
        _ => Err(Errno::EBUSY),
    }
}

/// The filter number `index` of a process, counted from the first that was installed (ptrace(2), `PTRACE_SECCOMP_GET_FILTER`): for those
/// who look at others. `ENOENT`: it has not so many. The process must stand still under the caller's ptrace, and the caller have SYS_ADMIN
/// and no filter of its own.
pub fn filter_of(pid: nix::unistd::Pid, index: u32) -> nix::Result<Vec<Instruction>> {
    /// `PTRACE_SECCOMP_GET_FILTER` of `linux/ptrace.h`.
    const GET_FILTER: libc::c_uint = 0x420c;
    let index = usize::try_from(index).map_err(|_| Errno::EINVAL)?;
    // SAFETY: with a null address the kernel only answers how many instructions there are.
    let length = unsafe { libc::ptrace(GET_FILTER, pid.as_raw(), index, std::ptr::null_mut::<Instruction>()) };
    let length = usize::try_from(Errno::result(length)?).map_err(|_| Errno::EOVERFLOW)?;
    let mut filter = vec![Instruction::new(0, 0, 0, 0); length];
    // SAFETY: the process stands still, so that its filter number `index` has the length that was just told, and the vector is as long;
    // were it shorter, the kernel would write past it.
    let written = unsafe { libc::ptrace(GET_FILTER, pid.as_raw(), index, filter.as_mut_ptr()) };
    Errno::result(written)?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_an_empty_filter_and_one_that_jumps_out_of_itself() {
        assert_eq!(install(&[]), Err(Errno::EINVAL));
        let jumps_out = [
            Instruction::new(0x15, 9, 9, 0),
            Instruction::new(0x06, 0, 0, 0x7fff_0000),
        ];
        assert_eq!(install(&jumps_out), Err(Errno::EINVAL));
    }

    #[test]
    fn the_filter_of_a_process_that_is_not_traced_is_not_told() {
        assert!(filter_of(nix::unistd::getpid(), 0).is_err());
    }

    #[test]
    fn installs_a_filter_that_allows_everything() {
        // Root has SYS_ADMIN; anybody else needs no-new-privileges.
        nix::sys::prctl::set_no_new_privs().unwrap();
        assert_eq!(install(&[Instruction::new(0x06, 0, 0, 0x7fff_0000)]), Ok(()));
    }
}
