//! What entries caches keep.

use std::time::Duration;

use vectorizer_cache::EvictionPolicy;
use vectorizer_memory::CacheShare;

/// What entries caches keep; page frames are no entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Entries of the metadata cache.
    pub items_max: u64,
    /// Entries of tenant discovery.
    pub tenant_items_max: u64,
    /// Entries of Mimir discovery.
    pub mimir_items_max: u64,
    /// Which entries go first.
    pub policy: EvictionPolicy,
    /// How long hits of searches are kept; for as long as nothing changes if absent.
    pub query_ttl: Option<Duration>,
    /// How long what was discovered is kept; for as long as there is room if absent.
    pub discovery_ttl: Option<Duration>,
    /// How long payloads, verdicts of predicates and other metadata are kept; for as long as there
    /// is room if absent.
    pub metadata_ttl: Option<Duration>,
    /// How long vectors of embedded texts are kept; for as long as there is room if absent.
    pub embedding_ttl: Option<Duration>,
    /// What their limit follows from when that of the process changes.
    pub share: CacheShare,
    /// In cluster mode, the most that their limit may be set to; then it cannot be 0 either.
    pub cluster_bytes_max: Option<u64>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            items_max: 1_000,
            tenant_items_max: 500,
            mimir_items_max: 500,
            policy: EvictionPolicy::default(),
            query_ttl: None,
            discovery_ttl: Some(Duration::from_mins(5)),
            metadata_ttl: None,
            embedding_ttl: None,
            share: CacheShare::default(),
            cluster_bytes_max: None,
        }
    }
}
