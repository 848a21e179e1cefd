//! The embedding cache: vectors of texts that a model embedded before.

use std::sync::Arc;

use vectorizer_memory::{CacheMemoryManager, Class, Clock, Tenant};

use crate::allocator::{allocated_bytes, vec_bytes};
use crate::hash::hash_of;
use crate::{CacheControl, Cached, ClockedCache, Inserted, NewEntry, Options};

/// Of all caches the dearest to refill: a run of a model.
const EASE: u32 = 1;

/// What a vector is found by. Texts are long, so their hash stands for them: 128 bits under a seed
/// that nobody outside knows, and the length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TextKey {
    model: Box<str>,
    text: [u64; 2],
    bytes: usize,
}

/// Vectors of texts by model and text.
#[derive(Debug)]
pub struct EmbeddingCache {
    cache: ClockedCache<TextKey, Box<[f32]>>,
    seed: u64,
}

impl EmbeddingCache {
    /// The name in reports and metrics.
    pub const NAME: &str = "embeddings";

    /// An empty cache under a manager, of at most so many bytes; 0 keeps nothing. Hashes depend on
    /// `seed`, which is to be another for each process.
    pub fn new(
        manager: &Arc<CacheMemoryManager>,
        clock: Arc<dyn Clock>,
        limit_bytes: u64,
        seed: u64,
    ) -> Arc<Self> {
        let options = Options::new(Self::NAME, Class::EmbeddingCache, limit_bytes);
        let options = Options { ease: EASE, seed, ..options };
        Arc::new(Self { cache: ClockedCache::new(manager, &options, clock), seed })
    }

    /// The vector that a model made of a text; shape `[dim]` of that model.
    pub fn find(&self, model: &str, text: &str) -> Option<Arc<Cached<Box<[f32]>>>> {
        self.cache.get(&self.key(model, text))
    }

    /// Keeps the vector that a model made of a text, for whom it was made; what is not kept comes
    /// back with the reason.
    pub fn keep(
        &self,
        (model, text): (&str, &str),
        vector: Box<[f32]>,
        tenant: &Tenant,
    ) -> Inserted<Box<[f32]>> {
        let key = self.key(model, text);
        let heap_bytes = allocated_bytes(model.len() as u64) + vec_bytes::<f32>(vector.len());
        let entry = NewEntry { key, value: vector, heap_bytes, refill_cost: 1, generation: None };
        self.cache.insert(entry, tenant)
    }

    fn key(&self, model: &str, text: &str) -> TextKey {
        let [first, second] = [self.seed, !self.seed].map(|seed| hash_of(seed, text));
        TextKey { model: model.into(), text: [first, second], bytes: text.len() }
    }

    /// What can be changed of it.
    pub fn control(&self) -> &dyn CacheControl {
        &self.cache
    }
}
