//! How the C library's allocator keeps freed memory.
#![expect(unsafe_code, reason = "the allocator is tuned and trimmed through C functions")]
//!
//! Facts relied on, for the GNU C library (`man mallopt`, `man malloc_trim`); with any other library nothing
//! is done:
//! - `mallopt` sets integers and may be called at any time; it is called before threads start;
//! - `malloc_trim` may be called from any thread at any time.

/// An allocation of this many bytes is mapped on its own and given back when it is freed. Setting
/// it keeps the library from raising it to 32 MiB, beyond all but the largest buffers.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES: i32 = 128 << 10;
/// Free bytes at an arena's end beyond these are given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIMMED_BYTES: i32 = 256 << 10;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    /// Sets a parameter; 0 if it was refused.
    safe fn mallopt(parameter: i32, value: i32) -> i32;
    /// Gives free pages back, but `pad` bytes at the end; 1 if there were any.
    safe fn malloc_trim(pad: usize) -> i32;
}

/// Makes the allocator give back what is freed, instead of keeping it for each thread: all threads
/// share so many arenas. For the start of a process that has a memory limit. False if the
/// allocator is another's.
pub fn keep_little_freed_memory(arenas: i32) -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const M_TRIM_THRESHOLD: i32 = -1;
        const M_MMAP_THRESHOLD: i32 = -3;
        const M_ARENA_MAX: i32 = -8;
        mallopt(M_ARENA_MAX, arenas) != 0
            && mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES) != 0
            && mallopt(M_TRIM_THRESHOLD, TRIMMED_BYTES) != 0
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _unused = arenas;
        false
    }
}

/// Gives every free page of the heap back to the kernel, in some milliseconds. False if there was
/// none, or if the allocator is another's.
pub fn release_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        malloc_trim(0) != 0
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::process_memory;

    fn anonymous() -> u64 {
        let memory = process_memory(std::path::Path::new("/")).expect("readable");
        memory.anonymous.expect("told")
    }

    #[test]
    fn freed_memory_is_given_back() {
        const BLOCK: usize = 4 << 10;
        const BLOCKS: usize = 16 << 10;
        assert!(keep_little_freed_memory(2));
        let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK]).collect();
        // What is still held lies behind all that is freed, so that no end of the heap is free.
        let last = blocks.pop();
        let full = anonymous();
        drop(blocks);
        release_freed_memory();
        let freed = full.saturating_sub(anonymous());
        assert!(freed > (BLOCK * BLOCKS) as u64 / 2, "{freed} bytes given back");
        drop(last);
    }
}
