//! Look-ups, times to live, generations, policies and settings.

use std::sync::Arc;

use vectorizer_cache::{Cache, EvictionPolicy, Inserted, NewEntry, Options, Refusal};
use vectorizer_memory::{Class, ManagedCache, Tenant};

use crate::fixture::{Bytes, KIB, MIB, NOW, keep, options, seconds, unbounded};

fn has(cache: &Bytes, key: u64) -> bool {
    cache.get(&key, NOW).is_some()
}

#[test]
fn what_is_kept_is_found_until_it_is_removed() {
    let cache = Bytes::new(&unbounded(), &options(MIB));
    assert!(keep(&cache, 1, 10) && keep(&cache, 2, 20));
    assert!(cache.holds(&2) && !cache.holds(&3));
    assert!(cache.peek(&2).is_some_and(|value| value.len() == 20) && cache.peek(&3).is_none());
    assert_eq!(cache.get(&2, NOW).unwrap().len(), 20);
    assert!(cache.remove(&1));
    assert!(!cache.remove(&1));
    assert!(!has(&cache, 1) && !has(&cache, 3));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.inserts, stats.removed), (1, 2, 2, 1));
    assert_eq!((stats.items, stats.bytes), (1, cache.memory_usage()));
    cache.reset_stats();
    assert_eq!((cache.stats().hits, cache.stats().items), (0, 1));
}

#[test]
fn remove_if_takes_out_what_is_said() {
    let cache = Bytes::new(&unbounded(), &options(16 * MIB));
    for key in 0..1000 {
        keep(&cache, key, 8);
    }
    assert_eq!(cache.remove_if(|key, value| key % 3 == 0 && value.len() == 8), 334);
    assert!((0..1000).all(|key| has(&cache, key) == (key % 3 != 0)));
    assert_eq!(cache.items(), 666);
}

#[test]
fn entries_of_an_older_generation_are_not_found_nor_kept() {
    let cache = Bytes::new(&unbounded(), &options(MIB));
    let before = cache.generation();
    keep(&cache, 1, 10);
    assert_eq!(cache.invalidate(), before + 1);
    assert!(!has(&cache, 1));
    let late = NewEntry { generation: Some(before), ..NewEntry::of(2, vec![1]) };
    let refused = cache.insert(late, &Tenant::system(), NOW);
    assert!(matches!(refused, Inserted::Refused(value, Refusal::OutOfDate) if value == [1]));
    let fresh = NewEntry { generation: Some(before + 1), ..NewEntry::of(2, vec![1]) };
    assert!(cache.insert(fresh, &Tenant::system(), NOW).is_kept());
    keep(&cache, 3, 10);
    cache.invalidate();
    assert_eq!(cache.evict_expired(NOW).items, 2);
    assert_eq!((cache.items(), cache.stats().expired), (0, 3));
}

#[test]
fn nothing_is_returned_after_its_time_under_any_policy() {
    for policy in EvictionPolicy::ALL {
        let with = Options { ttl: Some(seconds(60)), policy, ..options(MIB) };
        let cache = Bytes::new(&unbounded(), &with);
        let put =
            |key, at| cache.insert(NewEntry::of(key, vec![1]), &Tenant::system(), seconds(at));
        assert!(put(1, 100).is_kept() && put(2, 130).is_kept());
        assert!(cache.get(&1, seconds(159)).is_some(), "{policy}");
        assert!(cache.get(&1, seconds(160)).is_none(), "{policy}");
        assert_eq!(cache.items(), 1, "{policy}: looking takes it out");
        assert!(cache.get(&2, seconds(189)).is_some(), "{policy}: use does not make it younger");
        assert_eq!(cache.evict_expired(seconds(189)).items, 0);
        assert_eq!(cache.evict_expired(seconds(190)).items, 1, "{policy}");
        assert_eq!(cache.memory_usage(), 0, "{policy}");
        put(3, 200);
        cache.set_ttl(None);
        assert!(cache.get(&3, seconds(100_000)).is_some(), "{policy}");
    }
}

#[test]
fn expired_entries_make_room_before_others() {
    let with = Options { ttl: Some(seconds(60)), limit_items: 3, ..options(MIB) };
    let cache = Bytes::new(&unbounded(), &with);
    for (key, at) in [(1, 0), (2, 50), (3, 50), (4, 61)] {
        cache.insert(NewEntry::of(key, vec![1]), &Tenant::system(), seconds(at));
    }
    assert!(cache.get(&2, seconds(61)).is_some() && cache.get(&3, seconds(61)).is_some());
    assert_eq!((cache.stats().expired, cache.items()), (1, 3));
}

/// Keys that are left of 1 to 4, after 1 was used twice, 2 once, and a fifth came in.
fn left(policy: EvictionPolicy) -> Vec<u64> {
    let with = Options { policy, limit_items: 4, ..options(MIB) };
    let cache = Bytes::new(&unbounded(), &with);
    for (key, bytes) in [(1, 10), (2, 10), (3, 500), (4, 10)] {
        keep(&cache, key, bytes);
    }
    let order = [3, 4, 4, 1, 1, 2];
    assert!(order.iter().all(|key| has(&cache, *key)));
    keep(&cache, 5, 10);
    (1..=4).filter(|key| has(&cache, *key)).collect()
}

#[test]
fn each_policy_chooses_its_victim() {
    assert_eq!(left(EvictionPolicy::Lru), [1, 2, 4], "3 was not used for longest");
    assert_eq!(left(EvictionPolicy::Lfu), [1, 2, 4], "3 was used as often as 2, and earlier");
    assert_eq!(left(EvictionPolicy::Ttl), [2, 3, 4], "1 came in first");
    assert_eq!(left(EvictionPolicy::Size), [1, 2, 4], "3 is the largest");
}

#[test]
fn hybrid_keeps_what_is_dear() {
    let with = Options { shards: Some(1), ..options(MIB) };
    let cache = Bytes::new(&unbounded(), &with);
    let dear = |key| NewEntry { refill_cost: 50, ..NewEntry::of(key, vec![1; 1000]) };
    for key in 0..100 {
        cache.insert(dear(key), &Tenant::system(), NOW);
    }
    // All are asked for equally often, and no more than half of them fit.
    for _ in 0..20 {
        for key in 0..2000 {
            let dear_key = key < 100;
            if cache.get(&key, NOW).is_none() {
                let cheap = || NewEntry::of(key, vec![1; 1000]);
                let entry = if dear_key { dear(key) } else { cheap() };
                cache.insert(entry, &Tenant::system(), NOW);
            }
        }
    }
    let dear_left = (0..100).filter(|key| has(&cache, *key)).count();
    assert!(dear_left >= 95, "{dear_left} of 100 dear entries are left");
}

#[test]
fn policies_change_without_losing_entries() {
    let cache = Bytes::new(&unbounded(), &options(8 * MIB));
    for key in 0..5000 {
        keep(&cache, key, 20);
    }
    for policy in EvictionPolicy::ALL.into_iter().cycle().skip(1).take(11) {
        cache.set_policy(policy, NOW).unwrap();
        assert_eq!(cache.policy(), policy);
        assert!((0..5000).all(|key| has(&cache, key)), "{policy}");
        assert_eq!(cache.memory_usage(), cache.reserved_bytes(), "{policy}");
    }
    cache.set_policy(EvictionPolicy::Ttl, NOW).unwrap();
    cache.set_limit_items(4990, NOW);
    assert_eq!(cache.items(), 4990);
    assert!(cache.stats().evicted[EvictionPolicy::Ttl.index()].items == 10);
    cache.clear();
    assert_eq!((cache.memory_usage(), cache.reserved_bytes()), (0, 0));
}

#[test]
fn can_add_item_asks_for_the_count_before_the_bytes() {
    let with = Options { limit_items: 2, ..options(8 * KIB) };
    let cache = Bytes::new(&unbounded(), &with);
    assert_eq!(cache.can_add_item(100), Ok(()));
    assert!(matches!(cache.can_add_item(2 * KIB), Err(Refusal::TooLarge { most: 2048, .. })));
    keep(&cache, 1, 1);
    keep(&cache, 2, 1);
    assert_eq!(cache.can_add_item(100), Err(Refusal::NoRoom));
    cache.set_limit_items(10, NOW);
    assert_eq!(cache.can_add_item(100), Ok(()));
    for key in 3..8 {
        keep(&cache, key, 1000);
    }
    assert_eq!(cache.can_add_item(1800), Err(Refusal::NoRoom), "{}", cache.memory_usage());
    assert!(keep(&cache, 9, 1800), "but others go for it");
}

#[test]
fn the_manager_asks_it_like_any_cache() {
    let manager = unbounded();
    let with = Options { floor: 100 * KIB, ease: 7, ..options(MIB) };
    let cache = Bytes::new(&manager, &with);
    for key in 0..500 {
        keep(&cache, key, 1000);
    }
    let managed: Arc<dyn ManagedCache> = Arc::<Bytes>::clone(&cache);
    assert_eq!((managed.name(), managed.class()), ("answers", Class::QueryCache));
    assert_eq!((managed.ease(), managed.floor(), managed.item_count()), (7, 100 * KIB, 500));
    let before = managed.memory_usage();
    let evicted = manager.force_eviction(100 * KIB);
    assert_eq!(before - managed.memory_usage(), evicted.bytes, "what is said is what was freed");
    assert!((100 * KIB..110 * KIB).contains(&evicted.bytes), "{evicted:?}");
    manager.force_eviction(10 * MIB);
    let left = managed.memory_usage();
    assert!((100 * KIB..102 * KIB).contains(&left), "{left} bytes: the floor stays");
    drop((cache, managed));
    assert!(manager.caches().is_empty());
    assert_eq!(manager.current_usage(), 0);
}

#[test]
fn keys_and_values_may_be_anything() {
    let cache: Arc<Cache<String, Vec<f32>>> = Cache::new(&unbounded(), &options(MIB));
    let entry = NewEntry::of("text".to_owned(), vec![0.5; 64]);
    let kept = cache.insert(entry, &Tenant::system(), NOW);
    let Inserted::Kept(value) = kept else { panic!("{kept:?}") };
    assert!(value.charged_bytes() >= 256);
    assert_eq!(value.len(), 64);
}
