//! What one request sees of a collection: its shards, each at one position of its history.

use std::sync::Arc;

use vectorizer_engine::{Engine, ReadView};
use vectorizer_memory::{AllocationGuard, Class, Drawn, Governor};
use vectorizer_model::{CollectionName, CollectionSettings, SequenceNumber};

use crate::access::ShardAccess;
use crate::cache::QueryCache;
use crate::error::Result;
use crate::local::LocalShard;

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
    /// Everything acknowledged so far in a collection of this node.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`](vectorizer_engine::EngineError::CollectionNotFound).
    pub fn local(engine: &Engine, name: &CollectionName) -> Result<Self> {
        Ok(Self::of_shard(engine, engine.view(name)?, None, None))
    }

    /// The same, drawing on the memory of an operation, with hits kept in a cache if there is one.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`](vectorizer_engine::EngineError::CollectionNotFound).
    pub fn guarded(
        engine: &Engine,
        name: &CollectionName,
        guard: &AllocationGuard,
        cache: Option<&Arc<QueryCache>>,
    ) -> Result<Self> {
        let view = engine.view(name)?.with_guard(guard.clone());
        Ok(Self::of_shard(engine, view, Some(guard.clone()), cache.cloned()))
    }

    fn of_shard(
        engine: &Engine,
        view: ReadView,
        guard: Option<AllocationGuard>,
        cache: Option<Arc<QueryCache>>,
    ) -> Self {
        let shard = LocalShard::new(engine.clone(), view).with_cache(cache);
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
