//! The nodes of memory that a thread takes its memory from (set_mempolicy(2)). May touch: the calling thread.

use nix::errno::Errno;

/// How set_mempolicy(2) is to place memory (`linux/mempolicy.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// `MPOL_PREFERRED`
    Preferred = 1,
    /// `MPOL_INTERLEAVE`
    Interleave = 3,
}

/// set_mempolicy(2): where the memory of this thread, and of what it executes, comes from. A node that may not be used is EINVAL.
pub fn place_memory(how: Placement, nodes: &[u64; 16]) -> Result<(), Errno> {
    let bits = nodes.len().saturating_mul(64).saturating_add(1);
    // SAFETY: the array is alive and has one bit less than the call is told, since that counts from one beyond the last (set_mempolicy(2), BUGS).
    let done = unsafe { libc::syscall(libc::SYS_set_mempolicy, how as libc::c_int, nodes.as_ptr(), bits) };
    Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_node_that_is_there_and_refuses_one_that_is_not() {
        let (mut here, mut nowhere) = ([0u64; 16], [0u64; 16]);
        here[0] = 1;
        nowhere[15] = 1 << 63;
        // A kernel without nodes has no such call.
        if place_memory(Placement::Preferred, &here) == Err(Errno::ENOSYS) {
            return;
        }
        assert_eq!(place_memory(Placement::Interleave, &here), Ok(()));
        let map = std::fs::read_to_string("/proc/thread-self/numa_maps").unwrap_or_default();
        assert!(map.is_empty() || map.contains("interleave:0"), "{map}");
        assert_eq!(place_memory(Placement::Interleave, &nowhere), Err(Errno::EINVAL));
        assert_eq!(place_memory(Placement::Preferred, &nowhere), Err(Errno::EINVAL));
    }
}
