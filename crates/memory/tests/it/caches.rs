//! What caches hold together: one bound, shares, lending.

use vectorizer_memory::{Class, Governor, Limits, MemoryError, Scope, Tenant};

const MIB: u64 = 1 << 20;

/// 1 GiB of root, all of it open to caches: embedding 400 MiB, query 300, index pages 200,
/// metadata 50, discovery 24, reserve 50.
fn limits() -> Limits {
    Limits::of_root(4096 * MIB).with_cache_limit(1024 * MIB)
}

fn scope_of(error: MemoryError) -> Option<Scope> {
    if let MemoryError::InsufficientMemory { scope, .. } = error { Some(scope) } else { None }
}

#[test]
fn within_its_share_a_cache_uses_all_of_the_limit() {
    let governor = Governor::new(limits());
    let system = Tenant::system();
    let take = |class, mib| governor.try_reserve(class, &system, mib * MIB);
    let _pages = take(Class::IndexPages, 674).unwrap();
    let _query = take(Class::QueryCache, 300).unwrap();
    let _metadata = take(Class::Metadata, 50).unwrap();
    let usage = governor.usage();
    assert_eq!((usage.caches, usage.caches_limit), (1024 * MIB, 1024 * MIB));
    assert_eq!(scope_of(take(Class::EmbeddingCache, 1).unwrap_err()), Some(Scope::Caches));
    // The bound is the caches', not the root's.
    assert!(take(Class::Operations, 3072).is_ok());
}

#[test]
fn beyond_its_share_a_cache_borrows_all_but_the_reserve() {
    let governor = Governor::new(limits());
    let system = Tenant::system();
    let take = |class, mib| governor.try_reserve(class, &system, mib * MIB);
    let never = take(Class::IndexPages, 975).unwrap_err();
    assert_eq!(never.code(), "allocation_too_large");
    let _all = take(Class::IndexPages, 974).unwrap();
    let refused = take(Class::IndexPages, 1).unwrap_err();
    assert_eq!(refused.code(), "insufficient_memory");
    assert_eq!(scope_of(refused), Some(Scope::Caches));
    let _reserve = take(Class::Metadata, 50).unwrap();
}

#[test]
fn a_refused_cache_charge_leaves_no_trace() {
    let governor = Governor::new(limits());
    let acme = governor.tenant("acme");
    assert!(governor.try_reserve(Class::QueryCache, &acme, 1025 * MIB).is_err());
    let usage = governor.usage();
    assert_eq!((usage.root, usage.caches), (0, 0));
    assert!(usage.classes.iter().all(|(_, bytes)| *bytes == 0) && usage.tenants.is_empty());
}

/// Limit 0 is "hold nothing" everywhere, never "no limit".
#[test]
fn a_cache_limit_of_zero_refuses_every_cache_and_nobody_else() {
    let governor = Governor::new(Limits::of_root(100).with_cache_limit(0));
    for class in Class::ALL {
        let taken = governor.reserve(class, &Tenant::system(), 1);
        assert_eq!(taken.is_err(), class.is_cache(), "{class}");
        assert!(governor.reserve(class, &Tenant::system(), 0).is_ok());
    }
}

#[test]
fn transfers_into_and_out_of_caches_count() {
    let governor = Governor::new(limits());
    let system = Tenant::system();
    let mut held = governor.reserve(Class::Operations, &system, 1000 * MIB).unwrap();
    assert_eq!(
        held.transfer(Class::QueryCache, &system).unwrap_err().code(),
        "allocation_too_large"
    );
    let mut part = held.split(974 * MIB);
    part.transfer(Class::QueryCache, &system).unwrap();
    assert_eq!(governor.usage().caches, 974 * MIB);
    // From cache to cache takes no room anew.
    part.transfer(Class::IndexPages, &system).unwrap();
    assert_eq!(governor.usage().caches, 974 * MIB);
    part.transfer(Class::Operations, &system).unwrap();
    assert_eq!((governor.usage().caches, governor.reserved()), (0, 1000 * MIB));
}

#[test]
fn a_cache_limit_below_what_caches_hold_is_refused() {
    let governor = Governor::new(limits());
    let _held = governor.reserve(Class::QueryCache, &Tenant::system(), 300 * MIB).unwrap();
    let refused = governor.set_limits(limits().with_cache_limit(299 * MIB)).unwrap_err();
    assert_eq!(refused.code(), "limit_below_held");
    assert_eq!(governor.limits(), limits());
    // Its share of 512 MiB is less than it holds, and that is no bound.
    governor.set_limits(limits().with_cache_limit(512 * MIB)).unwrap();
}
