//! The engine: collections by name, writes in, views out.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use vectorizer_log::Entry;
use vectorizer_memory::{Class, Governor, MemoryError, MemoryGuard, Tenant};
use vectorizer_model::encode::encode_operation;
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{
    CollectionName, CollectionSettings, Epoch, Operation, SequenceNumber, ShardId, TenantName,
};
use vectorizer_vfs::{Directory, DirectoryLock, OsDirectory};

use crate::applied::Applied;
use crate::background::{Pipeline, Signal};
use crate::catalogue::Catalogue;
use crate::collection::{Collection, OPEN_BYTES};
use crate::collections::Collections;
use crate::error::{EngineError, Result};
use crate::executor::{Executor, TaskQueue};
use crate::node::{Node, Pending, report};
use crate::options::EngineOptions;
use crate::origin::Origin;
use crate::policy::Lane;
use crate::pressed::Pressed;
use crate::shard::Shard;
use crate::storage_type::{Arrival, StorageRule};
use crate::target::Target;
use crate::ticket::{Ticket, ticket};
use crate::view::ReadView;

/// An open data folder. Clones share it; the last one to go closes it.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Owner>);

/// Closes the engine when the last clone goes; background threads hold only the inside.
#[derive(Debug)]
struct Owner {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: Option<DirectoryLock>,
}

/// What the engine and its background threads share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) node: Arc<Node>,
    pub(crate) root: Arc<dyn Directory>,
    pub(crate) catalogue: Mutex<Catalogue>,
    assigned: Mutex<SequenceNumber>,
    /// Held to hand over a creation or a drop, from the look at what is there on.
    catalogue_turn: Mutex<()>,
    pub(crate) collections: Collections,
    /// Collections in which work was waiting when the node started.
    pub(crate) waiting: Mutex<Vec<Arc<Collection>>>,
    /// Collections of which the log may hold entries that their manifests cover.
    pub(crate) unreleased: Mutex<Vec<Arc<Collection>>>,
    /// From when on uses are counted.
    pub(crate) started: Instant,
    executor: Executor,
    /// Why collections can be neither created nor dropped, if they cannot.
    pub(crate) catalogue_failure: OnceLock<String>,
    /// Entries wait for the committer.
    pub(crate) commit: Signal,
    /// A memtable waits for the flusher.
    pub(crate) flush: Signal,
    /// Segments wait for the builder.
    pub(crate) build: [Signal; Lane::ALL.len()],
    pub(crate) pipeline: Pipeline,
    /// The budget refused writes; flushes give memory back.
    pub(crate) pressed: Pressed,
}

/// A memtable grows to this many times its size while the one before is being flushed.
const MEMTABLE_GROWTH: u64 = 8;

/// Copies of an operation from its submission to its end: encoded for the log, decoded, and once
/// more, as it is stored, while it is applied.
pub(crate) const TRANSIT_COPIES: u64 = 3;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Opens a data folder, creating it if absent, and recovers every acknowledged write.
    ///
    /// # Errors
    /// Another process holds the folder; a file is damaged; disk or budget refuse. The folder is
    /// as it was.
    pub fn open(
        path: impl AsRef<Path>,
        governor: Arc<Governor>,
        options: EngineOptions,
    ) -> Result<Self> {
        let root = OsDirectory::open(path.as_ref())?;
        let lock = DirectoryLock::acquire(path.as_ref())?;
        Self::open_in(root, Some(lock), governor, options)
    }

    /// Opens a data folder behind any [`Directory`], such as a test's.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_in(
        root: Arc<dyn Directory>,
        lock: Option<DirectoryLock>,
        governor: Arc<Governor>,
        options: EngineOptions,
    ) -> Result<Self> {
        let inner = Arc::new(Inner::recover(root, governor, options)?);
        let background = inner.node.config.background;
        let threads = if background { Inner::start_background(&inner)? } else { Vec::new() };
        Ok(Self(Arc::new(Owner { inner, threads: Mutex::new(threads), _lock: lock })))
    }

    /// The names of all collections, sorted.
    pub fn collections(&self) -> Vec<CollectionName> {
        self.names_of(None)
    }

    /// The names of the collections of a tenant, or of all, sorted.
    pub fn names_of(&self, tenant: Option<&Tenant>) -> Vec<CollectionName> {
        self.0.inner.collections.names(tenant)
    }

    /// How many names these are, and the bytes of their text.
    pub fn names_size(&self, tenant: Option<&Tenant>) -> (u64, u64) {
        self.0.inner.collections.names_size(tenant)
    }

    /// Creates a collection of the default tenant; done when it is durable.
    ///
    /// # Errors
    /// Those of [`Engine::create_collection_of`].
    pub fn create_collection(
        &self,
        name: CollectionName,
        settings: CollectionSettings,
    ) -> Result<Ticket<Result<Applied>>> {
        self.create_collection_of(TenantName::default(), name, settings)
    }

    /// Creates a collection, whose bytes are charged to `tenant` as long as it is there; done when it
    /// is durable.
    ///
    /// # Errors
    /// [`EngineError::ClusterConfigViolation`]; the budget refuses or the log failed. Through the
    /// ticket: [`EngineError::CollectionExists`].
    pub fn create_collection_of(
        &self,
        tenant: TenantName,
        name: CollectionName,
        settings: CollectionSettings,
    ) -> Result<Ticket<Result<Applied>>> {
        let created = self.0.inner.create_collection(tenant, name, settings);
        created.inspect(|_| self.0.inner.wake_committer())
    }

    /// Which storage types collections may have.
    pub fn storage_rule(&self) -> StorageRule {
        self.0.inner.node.config.storage
    }

    /// Removes a collection with all its points; done when that is durable.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`], or the log failed.
    pub fn drop_collection<'a>(
        &self,
        collection: impl Into<Target<'a>>,
    ) -> Result<Ticket<Result<Applied>>> {
        let collection = self.0.inner.find(collection)?;
        let dropped = self.0.inner.drop_collection(&collection);
        dropped.inspect(|_| self.0.inner.wake_committer())
    }

    /// Hands over a write. Its ticket is done when the write is durable and every later view sees
    /// it. An operation that names more points by filter than one entry takes is refused here;
    /// [`Engine::write`] and [`Engine::submit_part`] hand it over in parts. One that changes
    /// payloads reads pages.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`]; [`EngineError::InvalidOperation`] names what does not
    /// fit; [`EngineError::Paced`], [`EngineError::Memory`] and [`EngineError::DiskFull`] mean
    /// later. Nothing changed.
    pub fn submit<'a>(
        &self,
        collection: impl Into<Target<'a>>,
        operation: Operation,
        origin: impl Into<Origin>,
    ) -> Result<Ticket<Result<Applied>>> {
        let collection = self.0.inner.find(collection)?;
        self.check_pace_of(&collection, &operation)?;
        let ticket = self.queue(&collection, operation, origin.into())?;
        self.0.inner.wake_committer();
        Ok(ticket)
    }

    /// As [`Self::submit`], whatever the pace, and nobody is woken to commit it.
    pub(crate) fn queue(
        &self,
        collection: &Arc<Collection>,
        operation: Operation,
        origin: Origin,
    ) -> Result<Ticket<Result<Applied>>> {
        let shard = self.0.inner.opened(collection)?;
        self.0.inner.submit_to_shard(&shard, operation, origin)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0.inner
    }

    /// Whether writes to a collection are welcome now.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`]; [`EngineError::Paced`] means later.
    pub fn check_pace<'a>(&self, collection: impl Into<Target<'a>>) -> Result<()> {
        let collection = self.0.inner.find(collection)?;
        self.0.inner.check_pace(&*self.0.inner.opened(&collection)?)
    }

    /// Whether an operation is welcome now, as far as that depends on the pace: deletes always are.
    pub(crate) fn check_pace_of(
        &self,
        collection: &Arc<Collection>,
        operation: &Operation,
    ) -> Result<()> {
        if matches!(operation, Operation::Delete(_)) {
            return Ok(());
        }
        self.0.inner.check_pace(&*self.0.inner.opened(collection)?)
    }

    /// Everything acknowledged so far, unmoved by later writes. A closed collection is opened, which
    /// reads the disk; see [`Engine::prepare`].
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`]; the budget or the disk refuse; a file is damaged.
    pub fn view<'a>(&self, collection: impl Into<Target<'a>>) -> Result<ReadView> {
        let collection = self.0.inner.find(collection)?;
        Ok(self.0.inner.opened(&collection)?.view())
    }

    /// Runs a task on the search threads, fairly among tenants and among the collections of each.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`]; the task did not run.
    pub fn spawn<T: Send + 'static>(
        &self,
        queue: &TaskQueue,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Ticket<T>> {
        Ok(self.0.inner.executor.spawn(queue, task)?)
    }

    /// What a collection holds and how far its indexes are.
    ///
    /// # Errors
    /// [`EngineError::CollectionNotFound`].
    pub fn info<'a>(
        &self,
        collection: impl Into<Target<'a>>,
    ) -> Result<crate::info::CollectionInfo> {
        self.0.inner.info(&self.0.inner.find(collection)?)
    }

    /// How many searches run at once.
    pub fn search_threads(&self) -> usize {
        self.0.inner.node.config.search_threads
    }

    /// The budget that this engine draws on.
    pub fn governor(&self) -> &Arc<Governor> {
        &self.0.inner.node.governor
    }

    /// What admits operations within that budget, and builds.
    pub fn memory_guard(&self) -> &Arc<MemoryGuard> {
        &self.0.inner.node.guard
    }

    /// Has every memtable that holds anything flushed soon: that gives memory back.
    pub fn relieve(&self) {
        self.0.inner.relieve(None);
    }

    /// Flushes every memtable, so that the next start replays little.
    ///
    /// # Errors
    /// Disk or budget refuse; nothing is lost, the log still holds what was not flushed.
    pub fn flush(&self) -> Result<()> {
        self.0.inner.flush_all()
    }

    /// Merges and builds until every collection is at rest; for tests and benchmarks.
    ///
    /// # Errors
    /// Disk or budget refuse.
    pub fn settle(&self) -> Result<()> {
        self.flush()?;
        self.0.inner.settle()
    }

    /// Stops accepting writes, finishes those accepted, flushes, and ends all threads. Views stay
    /// readable.
    ///
    /// # Errors
    /// If flushing fails; nothing acknowledged is lost.
    pub fn close(&self) -> Result<()> {
        self.0.close()
    }
}

impl Owner {
    fn close(&self) -> Result<()> {
        let threads = std::mem::take(&mut *lock(&self.threads));
        self.inner.node.close();
        self.inner.commit.raise();
        self.inner.flush.raise();
        self.inner.raise_builders();
        for thread in threads {
            if thread.join().is_err() {
                report("a background thread panicked", &"see above");
            }
        }
        let flushed = self.inner.flush_all();
        self.inner.mark_log();
        flushed
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            report("not everything was flushed; the log holds it", &error);
        }
    }
}

impl Inner {
    pub(crate) fn new(
        node: Arc<Node>,
        root: Arc<dyn Directory>,
        catalogue: Catalogue,
    ) -> Result<Self> {
        let executor = Executor::start(node.config.search_threads, node.config.search_queue)
            .map_err(EngineError::Thread)?;
        Ok(Self {
            node,
            root,
            assigned: Mutex::new(catalogue.applied),
            catalogue_turn: Mutex::default(),
            catalogue: Mutex::new(catalogue),
            collections: Collections::default(),
            waiting: Mutex::default(),
            unreleased: Mutex::default(),
            started: Instant::now(),
            executor,
            catalogue_failure: OnceLock::new(),
            commit: Signal::default(),
            flush: Signal::default(),
            build: <[Signal; Lane::ALL.len()]>::default(),
            pipeline: Pipeline::default(),
            pressed: Pressed::default(),
        })
    }

    /// New catalogue entries come after this one.
    pub(crate) fn assign_catalogue(&self, applied: SequenceNumber) {
        *lock(&self.assigned) = applied;
    }

    fn create_collection(
        &self,
        tenant: TenantName,
        name: CollectionName,
        settings: CollectionSettings,
    ) -> Result<Ticket<Result<Applied>>> {
        settings.validate().map_err(|error| EngineError::InvalidOperation(error.to_string()))?;
        self.node.config.storage.admit(&name, settings.storage_type, Arrival::Created)?;
        if self.collections.get(&name).is_some() {
            return Err(EngineError::CollectionExists { name });
        }
        self.check_disk()?;
        let shard = {
            let mut catalogue = lock(&self.catalogue);
            let shard = ShardId(catalogue.next_shard);
            catalogue.next_shard += 1;
            shard
        };
        let bytes = Collection::bytes_needed(&settings) + OPEN_BYTES;
        let owner = self.node.governor.tenant(tenant.as_str());
        let settings = Box::new(settings);
        let operation = Operation::CreateCollection { name, shard, settings, tenant };
        let _turn = lock(&self.catalogue_turn);
        self.submit_to_catalogue(operation, (&owner, bytes))
    }

    /// The entry names it, and nobody else's creation of that name can come before the entry: whoever
    /// creates looks for the name first, and has the turn only after this.
    fn drop_collection(&self, collection: &Collection) -> Result<Ticket<Result<Applied>>> {
        let operation = Operation::DropCollection { name: collection.name.clone() };
        let _turn = lock(&self.catalogue_turn);
        self.check_there(collection)?;
        self.submit_to_catalogue(operation, (&collection.tenant, 0))
    }

    /// Hands over a creation, whose owner will hold so many bytes, or a drop. The caller has the turn.
    fn submit_to_catalogue(
        &self,
        operation: Operation,
        held: (&Tenant, u64),
    ) -> Result<Ticket<Result<Applied>>> {
        self.check_catalogue()?;
        self.append(ShardId::CATALOGUE, &self.assigned, (operation, Origin::default()), held)
    }

    fn submit_to_shard(
        &self,
        shard: &Arc<Shard>,
        operation: Operation,
        origin: Origin,
    ) -> Result<Ticket<Result<Applied>>> {
        self.check_welcome(shard, &operation)?;
        let Some(PointSelector::Filter(filter)) = operation.selector() else {
            let memtable =
                crate::cost::memtable_bytes(shard, &shard.view_for(&origin), &operation)?;
            return self.submit_planned(shard, operation, origin, memtable);
        };
        let planned = self.plan_part(&shard.view_for(&origin), &operation, filter, None)?;
        if planned.next.is_some() {
            let what = "the filter names more points than one entry takes; write it in parts";
            return Err(EngineError::InvalidOperation(what.to_owned()));
        }
        self.submit_planned(shard, planned.operation, origin, planned.memtable)
    }

    /// Whether an operation would be taken now, as far as that depends neither on its size nor on
    /// the pace.
    pub(crate) fn check_welcome(&self, shard: &Shard, operation: &Operation) -> Result<()> {
        shard.check_writable()?;
        let settings = &shard.state().settings;
        crate::admit::check(operation, settings)?;
        if let Operation::UpdateSettings(changed) = operation {
            let (before, after) = (settings.storage_type, changed.storage_type);
            self.node.config.storage.admit_change(before, after)?;
        }
        if !matches!(operation, Operation::Delete(_)) {
            self.check_disk()?;
        }
        Ok(())
    }

    /// Hands over an operation that will take `memtable` bytes.
    pub(crate) fn submit_planned(
        &self,
        shard: &Shard,
        operation: Operation,
        origin: Origin,
        memtable: u64,
    ) -> Result<Ticket<Result<Applied>>> {
        let held = (&shard.tenant, memtable);
        let ticket = self.append(shard.id, shard.assigned(), (operation, origin), held)?;
        shard.backlog.note_write(memtable);
        Ok(ticket)
    }

    /// Gives an operation its position and queues it for the log; nobody is woken to commit it.
    fn append(
        &self,
        shard: ShardId,
        assigned: &Mutex<SequenceNumber>,
        (operation, origin): (Operation, Origin),
        (tenant, memtable): (&Tenant, u64),
    ) -> Result<Ticket<Result<Applied>>> {
        let mut payload = Vec::new();
        encode_operation(&operation, &mut payload);
        let transit = payload.len() as u64 * TRANSIT_COPIES;
        let frees = matches!(operation, Operation::Delete(_) | Operation::DropCollection { .. });
        let reserve = |class, bytes| self.node.reserve(class, tenant, bytes, frees);
        let log = self.node.log().filter(|_| !self.node.is_closing());
        let log = log.ok_or_else(|| EngineError::Closed { reason: "closing".to_owned() })?;
        let (done, ticket) = ticket();
        let pending = Pending {
            operation,
            memtable: reserve(Class::Memtables, memtable)
                .inspect_err(|refused| self.flush_if_full(refused))?,
            _transit: match &origin.guard {
                Some(guard) => guard.draw(transit)?,
                None => reserve(Class::Operations, transit)?.into(),
            },
            done,
        };
        let mut assigned = lock(assigned);
        let seq = assigned.next();
        let epoch = Epoch::default();
        let request = origin.request;
        let entry = Entry { shard, epoch, seq, request, payload, companion: pending };
        log.append(entry).map_err(|refused| EngineError::Log(refused.cause))?;
        *assigned = seq;
        Ok(ticket)
    }

    /// Has every memtable flushed that holds anything, if memory is what is full; those of one tenant
    /// if only that is.
    fn flush_if_full(&self, refused: &EngineError) {
        if matches!(refused, EngineError::Memory(MemoryError::InsufficientMemory { .. })) {
            self.relieve(refused.short_tenant());
        }
    }

    /// Has every memtable flushed that holds anything, or those of a tenant.
    fn relieve(&self, tenant: Option<&Arc<str>>) {
        self.pressed.note(tenant);
        self.flush.raise();
    }

    /// Whether writes to a shard are welcome now.
    pub(crate) fn check_pace(&self, shard: &Shard) -> Result<()> {
        let state = shard.state();
        let most = self.node.config.memtable_bytes.saturating_mul(MEMTABLE_GROWTH);
        let held = state.active.charged_bytes();
        // Its own flush will take about as much again beyond the reserve for flushes.
        let cramped = held >= self.node.config.memtable_bytes && self.node.obtainable() < held;
        let full = held >= most || cramped;
        if full && state.frozen.is_some() && self.node.config.background {
            self.flush.raise();
            return Err(EngineError::Paced { backlog_bytes: held });
        }
        if !shard.backlog.admits(Instant::now()) {
            return Err(EngineError::Paced { backlog_bytes: shard.backlog.bytes() });
        }
        Ok(())
    }

    fn check_disk(&self) -> Result<()> {
        let space = self.root.space()?;
        let used = space.total.saturating_sub(space.available);
        let percent_full = used.saturating_mul(100).checked_div(space.total).unwrap_or(0);
        let percent_limit = self.node.config.disk_percent_max;
        if percent_full >= percent_limit {
            return Err(EngineError::DiskFull { percent_full, percent_limit });
        }
        Ok(())
    }
}
