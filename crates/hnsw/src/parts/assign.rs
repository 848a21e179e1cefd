//! Which parts rows lie in.
//!
//! Some rows drawn at random, the pivots, stand for those near them. Pivots are divided first; then
//! a row lies in the part of its nearest pivot, and in that of the nearest pivot of another part: the
//! one across the nearest border.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use vectorizer_model::{Ordinal, RowScorer};

use super::divide::divide;
use super::plan::SAMPLED;
use super::{InParts, NO_PART, Places, Workshop};
use crate::PartsError;
use crate::level::mix;

/// Times that parts are made more even by what a sample says.
const ROUNDS: usize = 2;
/// Rows that a worker compares at a time.
const BATCH: usize = 64;

/// The parts of a row before it is known whether they have room: two pivots in one number.
const fn pair(nearest: usize, other: usize) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "pivots are fewer than 2^16")]
    let pair = (nearest | other << 16) as u32;
    pair
}

const fn pivots_of(pair: u32) -> (usize, usize) {
    ((pair & 0xffff) as usize, (pair >> 16) as usize)
}

/// The nearest of some pivots. Of equally near ones each row has another: equal rows spread over
/// all parts that hold such, and join those.
fn nearest(row: usize, distances: &[f32], admits: impl Fn(usize) -> bool) -> Option<usize> {
    let admitted = || distances.iter().enumerate().filter(|(pivot, _)| admits(*pivot));
    let least = admitted().map(|found| *found.1).min_by(f32::total_cmp)?;
    let ties = || admitted().filter(|found| found.1.total_cmp(&least).is_eq());
    let drawn = mix(row as u64) % ties().count().max(1) as u64;
    ties().nth(usize::try_from(drawn).unwrap_or(0)).map(|(pivot, _)| pivot)
}

impl<W: Workshop> InParts<'_, W> {
    /// Assigns every row.
    pub(super) fn assign(&self) -> Result<Places, PartsError<W::Error>> {
        let (all, count) = (self.workshop.rows(), self.plan.pivots());
        let mut rows = self.workshop.room(count + self.plan.chunk());
        let drawn = strided(all, count, self.params.seed);
        self.workshop.load(&mut rows, 0, &drawn).map_err(PartsError::Workshop)?;
        drop(drawn);
        let part_of = self.divide_evenly(&mut rows)?;
        let mut places: Places = Vec::with_capacity(all);
        let mut room = vec![self.plan.part_rows(); usize::from(self.plan.parts())];
        let mut chunk = Vec::with_capacity(self.plan.chunk());
        let mut distances = vec![0.0; count];
        let pivots: Vec<Ordinal> = (0..count).map(Ordinal::from_index).collect();
        while places.len() < all {
            let end = (places.len() + self.plan.chunk()).min(all);
            chunk.clear();
            #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
            chunk.extend(places.len() as u32..end as u32);
            let pairs = self.nearest_pivots(&mut rows, &chunk, &part_of)?;
            for (at, found) in pairs.iter().enumerate() {
                let (own, other) = pivots_of(found.load(Relaxed));
                let mut parts = [part_of[own], part_of[other]];
                if parts.iter().any(|part| room[usize::from(*part)] == 0) {
                    rows.score(Ordinal::from_index(count + at), &pivots, &mut distances);
                    parts = with_room(places.len(), &distances, (&part_of, &room));
                }
                for part in parts.iter().filter(|part| **part != NO_PART) {
                    room[usize::from(*part)] -= 1;
                }
                let [own, other] = parts.map(u32::from);
                places.push(AtomicU32::new(own | other << 16));
            }
        }
        Ok(places)
    }

    /// Divides the pivots, which are loaded, so that parts get about equally many rows.
    fn divide_evenly(&self, rows: &mut W::Rows) -> Result<Vec<u16>, PartsError<W::Error>> {
        let (count, parts) = (self.plan.pivots(), self.plan.parts());
        let mut weights = vec![1; count];
        let mut part_of = divide(rows, &weights, parts);
        let sampled = (SAMPLED * count).min(self.workshop.rows());
        for round in 0..ROUNDS {
            weights.fill(0);
            let sample =
                strided(self.workshop.rows(), sampled, self.params.seed ^ (1 + round as u64));
            for chunk in sample.chunks(self.plan.chunk()) {
                for found in self.nearest_pivots(rows, chunk, &part_of)? {
                    let (own, other) = pivots_of(found.into_inner());
                    weights[own] += 1;
                    weights[other] += 1;
                }
            }
            part_of = divide(rows, &weights, parts);
        }
        Ok(part_of)
    }

    /// Loads rows behind the pivots and finds, for each, the nearest pivot and the nearest of
    /// another part.
    fn nearest_pivots(
        &self,
        rows: &mut W::Rows,
        chunk: &[u32],
        part_of: &[u16],
    ) -> Result<Vec<AtomicU32>, PartsError<W::Error>> {
        self.check_cancelled()?;
        let count = part_of.len();
        self.workshop.load(rows, count, chunk).map_err(PartsError::Workshop)?;
        let rows = &*rows;
        let found: Vec<AtomicU32> = chunk.iter().map(|_| AtomicU32::new(0)).collect();
        let (next, found) = (AtomicUsize::new(0), found);
        self.host.executor.run(&|_| {
            let pivots: Vec<Ordinal> = (0..count).map(Ordinal::from_index).collect();
            let mut distances = vec![0.0; count];
            loop {
                let start = next.fetch_add(BATCH, Relaxed).min(found.len());
                let batch = &found[start..(start + BATCH).min(found.len())];
                if batch.is_empty() {
                    return;
                }
                for (at, found) in (start..).zip(batch) {
                    rows.score(Ordinal::from_index(count + at), &pivots, &mut distances);
                    let row = chunk[at] as usize;
                    let own = nearest(row, &distances, |_| true).unwrap_or(0);
                    let apart = |pivot: usize| part_of[pivot] != part_of[own];
                    let other = nearest(!row, &distances, apart);
                    found.store(pair(own, other.unwrap_or(own)), Relaxed);
                }
            }
        });
        Ok(found)
    }
}

/// The parts of the nearest pivots whose parts have room.
fn with_room(row: usize, distances: &[f32], (part_of, room): (&[u16], &[usize])) -> [u16; 2] {
    let has_room = |pivot: usize| room[usize::from(part_of[pivot])] > 0;
    let own = nearest(row, distances, has_room).map_or(NO_PART, |pivot| part_of[pivot]);
    let other = nearest(!row, distances, |pivot| has_room(pivot) && part_of[pivot] != own);
    [own, other.map_or(NO_PART, |pivot| part_of[pivot])]
}

/// So many rows, ascending, one drawn from each of as many equal ranges.
fn strided(rows: usize, count: usize, seed: u64) -> Vec<u32> {
    let draw = |at: usize| {
        let (start, end) = (at * rows / count, (at + 1) * rows / count);
        let within = mix(seed ^ mix(at as u64)) % (end - start).max(1) as u64;
        #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
        let row = (start as u64 + within) as u32;
        row
    };
    (0..count).map(draw).collect()
}
