//! What goes in and what comes out.

use std::ops::Deref;
use std::sync::Arc;

use vectorizer_memory::CacheMemoryLimitExceeded;

use crate::allocator::allocated_bytes;
use crate::footprint::Footprint;
use crate::ledger::Charge;

/// A value of a cache, to be held in an `Arc` for as long as it is needed; charged for as long.
#[derive(Debug)]
pub struct Cached<V> {
    value: V,
    // After the value, so that the bytes are given back when they are free.
    charge: Charge,
}

impl<V> Cached<V> {
    pub(crate) fn new(value: V, charge: Charge) -> Self {
        Self { value, charge }
    }

    /// Bytes charged for it.
    pub fn charged_bytes(&self) -> u64 {
        self.charge.bytes()
    }

    /// What an entry of `heap_bytes` behind key and value is charged.
    pub(crate) fn bytes_for(heap_bytes: u64) -> u64 {
        // Two counts stand before what an `Arc` holds.
        let counted = 2 * size_of::<usize>() + size_of::<Self>();
        allocated_bytes(counted as u64).saturating_add(heap_bytes)
    }
}

impl<V> Deref for Cached<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

/// An entry to be kept.
#[derive(Debug, Clone)]
pub struct NewEntry<K, V> {
    /// What it is found by.
    pub key: K,
    /// What is kept.
    pub value: V,
    /// Bytes behind key and value, as the allocator takes them.
    pub heap_bytes: u64,
    /// How dear it is to make again, from 1.
    pub refill_cost: u16,
    /// The generation that it was made from; [`crate::Cache::generation`] asked before that.
    pub generation: Option<u32>,
}

impl<K: Footprint, V: Footprint> NewEntry<K, V> {
    /// An entry of ordinary refill cost that is charged for what lies behind key and value.
    pub fn of(key: K, value: V) -> Self {
        let heap_bytes = key.heap_bytes().saturating_add(value.heap_bytes());
        Self { key, value, heap_bytes, refill_cost: 1, generation: None }
    }
}

/// Why an entry is not kept; the answer is given all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The cache keeps nothing, as it is set; not counted as a refusal.
    #[error("the cache is off")]
    Off,
    /// It would push out too much of everything else.
    #[error("an entry of {bytes} bytes; at most {most} are kept")]
    TooLarge {
        /// What the entry takes.
        bytes: u64,
        /// What one may take.
        most: u64,
    },
    /// All that could go is in use.
    #[error("no entry can go for it")]
    NoRoom,
    /// The caches together, or the process, are full.
    #[error(transparent)]
    Memory(#[from] CacheMemoryLimitExceeded),
    /// What it was made from was declared out of date meanwhile.
    #[error("made from an older generation")]
    OutOfDate,
}

/// What became of an entry.
#[derive(Debug)]
pub enum Inserted<V> {
    /// It is kept.
    Kept(Arc<Cached<V>>),
    /// It is not, and here it is again.
    Refused(V, Refusal),
}

impl<V> Inserted<V> {
    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}
