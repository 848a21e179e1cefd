//! The caches together: shares of an eviction, its end, and what is said about it.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use vectorizer_memory::{
    CacheLevel, CacheMemoryManager, Class, Clock, EVICTION_BATCH_BYTES, Evicted, Governor, Limits,
    ManagedCache, Reservation, Tenant,
};

const MIB: u64 = 1 << 20;

#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(SeqCst))
    }
}

/// A cache that says what it was asked for. Entries in use cannot go.
#[derive(Debug)]
struct Shelf {
    class: Class,
    floor: u64,
    ease: u32,
    entries: Mutex<Vec<Reservation>>,
    expired: Mutex<Vec<Reservation>>,
    in_use: bool,
    asked: Mutex<Vec<u64>>,
}

impl Shelf {
    fn new(manager: &CacheMemoryManager, class: Class, ease: u32) -> Arc<Self> {
        Self::with(manager, class, ease, 0, false)
    }

    fn with(
        manager: &CacheMemoryManager,
        class: Class,
        ease: u32,
        floor: u64,
        in_use: bool,
    ) -> Arc<Self> {
        let (entries, expired, asked) = Default::default();
        let shelf = Arc::new(Self { class, floor, ease, entries, expired, in_use, asked });
        let weak: Weak<dyn ManagedCache> = Arc::<Self>::downgrade(&shelf);
        manager.register(weak);
        shelf
    }

    fn fill(&self, manager: &CacheMemoryManager, bytes: u64, each: u64) {
        for _ in 0..bytes / each {
            let part = manager.try_allocate(self.class, &Tenant::system(), each).expect("it fits");
            lock(&self.entries).push(part);
        }
    }

    fn held(&self) -> u64 {
        lock(&self.entries).iter().map(Reservation::bytes).sum()
    }
}

impl ManagedCache for Shelf {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn class(&self) -> Class {
        self.class
    }

    fn memory_usage(&self) -> u64 {
        self.held() + lock(&self.expired).iter().map(Reservation::bytes).sum::<u64>()
    }

    fn item_count(&self) -> u64 {
        lock(&self.entries).len() as u64
    }

    fn floor(&self) -> u64 {
        self.floor
    }

    fn ease(&self) -> u32 {
        self.ease
    }

    fn evict_expired(&self, _now: Duration) -> Evicted {
        let gone = std::mem::take(&mut *lock(&self.expired));
        Evicted { bytes: gone.iter().map(Reservation::bytes).sum(), items: gone.len() as u64 }
    }

    fn evict(&self, target_bytes: u64, _now: Duration) -> Evicted {
        lock(&self.asked).push(target_bytes);
        let mut evicted = Evicted::default();
        while !self.in_use && evicted.bytes < target_bytes && self.held() > self.floor {
            let Some(gone) = lock(&self.entries).pop() else { break };
            evicted += Evicted { bytes: gone.bytes(), items: 1 };
        }
        evicted
    }

    fn evict_tenant(&self, tenant: &str, target_bytes: u64, now: Duration) -> Evicted {
        if tenant == "system" { self.evict(target_bytes, now) } else { Evicted::default() }
    }
}

fn manager(limit: u64) -> (Arc<CacheMemoryManager>, Arc<HandClock>) {
    let limits = Limits { caches: limit, ..Limits::of_root(1 << 40) };
    let clock = Arc::new(HandClock::default());
    let shared: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    (CacheMemoryManager::new(Governor::new(limits), shared), clock)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panicked with it")
}

#[test]
fn pitfall_7_an_eviction_goes_on_until_the_bytes_are_free_and_says_what_was() {
    let (manager, clock) = manager(1 << 30);
    let shelf = Shelf::new(&manager, Class::QueryCache, 1);
    shelf.fill(&manager, 100 * MIB, MIB);
    clock.0.store(7, SeqCst);
    let evicted = manager.force_eviction(35 * MIB);
    assert_eq!(evicted, Evicted { bytes: 35 * MIB, items: 35 });
    assert_eq!(manager.current_usage(), 65 * MIB);
    let asked = shelf.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|bytes| *bytes <= EVICTION_BATCH_BYTES), "{asked:?}");
    let stats = manager.stats();
    assert_eq!((stats.total_evictions, stats.evicted_items), (1, 35));
    assert_eq!(stats.evicted_bytes, 35 * MIB);
    assert_eq!(stats.last_eviction, Some(Duration::from_secs(7)));
    manager.reset_stats();
    assert_eq!(manager.stats().last_eviction, None);
}

#[test]
fn pitfall_7_an_eviction_ends_when_only_entries_in_use_remain() {
    let (manager, _) = manager(1 << 30);
    let held = Shelf::with(&manager, Class::QueryCache, 100, 0, true);
    held.fill(&manager, 50 * MIB, MIB);
    let free = Shelf::new(&manager, Class::EmbeddingCache, 1);
    free.fill(&manager, 5 * MIB, MIB);
    assert_eq!(manager.force_eviction(20 * MIB), Evicted { bytes: 5 * MIB, items: 5 });
    assert_eq!(held.asked.lock().unwrap().len(), 1, "not asked again once it had nothing");
}

#[test]
fn pitfall_7_small_shares_do_not_round_to_nothing() {
    let (manager, _) = manager(1 << 30);
    let shelves: Vec<_> = (0..100).map(|_| Shelf::new(&manager, Class::QueryCache, 1)).collect();
    for shelf in &shelves {
        shelf.fill(&manager, 100, 10);
    }
    assert_eq!(manager.force_eviction(50).bytes, 1000, "one entry of each");
}

#[test]
fn cheap_entries_go_before_dear_ones_and_floors_stay() {
    let (manager, _) = manager(1 << 30);
    let cheap = Shelf::new(&manager, Class::QueryCache, 8);
    let dear = Shelf::with(&manager, Class::IndexPages, 1, 6 * MIB, false);
    cheap.fill(&manager, 10 * MIB, MIB / 16);
    dear.fill(&manager, 16 * MIB, MIB / 16);
    manager.force_eviction(9 * MIB);
    assert_eq!((cheap.held(), dear.held()), (2 * MIB, 15 * MIB));
    manager.force_eviction(100 * MIB);
    assert_eq!((cheap.held(), dear.held()), (0, 6 * MIB));
}

#[test]
fn what_is_out_of_date_goes_first() {
    let (manager, _) = manager(1 << 30);
    let cheap = Shelf::new(&manager, Class::QueryCache, 8);
    cheap.fill(&manager, 10 * MIB, MIB);
    let dear = Shelf::new(&manager, Class::IndexPages, 1);
    let old = manager.try_allocate(dear.class, &Tenant::system(), 3 * MIB).unwrap();
    dear.expired.lock().unwrap().push(old);
    assert_eq!(manager.force_eviction(2 * MIB), Evicted { bytes: 3 * MIB, items: 1 });
    assert_eq!(cheap.held(), 10 * MIB);
}

#[test]
fn pitfall_8_what_is_evicted_is_the_overage_and_not_the_request() {
    let (manager, _) = manager(100 * MIB);
    let shelf = Shelf::new(&manager, Class::QueryCache, 1);
    shelf.fill(&manager, 80 * MIB, MIB);
    let _large = manager.try_allocate(Class::QueryCache, &Tenant::system(), 22 * MIB).unwrap();
    // Two for the request; a batch of the run down to the warning line; no more.
    assert_eq!(shelf.held(), 68 * MIB);
    assert_eq!(manager.current_usage(), 90 * MIB);
}

#[test]
fn a_refusal_is_counted_and_charges_nothing() {
    let (manager, _) = manager(10 * MIB);
    let held = Shelf::with(&manager, Class::QueryCache, 1, 0, true);
    held.fill(&manager, 8 * MIB, MIB);
    let refused = manager.try_allocate(Class::QueryCache, &Tenant::system(), 3 * MIB);
    let error = refused.unwrap_err();
    assert_eq!((error.requested, error.freed), (3 * MIB, 0));
    assert!(
        error.to_string().contains("cache memory limit exceeded: 3.0 MiB of query_cache"),
        "{error}"
    );
    assert_eq!((manager.stats().refused, manager.current_usage()), (1, 8 * MIB));
}

#[test]
fn usage_above_the_eviction_line_is_taken_down_to_the_warning_line() {
    let (manager, _) = manager(1000 * MIB);
    let shelf = Shelf::new(&manager, Class::QueryCache, 1);
    shelf.fill(&manager, 850 * MIB, MIB);
    assert_eq!((manager.stats().level, shelf.held()), (CacheLevel::Warning, 850 * MIB));
    shelf.fill(&manager, 60 * MIB, MIB);
    let mut before = shelf.held();
    assert!(before <= 900 * MIB, "{before} bytes");
    while manager.current_usage() > 800 * MIB {
        manager.observe();
        assert!(before - shelf.held() <= EVICTION_BATCH_BYTES, "a batch at a time");
        before = shelf.held();
    }
    manager.observe();
    assert_eq!(shelf.held(), 800 * MIB);
    let changes: Vec<_> = manager.take_level_changes().iter().map(|c| c.to).collect();
    assert_eq!(changes, [CacheLevel::Warning, CacheLevel::Eviction, CacheLevel::Warning]);
    assert!(manager.take_level_changes().is_empty());
    assert_eq!(manager.stats().warnings, 2);
    assert!((manager.usage_percentage() - 80.0).abs() < 0.01);
}

#[test]
fn others_who_are_short_get_bytes_of_the_caches() {
    let governor = Governor::new(Limits::of_root(10 * MIB));
    let manager = CacheMemoryManager::new(Arc::clone(&governor), Arc::new(HandClock::default()));
    let shelf = Shelf::new(&manager, Class::QueryCache, 1);
    shelf.fill(&manager, 7 * MIB, MIB);
    let _work = governor.reserve(Class::Operations, &Tenant::system(), 8 * MIB).unwrap();
    assert_eq!(shelf.held(), 2 * MIB);
}

#[test]
fn a_dropped_cache_is_no_longer_asked() {
    let (manager, _) = manager(1 << 30);
    let shelf = Shelf::new(&manager, Class::QueryCache, 1);
    shelf.fill(&manager, MIB, MIB);
    assert_eq!(manager.caches().len(), 1);
    drop(shelf);
    assert!(manager.caches().is_empty());
    assert_eq!((manager.current_usage(), manager.force_eviction(MIB).bytes), (0, 0));
}

/// A clock that goes on whenever it is read.
#[derive(Debug, Default)]
struct Restless(AtomicU64);

impl Clock for Restless {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(20, SeqCst))
    }
}

#[test]
fn it_is_counted_how_long_caches_took_for_others() {
    let governor = Governor::new(Limits::of_root(16 * MIB));
    let manager = CacheMemoryManager::new(Arc::clone(&governor), Arc::<Restless>::default());
    let shelf = Shelf::new(&manager, Class::QueryCache, 1);
    shelf.fill(&manager, 12 * MIB, MIB);
    manager.force_eviction(MIB);
    assert_eq!(manager.reclaims().count(), 0, "nobody was short");
    let held = governor.reserve(Class::Operations, &Tenant::system(), 8 * MIB).expect("room");
    let reclaims = manager.reclaims();
    assert!(reclaims.count() > 0, "{reclaims:?}");
    assert!(reclaims.sum >= Duration::from_millis(20), "{reclaims:?}");
    manager.reset_stats();
    assert_eq!(manager.reclaims().count(), 0);
    drop(held);
}
