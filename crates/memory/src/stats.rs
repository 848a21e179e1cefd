//! What was measured, and what operations hold of it.

/// Bytes of the process, or of its cgroup, as the system tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// All that there are: the cgroup's limit, else the machine's memory.
    pub total: u64,
    /// Those that the process holds.
    pub used: u64,
    /// Those that its cgroup holds, page cache included, if there is one that tells.
    pub cgroup: Option<u64>,
}

/// How full memory is, and what operations under way hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryStats {
    /// Bytes that there are: the cgroup's limit, else the machine's memory.
    pub total_system: u64,
    /// Bytes that the process was measured to hold.
    pub used_system: u64,
    /// Bytes that the process's cgroup was measured to hold, page cache included: what the kernel
    /// compares with the cgroup's limit.
    pub cgroup: Option<u64>,
    /// Bytes that operations under way hold.
    pub tracked_allocations: u64,
    /// How many operations are under way.
    pub allocation_count: usize,
    /// `used_system` as a part of `total_system`.
    pub usage_ratio: f64,
    /// Bytes that cannot be reclaimed as a part of `memory.limit`: what the ladder goes by.
    pub limit_ratio: f64,
}

/// A part of a whole; all of nothing is everything.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { f64::from(u8::from(part > 0)) } else { part as f64 / whole as f64 }
}
