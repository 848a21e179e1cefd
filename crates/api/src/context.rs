//! What operations run in.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vectorizer_cache::{CacheControl, EmbeddingCache, EvictionPolicy, Refusal};
use vectorizer_engine::{Engine, EngineError};
use vectorizer_memory::{Limits, MemoryGuard, Tenant};
use vectorizer_model::CollectionName;
use vectorizer_query::{BoxFuture, LeafCaches, MetadataCache, QueryCache};

use crate::cache_settings::CacheSettings;
use crate::caller::Caller;
use crate::checks::MemoryChecks;
use crate::defaults::CollectionDefaults;
use crate::error::{ApiError, ErrorKind, Result};
use crate::found::DiscoveryCaches;
use crate::found::mimir::MimirSource;
use crate::kept::KeptCaches;
use crate::turn::Turn;

/// Waits for a while; the caller's runtime owns the timer.
pub type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// A cache, how long it keeps entries, and how many if that is bounded.
type Bounded<'a> = (&'a dyn CacheControl, Option<Duration>, Option<u64>);

/// What one cache may hold by itself; what all may together is the governor's to say.
fn cache_bytes(limits: &Limits) -> u64 {
    if limits.caches == 0 { 0 } else { limits.root / 2 }
}

/// What operations run in.
#[derive(Clone)]
pub struct Context {
    engine: Engine,
    sleep: Sleep,
    defaults: CollectionDefaults,
    settings_turn: Arc<Turn>,
    caller: Caller,
    query_cache: Arc<QueryCache>,
    discovery: Arc<DiscoveryCaches>,
    mimir: Option<Arc<dyn MimirSource>>,
    kept: KeptCaches,
    cache_settings: Arc<Mutex<CacheSettings>>,
    /// Whether caches may follow another policy than the settings have.
    mixed_policies: Arc<AtomicBool>,
    checks: Arc<MemoryChecks>,
    /// Called when memory is cleaned up; the memory guard holds it weakly.
    _relief: Arc<dyn Fn() + Send + Sync>,
}

impl Context {
    /// A context over an engine, with a timer.
    pub fn new(engine: Engine, sleep: Sleep, defaults: CollectionDefaults) -> Self {
        let caller = Caller::default_of(engine.governor());
        let full = engine.clone();
        let relief: Arc<dyn Fn() + Send + Sync> = Arc::new(move || full.relieve());
        engine.memory_guard().on_cleanup(Arc::downgrade(&relief));
        let settings_turn = Arc::new(Turn::default());
        let (cache_settings, mixed_policies, checks) = Default::default();
        let limit = cache_bytes(&engine.governor().limits());
        let query_cache = QueryCache::new(engine.caches(), engine.clock(), limit);
        let discovery = DiscoveryCaches::new(engine.caches(), engine.clock(), limit);
        let kept = KeptCaches::new(&engine, limit);
        Self {
            engine,
            sleep,
            defaults,
            settings_turn,
            caller,
            query_cache,
            discovery,
            mimir: None,
            kept,
            cache_settings,
            mixed_policies,
            checks,
            _relief: relief,
        }
    }

    /// The same with a Mimir to look at.
    #[must_use]
    pub fn with_mimir(mut self, source: Arc<dyn MimirSource>) -> Self {
        self.mimir = Some(source);
        self
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What a new collection has where its creator says nothing.
    pub fn defaults(&self) -> &CollectionDefaults {
        &self.defaults
    }

    /// Hits of leaves that were asked before.
    pub fn query_cache(&self) -> &Arc<QueryCache> {
        &self.query_cache
    }

    /// Numbers of points that were counted before.
    pub fn metadata_cache(&self) -> &Arc<MetadataCache> {
        &self.kept.metadata
    }

    /// Vectors of texts that were embedded before.
    pub fn embedding_cache(&self) -> &Arc<EmbeddingCache> {
        &self.kept.embeddings
    }

    pub(crate) fn leaf_caches(&self) -> LeafCaches {
        let hits = Arc::clone(&self.query_cache);
        LeafCaches { hits, metadata: Arc::clone(&self.kept.metadata) }
    }

    /// What admits operations.
    pub fn memory_guard(&self) -> &Arc<MemoryGuard> {
        self.engine.memory_guard()
    }

    /// What entries caches keep.
    pub fn cache_settings(&self) -> CacheSettings {
        *self.cache_settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what entries caches keep.
    ///
    /// # Errors
    /// Memory is too short to sort entries anew; the old settings stand.
    pub fn set_cache_settings(&self, settings: CacheSettings) -> Result<()> {
        let before = self.cache_settings().policy;
        // Sorting anew takes bytes, also by the same policy.
        if (settings.policy != before || self.mixed_policies.load(SeqCst))
            && let Err(refusal) = self.set_policies(settings.policy)
        {
            // Some caches may follow it already; where not even the old policy finds room, the next
            // change has all follow one again.
            self.mixed_policies.store(self.set_policies(before).is_err(), SeqCst);
            let told = format!("the policy is as it was: {refusal}");
            return Err(ApiError::new(ErrorKind::Unavailable, told));
        }
        self.mixed_policies.store(false, SeqCst);
        for (cache, ttl, items) in self.bounded(&settings) {
            cache.set_ttl(ttl);
            if let Some(items) = items {
                cache.set_limit_items(items);
            }
        }
        *self.cache_settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// What was discovered.
    pub(crate) fn discovery(&self) -> &DiscoveryCaches {
        &self.discovery
    }

    /// Who can ask Mimir, if there is one.
    pub(crate) fn mimir(&self) -> Option<&Arc<dyn MimirSource>> {
        self.mimir.as_ref()
    }

    /// Lets each cache hold what limits of the process allow it by itself.
    pub(crate) fn bound_caches(&self, limits: &Limits) {
        for (cache, ..) in self.bounded(&self.cache_settings()) {
            cache.set_limit_bytes(cache_bytes(limits));
        }
    }

    /// Every cache of entries, with how long and how many of them settings have it keep.
    fn bounded(&self, settings: &CacheSettings) -> [Bounded<'_>; 7] {
        let (rows, items_max) = (self.engine.row_caches(), settings.items_max);
        let of_all = |items: u64| Some(items.min(items_max));
        let CacheSettings { discovery_ttl, metadata_ttl, .. } = *settings;
        [
            (self.query_cache.control(), settings.query_ttl, None),
            (self.kept.embeddings.control(), settings.embedding_ttl, None),
            (rows.payload_control(), metadata_ttl, None),
            (rows.predicate_control(), metadata_ttl, None),
            (self.kept.metadata.control(), metadata_ttl, Some(items_max)),
            (self.discovery.tenant_control(), discovery_ttl, of_all(settings.tenant_items_max)),
            (self.discovery.mimir_control(), discovery_ttl, of_all(settings.mimir_items_max)),
        ]
    }

    fn set_policies(&self, policy: EvictionPolicy) -> std::result::Result<(), Refusal> {
        let caches = self.bounded(&self.cache_settings());
        caches.into_iter().try_for_each(|(cache, ..)| cache.set_policy(policy))
    }

    pub(crate) fn checks(&self) -> &MemoryChecks {
        &self.checks
    }

    /// The same for another caller.
    #[must_use]
    pub fn for_caller(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Who pays for operations.
    pub(crate) fn tenant(&self) -> &Tenant {
        self.caller.tenant()
    }

    /// Whether the caller may reach a collection, if it is there.
    pub(crate) fn reaches(&self, collection: &CollectionName) -> bool {
        self.engine.owner(collection).is_ok_and(|owner| self.caller.reaches(&owner))
    }

    /// Whether the caller may reach a collection.
    ///
    /// # Errors
    /// It is not there, or is another tenant's, which is told alike.
    pub(crate) fn check_reach(&self, collection: &CollectionName) -> Result<()> {
        if self.reaches(collection) {
            return Ok(());
        }
        Err(EngineError::CollectionNotFound { name: collection.to_string() }.into())
    }

    pub(crate) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (self.sleep)(duration)
    }

    /// Whoever changes settings holds this from reading them until the change is applied.
    pub(crate) fn settings_turn(&self) -> &Turn {
        &self.settings_turn
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("engine", &self.engine).finish_non_exhaustive()
    }
}
