//! What reads of segments keep for the next ones: payloads, and verdicts about them.

use std::sync::Arc;

use vectorizer_cache::CacheControl;
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
        Ok(Self { payloads, predicates })
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
