//! Charges, transfers and changes of limits at the same time.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};

use shuttle::sync::Mutex;
use shuttle::thread;

use crate::error::Scope;
use crate::{
    Class, Governor, Limits, Reclaim, Reservation, SYSTEM, assert_nothing_held, check, join,
};

/// Bytes that threads believe they hold. Not a point at which threads switch.
#[derive(Clone, Default)]
struct Believed(Arc<AtomicU64>);

impl Believed {
    fn took(&self, bytes: u64, limit: u64) {
        let now = self.0.fetch_add(bytes, SeqCst) + bytes;
        assert!(now <= limit, "{now} bytes admitted of {limit}");
    }

    /// Before they are given back.
    fn gives(&self, bytes: u64) {
        self.0.fetch_sub(bytes, SeqCst);
    }
}

#[test]
fn charges_never_exceed_the_root_and_balance() {
    check(|| {
        let governor = Governor::new(Limits::of_root(100).with_class(Class::Text, 60));
        let believed = Believed::default();
        let workers = [40, 50, 30].map(|bytes| {
            let (governor, believed) = (Arc::clone(&governor), believed.clone());
            thread::spawn(move || {
                for class in [Class::Text, Class::Builds] {
                    let Ok(mut held) = governor.reserve(class, &SYSTEM, bytes) else { continue };
                    believed.took(bytes, 100);
                    if held.try_grow(20).is_ok() {
                        believed.took(20, 100);
                    }
                    believed.gives(10);
                    held.shrink(10);
                    believed.gives(held.bytes());
                }
            })
        });
        join(workers);
        assert!(governor.peak() <= 100);
        assert_nothing_held(&governor);
    });
}

#[test]
fn the_peak_is_of_all_that_was_held_at_once() {
    check(|| {
        let governor = Governor::new(Limits::of_root(100));
        let workers = [10, 20, 30].map(|bytes| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || governor.reserve(Class::Builds, &SYSTEM, bytes))
        });
        let held = workers.map(|worker| worker.join().expect("it ends").expect("room"));
        assert_eq!(governor.peak(), 60);
        drop(held);
        governor.reset_peaks();
        assert_eq!(governor.peak(), 0);
    });
}

#[test]
fn transfers_keep_every_sum() {
    check(|| {
        let limits = Limits::of_root(100).with_class(Class::Builds, 50).with_cache_limit(40);
        let governor = Governor::new(limits);
        let workers = [30, 25, 20].map(|bytes| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                let acme = governor.tenant("acme");
                let mut held = governor.reserve(Class::Operations, &SYSTEM, bytes).expect("room");
                held.transfer(Class::Builds, &acme).ok();
                assert!(governor.usage().classes[Class::Builds.index()].1 <= 50);
                let mut part = held.split(bytes / 2);
                part.transfer(Class::QueryCache, &SYSTEM).ok();
                held.merge(&mut part).ok();
                assert!(governor.usage().root >= bytes);
            })
        });
        join(workers);
        assert_nothing_held(&governor);
    });
}

#[test]
fn a_limit_that_was_lowered_holds() {
    check(|| {
        let limits = Limits::of_root(100);
        let governor = Governor::new(limits);
        let held = governor.reserve(Class::Builds, &SYSTEM, 40).expect("room");
        let worker = {
            let governor = Arc::clone(&governor);
            thread::spawn(move || drop(governor.reserve(Class::Builds, &SYSTEM, 30)))
        };
        if governor.set_limits(Limits::of_root(60)).is_ok() {
            for _ in 0..3 {
                assert!(governor.reserved() <= 60);
            }
            governor.set_limits(limits).expect("higher");
        }
        join([worker]);
        assert_eq!(governor.limits(), limits);
        drop(held);
        assert_nothing_held(&governor);
    });
}

/// A cache whose entries are given back one by one.
#[derive(Debug)]
struct Entries(Mutex<Vec<Reservation>>);

impl Reclaim for Entries {
    fn reclaim(&self, _: u64, _: &Scope) -> u64 {
        let entry = self.0.lock().expect("whole").pop();
        entry.map_or(0, |entry| entry.bytes())
    }
}

#[test]
fn reclaiming_takes_no_lock_along_and_counts_once() {
    check(|| {
        let governor = Governor::new(Limits::of_root(100));
        let entry = |_| governor.try_reserve(Class::QueryCache, &SYSTEM, 20).expect("room");
        let entries = Arc::new(Entries(Mutex::new((0..5).map(entry).collect())));
        let weak: Weak<Entries> = Arc::downgrade(&entries);
        governor.set_reclaimer(weak);
        let workers = [45, 45].map(|bytes| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || governor.reserve(Class::Operations, &SYSTEM, bytes))
        });
        let held = workers.map(|worker| worker.join().expect("it ends"));
        assert!(held.iter().all(Result::is_ok), "what both need is there");
        drop(held);
        drop(entries);
        assert_nothing_held(&governor);
    });
}
