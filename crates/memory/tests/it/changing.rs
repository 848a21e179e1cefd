//! Limits that change while others hold bytes, ask for them, or change others.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, ThreadId};
use std::time::Duration;

use vectorizer_memory::{
    Class, Governor, Limits, MemoryError, MemoryGuard, MemoryLimits, OperationId, OperationKind,
    Reclaim, Reservation, Scope, Tenant,
};

const MIB: u64 = 1 << 20;

/// A cache that gives back all it is asked for.
#[derive(Debug)]
struct Entries(Mutex<Vec<Reservation>>);

impl Entries {
    fn new(governor: &Arc<Governor>, count: u64) -> Arc<Self> {
        let entries = Self::of(governor, count, 10);
        let weak: Weak<Self> = Arc::downgrade(&entries);
        governor.set_reclaimer(weak);
        entries
    }

    fn of(governor: &Arc<Governor>, count: u64, bytes: u64) -> Arc<Self> {
        let system = Tenant::system();
        let entry = |_| governor.try_reserve(Class::QueryCache, &system, bytes).expect("room");
        Arc::new(Self(Mutex::new((0..count).map(entry).collect())))
    }
}

impl Reclaim for Entries {
    fn reclaim(&self, bytes: u64, _: &Scope) -> u64 {
        let mut entries = self.0.lock().expect("whole");
        let mut freed = 0;
        while freed < bytes
            && let Some(entry) = entries.pop()
        {
            freed += entry.bytes();
        }
        freed
    }
}

fn guard(governor: &Arc<Governor>) -> Arc<MemoryGuard> {
    let limits = MemoryLimits::of_root(governor.limits().root);
    MemoryGuard::new(Arc::clone(governor), limits, Arc::new(Duration::ZERO))
        .expect("nothing is held")
}

/// Otherwise nothing would be admitted after it, and caches would keep what they hold.
#[test]
fn a_lowered_root_makes_room_for_drift_and_is_not_refused_for_it() {
    let governor = Governor::new(Limits::of_root(100));
    let _entries = Entries::new(&governor, 9);
    governor.set_drift(20);
    governor.set_limits(Limits::of_root(80)).unwrap();
    assert_eq!(governor.reserved(), 60);
    governor.set_limits(Limits::of_root(15)).unwrap();
    assert_eq!(governor.reserved(), 0, "all that can go goes");
}

#[test]
fn a_raised_root_takes_nothing_back_for_drift() {
    let governor = Governor::new(Limits::of_root(100));
    let _entries = Entries::new(&governor, 9);
    governor.set_drift(50);
    governor.set_limits(Limits::of_root(110)).unwrap();
    governor.set_limits(Limits::of_root(110).with_class(Class::Text, 5)).unwrap();
    assert_eq!(governor.reserved(), 90);
}

/// Entries of whoever changes limits; while it takes them, another asks for a little.
#[derive(Debug)]
struct Interrupted {
    entries: Arc<Entries>,
    governor: Weak<Governor>,
    changer: ThreadId,
    /// The most that the other was short of.
    short: AtomicU64,
}

impl Reclaim for Interrupted {
    fn reclaim(&self, bytes: u64, scope: &Scope) -> u64 {
        if thread::current().id() != self.changer {
            self.short.fetch_max(bytes, SeqCst);
            return self.entries.reclaim(bytes, scope);
        }
        let governor = self.governor.upgrade().expect("alive");
        let asks = || {
            let taken = governor.reserve(Class::Operations, &Tenant::system(), MIB);
            taken.expect("caches make room").bytes()
        };
        thread::scope(|scope| scope.spawn(asks).join()).expect("no panic");
        self.entries.reclaim(bytes, scope)
    }
}

#[test]
fn who_asks_while_the_root_is_lowered_is_not_short_of_all_that_is_to_go() {
    lower_under_requests(0, 0);
}

#[test]
fn a_root_that_is_lowered_with_its_emergency_bytes_makes_no_room_for_the_old_ones() {
    lower_under_requests(200 * MIB, 20 * MIB);
}

fn lower_under_requests(emergency: u64, emergency_after: u64) {
    let limits =
        |root, emergency| Limits::of_root(root * MIB).with_base(10 * MIB).with_emergency(emergency);
    let governor = Governor::new(limits(1000, emergency));
    governor.set_drift(30 * MIB);
    let entries = Entries::of(&governor, 700, MIB);
    let changer = thread::current().id();
    let (weak, short) = (Arc::downgrade(&governor), AtomicU64::new(0));
    let interrupted = Arc::new(Interrupted { entries, governor: weak, changer, short });
    let weak: Weak<Interrupted> = Arc::downgrade(&interrupted);
    governor.set_reclaimer(weak);
    governor.set_limits(limits(200, emergency_after)).expect("caches give back");
    let kept = governor.reserved();
    assert!((120 * MIB..=160 * MIB).contains(&kept), "{kept} bytes kept of 160 MiB that could be");
    let short = interrupted.short.load(SeqCst);
    assert!(short > 0 && short <= 20 * MIB, "{short} bytes short of 1 MiB");
}

#[test]
fn whoever_refuses_last_leaves_the_old_limits() {
    let governor = Governor::new(Limits::of_root(400));
    let guard = guard(&governor);
    let (before, own) = (governor.limits(), guard.limits());
    let system = Tenant::system();
    for root in [100, 1000] {
        let mut within = None;
        let refused = guard.set_governor_limits(Limits::of_root(root), || {
            within = Some(governor.available());
            Err(MemoryError::ForeignReservation)
        });
        assert_eq!((refused, within), (Err(MemoryError::ForeignReservation), Some(root)));
        assert_eq!((governor.limits(), guard.limits()), (before, own));
        assert_eq!(governor.available(), 400);
    }
    guard.set_governor_limits(Limits::of_root(100), || Ok::<_, MemoryError>(())).unwrap();
    assert_eq!(guard.limits(), MemoryLimits::of_root(100));
    let operation = OperationId::new("test", OperationKind::Write, system);
    assert!(guard.request_allocation(operation.clone(), 51).is_err());
    assert!(guard.request_allocation(operation, 50).is_ok());
}

/// What operations may hold together is part of the same change.
#[test]
fn the_heap_of_operations_is_checked_before_a_cache_gives_back() {
    let governor = Governor::new(Limits::of_root(100));
    let limits = MemoryLimits { max_heap_size: 20, ..MemoryLimits::of_root(100) };
    let guard = MemoryGuard::new(Arc::clone(&governor), limits, Arc::new(Duration::ZERO)).unwrap();
    let held = governor.reserve(Class::Operations, &Tenant::system(), 15).unwrap();
    let _entries = Entries::new(&governor, 8);
    let tight = Limits::of_root(50).with_class(Class::Operations, 10);
    assert_eq!(governor.set_limits(tight).unwrap_err().code(), "limit_below_held");
    assert_eq!(governor.reserved(), 95);
    guard.set_governor_limits(Limits::of_root(90), || Ok::<_, MemoryError>(())).unwrap();
    assert_eq!(governor.limits().classes[Class::Operations.index()], 20, "the bound stays");
    drop(held);
}

#[test]
fn a_tenant_is_bounded_while_limits_change() {
    let governor = Governor::new(Limits::of_root(100));
    let acme = governor.tenant("acme");
    let changed = guard(&governor).set_governor_limits(Limits::of_root(90), || {
        governor.impose_tenant_limit(&acme, Some(20));
        Ok::<_, MemoryError>(())
    });
    assert_eq!(changed, Ok(()));
    assert!(governor.reserve(Class::Text, &acme, 21).is_err());
    assert!(governor.reserve(Class::Text, &acme, 20).is_ok());
    governor.impose_tenant_limit(&acme, None);
    assert!(governor.reserve(Class::Text, &acme, 90).is_ok());
}

/// Bounds a tenant when asked for bytes.
#[derive(Debug)]
struct Imposer(Weak<Governor>, Tenant);

impl Reclaim for Imposer {
    fn reclaim(&self, _: u64, _: &Scope) -> u64 {
        self.0.upgrade().expect("alive").impose_tenant_limit(&self.1, Some(30));
        0
    }
}

#[test]
fn a_refused_bound_of_a_tenant_takes_no_imposed_one_back() {
    let governor = Governor::new(Limits::of_root(100));
    let acme = governor.tenant("acme");
    let _held = governor.reserve(Class::Pinned, &acme, 20).unwrap();
    let imposer = Arc::new(Imposer(Arc::downgrade(&governor), acme.clone()));
    let weak: Weak<Imposer> = Arc::downgrade(&imposer);
    governor.set_reclaimer(weak);
    assert!(governor.set_tenant_limit(&acme, Some(10)).is_err());
    let usage = governor.usage();
    assert_eq!((&*usage.tenants[0].name, usage.tenants[0].limit), ("acme", 30));
}
