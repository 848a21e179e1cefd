//! Which candidates become neighbours: the paper's Alg. 4.
//!
//! A candidate is kept if it is nearer to the row than to every candidate kept before it, so that
//! links point in different directions. `keepPrunedConnections` of the paper is off: lists fill
//! by the links of later rows.
//!
//! Rows equal to each other defeat that rule: none is nearer to a kept one than to the row. Half
//! a list at most goes to such twins, else a group of duplicates would link only within itself.

use vectorizer_model::{Ordinal, RowScorer, Scored};

/// Kept rows compared with a candidate in one call.
const COMPARED: usize = 8;

/// Working memory of a selection.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    rows: Vec<Scored>,
    ordinals: Vec<Ordinal>,
}

impl Chosen {
    /// The rows chosen last, nearest first.
    pub(crate) fn rows(&self) -> &[Scored] {
        &self.rows
    }

    /// Chooses at most `cap` of the candidates, which come nearest first.
    pub(crate) fn choose<S: RowScorer>(
        &mut self,
        scorer: &S,
        candidates: impl Iterator<Item = Scored>,
        cap: usize,
    ) {
        self.rows.clear();
        self.ordinals.clear();
        let mut twins = 0;
        for candidate in candidates {
            if self.rows.len() == cap {
                return;
            }
            let keep = match self.relation(scorer, candidate) {
                Relation::Apart => true,
                Relation::Covered => false,
                Relation::Twin => {
                    twins += 1;
                    twins <= cap / 2
                }
            };
            if keep {
                self.rows.push(candidate);
                self.ordinals.push(candidate.ordinal);
            }
        }
    }

    fn relation<S: RowScorer>(&self, scorer: &S, candidate: Scored) -> Relation {
        let mut twin = false;
        let kept = self.ordinals.chunks(COMPARED).zip(self.rows.chunks(COMPARED));
        for (ordinals, rows) in kept {
            let mut distances = [0.0; COMPARED];
            let distances = &mut distances[..ordinals.len()];
            scorer.score(candidate.ordinal, ordinals, distances);
            if distances.iter().any(|between| *between < candidate.distance) {
                return Relation::Covered;
            }
            let mut pairs = rows.iter().zip(&*distances);
            twin |= pairs.any(|(kept, between)| {
                kept.distance >= candidate.distance && *between <= candidate.distance
            });
        }
        if twin { Relation::Twin } else { Relation::Apart }
    }
}

/// How a candidate lies to the rows chosen before it.
enum Relation {
    /// Nearer to the row than to all of them.
    Apart,
    /// Nearer to one of them than to the row.
    Covered,
    /// As far from one of them as both are from the row.
    Twin,
}
