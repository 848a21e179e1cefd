//! The caches of a node besides that of hits.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use vectorizer_cache::EmbeddingCache;
use vectorizer_engine::Engine;
use vectorizer_query::MetadataCache;

/// The caches of a node besides that of hits.
#[derive(Debug, Clone)]
pub(crate) struct KeptCaches {
    pub(crate) metadata: Arc<MetadataCache>,
    pub(crate) embeddings: Arc<EmbeddingCache>,
}

impl KeptCaches {
    /// Empty caches of at most so many bytes each; 0 keeps nothing.
    pub(crate) fn new(engine: &Engine, limit_bytes: u64) -> Self {
        let (manager, clock) = (engine.caches(), || engine.clock());
        // So that nobody can aim at the hash of another's text.
        let seed = RandomState::new().hash_one(0);
        Self {
            metadata: MetadataCache::new(manager, clock(), limit_bytes),
            embeddings: EmbeddingCache::new(manager, clock(), limit_bytes, seed),
        }
    }
}
