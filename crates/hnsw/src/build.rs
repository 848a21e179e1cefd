//! The build: inserts all rows, on the caller's threads.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use vectorizer_model::{Budget, Ordinal, RowScorer};

use crate::growing::Growing;
use crate::insert::{Inserter, Placed, Site};
use crate::level::{insertion_order, level, levels};
use crate::mend::{self, mend};
use crate::params::ROWS_MAX;
use crate::{Basis, BuildError, Graph, HnswError, Links, Params};

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
    let levels = (0..rows).map(|row| level(params.seed, Ordinal::from_index(row), params.m));
    peak_bytes(rows, (levels.map(u64::from).sum(), params.m0()), params, workers)
}

/// As [`bytes_needed`], of rows whose levels have the sum `upper`, with so many slots on layer 0.
pub(crate) fn peak_bytes(
    rows: usize,
    (upper, slots): (u64, u32),
    params: &Params,
    workers: usize,
) -> u64 {
    let order = (4 * rows + size_of::<Placed>() * rows.div_ceil(ROUND_PART)) as u64;
    let order = order.max(mend::bytes_needed(rows));
    let inserters = (workers as u64 + 1) * Inserter::bytes_needed(rows, params);
    Growing::bytes_needed(rows, upper, (slots, params.m)) + order + inserters
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
    plain(build_on(scorer, None::<Basis<'_, &Graph>>, params, host, budget))
}

/// As [`build`], starting from a graph of some of the rows, if any: only the others are inserted, which
/// costs in proportion to them. The other graph's links are copied; where they led to rows that
/// are gone, they are led past those.
///
/// # Errors
/// As [`build`], and [`BuildError::Links`].
pub fn build_on<S: RowScorer, L: Links>(
    scorer: &S,
    basis: Option<Basis<'_, L>>,
    params: &Params,
    host: Host<'_>,
    budget: &mut dyn Budget,
) -> Result<Graph, BuildError<L::Error>> {
    let basis = basis.filter(|basis| basis.is_useful(params));
    let draw = || levels(params.seed, scorer.rows(), params.m);
    Build { scorer, params, host, slots: params.m0() }.run(draw, basis, budget)
}

/// Builds the layers of all rows of a scorer on these levels, all with `m` slots for each row.
pub(crate) fn build_upper<S: RowScorer>(
    scorer: &S,
    draw: impl FnOnce() -> Vec<u8>,
    params: &Params,
    host: Host<'_>,
    budget: &mut dyn Budget,
) -> Result<Graph, HnswError> {
    let build = Build { scorer, params, host, slots: params.m };
    plain(build.run(draw, None::<Basis<'_, &Graph>>, budget))
}

/// What a build without a basis ended with.
fn plain(built: Result<Graph, BuildError<Infallible>>) -> Result<Graph, HnswError> {
    built.map_err(|error| match error {
        BuildError::Hnsw(error) => error,
        BuildError::Links(never) => match never {},
    })
}

/// One build.
struct Build<'a, S> {
    scorer: &'a S,
    params: &'a Params,
    host: Host<'a>,
    /// Slots of each list on layer 0.
    slots: u32,
}

impl<S: RowScorer> Build<'_, S> {
    fn run<L: Links>(
        &self,
        draw: impl FnOnce() -> Vec<u8>,
        basis: Option<Basis<'_, L>>,
        budget: &mut dyn Budget,
    ) -> Result<Graph, BuildError<L::Error>> {
        self.params.check()?;
        let rows = self.scorer.rows();
        if rows > ROWS_MAX {
            return Err(HnswError::TooManyRows { rows }.into());
        }
        let held = budget.held();
        let grown = self.grow(draw, basis, budget);
        let kept = grown.as_ref().map_or(0, Graph::bytes);
        budget.shrink((budget.held() - held).saturating_sub(kept));
        grown
    }

    fn grow<L: Links>(
        &self,
        draw: impl FnOnce() -> Vec<u8>,
        basis: Option<Basis<'_, L>>,
        budget: &mut dyn Budget,
    ) -> Result<Graph, BuildError<L::Error>> {
        let (rows, params) = (self.scorer.rows(), self.params);
        let levels_bytes = rows as u64;
        budget.try_grow(levels_bytes)?;
        let mut levels = draw();
        if let Some(basis) = &basis {
            basis.keep_levels(&mut levels);
        }
        let upper = levels.iter().map(|level| u64::from(*level)).sum();
        let workers = self.host.executor.workers();
        let peak = peak_bytes(rows, (upper, self.slots), params, workers);
        budget.try_grow(peak - levels_bytes)?;
        let mut growing = Growing::new(levels, (self.slots, params.m), self.host.hint);
        #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
        let mut order = insertion_order(params.seed, rows as u32);
        let mut inserter = Inserter::default();
        if let Some(mut basis) = basis {
            basis.copy_links(self.scorer, &growing).map_err(BuildError::Links)?;
            order.retain(|row| !growing.is_linked(Ordinal(*row)));
            if let Some(entry) = growing.highest(basis.rows()) {
                growing.set_entry(entry);
            }
        }
        self.insert_highest(&mut growing, &mut order, &mut inserter);
        let site = Site { growing: &growing, scorer: self.scorer, params };
        if !insert_all(&site, self.host, order, inserter) {
            return Err(HnswError::Cancelled.into());
        }
        Ok(growing.finish())
    }

    /// Inserts the highest row first if it is higher than all that are linked: it is the entry
    /// from then on.
    fn insert_highest(&self, growing: &mut Growing, order: &mut Vec<u32>, inserter: &mut Inserter) {
        let Some(highest) = growing.highest(order.iter().copied()) else { return };
        if Links::entry(&&*growing).is_some_and(|(_, top)| highest.1 <= top) {
            return;
        }
        let site = Site { growing, scorer: self.scorer, params: self.params };
        let placed = inserter.place(&site, highest.0);
        inserter.insert(&site, placed);
        growing.set_entry(highest);
        order.retain(|row| *row != highest.0.0);
        self.host.inserted.fetch_add(1, Relaxed);
    }
}

/// Inserts these rows. False if cancelled.
///
/// A round draws its rows at random and then takes them region by region: rows inserted one after
/// the other meet the same links and codes, which lie in the processor's cache by then.
fn insert_all<S: RowScorer>(
    site: &Site<'_, S>,
    host: Host<'_>,
    order: Vec<u32>,
    mut inserter: Inserter,
) -> bool {
    let linked = site.scorer.rows() - order.len();
    let alone = ALONE.saturating_sub(linked).min(order.len());
    for row in &order[..alone] {
        let placed = inserter.place(site, Ordinal(*row));
        inserter.insert(site, placed);
    }
    host.inserted.fetch_add(alone, Relaxed);
    let round = Round { site, host };
    let mut done = alone;
    while done < order.len() {
        let end = (done + (linked + done).div_ceil(ROUND_PART)).min(order.len());
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
