//! A manager over a governor, with a clock that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use vectorizer_cache::{Cache, NewEntry, Options};
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Governor, Limits, Tenant};

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;

/// Whole seconds that a test sets.
#[derive(Debug, Default)]
pub(crate) struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Duration {
        seconds(self.0.load(SeqCst))
    }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A time that does not matter.
pub(crate) const NOW: Duration = Duration::from_secs(1000);

pub(crate) fn manager_of(limits: Limits) -> Arc<CacheMemoryManager> {
    CacheMemoryManager::new(Governor::new(limits), Arc::new(HandClock::default()))
}

pub(crate) fn unbounded() -> Arc<CacheMemoryManager> {
    manager_of(Limits::of_root(1 << 40))
}

pub(crate) fn options(limit_bytes: u64) -> Options {
    Options::new("answers", Class::QueryCache, limit_bytes)
}

pub(crate) type Bytes = Cache<u64, Vec<u8>>;

/// Keeps a value of so many bytes.
pub(crate) fn keep(cache: &Bytes, key: u64, bytes: usize) -> bool {
    keep_for(cache, key, bytes, &Tenant::system())
}

pub(crate) fn keep_for(cache: &Bytes, key: u64, bytes: usize, tenant: &Tenant) -> bool {
    cache.insert(NewEntry::of(key, vec![1; bytes]), tenant, NOW).is_kept()
}
