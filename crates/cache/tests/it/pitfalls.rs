//! What naive caches get wrong, each with a test of its name.

use std::sync::Arc;

use vectorizer_cache::{Inserted, NewEntry, Options, Refusal, allocated_bytes};
use vectorizer_memory::{Class, Limits, ManagedCache, Tenant};

use crate::fixture::{Bytes, KIB, MIB, NOW, keep, manager_of, options, unbounded};

#[test]
fn pitfall_6_replacing_removing_and_clearing_release_each_entry_once() {
    let manager = unbounded();
    let cache = Bytes::new(&manager, &options(MIB));
    keep(&cache, 1, 1000);
    let one = cache.memory_usage();
    for _ in 0..100 {
        keep(&cache, 1, 1000);
    }
    assert_eq!((cache.memory_usage(), cache.items()), (one, 1));
    keep(&cache, 1, 10);
    assert_eq!(one - cache.memory_usage(), allocated_bytes(1000) - allocated_bytes(10));
    keep(&cache, 2, 10);
    cache.remove(&2);
    cache.remove(&2);
    assert_eq!(cache.clear(), one - (allocated_bytes(1000) - allocated_bytes(10)));
    assert_eq!(cache.clear(), 0);
    assert_eq!((cache.memory_usage(), manager.current_usage()), (0, 0));
}

#[test]
fn pitfall_6_clear_returns_usage_to_exactly_zero() {
    let manager = unbounded();
    let cache = Bytes::new(&manager, &options(2 * MIB));
    for key in 0..20_000 {
        keep(&cache, key, usize::try_from(key % 3000).unwrap());
        cache.get(&(key / 2), NOW);
    }
    assert!(cache.stats().evicted.iter().any(|evicted| evicted.items > 0));
    cache.clear();
    assert_eq!((cache.memory_usage(), cache.reserved_bytes(), cache.items()), (0, 0, 0));
    assert_eq!(manager.governor().reserved(), 0);
    assert!(keep(&cache, 1, 1000), "and it works on");
}

#[test]
fn pitfall_7_eviction_reports_what_was_freed_and_passes_over_entries_in_use() {
    let cache = Bytes::new(&unbounded(), &options(MIB));
    for key in 0..600 {
        keep(&cache, key, 1000);
    }
    let in_use: Vec<_> = (0..300).filter_map(|key| cache.get(&key, NOW)).collect();
    assert_eq!(in_use.len(), 300);
    let before = cache.memory_usage();
    let evicted = cache.evict(u64::MAX, NOW);
    assert_eq!(evicted.items, 300, "those that nobody uses");
    assert_eq!(before - cache.memory_usage(), evicted.bytes);
    assert_eq!(cache.evict(1, NOW).items, 0, "and it ends");
    assert!((0..300).all(|key| cache.get(&key, NOW).is_some()));
    drop(in_use);
    assert_eq!(cache.evict(u64::MAX, NOW).items, 300);
    assert_eq!(cache.memory_usage(), 0);
}

#[test]
fn pitfall_8_an_entry_too_large_is_refused_and_pushes_nothing_out() {
    let cache = Bytes::new(&unbounded(), &options(64 * KIB));
    for key in 0..20 {
        keep(&cache, key, 1000);
    }
    let large = cache.insert(NewEntry::of(99, vec![7; 40_000]), &Tenant::system(), NOW);
    let Inserted::Refused(value, Refusal::TooLarge { bytes, most }) = large else {
        panic!("{large:?}")
    };
    assert_eq!((value.len(), most), (40_000, 16 * KIB));
    assert!(bytes > 40_000);
    assert_eq!((cache.items(), cache.stats().refused.too_large), (20, 1));
}

#[test]
fn pitfall_8_the_entry_being_inserted_is_not_its_own_victim() {
    for policy in vectorizer_cache::EvictionPolicy::ALL {
        let with = Options { policy, limit_items: 1, ..options(64 * KIB) };
        let cache = Bytes::new(&unbounded(), &with);
        for key in 0..10 {
            assert!(keep(&cache, key, 5000), "{policy}");
            assert!(cache.get(&key, NOW).is_some(), "{policy}");
        }
    }
}

#[test]
fn pitfall_8_only_the_overage_goes() {
    let cache = Bytes::new(&unbounded(), &Options { shards: Some(1), ..options(256 * KIB) });
    let mut key = 0;
    while cache.stats().evicted.iter().all(|evicted| evicted.items == 0) {
        keep(&cache, key, 4000);
        key += 1;
    }
    let before = cache.items();
    keep(&cache, 1_000_000, 40_000);
    let gone = before + 1 - cache.items();
    assert!((9..=11).contains(&gone), "{gone} of 4000 bytes went for one of 40,000");
}

#[test]
fn pitfall_14_usage_never_exceeds_the_limit_at_any_moment() {
    let limit = 300 * KIB;
    let manager = manager_of(Limits::of_root(1 << 30));
    let cache = Bytes::new(&manager, &options(limit));
    for key in 0..5000_u64 {
        keep(&cache, key, usize::try_from(key * 7919 % 20_000).unwrap());
        assert!(cache.memory_usage() <= limit);
        assert_eq!(cache.memory_usage(), manager.current_usage());
    }
    assert!(manager.governor().peak() <= limit, "{}", manager.governor().peak());
}

#[test]
fn pitfall_15_what_went_but_is_referenced_stays_charged() {
    let cache = Bytes::new(&unbounded(), &options(64 * KIB));
    keep(&cache, 1, 10_000);
    let held = cache.get(&1, NOW).unwrap();
    cache.clear();
    assert_eq!(cache.memory_usage(), held.charged_bytes());
    assert_eq!((cache.items(), cache.get(&1, NOW).is_none()), (0, true));
    let held: Vec<_> = std::iter::once(held)
        .chain((2..20).filter_map(|key| {
            keep(&cache, key, 10_000);
            let value = cache.get(&key, NOW);
            cache.remove(&key);
            value
        }))
        .collect();
    assert!(held.len() <= 6, "{} of 10,000 bytes in 64 KiB", held.len());
    assert!(cache.memory_usage() <= 64 * KIB);
    assert!(cache.stats().refused.no_room > 0);
    drop(held);
    cache.clear();
    assert_eq!(cache.memory_usage(), 0);
}

#[test]
fn pitfall_16_the_limit_is_that_of_all_shards_together() {
    let with = Options { shards: Some(16), ..options(MIB) };
    let cache = Bytes::new(&unbounded(), &with);
    assert!(keep(&cache, 1, 200_000), "three times a shard's share");
    for key in 0..300 {
        keep(&cache, key, 40_000);
        assert!(cache.get(&key, NOW).is_some());
    }
    let held = cache.memory_usage();
    assert!(held > MIB - 45_000 && held <= MIB, "{held} bytes: full, and no more");
}

#[test]
fn pitfall_19_a_lowered_limit_holds_at_once() {
    let manager = unbounded();
    let cache = Bytes::new(&manager, &options(MIB));
    for key in 0..800 {
        keep(&cache, key, 1000);
    }
    assert_eq!(cache.set_limit_bytes(200 * KIB, NOW), 0);
    assert!(cache.memory_usage() <= 200 * KIB);
    assert_eq!(cache.set_limit_items(10, NOW), 0);
    assert_eq!(cache.items(), 10);
    let held: Vec<_> = (0..800).filter_map(|key| cache.get(&key, NOW)).collect();
    assert_eq!((held.len(), cache.set_limit_items(4, NOW)), (10, 6), "six are in use");
    drop(held);
    cache.set_limit_items(10, NOW);
    assert_eq!(cache.set_limit_bytes(0, NOW), 0);
    assert_eq!((cache.memory_usage(), manager.current_usage(), cache.items()), (0, 0, 0));
}

#[test]
fn pitfall_19_a_limit_of_zero_keeps_nothing_and_refuses_nothing() {
    for with in [options(0), Options { limit_items: 0, ..options(MIB) }] {
        let cache = Bytes::new(&unbounded(), &with);
        let off = cache.insert(NewEntry::of(1, vec![1]), &Tenant::system(), NOW);
        assert!(matches!(off, Inserted::Refused(_, Refusal::Off)), "{off:?}");
        assert!(cache.get(&1, NOW).is_none());
        assert_eq!(cache.stats().refused, vectorizer_cache::RefusalCounts::default());
        assert_eq!(cache.memory_usage(), 0);
    }
}

#[test]
fn an_answer_is_given_and_not_kept_when_the_caches_are_full_of_what_cannot_go() {
    let limits = Limits::of_root(1 << 30).with_cache_limit(MIB);
    let manager = manager_of(limits);
    let share = limits.classes[Class::QueryCache.index()];
    let cache = Bytes::new(&manager, &options(64 * MIB));
    let _others = manager.try_allocate(Class::Metadata, &Tenant::system(), MIB - share).unwrap();
    let in_use: Vec<_> = (0..1000)
        .filter_map(|key| {
            keep(&cache, key, 1000);
            cache.get(&key, NOW)
        })
        .collect();
    assert!(!in_use.is_empty() && in_use.len() < 1000);
    let refused = cache.stats().refused;
    assert_eq!(refused.memory, 1000 - in_use.len() as u64, "{refused:?}");
    let refused = cache.insert(NewEntry::of(5000, vec![1; 1000]), &Tenant::system(), NOW);
    let Inserted::Refused(value, Refusal::Memory(why)) = refused else { panic!("{refused:?}") };
    assert_eq!((value.len(), why.class), (1000, Class::QueryCache));
    assert_eq!(Arc::strong_count(&in_use[0]), 2);
}
