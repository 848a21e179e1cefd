//! Scanning the rows of one segment: all of them, or those that a selection admits.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use vectorizer_model::{Ordinal, Scored, Scorer, Selection};

use crate::error::{Result, SearchResult, SegmentError, SegmentSearchError};
use crate::rows::RowTable;

/// Rows that are scored or judged in one call.
pub(crate) const BATCH: usize = 64;
/// Rows side by side that are scored in one call.
pub(crate) const RUN: usize = 256;
/// A selection that admits at least one row in so many is asked after scoring.
const DENSE_PART: u64 = 8;

/// Rows are judged by what is stored of them nearest first, and not in turn, which takes less for
/// each, if at least one row in so many is admitted,
const JUDGED_PART: u64 = 64;
/// and so many times as many as are wanted: then few are judged.
const JUDGED_TIMES: u64 = 8;

/// A scorer of rows that lie side by side.
pub(crate) trait RunScorer: Scorer<Error = SegmentError> {
    /// Writes the distances of the rows from `first` on, as many as `out` holds.
    fn score_run(&mut self, first: Ordinal, out: &mut [f32]) -> Result<()>;
}

/// The nearest of all admitted rows.
pub(crate) fn scan<S: RunScorer, F: Selection>(
    rows: u32,
    scorer: &mut S,
    selection: &mut F,
    nearest: Nearest<'_>,
) -> SearchResult<Vec<Scored>, F::Error> {
    let admitted = selection.cardinality().rows();
    let is_part = |part: u64| admitted.saturating_mul(part) >= u64::from(rows);
    let wanted = nearest.limit as u64;
    let are_many = is_part(JUDGED_PART) && admitted >= wanted.saturating_mul(JUDGED_TIMES);
    if selection.reads_rows() && are_many {
        scan_judging(rows, scorer, selection, nearest)
    } else if !selection.reads_rows() && is_part(DENSE_PART) {
        scan_all(rows, scorer, selection, nearest)
    } else {
        scan_admitted(rows, scorer, selection, nearest)
    }
}

/// Scores every row, and asks the selection about near ones only.
fn scan_all<S: RunScorer, F: Selection>(
    rows: u32,
    scorer: &mut S,
    selection: &mut F,
    mut nearest: Nearest<'_>,
) -> SearchResult<Vec<Scored>, F::Error> {
    let mut distances = [0.0; RUN];
    for first in (0..rows).step_by(RUN) {
        let run = &mut distances[..RUN.min((rows - first) as usize)];
        scorer.score_run(Ordinal(first), run)?;
        for (ordinal, &distance) in (first..).map(Ordinal).zip(&*run) {
            let scored = Scored { distance, ordinal };
            let near = nearest.admits(scored)?;
            if near && selection.admits(ordinal).map_err(SegmentSearchError::Selection)? {
                nearest.push(scored)?;
            }
        }
    }
    Ok(nearest.into_sorted())
}

/// Scores every row, and asks the selection about the nearest of many near ones at once.
fn scan_judging<S: RunScorer, F: Selection>(
    rows: u32,
    scorer: &mut S,
    selection: &mut F,
    mut nearest: Nearest<'_>,
) -> SearchResult<Vec<Scored>, F::Error> {
    let mut near = Vec::with_capacity(2 * RUN);
    let mut distances = [0.0; RUN];
    for first in (0..rows).step_by(RUN) {
        let run = &mut distances[..RUN.min((rows - first) as usize)];
        scorer.score_run(Ordinal(first), run)?;
        let scored = (first..).map(Ordinal).zip(&*run);
        let scored = scored.map(|(ordinal, &distance)| Scored { distance, ordinal });
        for scored in scored {
            if nearest.admits(scored)? {
                near.push(scored);
            }
        }
        if near.len() > RUN {
            near.sort_unstable();
            judge(&near, selection, &mut nearest)?;
            near.clear();
        }
    }
    near.sort_unstable();
    judge(&near, selection, &mut nearest)?;
    Ok(nearest.into_sorted())
}

/// Keeps those that the selection admits, given nearest first, of as many as are wanted.
pub(crate) fn judge<F: Selection>(
    sorted: &[Scored],
    selection: &mut F,
    nearest: &mut Nearest<'_>,
) -> SearchResult<(), F::Error> {
    let mut batch = [Ordinal(0); BATCH];
    for sorted in sorted.chunks(BATCH) {
        // Ties come in the order of rows, and not of ids.
        let near = sorted.partition_point(|scored| scored.distance <= nearest.within);
        let batch = &mut batch[..near];
        for (to, scored) in batch.iter_mut().zip(sorted) {
            *to = scored.ordinal;
        }
        selection.prefetch(batch);
        for &scored in &sorted[..near] {
            if nearest.admits(scored)?
                && selection.admits(scored.ordinal).map_err(SegmentSearchError::Selection)?
            {
                nearest.push(scored)?;
            }
        }
        if near < sorted.len() {
            return Ok(());
        }
    }
    Ok(())
}

/// Scores the admitted rows.
fn scan_admitted<S: Scorer<Error = SegmentError>, F: Selection>(
    rows: u32,
    scorer: &mut S,
    selection: &mut F,
    mut nearest: Nearest<'_>,
) -> SearchResult<Vec<Scored>, F::Error> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut distances = [0.0; BATCH];
    let mut from = Ordinal(0);
    loop {
        let next = selection.next(from, Ordinal(rows)).map_err(SegmentSearchError::Selection)?;
        if let Some(ordinal) = next {
            batch.push(ordinal);
            from = Ordinal(ordinal.0 + 1);
        }
        if batch.len() == BATCH || next.is_none() {
            let distances = &mut distances[..batch.len()];
            scorer.score(&batch, distances)?;
            nearest.extend(&batch, distances)?;
            batch.clear();
        }
        if next.is_none() {
            return Ok(nearest.into_sorted());
        }
    }
}

/// The nearest rows of what it was given; of those at the same distance, those of the lowest ids.
#[derive(Debug)]
pub(crate) struct Nearest<'t> {
    limit: usize,
    /// None farther is kept; falls as rows come.
    within: f32,
    table: &'t RowTable,
    heap: BinaryHeap<Kept>,
}

/// A row that is kept. The place of its id breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    /// With the place in place of the row.
    by: Scored,
    row: Ordinal,
}

impl<'t> Nearest<'t> {
    /// Keeps up to `limit`.
    pub(crate) fn new(limit: usize, table: &'t RowTable) -> Self {
        Self::within(limit, f32::INFINITY, table)
    }

    /// Keeps up to `limit` that are no farther than `within`.
    pub(crate) fn within(limit: usize, within: f32, table: &'t RowTable) -> Self {
        Self { limit, within, table, heap: BinaryHeap::with_capacity(limit.min(4096) + 1) }
    }

    /// Considers one row.
    #[inline]
    pub(crate) fn push(&mut self, scored: Scored) -> Result<()> {
        if !self.admits(scored)? {
            return Ok(());
        }
        let place = Ordinal(self.table.place(scored.ordinal)?);
        if self.heap.len() >= self.limit {
            self.heap.pop();
        }
        self.heap.push(Kept { by: Scored { ordinal: place, ..scored }, row: scored.ordinal });
        if self.heap.len() >= self.limit {
            let farthest = self.heap.peek().map_or(self.within, |farthest| farthest.by.distance);
            self.within = self.within.min(farthest);
        }
        Ok(())
    }

    /// Whether a row would be kept.
    #[inline]
    fn admits(&self, scored: Scored) -> Result<bool> {
        // Most rows are beyond: one comparison is enough for them.
        if scored.distance > self.within {
            return Ok(false);
        }
        if self.heap.len() < self.limit {
            return Ok(true);
        }
        let Some(Kept { by: farthest, .. }) = self.heap.peek() else { return Ok(false) };
        match scored.distance.total_cmp(&farthest.distance) {
            Ordering::Less => Ok(true),
            Ordering::Equal => Ok(self.table.place(scored.ordinal)? < farthest.ordinal.0),
            Ordering::Greater => Ok(false),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.heap.len() >= self.limit
    }

    pub(crate) fn extend(&mut self, ordinals: &[Ordinal], distances: &[f32]) -> Result<()> {
        for (&ordinal, &distance) in ordinals.iter().zip(distances) {
            self.push(Scored { distance, ordinal })?;
        }
        Ok(())
    }

    /// Nearest first, ties by id.
    pub(crate) fn into_sorted(self) -> Vec<Scored> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        sorted.map(|kept| Scored { ordinal: kept.row, ..kept.by }).collect()
    }
}

/// Cuts a list that is sorted by distance to the nearest `limit`, those at the same distance in the
/// order of their ids. Of runs that end before `settled`, the order among equals is left as it is.
pub(crate) fn cut(
    sorted: &mut Vec<Scored>,
    limit: usize,
    settled: usize,
    table: &RowTable,
) -> Result<()> {
    let (mut start, mut run) = (0, Vec::new());
    while start < limit.min(sorted.len()) {
        let rest = &mut sorted[start..];
        let distance = rest[0].distance;
        let len = rest.iter().take_while(|scored| scored.distance.total_cmp(&distance).is_eq());
        let len = len.count();
        if len > 1 && start + len > settled {
            run.clear();
            for scored in &rest[..len] {
                run.push((table.place(scored.ordinal)?, *scored));
            }
            run.sort_unstable_by_key(|(place, _)| *place);
            rest.iter_mut().zip(&run).for_each(|(to, (_, scored))| *to = *scored);
        }
        start += len;
    }
    sorted.truncate(limit);
    Ok(())
}
