//! What operations run in.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vectorizer_cache::{CacheControl, EmbeddingCache, Refusal};
use vectorizer_engine::Engine;
use vectorizer_memory::{MemoryGuard, Tenant};
use vectorizer_query::{BoxFuture, LeafCaches, MetadataCache, QueryCache};

use crate::cache_settings::CacheSettings;
use crate::caller::Caller;
use crate::checks::MemoryChecks;
use crate::defaults::CollectionDefaults;
use crate::error::{ApiError, ErrorKind, Result};
use crate::found::DiscoveryCaches;
use crate::found::mimir::MimirSource;
use crate::kept::KeptCaches;
use crate::turn::{Turn, Turns};

/// Waits for a while; the caller's runtime owns the timer.
pub type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// What one cache may hold by itself. Caches together are bounded by the governor, by half of the
/// process's limit at most.
fn cache_bytes(engine: &Engine) -> u64 {
    let limits = engine.governor().limits();
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
    cache_settings: Arc<Mutex<CacheSettings>>,
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
        let (cache_settings, checks) = Default::default();
        let query_cache = QueryCache::new(engine.caches(), engine.clock(), cache_bytes(&engine));
        let discovery = DiscoveryCaches::new(engine.caches(), engine.clock(), cache_bytes(&engine));
        let kept = KeptCaches::new(&engine, cache_bytes(&engine));
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
            cache_settings,
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
        if let Err(refusal) = self.apply(&settings) {
            // Some caches may follow it already; where not even the old policy finds room, that is told
            // by the next look at them.
            self.apply(&self.cache_settings()).ok();
            let told = format!("the policy is as it was: {refusal}");
            return Err(ApiError::new(ErrorKind::Unavailable, told));
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

    fn apply(&self, settings: &CacheSettings) -> std::result::Result<(), Refusal> {
        let (rows, items_max) = (self.engine.row_caches(), settings.items_max);
        let of_all = |items: u64| Some(items.min(items_max));
        let caches: [(&dyn CacheControl, Option<Duration>, Option<u64>); 7] = [
            (self.query_cache.control(), settings.query_ttl, None),
            (self.kept.embeddings.control(), settings.embedding_ttl, None),
            (rows.payload_control(), settings.metadata_ttl, None),
            (rows.predicate_control(), settings.metadata_ttl, None),
            (self.kept.metadata.control(), settings.metadata_ttl, Some(items_max)),
            (
                self.discovery.tenant_control(),
                settings.discovery_ttl,
                of_all(settings.tenant_items_max),
            ),
            (
                self.discovery.mimir_control(),
                settings.discovery_ttl,
                of_all(settings.mimir_items_max),
            ),
        ];
        // Only a policy can be refused.
        for (cache, ..) in &caches {
            cache.set_policy(settings.policy)?;
        }
        for (cache, ttl, items) in caches {
            cache.set_ttl(ttl);
            if let Some(items) = items {
                cache.set_limit_items(items);
            }
        }
        Ok(())
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
