//! What the manager of all caches may take of a pool.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use vectorizer_memory::{CacheFigures, Class, Evicted, ManagedCache, PolicyFigures};

use crate::store::Store;

/// Bytes that are given back at once, so that who needs few does not ask for each.
const GIVE_BACK_BYTES: u64 = 1 << 20;
/// Index pages are dear to read again; borrowed ones are given back before them.
const PAGES_EASE: u32 = 1;
const BORROWED_EASE: u32 = 4;

/// The frames of a pool that one class pays for.
#[derive(Debug)]
pub(crate) struct ManagedPages {
    store: Arc<Store>,
    class: Class,
}

impl ManagedPages {
    pub(crate) fn new(store: &Arc<Store>, class: Class) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), class })
    }

    fn is_borrowed(&self) -> bool {
        self.class == Class::BorrowedPages
    }

    fn extents(&self, bytes: u64) -> u64 {
        bytes.div_ceil(1 << self.store.extent_bits())
    }
}

impl ManagedCache for ManagedPages {
    fn name(&self) -> &str {
        self.class.name()
    }

    fn class(&self) -> Class {
        self.class
    }

    /// The floor is charged as what collections keep.
    fn memory_usage(&self) -> u64 {
        self.floor() + self.store.ledger.holdings.held(self.class)
    }

    fn item_count(&self) -> u64 {
        self.extents(self.memory_usage())
    }

    fn floor(&self) -> u64 {
        if self.is_borrowed() { 0 } else { self.store.ledger.holdings.floor() }
    }

    fn ease(&self) -> u32 {
        if self.is_borrowed() { BORROWED_EASE } else { PAGES_EASE }
    }

    /// Files do not change, so that their pages are never out of date.
    fn evict_expired(&self, _now: Duration) -> Evicted {
        Evicted::default()
    }

    fn evict(&self, target_bytes: u64, _now: Duration) -> Evicted {
        let held = self.store.ledger.holdings.held(self.class);
        let bytes = self.store.give_back(target_bytes.max(GIVE_BACK_BYTES).min(held), self.class);
        Evicted { bytes, items: self.extents(bytes) }
    }

    /// Frames are shared by all tenants, and charged to none of them.
    fn evict_tenant(&self, _tenant: &str, _target_bytes: u64, _now: Duration) -> Evicted {
        Evicted::default()
    }

    /// Of all frames of the pool, told once.
    fn figures(&self) -> CacheFigures {
        if self.is_borrowed() {
            return CacheFigures::default();
        }
        let counters = &self.store.counters;
        let items = counters.evictions.load(Relaxed);
        let bytes = items << self.store.extent_bits();
        CacheFigures {
            hits: counters.hits.load(Relaxed),
            misses: counters.misses.load(Relaxed),
            evicted: vec![PolicyFigures { policy: "clock", items, bytes }],
        }
    }

    fn reset_figures(&self) {
        if !self.is_borrowed() {
            let counters = &self.store.counters;
            for counter in [&counters.hits, &counters.misses, &counters.evictions] {
                counter.store(0, Relaxed);
            }
        }
    }
}
