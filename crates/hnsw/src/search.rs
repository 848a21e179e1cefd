//! Search: the paper's Alg. 5, with Alg. 2 over one sorted pool.
//!
//! A search greedily descends the upper layers, then widens on layer 0: it expands the nearest
//! candidate not yet expanded until the pool of `ef` nearest holds none. While a batch of
//! neighbours is scored, the links of the next candidate are on their way.
//!
//! `filtered` is the same walk with a second pool for the rows that a selection admits.

mod filtered;

use vectorizer_model::{Cardinality, Ordinal, Scored, Scorer, Selection};

use crate::pool::{pack, unpack};
use crate::visits::Visits;
use crate::{Links, Scratch, SearchError};

/// What one search wants.
#[derive(Debug, Clone, Copy)]
pub struct SearchParams<'a> {
    /// Candidates kept (`ef` of the paper): more find more, and cost more. At least `limit`
    /// are kept.
    pub ef: usize,
    /// Rows wanted.
    pub limit: usize,
    /// Rows scored plus blocks of links read, after which the search gives up, so that the
    /// caller can scan instead.
    pub visit_limit: usize,
    /// Rows to start from besides the graph's entry: for a selective filter a few of its rows.
    pub seeds: &'a [Ordinal],
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The results are in the scratch.
    Done(Visits),
    /// It met its visit limit; the scratch holds what it had found, with less recall.
    LimitReached(Visits),
}

/// Why a search over these three seams stopped.
pub type SearchErrorOf<L, S, F> =
    SearchError<<L as Links>::Error, <S as Scorer>::Error, <F as Selection>::Error>;

/// Finds the rows nearest to a query; they lie in [`Scratch::results`], nearest first, ties by
/// ordinal, at most `limit`, each admitted by the selection.
///
/// A selection that counts every row exactly is never asked. Rows that are not admitted are
/// walked through.
///
/// Cost: about `ef * m0` scored rows. Allocates only where the scratch never served so large a
/// search; see [`Scratch::bytes_needed`].
///
/// # Errors
/// Those of the three seams; the scratch stays usable and its results are unspecified.
pub fn search<L: Links, S: Scorer, F: Selection>(
    links: &mut L,
    scorer: &mut S,
    selection: &mut F,
    params: &SearchParams<'_>,
    scratch: &mut Scratch,
) -> Result<Outcome, SearchErrorOf<L, S, F>> {
    scratch.results.clear();
    scratch.visits = Visits::default();
    let (Some((entry, top)), true) = (links.entry(), params.limit > 0) else {
        return Ok(Outcome::Done(Visits::default()));
    };
    let mut nearest = score_one(scorer, entry, scratch)?;
    for level in (1..=top).rev() {
        nearest = descend(links, scorer, level, nearest, scratch)?;
    }
    let ef = params.ef.max(params.limit);
    scratch.visited.begin(links.rows(), ef);
    scratch.pool.reset(ef);
    scratch.visited.visit(nearest.ordinal);
    let done = if selection.cardinality() == Cardinality::Exact(links.rows() as u64) {
        scratch.pool.insert(pack(nearest.distance, nearest.ordinal));
        for seed in params.seeds {
            if scratch.visited.visit(*seed) {
                let seed = score_one(scorer, *seed, scratch)?;
                scratch.pool.insert(pack(seed.distance, seed.ordinal));
            }
        }
        let limit = params.visit_limit;
        widen(links, scorer, Layer { level: 0, limit, salt: 0 }, scratch)?
    } else {
        scratch.frontier.reset(Scratch::frontier_capacity(ef));
        scratch.frontier.insert(pack(nearest.distance, nearest.ordinal));
        filtered::widen(links, scorer, selection, params, scratch)?
    };
    let found = scratch.pool.keys().take(params.limit).map(unpack);
    scratch.results.extend(found);
    let visits = scratch.visits;
    Ok(if done { Outcome::Done(visits) } else { Outcome::LimitReached(visits) })
}

/// Takes the distance of one row.
pub(crate) fn score_one<S: Scorer, L, F>(
    scorer: &mut S,
    ordinal: Ordinal,
    scratch: &mut Scratch,
) -> Result<Scored, SearchError<L, S::Error, F>> {
    let mut distance = [0.0];
    scorer.score(&[ordinal], &mut distance).map_err(SearchError::Scorer)?;
    scratch.visits.scored += 1;
    let [distance] = distance;
    Ok(Scored { distance, ordinal })
}

/// Walks one upper layer to a row nearer than its neighbours.
pub(crate) fn descend<L: Links, S: Scorer, F>(
    links: &mut L,
    scorer: &mut S,
    level: u8,
    from: Scored,
    scratch: &mut Scratch,
) -> Result<Scored, SearchError<L::Error, S::Error, F>> {
    let Scratch { neighbors, distances, visits, .. } = scratch;
    let mut nearest = from;
    loop {
        links.neighbors(level, nearest.ordinal, neighbors).map_err(SearchError::Links)?;
        visits.expanded += 1;
        visits.scored += neighbors.len();
        distances.resize(neighbors.len(), 0.0);
        scorer.prefetch(neighbors);
        scorer.score(neighbors, distances).map_err(SearchError::Scorer)?;
        let scored = neighbors.iter().zip(&*distances);
        let best = scored.map(|(&ordinal, &distance)| Scored { distance, ordinal }).min();
        match best {
            Some(best) if best < nearest => nearest = best,
            _ => return Ok(nearest),
        }
    }
}

/// Where and how far [`widen`] walks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) level: u8,
    /// Visits after which it stops.
    pub(crate) limit: usize,
    /// Mixed into ordinals in the pool, so that builds break ties otherwise for each row.
    pub(crate) salt: u32,
}

impl Layer {
    #[inline]
    pub(crate) fn pack(self, distance: f32, ordinal: Ordinal) -> u64 {
        pack(distance, Ordinal(ordinal.0 ^ self.salt))
    }

    #[inline]
    pub(crate) fn unpack(self, key: u64) -> Scored {
        let Scored { distance, ordinal } = unpack(key);
        Scored { distance, ordinal: Ordinal(ordinal.0 ^ self.salt) }
    }
}

/// Alg. 2: expands candidates of the pool until none is left. False if it met its limit.
pub(crate) fn widen<L: Links, S: Scorer, F>(
    links: &mut L,
    scorer: &mut S,
    layer: Layer,
    scratch: &mut Scratch,
) -> Result<bool, SearchError<L::Error, S::Error, F>> {
    let Scratch { pool, visited, neighbors, distances, visits, .. } = scratch;
    while let Some(current) = pool.pop() {
        if visits.total() >= layer.limit {
            return Ok(false);
        }
        let current = layer.unpack(current).ordinal;
        links.expect(pool.waiting().map(|key| layer.unpack(key).ordinal));
        links.neighbors(layer.level, current, neighbors).map_err(SearchError::Links)?;
        visited.retain_new(neighbors);
        visits.expanded += 1;
        visits.scored += neighbors.len();
        scorer.prefetch(neighbors);
        if let Some(next) = pool.peek() {
            links.prefetch(&[layer.unpack(next).ordinal]);
        }
        distances.resize(neighbors.len(), 0.0);
        scorer.score(neighbors, distances).map_err(SearchError::Scorer)?;
        let mut nearest = usize::MAX;
        for (&ordinal, &distance) in neighbors.iter().zip(&*distances) {
            if let Some(place) = pool.insert(layer.pack(distance, ordinal))
                && place < nearest
            {
                links.prefetch(&[ordinal]);
                nearest = place;
            }
        }
    }
    Ok(true)
}
