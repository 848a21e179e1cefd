//! One shard: a memtable, what is being flushed, and the segments, as one versioned state.
//!
//! Invariants:
//! - one thread at a time holds [`Shard::lock_applier`] and changes what readers see;
//! - a [`ShardState`] never changes; publishing replaces it, together with the position up to
//!   which it is complete, under one lock, so that a reader gets both or neither;
//! - the manifest on disk describes the segments at exactly one position, and the log holds all
//!   that came later.

use std::collections::BTreeSet;
use std::mem::Discriminant;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use vectorizer_memory::{Class, Reservation, Tenant};
use vectorizer_model::{CollectionName, CollectionSettings, SegmentId, SequenceNumber, ShardId};
use vectorizer_segment::Store;
use vectorizer_vfs::Directory;

use crate::busy::Busy;
use crate::deaths::Deaths;
use crate::error::{EngineError, Result};
use crate::identity::SegmentKey;
use crate::manifest::{Manifest, StoreError};
use crate::memtable::Memtable;
use crate::node::Node;
use crate::origin::Origin;
use crate::policy::Lane;
use crate::state::{LiveSegment, ShardState};
use crate::throttle::ShardBacklog;
use crate::view::ReadView;

/// One shard of a collection.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) name: CollectionName,
    pub(crate) tenant: Tenant,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) node: Arc<Node>,
    state: RwLock<Arc<ShardState>>,
    /// Earlier states that views may hold. Dropping one may unmap and delete files, which no
    /// search should have to wait for.
    retired: Mutex<Vec<Arc<ShardState>>>,
    applied: AtomicU64,
    /// The last position that was given to an operation.
    assigned: Mutex<SequenceNumber>,
    applier: Mutex<()>,
    structure: Mutex<()>,
    lanes: [Mutex<()>; Lane::ALL.len()],
    pub(crate) busy: Busy,
    pub(crate) backlog: ShardBacklog,
    next_file: AtomicU64,
    next_segment: AtomicU64,
    failed: Mutex<Option<String>>,
    /// The kind of refusal for which each lane's work waits.
    put_off: Mutex<[Option<Discriminant<EngineError>>; Lane::ALL.len()]>,
    dropped: AtomicBool,
}

/// What a shard is opened or created with.
#[derive(Debug)]
pub(crate) struct ShardParts {
    pub(crate) id: ShardId,
    pub(crate) name: CollectionName,
    pub(crate) tenant: Tenant,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) node: Arc<Node>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// A shard that serves what its manifest names.
    pub(crate) fn new(parts: ShardParts, manifest: Manifest, segments: Vec<LiveSegment>) -> Self {
        let settings = Arc::new(manifest.settings.clone());
        let applied = manifest.applied;
        let next_file = AtomicU64::new(manifest.next_file);
        let next_segment = AtomicU64::new(manifest.next_segment);
        let state = ShardState {
            active: Arc::new(Memtable::new(&settings)),
            frozen: None,
            segments,
            manifest: Arc::new(manifest),
            settings,
        };
        let backlog = ShardBacklog::new(&parts.node.backlog);
        let shard = Self {
            id: parts.id,
            name: parts.name,
            tenant: parts.tenant,
            directory: parts.directory,
            node: parts.node,
            state: RwLock::new(Arc::new(state)),
            retired: Mutex::default(),
            applied: AtomicU64::new(applied.0),
            assigned: Mutex::new(applied),
            applier: Mutex::new(()),
            structure: Mutex::new(()),
            lanes: Default::default(),
            busy: Busy::default(),
            backlog,
            next_file,
            next_segment,
            failed: Mutex::new(None),
            put_off: Mutex::default(),
            dropped: AtomicBool::new(false),
        };
        shard.count_backlog(&shard.state());
        shard
    }

    fn count_backlog(&self, state: &ShardState) {
        self.backlog.set(self.unindexed_bytes(state));
    }

    /// Takes bytes of the budget for this shard.
    ///
    /// # Errors
    /// The budget refuses.
    pub(crate) fn reserve(&self, class: Class, bytes: u64) -> Result<Reservation> {
        Ok(self.node.governor.reserve(class, &self.tenant, bytes)?)
    }

    /// A segment's deaths: none yet.
    ///
    /// # Errors
    /// The budget refuses.
    pub(crate) fn new_deaths(&self, rows: u32) -> Result<Deaths> {
        let charge = self.reserve(Class::Collections, Deaths::bytes_needed(rows))?;
        Ok(Deaths::new(rows, charge))
    }

    /// The right to change what readers see.
    pub(crate) fn lock_applier(&self) -> MutexGuard<'_, ()> {
        lock(&self.applier)
    }

    /// The right to flush, or to publish a merge: what one of them read the other must not change.
    /// Taken before the applier's lock.
    pub(crate) fn lock_structure(&self) -> MutexGuard<'_, ()> {
        lock(&self.structure)
    }

    /// The right to choose and do the next piece of a lane's work, so that nothing is done twice.
    pub(crate) fn lock_lane(&self, lane: Lane) -> MutexGuard<'_, ()> {
        lock(&self.lanes[lane.index()])
    }

    /// The last position given out; held while an operation is appended to the log.
    pub(crate) fn assigned(&self) -> &Mutex<SequenceNumber> {
        &self.assigned
    }

    /// What readers see now.
    pub(crate) fn state(&self) -> Arc<ShardState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last operation that readers see.
    pub(crate) fn applied(&self) -> SequenceNumber {
        SequenceNumber(self.applied.load(Ordering::Acquire))
    }

    /// A view of all operations applied so far, unmoved by later ones.
    pub(crate) fn view(self: &Arc<Self>) -> ReadView {
        // The lock keeps a publication from coming between the two readings.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        ReadView::new(Arc::clone(self), Arc::clone(&state), self.applied())
    }

    /// The same, drawing on the memory of whoever hands over a write.
    pub(crate) fn view_for(self: &Arc<Self>, origin: &Origin) -> ReadView {
        let view = self.view();
        match &origin.guard {
            Some(guard) => view.with_guard(guard.clone()),
            None => view,
        }
    }

    /// Shows readers another state. The caller holds the applier's lock.
    pub(crate) fn publish(&self, state: ShardState) {
        self.count_backlog(&state);
        let mut now = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *now, Arc::new(state));
        drop(now);
        lock(&self.retired).push(before);
        self.drop_retired();
    }

    /// Drops the states that no view holds any more.
    pub(crate) fn drop_retired(&self) {
        let mut retired = lock(&self.retired);
        let unseen: Vec<_> =
            retired.extract_if(.., |state| Arc::strong_count(state) == 1).collect();
        if unseen.is_empty() {
            return;
        }
        let in_use: Vec<_> = retired.iter().cloned().chain([self.state()]).collect();
        drop(retired);
        self.note_replaced(&unseen, &in_use);
        drop(unseen);
    }

    /// Notes the segments of states that nobody will ask again, unless they are in others.
    fn note_replaced(&self, unseen: &[Arc<ShardState>], in_use: &[Arc<ShardState>]) {
        let ids = |states: &[Arc<ShardState>]| {
            let segments = states.iter().flat_map(|state| &state.segments);
            segments.map(|live| live.segment.id()).collect::<BTreeSet<SegmentId>>()
        };
        let gone = &ids(unseen) - &ids(in_use);
        if !gone.is_empty() {
            let key = |segment: SegmentId| SegmentKey { shard: self.id.0, segment: segment.0 };
            self.node.row_caches.note_replaced(gone.into_iter().map(key));
        }
    }

    /// Shows readers everything up to `seq`. The caller holds the applier's lock.
    pub(crate) fn advance(&self, seq: SequenceNumber) {
        self.applied.store(seq.0, Ordering::Release);
    }

    /// A segment number that no segment of this shard has had.
    pub(crate) fn allocate_segment(&self) -> SegmentId {
        SegmentId(self.next_segment.fetch_add(1, Ordering::AcqRel))
    }

    /// The next segment number, as the manifest records it.
    pub(crate) fn next_segment(&self) -> u64 {
        self.next_segment.load(Ordering::Acquire)
    }

    /// The first of `count` file numbers that no file of this shard has had. Only `unpublished`
    /// asks, which removes what comes to nothing.
    pub(crate) fn allocate_files(&self, count: u64) -> u64 {
        self.next_file.fetch_add(count, Ordering::AcqRel)
    }

    /// What segments of these settings are opened with.
    pub(crate) fn store(&self, settings: &CollectionSettings) -> Store {
        self.node.store(Arc::clone(&self.directory), &self.tenant, settings.storage_type)
    }

    /// The next file number, as the manifest records it.
    pub(crate) fn next_file(&self) -> u64 {
        self.next_file.load(Ordering::Acquire)
    }

    /// Stops all writes, and all that would change the folder, until the shard is reopened; the
    /// first reason stands. Reads go on.
    pub(crate) fn fail(&self, reason: &EngineError) {
        let mut failed = lock(&self.failed);
        // What is dropped is stopped anyway, and its folder is no failure.
        if failed.is_none() && !self.is_dropped() {
            let reason = reason.with_causes();
            tracing::error!(shard = %self.id, reason, "a shard stops until it is reopened");
            *failed = Some(reason);
        }
    }

    /// Makes the folder's names durable. If that fails nobody can say which are, and the shard
    /// stops.
    pub(crate) fn sync_folder(&self) -> Result<()> {
        self.directory.sync().map_err(|error| self.lost(error.into()))
    }

    /// Stops the shard after a failure that leaves open what is stored.
    fn lost(&self, error: EngineError) -> EngineError {
        self.fail(&error);
        error
    }

    /// Stores a manifest; if nobody can say whether it is the current one, the shard stops.
    pub(crate) fn store_manifest(&self, manifest: &Manifest) -> Result<()> {
        manifest.store(&*self.directory).map_err(|error| match error {
            StoreError::Kept(error) => error,
            StoreError::Unknown(error) => self.lost(error),
        })
    }

    /// Whether the folder may be changed.
    ///
    /// # Errors
    /// [`EngineError::Closed`] with the failure that stopped the shard.
    pub(crate) fn check_stands(&self) -> Result<()> {
        match lock(&self.failed).clone() {
            Some(reason) => Err(EngineError::Closed { reason: format!("{reason}; restart") }),
            None => Ok(()),
        }
    }

    /// Whether writes are accepted.
    ///
    /// # Errors
    /// [`EngineError::Closed`] with the reason why not.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.is_dropped() {
            return Err(EngineError::CollectionNotFound { name: self.name.to_string() });
        }
        self.check_stands()
    }

    /// Notes why a lane's work waits, or that it does not; whether there is something to tell.
    pub(crate) fn note_put_off(&self, lane: Lane, refusal: Option<&EngineError>) -> bool {
        let kind = refusal.map(std::mem::discriminant);
        let before = std::mem::replace(&mut lock(&self.put_off)[lane.index()], kind);
        kind.is_some() && kind != before
    }

    /// Marks the shard as gone; background work stops at its next step.
    pub(crate) fn mark_dropped(&self) {
        self.dropped.store(true, Ordering::Release);
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }
}
