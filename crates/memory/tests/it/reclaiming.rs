//! Caches give back when others are short.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};

use vectorizer_memory::{Class, Governor, Limits, Reclaim, Reservation, Scope, Tenant};

/// A cache of entries that gives back the oldest first, at most `at_once` bytes a call.
#[derive(Debug)]
struct Cache {
    governor: Weak<Governor>,
    entries: Mutex<Vec<Reservation>>,
    at_once: u64,
    asked: Mutex<Vec<(u64, Scope)>>,
    /// What it takes for itself before it gives back.
    scratch: AtomicU64,
}

impl Cache {
    fn new(governor: &Arc<Governor>, entries: u64, bytes: u64) -> Arc<Self> {
        let entry =
            |_| governor.try_reserve(Class::QueryCache, &Tenant::system(), bytes).expect("room");
        let cache = Arc::new(Self {
            governor: Arc::downgrade(governor),
            entries: Mutex::new((0..entries).map(entry).collect()),
            at_once: u64::MAX,
            asked: Mutex::default(),
            scratch: AtomicU64::new(0),
        });
        set(governor, &cache);
        cache
    }

    fn asked(&self) -> Vec<(u64, Scope)> {
        std::mem::take(&mut self.asked.lock().expect("whole"))
    }

    fn held(&self) -> u64 {
        self.entries.lock().expect("whole").iter().map(Reservation::bytes).sum()
    }
}

fn set(governor: &Governor, cache: &Arc<Cache>) {
    let cache: Weak<Cache> = Arc::downgrade(cache);
    governor.set_reclaimer(cache);
}

impl Reclaim for Cache {
    fn reclaim(&self, bytes: u64, for_scope: &Scope) -> u64 {
        self.asked.lock().expect("whole").push((bytes, for_scope.clone()));
        let governor = self.governor.upgrade().expect("alive");
        let scratch = self.scratch.load(SeqCst);
        let system = Tenant::system();
        let taken = governor.reserve(Class::Operations, &system, scratch);
        let _taken =
            taken.or_else(|_| governor.reserve_emergency(Class::Operations, &system, scratch));
        // The governor's own calls are open: no lock of it is held here.
        assert!(governor.limits().root > 0 && governor.usage().root > 0);
        let mut entries = self.entries.lock().expect("whole");
        let mut freed = 0;
        while freed < bytes.min(self.at_once) && !entries.is_empty() {
            freed += entries.remove(0).bytes();
        }
        freed
    }
}

fn full() -> (Arc<Governor>, Arc<Cache>) {
    let governor = Governor::new(Limits::of_root(100).with_emergency(10));
    let cache = Cache::new(&governor, 9, 10);
    (governor, cache)
}

/// What is asked back is what is missing, not what is requested.
#[test]
fn the_overage_is_reclaimed_not_the_request() {
    let (governor, cache) = full();
    cache.entries.lock().unwrap().truncate(7);
    let _held = governor.reserve(Class::Operations, &Tenant::system(), 45).unwrap();
    assert_eq!(cache.asked(), [(25, Scope::Root)]);
    assert_eq!((cache.held(), governor.reserved()), (40, 85));
}

#[test]
fn growing_reclaims_too() {
    let (governor, cache) = full();
    let mut held = governor.reserve(Class::Builds, &Tenant::system(), 0).unwrap();
    held.try_grow(20).unwrap();
    assert_eq!((cache.held(), held.bytes()), (70, 20));
}

/// A reclaimer that gives back too little at once is asked again.
#[test]
fn reclaiming_goes_on_while_it_makes_progress() {
    let (governor, cache) = full();
    let slow = Arc::new(Cache {
        governor: Arc::downgrade(&governor),
        entries: Mutex::new(std::mem::take(&mut cache.entries.lock().unwrap())),
        at_once: 10,
        asked: Mutex::default(),
        scratch: AtomicU64::new(0),
    });
    set(&governor, &slow);
    let _held = governor.reserve(Class::Operations, &Tenant::system(), 35).unwrap();
    assert_eq!(slow.asked(), [35, 25, 15, 5].map(|bytes| (bytes, Scope::Root)));
}

/// Says that it gave back all it was asked for, and gives nothing.
#[derive(Debug)]
struct Liar(AtomicU64);

impl Reclaim for Liar {
    fn reclaim(&self, bytes: u64, _: &Scope) -> u64 {
        self.0.fetch_add(1, SeqCst);
        bytes
    }
}

/// When nothing comes back, or less than was said, the asking ends.
#[test]
fn reclaiming_ends_without_progress() {
    let (governor, cache) = full();
    cache.entries.lock().unwrap().truncate(2);
    let _pinned = governor.reserve(Class::Pinned, &Tenant::system(), 70).unwrap();
    assert!(governor.reserve(Class::Operations, &Tenant::system(), 50).is_err());
    assert_eq!(cache.asked().len(), 2, "once for all there is, once for nothing");
    let liar = Arc::new(Liar(AtomicU64::new(0)));
    let weak: Weak<Liar> = Arc::downgrade(&liar);
    governor.set_reclaimer(weak);
    assert!(governor.reserve(Class::Operations, &Tenant::system(), 50).is_err());
    assert!(liar.0.load(SeqCst) < 10);
}

#[test]
fn caches_reclaim_nothing_for_themselves() {
    let (governor, cache) = full();
    for class in Class::ALL.into_iter().filter(|class| class.is_reclaimable()) {
        assert!(governor.reserve(class, &Tenant::system(), 5).is_err());
    }
    assert!(governor.try_reserve(Class::Operations, &Tenant::system(), 5).is_err());
    assert!(cache.asked().is_empty());
}

/// What can never fit empties no cache.
#[test]
fn what_can_never_fit_reclaims_nothing() {
    let (governor, cache) = full();
    let never = governor.reserve(Class::Operations, &Tenant::system(), 91).unwrap_err();
    assert_eq!(never.code(), "allocation_too_large");
    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(5)).unwrap();
    assert!(governor.reserve(Class::Operations, &acme, 6).is_err());
    assert!(cache.asked().is_empty());
}

/// A reclaimer that reserves meets no reclaimer, and gets emergency bytes.
#[test]
fn a_reclaimer_that_reserves_does_not_recurse() {
    let (governor, cache) = full();
    cache.scratch.store(10, SeqCst);
    let _held = governor.reserve(Class::Operations, &Tenant::system(), 10).unwrap();
    assert_eq!(cache.asked(), [(10, Scope::Root)]);
}

#[test]
fn a_full_tenant_reclaims_within_itself() {
    let (governor, cache) = full();
    cache.entries.lock().unwrap().clear();
    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(30)).unwrap();
    let entry = governor.try_reserve(Class::QueryCache, &acme, 20).unwrap();
    cache.entries.lock().unwrap().push(entry);
    let _held = governor.reserve(Class::Operations, &acme, 15).unwrap();
    assert_eq!(cache.asked(), [(5, Scope::Tenant("acme".into()))]);
}

/// A lowered limit takes the bytes at once, not at the next insert.
#[test]
fn a_lowered_limit_is_reclaimed_before_it_is_refused() {
    let (governor, cache) = full();
    governor.set_limits(Limits::of_root(60)).unwrap();
    assert_eq!((cache.asked(), governor.reserved()), (vec![(30, Scope::Root)], 60));
    let no_caches = Limits::of_root(60).with_cache_limit(0);
    governor.set_limits(no_caches).unwrap();
    assert_eq!((cache.asked(), governor.reserved()), (vec![(60, Scope::Caches)], 0));
    let _held = governor.reserve(Class::Pinned, &Tenant::system(), 40).unwrap();
    let refused = governor.set_limits(Limits::of_root(30)).unwrap_err();
    assert_eq!(refused.code(), "limit_below_held");
    assert_eq!(governor.limits(), no_caches);
}

/// Nobody is held to a limit that cannot be kept, and no cache is emptied for it.
#[test]
fn a_limit_below_what_is_held_for_good_is_refused_before_it_is_tried() {
    let (governor, cache) = full();
    let _held = governor.reserve(Class::Pinned, &Tenant::system(), 40).unwrap();
    let (_, before) = (cache.asked(), governor.reserved());
    let refused = governor.set_limits(Limits::of_root(30)).unwrap_err();
    assert_eq!(refused.code(), "limit_below_held");
    assert_eq!((cache.asked(), governor.reserved()), (Vec::new(), before));
    governor.set_limits(Limits::of_root(40)).unwrap();
    assert_eq!(governor.reserved(), 40);
}

#[test]
fn a_reclaimer_that_is_gone_refuses_and_leaks_nothing() {
    let (governor, cache) = full();
    let gone = Arc::downgrade(&cache);
    drop(cache);
    assert!(gone.upgrade().is_none(), "the governor keeps it alive");
    assert_eq!(governor.reserved(), 0);
    let _all = governor.reserve(Class::Operations, &Tenant::system(), 90).unwrap();
    assert!(governor.reserve(Class::Operations, &Tenant::system(), 1).is_err());
}

/// Changes limits when asked for bytes, and keeps the refusal.
#[derive(Debug)]
struct Meddler(Weak<Governor>, Mutex<Option<&'static str>>);

impl Reclaim for Meddler {
    fn reclaim(&self, _: u64, _: &Scope) -> u64 {
        let refused = self.0.upgrade().expect("alive").set_limits(Limits::of_root(1000));
        *self.1.lock().expect("whole") = refused.err().map(|error| error.code());
        0
    }
}

/// A change of limits within a change is refused instead of waiting for itself.
#[test]
fn a_reclaimer_that_changes_limits_is_refused() {
    let (governor, _cache) = full();
    let meddler = Arc::new(Meddler(Arc::downgrade(&governor), Mutex::default()));
    let weak: Weak<Meddler> = Arc::downgrade(&meddler);
    governor.set_reclaimer(weak);
    assert!(governor.set_limits(Limits::of_root(50)).is_err());
    assert_eq!(*meddler.1.lock().unwrap(), Some("limits_changing"));
    assert!(governor.set_limits(Limits::of_root(120)).is_ok(), "the change ended");
}
