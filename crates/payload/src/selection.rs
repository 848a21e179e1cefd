//! Rows as a search asks for them: [`Selection`] over bitmaps, without the dead, with a verifier.

use std::convert::Infallible;

use roaring::RoaringBitmap;
use vectorizer_model::{Cardinality, Ordinal, Selection};

/// With at most this many rows to an admitted one, a bit for each row is worth its bytes.
const DENSE_ROWS_PER_ADMITTED: u64 = 64;

/// Exactly the rows of a bitmap.
///
/// Asked in constant time if many rows are admitted; few are found by binary search.
#[derive(Debug, Clone)]
pub struct BitmapSelection {
    rows: RowBits,
    admitted: u64,
}

#[derive(Debug, Clone)]
enum RowBits {
    Sparse(RoaringBitmap),
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
            RowBits::Sparse(bitmap)
        };
        Self { rows, admitted }
    }

    /// Bytes that [`BitmapSelection::new`] will hold for so many rows; at most twelve for each
    /// admitted one if they are few, a bit for each row otherwise.
    pub fn bytes_needed(rows: u32, admitted: u64) -> u64 {
        if is_dense(rows, admitted) { u64::from(rows).div_ceil(64) * 8 } else { admitted * 12 + 64 }
    }

    /// The rows admitted, ascending.
    pub fn ordinals(&self) -> impl Iterator<Item = Ordinal> + '_ {
        let (sparse, dense) = match &self.rows {
            RowBits::Sparse(bitmap) => (Some(bitmap), None),
            RowBits::Dense(words) => (None, Some(words)),
        };
        let dense = dense.into_iter().flatten().zip(0_u32..);
        let dense = dense.flat_map(|(&word, at)| ones(word).map(move |bit| at * 64 + bit));
        sparse.into_iter().flatten().chain(dense).map(Ordinal)
    }

    /// The first admitted row at or after `from`.
    pub fn first_from(&self, from: Ordinal) -> Option<Ordinal> {
        let words = match &self.rows {
            RowBits::Sparse(bitmap) => return bitmap.range(from.0..).next().map(Ordinal),
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
            RowBits::Sparse(bitmap) => bitmap.contains(ordinal.0),
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

/// Candidates of which some are certain and the others are judged one by one.
#[derive(Debug, Clone)]
pub struct Verified<V> {
    certain: BitmapSelection,
    candidates: BitmapSelection,
    verify: V,
    cardinality: Cardinality,
}

impl<E, V: FnMut(Ordinal) -> Result<bool, E>> Verified<V> {
    /// Admits all of `certain`, and those of the other `candidates` for which `verify` holds:
    /// about `cardinality` rows in all.
    pub fn new(
        certain: BitmapSelection,
        candidates: BitmapSelection,
        verify: V,
        cardinality: Cardinality,
    ) -> Self {
        Self { certain, candidates, verify, cardinality }
    }

    /// The rows that may be admitted, ascending.
    pub fn candidates(&self) -> &BitmapSelection {
        &self.candidates
    }
}

impl<E, V: FnMut(Ordinal) -> Result<bool, E>> Selection for Verified<V> {
    type Error = E;

    #[inline]
    fn admits(&mut self, ordinal: Ordinal) -> Result<bool, E> {
        if !self.candidates.contains(ordinal) {
            return Ok(false);
        }
        if self.certain.contains(ordinal) {
            return Ok(true);
        }
        (self.verify)(ordinal)
    }

    fn cardinality(&self) -> Cardinality {
        self.cardinality
    }
}
