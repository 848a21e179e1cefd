//! What all shards of a node share: the budget, page frames, the log and the options.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use vectorizer_log::{Durability, Log};
use vectorizer_memory::{
    CacheLines, CacheMemoryManager, Class, Clock, Drawn, Governor, ManagedCache, MemoryGuard,
    MemoryLimits, Reservation, Tenant,
};
use vectorizer_model::settings::StorageType;
use vectorizer_model::{Operation, SequenceNumber, ShardId};
use vectorizer_pages::Pool;
use vectorizer_segment::{Frames, Store};
use vectorizer_vfs::Directory;

use crate::applied::Applied;
use crate::claim::Claims;
use crate::error::Result;
use crate::flush_budget::FlushReserve;
use crate::options::EngineOptions;
use crate::row_caches::RowCaches;
use crate::throttle::Backlog;
use crate::ticket::Completer;

/// What waits for a log entry to be committed.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) operation: Operation,
    /// For what the memtable will hold.
    pub(crate) memtable: Reservation,
    /// For the encoded and the decoded operation, until it is applied.
    pub(crate) _transit: Drawn,
    pub(crate) done: Completer<Result<Applied>>,
}

/// What all shards of a node share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) governor: Arc<Governor>,
    pub(crate) clock: Arc<dyn Clock>,
    frames: Arc<Frames>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) config: EngineOptions,
    log: OnceLock<Log<Pending>>,
    closing: AtomicBool,
    /// Work on fresh rows that is under way.
    first: AtomicUsize,
    /// What merges under way may still write.
    pub(crate) merge_room: Claims,
    pub(crate) backlog: Arc<Backlog>,
    /// The log's buffers.
    _log_buffers: Reservation,
    pub(crate) flush_reserve: FlushReserve,
    /// Admits operations and builds.
    pub(crate) guard: Arc<MemoryGuard>,
    /// All caches of the process; they give back what the governor is short of.
    pub(crate) caches: Arc<CacheMemoryManager>,
    /// What reads of segments keep for the next ones.
    pub(crate) row_caches: RowCaches,
    /// The pool's frames as caches, which the manager holds weakly.
    _managed_pages: [Arc<dyn ManagedCache>; 2],
}

/// A pause of work that gives way, after every few rows. So it still gets a fifth of the time: fresh
/// rows may come for ever.
const PAUSE: Duration = Duration::from_millis(5);

/// Others give way until it is dropped.
pub(crate) struct GoesFirst<'a>(&'a AtomicUsize);

impl Drop for GoesFirst<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The time since the node was opened.
#[derive(Debug)]
struct SinceOpened(Instant);

impl Clock for SinceOpened {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Node {
    /// # Errors
    /// The budget refuses what every node holds.
    pub(crate) fn new(
        governor: Arc<Governor>,
        pool: Arc<Pool>,
        config: EngineOptions,
    ) -> Result<Self> {
        let system = Tenant::system();
        let buffers = governor.reserve(Class::Memtables, &system, vectorizer_log::BUFFER_BYTES)?;
        let flush_reserve = FlushReserve::take(&governor, config.memtable_bytes)?;
        let given = governor.limits();
        let mut limits = MemoryLimits::of_root(given.root);
        // Whoever made the governor may have bounded operations already.
        limits.max_heap_size = limits.max_heap_size.min(given.classes[Class::Operations.index()]);
        let clock: Arc<dyn Clock> = Arc::new(SinceOpened(Instant::now()));
        let caches = CacheMemoryManager::new(Arc::clone(&governor), Arc::clone(&clock));
        let managed_pages = pool.managed();
        for pages in &managed_pages {
            caches.register(Arc::downgrade(pages));
        }
        let row_caches = RowCaches::new(&governor, &caches, &clock)?;
        let guard = MemoryGuard::new(Arc::clone(&governor), limits, Arc::clone(&clock))?;
        Ok(Self {
            governor,
            clock,
            guard,
            caches,
            row_caches,
            _managed_pages: managed_pages,
            frames: Arc::new(Frames::new(Arc::clone(&pool))),
            pool,
            backlog: Arc::new(Backlog::new(config.backlog_bytes_max)),
            config,
            merge_room: Claims::default(),
            log: OnceLock::new(),
            closing: AtomicBool::new(false),
            first: AtomicUsize::new(0),
            _log_buffers: buffers,
            flush_reserve,
        })
    }

    /// Takes bytes of the budget. What frees memory may take those set aside for it.
    ///
    /// # Errors
    /// The budget refuses.
    pub(crate) fn reserve(
        &self,
        class: Class,
        tenant: &Tenant,
        bytes: u64,
        frees: bool,
    ) -> Result<Reservation> {
        Ok(if frees {
            self.governor.reserve_emergency(class, tenant, bytes)?
        } else {
            self.governor.reserve(class, tenant, bytes)?
        })
    }

    /// Bytes that a request could get now, from what is free and from what would be given back.
    pub(crate) fn obtainable(&self) -> u64 {
        self.governor.available() + self.pool.reclaimable()
    }

    /// What the page frames counted.
    pub(crate) fn page_stats(&self) -> vectorizer_pages::Stats {
        self.pool.stats()
    }

    /// Replaces the lines of the caches' ladder; frames that are a cache keep below the first.
    pub(crate) fn set_cache_lines(&self, lines: CacheLines) {
        self.pool.set_growth_line(lines.warning);
        self.caches.set_lines(lines);
    }

    /// Has other background work give way.
    pub(crate) fn go_first(&self) -> GoesFirst<'_> {
        self.first.fetch_add(1, Ordering::Relaxed);
        GoesFirst(&self.first)
    }

    /// Pauses a little if other work goes first. The caller holds no lock.
    pub(crate) fn give_way(&self) {
        if self.first.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(PAUSE);
        }
    }

    /// How the bytes of every segment are held, wherever it comes from.
    pub(crate) fn store(
        &self,
        directory: Arc<dyn Directory>,
        tenant: &Tenant,
        storage: StorageType,
    ) -> Store {
        let residency = self.config.storage.residency(storage, self.config.residency);
        Store {
            directory,
            frames: Arc::clone(&self.frames),
            residency,
            governor: Arc::clone(&self.governor),
            tenant: tenant.clone(),
        }
    }

    /// The log; none while it is being replayed.
    pub(crate) fn log(&self) -> Option<&Log<Pending>> {
        self.log.get()
    }

    /// Takes the log after its replay.
    pub(crate) fn set_log(&self, log: Log<Pending>) {
        let first = self.log.set(log).is_ok();
        debug_assert!(first, "a node has one log");
    }

    /// Makes the log as durable as what was applied from it, so that a manifest is never ahead of
    /// the log, whatever the machine loses. Nothing to do where a commit syncs.
    pub(crate) fn sync_log(&self) -> Result<()> {
        match self.log() {
            Some(log) if self.config.durability == Durability::Os => Ok(log.sync()?),
            Some(_) | None => Ok(()),
        }
    }

    /// Says that a manifest covers a shard's entries up to `seq`.
    pub(crate) fn release_log(&self, shard: ShardId, seq: SequenceNumber) {
        if let Some(log) = self.log() {
            log.release(shard, seq);
        }
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// Tells an operator of a failure that no caller is waiting for.
pub(crate) fn report(what: &str, error: &dyn Display) {
    tracing::warn!(%error, "{what}");
}
