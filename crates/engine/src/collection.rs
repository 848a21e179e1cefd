//! A collection of this node: open, or closed with what tells of it.
//!
//! Invariants:
//! - whoever holds its shard keeps it open: a shard is let go only while nobody else holds it, and
//!   only if the manifest says all that there is to know of it;
//! - it is opened once: who wants it meanwhile waits;
//! - what was dropped is not opened any more.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use vectorizer_memory::{Reservation, Tenant};
use vectorizer_model::encode::Canonical;
use vectorizer_model::{CollectionName, CollectionSettings, SequenceNumber, ShardId};

use crate::error::{EngineError, Result};
use crate::info::CollectionInfo;
use crate::shard::Shard;

/// Bytes of a closed collection besides its settings: its summary, and its entries in the
/// catalogue and in the maps by name and number.
const CLOSED_BYTES: u64 = 2 << 10;
/// Heap bytes of settings for each byte of their encoding, at most.
const SETTINGS_FACTOR: u64 = 24;
/// Bytes of an open shard besides what its segments and its memtable charge.
pub(crate) const OPEN_BYTES: u64 = 3 << 10;

/// What is known of a closed collection.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) info: CollectionInfo,
    /// Whether only opening it tells the rest.
    pub(crate) partial: bool,
}

/// A shard, and what the budget was asked for it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) shard: Arc<Shard>,
    pub(crate) _charge: Reservation,
}

/// A collection of this node.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) id: ShardId,
    pub(crate) name: CollectionName,
    /// Who created it: its bytes are charged to that tenant.
    pub(crate) tenant: Tenant,
    open: RwLock<Option<Opened>>,
    /// Held to open it, to close it and to drop it.
    turn: Mutex<()>,
    summary: Mutex<Summary>,
    used: AtomicBool,
    /// Milliseconds of the engine's life when its use was noticed last.
    used_at: AtomicU64,
    dropped: AtomicBool,
    /// Why it stays closed until the next start.
    stopped: OnceLock<String>,
    _charge: Reservation,
}

impl Collection {
    /// Bytes of a closed collection, which an open one has too.
    pub(crate) fn bytes_needed(settings: &CollectionSettings) -> u64 {
        let mut encoded = Vec::new();
        settings.write(&mut vectorizer_model::encode::Writer::new(&mut encoded));
        CLOSED_BYTES + encoded.len() as u64 * SETTINGS_FACTOR
    }

    /// A closed collection. `charge` holds [`Collection::bytes_needed`], of the collection's tenant.
    pub(crate) fn new(
        id: ShardId,
        name: CollectionName,
        summary: Summary,
        charge: Reservation,
    ) -> Self {
        Self {
            id,
            name,
            tenant: charge.tenant().clone(),
            open: RwLock::default(),
            turn: Mutex::default(),
            summary: Mutex::new(summary),
            used: AtomicBool::new(true),
            used_at: AtomicU64::default(),
            dropped: AtomicBool::default(),
            stopped: OnceLock::new(),
            _charge: charge,
        }
    }

    /// The shard, if the collection is open.
    pub(crate) fn shard(&self) -> Option<Arc<Shard>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|opened| Arc::clone(&opened.shard))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The right to open, close or drop it.
    pub(crate) fn lock_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, unless another has it.
    pub(crate) fn try_lock_turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// What holds the shard while it is open; nobody takes the shard meanwhile.
    pub(crate) fn hold_open(&self) -> RwLockWriteGuard<'_, Option<Opened>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn summary(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position that its manifest is at.
    pub(crate) fn covered(&self) -> SequenceNumber {
        match self.shard() {
            Some(shard) => shard.state().manifest.applied,
            None => self.summary().info.applied,
        }
    }

    /// Notes that somebody wants it.
    pub(crate) fn mark_used(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// For how long nobody wanted it, as far as was noticed: a use since the last call is one of
    /// this moment.
    pub(crate) fn idle_at(&self, now: Duration) -> Duration {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        if self.used.swap(false, Ordering::Relaxed) {
            self.used_at.store(now, Ordering::Relaxed);
        }
        Duration::from_millis(now.saturating_sub(self.used_at.load(Ordering::Relaxed)))
    }

    /// Keeps it closed until the next start; the first reason stands.
    pub(crate) fn stop(&self, reason: &EngineError) {
        let reason = self.stopped.get_or_init(|| reason.with_causes());
        tracing::error!(collection = %self.name, reason, "a collection stays closed");
        self.summary().info.failure = Some(reason.clone());
    }

    /// Whether it may be opened.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`], [`EngineError::Unopened`].
    pub(crate) fn check_openable(&self) -> Result<()> {
        if self.is_dropped() {
            return Err(EngineError::CollectionNotFound { name: self.name.to_string() });
        }
        match self.stopped.get() {
            Some(reason) => {
                Err(EngineError::Unopened { name: self.name.clone(), reason: reason.clone() })
            }
            None => Ok(()),
        }
    }

    /// Notes why it could not be opened, and tells of it once.
    pub(crate) fn note_unopened(&self, error: &EngineError) {
        let reason = error.with_causes();
        let mut summary = self.summary();
        if summary.info.failure.as_ref() != Some(&reason) {
            tracing::error!(collection = %self.name, reason, "a collection cannot be opened");
            summary.info.failure = Some(reason);
        }
    }

    /// Marks it as gone, with its shard if it is open. The caller has the turn.
    pub(crate) fn mark_dropped(&self) {
        self.dropped.store(true, Ordering::Release);
        let opened = self.hold_open().take();
        if let Some(opened) = opened {
            opened.shard.mark_dropped();
        }
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }
}
