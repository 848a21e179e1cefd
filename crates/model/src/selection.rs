//! Which rows a search may return.

use crate::Ordinal;

/// How many rows a selection admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// Counted.
    Exact(u64),
    /// Estimated from a sample or from index statistics.
    Estimate(u64),
}

impl Cardinality {
    /// The number, counted or estimated.
    pub fn rows(self) -> u64 {
        match self {
            Self::Exact(rows) | Self::Estimate(rows) => rows,
        }
    }
}

/// A predicate over the rows of one segment, cheap enough to ask once for each candidate.
///
/// It may read stored rows, so that it can fail; implementations over bitmaps cannot, and say so
/// with [`std::convert::Infallible`].
pub trait Selection {
    /// Why a row could not be judged.
    type Error;

    /// Whether the row may be returned.
    ///
    /// # Errors
    /// If the row could not be read; nothing changed.
    fn admits(&mut self, ordinal: Ordinal) -> Result<bool, Self::Error>;

    /// How many rows it admits.
    fn cardinality(&self) -> Cardinality;

    /// Whether rows are judged by what is stored of them, so that one that need not be asked is
    /// worth some thought.
    fn reads_rows(&self) -> bool {
        false
    }

    /// These rows are asked next: what judging them reads may be read side by side. A hint, whose
    /// failures the asking finds again.
    fn prefetch(&mut self, _: &[Ordinal]) {}

    /// The first admitted row at or after `from` and before `end`.
    ///
    /// # Errors
    /// As [`Selection::admits`].
    fn next(&mut self, from: Ordinal, end: Ordinal) -> Result<Option<Ordinal>, Self::Error> {
        for row in from.0..end.0 {
            if self.admits(Ordinal(row))? {
                return Ok(Some(Ordinal(row)));
            }
        }
        Ok(None)
    }
}

/// Admits every row.
#[derive(Debug, Clone, Copy)]
pub struct AllRows {
    /// Rows there are.
    pub rows: u64,
}

impl Selection for AllRows {
    type Error = std::convert::Infallible;

    #[inline]
    fn admits(&mut self, _: Ordinal) -> Result<bool, Self::Error> {
        Ok(true)
    }

    fn cardinality(&self) -> Cardinality {
        Cardinality::Exact(self.rows)
    }
}
