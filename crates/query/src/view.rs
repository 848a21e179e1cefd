//! What one request sees of a collection: its shards, each at one position of its history.

use std::sync::Arc;

use vectorizer_engine::{Engine, ReadView, Target};
use vectorizer_memory::{AllocationGuard, Class, Drawn, Governor};
use vectorizer_model::{CollectionSettings, SequenceNumber};

use crate::access::ShardAccess;
use crate::error::Result;
use crate::local::{LeafCaches, LocalShard};

/// What one request sees of a collection. All its answers fit together: a write is seen by all of
/// them or by none.
#[derive(Debug)]
pub struct CollectionView {
    shards: Vec<Box<dyn ShardAccess>>,
    settings: Arc<CollectionSettings>,
    seq: SequenceNumber,
    governor: Arc<Governor>,
    guard: Option<AllocationGuard>,
}

impl CollectionView {
    /// Everything acknowledged so far in a collection of this node, past all caches.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`](vectorizer_engine::EngineError::CollectionNotFound).
    pub fn local<'a>(engine: &Engine, collection: impl Into<Target<'a>>) -> Result<Self> {
        Ok(Self::of_shard(engine, engine.view(collection)?.uncached(), None, None))
    }

    /// The same, drawing on the memory of an operation, through the caches of the node and these.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`](vectorizer_engine::EngineError::CollectionNotFound).
    pub fn guarded<'a>(
        engine: &Engine,
        collection: impl Into<Target<'a>>,
        guard: &AllocationGuard,
        caches: LeafCaches,
    ) -> Result<Self> {
        let view = engine.view(collection)?.with_guard(guard.clone());
        Ok(Self::of_shard(engine, view, Some(guard.clone()), Some(caches)))
    }

    fn of_shard(
        engine: &Engine,
        view: ReadView,
        guard: Option<AllocationGuard>,
        caches: Option<LeafCaches>,
    ) -> Self {
        let shard = LocalShard::new(engine.clone(), view).with_caches(caches);
        let (settings, seq) = (Arc::clone(shard.settings()), shard.seq());
        let governor = Arc::clone(engine.governor());
        Self { shards: vec![Box::new(shard)], settings, seq, governor, guard }
    }

    /// The collection's settings.
    pub fn settings(&self) -> &Arc<CollectionSettings> {
        &self.settings
    }

    /// The last operation that it shows.
    pub fn seq(&self) -> SequenceNumber {
        self.seq
    }

    /// These shards, for tests.
    #[cfg(test)]
    pub(crate) fn of(shards: Vec<Box<dyn ShardAccess>>, governor: Arc<Governor>) -> Self {
        let (settings, seq) = (Arc::clone(shards[0].settings()), shards[0].seq());
        Self { shards, settings, seq, governor, guard: None }
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = &dyn ShardAccess> {
        self.shards.iter().map(|shard| &**shard)
    }

    /// The shard that holds all of the collection, unless there are several.
    pub(crate) fn only_shard(&self) -> Option<&dyn ShardAccess> {
        match self.shards.as_slice() {
            [only] => Some(&**only),
            _ => None,
        }
    }

    /// Holds memory for an answer of about this many bytes while it is made.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<Drawn> {
        if let Some(guard) = &self.guard {
            return Ok(guard.draw(bytes)?);
        }
        let tenant = self.governor.tenant("default");
        Ok(self.governor.reserve(Class::Operations, &tenant, bytes)?.into())
    }
}
