//! A cache beside the clock that its time is taken from.

use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use vectorizer_memory::{CacheMemoryManager, Clock, Tenant};

use crate::{Cache, CacheStats, Cached, EvictionPolicy, Inserted, NewEntry, Options, Refusal};

/// A [`Cache`] and its clock; what needs no time is asked of the cache itself.
#[derive(Debug)]
pub struct ClockedCache<K, V> {
    cache: Arc<Cache<K, V>>,
    clock: Arc<dyn Clock>,
}

/// What can be asked and changed of a cache in use, whatever it keeps.
pub trait CacheControl {
    /// Lets another policy say which entries go first; all stay.
    ///
    /// # Errors
    /// The refusal of the bytes that the change takes; trying again goes on with it.
    fn set_policy(&self, policy: EvictionPolicy) -> Result<(), Refusal>;

    /// How long entries are kept; for as long as there is room if absent.
    fn set_ttl(&self, ttl: Option<Duration>);

    /// Bounds the bytes; 0 keeps nothing. What is above goes now, or when it is put down.
    fn set_limit_bytes(&self, bytes: u64);

    /// Bounds the number of entries; 0 keeps nothing. What is above goes now, or when it is put
    /// down.
    fn set_limit_items(&self, items: u64);

    /// Bytes of a tenant, in all caches together, that others give up theirs for first.
    fn set_guarantee(&self, tenant: &Tenant, bytes: u64);

    /// Gives up all entries; the bytes that were free at once.
    fn clear(&self) -> u64;

    /// Who goes first.
    fn policy(&self) -> EvictionPolicy;

    /// What was counted.
    fn stats(&self) -> CacheStats;
}

impl<K: Hash + Eq + Send + 'static, V: Send + Sync + 'static> ClockedCache<K, V> {
    /// An empty cache under a manager.
    pub fn new(
        manager: &Arc<CacheMemoryManager>,
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { cache: Cache::new(manager, options), clock }
    }

    /// As [`Cache::get`], now.
    pub fn get(&self, key: &K) -> Option<Arc<Cached<V>>> {
        self.cache.get(key, self.now())
    }

    /// As [`Cache::insert`], now.
    pub fn insert(&self, entry: NewEntry<K, V>, tenant: &Tenant) -> Inserted<V> {
        self.cache.insert(entry, tenant, self.now())
    }

    /// The time by its clock.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }
}

impl<K, V> Deref for ClockedCache<K, V> {
    type Target = Cache<K, V>;

    fn deref(&self) -> &Cache<K, V> {
        &self.cache
    }
}

impl<K, V> CacheControl for ClockedCache<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    fn set_policy(&self, policy: EvictionPolicy) -> Result<(), Refusal> {
        self.cache.set_policy(policy, self.now())
    }

    fn set_ttl(&self, ttl: Option<Duration>) {
        self.cache.set_ttl(ttl);
    }

    fn set_limit_bytes(&self, bytes: u64) {
        self.cache.set_limit_bytes(bytes, self.now());
    }

    fn set_limit_items(&self, items: u64) {
        self.cache.set_limit_items(items, self.now());
    }

    fn set_guarantee(&self, tenant: &Tenant, bytes: u64) {
        self.cache.set_guarantee(tenant, bytes);
    }

    fn clear(&self) -> u64 {
        self.cache.clear()
    }

    fn policy(&self) -> EvictionPolicy {
        self.cache.policy()
    }

    fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}
