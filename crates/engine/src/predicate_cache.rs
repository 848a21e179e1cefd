//! The predicate cache: which rows of a segment satisfy what no index answers.
//!
//! An entry is found by segment and predicate, bit for bit, and speaks of the payloads that rows
//! were flushed with, which never change. Deaths and patches come after: the first are left out by
//! whoever asks, rows with the second are judged by their patch. So an entry is never out of date,
//! only incomplete. A predicate that is asked once is not kept.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use vectorizer_cache::{Cached, ClockedCache, Footprint, NewEntry, Options, allocated_bytes};
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Reservation, Tenant};

use crate::identity::SegmentKey;
use crate::recently_asked::RecentlyAsked;
use crate::verdicts::{Asked, Verdicts};

/// Dear to refill: each row is a payload that is read and judged.
const EASE: u32 = 2;
/// Rows judged that are worth a refill cost of one more.
const ROWS_PER_COST: u32 = 64;

/// What verdicts are found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PredicateKey {
    pub(crate) segment: SegmentKey,
    /// Canonical bytes of what is asked of payloads.
    pub(crate) predicate: Box<[u8]>,
}

/// Which rows of segments satisfy predicates.
#[derive(Debug)]
pub(crate) struct PredicateCache {
    pub(crate) cache: ClockedCache<PredicateKey, Verdicts>,
    asked: RecentlyAsked,
}

impl PredicateCache {
    /// The name in reports and metrics.
    pub(crate) const NAME: &str = "predicates";

    /// An empty cache of at most so many bytes. `charge` holds [`RecentlyAsked::BYTES`].
    pub(crate) fn new(
        manager: &Arc<CacheMemoryManager>,
        clock: Arc<dyn Clock>,
        limit_bytes: u64,
        charge: Reservation,
    ) -> Self {
        let options =
            Options { ease: EASE, ..Options::new(Self::NAME, Class::Metadata, limit_bytes) };
        let cache = ClockedCache::new(manager, &options, clock);
        Self { cache, asked: RecentlyAsked::new(charge) }
    }

    /// What is known of a segment's rows.
    pub(crate) fn find(&self, key: &PredicateKey) -> Option<Arc<Cached<Verdicts>>> {
        self.cache.get(key)
    }

    /// Keeps what is known, `before` among it, with what others kept meanwhile; if nothing is kept,
    /// only for a predicate that was asked before, lately.
    pub(crate) fn keep(
        &self,
        key: PredicateKey,
        mut asked: Asked,
        before: Option<Arc<Cached<Verdicts>>>,
        of: &Tenant,
    ) {
        let now = self.cache.peek(&key);
        if now.is_none() && before.is_none() && !self.asked.mark(hash_of(&key)) {
            return;
        }
        let is_before = |now: &Arc<_>| before.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, now));
        if let Some(now) = now.as_ref().filter(|now| !is_before(now)) {
            if now.count().is_none() {
                return;
            }
            asked.add(now);
        }
        // What goes makes room for what comes.
        drop((now, before));
        let refill_cost = u16::try_from(asked.count() / ROWS_PER_COST).unwrap_or(u16::MAX).max(1);
        let value = asked.into_verdicts();
        let heap_bytes = allocated_bytes(key.predicate.len() as u64) + value.heap_bytes();
        let entry = NewEntry { key, value, heap_bytes, refill_cost, generation: None };
        // A refused entry is answered all the same.
        self.cache.insert(entry, of);
    }
}

fn hash_of(key: &PredicateKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use vectorizer_memory::{Governor, Limits};

    const ROWS: u32 = 3_000;

    fn asked(rows: std::ops::Range<u32>) -> Asked {
        let mut asked = Asked::none_of(ROWS);
        rows.for_each(|row| asked.note(row, row.is_multiple_of(3)));
        asked
    }

    fn cache() -> PredicateCache {
        let governor = Governor::new(Limits::of_root(64 << 20).with_cache_limit(16 << 20));
        let manager = CacheMemoryManager::new(Arc::clone(&governor), Arc::new(Duration::ZERO));
        let charge = governor.reserve(Class::Metadata, &Tenant::system(), RecentlyAsked::BYTES);
        PredicateCache::new(&manager, Arc::new(Duration::ZERO), 4 << 20, charge.expect("room"))
    }

    fn key(predicate: &[u8]) -> PredicateKey {
        let segment = SegmentKey { shard: 1, segment: 2 };
        PredicateKey { segment, predicate: predicate.into() }
    }

    #[test]
    fn a_predicate_is_charged_with_what_is_known_of_it() {
        let (cache, system) = (cache(), Tenant::system());
        let bytes_of = |key: &PredicateKey| {
            let before = cache.cache.stats().bytes;
            (0..2).for_each(|_| cache.keep(key.clone(), asked(0..500), None, &system));
            cache.cache.stats().bytes - before
        };
        // The first entry takes the room that is kept for others, too.
        bytes_of(&key(&[1]));
        let (short, long) = (bytes_of(&key(&[2])), bytes_of(&key(&[3; 3_000])));
        assert!(long >= short + 2_900, "{short} and {long}");
    }

    #[test]
    fn what_two_find_out_at_once_is_kept_and_never_less() {
        let (cache, system) = (cache(), Tenant::system());
        let key = key(&[1, 2, 3]);
        let keep = |rows, before| cache.keep(key.clone(), asked(rows), before, &system);
        keep(0..500, None);
        assert!(cache.find(&key).is_none(), "asked once");
        keep(0..500, None);
        let before = cache.find(&key).expect("kept");
        assert_eq!(before.count(), Some(500));
        let other = Arc::clone(&before);
        keep(0..900, Some(before));
        keep(400..600, Some(other));
        let both = cache.find(&key).expect("kept");
        assert_eq!(both.count(), Some(900));
        keep(900..2_000, None);
        assert_eq!(cache.find(&key).expect("kept").count(), Some(2_000));
        keep(0..ROWS, Some(both));
        keep(0..500, None);
        assert_eq!(cache.find(&key).expect("kept").admitted(), Some(1_000));
    }
}
