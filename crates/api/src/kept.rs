//! The caches of a node besides that of hits.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use vectorizer_cache::{EmbeddingCache, SharedItems};
use vectorizer_engine::Engine;
use vectorizer_query::MetadataCache;

use crate::cache_settings::CacheSettings;

/// The caches of a node besides that of hits.
#[derive(Debug, Clone)]
pub(crate) struct KeptCaches {
    pub(crate) metadata: Arc<MetadataCache>,
    pub(crate) embeddings: Arc<EmbeddingCache>,
    /// Bounds the entries of the metadata and discovery caches together.
    pub(crate) items: Arc<SharedItems>,
}

impl KeptCaches {
    /// Empty caches of at most so many bytes each; 0 keeps nothing.
    pub(crate) fn new(engine: &Engine, limit_bytes: u64) -> Self {
        let (manager, clock) = (engine.caches(), || engine.clock());
        let items = SharedItems::new(CacheSettings::default().items_max);
        // So that nobody can aim at the hash of another's text.
        let seed = RandomState::new().hash_one(0);
        Self {
            metadata: MetadataCache::new(manager, clock(), limit_bytes, &items),
            embeddings: EmbeddingCache::new(manager, clock(), limit_bytes, seed),
            items,
        }
    }
}
