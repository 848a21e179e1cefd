//! Threads that do everything at once, beside others who are short of memory.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use vectorizer_cache::{EvictionPolicy, Options};
use vectorizer_memory::{Class, Limits, ManagedCache, Tenant};
use vectorizer_testkit::random::Random;

use crate::fixture::{Bytes, KIB, MIB, NOW, keep_for, manager_of, options};

const THREADS: u64 = 8;
const ROUNDS: usize = 20_000;
const LIMIT: u64 = 2 * MIB;

fn work(cache: &Bytes, tenants: &[Tenant], seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..ROUNDS {
        let key = random.next_u64() % 4000;
        match random.below(100) {
            0..60 => {
                if let Some(value) = cache.get(&key, NOW) {
                    assert!(value.len() < 2000);
                }
            }
            60..90 => {
                let (bytes, tenant) = (random.below(2000), random.below(tenants.len()));
                keep_for(cache, key, bytes, &tenants[tenant]);
            }
            90..97 => {
                cache.remove(&key);
            }
            97 => {
                cache.evict(50 * KIB, NOW);
            }
            98 => {
                cache.invalidate();
            }
            _ => {
                let policy = EvictionPolicy::ALL[random.below(5)];
                cache.set_policy(policy, NOW).unwrap_or(());
            }
        }
    }
}

#[test]
fn concurrent_work_stays_within_every_limit_and_ends_at_zero() {
    let manager = manager_of(Limits::of_root(4 * MIB));
    let cache = Bytes::new(&manager, &Options { shards: Some(4), ..options(LIMIT) });
    let tenants =
        [Tenant::system(), manager.governor().tenant("a"), manager.governor().tenant("b")];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (cache, tenants) = (&cache, &tenants);
                scope.spawn(move || work(cache, tenants, seed))
            })
            .collect();
        let watcher = scope.spawn(|| {
            while !done.load(SeqCst) {
                assert!(cache.memory_usage() <= LIMIT);
                // Somebody else is short, and the cache gives.
                let taken = manager.governor().reserve(Class::Operations, &tenants[0], 3 * MIB);
                drop(taken);
                thread::yield_now();
            }
        });
        // Whoever watches ends first, so that a failure is seen.
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, SeqCst);
        watcher.join().unwrap();
        assert!(ended.iter().all(Result::is_ok));
    });
    assert!(manager.governor().peak() <= 4 * MIB);
    assert_eq!(cache.memory_usage(), cache.reserved_bytes());
    let stats = cache.stats();
    assert!(stats.hits > 0 && stats.evicted.iter().any(|evicted| evicted.items > 0), "{stats:?}");
    cache.clear();
    assert_eq!((cache.memory_usage(), cache.items()), (0, 0));
    assert_eq!(manager.governor().reserved(), 0);
}
