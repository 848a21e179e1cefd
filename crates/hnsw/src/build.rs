//! The build: inserts all rows, on the caller's threads.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use vectorizer_model::{Budget, Ordinal, RowScorer};

use crate::growing::Growing;
use crate::insert::{Inserter, Placed, Site};
use crate::level::insertion_order;
use crate::mend::{self, mend};
use crate::params::ROWS_MAX;
use crate::{Graph, HnswError, Params};

/// Rows inserted by one thread before the others join: side by side the first rows would not
/// see each other.
const ALONE: usize = 512;

/// Rows that a worker takes at a time, and after which it asks whether it was cancelled.
const BATCH: usize = 16;

/// A round adds this part of the graph so far. Larger rounds build faster (on 100k x 384, rounds
/// that double the graph: 13 percent), and cost recall (there half a percent at 0.96).
const ROUND_PART: usize = 8;

/// The caller's threads.
pub trait Executor {
    /// Threads that [`Executor::run`] uses, at least one.
    fn workers(&self) -> usize;

    /// Calls `task(worker)` once for each worker below [`Executor::workers`], at the same time
    /// or in turn, and returns when all calls have.
    fn run(&self, task: &(dyn Fn(usize) + Sync));
}

/// The calling thread as an executor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Executor for Inline {
    fn workers(&self) -> usize {
        1
    }

    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        task(0);
    }
}

/// What surrounds a build: threads, and two wires to the caller.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// Threads to insert with.
    pub executor: &'a dyn Executor,
    /// Asked every few rows; once true, the build ends with [`HnswError::Cancelled`].
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Rows inserted so far.
    pub inserted: &'a AtomicUsize,
    /// Told the links that will be read soon: a cache hint of the caller's, or nothing. A prefetch
    /// of these lines saves a fifth of a build on 200k x 128.
    pub hint: fn(&[AtomicU32]),
}

impl std::fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("workers", &self.executor.workers())
            .field("inserted", &self.inserted)
            .finish_non_exhaustive()
    }
}

/// Bytes that a build of so many rows holds at its peak, vectors and codes not included. Takes
/// time in proportion to the rows, since it draws their levels.
pub fn bytes_needed(rows: usize, params: &Params, workers: usize) -> u64 {
    let order = (4 * rows + size_of::<Placed>() * rows.div_ceil(ROUND_PART)) as u64;
    let order = order.max(mend::bytes_needed(rows));
    let inserters = (workers as u64 + 1) * Inserter::bytes_needed(rows, params);
    Growing::bytes_needed(rows, params) + order + inserters
}

/// Builds the graph of all rows of a scorer.
///
/// One seed and one worker give one graph; with more, the order of insertion and with it a few
/// links depend on timing, while levels and entry do not. Afterwards the budget holds
/// [`Graph::bytes`] more than before.
///
/// Cost: about `rows * ef_construct * m` distances, most of them between rows that lie close.
///
/// # Errors
/// [`HnswError::Params`], [`HnswError::TooManyRows`], [`HnswError::Budget`] before any work,
/// [`HnswError::Cancelled`]; the budget then holds what it held before.
pub fn build<S: RowScorer>(
    scorer: &S,
    params: &Params,
    host: Host<'_>,
    budget: &mut dyn Budget,
) -> Result<Graph, HnswError> {
    params.check()?;
    let rows = scorer.rows();
    if rows > ROWS_MAX {
        return Err(HnswError::TooManyRows { rows });
    }
    let bytes = bytes_needed(rows, params, host.executor.workers());
    budget.try_grow(bytes)?;
    let growing = Growing::new(rows, params, host.hint);
    let site = Site { growing: &growing, scorer, params };
    if !insert_all(&site, host) {
        drop(growing);
        budget.shrink(bytes);
        return Err(HnswError::Cancelled);
    }
    let graph = growing.finish();
    budget.shrink(bytes.saturating_sub(graph.bytes()));
    Ok(graph)
}

/// Inserts every row. False if cancelled.
///
/// A round draws its rows at random and then takes them region by region: rows inserted one after
/// the other meet the same links and codes, which lie in the processor's cache by then.
fn insert_all<S: RowScorer>(site: &Site<'_, S>, host: Host<'_>) -> bool {
    let Some((entry, _)) = crate::Links::entry(&site.growing) else {
        return true;
    };
    let rows = site.scorer.rows();
    #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
    let mut order = insertion_order(site.params.seed, rows as u32);
    if let Some(at) = order.iter().position(|row| *row == entry.0) {
        order.swap(0, at);
    }
    let round = Round { site, host };
    let mut done = ALONE.min(rows);
    let mut inserter = Inserter::default();
    for row in &order[..done] {
        let placed = inserter.place(site, Ordinal(*row));
        inserter.insert(site, placed);
    }
    host.inserted.fetch_add(done, Relaxed);
    while done < rows {
        let end = (done + done.div_ceil(ROUND_PART)).min(rows);
        if !round.run(&order[done..end]) {
            return false;
        }
        done = end;
    }
    drop(order);
    mend(site, &mut inserter, host.cancelled)
}

/// Rows inserted region by region.
struct Round<'a, S> {
    site: &'a Site<'a, S>,
    host: Host<'a>,
}

impl<S: RowScorer> Round<'_, S> {
    /// Places the rows, sorts them, inserts them. False if cancelled.
    fn run(&self, rows: &[u32]) -> bool {
        let placed = Mutex::new(Vec::with_capacity(rows.len()));
        let whole = self.each_batch(rows, |inserter, batch| {
            let batch = batch.iter().map(|row| inserter.place(self.site, Ordinal(*row)));
            let batch: Vec<Placed> = batch.collect();
            placed.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
        });
        let mut placed = placed.into_inner().unwrap_or_else(PoisonError::into_inner);
        placed.sort_unstable_by_key(|placed| (placed.region, placed.row));
        whole
            && self.each_batch(&placed, |inserter, batch| {
                for placed in batch {
                    inserter.insert(self.site, *placed);
                }
                self.host.inserted.fetch_add(batch.len(), Relaxed);
            })
    }

    /// Shares batches among the workers. False if cancelled.
    fn each_batch<T: Sync>(&self, items: &[T], work: impl Fn(&mut Inserter, &[T]) + Sync) -> bool {
        let next = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        self.host.executor.run(&|_| {
            let mut inserter = Inserter::default();
            while !stopped.load(Relaxed) {
                let start = next.fetch_add(BATCH, Relaxed).min(items.len());
                let batch = &items[start..(start + BATCH).min(items.len())];
                if batch.is_empty() {
                    return;
                }
                work(&mut inserter, batch);
                if (self.host.cancelled)() {
                    stopped.store(true, Relaxed);
                }
            }
        });
        !stopped.load(Relaxed)
    }
}
