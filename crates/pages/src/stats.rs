//! What the pool counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the pool was made, and what it holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes that the pool may hold.
    pub capacity: u64,
    /// Bytes that it holds: resident, being read or given back, and its tables.
    pub used: u64,
    /// Extents that were resident when they were pinned.
    pub hits: u64,
    /// Extents that were not.
    pub misses: u64,
    /// Extents taken away to make room.
    pub evictions: u64,
    /// Calls that read from files.
    pub reads: u64,
    /// Bytes that they read.
    pub bytes_read: u64,
    /// Steps that had to keep others from making room to get all of their bytes at once.
    pub contended: u64,
}

/// The same while it is counted. Statistics only: nothing is ordered by them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) contended: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self, capacity: u64, used: u64) -> Stats {
        Stats {
            capacity,
            used,
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
            reads: self.reads.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
            contended: self.contended.load(Relaxed),
        }
    }
}

/// Adds to a count.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}
