//! What one request sees: the shard at one position of its history, unmoved by later writes.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use roaring::RoaringBitmap;
use vectorizer_hnsw::Scratch;
use vectorizer_kernels::normalise;
use vectorizer_memory::{AllocationGuard, Class, Drawn, Tenant};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{
    AllRows, CollectionSettings, Condition, Filter, Metric, Ordinal, Payload, PointId, Scored,
    Selection, SequenceNumber, VectorName,
};
use vectorizer_payload::{include_keys, matches};
use vectorizer_segment::{SegmentQuery, SegmentSearchError, Shortlist};

use crate::besides::Besides;
use crate::error::{EngineError, Result};
use crate::executor::TaskQueue;
use crate::identity::{SegmentKey, ViewIdentity};
use crate::leaf::{Hit, LeafSearch, PayloadSelector, Record, SearchParams, Select, VectorSelector};
use crate::locate::locate_in_segments;
use crate::memtable::{Memtable, RowView, payload_bytes};
use crate::memtable_scan::MemtableScan;
use crate::nearest::NearestHits;
use crate::row_caches::RowCaches;
use crate::selection::RowSelection;
use crate::shard::Shard;
use crate::state::{LiveSegment, ShardState};

/// Candidates of a graph search, unless the request says otherwise.
const EF_MIN: usize = 96;
/// Candidates of a graph search in a segment that holds few of the rows.
const EF_PART_MIN: usize = 16;
/// Standard deviations by which a segment may hold more of the nearest rows than its share.
const SPREAD: f32 = 1.25;
/// Candidates that are rescored, as a multiple of the limit, unless the request says otherwise.
const OVERSAMPLING: f32 = 3.0;

/// Bytes of the lists of one step: pages to read, and those pinned meanwhile.
pub(crate) const STEP_BYTES: u64 = 16 << 10;
/// Records whose payloads are read side by side.
const STEP_RECORDS: usize = 64;

/// A shard as one request sees it.
#[derive(Debug, Clone)]
pub struct ReadView {
    shard: Arc<Shard>,
    pub(crate) state: Arc<ShardState>,
    seq: SequenceNumber,
    guard: Option<AllocationGuard>,
    /// Whether caches are asked and filled.
    cached: bool,
}

/// What the searches of a view's segments share.
struct SearchWork<'a> {
    scratch: &'a mut Scratch,
    shortlist: Shortlist,
    besides: Besides,
}

/// Where a visible row lies.
pub(crate) enum Place<'a> {
    Memtable(&'a Memtable, u32),
    Segment(&'a LiveSegment, Ordinal),
}

impl ReadView {
    pub(crate) fn new(shard: Arc<Shard>, state: Arc<ShardState>, seq: SequenceNumber) -> Self {
        Self { shard, state, seq, guard: None, cached: true }
    }

    /// The same past the caches of payloads and predicates: its answers are the same.
    #[must_use]
    pub fn uncached(mut self) -> Self {
        self.cached = false;
        self
    }

    /// The same, drawing on the memory of an operation.
    #[must_use]
    pub fn with_guard(mut self, guard: AllocationGuard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// The position that it shows.
    pub fn seq(&self) -> SequenceNumber {
        self.seq
    }

    /// The settings at that position.
    pub fn settings(&self) -> &Arc<CollectionSettings> {
        &self.state.settings
    }

    pub(crate) fn state(&self) -> &ShardState {
        &self.state
    }

    pub(crate) fn row_caches(&self) -> Option<&RowCaches> {
        self.cached.then(|| &self.shard.node.row_caches)
    }

    pub(crate) fn segment_key(&self, live: &LiveSegment) -> SegmentKey {
        SegmentKey { shard: self.shard.id.0, segment: live.segment.id().0 }
    }

    /// What it shows: two views of the same identity give the same answers.
    pub fn identity(&self) -> ViewIdentity {
        let (shard, version) = (self.shard.id.0, self.state.manifest.version);
        ViewIdentity { shard, version, seq: self.seq.0 }
    }

    /// Who pays for what is done with it: the tenant of its operation, or the collection's owner if
    /// it has none.
    pub fn tenant(&self) -> &Tenant {
        self.guard.as_ref().map_or(&self.shard.tenant, |guard| &guard.operation().tenant)
    }

    /// Where what is done with it waits.
    pub fn queue(&self) -> TaskQueue {
        TaskQueue { tenant: self.tenant().clone(), collection: u64::from(self.shard.id.0) }
    }

    /// Takes bytes into use for the time of a request: those of its operation, or of the governor
    /// if it has none.
    ///
    /// # Errors
    /// [`EngineError::Memory`].
    pub fn reserve(&self, bytes: u64) -> Result<Drawn> {
        if let Some(guard) = &self.guard {
            return Ok(guard.draw(bytes)?);
        }
        let governor = &self.shard.node.governor;
        Ok(governor.reserve(Class::Operations, self.tenant(), bytes)?.into())
    }

    /// Rows that are there or were, dead ones included.
    pub fn rows(&self) -> usize {
        let segments = self.state.segments.iter().map(|live| live.segment.rows() as usize);
        segments.chain(self.memtables().map(|memtable| memtable.rows() as usize)).sum()
    }

    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Memtable> {
        let frozen = self.state.frozen.iter().map(|frozen| &*frozen.memtable);
        std::iter::once(&*self.state.active).chain(frozen)
    }

    /// The segment's rows whose payload changed after its indexes were built.
    pub(crate) fn changed_rows(&self, live: &LiveSegment) -> Option<RoaringBitmap> {
        let mut changed: Option<RoaringBitmap> = live.segment.patched().cloned();
        for memtable in self.memtables() {
            let rows = memtable.patched_rows(live.segment.id(), self.seq);
            if !rows.is_empty() {
                changed.get_or_insert_default().extend(rows.iter().map(|row| row.0));
            }
        }
        changed
    }

    fn version_of(&self, live: &LiveSegment, ordinal: Ordinal) -> Result<SequenceNumber> {
        let id = live.segment.id();
        let patch = self.memtables().find_map(|table| table.find_patch(id, ordinal, self.seq));
        patch.map_or_else(|| Ok(live.segment.version(ordinal)?), |patch| Ok(patch.seq))
    }

    pub(crate) fn locate(&self, id: PointId) -> Result<Option<Place<'_>>> {
        for memtable in self.memtables() {
            if let Some(row) = memtable.find(id, self.seq) {
                return Ok(Some(Place::Memtable(memtable, row)));
            }
        }
        let found = locate_in_segments(&self.state.segments, id, self.seq)?;
        Ok(found.map(|(at, ordinal)| Place::Segment(&self.state.segments[at], ordinal)))
    }

    /// Runs `visit` on every visible memtable row that the filter admits.
    pub(crate) fn for_each_memtable_row(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(&RowView<'_>),
    ) {
        for memtable in self.memtables() {
            for (_, chunk) in memtable.chunks() {
                let chunk = chunk.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                let visible = chunk.rows().filter(|row| row.is_visible(self.seq));
                visible
                    .filter(|row| filter.is_empty() || matches(filter, row.id, row.payload()))
                    .for_each(|row| visit(&row));
            }
        }
    }

    /// The ids that a selector names. Those of a filter that lists ids, as the log's entries do,
    /// are judged one by one, which takes no memory: so applying cannot be refused.
    ///
    /// # Errors
    /// If a page cannot be read; for a filter that lists none, if memory is short.
    pub(crate) fn resolve<'b>(&self, points: &'b PointSelector) -> Result<Cow<'b, [PointId]>> {
        match points {
            PointSelector::Ids(ids) => Ok(Cow::Borrowed(ids)),
            PointSelector::Filter(filter) => {
                let listed = filter.must.iter().find_map(|condition| {
                    if let Condition::HasId(ids) = condition { Some(ids) } else { None }
                });
                let Some(listed) = listed else {
                    return Ok(Cow::Owned(self.matching_ids(filter)?));
                };
                let mut ids = Vec::with_capacity(listed.len());
                for &id in listed {
                    if self.admits(filter, id)? {
                        ids.push(id);
                    }
                }
                Ok(Cow::Owned(ids))
            }
        }
    }

    /// Whether a point is there and satisfies a filter.
    fn admits(&self, filter: &Filter, id: PointId) -> Result<bool> {
        Ok(match self.locate(id)? {
            None => false,
            Some(Place::Memtable(memtable, row)) => {
                memtable.with_row(row, |row| matches(filter, id, row.payload())).unwrap_or(false)
            }
            Some(Place::Segment(live, ordinal)) => {
                matches(filter, id, &*self.payload_of(live, ordinal)?)
            }
        })
    }

    /// The ids that a filter admits, ascending.
    ///
    /// # Errors
    /// If memory is short or a page cannot be read.
    pub fn matching_ids(&self, filter: &Filter) -> Result<Vec<PointId>> {
        let _held = self.reserve(self.rows() as u64 * size_of::<PointId>() as u64)?;
        let mut ids = Vec::new();
        self.for_each_memtable_row(filter, |row| ids.push(row.id));
        let mut besides = Besides::some();
        for live in &self.state.segments {
            let mut selection = RowSelection::new(self, live, filter, None, &mut besides)?;
            let (mut from, end) = (Ordinal(0), Ordinal(live.segment.rows()));
            while let Some(row) = selection.next(from, end)? {
                ids.push(live.segment.id_of(row)?);
                from = Ordinal(row.0 + 1);
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// How many points there are.
    pub(crate) fn points(&self) -> u64 {
        let live = |live: &LiveSegment| {
            u64::from(live.segment.rows()) - u64::from(live.deaths.count_at(self.seq))
        };
        let mut count = self.state.segments.iter().map(live).sum();
        self.for_each_memtable_row(&Filter::default(), |_| count += 1);
        count
    }

    /// How many points a filter admits.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        if filter.is_empty() {
            return Ok(self.points());
        }
        let mut count = 0;
        self.for_each_memtable_row(filter, |_| count += 1);
        let mut besides = Besides::some();
        for live in &self.state.segments {
            let mut selection = RowSelection::new(self, live, filter, None, &mut besides)?;
            let (mut from, end) = (Ordinal(0), Ordinal(live.segment.rows()));
            while let Some(row) = selection.next(from, end)? {
                count += 1;
                from = Ordinal(row.0 + 1);
            }
        }
        Ok(count)
    }

    /// The points that exist among those asked for, in that order.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn records(&self, ids: &[PointId], select: &Select) -> Result<Vec<Record>> {
        let mut held = self.reserve(STEP_BYTES)?;
        let mut records = Vec::with_capacity(ids.len());
        for ids in ids.chunks(STEP_RECORDS) {
            self.add_records(ids, select, (&mut held, &mut records))?;
        }
        Ok(records)
    }

    fn add_records(
        &self,
        ids: &[PointId],
        select: &Select,
        (held, records): (&mut Drawn, &mut Vec<Record>),
    ) -> Result<()> {
        let places: Vec<_> = ids.iter().map(|id| self.locate(*id)).collect::<Result<_>>()?;
        if select.payload != PayloadSelector::Nothing {
            self.prefetch_payloads(&places);
        }
        for (&id, place) in ids.iter().zip(places) {
            let before = records.len();
            match place {
                None => {}
                Some(Place::Memtable(memtable, row)) => {
                    let columns = memtable.columns();
                    records.extend(memtable.with_row(row, |row| {
                        Record {
                            id,
                            version: row.seq,
                            payload: select.payload.of(|| Arc::new(row.payload().clone())),
                            vectors: (0..)
                                .zip(columns.iter())
                                .filter(|(_, shape)| select.vectors.wants(&shape.name))
                                .filter_map(|(at, shape)| {
                                    Some((shape.name.clone(), row.vector(at)?.to_vec()))
                                })
                                .collect(),
                        }
                    }));
                }
                Some(Place::Segment(live, ordinal)) => {
                    records.push(self.segment_record(live, ordinal, id, select)?);
                }
            }
            let added = records.get(before..).unwrap_or_default().iter();
            for payload in added.filter_map(|record: &Record| record.payload.as_deref()) {
                held.try_grow(payload_bytes(payload))?;
            }
        }
        Ok(())
    }

    fn segment_record(
        &self,
        live: &LiveSegment,
        ordinal: Ordinal,
        id: PointId,
        select: &Select,
    ) -> Result<Record> {
        let wanted = select.payload != PayloadSelector::Nothing;
        let payload = wanted.then(|| self.payload_of(live, ordinal)).transpose()?;
        let mut vectors = Vec::new();
        for name in self.state.settings.vectors.keys() {
            if select.vectors.wants(name)
                && let Some(vector) = live.segment.vector(name, ordinal)?
            {
                vectors.push((name.clone(), vector));
            }
        }
        Ok(Record {
            id,
            version: self.version_of(live, ordinal)?,
            payload: payload.and_then(|payload| select.payload.of(|| payload)),
            vectors,
        })
    }

    /// Bytes that [`ReadView::search`] may make of its scratch.
    pub fn scratch_bytes(&self, search: &LeafSearch) -> u64 {
        let (ef, rescored) = effort(&search.params, search.limit, 1.0);
        let ef = SegmentQuery::candidates_max(ef.max(rescored).max(search.limit));
        let walked = |live: &&LiveSegment| live.segment.has_graph(&search.vector);
        let rows = self.state.segments.iter().filter(walked).map(|live| live.segment.rows());
        rows.max().map_or(0, |rows| Scratch::bytes_needed(rows as usize, ef))
    }

    /// The points nearest to a vector, nearest first, ties by id. The caller holds
    /// [`ReadView::scratch_bytes`] for the scratch.
    ///
    /// # Errors
    /// [`EngineError::VectorNotFound`], [`EngineError::DimensionMismatch`],
    /// [`EngineError::Memory`], or if a page cannot be read.
    pub fn search(&self, search: &LeafSearch, scratch: &mut Scratch) -> Result<Vec<Hit>> {
        let settings = self.vector_settings(&search.vector)?;
        if search.query.len() != settings.dim as usize {
            return Err(EngineError::DimensionMismatch {
                expected: settings.dim as usize,
                found: search.query.len(),
            });
        }
        // Candidates on their way through the heaps of the memtables and of one segment.
        let candidates = self.candidates(&search.params, search.limit);
        let _held = self.reserve(self.search_bytes(candidates, settings.dim))?;
        let shortlist = Shortlist::new(candidates);
        let mut query = search.query.clone();
        if settings.metric == Metric::Cosine {
            normalise(&mut query);
        }
        let mut nearest = NearestHits::new(search.limit, search.distance_below);
        let indexed_only = search.params.indexed_only;
        let wanted = |live: &&LiveSegment| !indexed_only || live.segment.has_graph(&search.vector);
        // What the largest holds shortens the search of the others most.
        let mut segments: Vec<&LiveSegment> = self.state.segments.iter().filter(wanted).collect();
        segments.sort_by_key(|live| Reverse(live.segment.rows()));
        let mut work = SearchWork { scratch, shortlist, besides: Besides::some() };
        for live in segments {
            let found = self.search_segment(live, search, &query, &mut work)?;
            for scored in found {
                if nearest.admits(scored.distance) {
                    nearest.push(scored.distance, live.segment.id_of(scored.ordinal)?);
                }
            }
        }
        if !indexed_only {
            let scan = MemtableScan::new(search, settings, &query, candidates);
            scan.run(self.memtables(), self.seq, work.shortlist.within(), &mut nearest);
        }
        Ok(nearest.into_sorted())
    }

    /// The part of all segments' rows that one holds.
    fn share_of(&self, live: &LiveSegment) -> f32 {
        let rows: u64 = self.state.segments.iter().map(|live| u64::from(live.segment.rows())).sum();
        live.segment.rows() as f32 / rows.max(1) as f32
    }

    fn vector_settings(&self, name: &VectorName) -> Result<&VectorSettings> {
        let found = self.state.settings.vectors.get(name);
        found.ok_or_else(|| EngineError::VectorNotFound { name: name.to_string() })
    }

    fn search_segment(
        &self,
        live: &LiveSegment,
        search: &LeafSearch,
        query: &[f32],
        work: &mut SearchWork<'_>,
    ) -> Result<Vec<Scored>> {
        let SearchWork { scratch, shortlist, besides } = work;
        // What a filter admits may all lie in one segment, as the rows of a tenant do.
        let share = if search.filter.is_empty() { self.share_of(live) } else { 1.0 };
        let (ef, rescored) = effort(&search.params, search.limit, share);
        let query = SegmentQuery {
            vector: &search.vector,
            query,
            limit: search.limit,
            ef,
            rescored,
            exact: search.params.exact,
        };
        let everything = search.filter.is_empty()
            && live.deaths.count() == 0
            && live.segment.is_complete(&search.vector);
        if everything {
            let rows = u64::from(live.segment.rows());
            let found = live.segment.search(&query, &mut AllRows { rows }, (scratch, shortlist));
            return found.map_err(|error| match error {
                SegmentSearchError::Segment(error) => error.into(),
                SegmentSearchError::Selection(never) => match never {},
            });
        }
        let vector = Some(&search.vector);
        let mut selection = RowSelection::new(self, live, &search.filter, vector, besides)?;
        let found = live.segment.search(&query, &mut selection, (scratch, shortlist));
        found.map_err(|error| match error {
            SegmentSearchError::Segment(error) => error.into(),
            SegmentSearchError::Selection(error) => error,
        })
    }
}

/// Candidates of a graph search, and how many of all are rescored, in a segment that holds
/// `share` of the rows.
///
/// Of `n` nearest rows a segment is expected to hold `n * share`. With [`SPREAD`] standard
/// deviations more, rows in one segment or in eight are found as often (on 200k x 128: recall@10
/// 0.9906 in one, 0.9906 in three, 0.9896 in eight).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits are bounded, and a multiple below one is raised to one"
)]
pub(crate) fn effort(params: &SearchParams, limit: usize, share: f32) -> (usize, usize) {
    let oversampling = params.oversampling.unwrap_or(OVERSAMPLING).max(1.0);
    let candidates = (limit as f32 * oversampling).ceil() as usize;
    let rescored = if params.rescore.unwrap_or(true) { candidates } else { 0 };
    let whole = EF_MIN.max(candidates) as f32;
    let spread = SPREAD * (share * (1.0 - share) / limit.max(1) as f32).sqrt();
    let part = (whole * (share + spread).min(1.0)).ceil() as usize;
    (params.ef.unwrap_or_else(|| part.max(EF_PART_MIN).max(limit)), rescored)
}

impl PayloadSelector {
    fn of(&self, payload: impl FnOnce() -> Arc<Payload>) -> Option<Arc<Payload>> {
        match self {
            Self::Nothing => None,
            Self::Everything => Some(payload()),
            Self::Include(paths) => Some(Arc::new(include_keys(&payload(), paths))),
            Self::Exclude(paths) => {
                let mut kept = (*payload()).clone();
                vectorizer_payload::delete_keys(&mut kept, paths);
                Some(Arc::new(kept))
            }
        }
    }
}

impl VectorSelector {
    fn wants(&self, name: &VectorName) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Names(names) => names.contains(name),
        }
    }
}
