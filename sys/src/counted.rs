//! An allocator that counts: how much memory is taken, and the most that was. For what is fuzzed; nothing that is installed is built with
//! it. May touch: memory, as the system's own allocator does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted. A program that says `#[global_allocator]` of one is measured by [`taken`] and [`most`].
#[derive(Debug, Clone, Copy)]
pub struct Counted;

/// Bytes that are taken now, by every thread.
pub fn taken() -> usize {
    TAKEN.load(Ordering::Relaxed)
}

/// The most bytes that were taken at one time since [`forget_most`].
pub fn most() -> usize {
    MOST.load(Ordering::Relaxed)
}

/// What is taken now is the most, from now on.
pub fn forget_most() {
    MOST.store(taken(), Ordering::Relaxed);
}

fn take(bytes: usize) {
    let before = TAKEN.fetch_add(bytes, Ordering::Relaxed);
    MOST.fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
}

fn give_back(bytes: usize) {
    TAKEN.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every call is handed to `System` as it came, and its answer is returned as it is; counting allocates nothing and cannot unwind. What
// the trait demands of an allocator therefore holds as it does for `System`. An answer that was changed would break every value there is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller guarantees a layout that is not empty, and `System` demands no more; an empty one is undefined to it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: the caller guarantees that `at` came from here, which is from `System`, with this layout; otherwise its books are ruined.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while one is copied into the other.
        take(size);
        give_back(layout.size());
        // SAFETY: as for `dealloc`; and the caller guarantees a size that is not 0, which is undefined to `System`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_until_it_is_given_back() {
        let layout = Layout::from_size_align(1 << 20, 8).unwrap();
        let before = taken();
        forget_most();
        // SAFETY: the layout is not empty.
        let at = unsafe { Counted.alloc(layout) };
        assert_eq!(taken().saturating_sub(before), 1 << 20);
        // SAFETY: `at` came from there with this layout, and the size is not 0.
        let at = unsafe { Counted.realloc(at, layout, 1 << 21) };
        assert_eq!(taken().saturating_sub(before), 1 << 21);
        assert_eq!(most().saturating_sub(before), 3 << 20);
        let layout = Layout::from_size_align(1 << 21, 8).unwrap();
        // SAFETY: `at` came from there with this layout.
        unsafe { Counted.dealloc(at, layout) };
        assert_eq!(taken(), before);
        // SAFETY: the layout is not empty.
        let at = unsafe { Counted.alloc_zeroed(layout) };
        assert_eq!(taken().saturating_sub(before), 1 << 21);
        // SAFETY: `at` came from there with this layout.
        unsafe { Counted.dealloc(at, layout) };
        assert_eq!(taken(), before);
    }
}
