//! How an engine is opened.

use std::time::Duration;

use vectorizer_log::Durability;
use vectorizer_model::bytes::{GIB, MIB};
use vectorizer_pages::{Config as PoolConfig, Residency};

use crate::storage_type::StorageRule;

/// How an engine is opened. The defaults suit one node on a few cores.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// When a write counts as durable.
    pub durability: Durability,
    /// How the bytes of disk-backed collections are held.
    pub residency: Residency,
    /// Which storage types collections may have.
    pub storage: StorageRule,
    /// Page frames.
    pub pool: PoolConfig,
    /// Threads that searches run on.
    pub search_threads: usize,
    /// Searches of one tenant that may wait for a thread; of all tenants, twice as many.
    pub search_queue: usize,
    /// Threads that build a graph.
    pub build_threads: usize,
    /// A memtable of this many bytes is flushed; while one is being flushed, the next may grow to
    /// eight times as many before writes wait.
    pub memtable_bytes: u64,
    /// Below this many rows a segment gets no graph: a scan is as fast.
    pub graph_rows_min: u32,
    /// Merged segments hold at most this many rows.
    pub merged_rows_max: u32,
    /// While more than this many bytes of vectors have no graph, in all collections together,
    /// writes come no faster than a part of what gets into graphs.
    pub backlog_bytes_max: u64,
    /// The log goes on in another file when one has this many bytes.
    pub log_file_bytes: u64,
    /// The log's files are emptied, oldest first, beyond this many bytes.
    pub log_bytes_max: u64,
    /// Writes stop when the file system is this full, in percent.
    pub disk_percent_max: u64,
    /// A collection that nobody wanted for so long is closed: a summary of it stays, and it is
    /// opened when it is wanted.
    pub idle_unload: Duration,
    /// Whether threads commit, flush, merge and build. Without them writes are committed by the
    /// caller's thread, and the rest happens when it is asked for; for tests and simulators.
    pub background: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            durability: Durability::Fsync,
            residency: Residency::Mapped,
            storage: StorageRule::Any,
            pool: PoolConfig::default(),
            search_threads: cores,
            search_queue: 4096,
            build_threads: cores,
            memtable_bytes: 4 * MIB,
            graph_rows_min: 2_000,
            merged_rows_max: 4_000_000,
            backlog_bytes_max: 2 * GIB,
            log_file_bytes: 64 * MIB,
            log_bytes_max: GIB,
            disk_percent_max: 95,
            idle_unload: Duration::from_mins(5),
            background: true,
        }
    }
}
