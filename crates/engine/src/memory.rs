//! What an operator sees and sets of an engine's memory.

use std::sync::Arc;

use vectorizer_memory::{CacheLines, CacheMemoryManager, Clock};
use vectorizer_pages::Stats;

use crate::engine::Engine;
use crate::row_caches::RowCaches;

impl Engine {
    /// All caches of the process, page frames among them.
    pub fn caches(&self) -> &Arc<CacheMemoryManager> {
        &self.inner().node.caches
    }

    /// What reads of segments keep for the next ones.
    pub fn row_caches(&self) -> &RowCaches {
        &self.inner().node.row_caches
    }

    /// The time that memory is managed by.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner().node.clock)
    }

    /// Replaces the lines of the caches' ladder.
    pub fn set_cache_lines(&self, lines: CacheLines) {
        self.inner().node.set_cache_lines(lines);
    }

    /// What the page frames counted.
    pub fn page_stats(&self) -> Stats {
        self.inner().node.page_stats()
    }

    /// Tells how many bytes are reserved for page frames that hold nothing at the time, for as long
    /// as the engine is there.
    pub fn empty_frames(&self) -> Box<dyn Fn() -> u64 + Send + Sync> {
        let pool = Arc::downgrade(&self.inner().node.pool);
        Box::new(move || {
            let stats = pool.upgrade().map(|pool| pool.stats());
            stats.map_or(0, |Stats { capacity, used, .. }| capacity.saturating_sub(used))
        })
    }

    /// Bytes of vectors that wait for a graph, in all collections together.
    pub fn backlog_bytes(&self) -> u64 {
        self.inner().node.backlog.total_bytes()
    }
}
