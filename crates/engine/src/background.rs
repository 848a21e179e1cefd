//! The engine's threads: one commits the log, one applies what is committed, one flushes, and one
//! for each lane merges and builds. Each is a loop around a function that can also be called by
//! hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vectorizer_log::{Committed, Entry, LogError};
use vectorizer_model::ShardId;
use vectorizer_vfs::Niceness;

use crate::collection::Collection;
use crate::engine::{Inner, lock};
use crate::error::{EngineError, Result};
use crate::node::{Pending, report};
use crate::policy::Lane;
use crate::shard::Shard;

/// Groups that may be committed but not yet applied.
const GROUPS_AHEAD: usize = 4;
/// How often the flusher and the builders look around without being told.
pub(crate) const TICK: Duration = Duration::from_millis(500);
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
    pub(crate) fn wait(&self, at_most: Duration) {
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
    seen: u64,
    since: Instant,
}

/// How long each open shard has been without writes.
#[derive(Default)]
pub(crate) struct Watches(BTreeMap<ShardId, Watch>);

impl Watches {
    pub(crate) fn is_idle(&mut self, shard: &Shard) -> bool {
        let applied = shard.applied().0;
        let Some(watch) = self.0.get_mut(&shard.id) else {
            self.0.insert(shard.id, Watch { seen: applied, since: Instant::now() });
            return false;
        };
        if watch.seen != applied {
            (watch.seen, watch.since) = (applied, Instant::now());
        }
        watch.since.elapsed() >= IDLE
    }

    pub(crate) fn retain(&mut self, open: &[Arc<Collection>]) {
        if self.0.len() > open.len() {
            let open: BTreeSet<ShardId> = open.iter().map(|collection| collection.id).collect();
            self.0.retain(|shard, _| open.contains(shard));
        }
    }
}

impl Inner {
    /// Starts all threads.
    pub(crate) fn start_background(inner: &Arc<Self>) -> Result<Vec<JoinHandle<()>>> {
        let (send, receive) = sync_channel(GROUPS_AHEAD);
        let (commit, apply) = (Arc::clone(inner), Arc::clone(inner));
        let (flush, fresh, settled) = (Arc::clone(inner), Arc::clone(inner), Arc::clone(inner));
        Ok(vec![
            spawn("commit", move || commit.run_committer(&send))?,
            spawn("apply", move || at_long_work(|| apply.run_applier(&receive)))?,
            spawn("flush", move || at_long_work(|| flush.run_flusher()))?,
            spawn("build", move || fresh.run_builder(Lane::Fresh))?,
            spawn("merge", move || settled.run_builder(Lane::Settled))?,
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
            let open = self.collections.open();
            watches.retain(&open);
            let pressed = self.pressed.take();
            let mut all_idle = true;
            for shard in open.iter().filter_map(|collection| collection.shard()) {
                shard.drop_retired();
                let idle = watches.is_idle(&shard);
                all_idle &= idle;
                if let Err(error) =
                    self.flush_if_due(&shard, idle || pressed.includes(&shard.tenant))
                {
                    report("a memtable could not be flushed", &error);
                }
            }
            if all_idle {
                self.mark_log();
            }
            self.empty_log();
            self.node.row_caches.forget_gone();
            self.open_waiting();
            if pressed.all {
                self.close_batch(None);
            }
            for tenant in &pressed.tenants {
                self.close_batch(Some(tenant));
            }
            self.close_long_idle();
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
                done.complete(self.apply_catalogue_entry(entry.seq, &operation, memtable));
                continue;
            }
            // One with entries under way is open.
            let open = self.collections.by_id(entry.shard).and_then(|open| open.shard());
            let Some(shard) = open else {
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

    /// Flushes a shard whose memtable is full, or holds anything that should not wait.
    fn flush_if_due(&self, shard: &Arc<Shard>, now: bool) -> Result<()> {
        let state = shard.state();
        let full = state.active.charged_bytes() >= self.node.config.memtable_bytes;
        let dirty = shard.applied() > state.manifest.applied;
        if state.frozen.is_some() || full || (now && dirty) {
            self.flush_shard(shard)?;
        }
        Ok(())
    }

    /// Freezes and flushes a shard's memtable, and wakes the builders.
    pub(crate) fn flush_shard(&self, shard: &Arc<Shard>) -> Result<()> {
        let flushed = self.flush_standing(shard);
        // Its folder may have gone meanwhile.
        if shard.is_dropped() { Ok(()) } else { flushed }
    }

    fn flush_standing(&self, shard: &Arc<Shard>) -> Result<()> {
        shard.check_stands()?;
        if !shard.is_dropped() && shard.freeze() {
            self.with_room(|| shard.flush_frozen())?;
            self.raise_builders();
        }
        Ok(())
    }

    /// Flushes every shard that can be flushed; the first refusal is told.
    pub(crate) fn flush_all(&self) -> Result<()> {
        let mut outcome = Ok(());
        for collection in self.collections.open() {
            let Some(shard) = collection.shard() else { continue };
            // What was frozen before, then what came since.
            let flushed = self.flush_shard(&shard).and_then(|()| self.flush_shard(&shard));
            outcome = outcome.and(flushed);
        }
        self.empty_log();
        self.node.row_caches.forget_gone();
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
        self.release_some();
        let pin = log.oldest_pin().filter(|_| log.bytes_on_disk() > self.node.config.log_bytes_max);
        let pinned = pin.and_then(|(shard, _)| self.collections.by_id(shard)?.shard());
        if let Some(shard) = pinned
            && let Err(error) = self.flush_shard(&shard)
        {
            report("the log's oldest shard could not be flushed", &error);
        }
        if let Err(error) = log.collect() {
            report("log files that nothing needs stay", &error);
        }
    }
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

/// Work of which there may be as much as of searches, with an equal claim.
fn at_long_work(run: impl FnOnce()) {
    Niceness::Long.apply();
    run();
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(EngineError::Thread)
}
