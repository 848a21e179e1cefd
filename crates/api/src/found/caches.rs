//! The caches of what was found.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vectorizer_cache::{
    CacheControl, Cached, ClockedCache, Footprint, Inserted, NewEntry, Options, SharedItems,
};
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Tenant};

use super::TenantFound;
use super::mimir::{MimirEndpoint, MimirFailure, MimirPart};
use crate::turn::Turn;

/// The name of the cache of tenants in reports and metrics.
pub const TENANT_DISCOVERY: &str = "tenant_discovery";
/// The name of the cache of Mimir's answers in reports and metrics.
pub const MIMIR_DISCOVERY: &str = "mimir_discovery";

/// A tenant is found again by asking the books.
const TENANT_EASE: u32 = 4;
/// Mimir is asked over the network.
const MIMIR_EASE: u32 = 1;

/// What was found, and when.
#[derive(Debug)]
pub(crate) struct Dated<V> {
    at: Duration,
    value: V,
}

impl<V: Footprint> Footprint for Dated<V> {
    fn heap_bytes(&self) -> u64 {
        self.value.heap_bytes()
    }
}

/// What was found, and how long ago.
pub struct Found<V> {
    value: Held<V>,
    /// How long ago it was found.
    pub age: Duration,
}

enum Held<V> {
    Kept(Arc<Cached<Dated<V>>>),
    NotKept(Box<V>),
}

impl<V> Deref for Found<V> {
    type Target = V;

    fn deref(&self) -> &V {
        match &self.value {
            Held::Kept(kept) => &kept.value,
            Held::NotKept(value) => value,
        }
    }
}

impl<V: fmt::Debug> fmt::Debug for Found<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("value", &**self).field("age", &self.age).finish()
    }
}

/// What was found by key.
type Finds<K, V> = ClockedCache<K, Dated<V>>;

/// One endpoint is asked by one request at a time.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) turn: Turn,
    failed: Mutex<Option<(Duration, MimirFailure)>>,
}

/// The caches of what was found.
#[derive(Debug)]
pub(crate) struct DiscoveryCaches {
    tenants: Finds<Box<str>, TenantFound>,
    mimir: Finds<MimirEndpoint, MimirPart>,
    lines: [Line; MimirEndpoint::ALL.len()],
}

fn find<K, V>(cache: &Finds<K, V>, key: &K) -> Option<Found<V>>
where
    K: std::hash::Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    let kept = cache.get(key)?;
    Some(Found { age: cache.now().saturating_sub(kept.at), value: Held::Kept(kept) })
}

fn keep<K, V>(cache: &Finds<K, V>, entry: NewEntry<K, Dated<V>>) -> Found<V>
where
    K: std::hash::Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    let value = match cache.insert(entry, &Tenant::system()) {
        Inserted::Kept(kept) => Held::Kept(kept),
        // What is not kept is answered all the same.
        Inserted::Refused(dated, _) => Held::NotKept(Box::new(dated.value)),
    };
    Found { value, age: Duration::ZERO }
}

impl DiscoveryCaches {
    /// Empty caches under a manager, of at most so many bytes each; their entries count among
    /// those of `items`.
    pub(crate) fn new(
        manager: &Arc<CacheMemoryManager>,
        clock: Arc<dyn Clock>,
        limit_bytes: u64,
        items: &Arc<SharedItems>,
    ) -> Arc<Self> {
        let options = |name, ease| Options {
            ease,
            shards: Some(1),
            shared_items: Some(Arc::clone(items)),
            ..Options::new(name, Class::Discovery, limit_bytes)
        };
        Arc::new(Self {
            tenants: ClockedCache::new(
                manager,
                &options(TENANT_DISCOVERY, TENANT_EASE),
                Arc::clone(&clock),
            ),
            mimir: ClockedCache::new(manager, &options(MIMIR_DISCOVERY, MIMIR_EASE), clock),
            lines: Default::default(),
        })
    }

    /// What can be changed of the cache of tenants.
    pub(crate) fn tenant_control(&self) -> &dyn CacheControl {
        &self.tenants
    }

    /// What can be changed of the cache of Mimir's answers.
    pub(crate) fn mimir_control(&self) -> &dyn CacheControl {
        &self.mimir
    }

    /// The time that entries are dated by.
    pub(crate) fn now(&self) -> Duration {
        self.tenants.now()
    }

    /// What is known of a tenant.
    pub(crate) fn tenant(&self, name: &str) -> Option<Found<TenantFound>> {
        find(&self.tenants, &Box::from(name))
    }

    /// Keeps what was found of a tenant; not at its expense, or there would be no end to it.
    pub(crate) fn keep_tenant(&self, found: TenantFound) -> Found<TenantFound> {
        let (key, now) = (found.name.clone(), self.now());
        let entry = NewEntry::of(key, Dated { at: now, value: found });
        keep(&self.tenants, entry)
    }

    /// What an endpoint answered.
    pub(crate) fn mimir(&self, endpoint: MimirEndpoint) -> Option<Found<MimirPart>> {
        find(&self.mimir, &endpoint)
    }

    /// What an endpoint came to after `since`: whoever waited in line takes what the one before
    /// got.
    pub(crate) fn lately(
        &self,
        endpoint: MimirEndpoint,
        since: Duration,
    ) -> Option<Result<Found<MimirPart>, MimirFailure>> {
        let now = self.now();
        if let Some(found) = find(&self.mimir, &endpoint)
            && now.saturating_sub(found.age) > since
        {
            return Some(Ok(found));
        }
        let failed = self.line(endpoint).failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, failure) = failed.as_ref()?;
        (*at > since).then(|| Err(failure.clone()))
    }

    /// Keeps what an endpoint came to; failures only for those who waited meanwhile.
    pub(crate) fn keep_mimir(
        &self,
        endpoint: MimirEndpoint,
        came_to: Result<MimirPart, MimirFailure>,
    ) -> Result<Found<MimirPart>, MimirFailure> {
        let now = self.now();
        let failed = came_to.as_ref().err().map(|failure| (now, failure.clone()));
        *self.line(endpoint).failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        let value = came_to.inspect_err(|_| {
            self.mimir.remove(&endpoint);
        })?;
        let heap_bytes = value.heap_bytes();
        let value = Dated { at: now, value };
        let entry = NewEntry { key: endpoint, value, heap_bytes, refill_cost: 1, generation: None };
        Ok(keep(&self.mimir, entry))
    }

    pub(crate) fn line(&self, endpoint: MimirEndpoint) -> &Line {
        &self.lines[endpoint as usize]
    }
}
