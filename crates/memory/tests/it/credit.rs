//! Small reservations on credit: nothing is lost, and nobody is refused for it.

use std::sync::Arc;
use std::thread;

use vectorizer_memory::{Class, Governor, Limits, Reservation, Tenant};

const KIB: u64 = 1 << 10;
const CREDIT: u64 = 64 * KIB;
/// The root of which a hundredth is one credit.
const ROOT: u64 = 100 * CREDIT;
const SYSTEM: Tenant = Tenant::system();

fn small(governor: &Governor, tenant: &Tenant) -> Reservation {
    governor.reserve(Class::Operations, tenant, 100).expect("room")
}

/// Bytes charged, those on credit included: what reports would take back is left.
fn charged(governor: &Governor) -> u64 {
    governor.limits().root - governor.available()
}

#[test]
fn small_reservations_are_charged_ahead_and_reports_are_exact() {
    let governor = Governor::new(Limits::of_root(ROOT));
    let held = small(&governor, &SYSTEM);
    assert_eq!(charged(&governor), CREDIT);
    let more = small(&governor, &SYSTEM);
    assert_eq!(charged(&governor), CREDIT, "cut from what was charged");
    assert_eq!(governor.reserved(), 200);
    assert_eq!(charged(&governor), 200, "a report takes credit back");
    drop((held, more));
    assert_eq!((charged(&governor), governor.usage().root), (0, 0));
}

#[test]
fn credit_takes_at_most_a_hundredth_of_the_root() {
    let governor = Governor::new(Limits::of_root(ROOT));
    let tenants = ["a", "b"].map(|name| governor.tenant(name));
    let _held = tenants.each_ref().map(|tenant| small(&governor, tenant));
    assert_eq!(charged(&governor), CREDIT + 100);
    let tiny = Governor::new(Limits::of_root(ROOT - 1));
    let _held = small(&tiny, &SYSTEM);
    assert_eq!(charged(&tiny), 100);
}

#[test]
fn large_ones_and_caches_are_charged_exactly() {
    let governor = Governor::new(Limits::of_root(ROOT));
    let large = governor.reserve(Class::Operations, &SYSTEM, CREDIT + 1).unwrap();
    assert_eq!(charged(&governor), CREDIT + 1);
    drop(large);
    for class in Class::ALL.into_iter().filter(|class| class.is_reclaimable()) {
        let _held = governor.reserve(class, &SYSTEM, 100).unwrap();
        assert_eq!(charged(&governor), 100);
    }
}

/// Credit of idle and dead threads, of whatever tenant, is taken back before anybody is refused.
#[test]
fn credit_is_recalled_before_a_refusal() {
    let governor = Governor::new(Limits::of_root(4 * ROOT));
    let acme = governor.tenant("acme");
    for _ in 0..2 {
        thread::scope(|scope| {
            scope.spawn(|| drop(small(&governor, &acme)));
        });
    }
    assert!(charged(&governor) >= CREDIT);
    let all = governor.reserve(Class::Builds, &SYSTEM, 4 * ROOT).unwrap();
    assert!(governor.reserve(Class::Operations, &acme, 1).is_err());
    drop(all);
    drop(small(&governor, &acme));
    assert!(governor.try_reserve(Class::QueryCache, &SYSTEM, 4 * ROOT).is_ok(), "for a cache");

    governor.set_tenant_limit(&acme, Some(CREDIT)).unwrap();
    drop(small(&governor, &acme));
    assert!(governor.reserve(Class::Builds, &acme, CREDIT).is_ok(), "a full tenant");

    governor.set_limits(governor.limits().with_class(Class::Operations, CREDIT)).unwrap();
    drop(small(&governor, &SYSTEM));
    assert!(governor.reserve(Class::Operations, &acme, CREDIT).is_ok(), "a full class");
}

/// What one thread took, another gives back.
#[test]
fn bytes_given_back_on_another_thread_settle() {
    let governor = Governor::new(Limits::of_root(4 * ROOT));
    let acme = governor.tenant("acme");
    let mut held: Vec<_> = (0..1000).map(|_| small(&governor, &acme)).collect();
    assert_eq!(governor.reserved(), 100_000);
    thread::scope(|scope| {
        for part in [held.split_off(500), held] {
            scope.spawn(|| {
                let _own = small(&governor, &acme);
                drop(part);
            });
        }
    });
    let usage = governor.usage();
    assert_eq!((usage.root, usage.classes[Class::Operations.index()].1), (0, 0));
    assert!(usage.tenants.is_empty());
}

/// A tenant that nobody knows any more leaves no bytes behind.
#[test]
fn a_forgotten_tenant_returns_its_credit() {
    let governor = Governor::new(Limits::of_root(ROOT));
    drop(small(&governor, &governor.tenant("acme")));
    assert_eq!(charged(&governor), CREDIT);
    // Asking for another one forgets it.
    let _other = governor.tenant("other");
    assert_eq!(charged(&governor), 0);
}

#[test]
fn nobody_waits_for_bytes_on_credit() {
    let governor = Governor::new(Limits::of_root(ROOT));
    let held = small(&governor, &SYSTEM);
    let mut large = governor.reserve(Class::Builds, &SYSTEM, ROOT - CREDIT).unwrap();
    let first = governor.wait_for(Class::Operations, &SYSTEM, CREDIT).unwrap();
    // Those in line get what small ones give back, and small ones draw no credit.
    large.shrink(50);
    assert_eq!(governor.usage().waiting, 1);
    drop(held);
    assert_eq!(governor.usage().waiting, 0);
    drop(first);
}

#[test]
fn a_lowered_limit_takes_credit_back() {
    let governor = Governor::new(Limits::of_root(ROOT));
    let _held = small(&governor, &SYSTEM);
    governor.set_limits(Limits::of_root(100)).unwrap();
    assert_eq!(charged(&governor), 100);
}

/// 64 threads, all classes, three tenants, bytes handed from thread to thread: nothing is left.
#[test]
fn sixty_four_threads_end_with_a_balance_of_zero() {
    const ROUNDS: u64 = 2_000;
    let governor = Governor::new(Limits::of_root(4 * ROOT).with_cache_limit(ROOT));
    thread::scope(|scope| {
        for seed in 0..64_u64 {
            let governor = Arc::clone(&governor);
            scope.spawn(move || {
                let tenants = [governor.tenant("a"), governor.tenant("b"), SYSTEM];
                let mut kept: Vec<Reservation> = Vec::new();
                for round in 0..ROUNDS {
                    let draw = (seed * ROUNDS + round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let class = Class::ALL[(draw >> 8) as usize % Class::COUNT];
                    let tenant = &tenants[(draw >> 16) as usize % 3];
                    kept.extend(governor.reserve(class, tenant, draw >> 24 & 0x1_ffff));
                    if let Some(last) = kept.last_mut() {
                        last.try_grow(draw >> 40 & 0xfff).unwrap_or(());
                        last.shrink(last.bytes() / 2);
                        last.transfer(Class::Operations, tenant).unwrap_or(());
                    }
                    if kept.len() > 4 {
                        drop(kept.swap_remove((draw >> 32) as usize % 4));
                    }
                }
            });
        }
    });
    assert!(governor.peak() <= 4 * ROOT);
    let usage = governor.usage();
    assert_eq!((usage.root, usage.caches), (0, 0));
    assert!(usage.classes.iter().all(|(_, bytes)| *bytes == 0) && usage.tenants.is_empty());
}
