//! Giving up entries until bytes are really free.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::{CacheMemoryManager, Evicted, ManagedCache};
use crate::Scope;

/// The most that is asked of all caches at once, so that none gives up much before another was
/// asked, and usage is looked at again in between.
pub const EVICTION_BATCH_BYTES: u64 = 10 << 20;

/// A cache that is asked, and whether it had nothing more.
struct Asked {
    cache: Arc<dyn ManagedCache>,
    exhausted: bool,
    /// Whether what its tenants are guaranteed stays.
    keeps_guarantees: bool,
}

impl Asked {
    /// Bytes that may be taken.
    fn above_floor(&self) -> u64 {
        if self.exhausted {
            return 0;
        }
        let above = self.cache.memory_usage().saturating_sub(self.cache.floor());
        let guarantees = self.keeps_guarantees.then(|| self.cache.beyond_guarantees()).flatten();
        guarantees.map_or(above, |beyond| above.min(beyond))
    }
}

impl CacheMemoryManager {
    /// Evicts within `scope` until `target` bytes are given back or nothing more can be.
    pub(super) fn evict(&self, target: u64, scope: &Scope) -> Evicted {
        self.evict_of(target, scope, |_| true)
    }

    /// Evicts until `bytes` are given back or nothing more can be: from all that can be had back,
    /// or from the cache of a name, or what a tenant holds.
    pub fn evict_from(&self, bytes: u64, cache: Option<&str>, tenant: Option<&str>) -> Evicted {
        let scope = tenant.map_or(Scope::Root, |tenant| Scope::Tenant(tenant.into()));
        self.evict_of(bytes, &scope, |of| cache.is_none_or(|name| name == of.name()))
    }

    fn evict_of(
        &self,
        target: u64,
        scope: &Scope,
        is_asked: impl Fn(&dyn ManagedCache) -> bool,
    ) -> Evicted {
        let mut evicted = Evicted::default();
        if target == 0 {
            return evicted;
        }
        let now = self.clock.now();
        let mut asked = self.within(scope);
        asked.retain(|asked| is_asked(&*asked.cache));
        if !matches!(scope, Scope::Tenant(_)) {
            for Asked { cache, .. } in &asked {
                if evicted.bytes < target && cache.memory_usage() > cache.floor() {
                    evicted += cache.evict_expired(now);
                }
            }
        }
        // A tenant's own shortage is no reason to look at what it is guaranteed.
        let of_others = !matches!(scope, Scope::Tenant(_));
        if of_others && asked.iter().any(|asked| asked.cache.beyond_guarantees().is_some()) {
            for asked in &mut asked {
                asked.keeps_guarantees = true;
            }
            evict_batches(&mut asked, target, scope, (now, &mut evicted));
            for asked in &mut asked {
                (asked.exhausted, asked.keeps_guarantees) = (false, false);
            }
        }
        evict_batches(&mut asked, target, scope, (now, &mut evicted));
        if evicted.items > 0 {
            self.counters.count(evicted, now);
        }
        evicted
    }

    fn within(&self, scope: &Scope) -> Vec<Asked> {
        let mut caches = self.caches();
        caches.retain(|cache| match scope {
            Scope::Class(only) => cache.class() == *only,
            // What is borrowed is not held within the caches' limit.
            Scope::Caches => cache.class().is_cache(),
            Scope::Root | Scope::Tenant(_) | Scope::Operation { .. } => true,
        });
        caches
            .into_iter()
            .map(|cache| Asked { cache, exhausted: false, keeps_guarantees: false })
            .collect()
    }

    /// Bytes that caches hold.
    pub fn current_usage(&self) -> u64 {
        self.governor.usage().caches
    }

    /// Bytes that caches may hold.
    pub fn limit(&self) -> u64 {
        let limits = self.governor.limits();
        limits.caches.min(limits.root)
    }

    /// Used bytes of each hundred that caches may hold; 0 if they may hold none.
    pub fn usage_percentage(&self) -> f64 {
        match self.limit() {
            0 => 0.0,
            limit => self.current_usage() as f64 * 100.0 / limit as f64,
        }
    }

    /// Runs of evictions so far.
    pub fn total_evictions(&self) -> u64 {
        self.counters.evictions.load(SeqCst)
    }
}

/// Evicts in batches until `target` bytes are given back in all or nothing more is.
fn evict_batches(
    asked: &mut [Asked],
    target: u64,
    scope: &Scope,
    (now, evicted): (Duration, &mut Evicted),
) {
    while evicted.bytes < target {
        let batch = (target - evicted.bytes).min(EVICTION_BATCH_BYTES);
        let given = evict_batch(asked, batch, scope, now);
        if given == Evicted::default() {
            break;
        }
        *evicted += given;
    }
}

fn evict_batch(asked: &mut [Asked], batch: u64, scope: &Scope, now: Duration) -> Evicted {
    let parts: Vec<(u64, u32)> =
        asked.iter().map(|asked| (asked.above_floor(), asked.cache.ease())).collect();
    let mut evicted = Evicted::default();
    for (asked, share) in asked.iter_mut().zip(split(batch, &parts)) {
        if share == 0 {
            continue;
        }
        let given = match scope {
            Scope::Tenant(name) => asked.cache.evict_tenant(name, share, now),
            Scope::Root | Scope::Caches | Scope::Class(_) | Scope::Operation { .. } => {
                asked.cache.evict(share, now)
            }
        };
        asked.exhausted = given == Evicted::default();
        evicted += given;
    }
    evicted
}

/// Splits `bytes` over caches by what each has above its floor times its ease; none is asked for
/// more than it has. Rounded up, so that small parts do not vanish.
fn split(bytes: u64, parts: &[(u64, u32)]) -> Vec<u64> {
    let weight = |(above, ease): &(u64, u32)| u128::from(*above) * u128::from((*ease).max(1));
    let whole: u128 = parts.iter().map(weight).sum();
    let share = |part: &(u64, u32)| {
        if whole == 0 {
            return 0;
        }
        // At most 2^64 * 2^32 * 10 MiB, which fits.
        let share = (weight(part) * u128::from(bytes)).div_ceil(whole);
        u64::try_from(share).unwrap_or(u64::MAX).min(part.0)
    };
    parts.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_split_by_usage_above_floor_and_ease() {
        assert_eq!(split(90, &[(100, 1), (100, 2)]), [30, 60]);
        assert_eq!(split(90, &[(0, 9), (100, 1)]), [0, 90]);
        assert_eq!(split(90, &[(50, 4), (100, 1)]), [50, 30]);
        assert_eq!(split(1, &[(1000, 1); 3]), [1, 1, 1]);
        assert_eq!(split(1, &[]), []);
        assert_eq!(split(EVICTION_BATCH_BYTES, &[(u64::MAX, u32::MAX)]), [EVICTION_BATCH_BYTES]);
    }
}
