//! The predicate cache: which rows of a segment satisfy what no index answers.
//!
//! An entry is found by segment and predicate, bit for bit, and speaks of the payloads that rows
//! were flushed with, which never change. Deaths and patches come after: the first are left out by
//! whoever asks, rows with the second are judged by their patch. So an entry is never out of date,
//! only incomplete.

use std::sync::Arc;

use vectorizer_cache::{Cached, ClockedCache, Footprint, NewEntry, Options, allocated_bytes};
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Tenant};

use crate::identity::SegmentKey;
use crate::verdicts::Verdicts;

/// Dear to refill: each row is a payload that is read and judged.
const EASE: u32 = 2;
/// Rows judged that are worth a refill cost of one more.
const ROWS_PER_COST: u32 = 64;

/// What verdicts are found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PredicateKey {
    pub(crate) segment: SegmentKey,
    /// Canonical bytes of what is asked of payloads.
    pub(crate) predicate: Box<[u8]>,
}

/// Which rows of segments satisfy predicates.
#[derive(Debug)]
pub(crate) struct PredicateCache {
    pub(crate) cache: ClockedCache<PredicateKey, Verdicts>,
}

impl PredicateCache {
    /// The name in reports and metrics.
    pub(crate) const NAME: &str = "predicates";

    /// An empty cache of at most so many bytes.
    pub(crate) fn new(
        manager: &Arc<CacheMemoryManager>,
        clock: Arc<dyn Clock>,
        limit_bytes: u64,
    ) -> Self {
        let options =
            Options { ease: EASE, ..Options::new(Self::NAME, Class::Metadata, limit_bytes) };
        Self { cache: ClockedCache::new(manager, &options, clock) }
    }

    /// What is known of a segment's rows.
    pub(crate) fn find(&self, key: &PredicateKey) -> Option<Arc<Cached<Verdicts>>> {
        self.cache.get(key)
    }

    /// Keeps what is known after so many rows were judged, in place of what was.
    pub(crate) fn keep(&self, key: PredicateKey, verdicts: Verdicts, judged: u32, of: &Tenant) {
        let heap_bytes = allocated_bytes(key.predicate.len() as u64) + verdicts.heap_bytes();
        let refill_cost = u16::try_from(judged / ROWS_PER_COST).unwrap_or(u16::MAX).max(1);
        let entry = NewEntry { key, value: verdicts, heap_bytes, refill_cost, generation: None };
        // A refused entry is answered all the same.
        self.cache.insert(entry, of);
    }
}
