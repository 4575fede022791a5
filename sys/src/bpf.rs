//! BPF device programs of control groups (bpf(2), `linux/bpf.h`, `BPF_PROG_TYPE_CGROUP_DEVICE`): loading, attaching, asking what is
//! attached. May touch: the group directory that it is given.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One instruction (`struct bpf_insn`, RFC 9669 section 3.1).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Class, source and operation.
    pub code: u8,
    /// Destination register in the low four bits, source register in the high ones.
    pub registers: u8,
    /// Signed offset: of a jump in instructions, of a load in bytes.
    pub offset: i16,
    /// Constant operand.
    pub immediate: i32,
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// The most programs that the kernel lets one group have (`BPF_CGROUP_MAX_PROGS`).
const MOST_PROGRAMS: usize = 64;

/// `union bpf_attr`. All of it is always handed over, zero where unused: newer kernels write to fields near its end.
#[repr(C, align(8))]
struct Attributes([u32; 40]);

impl Attributes {
    fn new(words: &[(usize, u32)], pointers: &[(usize, u64)]) -> Self {
        let mut all = [0; 40];
        let halves = |(at, value): &(usize, u64)| {
            let bytes = value.to_ne_bytes();
            let (low, high) = bytes.split_at(4);
            let word = |half: &[u8]| half.try_into().map_or(0, u32::from_ne_bytes);
            [(*at, word(low)), (at.saturating_add(1), word(high))]
        };
        for (at, value) in words.iter().copied().chain(pointers.iter().flat_map(halves)) {
            if let Some(word) = all.get_mut(at) {
                *word = value;
            }
        }
        Self(all)
    }

    fn call(&mut self, command: libc::c_int) -> nix::Result<RawFd> {
        let this: *mut Self = self;
        // SAFETY: `this` is alive, writable and as long as the size given says. Every pointer inside it was put there by a function
        // of this file, which keeps what it points to alive and long enough until this returns; otherwise the kernel would read or
        // write memory that is somebody else's.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, this, size_of::<Self>()) };
        Errno::result(result).and_then(|n| RawFd::try_from(n).map_err(|_| Errno::EOVERFLOW))
    }
}

/// A descriptor's number as the attributes hold it. A live descriptor is never negative.
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

/// A pointer as the attributes hold it. Its provenance is exposed, so that what the kernel writes there is seen afterwards.
fn address<T>(pointer: *const T) -> u64 {
    u64::try_from(pointer.expose_provenance()).unwrap_or(0)
}

/// Has the kernel verify and load a device program. Needs CAP_BPF and CAP_NET_ADMIN.
pub fn load_device_program(program: &[Instruction]) -> nix::Result<OwnedFd> {
    let count = u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let licence = c"Apache-2.0 OR MIT";
    let words = [(0, TYPE_CGROUP_DEVICE), (1, count), (17, ATTACH_CGROUP_DEVICE)];
    let pointers = [(2, address(program.as_ptr())), (4, address(licence.as_ptr()))];
    let fd = Attributes::new(&words, &pointers).call(PROG_LOAD)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number; owning it twice would close a
    // stranger's descriptor later.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a device program to a version 2 group, in the place of the one that is there, and so that no group below has one in its place:
/// without flags the kernel has one for a group, and exchanges it at once (`kernel/bpf/cgroup.c`).
pub fn attach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> nix::Result<()> {
    let words = [(0, number(group)), (1, number(program)), (2, ATTACH_CGROUP_DEVICE)];
    Attributes::new(&words, &[]).call(PROG_ATTACH).map(drop)
}

/// The ids of the device programs attached to a group itself, not to those above it.
pub fn attached_device_programs(group: BorrowedFd<'_>) -> nix::Result<Vec<u32>> {
    let mut ids = [0u32; MOST_PROGRAMS];
    let room = u32::try_from(ids.len()).map_err(|_| Errno::E2BIG)?;
    let words = [(0, number(group)), (1, ATTACH_CGROUP_DEVICE), (6, room)];
    let pointers = [(4, address(ids.as_mut_ptr()))];
    let mut attributes = Attributes::new(&words, &pointers);
    attributes.call(PROG_QUERY)?;
    let found = attributes.0.get(6).copied().unwrap_or(0);
    Ok(ids.into_iter().take(usize::try_from(found).unwrap_or(0)).collect())
}

/// The kernel's id of a loaded program.
pub fn program_id(program: BorrowedFd<'_>) -> nix::Result<u32> {
    // The first two fields of `struct bpf_prog_info`: the program's type and its id.
    let mut info = [0u32; 2];
    let length = u32::try_from(size_of_val(&info)).map_err(|_| Errno::E2BIG)?;
    let words = [(0, number(program)), (1, length)];
    Attributes::new(&words, &[(2, address(info.as_mut_ptr()))]).call(OBJ_GET_INFO_BY_FD)?;
    let [_, id] = info;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    /// `r0 = value; exit`.
    fn constant(value: i32) -> [Instruction; 2] {
        [
            Instruction {
                code: 0xb7,
                registers: 0,
                offset: 0,
                immediate: value,
            },
            Instruction {
                code: 0x95,
                registers: 0,
                offset: 0,
                immediate: 0,
            },
        ]
    }

    #[test]
    fn a_program_that_does_not_return_is_refused() {
        let loaded = load_device_program(&constant(1)[..1]);
        assert!(matches!(loaded.map(drop), Err(Errno::EINVAL | Errno::EPERM)));
    }

    #[test]
    fn a_directory_that_is_no_group_is_refused() {
        let root = File::open("/").unwrap();
        assert!(attached_device_programs(root.as_fd()).is_err());
        assert!(attach_device_program(root.as_fd(), root.as_fd()).is_err());
        assert!(program_id(root.as_fd()).is_err());
    }

    #[test]
    fn a_loaded_program_has_an_id() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let (a, b) = (
            load_device_program(&constant(0)).unwrap(),
            load_device_program(&constant(1)).unwrap(),
        );
        let (a, b) = (program_id(a.as_fd()).unwrap(), program_id(b.as_fd()).unwrap());
        assert!(a != 0 && b != 0 && a != b);
    }
}
