//! What a cache counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vectorizer_memory::Evicted;

use crate::entry::Refusal;
use crate::policy::EvictionPolicy;

const POLICIES: usize = EvictionPolicy::ALL.len();

/// The counters; each stands for itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) inserts: AtomicU64,
    pub(crate) removed: AtomicU64,
    expired: AtomicU64,
    too_large: AtomicU64,
    no_room: AtomicU64,
    memory: AtomicU64,
    out_of_date: AtomicU64,
    evicted_items: [AtomicU64; POLICIES],
    evicted_bytes: [AtomicU64; POLICIES],
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, many: u64) {
        counter.fetch_add(many, Relaxed);
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        let counter = match refusal {
            Refusal::Off => return,
            Refusal::TooLarge { .. } => &self.too_large,
            Refusal::NoRoom => &self.no_room,
            Refusal::Memory(_) => &self.memory,
            Refusal::OutOfDate => &self.out_of_date,
        };
        Self::add(counter, 1);
    }

    pub(crate) fn expired(&self, items: u64) {
        Self::add(&self.expired, items);
    }

    pub(crate) fn evicted(&self, policy: EvictionPolicy, evicted: Evicted) {
        Self::add(&self.evicted_items[policy.index()], evicted.items);
        Self::add(&self.evicted_bytes[policy.index()], evicted.bytes);
    }

    pub(crate) fn read(&self) -> CacheStats {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        CacheStats {
            hits: of(&self.hits),
            misses: of(&self.misses),
            inserts: of(&self.inserts),
            removed: of(&self.removed),
            expired: of(&self.expired),
            refused: RefusalCounts {
                too_large: of(&self.too_large),
                no_room: of(&self.no_room),
                memory: of(&self.memory),
                out_of_date: of(&self.out_of_date),
            },
            evicted: EvictionPolicy::ALL.map(|policy| PolicyEvictions {
                policy,
                items: of(&self.evicted_items[policy.index()]),
                bytes: of(&self.evicted_bytes[policy.index()]),
            }),
            bytes: 0,
            items: 0,
            limit_bytes: 0,
            limit_items: 0,
        }
    }

    pub(crate) fn reset(&self) {
        let single = [
            &self.hits,
            &self.misses,
            &self.inserts,
            &self.removed,
            &self.expired,
            &self.too_large,
            &self.no_room,
            &self.memory,
            &self.out_of_date,
        ];
        let evicted = self.evicted_items.iter().chain(&self.evicted_bytes);
        for counter in single.into_iter().chain(evicted) {
            counter.store(0, Relaxed);
        }
    }
}

/// What a cache counted since its start or the last reset, and how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found something.
    pub hits: u64,
    /// Look-ups that found nothing, or something out of date.
    pub misses: u64,
    /// Entries kept.
    pub inserts: u64,
    /// Entries that were removed by name, replaced, or cleared.
    pub removed: u64,
    /// Entries that went because they were out of date.
    pub expired: u64,
    /// Entries that were answered and not kept.
    pub refused: RefusalCounts,
    /// Entries that went for others, by the policy that chose them.
    pub evicted: [PolicyEvictions; POLICIES],
    /// Bytes charged.
    pub bytes: u64,
    /// Entries that can be found.
    pub items: u64,
    /// Most bytes.
    pub limit_bytes: u64,
    /// Most entries.
    pub limit_items: u64,
}

/// Entries that were not kept, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusalCounts {
    /// They would have pushed out too much.
    pub too_large: u64,
    /// All that could have gone was in use.
    pub no_room: u64,
    /// The caches together, or the process, were full.
    pub memory: u64,
    /// They were made from an older generation.
    pub out_of_date: u64,
}

/// Entries that went for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyEvictions {
    /// Who chose them.
    pub policy: EvictionPolicy,
    /// How many.
    pub items: u64,
    /// Bytes that were free at once.
    pub bytes: u64,
}
