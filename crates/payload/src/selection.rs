//! Rows as a search asks for them: [`Selection`] over bitmaps and tests, without the dead.

use std::convert::Infallible;

use roaring::RoaringBitmap;
use vectorizer_model::{Cardinality, Ordinal, Selection};

use crate::rows::{Rows, Tested};

/// With at most this many rows to an admitted one, a bit for each row is worth its bytes.
const DENSE_ROWS_PER_ADMITTED: u64 = 64;

/// Exactly the rows of a bitmap.
///
/// Asked in constant time if many rows are admitted; few are found by binary search, and one
/// after the other in constant time again.
#[derive(Debug, Clone)]
pub struct BitmapSelection {
    rows: RowBits,
    admitted: u64,
}

#[derive(Debug, Clone)]
enum RowBits {
    /// Ascending, with the position after the row that was found last.
    Sparse { listed: Box<[u32]>, next: usize },
    /// Bit `i % 64` of word `i / 64` is row `i`.
    Dense(Box<[u64]>),
}

impl BitmapSelection {
    /// Takes the rows admitted, of `rows` that there are; higher ones are left out.
    pub fn new(mut bitmap: RoaringBitmap, rows: u32) -> Self {
        if bitmap.max().is_some_and(|row| row >= rows) {
            bitmap.remove_range(rows..);
        }
        let admitted = bitmap.len();
        let rows = if is_dense(rows, admitted) {
            let mut words = vec![0_u64; (rows as usize).div_ceil(64)];
            for row in &bitmap {
                words[row as usize / 64] |= 1 << (row % 64);
            }
            RowBits::Dense(words.into())
        } else {
            RowBits::Sparse { listed: bitmap.into_iter().collect(), next: 0 }
        };
        Self { rows, admitted }
    }

    /// Bytes that [`BitmapSelection::new`] will hold for so many rows: four for each admitted one
    /// if they are few, a bit for each row otherwise.
    pub fn bytes_needed(rows: u32, admitted: u64) -> u64 {
        if is_dense(rows, admitted) { u64::from(rows).div_ceil(64) * 8 } else { admitted * 4 }
    }

    /// The rows admitted, ascending.
    pub fn ordinals(&self) -> impl Iterator<Item = Ordinal> + '_ {
        let (sparse, dense) = match &self.rows {
            RowBits::Sparse { listed, .. } => (Some(listed), None),
            RowBits::Dense(words) => (None, Some(words)),
        };
        let dense = dense.into_iter().flatten().zip(0_u32..);
        let dense = dense.flat_map(|(&word, at)| ones(word).map(move |bit| at * 64 + bit));
        sparse.into_iter().flatten().copied().chain(dense).map(Ordinal)
    }

    /// The first admitted row at or after `from`.
    pub fn first_from(&mut self, from: Ordinal) -> Option<Ordinal> {
        let words = match &mut self.rows {
            RowBits::Sparse { listed, next } => return first_listed(listed, next, from),
            RowBits::Dense(words) => words,
        };
        let first = from.index() / 64;
        let masked = words.get(first)? & (u64::MAX << (from.0 % 64));
        let rest = words.iter().copied().enumerate().skip(first + 1);
        std::iter::once((first, masked))
            .chain(rest)
            .find(|(_, word)| *word != 0)
            .map(|(at, word)| Ordinal::from_index(at * 64 + word.trailing_zeros() as usize))
    }

    /// Whether the row may be returned.
    #[inline]
    pub fn contains(&self, ordinal: Ordinal) -> bool {
        match &self.rows {
            RowBits::Sparse { listed, .. } => listed.binary_search(&ordinal.0).is_ok(),
            RowBits::Dense(words) => words
                .get(ordinal.index() / 64)
                .is_some_and(|word| word >> (ordinal.0 % 64) & 1 == 1),
        }
    }
}

impl Selection for BitmapSelection {
    type Error = Infallible;

    #[inline]
    fn admits(&mut self, ordinal: Ordinal) -> Result<bool, Infallible> {
        Ok(self.contains(ordinal))
    }

    fn cardinality(&self) -> Cardinality {
        Cardinality::Exact(self.admitted)
    }

    fn next(&mut self, from: Ordinal, end: Ordinal) -> Result<Option<Ordinal>, Infallible> {
        Ok(self.first_from(from).filter(|row| *row < end))
    }
}

/// The first listed row at or after `from`, which lies at `next` if the one before was asked last.
fn first_listed(listed: &[u32], next: &mut usize, from: Ordinal) -> Option<Ordinal> {
    let (before, after) = listed.split_at_checked(*next)?;
    let is_next = before.last().is_none_or(|row| *row < from.0)
        && after.first().is_none_or(|row| *row >= from.0);
    let at = if is_next { *next } else { listed.partition_point(|row| *row < from.0) };
    let row = *listed.get(at)?;
    *next = at + 1;
    Some(Ordinal(row))
}

fn is_dense(rows: u32, admitted: u64) -> bool {
    admitted > 0 && admitted * DENSE_ROWS_PER_ADMITTED >= u64::from(rows)
}

/// Positions of the bits set.
fn ones(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(bit)
    })
}

/// The rows of a set, in the form that is asked fastest.
#[derive(Debug, Clone)]
pub enum Admitted<'a> {
    /// Every row.
    All,
    /// These.
    Bitmap(BitmapSelection),
    /// Those that a test admits, of so many that there are.
    Tested {
        /// The test.
        tested: Tested<'a>,
        /// Rows there are.
        rows: u32,
        /// The last 64 rows that were looked through: which, and those of them admitted.
        seen: (usize, u64),
    },
}

impl<'a> Admitted<'a> {
    /// The rows of a set, of `rows` that there are.
    pub fn new(set: Rows<'a>, rows: u32) -> Self {
        match set {
            Rows::All => Self::All,
            Rows::Bitmap(bitmap) => Self::Bitmap(BitmapSelection::new(bitmap, rows)),
            Rows::Tested(tested) => {
                let seen = (0, tested.word(0));
                Self::Tested { tested, rows, seen }
            }
        }
    }

    /// Whether it is known that there is no row.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Bitmap(bitmap) if bitmap.admitted == 0)
    }

    /// Whether a row is among them.
    #[inline]
    pub fn contains(&self, ordinal: Ordinal) -> bool {
        match self {
            Self::All => true,
            Self::Bitmap(bitmap) => bitmap.contains(ordinal),
            Self::Tested { tested, .. } => tested.admits(ordinal),
        }
    }

    /// The first of them at or after `from` and before `end`.
    pub fn first_from(&mut self, from: Ordinal, end: Ordinal) -> Option<Ordinal> {
        let (tested, rows, seen) = match self {
            Self::All => return Some(from).filter(|row| *row < end),
            Self::Bitmap(bitmap) => return bitmap.first_from(from).filter(|row| *row < end),
            Self::Tested { tested, rows, seen } => (tested, *rows, seen),
        };
        let end = end.min(Ordinal(rows));
        let mut mask = u64::MAX << (from.0 % 64);
        for at in from.index() / 64..end.index().div_ceil(64) {
            if seen.0 != at {
                *seen = (at, tested.word(at));
            }
            let left = seen.1 & mask;
            if left != 0 {
                let row = Ordinal::from_index(at * 64 + left.trailing_zeros() as usize);
                return Some(row).filter(|row| *row < end);
            }
            mask = u64::MAX;
        }
        None
    }
}

/// A selection without the rows for which a predicate holds, such as deleted ones.
#[derive(Debug, Clone)]
pub struct Without<S, P> {
    selection: S,
    is_gone: P,
    gone: u64,
}

impl<S: Selection, P: FnMut(Ordinal) -> bool> Without<S, P> {
    /// Leaves out the rows for which `is_gone` holds: `gone` of the segment, whether the selection
    /// admits them or not.
    pub fn new(selection: S, is_gone: P, gone: u64) -> Self {
        Self { selection, is_gone, gone }
    }
}

impl<S: Selection, P: FnMut(Ordinal) -> bool> Selection for Without<S, P> {
    type Error = S::Error;

    #[inline]
    fn admits(&mut self, ordinal: Ordinal) -> Result<bool, S::Error> {
        Ok(!(self.is_gone)(ordinal) && self.selection.admits(ordinal)?)
    }

    /// That of the selection if nothing is gone. Otherwise an upper bound: how many of those
    /// admitted are gone is not known.
    fn cardinality(&self) -> Cardinality {
        let admitted = self.selection.cardinality();
        if self.gone == 0 {
            return admitted;
        }
        Cardinality::Estimate(admitted.rows())
    }
}
