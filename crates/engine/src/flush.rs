//! Turning a frozen memtable into a segment, patches and tombstones, and a manifest that names
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;

use vectorizer_kernels::normalise;
use vectorizer_memory::{Class, Reservation};
use vectorizer_model::settings::{Quantization, VectorSettings};
use vectorizer_model::{
    Budget, CollectionSettings, Ordinal, PointId, SegmentId, SequenceNumber, VectorName,
};
use vectorizer_quantize::{Levels, ScalarQuantizer};
use vectorizer_segment::{
    ComponentKind, ComponentRef, FlatColumn, FlatRow, FlatTarget, FlatWriter, PatchRow, Segment,
    SegmentRecord, write_tombstones,
};

use crate::deaths::Deaths;
use crate::error::Result;
use crate::manifest::Manifest;
use crate::memtable::Memtable;
use crate::node::report;
use crate::row_order::order_memtable;
use crate::shard::Shard;
use crate::state::{Frozen, LiveSegment, ShardState};
use crate::unpublished::Unpublished;

/// Most rows on which a quantizer is trained.
const SAMPLE_ROWS: usize = 16_384;
/// Most bytes of them, and of the copy that training makes.
const SAMPLE_BYTES: u64 = 16 << 20;
/// Share of components that codes represent without clamping.
const QUANTILE: f32 = 0.995;

impl Shard {
    /// Freezes the active memtable if it holds anything, so that it can be flushed. False if there
    /// is nothing to flush.
    pub(crate) fn freeze(&self) -> bool {
        let _applier = self.lock_applier();
        let state = self.state();
        if state.frozen.is_some() {
            return true;
        }
        if self.applied() == state.manifest.applied {
            return false;
        }
        let mut state = (*state).clone();
        let active = Arc::new(Memtable::new(&state.settings));
        let memtable = std::mem::replace(&mut state.active, active);
        let settings = Arc::clone(&state.settings);
        state.frozen = Some(Frozen { memtable, last: self.applied(), settings });
        self.publish(state);
        true
    }

    /// Writes what is frozen, and names it in a new manifest.
    ///
    /// # Errors
    /// A refusing disk or budget: nothing changed, and a later try may succeed.
    pub(crate) fn flush_frozen(self: &Arc<Self>) -> Result<()> {
        let _structure = self.lock_structure();
        let state = self.state();
        let Some(frozen) = state.frozen.clone() else { return Ok(()) };
        let mut files = Unpublished::new(self);
        let written = self.write_rows(&frozen, &mut files)?;
        let patched = self.write_frozen_patches(&frozen, &state, &mut files)?;
        self.sync_folder()?;
        self.publish_flush(&frozen, written, &patched, &mut files)
    }

    /// Writes the frozen memtable's live rows as a flat segment; none if there are none.
    fn write_rows(
        &self,
        frozen: &Frozen,
        files: &mut Unpublished<'_>,
    ) -> Result<Option<WrittenRows>> {
        let settings = &*frozen.settings;
        let mut budget = self.node.flush_reserve.lend(build_budget(self)?);
        let places = size_of::<(PointId, u32)>() + size_of::<u32>();
        budget.try_grow(u64::from(frozen.memtable.rows()) * places as u64)?;
        let rows = live_rows(&frozen.memtable, frozen.last);
        if rows.is_empty() {
            return Ok(None);
        }
        let columns = frozen.memtable.columns();
        let trained = columns
            .iter()
            .enumerate()
            .map(|(at, shape)| {
                let size = self.sample_size(&shape.settings, rows.len());
                let sample = || Ok(sample_memtable(&frozen.memtable, &rows, at, size.step));
                budget.try_grow(size.bytes)?;
                let column = flat_column(&shape.name, &shape.settings, settings, sample);
                budget.shrink(size.bytes);
                column
            })
            .collect::<Result<_>>()?;
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let id = self.allocate_segment();
        let first_file = files.allocate(FlatWriter::files_needed(columns.len()));
        let directory = Arc::clone(&self.directory);
        let target = FlatTarget { directory, segment: id, rows: count, first_file };
        let mut writer = FlatWriter::create(target, trained, &mut budget)?;
        let rows = order_memtable(&frozen.memtable, &rows, &mut budget);
        let mut payload = Vec::new();
        for &row in &rows {
            let pushed = frozen.memtable.with_row(row, |row| {
                let vectors: Vec<Option<&[f32]>> =
                    (0..columns.len()).map(|column| row.vector(column)).collect();
                payload.clear();
                if !row.payload().is_empty() {
                    vectorizer_model::encode::encode_payload(row.payload(), &mut payload);
                }
                writer.push(&FlatRow {
                    id: row.id,
                    version: row.seq,
                    vectors: &vectors,
                    payload: &payload,
                })
            });
            pushed.transpose()?;
        }
        let (rows_written, components) = writer.finish()?;
        let record = SegmentRecord { id, rows: rows_written, components };
        let segment = Segment::open(&self.store(settings), &record, settings)?;
        self.warm(&segment);
        Ok(Some(WrittenRows { segment, places: rows }))
    }

    /// Brings a new segment in before it is searched; a failure is met again by the search.
    pub(crate) fn warm(&self, segment: &Segment) {
        if let Err(error) = segment.warm(self.node.obtainable()) {
            report("a new segment could not be brought in", &error);
        }
    }

    /// Writes the patch component of every segment that the frozen memtable patches.
    fn write_frozen_patches(
        &self,
        frozen: &Frozen,
        state: &ShardState,
        files: &mut Unpublished<'_>,
    ) -> Result<BTreeMap<SegmentId, ComponentRef>> {
        let mut components = BTreeMap::new();
        for id in frozen.memtable.patched_segments() {
            let Some(live) = state.segments.iter().find(|live| live.segment.id() == id) else {
                continue;
            };
            let newer = newest_patches(&frozen.memtable, id, frozen.last);
            let store = self.store(&state.settings);
            let component = live.segment.write_patches(&store, files.allocate(1), &newer)?;
            components.insert(id, component);
        }
        Ok(components)
    }

    /// Makes what was written the current version, in the manifest and for readers.
    fn publish_flush(
        self: &Arc<Self>,
        frozen: &Frozen,
        written: Option<WrittenRows>,
        patched: &BTreeMap<SegmentId, ComponentRef>,
        files: &mut Unpublished<'_>,
    ) -> Result<()> {
        let _applier = self.lock_applier();
        let state = self.state();
        let store = self.store(&state.settings);
        let mut segments = Vec::with_capacity(state.segments.len() + 1);
        for live in &state.segments {
            let mut added: Vec<ComponentRef> =
                patched.get(&live.segment.id()).cloned().into_iter().collect();
            added.extend(self.cover_deaths(live, frozen.last, files)?);
            let segment = if added.is_empty() {
                Arc::clone(&live.segment)
            } else {
                Arc::new(live.segment.with_components(&store, &added)?)
            };
            let bits = Deaths::bytes_needed(live.segment.rows());
            let charge = self.reserve(Class::Collections, bits)?;
            let deaths = Arc::new(live.deaths.covered_by(frozen.last, charge));
            segments.push(LiveSegment { segment, deaths });
        }
        if let Some(WrittenRows { segment, places }) = written {
            let deaths = self.new_deaths(segment.rows())?;
            for (ordinal, &row) in places.iter().enumerate() {
                let died = frozen.memtable.with_row(row, |row| row.dead_at());
                if let Some(seq) = died.filter(|seq| *seq < SequenceNumber::MAX) {
                    deaths.kill(Ordinal::from_index(ordinal), seq);
                }
            }
            segments.push(LiveSegment { segment: Arc::new(segment), deaths: Arc::new(deaths) });
        }
        let version = Version { applied: frozen.last, settings: (*frozen.settings).clone() };
        self.commit_version(version, segments, |state| state.frozen = None)
    }

    /// The tombstone component that a manifest at `covered` needs; none if the last one stands.
    fn cover_deaths(
        &self,
        live: &LiveSegment,
        covered: SequenceNumber,
        files: &mut Unpublished<'_>,
    ) -> Result<Option<ComponentRef>> {
        let dead = live.deaths.dead_at(covered);
        let fresh = dead.iter().any(|&row| live.deaths.recent_death(row).is_some());
        if !fresh {
            return Ok(None);
        }
        let head = live.segment.record().head(ComponentKind::Tombstones, "");
        let file = files.allocate(1);
        Ok(Some(write_tombstones(&*self.directory, head, file, &dead)?))
    }

    /// Stores a manifest at one position with these segments, then shows them to readers and lets go
    /// of what the older version needed. The caller holds the applier's lock.
    ///
    /// # Errors
    /// A refusing disk: the older version stands. If a sync of the folder fails the shard stops.
    pub(crate) fn commit_version(
        &self,
        at: Version,
        segments: Vec<LiveSegment>,
        change: impl FnOnce(&mut ShardState),
    ) -> Result<()> {
        self.check_stands()?;
        let before = self.state();
        let records: Vec<SegmentRecord> =
            segments.iter().map(|live| live.segment.record().clone()).collect();
        let manifest = Manifest {
            shard: self.id,
            version: before.manifest.version + 1,
            applied: at.applied,
            settings: at.settings,
            next_segment: self.next_segment(),
            next_file: self.next_file(),
            segments: records,
        };
        // The files' names must be durable before a manifest names them, and the log up to where
        // the manifest will say that it was applied.
        self.sync_folder()?;
        self.node.sync_log()?;
        self.store_manifest(&manifest)?;
        let kept: std::collections::BTreeSet<u64> = manifest.files().collect();
        let unneeded: Vec<u64> =
            before.manifest.files().filter(|file| !kept.contains(file)).collect();
        let mut state = (*before).clone();
        state.segments = segments;
        state.manifest = Arc::new(manifest);
        change(&mut state);
        self.publish(state);
        self.node.release_log(self.id, at.applied);
        for file in unneeded {
            // Open handles keep the bytes readable; a name that stays is an orphan that the next
            // open removes.
            if let Err(error) = self.directory.remove(&vectorizer_segment::file_name(file)) {
                report("a component that is no longer needed stays", &error);
            }
        }
        Ok(())
    }
}

/// The position that a manifest describes, and the settings there.
pub(crate) struct Version {
    pub(crate) applied: SequenceNumber,
    pub(crate) settings: CollectionSettings,
}

/// A segment written from a memtable, and the memtable row of each of its rows.
struct WrittenRows {
    segment: Segment,
    places: Vec<u32>,
}

/// The memtable's rows that are visible at `seq`, by id.
fn live_rows(memtable: &Memtable, seq: SequenceNumber) -> Vec<(PointId, u32)> {
    let mut rows = Vec::with_capacity(memtable.rows() as usize);
    for (base, chunk) in memtable.chunks() {
        let chunk = chunk.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let visible = (base..).zip(chunk.rows()).filter(|(_, row)| row.is_visible(seq));
        rows.extend(visible.map(|(number, row)| (row.id, number)));
    }
    rows.sort_unstable();
    rows
}

/// The newest patch of each of a segment's rows at `seq`.
fn newest_patches(
    memtable: &Memtable,
    segment: SegmentId,
    seq: SequenceNumber,
) -> BTreeMap<Ordinal, PatchRow> {
    let rows = memtable.patched_rows(segment, seq);
    let newest = |ordinal| {
        let patch = memtable.find_patch(segment, ordinal, seq)?;
        Some((ordinal, PatchRow { ordinal, version: patch.seq, payload: patch.payload }))
    };
    rows.into_iter().filter_map(newest).collect()
}

/// A column of a new segment, its quantizer trained on a sample, shape `[n, dim]`.
pub(crate) fn flat_column(
    name: &VectorName,
    vector: &VectorSettings,
    collection: &CollectionSettings,
    sample: impl FnOnce() -> Result<Vec<f32>>,
) -> Result<FlatColumn> {
    let quantization = vector.quantization.unwrap_or(collection.quantization);
    let quantizer = match quantization {
        Quantization::Off => None,
        Quantization::Int8 => {
            let dim = vector.dim as usize;
            let mut sample = sample()?;
            if vector.divides_by_length() {
                sample.chunks_exact_mut(dim).for_each(|row| {
                    normalise(row);
                });
            }
            let rows = sample.as_slice();
            let train =
                |rows| ScalarQuantizer::train(vector.metric, Levels::U8, dim, rows, QUANTILE);
            // Without a vector there is nothing to learn from, nor to encode.
            (!rows.is_empty()).then(|| train(rows)).transpose()?
        }
    };
    Ok(FlatColumn { name: name.clone(), settings: vector.clone(), quantizer })
}

/// Vectors of every `step`th row; shape `[n, dim]`.
fn sample_memtable(
    memtable: &Memtable,
    rows: &[(PointId, u32)],
    column: usize,
    step: usize,
) -> Vec<f32> {
    let dim = memtable.columns()[column].settings.dim as usize;
    let mut sample = Vec::with_capacity(rows.len().div_ceil(step) * dim);
    for &(_, row) in rows.iter().step_by(step) {
        let _: Option<()> = memtable.with_row(row, |row| {
            sample.extend_from_slice(row.vector(column).unwrap_or_default());
        });
    }
    sample
}

/// How a column is sampled to train its quantizer.
pub(crate) struct SampleSize {
    /// Every so many rows.
    pub(crate) step: usize,
    /// Bytes that the sample and its copy take at most.
    pub(crate) bytes: u64,
}

impl Shard {
    /// The sample of a column of so many rows: bounded in bytes, and by what a memtable may hold.
    pub(crate) fn sample_size(&self, vector: &VectorSettings, rows: usize) -> SampleSize {
        let row = u64::from(vector.dim) * 4 * 2;
        let bytes_max = SAMPLE_BYTES.min(self.node.config.memtable_bytes);
        let wanted = usize::try_from(bytes_max / row).unwrap_or(SAMPLE_ROWS).clamp(1, SAMPLE_ROWS);
        let step = rows.div_ceil(wanted).max(1);
        SampleSize { step, bytes: rows.div_ceil(step) as u64 * row }
    }
}

/// A reservation for background work, empty.
pub(crate) fn build_budget(shard: &Shard) -> Result<Reservation> {
    shard.reserve(Class::Builds, 0)
}
