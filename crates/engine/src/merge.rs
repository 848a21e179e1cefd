//! Writing several segments as one.
//!
//! A merge reads what the manifest that it started from says, takes its time, and carries what
//! happened since to the new rows when it is published: deaths and payload patches, through a map
//! from old rows to new ones.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use vectorizer_hnsw::Basis;
use vectorizer_hnsw::links::NO_LINK;
use vectorizer_memory::{AllocationGuard, Class, Drawn};
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{Budget, Ordinal, SegmentId, SequenceNumber, VectorName};
use vectorizer_segment::{
    FlatRow, FlatTarget, FlatWriter, PagedLinks, PatchRow, Segment, SegmentRecord,
};

use crate::build::Means;
use crate::deaths::Deaths;
use crate::error::Result;
use crate::flush::flat_column;
use crate::row_order::{Known, OrderedRow, each_row};
use crate::shard::Shard;
use crate::state::{LiveSegment, ShardState};
use crate::unpublished::Unpublished;

/// Segments written as one, to be put in their place.
pub(crate) struct Merged<'a> {
    sources: Vec<LiveSegment>,
    segment: Segment,
    map: RowMap,
    files: Unpublished<'a>,
    /// What the map takes.
    _held: Drawn,
}

/// A merged row's number for a row that was left behind.
const GONE: u32 = NO_LINK;

/// Where each row of the merged segments went.
struct RowMap {
    of_segment: BTreeMap<SegmentId, Vec<u32>>,
}

impl RowMap {
    fn place(&self, segment: SegmentId, ordinal: Ordinal) -> Option<Ordinal> {
        let place = *self.of_segment.get(&segment)?.get(ordinal.index())?;
        (place != GONE).then_some(Ordinal(place))
    }
}

impl Shard {
    /// Writes segments as one, with all its graphs and indexes; none if the engine is closing or
    /// they are gone.
    ///
    /// # Errors
    /// A refusing disk or budget: nothing changed, and a later try may succeed.
    pub(crate) fn merge(
        &self,
        ids: &[SegmentId],
        mut means: Means<'_>,
    ) -> Result<Option<Merged<'_>>> {
        let state = self.state();
        let sources: Vec<LiveSegment> = state
            .segments
            .iter()
            .filter(|live| ids.contains(&live.segment.id()))
            .cloned()
            .collect();
        if sources.len() != ids.len() {
            return Ok(None);
        }
        let memory = means.memory;
        let mut budget = memory.draw(0)?;
        let rows: u64 = sources.iter().map(|live| u64::from(live.segment.rows())).sum();
        budget.try_grow(rows * 4)?;
        means.draft_bytes = self.merged_draft_bytes(&sources, &state.settings, memory)?;
        let _room = crate::room::take_for_merge(self, &state, (&sources, means.draft_bytes))?;
        self.check_sources(&sources, &mut budget)?;
        let mut files = Unpublished::new(self);
        let (record, map) = self.write_merged(&state, &sources, &mut files, memory)?;
        let Some(mut segment) = self.open_merged(&state, &record)? else { return Ok(None) };
        for wanted in self.missing_graphs(&segment, &state.settings) {
            let basis = largest_graph(&sources, &map, &wanted.0)?;
            let graph = self.build_graph(&segment, &wanted, basis, (&mut files, means))?;
            let Some(graph) = graph else { return Ok(None) };
            segment = segment.with_components(&self.store(&state.settings), &[graph])?;
        }
        for (key, kind) in Self::missing_indexes(&segment, &state.settings) {
            let of = (&segment, &*state.settings);
            let index = self.build_index(of, (&key, kind), &mut files, memory)?;
            segment = segment.with_components(&self.store(&state.settings), &[index])?;
        }
        self.warm(&segment);
        Ok(Some(Merged { sources, segment, map, files, _held: budget }))
    }

    /// Reads all sources whole: what is written anew gets new checksums, which would bless any
    /// damage.
    fn check_sources(&self, sources: &[LiveSegment], budget: &mut dyn Budget) -> Result<()> {
        budget.try_grow(vectorizer_segment::VERIFY_BYTES)?;
        for component in sources.iter().flat_map(|live| &live.segment.record().components) {
            let mut found = None;
            let mut tell = |error| found = Some(error);
            vectorizer_segment::verify(&*self.directory, component, &mut tell)?;
            if let Some(error) = found {
                return Err(error.into());
            }
        }
        budget.shrink(vectorizer_segment::VERIFY_BYTES);
        Ok(())
    }

    fn open_merged(&self, state: &ShardState, record: &SegmentRecord) -> Result<Option<Segment>> {
        if self.is_dropped() || self.node.is_closing() {
            return Ok(None);
        }
        Ok(Some(Segment::open(&self.store(&state.settings), record, &state.settings)?))
    }

    /// Streams the sources' rows into new files, similar ones side by side.
    fn write_merged(
        &self,
        state: &ShardState,
        sources: &[LiveSegment],
        files: &mut Unpublished<'_>,
        memory: &AllocationGuard,
    ) -> Result<(SegmentRecord, RowMap)> {
        let id = self.allocate_segment();
        let covered = state.manifest.applied;
        let names: Vec<_> = state.settings.vectors.iter().collect();
        let total = sources.iter().map(|live| live.segment.rows() as usize).sum();
        let columns = names
            .iter()
            .map(|(name, vector)| {
                let size = self.sample_size(vector, total);
                let _held = memory.draw(size.bytes)?;
                let sample = || sample_segments(sources, name, covered, size.step);
                flat_column(name, vector, &state.settings, sample)
            })
            .collect::<Result<Vec<_>>>()?;
        let rows = sources.iter().map(|live| live.segment.rows()).sum();
        let first_file = files.allocate(FlatWriter::files_needed(columns.len()));
        let directory = Arc::clone(&self.directory);
        let target = FlatTarget { directory, segment: id, rows, first_file };
        let mut writing = memory.draw(0)?;
        let mut writer = FlatWriter::create(target, columns, &mut writing)?;
        let mut map: BTreeMap<SegmentId, Vec<u32>> = sources
            .iter()
            .map(|live| (live.segment.id(), vec![GONE; live.segment.rows() as usize]))
            .collect();
        let mut next = 0;
        let write = |(at, ordinal, known): OrderedRow<'_>| -> Result<()> {
            let live = &sources[at];
            push_row(&mut writer, (live, ordinal), &names, known)?;
            if let Some(places) = map.get_mut(&live.segment.id()) {
                places[ordinal.index()] = next;
            }
            next += 1;
            Ok(())
        };
        let mut ordering = memory.draw(0)?;
        each_row((sources, covered), names.iter().copied(), &mut ordering, write)?;
        let (rows, components) = writer.finish()?;
        Ok((SegmentRecord { id, rows, components }, RowMap { of_segment: map }))
    }

    /// Puts the merged segment in its sources' place, with all that happened to their rows since.
    /// Takes locks that writers wait for, so it is not for threads that others go before.
    pub(crate) fn publish_merge(&self, done: Merged<'_>) -> Result<()> {
        let _structure = self.lock_structure();
        let _applier = self.lock_applier();
        let Merged { sources, segment: merged, map, mut files, _held } = done;
        let (sources, map) = (&sources, &map);
        let state = self.state();
        let covered = state.manifest.applied;
        let ids: Vec<SegmentId> = sources.iter().map(|live| live.segment.id()).collect();
        let deaths = self.new_deaths(merged.rows())?;
        let mut patches = BTreeMap::new();
        for (source, now) in sources.iter().filter_map(|s| Some((s, current(&state, s)?))) {
            carry_deaths(now, map, &deaths);
            carry_patches(source, now, map, &mut patches)?;
        }
        let store = self.store(&state.settings);
        let mut live = LiveSegment { segment: Arc::new(merged), deaths: Arc::new(deaths) };
        let mut added = Vec::new();
        if !patches.is_empty() {
            let file = files.allocate(1);
            added.push(live.segment.write_patches(&store, file, &patches)?);
        }
        let dead = live.deaths.dead_at(covered);
        if !dead.is_empty() {
            let head =
                live.segment.record().head(vectorizer_segment::ComponentKind::Tombstones, "");
            let file = files.allocate(1);
            let written =
                vectorizer_segment::write_tombstones(&*self.directory, head, file, &dead)?;
            added.push(written);
        }
        live.segment = Arc::new(live.segment.with_components(&store, &added)?);
        let into = live.segment.id();
        let mut segments: Vec<LiveSegment> = state
            .segments
            .iter()
            .filter(|live| !ids.contains(&live.segment.id()))
            .cloned()
            .collect();
        segments.push(live);
        // Views that were taken before keep the old segments, so the patches of a memtable are
        // copied to the new rows, not moved; and before any reader sees those.
        let frozen = state.frozen.as_ref().map(|frozen| &frozen.memtable);
        let memtables: Vec<_> = frozen.into_iter().chain([&state.active]).collect();
        let charges =
            memtables.iter().map(|m| self.reserve(Class::Memtables, m.copied_bytes(&ids)));
        let charges = charges.collect::<Result<Vec<_>>>()?;
        for (memtable, charge) in memtables.into_iter().zip(charges) {
            memtable.absorb(charge);
            memtable.copy_patches(&ids, into, |segment, row| map.place(segment, row));
        }
        self.commit_unmoved(segments)
    }
}

/// The graph of a name that has the most rows among the sources'.
fn largest_graph<'a>(
    sources: &'a [LiveSegment],
    map: &'a RowMap,
    name: &VectorName,
) -> Result<Option<Basis<'a, PagedLinks<'a>>>> {
    let with_graph = sources.iter().map(|live| &live.segment).filter(|s| s.has_graph(name));
    let Some(largest) = with_graph.max_by_key(|segment| segment.rows()) else { return Ok(None) };
    let places = map.of_segment.get(&largest.id()).map_or(&[][..], Vec::as_slice);
    Ok(largest.graph_basis(name, places)?)
}

/// A source as it is now.
fn current<'a>(state: &'a ShardState, source: &LiveSegment) -> Option<&'a LiveSegment> {
    state.segments.iter().find(|live| live.segment.id() == source.segment.id())
}

fn carry_deaths(now: &LiveSegment, map: &RowMap, deaths: &Deaths) {
    for row in now.deaths.dead_at(SequenceNumber(u64::MAX - 1)) {
        let Some(place) = map.place(now.segment.id(), row) else { continue };
        match now.deaths.recent_death(row) {
            Some(seq) => deaths.kill(place, seq),
            None => deaths.kill_covered(place),
        };
    }
}

/// The patches that were flushed for a source after the merge read it.
fn carry_patches(
    source: &LiveSegment,
    now: &LiveSegment,
    map: &RowMap,
    patches: &mut BTreeMap<Ordinal, PatchRow>,
) -> Result<()> {
    for row in now.segment.patched().into_iter().flatten().map(Ordinal) {
        let version = now.segment.version(row)?;
        if version == source.segment.version(row)? {
            continue;
        }
        if let Some(ordinal) = map.place(now.segment.id(), row) {
            let payload = Arc::new(now.segment.payload(row)?);
            patches.insert(ordinal, PatchRow { ordinal, version, payload });
        }
    }
    Ok(())
}

fn push_row(
    writer: &mut FlatWriter,
    (live, ordinal): (&LiveSegment, Ordinal),
    names: &[(&VectorName, &VectorSettings)],
    known: Known<'_>,
) -> Result<()> {
    let segment = &live.segment;
    let vector = |name: &VectorName| match known {
        Some((known, vector)) if known == name => {
            Ok(segment.has_vector(name, ordinal).then_some(Cow::Borrowed(vector)))
        }
        _ => segment.vector(name, ordinal).map(|vector| vector.map(Cow::Owned)),
    };
    let vectors = names
        .iter()
        .map(|(name, _)| vector(name))
        .collect::<std::result::Result<Vec<Option<Cow<'_, [f32]>>>, _>>()?;
    let vectors: Vec<Option<&[f32]>> = vectors.iter().map(Option::as_deref).collect();
    let mut payload = Vec::new();
    let stored = segment.payload(ordinal)?;
    if !stored.is_empty() {
        vectorizer_model::encode::encode_payload(&stored, &mut payload);
    }
    Ok(writer.push(&FlatRow {
        id: segment.id_of(ordinal)?,
        version: segment.version(ordinal)?,
        vectors: &vectors,
        payload: &payload,
    })?)
}

/// Vectors of some live rows of all sources; shape `[n, dim]`.
fn sample_segments(
    sources: &[LiveSegment],
    name: &VectorName,
    covered: SequenceNumber,
    step: usize,
) -> Result<Vec<f32>> {
    let mut sample = Vec::new();
    for live in sources {
        for row in (0..live.segment.rows()).step_by(step).map(Ordinal) {
            if !live.deaths.is_dead(row, covered) {
                sample.extend(live.segment.vector(name, row)?.unwrap_or_default());
            }
        }
    }
    Ok(sample)
}
