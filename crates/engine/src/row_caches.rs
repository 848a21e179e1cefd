//! What reads of segments keep for the next ones: payloads, and verdicts about them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use vectorizer_cache::CacheControl;
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Governor, Tenant};

use crate::error::Result;
use crate::identity::SegmentKey;
use crate::payload_cache::PayloadCache;
use crate::predicate_cache::PredicateCache;
use crate::recently_asked::RecentlyAsked;

/// The caches of a node that are asked below a view.
#[derive(Debug)]
pub struct RowCaches {
    pub(crate) payloads: PayloadCache,
    pub(crate) predicates: PredicateCache,
    gone: Mutex<Gone>,
}

/// What is there no more, and perhaps kept.
#[derive(Debug, Default)]
struct Gone {
    shards: BTreeSet<u32>,
    segments: BTreeSet<SegmentKey>,
}

impl RowCaches {
    /// The names in reports and metrics.
    pub const NAMES: [&str; 2] = [PayloadCache::NAME, PredicateCache::NAME];

    /// Empty caches. Together with all others they are bounded by the governor; each by half of
    /// the process's limit, or by nothing if there is to be no caching.
    ///
    /// # Errors
    /// The budget refuses what is held from the start.
    pub(crate) fn new(
        governor: &Arc<Governor>,
        manager: &Arc<CacheMemoryManager>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let limits = governor.limits();
        let limit_bytes = if limits.caches == 0 { 0 } else { limits.root / 2 };
        let charge =
            || governor.reserve(Class::Collections, &Tenant::system(), RecentlyAsked::BYTES);
        let payloads = PayloadCache::new(manager, Arc::clone(clock), limit_bytes, charge()?);
        let predicates = PredicateCache::new(manager, Arc::clone(clock), limit_bytes, charge()?);
        Ok(Self { payloads, predicates, gone: Mutex::default() })
    }

    /// Notes that nothing of a shard will be asked for again.
    pub(crate) fn note_dropped(&self, shard: u32) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).shards.insert(shard);
    }

    /// Notes that nothing of these segments will be asked for again.
    pub(crate) fn note_replaced(&self, segments: impl Iterator<Item = SegmentKey>) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).segments.extend(segments);
    }

    /// Gives up what was noted, so that nobody pays for it any longer. Looks at all entries, if
    /// there is anything.
    pub(crate) fn forget_gone(&self) {
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        if gone.shards.is_empty() && gone.segments.is_empty() {
            return;
        }
        let is_gone =
            |key: &SegmentKey| gone.shards.contains(&key.shard) || gone.segments.contains(key);
        self.payloads.cache.remove_if(|key, _| is_gone(&key.segment));
        self.predicates.cache.remove_if(|key, _| is_gone(&key.segment));
    }

    /// What can be changed of the payload cache.
    pub fn payload_control(&self) -> &dyn CacheControl {
        &self.payloads.cache
    }

    /// What can be changed of the predicate cache.
    pub fn predicate_control(&self) -> &dyn CacheControl {
        &self.predicates.cache
    }
}
