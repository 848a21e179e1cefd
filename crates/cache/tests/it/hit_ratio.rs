//! How much of seeded traces is found, held against references. No wall-clock: the figures are the
//! same on every run.

use std::sync::Arc;
use std::time::Duration;

use vectorizer_cache::{Cache, EvictionPolicy, NewEntry, Options};
use vectorizer_memory::{Class, Tenant};
use vectorizer_testkit::reference_caches::{Lru, ReferenceCache, S3Fifo, WTinyLfu, hit_percent};
use vectorizer_testkit::traces::Trace;

use crate::fixture::unbounded;

const KEYS: usize = 20_000;
const CAPACITY: usize = KEYS / 10;
const REQUESTS: usize = 400_000;

struct Ours(Arc<Cache<u64, ()>>);

impl Ours {
    fn new(policy: EvictionPolicy, shards: usize) -> Self {
        let options = Options {
            limit_items: CAPACITY as u64,
            policy,
            shards: Some(shards),
            ..Options::new("traces", Class::QueryCache, 1 << 30)
        };
        Self(Cache::new(&unbounded(), &options))
    }
}

impl ReferenceCache for Ours {
    fn ask(&mut self, key: u64) -> bool {
        if self.0.get(&key, Duration::ZERO).is_some() {
            return true;
        }
        let kept = self.0.insert(NewEntry::of(key, ()), &Tenant::system(), Duration::ZERO);
        assert!(kept.is_kept(), "{kept:?}");
        false
    }
}

struct QuickCache(quick_cache::unsync::Cache<u64, ()>);

impl ReferenceCache for QuickCache {
    fn ask(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

fn ours(trace: &[u64], policy: EvictionPolicy, shards: usize) -> f64 {
    hit_percent(&mut Ours::new(policy, shards), trace)
}

fn others(trace: &[u64]) -> [(&'static str, f64); 7] {
    [
        ("reference lru", hit_percent(&mut Lru::new(CAPACITY), trace)),
        ("w-tinylfu", hit_percent(&mut WTinyLfu::new(CAPACITY), trace)),
        ("s3-fifo", hit_percent(&mut S3Fifo::new(CAPACITY), trace)),
        ("quick_cache", {
            hit_percent(&mut QuickCache(quick_cache::unsync::Cache::new(CAPACITY)), trace)
        }),
        ("lru", ours(trace, EvictionPolicy::Lru, 1)),
        ("lfu", ours(trace, EvictionPolicy::Lfu, 1)),
        ("ttl", ours(trace, EvictionPolicy::Ttl, 1)),
    ]
}

#[test]
fn hybrid_is_within_two_points_of_the_best_on_each_trace() {
    for trace in Trace::ALL {
        let keys = trace.keys(KEYS, REQUESTS, CAPACITY);
        let others = others(&keys);
        let best = others.iter().map(|(_, percent)| *percent).fold(0.0, f64::max);
        for shards in [1, 8] {
            let hybrid = ours(&keys, EvictionPolicy::Hybrid, shards);
            println!("{:16} {shards} shards {hybrid:5.1}  {others:.1?}", trace.name());
            assert!(
                hybrid >= best - 2.0,
                "{}: {hybrid:.1} in {shards} shards, {others:.1?}",
                trace.name()
            );
        }
    }
}

#[test]
fn hybrid_withstands_a_scan() {
    let keys = Trace::Zipf09Scan.keys(KEYS, REQUESTS, CAPACITY);
    let lru = hit_percent(&mut Lru::new(CAPACITY), &keys);
    let hybrid = ours(&keys, EvictionPolicy::Hybrid, 8);
    assert!(hybrid >= lru + 5.0, "{hybrid:.1} is not five points above {lru:.1} of LRU");
}

#[test]
fn hybrid_finds_nearly_all_that_can_be_found_of_a_loop() {
    let keys = Trace::Loop.keys(KEYS, REQUESTS, CAPACITY);
    for shards in [1, 8] {
        let hybrid = ours(&keys, EvictionPolicy::Hybrid, shards);
        assert!(hybrid >= 64.5, "{hybrid:.1} of the 66.6 that are possible, in {shards} shards");
    }
}

#[test]
fn lru_is_lru() {
    let keys = Trace::Zipf10.keys(KEYS, REQUESTS / 4, CAPACITY);
    let reference = hit_percent(&mut Lru::new(CAPACITY), &keys);
    let lru = ours(&keys, EvictionPolicy::Lru, 1);
    assert!((lru - reference).abs() < f64::EPSILON, "{lru} and {reference}");
}
