//! Opening a data folder: the catalogue, the shards' manifests, then the log from where they end.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;

use vectorizer_log::{Log, LogConfig, Recovery, Replayed};
use vectorizer_memory::{Class, Governor};
use vectorizer_model::bytes::MIB;
use vectorizer_model::encode::decode_operation;
use vectorizer_model::{CollectionName, CollectionSettings, Operation, SequenceNumber, ShardId};
use vectorizer_pages::{Config as PoolConfig, Pool, Residency};
use vectorizer_segment::{ComponentKind, Segment, SegmentRecord, file_number, read_tombstones};
use vectorizer_vfs::{Directory, Entry, EntryKind};

use crate::applied::Applied;
use crate::catalogue::{Catalogue, FILE as CATALOGUE, shard_folder};
use crate::deaths::Deaths;
use crate::engine::{Inner, TRANSIT_COPIES, lock};
use crate::error::{EngineError, Result};
use crate::manifest::{Manifest, is_unfinished};
use crate::node::{Node, report};
use crate::options::EngineOptions;
use crate::reach::{LOG_FOLDER, Reach, behind};
use crate::shard::{Shard, ShardParts};
use crate::state::LiveSegment;
use crate::storage_type::Arrival;

pub(crate) const SHARDS_FOLDER: &str = "shards";
/// Frames of an engine that reads through the kernel.
pub(crate) const FRAMES_BYTES_MIN: u64 = MIB;

/// Whether nothing is in a folder without a catalogue, which is the first thing in a new one: shards
/// that no catalogue names are removed, and must not be when it is the catalogue that was lost.
fn check_new(root: &dyn Directory) -> Result<()> {
    let lost = |entry: &Entry| entry.name == SHARDS_FOLDER || entry.name == LOG_FOLDER;
    for entry in root.list()?.iter().filter(|entry| lost(entry)) {
        if !root.subdirectory(&entry.name)?.list()?.is_empty() {
            let what = format!("it is missing, and `{}` is not empty", entry.name);
            return Err(EngineError::Damaged { file: CATALOGUE.to_owned(), offset: 0, what });
        }
    }
    Ok(())
}

impl Inner {
    /// Opens a data folder and brings every shard to the last committed operation.
    pub(crate) fn recover(
        root: Arc<dyn Directory>,
        governor: Arc<Governor>,
        options: EngineOptions,
    ) -> Result<Self> {
        let catalogue = if let Some(catalogue) = Catalogue::load(&*root)? {
            catalogue
        } else {
            check_new(&*root)?;
            let catalogue = Catalogue::new(random_number());
            catalogue.store(&*root).map_err(EngineError::from)?;
            catalogue
        };
        let pool = match options.residency {
            Residency::Governed => options.pool,
            // The kernel holds mapped bytes; frames are for what asks for them alone.
            Residency::Mapped | Residency::Pinned => {
                PoolConfig { capacity: FRAMES_BYTES_MIN, ..options.pool }
            }
        };
        let pool = Pool::new(&governor, pool)?;
        let mut log_config = LogConfig::new(catalogue.node);
        log_config.durability = options.durability;
        log_config.file_bytes = options.log_file_bytes;
        let node = Arc::new(Node::new(governor, pool, options)?);
        let inner = Self::new(node, root, catalogue, BTreeMap::new())?;
        inner.open_shards()?;
        inner.replay(log_config)?;
        Ok(inner)
    }

    /// Opens the shards that the catalogue names and removes all others.
    fn open_shards(&self) -> Result<()> {
        let listed = lock(&self.catalogue).collections.clone();
        let folder = self.root.subdirectory(SHARDS_FOLDER)?;
        // The catalogue that was read too: what an older one names is removed next.
        self.root.sync()?;
        let known: BTreeSet<String> = listed.values().map(|shard| shard_folder(*shard)).collect();
        for entry in folder.list()? {
            if entry.kind == EntryKind::Directory && !known.contains(&entry.name) {
                folder.remove_subdirectory(&entry.name)?;
            }
        }
        for (name, id) in listed {
            let shard = Arc::new(self.open_shard(name.clone(), id)?);
            self.change_collections(|collections| {
                collections.insert(name, shard);
            });
        }
        Ok(())
    }

    fn shard_parts(&self, name: CollectionName, id: ShardId) -> Result<ShardParts> {
        let folder = self.root.subdirectory(SHARDS_FOLDER)?;
        let directory = folder.subdirectory(&shard_folder(id))?;
        // Mapped files are read where the kernel has them: what was just written, and what a merge
        // reads, is searched next.
        let mapped = self.node.config.residency == Residency::Mapped;
        let directory = if mapped { directory.keeping_cached() } else { directory };
        let (node, tenant) = (Arc::clone(&self.node), self.tenant.clone());
        Ok(ShardParts { id, name, tenant, directory, node })
    }

    fn open_shard(&self, name: CollectionName, id: ShardId) -> Result<Shard> {
        self.open_parts(name, id).map_err(|error| error.within(&shard_place(id)))
    }

    fn open_parts(&self, name: CollectionName, id: ShardId) -> Result<Shard> {
        let parts = self.shard_parts(name, id)?;
        let manifest = load_manifest(&*parts.directory, id)?;
        let storage = manifest.settings.storage_type;
        self.node.config.storage.admit(&parts.name, storage, Arrival::Stored)?;
        let store = self.node.store(Arc::clone(&parts.directory), &parts.tenant, storage);
        let segments = manifest
            .segments
            .iter()
            .map(|record| open_live(&store, record, &manifest.settings))
            .collect::<Result<_>>()?;
        Ok(Shard::new(parts, manifest, segments))
    }

    /// Replays the log over the shards, flushing as memory demands.
    fn replay(&self, config: LogConfig) -> Result<()> {
        let directory = self.root.subdirectory(LOG_FOLDER)?;
        self.root.sync()?;
        let catalogue_applied = lock(&self.catalogue).applied;
        if catalogue_applied > SequenceNumber::ZERO && directory.list()?.is_empty() {
            return Err(behind(CATALOGUE, catalogue_applied, SequenceNumber::ZERO));
        }
        let mut failure = None;
        let mut visit = |entry: Replayed<'_>| match self.replay_entry(entry) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        };
        let opened = Log::open(directory, config, &mut visit);
        if let Some(failure) = failure {
            return Err(failure);
        }
        let (log, recovery) = opened?;
        if let Some(torn) = recovery.torn {
            tracing::warn!(at = %torn.at, bytes = torn.bytes, "the log's torn tail was cut");
        }
        self.check_log(&recovery)?;
        log.release(ShardId::CATALOGUE, lock(&self.catalogue).applied);
        for (id, _) in &recovery.shards {
            match self.shard_by_id(*id) {
                Some(shard) => log.release(*id, shard.state().manifest.applied),
                None if *id == ShardId::CATALOGUE => {}
                None => log.forget(*id),
            }
        }
        self.assign_after_replay();
        self.node.set_log(log);
        Ok(())
    }

    /// Whether the log holds what the catalogue and the manifests say that it held.
    fn check_log(&self, recovery: &Recovery) -> Result<()> {
        let whole = recovery.end.file == recovery.files;
        let reach = Reach::new(whole, &recovery.shards);
        reach.check(CATALOGUE, ShardId::CATALOGUE, lock(&self.catalogue).applied)?;
        for shard in self.shards() {
            reach.check(&shard_place(shard.id), shard.id, shard.state().manifest.applied)?;
        }
        Ok(())
    }

    fn replay_entry(&self, entry: Replayed<'_>) -> Result<()> {
        let decode = || {
            decode_operation(entry.payload).map_err(|source| EngineError::Undecodable {
                shard: entry.shard,
                seq: entry.seq.0,
                source,
            })
        };
        if entry.shard == ShardId::CATALOGUE {
            if entry.seq > lock(&self.catalogue).applied {
                return accept(self.apply_to_catalogue(entry.seq, &decode()?)).map(|_| ());
            }
            return Ok(());
        }
        let Some(shard) = self.shard_by_id(entry.shard) else { return Ok(()) };
        if entry.seq <= shard.state().manifest.applied {
            return Ok(());
        }
        let operation = decode()?;
        let transit = entry.payload.len() as u64 * TRANSIT_COPIES;
        let _transit = self.node.governor.reserve(Class::Operations, &self.tenant, transit)?;
        let full = shard.state().active.charged_bytes() >= self.node.config.memtable_bytes;
        if full {
            self.flush_shard(&shard)?;
        }
        // Nothing comes between the price and the application, so it is exact.
        let bytes = crate::cost::memtable_bytes(&shard, &shard.view(), &operation);
        let bytes = accept(bytes)?;
        let reserve = || self.node.governor.reserve(Class::Memtables, &self.tenant, bytes);
        let reservation = match reserve() {
            Ok(reservation) => reservation,
            Err(_short) => {
                self.flush_all()?;
                reserve()?
            }
        };
        shard.state().active.absorb(reservation);
        accept(shard.apply(entry.seq, &operation, bytes)).map(|_| ())
    }

    /// New operations come after every replayed one.
    fn assign_after_replay(&self) {
        for shard in self.shards() {
            let applied = shard.applied();
            let mut assigned = lock(shard.assigned());
            *assigned = (*assigned).max(applied);
        }
        self.assign_catalogue(lock(&self.catalogue).applied);
    }

    /// Whether collections may be created and dropped.
    ///
    /// # Errors
    /// [`EngineError::Closed`] with the failure that stopped the catalogue.
    pub(crate) fn check_catalogue(&self) -> Result<()> {
        match self.catalogue_failure.get() {
            Some(reason) => Err(EngineError::Closed { reason: format!("{reason}; restart") }),
            None => Ok(()),
        }
    }

    /// Applies a committed entry of the catalogue. After one that could not be applied nothing
    /// later may be, and what it was to drop takes no more writes: the next start drops it.
    pub(crate) fn apply_catalogue_entry(
        &self,
        seq: SequenceNumber,
        operation: &Operation,
    ) -> Result<Applied> {
        self.check_catalogue()?;
        let outcome = self.apply_to_catalogue(seq, operation);
        if let Err(error) = &outcome
            && !error.is_callers()
        {
            let reason = error.with_causes();
            tracing::error!(reason, "collections cannot be created or dropped until a restart");
            self.catalogue_failure.get_or_init(|| reason);
            if let Operation::DropCollection { name } = operation
                && let Ok(shard) = self.shard(name)
            {
                shard.fail(error);
            }
        }
        outcome
    }

    /// Applies an entry of the catalogue, durably.
    pub(crate) fn apply_to_catalogue(
        &self,
        seq: SequenceNumber,
        operation: &Operation,
    ) -> Result<Applied> {
        let points = if let Operation::CreateCollection { name, shard, settings } = operation {
            self.create_shard(seq, name, *shard, settings)?;
            1
        } else if let Operation::DropCollection { name } = operation {
            u64::from(self.drop_shard(seq, name)?)
        } else {
            let what = "an entry of the catalogue that is no catalogue operation";
            return Err(EngineError::InvalidOperation(what.to_owned()));
        };
        self.node.release_log(ShardId::CATALOGUE, seq);
        Ok(Applied { seq, points })
    }

    fn create_shard(
        &self,
        seq: SequenceNumber,
        name: &CollectionName,
        id: ShardId,
        settings: &CollectionSettings,
    ) -> Result<()> {
        if lock(&self.catalogue).collections.contains_key(name) {
            return Err(EngineError::CollectionExists { name: name.clone() });
        }
        // An acknowledged creation is refused by refusing the start, never by leaving it out.
        self.node.config.storage.admit(name, settings.storage_type, Arrival::Stored)?;
        let parts = self.shard_parts(name.clone(), id)?;
        let manifest = Manifest::empty(id, settings.clone());
        manifest.store(&*parts.directory).map_err(EngineError::from)?;
        self.root.subdirectory(SHARDS_FOLDER)?.sync()?;
        let shard = Arc::new(Shard::new(parts, manifest, Vec::new()));
        self.store_catalogue(seq, |catalogue| {
            catalogue.collections.insert(name.clone(), id);
            catalogue.next_shard = catalogue.next_shard.max(id.0 + 1);
        })?;
        self.change_collections(|collections| {
            collections.insert(name.clone(), shard);
        });
        Ok(())
    }

    fn drop_shard(&self, seq: SequenceNumber, name: &CollectionName) -> Result<bool> {
        let Ok(shard) = self.shard(name) else { return Ok(false) };
        self.store_catalogue(seq, |catalogue| {
            catalogue.collections.remove(name);
        })?;
        self.change_collections(|collections| {
            collections.remove(name);
        });
        shard.mark_dropped();
        if let Some(log) = self.node.log() {
            log.forget(shard.id);
        }
        // What stays behind, because a flush was writing there, goes at the next open.
        let folder = self.root.subdirectory(SHARDS_FOLDER)?;
        if let Err(error) = folder.remove_subdirectory(&shard_folder(shard.id)) {
            report("a dropped collection's folder stays until the next start", &error);
        }
        Ok(true)
    }

    fn store_catalogue(
        &self,
        seq: SequenceNumber,
        change: impl FnOnce(&mut Catalogue),
    ) -> Result<()> {
        let mut catalogue = lock(&self.catalogue);
        let mut changed = catalogue.clone();
        change(&mut changed);
        changed.applied = seq;
        changed.store(&*self.root).map_err(EngineError::from)?;
        *catalogue = changed;
        Ok(())
    }
}

/// A refusal that every replica repeats is no failure of a replay.
fn accept<T: Default>(outcome: Result<T>) -> Result<T> {
    outcome.or_else(|error| if error.is_callers() { Ok(T::default()) } else { Err(error) })
}

fn open_live(
    store: &vectorizer_segment::Store,
    record: &SegmentRecord,
    settings: &CollectionSettings,
) -> Result<LiveSegment> {
    let segment = Arc::new(Segment::open(store, record, settings)?);
    let bits = Deaths::bytes_needed(record.rows);
    let charge = store.governor.reserve(Class::Metadata, &store.tenant, bits)?;
    let deaths = Deaths::new(record.rows, charge);
    if let Some(tombstones) = record.component(ComponentKind::Tombstones, "") {
        for row in read_tombstones(store, tombstones)? {
            deaths.kill_covered(row);
        }
    }
    Ok(LiveSegment { segment, deaths: Arc::new(deaths) })
}

/// A shard's folder within the data folder.
pub(crate) fn shard_place(id: ShardId) -> String {
    format!("{SHARDS_FOLDER}/{}", shard_folder(id))
}

/// Reads a shard's manifest and removes what it does not name, once it is durable.
fn load_manifest(directory: &dyn Directory, id: ShardId) -> Result<Manifest> {
    let damaged =
        |what: &str| EngineError::Damaged { file: String::new(), offset: 0, what: what.to_owned() };
    let manifest = Manifest::load(directory)?.ok_or_else(|| damaged("it has no manifest"))?;
    if manifest.shard != id {
        return Err(damaged("its manifest is another shard's"));
    }
    // Only the page cache may know this version, if the process died while it was being stored.
    directory.sync()?;
    remove_orphans(directory, &manifest)?;
    Ok(manifest)
}

/// Removes component files that no manifest names: the remains of interrupted work.
fn remove_orphans(directory: &dyn Directory, manifest: &Manifest) -> Result<()> {
    let live: BTreeSet<u64> = manifest.files().collect();
    for entry in directory.list()? {
        let orphan = file_number(&entry.name).is_some_and(|number| !live.contains(&number));
        if orphan || is_unfinished(&entry.name) {
            directory.remove(&entry.name)?;
        }
    }
    Ok(())
}

/// A number that no other data folder has.
fn random_number() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}
