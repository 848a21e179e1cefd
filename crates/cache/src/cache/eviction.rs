//! Giving up entries: for the cache's own bounds, and for others who are short.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use vectorizer_memory::{CacheFigures, Class, Evicted, ManagedCache, PolicyFigures};

use super::{Cache, giving, lock, nanos};
use crate::ledger::Ledger;
use crate::shard::Wanted;
use crate::shared_items::Member;
use crate::stats::PolicyEvictions;

/// When shards are worth being looked through for what is out of date.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Nanoseconds.
    due: AtomicU64,
    /// What was out of date by then is gone.
    generation: AtomicU32,
}

impl Sweep {
    fn is_due(&self, generation: u32, now: Duration) -> bool {
        self.generation.load(SeqCst) != generation || nanos(now) >= self.due.load(SeqCst)
    }

    fn done(&self, generation: u32, due: u64) {
        self.generation.store(generation, SeqCst);
        self.due.store(due, SeqCst);
    }

    /// Times to live have changed.
    pub(super) fn reset(&self) {
        self.due.store(0, SeqCst);
    }
}

/// A tenant's part of one shard, by their numbers.
type Part = (u32, usize);

/// How much is to go.
#[derive(Debug, Clone, Copy)]
struct Target {
    bytes: u64,
    most: u64,
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    /// Gives up at least `bytes` for the cache's own bounds, if it can: what is out of date first,
    /// then by the policy, from the tenant furthest above its guarantee.
    pub(super) fn evict_own(&self, bytes: u64, now: Duration) -> Evicted {
        let mut evicted = Evicted::default();
        if self.sweep.is_due(self.generation(), now) {
            evicted += self.evict_stale(bytes, now);
        }
        let left = bytes.saturating_sub(evicted.bytes);
        evicted += self.evict_victims(Target { bytes: left, most: u64::MAX }, None);
        evicted
    }

    fn evict_stale(&self, bytes: u64, now: Duration) -> Evicted {
        let fresh = self.fresh(now);
        let mut evicted = Evicted::default();
        // What comes in from now on is not older than now.
        let mut oldest = nanos(now);
        for shard in &self.shards {
            while evicted.bytes < bytes {
                let (gone, surplus) = giving(&mut lock(shard), |shard| shard.take_stale(fresh));
                let items = gone.len() as u64;
                evicted.items += items;
                evicted.bytes += self.expire(gone) + surplus;
                self.shrink_own(surplus);
                if items == 0 {
                    break;
                }
            }
            oldest = oldest.min(lock(shard).oldest().unwrap_or(u64::MAX));
        }
        if evicted.bytes < bytes {
            self.sweep.done(fresh.generation, oldest.saturating_add(self.ttl.load(SeqCst)));
        }
        evicted
    }

    fn evict_stale_of(&self, ledger: &Ledger, bytes: u64, now: Duration) -> Evicted {
        let fresh = self.fresh(now);
        let mut evicted = Evicted::default();
        for shard in &self.shards {
            if evicted.bytes < bytes {
                let gone = lock(shard).take_stale_of(ledger.id, fresh);
                evicted.items += gone.len() as u64;
                evicted.bytes += self.expire(gone);
            }
        }
        evicted
    }

    /// Gives up entries by the policy, of one tenant or of whichever is furthest above its
    /// guarantee, until enough is free or nothing more can go.
    fn evict_victims(&self, target: Target, only: Option<&Arc<Ledger>>) -> Evicted {
        let mut evicted = Evicted::default();
        let mut exhausted: Vec<Part> = Vec::new();
        // Each shard in turn gives up a part of it, so that none is emptied for others.
        let step = (target.bytes / self.shards.len() as u64).max(1);
        while evicted.bytes < target.bytes {
            let part = match only {
                Some(ledger) => fullest(ledger, &exhausted),
                None => self.victim(&exhausted),
            };
            let Some((tenant, at)) = part else { break };
            let wanted = Wanted {
                tenant,
                bytes: step.min(target.bytes - evicted.bytes),
                most: target.most.saturating_sub(evicted.bytes),
                window: self.contest.window(),
            };
            let (gone, surplus) =
                giving(&mut lock(&self.shards[at]), |shard| shard.take_victims(wanted));
            if gone.is_empty() {
                exhausted.push((tenant, at));
            }
            evicted.items += gone.len() as u64;
            evicted.bytes += self.let_go(gone) + surplus;
            self.shrink_own(surplus);
        }
        self.counters.evicted(self.policy_now(), evicted);
        evicted
    }

    /// The fullest part of the tenant with the largest ratio of usage to guarantee. Without a
    /// guarantee that is infinite, and usage alone decides.
    fn victim(&self, exhausted: &[Part]) -> Option<Part> {
        let ledgers = lock(&self.ledgers);
        let mut victim: Option<(u64, u64, Part)> = None;
        for ledger in ledgers.all() {
            let Some(part) = fullest(ledger, exhausted) else { continue };
            let (usage, guarantee) = ledger.standing();
            if victim.is_none_or(|(most, of, _)| exceeds((usage, guarantee), (most, of))) {
                victim = Some((usage, guarantee, part));
            }
        }
        victim.map(|(_, _, part)| part)
    }

    fn above_floor(&self) -> u64 {
        self.account.bytes.used().saturating_sub(self.floor.load(SeqCst))
    }
}

/// Whether the one `(usage, guarantee)` has the larger ratio.
fn exceeds(one: (u64, u64), other: (u64, u64)) -> bool {
    match (one.1, other.1) {
        (0, 0) => one.0 > other.0,
        (0, _) => true,
        (_, 0) => false,
        _ => u128::from(one.0) * u128::from(other.1) > u128::from(other.0) * u128::from(one.1),
    }
}

/// The shard with most bytes of a tenant, of those that still have something to give.
fn fullest(ledger: &Ledger, exhausted: &[Part]) -> Option<Part> {
    let parts = ledger.found.iter().enumerate().map(|(at, bytes)| (bytes.load(SeqCst), at));
    let left = parts.filter(|(bytes, at)| *bytes > 0 && !exhausted.contains(&(ledger.id, *at)));
    left.max_by_key(|(bytes, _)| *bytes).map(|(_, at)| (ledger.id, at))
}

impl<K, V> Member for Cache<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    fn item_count(&self) -> u64 {
        self.account.items.used()
    }

    fn give_up_item(&self, now: Duration) -> bool {
        // Bytes that an empty shard gives back are no entry.
        (self.sweep.is_due(self.generation(), now) && self.evict_stale(1, now).items > 0)
            || self.evict_victims(Target { bytes: 1, most: u64::MAX }, None).items > 0
    }
}

impl<K, V> ManagedCache for Cache<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn class(&self) -> Class {
        self.class
    }

    fn memory_usage(&self) -> u64 {
        self.account.bytes.used()
    }

    fn item_count(&self) -> u64 {
        self.account.items.used()
    }

    fn floor(&self) -> u64 {
        self.floor.load(SeqCst)
    }

    fn ease(&self) -> u32 {
        self.ease
    }

    fn beyond_guarantees(&self) -> Option<u64> {
        let ledgers = lock(&self.ledgers);
        let is_guaranteed = |ledger: &Arc<Ledger>| ledger.guarantee.load(SeqCst) > 0;
        ledgers.all().any(is_guaranteed).then(|| {
            let ledgers = ledgers.all();
            ledgers.map(|ledger| ledger.beyond_guarantee()).sum()
        })
    }

    fn tenant_items(&self) -> Vec<(Arc<str>, u64)> {
        let mut items: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for shard in &self.shards {
            for (tenant, many) in lock(shard).items_by_tenant() {
                *items.entry(tenant.name().into()).or_default() += many;
            }
        }
        items.into_iter().collect()
    }

    fn evict_expired(&self, now: Duration) -> Evicted {
        self.evict_stale(u64::MAX, now)
    }

    fn evict(&self, target_bytes: u64, now: Duration) -> Evicted {
        let bytes = target_bytes.min(self.above_floor());
        let mut evicted = self.evict_stale(bytes, now);
        let left = bytes.saturating_sub(evicted.bytes);
        evicted += self.evict_victims(Target { bytes: left, most: self.above_floor() }, None);
        evicted
    }

    fn forget_idle_tenants(&self) {
        self.prune_ledgers();
    }

    fn evict_tenant(&self, tenant: &str, target_bytes: u64, now: Duration) -> Evicted {
        let ledger = lock(&self.ledgers).named(tenant).map(Arc::clone);
        let Some(ledger) = ledger else { return Evicted::default() };
        let bytes = target_bytes.min(self.above_floor());
        let mut evicted = self.evict_stale_of(&ledger, bytes, now);
        let left = bytes.saturating_sub(evicted.bytes);
        let target = Target { bytes: left, most: self.above_floor() };
        evicted += self.evict_victims(target, Some(&ledger));
        evicted
    }

    fn figures(&self) -> CacheFigures {
        let stats = self.stats();
        let of = |PolicyEvictions { policy, items, bytes }: PolicyEvictions| PolicyFigures {
            policy: policy.name(),
            items,
            bytes,
        };
        let evicted = stats.evicted.into_iter().map(of).collect();
        CacheFigures { hits: stats.hits, misses: stats.misses, evicted }
    }

    fn reset_figures(&self) {
        self.reset_stats();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_furthest_above_its_guarantee_gives_first() {
        assert!(exceeds((10, 0), (1000, 1)), "nothing is guaranteed to the first");
        assert!(!exceeds((1000, 1), (10, 0)));
        assert!(exceeds((30, 10), (50, 20)), "three times beats two and a half");
        assert!(!exceeds((50, 20), (30, 10)));
        assert!(exceeds((11, 0), (10, 0)));
        assert!(exceeds((u64::MAX, 2), (u64::MAX, 3)));
    }
}
