//! A graph of some of the rows, from which the graph of all of them starts.
//!
//! Merging segments keeps the links of the largest: what was paid for them is not paid again.
//! Where links led to rows that are gone, the nearest of those rows' own neighbours take their
//! place, as in `FreshDiskANN` (Singh et al. 2021, "A Fast and Accurate Graph-Based ANN Index for
//! Streaming Similarity Search", Alg. 4), so that what was joined through them stays joined.

use vectorizer_model::{Ordinal, RowScorer, Scored};

use crate::growing::Growing;
use crate::links::NO_LINK;
use crate::select::Chosen;
use crate::{Links, Params, UpperLayers};

/// A graph of some of the rows.
#[derive(Debug)]
pub struct Basis<'a, L> {
    /// Its layers above 0.
    pub upper: &'a UpperLayers,
    /// Its links on all layers.
    pub links: L,
    /// The row that each of its rows is now; [`NO_LINK`](crate::links::NO_LINK), like any number that
    /// is no row, if it is gone. Shape `[rows of the other graph]`.
    pub places: &'a [u32],
}

/// One list being copied, and the rows that may take the place of gone ones in it.
#[derive(Debug, Default)]
struct Detour {
    chosen: Chosen,
    old: Vec<Ordinal>,
    links: Vec<Ordinal>,
    beyond: Vec<Ordinal>,
    ordinals: Vec<Ordinal>,
    distances: Vec<f32>,
    candidates: Vec<Scored>,
}

impl<L: Links> Basis<'_, L> {
    /// Whether starting from it saves work: the links are of the same shape, and some row is left.
    pub(crate) fn is_useful(&self, params: &Params) -> bool {
        self.upper.m() == params.m && self.rows().next().is_some()
    }

    /// The rows that it links, as they are numbered now.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> {
        self.places.iter().copied().filter(|place| *place != NO_LINK)
    }

    fn place(&self, of: Ordinal) -> Option<Ordinal> {
        place(self.places, of)
    }

    fn top(&self) -> u8 {
        self.upper.entry().map_or(0, |(_, top)| top)
    }

    /// Replaces the drawn levels of its rows by those that they have.
    pub(crate) fn keep_levels(&self, levels: &mut [u8]) {
        for row in self.rows() {
            levels[row as usize] = 0;
        }
        for level in 1..=self.top() {
            for row in self.upper.nodes(level).filter_map(|node| self.place(node)) {
                levels[row.index()] = level;
            }
        }
    }

    /// Copies its links.
    pub(crate) fn copy_links<S: RowScorer>(
        &mut self,
        scorer: &S,
        growing: &Growing,
    ) -> Result<(), L::Error> {
        let mut detour = Detour::default();
        for level in 1..=self.top() {
            for node in self.upper.nodes(level) {
                self.copy_list(scorer, growing, (level, node), &mut detour)?;
            }
        }
        for node in (0..self.places.len()).map(Ordinal::from_index) {
            self.copy_list(scorer, growing, (0, node), &mut detour)?;
        }
        Ok(())
    }

    fn copy_list<S: RowScorer>(
        &mut self,
        scorer: &S,
        growing: &Growing,
        (level, node): (u8, Ordinal),
        detour: &mut Detour,
    ) -> Result<(), L::Error> {
        let Some(row) = self.place(node) else { return Ok(()) };
        let places = self.places;
        self.links.neighbors(level, node, &mut detour.old)?;
        detour.links.clear();
        detour.links.extend(detour.old.iter().filter_map(|link| place(places, *link)));
        let lost = detour.old.len() - detour.links.len();
        if lost > 0 {
            detour.ordinals.clear();
            for gone in detour.old.iter().filter(|link| place(places, **link).is_none()) {
                self.links.neighbors(level, *gone, &mut detour.beyond)?;
                detour
                    .ordinals
                    .extend(detour.beyond.iter().filter_map(|link| place(places, *link)));
            }
            detour.replace(scorer, row, lost);
        }
        growing.lock(level, row).write(detour.links.iter().copied());
        Ok(())
    }
}

fn place(places: &[u32], of: Ordinal) -> Option<Ordinal> {
    let place = *places.get(of.index())?;
    (place != NO_LINK).then_some(Ordinal(place))
}

impl Detour {
    /// Adds at most `lost` of the rows gathered to the links of `row`.
    fn replace<S: RowScorer>(&mut self, scorer: &S, row: Ordinal, lost: usize) {
        let links = &self.links;
        self.ordinals.sort_unstable();
        self.ordinals.dedup();
        self.ordinals.retain(|found| *found != row && !links.contains(found));
        scorer.prefetch(&self.ordinals);
        self.distances.resize(self.ordinals.len(), 0.0);
        scorer.score(row, &self.ordinals, &mut self.distances);
        let found = self.ordinals.iter().zip(&self.distances);
        self.candidates.clear();
        self.candidates.extend(found.map(|(&ordinal, &distance)| Scored { distance, ordinal }));
        self.candidates.sort_unstable();
        self.chosen.choose(scorer, self.candidates.iter().copied(), lost);
        self.links.extend(self.chosen.rows().iter().map(|link| link.ordinal));
    }
}
