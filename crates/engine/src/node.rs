//! What all shards of a node share: the budget, page frames, the log and the options.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use vectorizer_log::{Durability, Log};
use vectorizer_memory::{Governor, Reservation, Tenant};
use vectorizer_model::settings::StorageType;
use vectorizer_model::{Operation, SequenceNumber, ShardId};
use vectorizer_pages::{Pool, Residency};
use vectorizer_segment::{Frames, Store};
use vectorizer_vfs::Directory;

use crate::apply::Applied;
use crate::error::Result;
use crate::options::EngineOptions;
use crate::ticket::Completer;

/// What waits for a log entry to be committed.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) operation: Operation,
    /// For what the memtable will hold.
    pub(crate) memtable: Reservation,
    /// For the encoded and the decoded operation, until it is applied.
    pub(crate) _transit: Reservation,
    pub(crate) done: Completer<Result<Applied>>,
}

/// What all shards of a node share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) governor: Arc<Governor>,
    frames: Arc<Frames>,
    pub(crate) config: EngineOptions,
    log: OnceLock<Log<Pending>>,
    closing: AtomicBool,
}

impl Node {
    pub(crate) fn new(governor: Arc<Governor>, pool: Arc<Pool>, config: EngineOptions) -> Self {
        let frames = Arc::new(Frames::new(pool));
        Self { governor, frames, config, log: OnceLock::new(), closing: AtomicBool::new(false) }
    }

    /// The choke point of storage types: how the bytes of every segment are held, wherever it
    /// comes from.
    pub(crate) fn store(
        &self,
        directory: Arc<dyn Directory>,
        tenant: &Tenant,
        storage: StorageType,
    ) -> Store {
        let residency = match storage {
            StorageType::Memory => Residency::Pinned,
            StorageType::Mmap => self.config.residency,
        };
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
