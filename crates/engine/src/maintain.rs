//! Background work on segments: merges, graphs and field indexes, in two lanes, so that rows just
//! written get a graph while large segments are rewritten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vectorizer_memory::{AllocationGuard, Class, OperationId, OperationKind};
use vectorizer_model::{CollectionSettings, SegmentId};
use vectorizer_segment::ComponentKind;
use vectorizer_vfs::Niceness;

use crate::background::{TICK, Watches};
use crate::build::{Means, Pace, build_bytes_per_row};
use crate::busy::Held;
use crate::engine::{Inner, lock};
use crate::error::{EngineError, Result};
use crate::manifest::Manifest;
use crate::memtable::Memtable;
use crate::node::report;
use crate::policy::{Choice, Lane, PolicyConfig, SegmentSummary, ShardSummary, choose};
use crate::shard::Shard;
use crate::state::ShardState;
use crate::unpublished::Unpublished;

/// Of the bytes that can be had, a build may plan with this part: searches keep frames, and what
/// else comes meanwhile needs room too.
const BUILD_SHARE: (u64, u64) = (3, 8);

/// A graph may be built in parts within a sixth of what it takes at once, but not in less than this:
/// with less, graphs of clustered vectors find up to four percent less.
const PARTS: u64 = 6;
const PARTS_BYTES_MIN: u64 = 4 << 20;

/// Bytes that a build reserves which takes `wanted` at once, where builds may plan with `share` and
/// one may hold `most`: all, if it can be had without much harm to others; else the share, for a
/// build in parts; and all if that is too little even for those, which is refused.
fn build_bytes(wanted: u64, share: u64, most: u64) -> u64 {
    let share = share.min(most);
    let in_parts = share >= PARTS_BYTES_MIN && wanted <= share.saturating_mul(PARTS);
    if wanted > share.saturating_mul(2).min(most) && in_parts { share } else { wanted }
}

/// Of its time a builder that finds nothing to do spends this part looking.
const LOOKING_PART: u32 = 10;

/// A backlog of this many flushes has a claim to the processor beside the searches, which it slows.
const BACKLOG_FLUSHES: u64 = 8;
/// One of this many has an equal claim.
const URGENT_FLUSHES: u64 = 64;

/// So many segments have a claim too: where all cores are busy they would become more for ever.
const MANY_SEGMENTS: u64 = 16;
/// So many have an equal claim.
const TOO_MANY_SEGMENTS: u64 = 48;

/// Work on this part of the limit, or less, goes on when memory is nearly full.
const LITTLE_WORK_PART: u64 = 64;
/// Bytes of a row's place after a merge.
const MAP_BYTES: u64 = 4;

/// How far a lane's next work lets searches go first, where the node's backlog is that part of its
/// bound. Where writes will soon wait for graphs it does not: the work may take long, and can't
/// change its claim on the way.
fn niceness(shard: &ShardSummary, lane: Lane, backlog: f64) -> Niceness {
    let node = match lane {
        Lane::Fresh if backlog >= 0.5 => Niceness::Long,
        Lane::Fresh if backlog >= 0.25 => Niceness::Low,
        Lane::Fresh | Lane::Settled => Niceness::Idle,
    };
    if node != Niceness::Idle {
        return node;
    }
    let (waiting, claim, equal) = match lane {
        Lane::Fresh => {
            let fresh = shard.segments.iter().filter(|s| !s.indexed);
            let backlog: u64 = fresh.map(|s| u64::from(s.rows)).sum();
            let flushes = backlog / u64::from(shard.config.flush_rows.max(1));
            (flushes, BACKLOG_FLUSHES, URGENT_FLUSHES)
        }
        Lane::Settled => (shard.segments.len() as u64, MANY_SEGMENTS, TOO_MANY_SEGMENTS),
    };
    if waiting >= equal {
        Niceness::Long
    } else if waiting >= claim {
        Niceness::Low
    } else {
        Niceness::Idle
    }
}

/// Runs work on a thread of its own, which alone becomes as nice: there is no way back.
fn run_at<T: Send>(niceness: Niceness, work: impl FnOnce() -> T + Send) -> T {
    let run = move || {
        niceness.apply();
        work()
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The next work of a lane on a shard.
struct Task<'s> {
    choice: Choice,
    pace: Pace,
    held: Held<'s>,
}

impl Inner {
    pub(crate) fn run_builder(&self, lane: Lane) {
        let mut watches = Watches::default();
        let mut worked = false;
        let mut looked = Duration::ZERO;
        while !self.node.is_closing() {
            if !worked {
                self.build[lane.index()].wait(TICK);
                // Looking at thousands takes time, and flushes of each of them ask for it.
                std::thread::sleep(TICK.min(looked * LOOKING_PART));
            }
            let began = Instant::now();
            let open = self.collections.open();
            watches.retain(&open);
            worked = false;
            for collection in open.iter().take_while(|_| !self.node.is_closing()) {
                let Some(shard) = collection.shard() else { continue };
                let idle = watches.is_idle(&shard);
                match self.maintain(&shard, lane, idle) {
                    Ok(done) => {
                        worked |= done;
                        if !done {
                            shard.note_put_off(lane, None);
                        }
                    }
                    Err(error) => {
                        if !shard.is_dropped() && shard.note_put_off(lane, Some(&error)) {
                            report("background work is put off", &error);
                        }
                    }
                }
            }
            looked = began.elapsed();
            if worked {
                // What this lane made may be work for the other.
                self.raise_builders();
            }
        }
    }

    pub(crate) fn raise_builders(&self) {
        self.build.iter().for_each(crate::background::Signal::raise);
    }

    /// Does the next piece of a lane's work on a shard. False if there is none.
    fn maintain(&self, shard: &Arc<Shard>, lane: Lane, idle: bool) -> Result<bool> {
        let _alone = shard.lock_lane(lane);
        self.work(shard, lane, idle)
    }

    fn work(&self, shard: &Arc<Shard>, lane: Lane, idle: bool) -> Result<bool> {
        if shard.is_dropped() {
            return Ok(false);
        }
        shard.check_stands()?;
        let mut indexed = Ok(false);
        if lane == Lane::Fresh {
            shard.drop_stale_indexes()?;
            // An index that is refused keeps no rows from their graph.
            indexed = self.add_indexes(shard, &shard.state());
            if matches!(indexed, Ok(true)) {
                return indexed;
            }
        }
        let Some(task) = self.take(shard, lane, idle) else { return indexed };
        let done = self.admit_build(shard, &task.choice).and_then(|memory| {
            let Some(memory) = memory else { return Ok(false) };
            let _first = (lane == Lane::Fresh).then(|| self.node.go_first());
            self.carry_out(shard, &task, &memory)
        });
        if let Some(file) = done.as_ref().err().and_then(EngineError::damaged_file) {
            // Trying again would only read the same bytes again.
            let state = shard.state();
            task.held.keep(|id| holds_file(&state, id, file));
        }
        done.and_then(|done| if done { Ok(true) } else { indexed })
    }

    /// Does the heavy part on threads that let others go first, and publishes from this one: no
    /// such thread may hold a lock that others wait for.
    fn carry_out(
        &self,
        shard: &Arc<Shard>,
        task: &Task<'_>,
        memory: &AllocationGuard,
    ) -> Result<bool> {
        let means = Means { pace: task.pace, memory, draft_bytes: 0 };
        match &task.choice {
            Choice::Rest => Ok(false),
            Choice::Merge(segments) => {
                let merged = run_at(task.pace.niceness, || shard.merge(segments, means))?;
                merged.map(|merged| shard.publish_merge(merged)).transpose()?;
                Ok(!self.node.is_closing())
            }
            Choice::Index(id) => {
                let state = shard.state();
                let live = state.segments.iter().find(|live| live.segment.id() == *id);
                let Some(live) = live else { return Ok(false) };
                for wanted in shard.missing_graphs(&live.segment, &state.settings) {
                    let mut files = Unpublished::new(shard);
                    let build =
                        || shard.build_graph(&live.segment, &wanted, None, (&mut files, means));
                    match run_at(task.pace.niceness, build)? {
                        Some(graph) => shard.publish_components(*id, &[graph], files)?,
                        None => return Ok(false),
                    }
                }
                Ok(true)
            }
        }
    }

    /// Chooses the lane's next piece of work among the segments that are not busy, and makes its
    /// segments busy.
    fn take<'s>(&self, shard: &'s Shard, lane: Lane, idle: bool) -> Option<Task<'s>> {
        shard
            .busy
            .take(|busy| {
                let mut summary = self.summarise(&shard.state(), idle);
                summary.segments.retain(|segment| !busy.contains(&segment.id));
                let choice = choose(&summary, lane);
                let segments = match &choice {
                    Choice::Rest => return None,
                    Choice::Index(id) => vec![*id],
                    Choice::Merge(ids) => ids.clone(),
                };
                let pace =
                    Pace { niceness: niceness(&summary, lane, self.node.backlog.fullness()), lane };
                Some((segments, (choice, pace)))
            })
            .map(|(held, (choice, pace))| Task { choice, pace, held })
    }

    /// Works until every shard is at rest.
    pub(crate) fn settle(&self) -> Result<()> {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.iter().try_for_each(|collection| self.opened(collection).map(|_| ()))?;
        for collection in self.collections.open() {
            let Some(shard) = collection.shard() else { continue };
            let _fresh = shard.lock_lane(Lane::Fresh);
            let _settled = shard.lock_lane(Lane::Settled);
            while self.work(&shard, Lane::Fresh, true)? || self.work(&shard, Lane::Settled, true)? {
            }
        }
        Ok(())
    }

    /// Whether a shard that nobody writes to has work waiting.
    pub(crate) fn waits_for_work(&self, state: &ShardState) -> bool {
        let indexes = |live: &crate::state::LiveSegment| {
            let covered = live.segment.indexes().iter();
            let wanted = &state.settings.field_indexes;
            !Shard::missing_indexes(&live.segment, &state.settings).is_empty()
                || covered.into_iter().any(|index| wanted.get(index.key()) != Some(&index.kind()))
        };
        let summary = self.summarise(state, true);
        state.segments.iter().any(indexes)
            || Lane::ALL.into_iter().any(|lane| choose(&summary, lane) != Choice::Rest)
    }

    /// Whether a shard that is closed has work waiting, as far as its manifest tells: which rows are
    /// dead or patched is seen when it is opened.
    pub(crate) fn manifest_waits(&self, manifest: &Manifest, backlog_rows: u64) -> bool {
        let settings = &manifest.settings;
        let indexes = |record: &vectorizer_segment::SegmentRecord| {
            let kept = record.components.iter().filter(|c| c.kind == ComponentKind::FieldIndex);
            kept.count() != settings.field_indexes.len()
        };
        let summarise = |record: &vectorizer_segment::SegmentRecord| SegmentSummary {
            id: record.id,
            rows: record.rows,
            dead: 0,
            patched: 0,
            indexed: true,
        };
        let segments = manifest.segments.iter().map(summarise).collect();
        let summary = ShardSummary { segments, idle: true, config: self.policy(settings) };
        backlog_rows > 0
            || manifest.segments.iter().any(indexes)
            || Lane::ALL.into_iter().any(|lane| choose(&summary, lane) != Choice::Rest)
    }

    /// The bounds of the choice of background work.
    fn policy(&self, settings: &CollectionSettings) -> PolicyConfig {
        let config = &self.node.config;
        let row_bytes = Memtable::row_bytes(settings).max(1);
        let rows_in = |bytes: u64, row_bytes: u64| {
            u32::try_from(bytes / row_bytes).unwrap_or(u32::MAX).min(config.merged_rows_max)
        };
        let most = self.node.guard.limits().max_of(OperationKind::Build);
        let (share, linking) = (self.build_share().min(most), build_bytes_per_row(settings));
        let parts = if share < PARTS_BYTES_MIN { 1 } else { PARTS };
        PolicyConfig {
            graph_rows_min: config.graph_rows_min,
            flush_rows: u32::try_from(config.memtable_bytes / row_bytes).unwrap_or(u32::MAX),
            at_once_rows_max: rows_in(share, linking),
            merged_rows_max: rows_in(share.saturating_mul(parts), linking),
        }
    }

    fn summarise(&self, state: &ShardState, idle: bool) -> ShardSummary {
        let summarise = |live: &crate::state::LiveSegment| {
            let patched = live.segment.patched().map_or(0, roaring::RoaringBitmap::len);
            let patched = u32::try_from(patched).unwrap_or(u32::MAX);
            SegmentSummary {
                id: live.segment.id(),
                rows: live.segment.rows(),
                dead: live.deaths.count(),
                patched,
                indexed: Shard::lacking_graphs(&live.segment, &state.settings).is_empty(),
            }
        };
        let segments = state.segments.iter().map(summarise).collect();
        ShardSummary { segments, idle, config: self.policy(&state.settings) }
    }

    /// Reserves what a piece of work is expected to take; none if it is to wait because memory is
    /// nearly full. Little work goes on then, as flushes do: fewer segments take less.
    fn admit_build(&self, shard: &Shard, choice: &Choice) -> Result<Option<AllocationGuard>> {
        let state = shard.state();
        let (name, ids) = match choice {
            Choice::Rest => ("rest", [].as_slice()),
            Choice::Index(id) => ("build", std::slice::from_ref(id)),
            Choice::Merge(ids) => ("merge", ids.as_slice()),
        };
        let segments = state.segments.iter().map(|live| &*live.segment);
        let concerned: Vec<_> = segments.filter(|segment| ids.contains(&segment.id())).collect();
        let rows: u64 = concerned.iter().map(|segment| u64::from(segment.rows())).sum();
        let linked = rows >= u64::from(self.node.config.graph_rows_min);
        let row_bytes = if linked { build_bytes_per_row(&state.settings) } else { MAP_BYTES };
        let wanted = rows * row_bytes;
        let most = self.node.guard.limits().max_of(OperationKind::Build);
        let bytes = if linked { build_bytes(wanted, self.build_share(), most) } else { wanted };
        if !matches!(choice, Choice::Merge(_)) {
            return self.admit_work(shard, name, bytes);
        }
        let fields = state.settings.field_indexes.iter().map(|(key, kind)| (key, *kind));
        let indexes = shard.index_bytes(&concerned, fields)?.saturating_add(rows * MAP_BYTES);
        self.admit_work(shard, name, bytes.max(indexes))
    }

    /// Whether work of so many bytes is to wait. Little work goes on, as flushes do: fewer segments
    /// take less.
    fn is_paused(&self, bytes: u64) -> bool {
        let little = self.node.governor.limits().root / LITTLE_WORK_PART;
        bytes > little && self.node.guard.pauses_background()
    }

    fn admit_work(
        &self,
        shard: &Shard,
        name: &'static str,
        bytes: u64,
    ) -> Result<Option<AllocationGuard>> {
        if self.is_paused(bytes) {
            return Ok(None);
        }
        let id = OperationId::new(name, OperationKind::Build, shard.tenant.clone());
        Ok(Some(self.node.guard.request_allocation(id, bytes)?))
    }

    /// Adds a field index that a segment lacks. False if none does, or it is to wait because memory
    /// is nearly full.
    fn add_indexes(&self, shard: &Arc<Shard>, state: &ShardState) -> Result<bool> {
        for live in &state.segments {
            let missing = Shard::missing_indexes(&live.segment, &state.settings);
            let Some((key, kind)) = missing.first() else { continue };
            let bytes = shard.index_bytes(&[&*live.segment], [(key, *kind)])?;
            let Some(memory) = self.admit_work(shard, "index", bytes)? else { return Ok(false) };
            let mut files = Unpublished::new(shard);
            let of = (&*live.segment, &*state.settings);
            let index = shard.build_index(of, (key, *kind), &mut files, &memory)?;
            drop(memory);
            shard.publish_components(live.segment.id(), &[index], files)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Bytes that a build may plan with now.
    fn build_share(&self) -> u64 {
        let class = self.node.governor.limits().classes[Class::Builds.index()];
        self.node.obtainable().min(class) / BUILD_SHARE.1 * BUILD_SHARE.0
    }
}

/// Whether the file is one of a segment's components.
fn holds_file(state: &ShardState, id: SegmentId, file: &str) -> bool {
    let mut segments = state.segments.iter().map(|live| live.segment.record());
    segments.any(|record| {
        record.id == id && record.components.iter().any(|part| part.file_name() == file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_take_all_they_want_or_a_share_or_are_refused() {
        const MIB: u64 = 1 << 20;
        for (wanted, share, most, taken) in [
            (5, 10, 99, 5),
            (20, 10, 99, 20),
            (21, 10, 99, 10),
            (20, 10, 19, 10),
            (20, 10, 6, 6),
            (60, 10, 99, 10),
            (61, 10, 99, 61),
            (9, 4, 99, 4),
            (9, 3, 99, 9),
        ] {
            let bytes = build_bytes(wanted * MIB, share * MIB, most * MIB);
            assert_eq!(bytes, taken * MIB, "{wanted} of {share}, {most} at most");
        }
        assert_eq!(build_bytes(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    }
}
