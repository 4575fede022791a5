//! The C library's allocator (mallopt(3)), told to take all the memory that a program will ever have at once, so that its filter needs no
//! call for more. May touch: the caller's own heap.

/// What the allocator has at least taken by the time that `main` runs (`DEFAULT_TOP_PAD` of malloc/malloc.c, and what was asked for).
const TAKEN_AT_START: usize = 256 * 1024;
/// From here on an allocation has pages of its own, by mmap(2): for a program that needs one before it is confined further.
const LARGE: libc::c_int = 8 * 1024 * 1024;

/// Takes `bytes` of memory, whose pages cost nothing until they are used. None is given back to the kernel from here on, and as long as
/// no more than that is in use, none is asked for. Call it while there is one thread. False: the kernel has not got it.
pub fn reserve(bytes: usize) -> bool {
    let Ok(pad) = libc::c_int::try_from(bytes) else {
        return false;
    };
    // One arena for all threads; nothing is trimmed (-1 is no threshold); large blocks only are mapped; each growth is by this much.
    let settings = [
        (libc::M_ARENA_MAX, 1),
        (libc::M_TRIM_THRESHOLD, -1),
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TOP_PAD, pad),
    ];
    for (what, value) in settings {
        // SAFETY: mallopt takes two integers; one that it does not know it refuses.
        if unsafe { libc::mallopt(what, value) } != 1 {
            return false;
        }
    }
    // SAFETY: malloc has no precondition, and the block is used by nobody: it is given back below.
    let block = unsafe { libc::malloc(TAKEN_AT_START) };
    // A compiler that sees a block go unused may leave out the whole of it.
    let block = std::hint::black_box(block);
    // SAFETY: the block is malloc's own, or null, which free takes too; it is freed once.
    unsafe { libc::free(block) };
    !block.is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    // That a program has what it reserved, and nothing beyond, is tested where one is confined: policies/tests/ritual.rs. The threads of a
    // test have heaps of another kind.
    #[test]
    fn refuses_more_than_there_can_be() {
        assert!(!reserve(usize::MAX));
    }
}
