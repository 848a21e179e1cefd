//! The seam between a graph and the vectors it navigates.

use std::cmp::Ordering;

use crate::Ordinal;

/// A row with its distance from the query. Orders by distance, then by row, so that equal inputs
/// give equal outputs.
#[derive(Debug, Clone, Copy)]
pub struct Scored {
    /// Smaller is nearer.
    pub distance: f32,
    /// The row.
    pub ordinal: Ordinal,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.ordinal.cmp(&other.ordinal))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scored {}

/// Distances from one query to rows. Used through generics: no dynamic call for each candidate.
pub trait Scorer {
    /// Why rows could not be scored.
    type Error;

    /// Says that these rows will be scored soon; may start loads, never waits.
    fn prefetch(&mut self, ordinals: &[Ordinal]);

    /// Writes the distance of each row into `out`.
    ///
    /// Shapes: `out` has the length of `ordinals`. Every ordinal is below the row count.
    ///
    /// # Errors
    /// If a row could not be read; `out` is then unspecified.
    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<(), Self::Error>;
}

/// Distances between stored rows, for building a graph from several threads.
pub trait RowScorer: Sync {
    /// Rows there are.
    fn rows(&self) -> usize;

    /// Says that these rows will be scored soon; may start loads, never waits.
    fn prefetch(&self, ordinals: &[Ordinal]);

    /// Writes the distance from `row` to each of `ordinals` into `out`.
    ///
    /// Shapes: `out` has the length of `ordinals`.
    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]);
}
