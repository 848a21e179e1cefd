//! What operations run in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vectorizer_cache::{CacheControl, EmbeddingCache, Refusal};
use vectorizer_engine::Engine;
use vectorizer_memory::{Limits, MemoryGuard, Tenant};
use vectorizer_model::TenantName;
use vectorizer_query::{BoxFuture, LeafCaches, MetadataCache, QueryCache};

use crate::cache_settings::CacheSettings;
use crate::caller::Caller;
use crate::checks::MemoryChecks;
use crate::defaults::CollectionDefaults;
use crate::error::{ApiError, ErrorKind, Result};
use crate::found::DiscoveryCaches;
use crate::found::mimir::MimirSource;
use crate::kept::KeptCaches;
use crate::point_quotas::PointQuotas;
use crate::turn::{Turn, Turns};

/// Waits for a while; the caller's runtime owns the timer.
pub type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

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
    collection_turns: Arc<Turns>,
    caller: Caller,
    query_cache: Arc<QueryCache>,
    discovery: Arc<DiscoveryCaches>,
    mimir: Option<Arc<dyn MimirSource>>,
    kept: KeptCaches,
    point_quotas: Arc<PointQuotas>,
    cache_settings: Arc<Mutex<CacheSettings>>,
    /// Whether caches may follow other policies than the settings have.
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
        let kept = KeptCaches::new(&engine, limit);
        let discovery = DiscoveryCaches::new(engine.caches(), engine.clock(), limit, &kept.items);
        Self {
            engine,
            sleep,
            defaults,
            settings_turn,
            collection_turns: Arc::default(),
            caller,
            query_cache,
            discovery,
            mimir: None,
            kept,
            point_quotas: Arc::default(),
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

    /// The same with tenants whose collections may have so many points.
    #[must_use]
    pub fn with_point_quotas(mut self, quotas: BTreeMap<TenantName, u64>) -> Self {
        self.point_quotas = Arc::new(PointQuotas::new(quotas));
        self
    }

    pub(crate) fn point_quotas(&self) -> &PointQuotas {
        &self.point_quotas
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
        let before = self.cache_settings();
        let others = (settings.policy, settings.policies) != (before.policy, before.policies);
        // Sorting anew takes bytes, also by the same policy.
        if (others || self.mixed_policies.load(SeqCst))
            && let Err(refusal) = self.set_policies(&settings)
        {
            // Some caches may follow them already; where not even the old ones find room, the next
            // change has all follow anew.
            self.mixed_policies.store(self.set_policies(&before).is_err(), SeqCst);
            let told = format!("the policy is as it was: {refusal}");
            return Err(ApiError::new(ErrorKind::Unavailable, told));
        }
        self.mixed_policies.store(false, SeqCst);
        self.bound_entries(&settings);
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
        for cache in self.controls() {
            cache.set_limit_bytes(cache_bytes(limits));
        }
    }

    /// The caches that have entries, in the order of [`CacheSettings::CACHES`].
    fn controls(&self) -> [&dyn CacheControl; CacheSettings::CACHES.len()] {
        let rows = self.engine.row_caches();
        [
            self.query_cache.control(),
            self.kept.metadata.control(),
            rows.payload_control(),
            rows.predicate_control(),
            self.kept.embeddings.control(),
            self.discovery.tenant_control(),
            self.discovery.mimir_control(),
        ]
    }

    /// Bytes of a tenant, in all caches together, that others give up theirs for first.
    pub fn set_guarantee(&self, tenant: &Tenant, bytes: u64) {
        for cache in self.controls() {
            cache.set_guarantee(tenant, bytes);
        }
    }

    /// Entries that the bound on those of several caches counts.
    pub(crate) fn counted_items(&self) -> u64 {
        self.kept.items.used()
    }

    fn set_policies(&self, settings: &CacheSettings) -> std::result::Result<(), Refusal> {
        let mut caches = self.controls().into_iter().zip(settings.policies);
        caches.try_for_each(|(cache, own)| cache.set_policy(own.unwrap_or(settings.policy)))
    }

    /// How long, and how many, entries are kept.
    fn bound_entries(&self, settings: &CacheSettings) {
        let (metadata, discovery) = (settings.metadata_ttl, settings.discovery_ttl);
        let ttls = [
            settings.query_ttl,
            metadata,
            metadata,
            metadata,
            settings.embedding_ttl,
            discovery,
            discovery,
        ];
        for (cache, ttl) in self.controls().into_iter().zip(ttls) {
            cache.set_ttl(ttl);
        }
        self.discovery.tenant_control().set_limit_items(settings.tenant_items_max);
        self.discovery.mimir_control().set_limit_items(settings.mimir_items_max);
        self.kept.items.set_limit(settings.items_max, self.engine.caches().now());
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

    pub(crate) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (self.sleep)(duration)
    }

    /// Whoever changes limits and caches holds this from reading them until the change is applied.
    pub(crate) fn settings_turn(&self) -> &Turn {
        &self.settings_turn
    }

    /// The same for the settings of each collection.
    pub(crate) fn collection_turns(&self) -> &Turns {
        &self.collection_turns
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("engine", &self.engine).finish_non_exhaustive()
    }
}
