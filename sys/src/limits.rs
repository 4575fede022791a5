//! Limits by number, for those that come in a frame: the bounding set (capabilities(7)) and resource limits (getrlimit(2)).
//! May touch: the calling process.

use nix::errno::Errno;

/// PR_CAPBSET_DROP: takes a capability out of the bounding set for good. A number that the kernel does not know gives EINVAL.
pub fn drop_from_bounding_set(capability: u32) -> nix::Result<()> {
    let number = libc::c_ulong::from(capability);
    // SAFETY: PR_CAPBSET_DROP takes one integer and touches no memory.
    Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) }).map(drop)
}

/// Sets a resource limit; `u64::MAX` is none. Raising a hard limit is EPERM without a power in the first user namespace.
pub fn set_resource_limit(resource: u8, soft: u64, hard: u64) -> nix::Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the new limit is alive and initialised, and a null pointer means that the old one is not wanted.
    let r = unsafe { libc::prlimit64(0, resource.into(), &raw const limit, std::ptr::null_mut()) };
    Errno::result(r).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_numbers_that_do_not_exist() {
        assert_eq!(drop_from_bounding_set(63), Err(Errno::EINVAL));
        assert_eq!(set_resource_limit(99, 0, 0), Err(Errno::EINVAL));
        assert_eq!(set_resource_limit(0, 2, 1), Err(Errno::EINVAL));
    }
}
