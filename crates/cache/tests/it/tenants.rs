//! Whose entries go.

use std::sync::Arc;

use vectorizer_cache::Options;
use vectorizer_memory::{CacheMemoryManager, Class, Limits, ManagedCache};

use crate::fixture::{Bytes, KIB, MIB, NOW, keep_for, manager_of, options, unbounded};

#[test]
fn bytes_belong_to_the_tenant_that_kept_them() {
    let manager = unbounded();
    let cache = Bytes::new(&manager, &options(MIB));
    let (a, b) = (manager.governor().tenant("a"), manager.governor().tenant("b"));
    keep_for(&cache, 1, 1000, &a);
    keep_for(&cache, 2, 3000, &b);
    let usage = manager.governor().usage();
    let of = |name: &str| usage.tenants.iter().find(|t| *t.name == *name).map_or(0, |t| t.bytes);
    assert_eq!((of("a"), of("b")), (cache.tenant_usage("a"), cache.tenant_usage("b")));
    assert!(of("a") >= 1000 && of("b") >= 3000 && of("system") > 0);
    assert_eq!(of("a") + of("b") + of("system"), cache.memory_usage());
    assert_eq!(cache.evict_tenant("b", 1, NOW).items, 1);
    assert_eq!((cache.tenant_usage("b"), cache.items()), (0, 1));
    assert_eq!(cache.evict_tenant("nobody", 1, NOW).items, 0);
}

#[test]
fn a_flood_takes_nothing_from_a_tenant_within_its_guarantee() {
    let manager = unbounded();
    let with = Options { shards: Some(4), ..options(MIB) };
    let cache = Bytes::new(&manager, &with);
    let (quiet, loud) = (manager.governor().tenant("calm"), manager.governor().tenant("loud"));
    cache.set_guarantee(&quiet, 300 * KIB);
    for key in 0..200 {
        keep_for(&cache, key, 1000, &quiet);
    }
    for key in 1000..10_000 {
        keep_for(&cache, key, 1000, &loud);
    }
    assert!((0..200).all(|key| cache.get(&key, NOW).is_some()));
    assert!(cache.tenant_usage("loud") > 500 * KIB);
    cache.set_guarantee(&quiet, 0);
    for key in 10_000..12_000 {
        keep_for(&cache, key, 1000, &loud);
    }
    assert!(cache.tenant_usage("calm") > 200_000, "and the largest still gives first");
}

#[test]
fn a_tenant_at_its_limit_gives_up_its_own() {
    let manager = manager_of(Limits::of_root(1 << 30));
    let cache = Bytes::new(&manager, &options(16 * MIB));
    let (a, b) = (manager.governor().tenant("a"), manager.governor().tenant("b"));
    manager.governor().set_tenant_limit(&a, Some(100 * KIB)).unwrap();
    for key in 0..200 {
        keep_for(&cache, 2 * key, 1000, &a);
        keep_for(&cache, 2 * key + 1, 1000, &b);
    }
    assert!((0..200).all(|key| cache.get(&(2 * key + 1), NOW).is_some()));
    let held = cache.tenant_usage("a");
    assert!((90 * KIB..=100 * KIB).contains(&held), "{held}");
    assert_eq!(cache.stats().refused.memory, 0);
}

#[test]
fn tenants_that_left_take_no_bytes() {
    let manager = unbounded();
    let cache = Bytes::new(&manager, &options(4 * MIB));
    for round in 0..500 {
        let tenant = manager.governor().tenant(&format!("tenant {round}"));
        keep_for(&cache, round, 100, &tenant);
        cache.remove(&round);
    }
    assert_eq!(cache.items(), 0);
    cache.evict(u64::MAX, NOW);
    cache.clear();
    assert_eq!((cache.memory_usage(), manager.governor().reserved()), (0, 0));
}

/// Two caches of one manager that together may hold a megabyte.
fn two_caches() -> (Arc<CacheMemoryManager>, [Arc<Bytes>; 2]) {
    let manager = manager_of(Limits::of_root(1 << 30).with_cache_limit(MIB));
    let of = |name, class| {
        let options = Options { shards: Some(4), ..Options::new(name, class, 16 * MIB) };
        Bytes::new(&manager, &options)
    };
    let caches = [of("answers", Class::QueryCache), of("payloads", Class::Metadata)];
    (manager, caches)
}

#[test]
fn a_flood_of_one_cache_takes_nothing_from_what_is_guaranteed_in_all() {
    let (manager, [answers, payloads]) = two_caches();
    let (quiet, loud) = (manager.governor().tenant("calm"), manager.governor().tenant("loud"));
    for cache in [&answers, &payloads] {
        cache.set_guarantee(&quiet, 300 * KIB);
    }
    (0..100).for_each(|key| assert!(keep_for(&answers, key, 1000, &quiet)));
    (0..100).for_each(|key| assert!(keep_for(&payloads, key, 1000, &quiet)));
    (1000..10_000).for_each(|key| {
        keep_for(&payloads, key, 1000, &loud);
    });
    for cache in [&answers, &payloads] {
        assert!((0..100).all(|key| cache.get(&key, NOW).is_some()), "{}", cache.name());
    }
    assert!(payloads.tenant_usage("loud") > 500 * KIB);
    manager.force_eviction(u64::MAX);
    assert_eq!(quiet.cached_bytes(), 0, "a guarantee is no floor");
}

#[test]
fn one_guarantee_is_over_all_caches_together() {
    let (manager, [answers, payloads]) = two_caches();
    let (quiet, loud) = (manager.governor().tenant("calm"), manager.governor().tenant("loud"));
    for cache in [&answers, &payloads] {
        cache.set_guarantee(&quiet, 300 * KIB);
    }
    (0..200).for_each(|key| assert!(keep_for(&answers, key, 1000, &quiet)));
    (0..200).for_each(|key| assert!(keep_for(&payloads, key, 1000, &quiet)));
    let before = answers.tenant_usage("calm");
    assert!(before < 300 * KIB && quiet.cached_bytes() > 400_000);
    (1000..10_000).for_each(|key| {
        keep_for(&payloads, key, 1000, &loud);
    });
    let (one, two) = (answers.tenant_usage("calm"), payloads.tenant_usage("calm"));
    assert!(one < before, "both together are above it");
    assert!(one + two + 2 * KIB > 300 * KIB, "{one} and {two}");
}

#[test]
fn entries_are_counted_by_tenant() {
    let manager = unbounded();
    let cache = Bytes::new(&manager, &Options { shards: Some(4), ..options(MIB) });
    let (a, b) = (manager.governor().tenant("a"), manager.governor().tenant("b"));
    (0..20).for_each(|key| assert!(keep_for(&cache, key, 10, &a)));
    (20..25).for_each(|key| assert!(keep_for(&cache, key, 10, &b)));
    cache.remove(&0);
    assert_eq!(cache.tenant_items(), [("a".into(), 19), ("b".into(), 5)]);
}
