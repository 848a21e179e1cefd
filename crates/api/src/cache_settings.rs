//! What entries caches keep.

use std::time::Duration;

use vectorizer_cache::{EmbeddingCache, EvictionPolicy};
use vectorizer_engine::RowCaches;
use vectorizer_memory::CacheShare;
use vectorizer_query::{MetadataCache, QueryCache};

use crate::found::{MIMIR_DISCOVERY, TENANT_DISCOVERY};

/// The policy of each cache that has one of its own, in the order of [`CacheSettings::CACHES`].
pub type OwnPolicies = [Option<EvictionPolicy>; CacheSettings::CACHES.len()];

/// What entries caches keep; page frames are no entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Entries of the metadata cache and of discovery together.
    pub items_max: u64,
    /// Entries of tenant discovery among them.
    pub tenant_items_max: u64,
    /// Entries of Mimir discovery among them.
    pub mimir_items_max: u64,
    /// Which entries go first where no cache has a policy of its own.
    pub policy: EvictionPolicy,
    /// The policies of caches that have one of their own, in the order of [`Self::CACHES`].
    pub policies: OwnPolicies,
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

impl CacheSettings {
    /// The caches that have entries, by name.
    pub const CACHES: [&str; 7] = [
        QueryCache::NAME,
        MetadataCache::NAME,
        RowCaches::NAMES[0],
        RowCaches::NAMES[1],
        EmbeddingCache::NAME,
        TENANT_DISCOVERY,
        MIMIR_DISCOVERY,
    ];

    /// Which entries go first in a cache, if there are entries in one of that name.
    pub fn policy_of(&self, cache: &str) -> Option<EvictionPolicy> {
        let at = Self::CACHES.iter().position(|name| *name == cache)?;
        Some(self.policies[at].unwrap_or(self.policy))
    }

    /// Entries that tenant discovery may have at most, by either bound.
    pub fn tenant_items_bound(&self) -> u64 {
        self.tenant_items_max.min(self.items_max)
    }

    /// Entries that Mimir discovery may have at most, by either bound.
    pub fn mimir_items_bound(&self) -> u64 {
        self.mimir_items_max.min(self.items_max)
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            items_max: 1_000,
            tenant_items_max: 500,
            mimir_items_max: 500,
            policy: EvictionPolicy::default(),
            policies: OwnPolicies::default(),
            query_ttl: None,
            discovery_ttl: Some(Duration::from_mins(5)),
            metadata_ttl: None,
            embedding_ttl: None,
            share: CacheShare::default(),
            cluster_bytes_max: None,
        }
    }
}
