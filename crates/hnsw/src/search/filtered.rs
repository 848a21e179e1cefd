//! The walk of layer 0 under a selection.
//!
//! Where many rows match, the walk goes through all rows and keeps the matching ones aside; it
//! ends when the nearest row left to expand is farther than all results wanted. Where few match,
//! walking through the others costs more than it finds: there only matching rows are candidates,
//! and a row that does not match stands for its own neighbours (two hops at once, as ACORN-1 of
//! Patel et al. 2024).

use vectorizer_model::{Ordinal, Scored, Scorer, Selection};

use super::{SearchErrorOf, SearchParams, score_one};
use crate::pool::{pack, unpack};
use crate::visits::Visits;
use crate::{Links, Scratch, SearchError};

/// Below this share of matching rows, in percent, the walk takes two hops at once.
const TWO_HOPS_BELOW_PERCENT: u64 = 25;

/// Fills the pool with admitted rows. False if it met its limit.
pub(super) fn widen<L: Links, S: Scorer, F: Selection>(
    links: &mut L,
    scorer: &mut S,
    selection: &mut F,
    params: &SearchParams<'_>,
    scratch: &mut Scratch,
) -> Result<bool, SearchErrorOf<L, S, F>> {
    let nearest = scratch.frontier.peek().map(unpack);
    if let Some(Scored { distance, ordinal }) = nearest
        && selection.admits(ordinal).map_err(SearchError::Selection)?
    {
        scratch.pool.insert(pack(distance, ordinal));
    }
    for seed in params.seeds {
        let admitted = selection.admits(*seed).map_err(SearchError::Selection)?;
        if admitted && scratch.visited.visit(*seed) {
            let seed = score_one(scorer, *seed, scratch)?;
            scratch.frontier.insert(pack(seed.distance, seed.ordinal));
            scratch.pool.insert(pack(seed.distance, seed.ordinal));
        }
    }
    let matching = selection.cardinality().rows().saturating_mul(100);
    let two_hops = matching < TWO_HOPS_BELOW_PERCENT * links.rows() as u64;
    let mut walk = Walk { links, scorer, selection, scratch };
    if two_hops {
        let done = walk.run(params.visit_limit, Walk::expand_twice)?;
        if !done || !walk.ran_dry() {
            return Ok(done);
        }
        walk.start_again(nearest);
    }
    walk.run(params.visit_limit, Walk::expand)
}

struct Walk<'a, L, S, F> {
    links: &'a mut L,
    scorer: &'a mut S,
    selection: &'a mut F,
    scratch: &'a mut Scratch,
}

impl<L: Links, S: Scorer, F: Selection> Walk<'_, L, S, F> {
    /// Expands rows until none is left that could add a result. False if it met its limit.
    fn run(
        &mut self,
        limit: usize,
        expand: impl Fn(&mut Self, Ordinal) -> Result<(), SearchErrorOf<L, S, F>>,
    ) -> Result<bool, SearchErrorOf<L, S, F>> {
        while let Some(current) = self.next() {
            if self.scratch.visits.total() >= limit {
                return Ok(false);
            }
            expand(self, current)?;
        }
        Ok(true)
    }

    /// Whether there are fewer results than wanted and than admitted rows: two hops did not
    /// bridge a gap between them.
    fn ran_dry(&self) -> bool {
        let found = self.scratch.pool.len();
        !self.scratch.pool.is_full() && (found as u64) < self.selection.cardinality().rows()
    }

    /// Begins anew from the results so far and the row the walk began with.
    fn start_again(&mut self, first: Option<Scored>) {
        let Scratch { pool, frontier, visited, .. } = &mut *self.scratch;
        visited.forget();
        frontier.reset(frontier.capacity());
        let first = first.map(|row| pack(row.distance, row.ordinal));
        for key in pool.keys().chain(first) {
            visited.visit(unpack(key).ordinal);
            frontier.insert(key);
        }
    }

    /// The nearest row to expand, unless all results are nearer.
    fn next(&mut self) -> Option<Ordinal> {
        let current = self.scratch.frontier.pop()?;
        if self.scratch.pool.is_full() && current >= self.scratch.pool.bound() {
            return None;
        }
        Some(unpack(current).ordinal)
    }

    /// One hop: every new neighbour is a candidate, admitted ones are results.
    fn expand(&mut self, current: Ordinal) -> Result<(), SearchErrorOf<L, S, F>> {
        let Scratch { frontier, visited, neighbors, visits, .. } = &mut *self.scratch;
        self.links.expect(frontier.waiting().map(|key| unpack(key).ordinal));
        self.links.neighbors(0, current, neighbors).map_err(SearchError::Links)?;
        visits.expanded += 1;
        visited.retain_new(neighbors);
        let Scratch { pool, frontier, neighbors, gathered, distances, visits, .. } =
            &mut *self.scratch;
        score(self.scorer, neighbors, distances, visits)?;
        if let Some(next) = frontier.peek() {
            self.links.prefetch(&[unpack(next).ordinal]);
        }
        if self.selection.reads_rows() {
            let bound = pool.bound();
            let near = neighbors.iter().zip(&*distances);
            let near = near.filter(|(ordinal, distance)| pack(**distance, **ordinal) < bound);
            gathered.clear();
            gathered.extend(near.map(|(ordinal, _)| *ordinal));
            self.selection.prefetch(gathered);
        }
        for (&ordinal, &distance) in neighbors.iter().zip(&*distances) {
            let key = pack(distance, ordinal);
            frontier.insert(key);
            let near = key < pool.bound();
            if near && self.selection.admits(ordinal).map_err(SearchError::Selection)? {
                pool.insert(key);
            }
        }
        Ok(())
    }

    /// Two hops: admitted neighbours are candidates and results; the others stand for their own
    /// admitted neighbours.
    fn expand_twice(&mut self, current: Ordinal) -> Result<(), SearchErrorOf<L, S, F>> {
        let Scratch { visited, neighbors, gathered, visits, .. } = &mut *self.scratch;
        self.links.neighbors(0, current, neighbors).map_err(SearchError::Links)?;
        visits.expanded += 1;
        visited.retain_new(neighbors);
        gathered.clear();
        self.selection.prefetch(neighbors);
        let mut others = 0;
        for at in 0..neighbors.len() {
            if self.selection.admits(neighbors[at]).map_err(SearchError::Selection)? {
                gathered.push(neighbors[at]);
            } else {
                neighbors.swap(others, at);
                others += 1;
            }
        }
        neighbors.truncate(others);
        self.links.prefetch(neighbors);
        self.offer_gathered()?;
        while let Some(other) = self.scratch.neighbors.pop() {
            self.gather(other)?;
            self.offer_gathered()?;
        }
        Ok(())
    }

    /// Collects the admitted neighbours of a row that is not.
    fn gather(&mut self, of: Ordinal) -> Result<(), SearchErrorOf<L, S, F>> {
        let Scratch { visited, gathered, visits, .. } = &mut *self.scratch;
        self.links.neighbors(0, of, gathered).map_err(SearchError::Links)?;
        visits.expanded += 1;
        self.selection.prefetch(gathered);
        let mut kept = 0;
        for at in 0..gathered.len() {
            let row = gathered[at];
            if self.selection.admits(row).map_err(SearchError::Selection)? && visited.visit(row) {
                gathered[kept] = row;
                kept += 1;
            }
        }
        gathered.truncate(kept);
        Ok(())
    }

    /// Scores the gathered rows, all admitted, and makes them candidates and results.
    fn offer_gathered(&mut self) -> Result<(), SearchErrorOf<L, S, F>> {
        let Scratch { pool, frontier, gathered, distances, visits, .. } = &mut *self.scratch;
        score(self.scorer, gathered, distances, visits)?;
        for (&ordinal, &distance) in gathered.iter().zip(&*distances) {
            let key = pack(distance, ordinal);
            frontier.insert(key);
            pool.insert(key);
        }
        Ok(())
    }
}

fn score<L, S: Scorer, F>(
    scorer: &mut S,
    rows: &[Ordinal],
    distances: &mut Vec<f32>,
    visits: &mut Visits,
) -> Result<(), SearchError<L, S::Error, F>> {
    visits.scored += rows.len();
    distances.resize(rows.len(), 0.0);
    scorer.prefetch(rows);
    scorer.score(rows, distances).map_err(SearchError::Scorer)
}
