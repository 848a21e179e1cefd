//! How many bytes the current thread holds on the heap.
//!
//! A test binary installs [`CountingAllocator`] as its global allocator and asks
//! [`heap_of`]. Counts are of the thread that asks: what another thread frees stays counted.
#![expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait; every call is passed on unchanged"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::c_void;

/// The system's allocator, counting.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

/// What a piece of code asked of the allocator, in bytes as requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heap {
    /// Held afterwards, less what was held before.
    pub held: i64,
    /// The most that was held at once, above what was held before.
    pub peak: i64,
    /// What the allocator took for what is held: rounded up, and with its own header.
    pub taken: i64,
}

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
    static TAKEN: Cell<i64> = const { Cell::new(0) };
}

unsafe extern "C" {
    /// Of glibc, which is what [`System`] is here: bytes of a block that can be used.
    fn malloc_usable_size(block: *mut c_void) -> usize;
}

/// Bytes that a block keeps beside those that can be used.
const HEADER: usize = 8;

/// Runs `work` and says what this thread held for it. All zero without [`CountingAllocator`].
pub fn heap_of<T>(work: impl FnOnce() -> T) -> (T, Heap) {
    let (before, taken) = (HELD.get(), TAKEN.get());
    PEAK.set(before);
    let result = work();
    let heap =
        Heap { held: HELD.get() - before, peak: PEAK.get() - before, taken: TAKEN.get() - taken };
    (result, heap)
}

/// Runs `work`, which says how much other threads held for it at most. To whoever counts this thread,
/// that was held here meanwhile, and nothing that starting threads leaves behind.
pub fn heap_elsewhere(work: impl FnOnce() -> i64) {
    let (held, peak, taken) = (HELD.get(), PEAK.get(), TAKEN.get());
    let elsewhere = work();
    HELD.set(held);
    PEAK.set(peak.max(held + elsewhere));
    TAKEN.set(taken);
}

fn add(bytes: i64) {
    // A thread that is ending has lost its counters; its last frees are of no interest.
    let counted = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        held.get()
    });
    if let Ok(held) = counted {
        PEAK.try_with(|peak| peak.set(peak.get().max(held))).unwrap_or(());
    }
}

/// What the allocator took for a block that lives.
fn taken(block: *mut u8) -> i64 {
    if block.is_null() {
        return 0;
    }
    // SAFETY: the block comes from the system's allocator and was not given back yet.
    signed(unsafe { malloc_usable_size(block.cast()) } + HEADER)
}

fn take(bytes: i64) {
    TAKEN.try_with(|taken| taken.set(taken.get() + bytes)).unwrap_or(());
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to the system's allocator with the same arguments, and its answer is
// returned; counting touches no heap, as the counters are constant-initialised cells.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(signed(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc`.
        let block = unsafe { System.alloc(layout) };
        take(taken(block));
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(signed(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        let block = unsafe { System.alloc_zeroed(layout) };
        take(taken(block));
        block
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        add(-signed(layout.size()));
        take(-taken(ptr));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        add(signed(new_size) - signed(layout.size()));
        let before = taken(ptr);
        // SAFETY: the caller keeps the contract of `realloc`.
        let block = unsafe { System.realloc(ptr, layout, new_size) };
        if !block.is_null() {
            take(taken(block) - before);
        }
        block
    }
}
