//! Opening a data folder: the catalogue, the shards' manifests, then the log from where they end.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;

use vectorizer_log::{Log, LogConfig, Recovery, Replayed};
use vectorizer_memory::{Class, Governor, Reservation, Tenant};
use vectorizer_model::bytes::MIB;
use vectorizer_model::encode::decode_operation;
use vectorizer_model::{CollectionName, CollectionSettings, Operation, SequenceNumber, ShardId};
use vectorizer_pages::{Config as PoolConfig, Growth, Pool, Residency};
use vectorizer_segment::{
    ComponentKind, Segment, SegmentRecord, count_tombstones, file_name, file_number,
    read_tombstones,
};
use vectorizer_vfs::{Directory, Entry, EntryKind};

use crate::applied::Applied;
use crate::catalogue::{Catalogue, FILE as CATALOGUE, Listed, shard_folder};
use crate::collection::{Collection, OPEN_BYTES, Opened, Summary};
use crate::deaths::Deaths;
use crate::engine::{Inner, TRANSIT_COPIES, lock};
use crate::error::{EngineError, Result};
use crate::info::CollectionInfo;
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
                PoolConfig { capacity: FRAMES_BYTES_MIN, growth: Growth::None, ..options.pool }
            }
        };
        let pool = Pool::new(&governor, pool)?;
        let mut log_config = LogConfig::new(catalogue.node);
        log_config.durability = options.durability;
        log_config.file_bytes = options.log_file_bytes;
        let node = Arc::new(Node::new(governor, pool, options)?);
        let inner = Self::new(node, root, catalogue)?;
        inner.list_collections()?;
        inner.replay(log_config)?;
        Ok(inner)
    }

    /// Reads the manifests of the shards that the catalogue names and removes all others. Nothing
    /// is opened.
    fn list_collections(&self) -> Result<()> {
        let listed = lock(&self.catalogue).collections.clone();
        let folder = self.root.subdirectory(SHARDS_FOLDER)?;
        // The catalogue that was read too: what an older one names is removed next.
        self.root.sync()?;
        let known: BTreeSet<String> =
            listed.values().map(|listed| shard_folder(listed.shard)).collect();
        for entry in folder.list()? {
            if entry.kind == EntryKind::Directory && !known.contains(&entry.name) {
                folder.remove_subdirectory(&entry.name)?;
            }
        }
        for (name, Listed { shard: id, tenant }) in listed {
            let tenant = self.node.governor.tenant(tenant.as_str());
            self.list_collection(name, id, tenant)
                .map_err(|error| error.within(&shard_place(id)))?;
        }
        Ok(())
    }

    fn list_collection(&self, name: CollectionName, id: ShardId, tenant: Tenant) -> Result<()> {
        let parts = self.shard_parts(name.clone(), id, tenant)?;
        let directory = &*parts.directory;
        let (manifest, missing) = load_manifest(directory, id)?;
        self.node.config.storage.admit(&name, manifest.settings.storage_type, Arrival::Stored)?;
        // What cannot be counted is met again when the collection is opened.
        let dead = manifest.segments.iter().try_fold(0, |dead, record| {
            let listed = record.component(ComponentKind::Tombstones, "");
            let count = listed.map_or(Ok(0), |listed| count_tombstones(directory, listed));
            count.map(|count| dead + count)
        });
        let partial = dead.is_err() || !manifest.settings.field_indexes.is_empty();
        let graph_rows_min = self.node.config.graph_rows_min;
        let info = CollectionInfo::of_manifest(&manifest, dead.unwrap_or(0), graph_rows_min);
        let waits = self.manifest_waits(&manifest, info.backlog_rows);
        let collection =
            self.closed_collection(name, (id, &parts.tenant), Summary { info, partial })?;
        let collection = self.collections.insert(collection);
        if let Some(missing) = missing {
            collection.note_unopened(&missing.within(&shard_place(id)));
        }
        if waits {
            lock(&self.waiting).push(collection);
        }
        Ok(())
    }

    /// What is known of a collection's shard before it is opened.
    pub(crate) fn parts_of(&self, collection: &Collection) -> Result<ShardParts> {
        self.shard_parts(collection.name.clone(), collection.id, collection.tenant.clone())
    }

    fn shard_parts(&self, name: CollectionName, id: ShardId, tenant: Tenant) -> Result<ShardParts> {
        let folder = self.root.subdirectory(SHARDS_FOLDER)?;
        let directory = folder.subdirectory(&shard_folder(id))?;
        // Mapped files are read where the kernel has them: what was just written, and what a merge
        // reads, is searched next.
        let mapped = self.node.config.residency == Residency::Mapped;
        let directory = if mapped { directory.keeping_cached() } else { directory };
        Ok(ShardParts { id, name, tenant, directory, node: Arc::clone(&self.node) })
    }

    pub(crate) fn open_shard(&self, collection: &Collection) -> Result<Shard> {
        self.open_parts(collection).map_err(|error| error.within(&shard_place(collection.id)))
    }

    fn open_parts(&self, collection: &Collection) -> Result<Shard> {
        let parts = self.parts_of(collection)?;
        let (manifest, missing) = load_manifest(&*parts.directory, parts.id)?;
        if let Some(missing) = missing {
            return Err(missing);
        }
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
            match self.collections.by_id(*id) {
                Some(collection) => lock(&self.unreleased).push(collection),
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
        for collection in self.collections.all() {
            let id = collection.id;
            reach.check(&shard_place(id), id, collection.covered())?;
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
                let operation = decode()?;
                let charge = self.charge_catalogue_entry(&operation)?;
                return accept(self.apply_to_catalogue(entry.seq, &operation, charge)).map(|_| ());
            }
            return Ok(());
        }
        let Some(collection) = self.collections.by_id(entry.shard) else { return Ok(()) };
        if entry.seq <= collection.covered() {
            return Ok(());
        }
        let shard = match self.opened(&collection) {
            Ok(shard) => shard,
            // Its entries stay in the log until it can be opened; the others are served.
            Err(error) if error.is_damage() => {
                collection.stop(&error);
                return Ok(());
            }
            Err(EngineError::Unopened { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let operation = decode()?;
        let transit = entry.payload.len() as u64 * TRANSIT_COPIES;
        let _transit = self.node.governor.reserve(Class::Operations, &shard.tenant, transit)?;
        let full = shard.state().active.charged_bytes() >= self.node.config.memtable_bytes;
        if full {
            self.flush_shard(&shard)?;
        }
        // Nothing comes between the price and the application, so it is exact.
        let bytes = crate::cost::memtable_bytes(&shard, &shard.view(), &operation);
        let bytes = accept(bytes)?;
        let reserve = || self.node.governor.reserve(Class::Memtables, &shard.tenant, bytes);
        let reservation = match reserve() {
            Ok(reservation) => reservation,
            Err(_short) => {
                self.flush_all()?;
                self.with_room(|| Ok(reserve()?))?
            }
        };
        shard.state().active.absorb(reservation);
        accept(shard.apply(entry.seq, &operation, bytes)).map(|_| ())
    }

    /// New operations come after every replayed one.
    fn assign_after_replay(&self) {
        for collection in self.collections.open() {
            let Some(shard) = collection.shard() else { continue };
            let applied = shard.applied();
            let mut assigned = lock(shard.assigned());
            *assigned = (*assigned).max(applied);
        }
        self.assign_catalogue(lock(&self.catalogue).applied);
    }

    /// Whether collections may be created and dropped.
    ///
    /// # Errors
    /// [`EngineError::CatalogueStopped`] with the failure that stopped it.
    pub(crate) fn check_catalogue(&self) -> Result<()> {
        match self.catalogue_failure.get() {
            Some(reason) => Err(EngineError::CatalogueStopped { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Applies a committed entry of the catalogue. After one that could not be applied nothing
    /// later may be, and what it was to drop takes no more writes: the next start drops it.
    pub(crate) fn apply_catalogue_entry(
        &self,
        seq: SequenceNumber,
        operation: &Operation,
        charge: Reservation,
    ) -> Result<Applied> {
        self.check_catalogue()?;
        let outcome = self.apply_to_catalogue(seq, operation, charge);
        if let Err(error) = &outcome
            && !error.is_callers()
        {
            let reason = error.with_causes();
            tracing::error!(reason, "collections cannot be created or dropped until a restart");
            self.catalogue_failure.get_or_init(|| reason);
            if let Operation::DropCollection { name } = operation
                && let Ok(collection) = self.collection(name)
            {
                match self.opened(&collection) {
                    Ok(shard) => shard.fail(error),
                    Err(_) => collection.stop(error),
                }
            }
        }
        outcome
    }

    /// Takes what an entry of the catalogue will hold.
    fn charge_catalogue_entry(&self, operation: &Operation) -> Result<Reservation> {
        let (tenant, bytes) =
            if let Operation::CreateCollection { settings, tenant, .. } = operation {
                let bytes = Collection::bytes_needed(settings) + OPEN_BYTES;
                (self.node.governor.tenant(tenant.as_str()), bytes)
            } else {
                (Tenant::system(), 0)
            };
        self.with_room(|| Ok(self.node.governor.reserve(Class::Collections, &tenant, bytes)?))
    }

    /// Applies an entry of the catalogue, durably. `charge` holds what a new collection takes, of its
    /// tenant.
    pub(crate) fn apply_to_catalogue(
        &self,
        seq: SequenceNumber,
        operation: &Operation,
        charge: Reservation,
    ) -> Result<Applied> {
        let points =
            if let Operation::CreateCollection { name, shard, settings, tenant } = operation {
                let listed = Listed { shard: *shard, tenant: tenant.clone() };
                self.create_shard(seq, (name, listed), settings, charge)?;
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
        (name, listed): (&CollectionName, Listed),
        settings: &CollectionSettings,
        mut charge: Reservation,
    ) -> Result<()> {
        if lock(&self.catalogue).collections.contains_key(name) {
            return Err(EngineError::CollectionExists { name: name.clone() });
        }
        // An acknowledged creation is refused by refusing the start, never by leaving it out.
        self.node.config.storage.admit(name, settings.storage_type, Arrival::Stored)?;
        let (id, tenant) = (listed.shard, charge.tenant().clone());
        let parts = self.shard_parts(name.clone(), id, tenant.clone())?;
        let manifest = Manifest::empty(id, settings.clone());
        manifest.store(&*parts.directory).map_err(EngineError::from)?;
        self.root.subdirectory(SHARDS_FOLDER)?.sync()?;
        let summary = Summary {
            info: CollectionInfo::of_manifest(&manifest, 0, 0),
            partial: !settings.field_indexes.is_empty(),
        };
        let shard = Arc::new(Shard::new(parts, manifest, Vec::new()));
        // In the class it came in if the other one is full: the bytes are there either way.
        charge.transfer(Class::Collections, &tenant).ok();
        let opened = Opened { shard, _charge: charge.split(OPEN_BYTES) };
        let collection = Collection::new(id, name.clone(), summary, charge);
        *collection.hold_open() = Some(opened);
        self.store_catalogue(seq, |catalogue| {
            catalogue.collections.insert(name.clone(), listed);
            catalogue.next_shard = catalogue.next_shard.max(id.0 + 1);
        })?;
        self.collections.insert(collection);
        Ok(())
    }

    fn drop_shard(&self, seq: SequenceNumber, name: &CollectionName) -> Result<bool> {
        let Ok(collection) = self.collection(name) else { return Ok(false) };
        self.store_catalogue(seq, |catalogue| {
            catalogue.collections.remove(name);
        })?;
        // Whoever is opening it is let finish, and nobody begins.
        let turn = collection.lock_turn();
        self.collections.remove(&collection);
        collection.mark_dropped();
        self.node.row_caches.note_dropped(collection.id.0);
        drop(turn);
        if let Some(log) = self.node.log() {
            log.forget(collection.id);
        }
        // What stays behind, because a flush was writing there, goes at the next open.
        let folder = self.root.subdirectory(SHARDS_FOLDER)?;
        if let Err(error) = folder.remove_subdirectory(&shard_folder(collection.id)) {
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
    let charge = store.governor.reserve(Class::Collections, &store.tenant, bits)?;
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

/// Reads a shard's manifest and removes what it does not name, the remains of interrupted work, once
/// the manifest is durable. With it comes what is wrong if a file is missing.
fn load_manifest(
    directory: &dyn Directory,
    id: ShardId,
) -> Result<(Manifest, Option<EngineError>)> {
    let damaged =
        |file: String, what: &str| EngineError::Damaged { file, offset: 0, what: what.to_owned() };
    let members = directory.list()?;
    let manifest = Manifest::load_among(directory, &members)?;
    let manifest = manifest.ok_or_else(|| damaged(String::new(), "it has no manifest"))?;
    if manifest.shard != id {
        return Err(damaged(String::new(), "its manifest is another shard's"));
    }
    let named: BTreeSet<u64> = manifest.files().collect();
    let mut live = named.clone();
    let mut remains = Vec::new();
    for Entry { name, .. } in members {
        let number = file_number(&name);
        if let Some(number) = number {
            live.remove(&number);
        }
        if number.is_some_and(|number| !named.contains(&number)) || is_unfinished(&name) {
            remains.push(name);
        }
    }
    if !remains.is_empty() {
        // An older version, which only the page cache may know to be one, could name them.
        directory.sync()?;
        remains.iter().try_for_each(|name| directory.remove(name))?;
    }
    let missing = live.first().map(|file| damaged(file_name(*file), "the file is missing"));
    Ok((manifest, missing))
}

/// A number that no other data folder has.
fn random_number() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}
