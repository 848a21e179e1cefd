//! The metadata cache: how many points a filter admits, found for as long as its view is the newest.
//!
//! An entry is found by what the view shows, which writes and flushes change, and by the filter,
//! bit for bit. So a cached number is the one that the same view would count again. One that is not
//! found any more goes when there is no room, as what was used longest ago.

use std::sync::Arc;

use vectorizer_cache::{
    CacheControl, ClockedCache, NewEntry, Options, SharedItems, allocated_bytes,
};
use vectorizer_engine::ViewIdentity;
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Tenant};
use vectorizer_model::Filter;

use crate::cache::filter_key;

/// Cheap to refill: one look at the rows of a shard.
const EASE: u32 = 4;

/// What a number is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CountKey {
    view: ViewIdentity,
    filter: Box<[u8]>,
}

/// Numbers of points that were counted before.
#[derive(Debug)]
pub struct MetadataCache {
    cache: ClockedCache<CountKey, u64>,
}

/// A number that is not known, and what it is kept under; a long filter's is not.
#[derive(Debug)]
pub(crate) struct Unknown(Option<CountKey>);

impl MetadataCache {
    /// The name in reports and metrics.
    pub const NAME: &str = "metadata";

    /// An empty cache under a manager, of at most so many bytes; 0 keeps nothing. Its entries count
    /// among those of `items`.
    pub fn new(
        manager: &Arc<CacheMemoryManager>,
        clock: Arc<dyn Clock>,
        limit_bytes: u64,
        items: &Arc<SharedItems>,
    ) -> Arc<Self> {
        let options = Options::new(Self::NAME, Class::Metadata, limit_bytes);
        let options = Options { ease: EASE, shared_items: Some(Arc::clone(items)), ..options };
        Arc::new(Self { cache: ClockedCache::new(manager, &options, clock) })
    }

    /// How many points a filter admits in a view, or what the number is to be kept under.
    pub(crate) fn find(&self, view: ViewIdentity, filter: &Filter) -> Result<u64, Unknown> {
        let Some(filter) = filter_key(filter) else { return Err(Unknown(None)) };
        let key = CountKey { view, filter };
        match self.cache.get(&key) {
            Some(count) => Ok(**count),
            None => Err(Unknown(Some(key))),
        }
    }

    /// Keeps a number; what does not fit is not kept, and counted.
    pub(crate) fn keep(&self, Unknown(key): Unknown, count: u64, tenant: &Tenant) {
        let Some(key) = key else { return };
        let heap_bytes = allocated_bytes(key.filter.len() as u64);
        let entry = NewEntry { key, value: count, heap_bytes, refill_cost: 1, generation: None };
        self.cache.insert(entry, tenant);
    }

    /// Gives up the numbers of a shard. Looks at all.
    pub fn forget_shard(&self, shard: u32) {
        self.cache.remove_if(|key, _| key.view.shard == shard);
    }

    /// What can be changed of it.
    pub fn control(&self) -> &dyn CacheControl {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use vectorizer_memory::{Governor, Limits};
    use vectorizer_model::{Condition, PointId};

    #[test]
    fn a_number_is_that_of_the_same_view_and_filter() {
        let governor = Governor::new(Limits::of_root(64 << 20).with_cache_limit(16 << 20));
        let manager = CacheMemoryManager::new(Arc::clone(&governor), Arc::new(Duration::ZERO));
        let items = SharedItems::new(1000);
        let cache = MetadataCache::new(&manager, Arc::new(Duration::ZERO), 4 << 20, &items);
        let view = ViewIdentity { shard: 1, version: 2, seq: 3 };
        let one = |id| {
            let must = vec![Condition::has_id(vec![PointId::Num(id)])];
            Filter { must, ..Filter::default() }
        };
        let unknown = cache.find(view, &one(1)).unwrap_err();
        cache.keep(unknown, 7, &Tenant::system());
        assert_eq!(cache.find(view, &one(1)).unwrap(), 7);
        assert!(cache.find(view, &one(2)).is_err());
        cache.forget_shard(2);
        assert!(cache.find(view, &one(1)).is_ok(), "another's");
        for other in [
            ViewIdentity { shard: 2, ..view },
            ViewIdentity { version: 3, ..view },
            ViewIdentity { seq: 4, ..view },
        ] {
            assert!(cache.find(other, &one(1)).is_err());
        }
        for id in 2..9 {
            let unknown = cache.find(view, &one(id)).unwrap_err();
            cache.keep(unknown, id, &Tenant::system());
        }
        assert_eq!(cache.control().stats().items, 8);
        let ids = (0..1000).map(PointId::Num).collect();
        let many = Filter { must: vec![Condition::has_id(ids)], ..Filter::default() };
        let unknown = cache.find(view, &many).unwrap_err();
        cache.keep(unknown, 9, &Tenant::system());
        assert!(cache.find(view, &many).is_err(), "a key of 9 KB");
        items.set_limit(3, Duration::ZERO);
        assert_eq!(cache.control().stats().items, 3);
        cache.forget_shard(1);
        assert_eq!(cache.control().stats().items, 0);
        items.set_limit(0, Duration::ZERO);
        let unknown = cache.find(view, &one(1)).unwrap_err();
        cache.keep(unknown, 7, &Tenant::system());
        assert!(cache.find(view, &one(1)).is_err());
        drop(cache);
        assert_eq!(governor.reserved(), 0);
    }
}
