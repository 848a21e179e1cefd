//! Insertion of one row: the paper's Alg. 1.
//!
//! All searches of an insertion come before its first write, and its own lists are written before
//! any list leads to it: a thread that meets the row finds it linked.

use std::convert::Infallible;

use vectorizer_model::{Ordinal, RowScorer, Scored, Scorer};

use crate::growing::Growing;
use crate::pool::pack;
use crate::search::{Layer, descend, score_one, widen};
use crate::select::Chosen;
use crate::visits::Visits;
use crate::{Links, Params, Scratch, SearchError};

type Never = SearchError<Infallible, Infallible, Infallible>;

/// A row and where it enters the graph.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) row: Ordinal,
    /// Rows that lie close have close regions: the nearest nodes of layers 2 and 1, by rank.
    pub(crate) region: (u32, u32),
    /// Where the search of layer 0 starts.
    pub(crate) near: Ordinal,
}

/// What an insertion works on.
#[derive(Debug)]
pub(crate) struct Site<'a, S> {
    pub(crate) growing: &'a Growing,
    pub(crate) scorer: &'a S,
    pub(crate) params: &'a Params,
}

/// One worker's memory, reused for all its rows.
#[derive(Debug, Default)]
pub(crate) struct Inserter {
    scratch: Scratch,
    chosen: Chosen,
    /// Neighbours of the row on each of its layers.
    own: Vec<Vec<Scored>>,
    list: Vec<Ordinal>,
    candidates: Vec<Scored>,
    distances: Vec<f32>,
}

/// A stored row as the query of a search.
struct FromRow<'a, S> {
    scorer: &'a S,
    row: Ordinal,
}

impl<S: RowScorer> Scorer for FromRow<'_, S> {
    type Error = Infallible;

    #[inline]
    fn prefetch(&mut self, ordinals: &[Ordinal]) {
        self.scorer.prefetch(ordinals);
    }

    #[inline]
    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<(), Self::Error> {
        self.scorer.score(self.row, ordinals, out);
        Ok(())
    }
}

impl Inserter {
    pub(crate) fn bytes_needed(rows: usize, params: &Params) -> u64 {
        let lists = 16 * 1024 + 64 * u64::from(params.m0());
        Scratch::bytes_needed(rows, params.ef_construct as usize) + lists
    }

    /// Finds where a row would enter layer 0 now.
    pub(crate) fn place<S: RowScorer>(&mut self, site: &Site<'_, S>, row: Ordinal) -> Placed {
        let Some((entry, top)) = site.growing.entry() else {
            return Placed { row, region: (0, 0), near: row };
        };
        let (mut links, scorer) = (site.growing, &mut FromRow { scorer: site.scorer, row });
        let Ok(mut nearest): Result<_, Never> = score_one(scorer, entry, &mut self.scratch);
        let mut path = (nearest.ordinal, nearest.ordinal);
        for level in (1..=top).rev() {
            let Ok(found): Result<_, Never> =
                descend(&mut links, scorer, level, nearest, &mut self.scratch);
            nearest = found;
            path = (path.1, nearest.ordinal);
        }
        let region = (site.growing.rank(2, path.0), site.growing.rank(1, path.1));
        Placed { row, region, near: nearest.ordinal }
    }

    /// Links a row into the graph. The entry must have been inserted first.
    pub(crate) fn insert<S: RowScorer>(&mut self, site: &Site<'_, S>, placed: Placed) {
        let row = placed.row;
        let Some((entry, top)) = site.growing.entry().filter(|(entry, _)| *entry != row) else {
            return;
        };
        let highest = site.growing.level(row).min(top);
        let start = if highest == 0 { (placed.near, 0) } else { (entry, top) };
        let Ok(()) = self.choose_own(site, (row, highest), start);
        for level in 0..=highest {
            let own = &self.own[usize::from(level)];
            site.growing.lock(level, row).write(own.iter().map(|link| link.ordinal));
        }
        for level in 0..=highest {
            for at in 0..self.own[usize::from(level)].len() {
                let Scored { distance, ordinal } = self.own[usize::from(level)][at];
                self.link_back(site, (level, ordinal), Scored { distance, ordinal: row });
            }
        }
    }

    /// Searches all layers of the row, from the top, and chooses its neighbours on each.
    fn choose_own<S: RowScorer>(
        &mut self,
        site: &Site<'_, S>,
        (row, highest): (Ordinal, u8),
        (entry, top): (Ordinal, u8),
    ) -> Result<(), Never> {
        let (mut links, scorer) = (site.growing, &mut FromRow { scorer: site.scorer, row });
        let scratch = &mut self.scratch;
        self.own.resize_with(self.own.len().max(usize::from(highest) + 1), Vec::new);
        let mut nearest = score_one(scorer, entry, scratch)?;
        for level in (highest + 1..=top).rev() {
            nearest = descend(&mut links, scorer, level, nearest, scratch)?;
        }
        for level in (0..=highest).rev() {
            let layer = self.widen(site, row, level, nearest);
            let found = self.scratch.pool.keys().map(|key| layer.unpack(key));
            self.chosen.choose(site.scorer, found, site.params.m as usize);
            nearest = self.chosen.rows().first().copied().unwrap_or(nearest);
            let own = &mut self.own[usize::from(level)];
            own.clear();
            own.extend_from_slice(self.chosen.rows());
        }
        Ok(())
    }

    /// Fills the pool with the rows near a row that a walk of one layer finds.
    fn widen<S: RowScorer>(
        &mut self,
        site: &Site<'_, S>,
        row: Ordinal,
        level: u8,
        start: Scored,
    ) -> Layer {
        let (mut links, scorer) = (site.growing, &mut FromRow { scorer: site.scorer, row });
        let layer = Layer { level, limit: usize::MAX, salt: salt(row) };
        let (scratch, ef) = (&mut self.scratch, site.params.ef_construct as usize);
        scratch.visits = Visits::default();
        scratch.visited.begin(links.rows(), ef);
        scratch.visited.visit(start.ordinal);
        scratch.pool.reset(ef);
        scratch.pool.insert(layer.pack(start.distance, start.ordinal));
        let Ok(_): Result<_, Never> = widen(&mut links, scorer, layer, scratch);
        layer
    }

    /// Rows near a row, nearest first, as layer 0 leads to them.
    pub(crate) fn nearest<S: RowScorer>(
        &mut self,
        site: &Site<'_, S>,
        row: Ordinal,
    ) -> impl Iterator<Item = Scored> {
        let start = self.place(site, row).near;
        let mut scorer = FromRow { scorer: site.scorer, row };
        let Ok(start): Result<_, Never> = score_one(&mut scorer, start, &mut self.scratch);
        let layer = self.widen(site, row, 0, start);
        self.scratch.pool.keys().map(move |key| layer.unpack(key))
    }

    /// Adds a link to the row `back.ordinal` to the list of `of`; chooses anew if it is full.
    fn link_back<S: RowScorer>(
        &mut self,
        site: &Site<'_, S>,
        (level, of): (u8, Ordinal),
        back: Scored,
    ) {
        let stride = site.growing.stride(level);
        let locked = site.growing.lock(level, of);
        locked.read(&mut self.list);
        if self.list.contains(&back.ordinal) {
            return;
        }
        if locked.add(back.ordinal) {
            return;
        }
        site.scorer.prefetch(&self.list);
        self.distances.resize(self.list.len(), 0.0);
        site.scorer.score(of, &self.list, &mut self.distances);
        let listed = self.list.iter().zip(&self.distances);
        self.candidates.clear();
        self.candidates.push(back);
        self.candidates.extend(listed.map(|(&ordinal, &distance)| Scored { distance, ordinal }));
        let salt = salt(of);
        self.candidates
            .sort_unstable_by_key(|row| pack(row.distance, Ordinal(row.ordinal.0 ^ salt)));
        self.chosen.choose(site.scorer, self.candidates.iter().copied(), stride);
        locked.write(self.chosen.rows().iter().map(|link| link.ordinal));
    }
}

/// Breaks ties otherwise for each row, so that of many equal rows not the same few get all links.
pub(crate) fn salt(row: Ordinal) -> u32 {
    row.0.wrapping_mul(0x9e37_79b1) >> 1
}
