//! What a cache is made from.

use std::sync::Arc;
use std::time::Duration;

use vectorizer_memory::Class;

use crate::policy::EvictionPolicy;
use crate::shared_items::SharedItems;

/// A shard for each so many bytes of the limit, a power of two up to [`SHARDS_MAX`]. They stay as many:
/// one that is off may be given any limit, and an empty shard takes next to nothing.
const SHARD_BYTES: u64 = 1 << 20;
const SHARDS_MAX: u64 = 16;

/// The settings of a cache. All but name, class and shards can be changed later.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name in reports and metrics.
    pub name: String,
    /// The class that its bytes are charged to.
    pub class: Class,
    /// Most bytes; 0 keeps nothing.
    pub limit_bytes: u64,
    /// Most entries; 0 keeps nothing.
    pub limit_items: u64,
    /// A bound on its entries and those of other caches together.
    pub shared_items: Option<Arc<SharedItems>>,
    /// Bytes that are never taken from it for others.
    pub floor: u64,
    /// How cheap entries are to make again, at least 1: caches of more ease give up more.
    pub ease: u32,
    /// How long an entry may be returned.
    pub ttl: Option<Duration>,
    /// Who goes first.
    pub policy: EvictionPolicy,
    /// Locks, a power of two; by the limit if absent.
    pub shards: Option<usize>,
    /// What hashes depend on, so that nobody outside can aim at one bucket.
    pub seed: u64,
}

impl Options {
    /// A cache without bound on entries or time, hybrid, of ease 1 and no floor.
    pub fn new(name: &str, class: Class, limit_bytes: u64) -> Self {
        Self {
            name: name.to_owned(),
            class,
            limit_bytes,
            limit_items: u64::MAX,
            shared_items: None,
            floor: 0,
            ease: 1,
            ttl: None,
            policy: EvictionPolicy::default(),
            shards: None,
            seed: 0,
        }
    }

    pub(crate) fn shard_count(&self) -> usize {
        let by_limit = match self.limit_bytes {
            0 => SHARDS_MAX,
            bytes => (bytes / SHARD_BYTES).clamp(1, SHARDS_MAX),
        };
        let by_limit = usize::try_from(by_limit).unwrap_or(1);
        let count = self.shards.unwrap_or(by_limit).max(1);
        1 << count.ilog2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_follow_the_limit_and_one_that_is_off_is_ready_for_any() {
        let count = |limit| Options::new("some", Class::QueryCache, limit).shard_count();
        let limits = [1, SHARD_BYTES, 3 * SHARD_BYTES, 16 * SHARD_BYTES, u64::MAX];
        assert_eq!(limits.map(count), [1, 1, 2, 16, 16]);
        assert_eq!(count(0), 16);
    }
}
