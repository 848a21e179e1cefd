//! A bound on the entries of several caches together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use proptest::prelude::*;
use vectorizer_cache::{Options, SharedItems};
use vectorizer_memory::{CacheMemoryManager, Class, ManagedCache, Tenant};
use vectorizer_testkit::random::Random;

use crate::fixture::{Bytes, MIB, NOW, keep, manager_of, unbounded};

const NAMES: [(&str, Class); 3] =
    [("one", Class::Metadata), ("two", Class::Discovery), ("three", Class::Discovery)];

fn caches(
    manager: &Arc<CacheMemoryManager>,
    items: &Arc<SharedItems>,
    shards: usize,
) -> [Arc<Bytes>; 3] {
    NAMES.map(|(name, class)| {
        let options = Options::new(name, class, 16 * MIB);
        let shared_items = Some(Arc::clone(items));
        Bytes::new(manager, &Options { shared_items, shards: Some(shards), ..options })
    })
}

fn sum(caches: &[Arc<Bytes>]) -> u64 {
    caches.iter().map(|cache| cache.items() as u64).sum()
}

/// What is done to one of three caches.
#[derive(Debug, Clone)]
enum Step {
    Keep(usize, u64),
    Remove(usize, u64),
    Evict(usize, u64),
    Clear(usize),
    Bound(usize, u64),
    BoundAll(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..NAMES.len();
    prop_oneof![
        12 => (at.clone(), 0..60_u64).prop_map(|(at, key)| Step::Keep(at, key)),
        2 => (at.clone(), 0..60_u64).prop_map(|(at, key)| Step::Remove(at, key)),
        1 => (at.clone(), 0..2000_u64).prop_map(|(at, bytes)| Step::Evict(at, bytes)),
        1 => at.clone().prop_map(Step::Clear),
        1 => (at, 0..30_u64).prop_map(|(at, items)| Step::Bound(at, items)),
        1 => (0..40_u64).prop_map(Step::BoundAll),
    ]
}

proptest! {
    #[test]
    fn the_sum_is_within_the_bound_after_every_step(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let items = SharedItems::new(20);
        let (manager, mut own) = (unbounded(), [u64::MAX; NAMES.len()]);
        let caches = caches(&manager, &items, 2);
        for step in steps {
            match step {
                Step::Keep(at, key) => {
                    let kept = keep(&caches[at], key, 100);
                    prop_assert_eq!(kept, own[at].min(items.limit()) > 0, "something can give");
                }
                Step::Remove(at, key) => {
                    caches[at].remove(&key);
                }
                Step::Evict(at, bytes) => {
                    caches[at].evict(bytes, NOW);
                }
                Step::Clear(at) => {
                    caches[at].clear();
                }
                Step::Bound(at, most) => {
                    own[at] = most;
                    caches[at].set_limit_items(most, NOW);
                }
                Step::BoundAll(most) => items.set_limit(most, NOW),
            }
            prop_assert!(sum(&caches) <= items.limit());
            prop_assert_eq!(sum(&caches), items.used());
            prop_assert!(caches.iter().zip(own).all(|(cache, most)| cache.items() as u64 <= most));
        }
        drop(caches);
        prop_assert_eq!(items.used(), 0);
    }
}

#[test]
fn the_cache_with_most_entries_gives_one_up() {
    let (manager, items) = (unbounded(), SharedItems::new(100));
    let caches = caches(&manager, &items, 1);
    (0..100).for_each(|key| assert!(keep(&caches[0], key, 10)));
    (0..30).for_each(|key| assert!(keep(&caches[1], key, 10)));
    assert_eq!((caches[0].items(), caches[1].items()), (70, 30));
    (100..200).for_each(|key| assert!(keep(&caches[0], key, 10)));
    assert_eq!((caches[0].items(), caches[1].items()), (70, 30), "which may be its own");
    assert!(caches[2].can_add_item(10).is_err());
    let in_use: Vec<_> = (0..200).filter_map(|key| caches[0].get(&key, NOW)).collect();
    assert_eq!(in_use.len(), 70);
    assert!(keep(&caches[2], 1, 10));
    assert_eq!((caches[0].items(), caches[1].items()), (70, 29), "what is in use stays");
}

#[test]
fn the_bound_holds_while_all_are_filled_at_once() {
    const MOST: u64 = 64;
    let manager = manager_of(vectorizer_memory::Limits::of_root(1 << 30));
    let items = SharedItems::new(MOST);
    let (caches, done) = (caches(&manager, &items, 4), AtomicBool::new(false));
    thread::scope(|scope| {
        let fillers: Vec<_> = (0..6)
            .map(|seed| {
                let cache = &caches[seed % NAMES.len()];
                scope.spawn(move || {
                    let mut random = Random::new(seed as u64);
                    for _ in 0..5_000 {
                        let key = random.next_u64() % 300;
                        if random.below(10) == 0 {
                            cache.remove(&key);
                        } else {
                            keep(cache, key, 50);
                        }
                    }
                })
            })
            .collect();
        let watcher = scope.spawn(|| {
            while !done.load(SeqCst) {
                assert!(items.used() <= MOST);
                // Each cache's own figure counts what has a place already.
                assert!(caches.iter().all(|cache| cache.item_count() <= MOST + 6));
                thread::yield_now();
            }
        });
        let ended: Vec<_> = fillers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, SeqCst);
        watcher.join().unwrap();
        assert!(ended.iter().all(Result::is_ok));
    });
    assert!(items.used() > MOST / 2, "and is used");
    assert_eq!(items.used(), sum(&caches));
}

#[test]
fn a_bound_of_none_keeps_nothing_and_takes_nothing() {
    let (manager, items) = (unbounded(), SharedItems::new(0));
    let caches = caches(&manager, &items, 1);
    assert!(!keep(&caches[0], 1, 10));
    assert_eq!(manager.governor().reserved(), 0);
    items.set_limit(1, NOW);
    assert!(
        caches[0]
            .insert(vectorizer_cache::NewEntry::of(1, vec![1]), &Tenant::system(), NOW)
            .is_kept()
    );
}

#[test]
fn bytes_of_an_empty_shard_are_no_entry() {
    let (manager, items) = (unbounded(), SharedItems::new(100));
    let caches = caches(&manager, &items, 4);
    for cache in &caches {
        (0..20).for_each(|key| assert!(keep(cache, key, 10)));
        (0..19).for_each(|key| assert!(cache.remove(&key)));
    }
    caches[0].set_limit_items(0, NOW);
    assert_eq!((caches[0].items(), items.used()), (0, 2));
    items.set_limit(0, NOW);
    assert_eq!(sum(&caches), 0);
}
