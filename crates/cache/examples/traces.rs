//! Hit ratios of our policies and of others on seeded traces, and what calls cost.
//!
//!     cargo run --profile dist -p vectorizer-cache --example traces
//!
//! The first arguments are keys and requests; a cache holds a tenth of the keys.
#![expect(clippy::print_stdout, reason = "the table is what it is run for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use vectorizer_cache::{Cache, EvictionPolicy, NewEntry, Options};
use vectorizer_memory::{CacheMemoryManager, Class, Governor, Limits, Tenant};
use vectorizer_testkit::reference_caches::{Lru, ReferenceCache, S3Fifo, WTinyLfu, hit_percent};
use vectorizer_testkit::traces::Trace;

struct Ours(Arc<Cache<u64, ()>>);

impl ReferenceCache for Ours {
    fn ask(&mut self, key: u64) -> bool {
        if self.0.get(&key, Duration::ZERO).is_some() {
            return true;
        }
        self.0.insert(NewEntry::of(key, ()), &Tenant::system(), Duration::ZERO);
        false
    }
}

struct QuickCache(quick_cache::sync::Cache<u64, ()>);

impl ReferenceCache for QuickCache {
    fn ask(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

fn manager() -> Arc<CacheMemoryManager> {
    CacheMemoryManager::new(Governor::new(Limits::of_root(1 << 40)), Arc::new(Duration::ZERO))
}

fn ours(policy: EvictionPolicy, capacity: usize) -> Ours {
    let items = Options {
        limit_items: capacity as u64,
        policy,
        shards: Some(16),
        ..Options::new("traces", Class::QueryCache, 1 << 34)
    };
    Ours(Cache::new(&manager(), &items))
}

type Maker = Box<dyn Fn(usize) -> Box<dyn ReferenceCache>>;

fn caches() -> Vec<(&'static str, Maker)> {
    let mut caches: Vec<(&str, Maker)> = vec![
        ("reference LRU", Box::new(|capacity| Box::new(Lru::new(capacity)))),
        ("reference W-TinyLFU", Box::new(|capacity| Box::new(WTinyLfu::new(capacity)))),
        ("reference S3-FIFO", Box::new(|capacity| Box::new(S3Fifo::new(capacity)))),
        ("quick_cache", Box::new(|c| Box::new(QuickCache(quick_cache::sync::Cache::new(c))))),
    ];
    for policy in EvictionPolicy::ALL {
        let maker: Maker = Box::new(move |capacity| Box::new(ours(policy, capacity)));
        caches.push((policy.name(), maker));
    }
    caches
}

fn main() {
    let argument = |at| std::env::args().nth(at).and_then(|argument| argument.parse().ok());
    let keys: usize = argument(1).unwrap_or(200_000);
    let requests: usize = argument(2).unwrap_or(4_000_000);
    let capacity = keys / 10;
    let traces = Trace::ALL.map(|trace| (trace.name(), trace.keys(keys, requests, capacity)));
    print!("{:20}", "hits of 100");
    for (name, _) in &traces {
        print!("{name:>17}");
    }
    println!("   ns each");
    for (name, maker) in caches() {
        print!("{name:20}");
        let since = Instant::now();
        for (_, trace) in &traces {
            print!("{:17.1}", hit_percent(&mut *maker(capacity), trace));
        }
        let each = since.elapsed().as_nanos() as f64 / (requests * traces.len()) as f64;
        println!("{each:10.0}");
    }
    costs();
}

/// One thread, 16 shards, values of 1 KiB in 100 MiB.
fn costs() {
    for policy in EvictionPolicy::ALL {
        let manager = manager();
        let options = Options { policy, ..Options::new("costs", Class::QueryCache, 120 << 20) };
        let cache: Arc<Cache<u64, Vec<u8>>> = Cache::new(&manager, &options);
        let count = 90_000_u64;
        let put =
            |key| cache.insert(NewEntry::of(key, vec![1; 1024]), &Tenant::system(), Duration::ZERO);
        let filling = time(count, |key| put(key).is_kept());
        let hit = time(count * 10, |at| cache.get(&(at * 7919 % count), Duration::ZERO).is_some());
        let full = time(count, |key| put(count + key).is_kept());
        let (since, before) = (Instant::now(), cache.memory_usage());
        let evicted = manager.force_eviction(100 << 20);
        assert_eq!(before - cache.memory_usage(), evicted.bytes);
        println!(
            "{policy:8} hit {hit:4.0} ns, insert {filling:5.0} ns, insert when full {full:5.0} ns, \
             eviction of {} MiB in {:.1} ms",
            evicted.bytes >> 20,
            since.elapsed().as_secs_f64() * 1e3
        );
    }
}

/// Nanoseconds of each of so many calls.
fn time(count: u64, call: impl Fn(u64) -> bool) -> f64 {
    let since = Instant::now();
    let done = (0..count).filter(|at| call(*at)).count();
    assert!(done > 0);
    since.elapsed().as_nanos() as f64 / count as f64
}
