//! The caches together: who may keep what, and who gives up what when bytes are short.

mod eviction;
mod stats;

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use vectorizer_model::bytes::ByteCount;

pub use eviction::EVICTION_BATCH_BYTES;
pub use stats::{CacheFigures, CacheMemoryStats, PolicyFigures};

use crate::cache_ladder::{CacheLadder, CacheLevelChange, CacheLines};
use crate::{Class, Clock, Governor, MemoryError, Reclaim, Reservation, Scope, Tenant};

/// What an eviction really gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evicted {
    /// Bytes that are no longer charged.
    pub bytes: u64,
    /// Entries that are gone.
    pub items: u64,
}

impl std::ops::AddAssign for Evicted {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.items += other.items;
    }
}

/// A cache under the one budget.
pub trait ManagedCache: Send + Sync + Debug {
    /// The name in reports and metrics.
    fn name(&self) -> &str;

    /// The class that its bytes are charged to.
    fn class(&self) -> Class;

    /// Bytes charged, which is what its reservations hold.
    fn memory_usage(&self) -> u64;

    /// Entries that could be found.
    fn item_count(&self) -> u64;

    /// Bytes that are never taken from it for others.
    fn floor(&self) -> u64;

    /// How cheap entries are to make again, at least 1: twice the ease gives up twice the bytes.
    fn ease(&self) -> u32;

    /// Drops what is out of date.
    fn evict_expired(&self, now: Duration) -> Evicted;

    /// Drops entries, those out of date first, until `target_bytes` are given back or nothing
    /// can be.
    fn evict(&self, target_bytes: u64, now: Duration) -> Evicted;

    /// The same with entries of one tenant only.
    fn evict_tenant(&self, tenant: &str, target_bytes: u64, now: Duration) -> Evicted;

    /// Bytes of entries beyond what their tenants are guaranteed; none if it guarantees nothing to
    /// anybody.
    fn beyond_guarantees(&self) -> Option<u64> {
        None
    }

    /// Entries that could be found, by tenant.
    fn tenant_items(&self) -> Vec<(Arc<str>, u64)> {
        Vec::new()
    }

    /// What it counted.
    fn figures(&self) -> CacheFigures {
        CacheFigures::default()
    }

    /// Counts from zero on.
    fn reset_figures(&self) {}

    /// Lets go of tenants of whom it holds nothing any more.
    fn forget_idle_tenants(&self) {}
}

/// No room for an entry: the answer is given, and not kept. Nothing was charged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cache memory limit exceeded: {} of {class} are not cached, {} were evicted for them",
    ByteCount(*requested), ByteCount(*freed)
)]
pub struct CacheMemoryLimitExceeded {
    /// Bytes asked for.
    pub requested: u64,
    /// Bytes that evictions gave back meanwhile.
    pub freed: u64,
    /// What for.
    pub class: Class,
    /// The governor's refusal.
    #[source]
    pub refusal: MemoryError,
}

/// How often in a row an eviction may leave as much short as before: others took what was freed.
const FRUITLESS_MAX: u32 = 3;
/// Usage is observed each time so many parts of the limit were allocated.
const OBSERVED_PARTS: u64 = 256;
/// Changes of level that are kept until somebody asks.
const CHANGES_MAX: usize = 16;

/// Keeps all caches within their limit: grants bytes, evicts when they are short, and watches how
/// near the limit is. It is the governor's reclaimer.
#[derive(Debug)]
pub struct CacheMemoryManager {
    governor: Arc<Governor>,
    clock: Arc<dyn Clock>,
    caches: Mutex<Vec<Weak<dyn ManagedCache>>>,
    ladder: Mutex<CacheLadder>,
    changes: Mutex<Vec<CacheLevelChange>>,
    counters: stats::Counters,
    /// Bytes granted since usage was last observed.
    granted: AtomicU64,
    /// Bytes granted after which it is observed; follows the limit.
    observed_each: AtomicU64,
}

impl CacheMemoryManager {
    /// The one of a governor; becomes its reclaimer.
    pub fn new(governor: Arc<Governor>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let manager = Arc::new(Self {
            governor,
            clock,
            caches: Mutex::default(),
            ladder: Mutex::default(),
            changes: Mutex::default(),
            counters: stats::Counters::default(),
            granted: AtomicU64::new(0),
            observed_each: AtomicU64::new(0),
        });
        let weak: Weak<dyn Reclaim> = Arc::<Self>::downgrade(&manager);
        manager.governor.set_reclaimer(weak);
        manager
    }

    /// Takes a cache in. It is held weakly: dropping it is the end of its membership.
    pub fn register(&self, cache: Weak<dyn ManagedCache>) {
        let mut caches = lock(&self.caches);
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(cache);
    }

    /// The caches that live.
    pub fn caches(&self) -> Vec<Arc<dyn ManagedCache>> {
        lock(&self.caches).iter().filter_map(Weak::upgrade).collect()
    }

    /// The governor that grants.
    pub fn governor(&self) -> &Arc<Governor> {
        &self.governor
    }

    /// The time by the clock of this manager.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Takes bytes for a cache. What is short is evicted from the caches first; the caller holds
    /// no lock that a cache takes.
    ///
    /// # Errors
    /// [`CacheMemoryLimitExceeded`]: whoever asked answers without keeping the answer. A retry
    /// helps once others gave back.
    pub fn try_allocate(
        &self,
        class: Class,
        tenant: &Tenant,
        bytes: u64,
    ) -> Result<Reservation, CacheMemoryLimitExceeded> {
        let (mut before, mut fruitless, mut freed) = (u64::MAX, 0, 0);
        loop {
            let refusal = match self.governor.try_reserve(class, tenant, bytes) {
                Ok(reservation) => {
                    self.count_granted(bytes);
                    return Ok(reservation);
                }
                Err(refusal) => refusal,
            };
            let mut evicted = 0;
            if let MemoryError::InsufficientMemory { available, scope, .. } = &refusal {
                let short = bytes.saturating_sub(*available);
                fruitless = if short < before { 0 } else { fruitless + 1 };
                before = short;
                if fruitless < FRUITLESS_MAX {
                    evicted = self.evict(short, scope).bytes;
                }
            }
            freed += evicted;
            if evicted == 0 {
                self.counters.refused.fetch_add(1, SeqCst);
                return Err(CacheMemoryLimitExceeded { requested: bytes, freed, class, refusal });
            }
        }
    }

    /// Evicts until `bytes` are given back or nothing more can be; says what was.
    pub fn force_eviction(&self, bytes: u64) -> Evicted {
        self.evict(bytes, &Scope::Caches)
    }

    /// Looks how full the caches are, and evicts a batch if a run of evictions is under way. For
    /// a timer; also done by itself every so many bytes.
    pub fn observe(&self) {
        self.granted.store(0, SeqCst);
        let step = self.climb();
        if step > 0 {
            self.evict(step.min(EVICTION_BATCH_BYTES), &Scope::Caches);
            self.climb();
        }
    }

    /// Changes of level since this was last asked, oldest first.
    pub fn take_level_changes(&self) -> Vec<CacheLevelChange> {
        std::mem::take(&mut *lock(&self.changes))
    }

    /// Replaces the lines of the ladder.
    pub fn set_lines(&self, lines: CacheLines) {
        lock(&self.ladder).set_lines(lines);
        self.observe();
    }

    /// The lines of the ladder.
    pub fn lines(&self) -> CacheLines {
        lock(&self.ladder).lines()
    }

    /// Counts a warning about the memory of the process with those about the caches.
    pub fn note_warning(&self) {
        self.counters.warnings.fetch_add(1, SeqCst);
    }

    fn count_granted(&self, bytes: u64) {
        let granted = self.granted.fetch_add(bytes, SeqCst) + bytes;
        if granted >= self.observed_each.load(SeqCst) {
            self.observe();
        }
    }

    /// Moves along the ladder; returns what is to be evicted.
    fn climb(&self) -> u64 {
        let (usage, limit) = (self.current_usage(), self.limit());
        self.observed_each.store(limit / OBSERVED_PARTS, SeqCst);
        let step = lock(&self.ladder).observe(usage, limit);
        if let Some(change) = step.change {
            if change.from < change.to {
                self.counters.warnings.fetch_add(1, SeqCst);
            }
            let mut changes = lock(&self.changes);
            if changes.len() == CHANGES_MAX {
                changes.remove(0);
            }
            changes.push(change);
        }
        step.evict
    }
}

impl Reclaim for CacheMemoryManager {
    fn reclaim(&self, bytes: u64, for_scope: &Scope) -> u64 {
        let begun = self.clock.now();
        let freed = self.evict(bytes, for_scope).bytes;
        self.counters.reclaims.observe(self.clock.now().saturating_sub(begun));
        freed
    }
}

/// Locks; a holder that panicked left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
