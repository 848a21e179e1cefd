//! Adding components to segments: graphs and field indexes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vectorizer_hnsw::{Basis, BuildError, Executor, Graph, HnswError, Host, Params, PartsError};
use vectorizer_memory::{AllocationGuard, Class};
use vectorizer_model::settings::{FieldIndexKind, HnswSettings, VectorSettings};
use vectorizer_model::{BudgetExceeded, CollectionSettings, KeyPath, SegmentId, VectorName};
use vectorizer_segment::{
    ComponentKind, ComponentRef, GraphFiles, PagedLinks, Segment, WRITE_GRAPH_BYTES,
    build_graph_in_parts, field_index_bytes, write_field_index, write_graph,
};

use vectorizer_vfs::Niceness;

use crate::error::Result;
use crate::flush::Version;
use crate::memtable::Memtable;
use crate::policy::Lane;
use crate::shard::Shard;
use crate::state::{LiveSegment, ShardState};
use crate::unpublished::Unpublished;

/// Seed of every graph: equal segments get equal graphs when one thread builds them.
const SEED: u64 = 0x5eed;
/// Bytes of a component whose code is one.
const FLOAT_BYTES: u64 = 4;

impl Shard {
    /// The vector names of a segment that want a graph and have none.
    pub(crate) fn missing_graphs(
        &self,
        segment: &Segment,
        settings: &CollectionSettings,
    ) -> Vec<(VectorName, HnswSettings)> {
        let small = segment.rows() < self.node.config.graph_rows_min;
        if small { Vec::new() } else { Self::lacking_graphs(segment, settings) }
    }

    /// As [`Self::missing_graphs`], were it large enough for them.
    pub(crate) fn lacking_graphs(
        segment: &Segment,
        settings: &CollectionSettings,
    ) -> Vec<(VectorName, HnswSettings)> {
        let wanting = |(name, vector): (&VectorName, &VectorSettings)| {
            let hnsw = vector.hnsw.unwrap_or(settings.hnsw);
            let wants = hnsw.m > 0 && segment.has_codes(name) && !segment.has_graph(name);
            wants.then(|| (name.clone(), hnsw))
        };
        settings.vectors.iter().filter_map(wanting).collect()
    }

    /// Bytes of vectors in rows that wait for a graph; none if they are too few for one.
    pub(crate) fn unindexed_bytes(&self, state: &ShardState) -> u64 {
        let segments = state.segments.iter().map(|live| &live.segment);
        let lacking = segments.filter(|s| !Self::lacking_graphs(s, &state.settings).is_empty());
        let rows: u64 = lacking.map(|segment| u64::from(segment.rows())).sum();
        if rows < u64::from(self.node.config.graph_rows_min) {
            return 0;
        }
        rows * Memtable::row_bytes(&state.settings)
    }

    /// Bytes that the draft of a graph takes at most when these segments are written as one; none if
    /// there is memory to build all of them at once.
    ///
    /// # Errors
    /// [`HnswError::Budget`]: there is too little even for a build in parts, and nothing should be
    /// written.
    pub(crate) fn merged_draft_bytes(
        &self,
        sources: &[LiveSegment],
        settings: &CollectionSettings,
        memory: &AllocationGuard,
    ) -> Result<u64> {
        let live = |live: &LiveSegment| live.segment.rows().saturating_sub(live.deaths.count());
        let rows = sources.iter().map(live).fold(0, u32::saturating_add);
        let needed = u64::from(rows) * build_bytes_per_row(settings);
        if rows < self.node.config.graph_rows_min || needed <= memory.estimate() {
            return Ok(0);
        }
        let available = memory.estimate().saturating_sub(memory.used());
        let mut most = 0;
        for (name, vector) in &settings.vectors {
            let hnsw = vector.hnsw.unwrap_or(settings.hnsw);
            let coded = sources.iter().find(|live| live.segment.has_codes(name));
            let Some(coded) = coded.filter(|_| hnsw.m > 0) else { continue };
            let host = (&params_of(&hnsw), self.node.config.build_threads);
            let Some(plan) = coded.segment.plan_graph((name, rows), available, host) else {
                let refusal = BudgetExceeded { requested: needed, available };
                return Err(HnswError::Budget(refusal).into());
            };
            most = most.max(plan.draft_bytes());
        }
        Ok(most)
    }

    /// Builds and writes one graph of a segment, from that of some of its rows if there is one; in
    /// parts, and anew, if less was reserved than a build at once takes. None if the engine is
    /// closing or the shard is gone.
    pub(crate) fn build_graph(
        &self,
        segment: &Segment,
        (name, hnsw): &(VectorName, HnswSettings),
        basis: Option<Basis<'_, PagedLinks<'_>>>,
        (files, means): (&mut Unpublished<'_>, Means<'_>),
    ) -> Result<Option<ComponentRef>> {
        let Means { pace, memory, .. } = means;
        let params = params_of(hnsw);
        let (inserted, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let code_bytes = segment.code_bytes(name).unwrap_or(0);
        let row_bytes = code_bytes / u64::from(segment.rows().max(1));
        let cancelled = || {
            if pace.lane == Lane::Settled {
                self.node.give_way();
            } else {
                let now = inserted.load(Ordering::Relaxed);
                let since = now.saturating_sub(told.fetch_max(now, Ordering::Relaxed));
                self.node.backlog.linked(since as u64 * row_bytes * FLOAT_BYTES);
            }
            self.is_dropped() || self.node.is_closing()
        };
        let workers = self.node.config.build_threads;
        let host = Host {
            executor: &BuildThreads { workers, niceness: pace.niceness },
            cancelled: &cancelled,
            inserted: &inserted,
            hint: vectorizer_kernels::prefetch,
        };
        let needed = u64::from(segment.rows()) * build_bytes_per_row(&self.state().settings);
        let mut budget = memory.draw(0)?;
        // What was reserved is all that the build may take.
        if needed <= memory.estimate() && budget.try_grow(code_bytes + WRITE_GRAPH_BYTES).is_ok() {
            let Some(codes) = segment.load_codes(name)? else { return Ok(None) };
            match vectorizer_hnsw::build_on(&codes, basis, &params, host, &mut budget) {
                Err(BuildError::Hnsw(HnswError::Budget(_))) => {}
                Err(BuildError::Hnsw(HnswError::Cancelled)) => return Ok(None),
                Err(BuildError::Hnsw(error)) => return Err(error.into()),
                Err(BuildError::Links(error)) => return Err(error.into()),
                Ok(graph) => {
                    let head = segment.record().head(ComponentKind::Graph, &name.0);
                    let file = files.allocate(1);
                    return Ok(Some(write_graph(&*self.directory, head, file, &graph)?));
                }
            }
        }
        drop(budget);
        self.build_graph_in_parts((segment, name), (&params, needed), host, (files, means))
    }

    /// As [`Self::build_graph`], within the memory that was reserved and is not in use.
    fn build_graph_in_parts(
        &self,
        (segment, name): (&Segment, &VectorName),
        (params, needed): (&Params, u64),
        host: Host<'_>,
        (files, means): (&mut Unpublished<'_>, Means<'_>),
    ) -> Result<Option<ComponentRef>> {
        let Means { memory, draft_bytes, .. } = means;
        let available = memory.estimate().saturating_sub(memory.used());
        let workers = host.executor.workers();
        let of = (name, segment.rows());
        let Some(plan) = segment.plan_graph(of, available, (params, workers)) else {
            let refusal = BudgetExceeded { requested: needed, available };
            return Err(HnswError::Budget(refusal).into());
        };
        let more = plan.draft_bytes() > draft_bytes;
        let take = || crate::room::take_for_draft(self, plan.draft_bytes());
        let _room = more.then(take).transpose()?;
        let first = files.allocate(2);
        let files = GraphFiles { graph: first, draft: first + 1 };
        let mut budget = memory.draw(0)?;
        let of = (segment, name);
        let built = build_graph_in_parts(&*self.directory, of, files, (&plan, host), &mut budget);
        match built {
            Ok(graph) => Ok(Some(graph)),
            Err(PartsError::Hnsw(HnswError::Cancelled)) => Ok(None),
            Err(PartsError::Hnsw(error)) => Err(error.into()),
            Err(PartsError::Workshop(error)) => Err(error.into()),
        }
    }

    /// The fields that are indexed by the settings but not in a segment.
    pub(crate) fn missing_indexes(
        segment: &Segment,
        settings: &CollectionSettings,
    ) -> Vec<(KeyPath, FieldIndexKind)> {
        let has = |key: &KeyPath, kind: FieldIndexKind| {
            segment.indexes().get(key).is_some_and(|index| index.kind() == kind)
        };
        let wanted = settings.field_indexes.iter();
        wanted.filter(|(k, v)| !has(k, **v)).map(|(k, v)| (k.clone(), *v)).collect()
    }

    /// About what the largest of these indexes takes while it is built over the rows of all these
    /// segments.
    pub(crate) fn index_bytes<'k>(
        &self,
        segments: &[&Segment],
        wanted: impl IntoIterator<Item = (&'k KeyPath, FieldIndexKind)>,
    ) -> Result<u64> {
        let mut budget = self.reserve(Class::Builds, 0)?;
        let mut most = 0;
        for (key, kind) in wanted {
            let mut bytes = 0_u64;
            for segment in segments {
                let built = segment.indexes().get(key).filter(|index| index.kind() == kind);
                let of_segment = match built {
                    Some(index) => index.build_bytes(),
                    None => field_index_bytes(segment, key, kind, &mut budget)?,
                };
                bytes = bytes.saturating_add(of_segment);
            }
            most = most.max(bytes);
        }
        Ok(most)
    }

    /// Builds and writes the index of one field of a segment.
    pub(crate) fn build_index(
        &self,
        (segment, settings): (&Segment, &CollectionSettings),
        (key, kind): (&KeyPath, FieldIndexKind),
        files: &mut Unpublished<'_>,
        memory: &AllocationGuard,
    ) -> Result<ComponentRef> {
        let mut budget = memory.draw(0)?;
        let file = files.allocate(1);
        Ok(write_field_index(&self.store(settings), segment, key, kind, (file, &mut budget))?)
    }

    /// Adds components to a live segment. Nothing happens if the segment is gone by now.
    pub(crate) fn publish_components(
        &self,
        id: SegmentId,
        added: &[ComponentRef],
        files: Unpublished<'_>,
    ) -> Result<()> {
        let _structure = self.lock_structure();
        let _applier = self.lock_applier();
        let _files = files;
        let state = self.state();
        let Some(at) = state.segments.iter().position(|live| live.segment.id() == id) else {
            return Ok(());
        };
        let mut segments = state.segments.clone();
        let live = &mut segments[at];
        let store = self.store(&state.settings);
        live.segment = Arc::new(live.segment.with_components(&store, added)?);
        self.commit_unmoved(segments)
    }

    /// Drops the indexes of fields that are no longer indexed, or indexed otherwise.
    pub(crate) fn drop_stale_indexes(&self) -> Result<()> {
        let _structure = self.lock_structure();
        let _applier = self.lock_applier();
        let state = self.state();
        let stale = |live: &LiveSegment| -> Vec<KeyPath> {
            let indexes = live.segment.indexes().iter();
            let unwanted =
                |key: &KeyPath, kind| state.settings.field_indexes.get(key) != Some(&kind);
            indexes.filter(|i| unwanted(i.key(), i.kind())).map(|i| i.key().clone()).collect()
        };
        if state.segments.iter().all(|live| stale(live).is_empty()) {
            return Ok(());
        }
        let segments = state
            .segments
            .iter()
            .map(|live| {
                let without = |segment: Segment, key: &KeyPath| segment.without_index(key);
                let segment = stale(live).iter().fold((*live.segment).clone(), without);
                LiveSegment { segment: Arc::new(segment), deaths: Arc::clone(&live.deaths) }
            })
            .collect();
        self.commit_unmoved(segments)
    }

    /// Stores other components for the rows that the manifest names already. The caller holds
    /// both locks.
    pub(crate) fn commit_unmoved(&self, segments: Vec<LiveSegment>) -> Result<()> {
        let state = self.state();
        let manifest = &state.manifest;
        let version = Version { applied: manifest.applied, settings: manifest.settings.clone() };
        self.commit_version(version, segments, |_| ())
    }
}

/// Bytes that building a graph and writing its rows take, by row.
pub(crate) fn build_bytes_per_row(settings: &CollectionSettings) -> u64 {
    const ROWS: usize = 1 << 16;
    /// The merged row's place, the order of insertion, and what the builders have visited.
    const BESIDES: u64 = 16;
    let of_vector = |vector: &VectorSettings| {
        let m = vector.hnsw.unwrap_or(settings.hnsw).m;
        u64::from(vector.dim) + Graph::bytes_needed(ROWS, m) / ROWS as u64
    };
    settings.vectors.values().map(of_vector).max().unwrap_or(0) + BESIDES
}

fn params_of(hnsw: &HnswSettings) -> Params {
    Params { m: hnsw.m, ef_construct: hnsw.ef_construct, seed: SEED }
}

/// What a piece of background work may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) pace: Pace,
    pub(crate) memory: &'a AllocationGuard,
    /// Room on the disk that is claimed for the draft of a graph already.
    pub(crate) draft_bytes: u64,
}

/// How much of the processor a piece of background work takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) niceness: Niceness,
    /// That of settled segments gives way to that of fresh rows.
    pub(crate) lane: Lane,
}

/// Runs a build on threads of its own, below the others' priority.
struct BuildThreads {
    workers: usize,
    niceness: Niceness,
}

impl Executor for BuildThreads {
    fn workers(&self) -> usize {
        self.workers
    }

    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for worker in 0..self.workers {
                scope.spawn(move || {
                    self.niceness.apply();
                    task(worker);
                });
            }
        });
    }
}
