//! What the caches together report.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use super::{CacheMemoryManager, Evicted, lock};
use crate::cache_ladder::CacheLevel;
use crate::durations::{DurationCounts, Durations};

/// What was counted since the start, or since it was reset.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) evictions: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) warnings: AtomicU64,
    evicted_bytes: AtomicU64,
    evicted_items: AtomicU64,
    /// Nanoseconds of the clock plus 1; 0 if there was none.
    last_eviction: AtomicU64,
    pub(super) reclaims: Durations,
}

impl Counters {
    pub(super) fn count(&self, evicted: Evicted, now: Duration) {
        self.evictions.fetch_add(1, SeqCst);
        self.evicted_bytes.fetch_add(evicted.bytes, SeqCst);
        self.evicted_items.fetch_add(evicted.items, SeqCst);
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.last_eviction.store(nanos.saturating_add(1), SeqCst);
    }
}

/// What one cache counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheFigures {
    /// Look-ups that found something.
    pub hits: u64,
    /// Look-ups that found nothing.
    pub misses: u64,
    /// What went for others, by the name of the policy that chose it.
    pub evicted: Vec<PolicyFigures>,
}

/// What one policy chose to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyFigures {
    /// Its name.
    pub policy: &'static str,
    /// Entries.
    pub items: u64,
    /// Bytes.
    pub bytes: u64,
}

/// How the caches stand; each number is read by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheMemoryStats {
    /// Bytes that caches hold.
    pub current_usage: u64,
    /// Bytes that they may hold.
    pub limit: u64,
    /// How near the limit they are.
    pub level: CacheLevel,
    /// Times that a higher level was reached.
    pub warnings: u64,
    /// Runs of evictions.
    pub total_evictions: u64,
    /// Bytes that they gave back.
    pub evicted_bytes: u64,
    /// Entries that went.
    pub evicted_items: u64,
    /// When the last one was, by the manager's clock.
    pub last_eviction: Option<Duration>,
    /// Requests of caches that were refused: answered, and not kept.
    pub refused: u64,
}

impl CacheMemoryManager {
    /// How the caches stand.
    pub fn stats(&self) -> CacheMemoryStats {
        let counters = &self.counters;
        CacheMemoryStats {
            current_usage: self.current_usage(),
            limit: self.limit(),
            level: lock(&self.ladder).level(),
            warnings: counters.warnings.load(SeqCst),
            total_evictions: self.total_evictions(),
            evicted_bytes: counters.evicted_bytes.load(SeqCst),
            evicted_items: counters.evicted_items.load(SeqCst),
            last_eviction: match counters.last_eviction.load(SeqCst) {
                0 => None,
                nanos => Some(Duration::from_nanos(nanos - 1)),
            },
            refused: counters.refused.load(SeqCst),
        }
    }

    /// How long caches took, each time that somebody short of memory had them give back.
    pub fn reclaims(&self) -> DurationCounts {
        self.counters.reclaims.counts()
    }

    /// Sets what is counted back to zero; what is held stays held.
    pub fn reset_stats(&self) {
        let counters = &self.counters;
        for counter in [
            &counters.evictions,
            &counters.refused,
            &counters.warnings,
            &counters.evicted_bytes,
            &counters.evicted_items,
            &counters.last_eviction,
        ] {
            counter.store(0, SeqCst);
        }
        counters.reclaims.reset();
        self.caches().iter().for_each(|cache| cache.reset_figures());
    }
}
