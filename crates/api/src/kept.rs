//! The caches of a node besides that of hits, as they follow the settings.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use vectorizer_cache::{EmbeddingCache, Refusal};
use vectorizer_engine::Engine;
use vectorizer_query::MetadataCache;

use crate::cache_settings::CacheSettings;

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

    /// Follows the settings, and has the engine's caches follow them.
    ///
    /// # Errors
    /// Memory is too short to sort entries anew; some caches may follow already.
    pub(crate) fn follow(&self, engine: &Engine, settings: &CacheSettings) -> Result<(), Refusal> {
        let rows = engine.row_caches();
        rows.set_policy(settings.policy)?;
        self.metadata.set_policy(settings.policy)?;
        self.embeddings.set_policy(settings.policy)?;
        rows.set_ttl(settings.metadata_ttl);
        self.metadata.set_ttl(settings.metadata_ttl);
        self.metadata.set_limit_items(settings.items_max);
        self.embeddings.set_ttl(settings.embedding_ttl);
        Ok(())
    }
}
