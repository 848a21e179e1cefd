//! Opening collections when they are wanted, and closing those that nobody wants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vectorizer_memory::{Class, Tenant};
use vectorizer_model::settings::StorageType;
use vectorizer_model::{CollectionName, ShardId};

use crate::collection::{Collection, OPEN_BYTES, Opened, Summary};
use crate::engine::{Engine, Inner, lock};
use crate::error::{EngineError, Result};
use crate::executor::TaskQueue;
use crate::idle::{batch, longest_idle};
use crate::info::{CollectionInfo, collection_info};
use crate::node::report;
use crate::shard::Shard;
use crate::target::{FoundCollection, Target};
use crate::ticket::Ticket;

/// Attempts at what found no room, each after closing some idle collections.
const ATTEMPTS: usize = 16;
/// Collections that are closed at one look around, so that the flusher is not kept from flushing.
const CLOSED_AT_ONCE: usize = 256;
/// Folders that are synced at one look around.
const SYNCED_AT_ONCE: usize = 64;
/// Collections with work waiting that are opened at one look around.
const WAITING_AT_ONCE: usize = 4;

/// What a node holds in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Collections whose segments are open.
    pub open: usize,
    /// Collections of which only a summary is in memory.
    pub closed: usize,
    /// Points of all.
    pub points: u64,
}

impl Engine {
    /// Has a collection opened on the search threads if it is closed, so that what comes next need
    /// not wait for the disk; none if it is open. Whatever needs a collection opens it too, in the
    /// caller's thread.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`], [`EngineError::Overloaded`]. Through the ticket: the
    /// budget or the disk refuse, and a retry may help; or a file is damaged.
    pub fn prepare<'a>(
        &self,
        collection: impl Into<Target<'a>>,
    ) -> Result<Option<Ticket<Result<()>>>> {
        let collection = self.inner().find(collection)?;
        if collection.is_open() {
            return Ok(None);
        }
        let tenant = collection.tenant.clone();
        let queue = TaskQueue { tenant, collection: u64::from(collection.id.0) };
        let engine = self.clone();
        self.spawn(&queue, move || engine.inner().opened(&collection).map(|_| ())).map(Some)
    }

    /// The collection of that name. Opens nothing.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`].
    pub fn find(&self, name: &CollectionName) -> Result<FoundCollection> {
        self.inner().collection(name).map(FoundCollection)
    }

    /// Whether there is a collection of that name.
    pub fn contains(&self, name: &CollectionName) -> bool {
        self.inner().collections.get(name).is_some()
    }

    /// Who created a collection: to that tenant its bytes are charged.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`].
    pub fn owner(&self, name: &CollectionName) -> Result<Tenant> {
        Ok(self.inner().collection(name)?.tenant.clone())
    }

    /// All collections with their owners, by name. Opens nothing.
    pub fn owners(&self) -> Vec<(CollectionName, Tenant)> {
        self.inner().collections.owned()
    }

    /// As [`Engine::info`], but nothing is opened; none if only that would tell all.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`].
    pub fn info_at_hand<'a>(
        &self,
        collection: impl Into<Target<'a>>,
    ) -> Result<Option<CollectionInfo>> {
        Ok(Inner::info_at_hand(&*self.inner().find(collection)?))
    }

    /// Closes collections that are at rest, longest idle first, until about so many bytes of the
    /// budget came back; says how many did. What was closed is opened again when it is wanted.
    pub fn unload_idle(&self, bytes: u64) -> u64 {
        self.inner().close_idle(Duration::ZERO, usize::MAX, bytes, None).bytes
    }

    /// What the node holds in all; opens nothing.
    pub fn totals(&self) -> Totals {
        let inner = self.inner();
        let (all, open) = inner.collections.counts();
        let listed = inner.collections.all();
        let points = listed.iter().map(|collection| points_of(collection));
        Totals { open, closed: all.saturating_sub(open), points: points.sum() }
    }

    /// Points of one owner's collections; opens nothing.
    pub fn points_of(&self, owner: &Tenant) -> u64 {
        let listed = self.inner().collections.all();
        let owned = listed.iter().filter(|collection| collection.tenant == *owner);
        owned.map(|collection| points_of(collection)).sum()
    }

    /// Points of each owner's collections, by its name; opens nothing.
    pub fn tenant_points(&self) -> BTreeMap<Arc<str>, u64> {
        let mut points = BTreeMap::new();
        for collection in self.inner().collections.all() {
            let owner = Arc::from(collection.tenant.name());
            *points.entry(owner).or_default() += points_of(&collection);
        }
        points
    }
}

/// Points of a collection as they are, or as they were when it was closed.
fn points_of(collection: &Collection) -> u64 {
    match collection.shard() {
        Some(shard) => shard.view().points(),
        None => collection.summary().info.points,
    }
}

/// What came of closing collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Closed {
    pub(crate) collections: usize,
    pub(crate) bytes: u64,
}

impl Inner {
    pub(crate) fn collection(&self, name: &CollectionName) -> Result<Arc<Collection>> {
        let missing = || EngineError::CollectionNotFound { name: name.to_string() };
        self.collections.get(name).ok_or_else(missing)
    }

    /// The collection that is meant, if it is there.
    pub(crate) fn find<'a>(&self, target: impl Into<Target<'a>>) -> Result<Arc<Collection>> {
        match target.into() {
            Target::Named(name) => self.collection(name),
            Target::Found(FoundCollection(collection)) => {
                self.check_there(collection)?;
                Ok(Arc::clone(collection))
            }
        }
    }

    /// Whether a collection was not dropped.
    pub(crate) fn check_there(&self, collection: &Collection) -> Result<()> {
        if self.collections.by_id(collection.id).is_some() {
            return Ok(());
        }
        Err(EngineError::CollectionNotFound { name: collection.name.to_string() })
    }

    /// The shard of a collection, which is opened if it is closed.
    ///
    /// # Errors
    /// The budget or the disk refuse, and it can be tried again; or a file is damaged.
    pub(crate) fn opened(&self, collection: &Arc<Collection>) -> Result<Arc<Shard>> {
        collection.mark_used();
        if let Some(shard) = collection.shard() {
            return Ok(shard);
        }
        let _turn = collection.lock_turn();
        if let Some(shard) = collection.shard() {
            return Ok(shard);
        }
        collection.check_openable()?;
        let opened = self.with_room(|| self.open(collection)).inspect_err(|error| {
            if error.is_damage() {
                collection.note_unopened(error);
            }
        })?;
        let shard = Arc::clone(&opened.shard);
        *collection.hold_open() = Some(opened);
        self.collections.set_open(collection, true);
        Ok(shard)
    }

    fn open(&self, collection: &Collection) -> Result<Opened> {
        let tenant = &collection.tenant;
        let charge = self.node.governor.reserve(Class::Collections, tenant, OPEN_BYTES)?;
        let shard = self.open_shard(collection)?;
        Ok(Opened { shard: Arc::new(shard), _charge: charge })
    }

    /// Tries something; as long as there is no room for it, again after closing idle collections: of
    /// the tenant alone that is at its limit.
    pub(crate) fn with_room<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        for _ in 0..ATTEMPTS {
            match attempt() {
                Err(error)
                    if error.is_shortage()
                        && self.close_batch(error.short_tenant().map(|tenant| &**tenant)) => {}
                outcome => return outcome,
            }
        }
        attempt()
    }

    /// Closes some of the collections that are at rest, all or a tenant's. False if there are none.
    pub(crate) fn close_batch(&self, tenant: Option<&str>) -> bool {
        let (_, open) = self.collections.counts();
        // Earlier states keep files that have no names any more.
        for shard in self.collections.open().iter().filter_map(|collection| collection.shard()) {
            shard.drop_retired();
        }
        self.close_idle(Duration::ZERO, batch(open), u64::MAX, tenant).collections > 0
    }

    /// Closes what nobody wanted for as long as the options say.
    pub(crate) fn close_long_idle(&self) {
        self.close_idle(self.node.config.idle_unload, CLOSED_AT_ONCE, u64::MAX, None);
    }

    /// Closes collections that are at rest and were idle for `after`, all or a tenant's, longest idle
    /// first, until there were `most` of them or `bytes` came back.
    pub(crate) fn close_idle(
        &self,
        after: Duration,
        most: usize,
        bytes: u64,
        tenant: Option<&str>,
    ) -> Closed {
        let now = self.started.elapsed();
        let with_idle = |collection: Arc<Collection>| {
            let idle = collection.idle_at(now);
            (collection, idle)
        };
        let of = |collection: &Arc<Collection>| {
            tenant.is_none_or(|tenant| tenant == collection.tenant.name())
        };
        let open = self.collections.open().into_iter().filter(of).map(with_idle).collect();
        let mut closed = Closed::default();
        for collection in longest_idle(open, after) {
            if closed.collections >= most || closed.bytes >= bytes {
                break;
            }
            if let Some(freed) = self.close(&collection) {
                closed.collections += 1;
                closed.bytes += freed;
            }
        }
        closed
    }

    /// Closes a collection if nobody is at it and its manifest says all; the bytes that came back.
    fn close(&self, collection: &Arc<Collection>) -> Option<u64> {
        let _turn = collection.try_lock_turn()?;
        let before = self.node.governor.reserved();
        let mut open = collection.hold_open();
        let shard = &open.as_ref()?.shard;
        // Others take the shard from the collection alone, which is locked.
        if Arc::strong_count(shard) > 1 || !self.is_at_rest(shard) {
            return None;
        }
        let info = CollectionInfo { open: false, ..collection_info(shard) };
        *collection.summary() = Summary { info, partial: false };
        let closed = open.take();
        drop(open);
        self.collections.set_open(collection, false);
        drop(closed);
        Some(before.saturating_sub(self.node.governor.reserved()))
    }

    /// Whether nothing is known of a shard beyond its manifest, and nothing is to be done with it.
    fn is_at_rest(&self, shard: &Arc<Shard>) -> bool {
        shard.drop_retired();
        let state = shard.state();
        let applied = shard.applied();
        // Who asked for bytes in memory is not to wait for the disk.
        state.settings.storage_type != StorageType::Memory
            && shard.check_writable().is_ok()
            && state.frozen.is_none()
            && applied == state.manifest.applied
            && *lock(shard.assigned()) == applied
            && !self.waits_for_work(&state)
    }

    fn info_at_hand(collection: &Collection) -> Option<CollectionInfo> {
        if let Some(shard) = collection.shard() {
            return Some(collection_info(&shard));
        }
        let summary = collection.summary();
        (!summary.partial || summary.info.failure.is_some()).then(|| summary.info.clone())
    }

    /// What is told of a collection; it is opened only if its summary does not tell all.
    pub(crate) fn info(&self, collection: &Arc<Collection>) -> Result<CollectionInfo> {
        if let Some(info) = Self::info_at_hand(collection) {
            return Ok(info);
        }
        match self.opened(collection) {
            Ok(shard) => Ok(collection_info(&shard)),
            Err(error) if error.is_damage() => Ok(collection.summary().info.clone()),
            Err(error) => Err(error),
        }
    }

    /// Opens some of the collections in which work was waiting when the node started.
    pub(crate) fn open_waiting(&self) {
        for _ in 0..WAITING_AT_ONCE {
            let Some(collection) = lock(&self.waiting).pop() else { return };
            match self.opened(&collection) {
                Ok(_) => self.raise_builders(),
                Err(error) if error.is_shortage() => {
                    lock(&self.waiting).push(collection);
                    return;
                }
                // It was told of, or is gone.
                Err(_) => {}
            }
        }
    }

    /// Says of some collections up to where the log is not needed for them. Only the page cache may
    /// know the manifest that a start read, if the process died while it was being stored; so the
    /// folder is synced first, which for thousands would be long to wait for at a start.
    pub(crate) fn release_some(&self) {
        for _ in 0..SYNCED_AT_ONCE {
            let Some(collection) = lock(&self.unreleased).pop() else { return };
            // Who drops it waits: its folder must not come back.
            let _turn = collection.lock_turn();
            if collection.is_dropped() {
                continue;
            }
            let covered = collection.covered();
            let parts = self.parts_of(&collection);
            match parts.and_then(|parts| Ok(parts.directory.sync()?)) {
                Ok(()) => self.node.release_log(collection.id, covered),
                Err(error) => {
                    report("a collection keeps the log's files until the next start", &error);
                }
            }
        }
    }

    /// A collection of the catalogue's, closed, with what its manifest tells.
    ///
    /// # Errors
    /// The budget refuses.
    pub(crate) fn closed_collection(
        &self,
        name: CollectionName,
        (id, tenant): (ShardId, &Tenant),
        summary: Summary,
    ) -> Result<Collection> {
        let bytes = Collection::bytes_needed(&summary.info.settings);
        let charge = self.node.governor.reserve(Class::Collections, tenant, bytes)?;
        Ok(Collection::new(id, name, summary, charge))
    }
}
