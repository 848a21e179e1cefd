//! What the allocator takes for what was asked of it.
//!
//! The rule is that of glibc's `malloc` on 64-bit systems (`request2size` and `MMAP_THRESHOLD` in
//! its `malloc/malloc.c`): eight bytes for the chunk's size, rounded up to 16, at least 32; from
//! 128 KiB on a mapping of its own, 16 bytes more in whole pages. Other allocators differ by less
//! than what the drift between reserved and measured bytes makes good.

const CHUNK_HEADER: u64 = 8;
const CHUNK_ALIGN: u64 = 16;
const CHUNK_MIN: u64 = 32;
const MAPPING_MIN: u64 = 128 << 10;
const MAPPING_HEADER: u64 = 16;
const PAGE: u64 = 4096;

/// Bytes that an allocation of `requested` bytes takes; none for none.
pub const fn allocated_bytes(requested: u64) -> u64 {
    if requested == 0 {
        return 0;
    }
    if requested >= MAPPING_MIN {
        return requested.saturating_add(MAPPING_HEADER + PAGE - 1) / PAGE * PAGE;
    }
    let chunk = (requested + CHUNK_HEADER).next_multiple_of(CHUNK_ALIGN);
    if chunk < CHUNK_MIN { CHUNK_MIN } else { chunk }
}

/// Bytes behind a vector of that capacity.
pub(crate) const fn vec_bytes<T>(capacity: usize) -> u64 {
    allocated_bytes((capacity * size_of::<T>()) as u64)
}

/// The next capacity of a vector that grows by an eighth: less room is idle than with doubling,
/// for a little more copying.
pub(crate) const fn grown_capacity(capacity: usize) -> usize {
    capacity + capacity / 8 + 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_are_rounded_to_chunks_and_large_ones_to_pages() {
        for (requested, taken) in [
            (0, 0),
            (1, 32),
            (24, 32),
            (25, 48),
            (40, 48),
            (41, 64),
            (4100, 4112),
            ((128 << 10) - 1, (128 << 10) + 16),
            (128 << 10, (128 << 10) + 4096),
            ((132 << 10) - 16, 132 << 10),
            (u64::MAX, u64::MAX / PAGE * PAGE),
        ] {
            assert_eq!(allocated_bytes(requested), taken, "{requested} requested");
        }
    }
}
