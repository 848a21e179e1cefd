//! The one cache: whatever is kept because making it again costs work is kept in a [`Cache`].
//!
//! A cache is bounded by bytes, and by entries if that is asked for, exactly and over all its
//! shards together. Bytes are those that the allocator takes, of keys, values and all that finds
//! them; they are reserved of the governor under the cache's class and the entry's tenant before
//! they are taken. A value that is still referenced after it went stays charged.
//!
//! It starts no thread, reads no clock and knows no randomness but a seed: the time is an argument.
//!
//! # Invariants
//! - [`Cache::memory_usage`] never exceeds the limit, and is what the reservations hold whenever
//!   no call is under way.
//! - No lock is held while memory is asked for or a value is dropped.
//! - What is out of date is never returned, whatever the policy.
//! - An entry too large is refused and pushes nothing out; an entry refused is still answered.
//!
//! # Layout
//! - [`Cache`], [`Options`]: the way in; [`NewEntry`], [`Cached`]: what goes in and comes out
//! - `shard`: keys, values and orders under one lock; `nodes`, `list`, `heap`, `table`: of what
//!   it is made
//! - [`EvictionPolicy`]: who goes first; `sketch`, `duel`: what the hybrid one learns from
//! - `ledger`: who holds what; `allocator`, [`Footprint`]: what things take
//! - [`SharedItems`]: a bound on the entries of several caches together
//! - [`CacheStats`]: what is counted
//! - [`ClockedCache`]: a cache and its clock; [`CacheControl`]: what can be changed of any
//! - [`EmbeddingCache`]: the one whose entries all crates may ask for

#![forbid(unsafe_code)]

mod allocator;
mod cache;
mod clocked;
mod duel;
mod embedding;
mod entry;
mod footprint;
mod hash;
mod heap;
mod ledger;
mod list;
mod nodes;
mod options;
mod policy;
mod shard;
mod shared_items;
mod sketch;
mod stats;
mod table;

pub use allocator::allocated_bytes;
pub use cache::Cache;
pub use clocked::{CacheControl, ClockedCache};
pub use embedding::EmbeddingCache;
pub use entry::{Cached, Inserted, NewEntry, Refusal};
pub use footprint::{Footprint, estimate_item_size};
pub use options::Options;
pub use policy::{EvictionPolicy, UnknownPolicy};
pub use shared_items::SharedItems;
pub use stats::{CacheStats, PolicyEvictions, RefusalCounts};
