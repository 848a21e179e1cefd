//! Asking the processor for memory ahead of its use.
//!
//! Facts relied on: every x86-64 processor has SSE, and so the prefetch hint; a prefetch cannot
//! fault, whatever its address.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "issues prefetch hints"))]

/// Asks the processor to load every cache line of these values; never waits.
///
/// Does nothing on processors without such a hint.
#[inline]
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "no such hint"))]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        /// Bytes of a cache line.
        const LINE_BYTES: usize = 64;
        let start = values.as_ptr().cast::<i8>();
        let skew = start.addr() % LINE_BYTES;
        let lines = (skew + size_of_val(values)).div_ceil(LINE_BYTES);
        for line in 0..lines {
            let address = start.wrapping_add(line * LINE_BYTES);
            // SAFETY: a hint; it reads nothing that the program could see and cannot fault.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
        }
    }
}
