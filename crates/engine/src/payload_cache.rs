//! The payload cache: payloads of rows that are read again and again, as they are stored.
//!
//! An entry is found by segment and row. What a row was flushed with never changes: a patch that
//! replaces it is looked for first, and a changed point has another row. So an entry is never out
//! of date. Kept are the bytes, which take a third of what the decoded payload does: what is saved
//! is the reading of pages, and decoding takes about a microsecond.

use std::sync::Arc;

use vectorizer_cache::{Cached, ClockedCache, NewEntry, Options, allocated_bytes};
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Reservation, Tenant};

use crate::identity::SegmentKey;
use crate::recently_asked::RecentlyAsked;

/// A page or two are read for an entry.
const EASE: u32 = 4;

/// What a payload is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RowKey {
    pub(crate) segment: SegmentKey,
    pub(crate) row: u32,
}

impl RowKey {
    /// Mixed bits of it (the finaliser of `SplitMix64`).
    fn hash(self) -> u64 {
        let Self { segment: SegmentKey { shard, segment }, row } = self;
        let bits = (u64::from(shard) << 32 | u64::from(row)) ^ segment.rotate_left(17);
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// Payloads of rows that are read again and again.
#[derive(Debug)]
pub(crate) struct PayloadCache {
    pub(crate) cache: ClockedCache<RowKey, Box<[u8]>>,
    asked: RecentlyAsked,
}

impl PayloadCache {
    /// The name in reports and metrics.
    pub(crate) const NAME: &str = "payloads";

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

    /// The payload's bytes.
    pub(crate) fn find(&self, key: RowKey) -> Option<Arc<Cached<Box<[u8]>>>> {
        self.cache.get(&key)
    }

    /// Keeps a payload's bytes if it was asked for before, lately.
    pub(crate) fn offer(&self, key: RowKey, bytes: Vec<u8>, tenant: &Tenant) {
        if !self.asked.mark(key.hash()) {
            return;
        }
        let value = bytes.into_boxed_slice();
        let heap_bytes = allocated_bytes(value.len() as u64);
        let entry = NewEntry { key, value, heap_bytes, refill_cost: 1, generation: None };
        // A refused entry is answered all the same.
        self.cache.insert(entry, tenant);
    }
}
