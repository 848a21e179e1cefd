//! The engine's threads: one commits the log, one applies what is committed, one flushes, one
//! merges and builds. Each is a loop around a function that can also be called by hand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vectorizer_log::{Committed, Entry, LogError};
use vectorizer_model::ShardId;

use crate::engine::{Inner, lock};
use crate::error::{EngineError, Result};
use crate::node::{Pending, report};
use crate::policy::{Choice, PolicyConfig, SegmentSummary, ShardSummary, choose};
use crate::shard::{Shard, ShardState};

/// Groups that may be committed but not yet applied.
const GROUPS_AHEAD: usize = 4;
/// How often the flusher and the builder look around without being told.
const TICK: Duration = Duration::from_millis(500);
/// A shard without writes for this long is idle: its tail is flushed and indexed.
const IDLE: Duration = Duration::from_secs(2);

/// Something to be woken by. A signal raised before the wait is not lost.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until it is raised, at most so long, and lowers it.
    fn wait(&self, at_most: Duration) {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut raised, _) = self
            .changed
            .wait_timeout_while(raised, at_most, |raised| !*raised)
            .unwrap_or_else(PoisonError::into_inner);
        *raised = false;
    }
}

/// Who may commit and apply now.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    /// Held to commit a group and pass it on.
    turn: Mutex<()>,
    /// Groups passed on to the applier that it has not finished.
    unapplied: AtomicUsize,
}

/// When a shard last changed, as its watcher saw it.
struct Watch {
    shard: ShardId,
    seen: u64,
    since: Instant,
}

/// How long each shard has been without writes.
#[derive(Default)]
struct Watches(Vec<Watch>);

impl Watches {
    fn is_idle(&mut self, shard: &Shard) -> bool {
        let applied = shard.applied().0;
        let Some(watch) = self.0.iter_mut().find(|watch| watch.shard == shard.id) else {
            self.0.push(Watch { shard: shard.id, seen: applied, since: Instant::now() });
            return false;
        };
        if watch.seen != applied {
            (watch.seen, watch.since) = (applied, Instant::now());
        }
        watch.since.elapsed() >= IDLE
    }

    fn retain(&mut self, shards: &[Arc<Shard>]) {
        self.0.retain(|watch| shards.iter().any(|shard| shard.id == watch.shard));
    }
}

impl Inner {
    /// Starts all threads.
    pub(crate) fn start_background(inner: &Arc<Self>) -> Result<Vec<JoinHandle<()>>> {
        let (send, receive) = sync_channel(GROUPS_AHEAD);
        let (commit, apply) = (Arc::clone(inner), Arc::clone(inner));
        let (flush, build) = (Arc::clone(inner), Arc::clone(inner));
        Ok(vec![
            spawn("commit", move || commit.run_committer(&send))?,
            spawn("apply", move || apply.run_applier(&receive))?,
            spawn("flush", move || flush.run_flusher())?,
            spawn("build", move || build.run_builder())?,
        ])
    }

    fn run_committer(&self, applier: &SyncSender<Vec<Entry<Pending>>>) {
        loop {
            let closing = self.node.is_closing();
            let turn = lock(&self.pipeline.turn);
            let group = self.commit_group();
            if let Some(entries) = group {
                self.pipeline.unapplied.fetch_add(1, Ordering::AcqRel);
                if applier.send(entries).is_err() {
                    return;
                }
                continue;
            }
            drop(turn);
            if closing {
                return;
            }
            self.commit.wait(TICK);
        }
    }

    fn run_applier(&self, groups: &Receiver<Vec<Entry<Pending>>>) {
        for group in groups {
            self.apply_group(group);
            self.pipeline.unapplied.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Has what is queued committed and applied: by the threads for it if there are any.
    pub(crate) fn wake_committer(&self) {
        if self.node.config.background {
            self.commit.raise();
        } else {
            self.commit_once();
        }
    }

    /// Commits and applies what is queued in the caller's thread if no other is at it: a single
    /// writer then waits for the disk alone, not for two threads to wake. Otherwise those do it.
    pub(crate) fn commit_here(&self) {
        let turn = self.pipeline.turn.try_lock();
        if turn.is_err() || self.pipeline.unapplied.load(Ordering::Acquire) > 0 {
            drop(turn);
            return self.wake_committer();
        }
        if let Some(entries) = self.commit_group() {
            self.apply_group(entries);
        }
    }

    fn run_flusher(&self) {
        let mut watches = Watches::default();
        while !self.node.is_closing() {
            self.flush.wait(TICK);
            self.node.refill_emergency();
            let shards = self.shards();
            watches.retain(&shards);
            let mut all_idle = true;
            for shard in &shards {
                let idle = watches.is_idle(shard);
                all_idle &= idle;
                if let Err(error) = self.flush_if_due(shard, idle) {
                    report("a memtable could not be flushed", &error);
                }
            }
            if all_idle {
                self.mark_log();
            }
            self.empty_log();
        }
    }

    fn run_builder(&self) {
        vectorizer_vfs::lower_priority();
        let mut watches = Watches::default();
        while !self.node.is_closing() {
            self.build.wait(TICK);
            let shards = self.shards();
            watches.retain(&shards);
            for shard in &shards {
                let idle = watches.is_idle(shard);
                while !self.node.is_closing() {
                    match self.maintain(shard, idle) {
                        Ok(true) => {}
                        Ok(false) => {
                            shard.note_put_off(None);
                            break;
                        }
                        Err(error) => {
                            if !shard.is_dropped() && shard.note_put_off(Some(&error)) {
                                report("background work is put off", &error);
                            }
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Commits what is queued; none if nothing was. Refused writers are told.
    fn commit_group(&self) -> Option<Vec<Entry<Pending>>> {
        match self.node.log()?.commit() {
            Ok(Committed { entries, .. }) if entries.is_empty() => None,
            Ok(Committed { entries, .. }) => Some(entries),
            Err(refused) => {
                for entry in refused.entries {
                    entry.companion.done.complete(Err(refusal(&refused.cause)));
                }
                None
            }
        }
    }

    /// Commits and applies what is queued, in the caller's thread.
    pub(crate) fn commit_once(&self) {
        while let Some(entries) = self.commit_group() {
            self.apply_group(entries);
        }
    }

    fn apply_group(&self, entries: Vec<Entry<Pending>>) {
        for entry in entries {
            let Pending { operation, memtable, done, .. } = entry.companion;
            if entry.shard == ShardId::CATALOGUE {
                done.complete(self.apply_catalogue_entry(entry.seq, &operation));
                continue;
            }
            let Some(shard) = self.shard_by_id(entry.shard) else {
                // Dropped meanwhile; its frames must not pin the log.
                if let Some(log) = self.node.log() {
                    log.forget(entry.shard);
                }
                let name = format!("of shard {}", entry.shard);
                done.complete(Err(EngineError::CollectionNotFound { name }));
                continue;
            };
            // After an entry that could not be applied nothing later may be: a flush would take
            // the shard past it, and what it left half done would be seen.
            if let Err(stopped) = shard.check_writable() {
                done.complete(Err(stopped));
                continue;
            }
            let reserved = memtable.bytes();
            shard.state().active.absorb(memtable);
            let outcome = shard.apply(entry.seq, &operation, reserved);
            if let Err(error) = &outcome
                && !error.is_callers()
            {
                shard.fail(error);
            }
            if shard.state().active.charged_bytes() >= self.node.config.memtable_bytes {
                self.flush.raise();
            }
            done.complete(outcome);
        }
    }

    /// Flushes a shard whose memtable is full, or holds anything while the shard is idle.
    fn flush_if_due(&self, shard: &Arc<Shard>, idle: bool) -> Result<()> {
        let state = shard.state();
        let full = state.active.charged_bytes() >= self.node.config.memtable_bytes;
        let dirty = shard.applied() > state.manifest.applied;
        if state.frozen.is_some() || full || (idle && dirty) {
            self.flush_shard(shard)?;
        }
        Ok(())
    }

    /// Freezes and flushes a shard's memtable, and wakes the builder.
    pub(crate) fn flush_shard(&self, shard: &Arc<Shard>) -> Result<()> {
        shard.check_stands()?;
        if !shard.is_dropped() && shard.freeze() {
            shard.flush_frozen()?;
            self.build.raise();
        }
        Ok(())
    }

    /// Flushes every shard that can be flushed; the first refusal is told.
    pub(crate) fn flush_all(&self) -> Result<()> {
        let mut outcome = Ok(());
        for shard in self.shards() {
            // What was frozen before, then what came since.
            let flushed = self.flush_shard(&shard).and_then(|()| self.flush_shard(&shard));
            outcome = outcome.and(flushed);
        }
        self.empty_log();
        outcome
    }

    /// Makes the log's end certain: what was committed so far can no longer be taken for torn.
    /// Costs nothing when repeated.
    pub(crate) fn mark_log(&self) {
        if let Some(log) = self.node.log()
            && let Err(error) = log.sync()
        {
            report("the log could not be synced", &error);
        }
    }

    /// Deletes log files that nothing needs, flushing what pins the oldest if there are too many.
    fn empty_log(&self) {
        let Some(log) = self.node.log() else { return };
        let pin = log.oldest_pin().filter(|_| log.bytes_on_disk() > self.node.config.log_bytes_max);
        let pinned = pin.and_then(|(shard, _)| self.shard_by_id(shard));
        if let Some(shard) = pinned
            && let Err(error) = self.flush_shard(&shard)
        {
            report("the log's oldest shard could not be flushed", &error);
        }
        if let Err(error) = log.collect() {
            report("log files that nothing needs stay", &error);
        }
    }

    /// Does the next piece of background work of a shard. False if there is none.
    pub(crate) fn maintain(&self, shard: &Arc<Shard>, idle: bool) -> Result<bool> {
        let _alone = shard.lock_maintenance();
        if shard.is_dropped() {
            return Ok(false);
        }
        shard.check_stands()?;
        shard.drop_stale_indexes()?;
        let state = shard.state();
        if add_indexes(shard, &state)? {
            return Ok(true);
        }
        match choose(&summarise(shard, &state, idle, self)) {
            Choice::Rest => Ok(false),
            Choice::Merge(segments) => {
                shard.merge(&segments)?;
                Ok(!self.node.is_closing())
            }
            Choice::Index(id) => {
                let live = state.segments.iter().find(|live| live.segment.id() == id);
                let Some(live) = live else { return Ok(false) };
                for (name, hnsw) in shard.missing_graphs(&live.segment, &state.settings) {
                    match shard.build_graph(&live.segment, &name, hnsw, None)? {
                        Some(graph) => shard.publish_components(id, &[graph])?,
                        None => return Ok(false),
                    }
                }
                Ok(true)
            }
        }
    }

    /// Works until every shard is at rest.
    pub(crate) fn settle(&self) -> Result<()> {
        for shard in self.shards() {
            while self.maintain(&shard, true)? {}
        }
        Ok(())
    }
}

/// Adds the field indexes that segments lack. False if none did.
fn add_indexes(shard: &Arc<Shard>, state: &ShardState) -> Result<bool> {
    for live in &state.segments {
        let missing = Shard::missing_indexes(&live.segment, &state.settings);
        if let Some((key, kind)) = missing.first() {
            let index = shard.build_index(&live.segment, key, *kind, &state.settings)?;
            shard.publish_components(live.segment.id(), &[index])?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a writer is told whose entry the log refused.
fn refusal(cause: &LogError) -> EngineError {
    let reason = cause.to_string();
    let LogError::Disk(error) = cause else { return EngineError::LogFailed { reason } };
    // Nothing of the group is on disk, and the log goes on.
    if error.is_full() {
        EngineError::NoRoom { reason }
    } else {
        EngineError::LogRefused { reason }
    }
}

fn summarise(shard: &Shard, state: &ShardState, idle: bool, inner: &Inner) -> ShardSummary {
    let config = &inner.node.config;
    let row_bytes = crate::memtable::Memtable::row_bytes(&state.settings).max(1);
    let flush_rows = u32::try_from(config.memtable_bytes / row_bytes).unwrap_or(u32::MAX);
    let segments = state
        .segments
        .iter()
        .map(|live| {
            let patched = live.segment.patched().map_or(0, roaring::RoaringBitmap::len);
            let patched = u32::try_from(patched).unwrap_or(u32::MAX);
            SegmentSummary {
                id: live.segment.id(),
                rows: live.segment.rows(),
                dead: live.deaths.count(),
                patched,
                indexed: shard.missing_graphs(&live.segment, &state.settings).is_empty(),
            }
        })
        .collect();
    let policy = PolicyConfig {
        graph_rows_min: config.graph_rows_min,
        flush_rows,
        merged_rows_max: config.merged_rows_max,
    };
    ShardSummary { segments, idle, config: policy }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(EngineError::Thread)
}
