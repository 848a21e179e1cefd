//! What reads of segments keep for the next ones: payloads, and verdicts about them.

use std::sync::Arc;
use std::time::Duration;

use vectorizer_cache::{CacheStats, EvictionPolicy, Refusal};
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Governor, Tenant};

use crate::error::Result;
use crate::payload_cache::PayloadCache;
use crate::predicate_cache::PredicateCache;
use crate::recently_asked::RecentlyAsked;

/// The caches of a node that are asked below a view.
#[derive(Debug)]
pub struct RowCaches {
    pub(crate) payloads: PayloadCache,
    pub(crate) predicates: PredicateCache,
    clock: Arc<dyn Clock>,
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
            governor.reserve(Class::Collections, &Tenant::system(), RecentlyAsked::BYTES)?;
        let payloads = PayloadCache::new(manager, Arc::clone(clock), limit_bytes, charge);
        let predicates = PredicateCache::new(manager, Arc::clone(clock), limit_bytes);
        Ok(Self { payloads, predicates, clock: Arc::clone(clock) })
    }

    /// Lets another policy say which entries go first; all stay.
    ///
    /// # Errors
    /// The refusal of the bytes that the change takes; trying again goes on with it.
    pub fn set_policy(&self, policy: EvictionPolicy) -> std::result::Result<(), Refusal> {
        let now = self.clock.now();
        self.payloads.cache.set_policy(policy, now)?;
        self.predicates.cache.set_policy(policy, now)
    }

    /// How long entries are kept; for as long as there is room if absent.
    pub fn set_ttl(&self, ttl: Option<Duration>) {
        self.payloads.cache.set_ttl(ttl);
        self.predicates.cache.set_ttl(ttl);
    }

    /// Bounds the bytes of each; 0 keeps nothing.
    pub fn set_limit_bytes(&self, bytes: u64) {
        let now = self.clock.now();
        self.payloads.cache.set_limit_bytes(bytes, now);
        self.predicates.cache.set_limit_bytes(bytes, now);
    }

    /// What the payload cache counted.
    pub fn payload_stats(&self) -> CacheStats {
        self.payloads.cache.stats()
    }

    /// What the predicate cache counted.
    pub fn predicate_stats(&self) -> CacheStats {
        self.predicates.cache.stats()
    }

    /// Gives up all entries; the bytes that were free at once.
    pub fn clear(&self) -> u64 {
        self.payloads.cache.clear() + self.predicates.cache.clear()
    }
}
