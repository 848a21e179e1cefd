//! Sets of rows of one segment, and their algebra.
//!
//! Few rows are written down. Many are left as a test that a search asks of the rows it meets,
//! which are fewer still: writing them down would cost more than the search.

use std::sync::Arc;

use roaring::RoaringBitmap;
use vectorizer_model::Ordinal;

use crate::field_index::RankTest;

/// Rows are written down if there are at most so many of them,
const SPARSE_ROWS_MAX: u64 = 1 << 14;
/// and at most one in so many.
const SPARSE_PART: u64 = 16;

/// Whether so many rows are few enough to be written down rather than tested.
pub(crate) fn is_sparse(admitted: u64, rows: u32) -> bool {
    admitted <= SPARSE_ROWS_MAX && admitted * SPARSE_PART <= u64::from(rows)
}

/// A set of rows.
#[derive(Debug, Clone)]
pub enum Rows<'a> {
    /// Every row.
    All,
    /// These.
    Bitmap(RoaringBitmap),
    /// Those that a test admits.
    Tested(Tested<'a>),
}

/// Rows that a test admits.
#[derive(Debug, Clone)]
pub struct Tested<'a> {
    test: RowTest<'a>,
    count: Option<u64>,
}

impl Tested<'_> {
    /// Whether a row is among them.
    #[inline]
    pub fn admits(&self, ordinal: Ordinal) -> bool {
        self.test.admits(ordinal.0)
    }

    /// 64 rows at once: bit `i` is row `64 * at + i`. Unspecified for rows that do not exist.
    pub(crate) fn word(&self, at: usize) -> u64 {
        self.test.word(at)
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn none() -> Self {
        Self::Bitmap(RoaringBitmap::new())
    }

    /// The rows whose value is among some: so many.
    pub(crate) fn ranked(test: RankTest<'a>, count: u64) -> Self {
        Self::Tested(Tested { test: RowTest::Ranks(test), count: Some(count) })
    }

    /// Rows that are written down already.
    pub(crate) fn shared(bitmap: Arc<RoaringBitmap>) -> Self {
        Self::tested(RowTest::Bitmap(bitmap))
    }

    /// How many, of `rows` that there are; none if only asking each would tell.
    pub fn count(&self, rows: u32) -> Option<u64> {
        match self {
            Self::All => Some(rows.into()),
            Self::Bitmap(bitmap) => Some(bitmap.len()),
            Self::Tested(tested) => tested.count,
        }
    }

    /// Whether it is known that there is no row.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Bitmap(rows) if rows.is_empty())
    }

    /// Whether it is known that both are the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::Bitmap(a), Self::Bitmap(b)) => a == b,
            _ => false,
        }
    }

    pub(crate) fn and(self, other: Self, rows: u32) -> Self {
        match (self, other) {
            (Self::All, set) | (set, Self::All) => set,
            (Self::Bitmap(a), Self::Bitmap(b)) => Self::Bitmap(a & b),
            (Self::Bitmap(bitmap), Self::Tested(tested))
            | (Self::Tested(tested), Self::Bitmap(bitmap)) => {
                let test = tested.test;
                if let Some(gone) = test.all_but() {
                    Self::Bitmap(bitmap - gone)
                } else if is_sparse(bitmap.len(), rows) {
                    Self::Bitmap(bitmap.into_iter().filter(|&row| test.admits(row)).collect())
                } else {
                    Self::tested(test.and(RowTest::Bitmap(Arc::new(bitmap))))
                }
            }
            (Self::Tested(a), Self::Tested(b)) => Self::tested(a.test.and(b.test)),
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Bitmap(a), Self::Bitmap(b)) => Self::Bitmap(a | b),
            (Self::Bitmap(bitmap), tested) | (tested, Self::Bitmap(bitmap))
                if bitmap.is_empty() =>
            {
                tested
            }
            (Self::Bitmap(bitmap), Self::Tested(tested))
            | (Self::Tested(tested), Self::Bitmap(bitmap)) => {
                Self::tested(tested.test.or(RowTest::Bitmap(Arc::new(bitmap))))
            }
            (Self::Tested(a), Self::Tested(b)) => Self::tested(a.test.or(b.test)),
        }
    }

    pub(crate) fn complement(self, rows: u32) -> Self {
        let left = self.count(rows).map(|count| u64::from(rows).saturating_sub(count));
        let test = match self {
            Self::All => return Self::none(),
            Self::Bitmap(bitmap) if bitmap.is_empty() => return Self::All,
            Self::Bitmap(bitmap) if left.is_some_and(|left| is_sparse(left, rows)) => {
                return Self::Bitmap(every(rows) - bitmap);
            }
            Self::Bitmap(bitmap) => RowTest::Bitmap(Arc::new(bitmap)),
            Self::Tested(tested) => tested.test,
        };
        let test = match test.undone() {
            Ok(RowTest::Bitmap(bitmap)) => return Self::Bitmap(Arc::unwrap_or_clone(bitmap)),
            Ok(test) => test,
            Err(test) => RowTest::Not(Box::new(test)),
        };
        Self::Tested(Tested { test, count: left })
    }

    fn tested(test: RowTest<'a>) -> Self {
        Self::Tested(Tested { test, count: None })
    }
}

/// All rows.
fn every(rows: u32) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..rows);
    all
}

/// Whether a row belongs to a set.
#[derive(Debug, Clone)]
enum RowTest<'a> {
    Ranks(RankTest<'a>),
    Bitmap(Arc<RoaringBitmap>),
    Not(Box<Self>),
    All(Joined<'a>),
    Any(Joined<'a>),
}

/// Tests of which all or any are to hold. All bitmaps among them are one, so that they take no
/// more than one does, and a row is asked of it last.
#[derive(Debug, Clone)]
struct Joined<'a> {
    tests: Vec<RowTest<'a>>,
    bitmap: Option<Arc<RoaringBitmap>>,
}

impl RowTest<'_> {
    fn admits(&self, row: u32) -> bool {
        match self {
            Self::Ranks(test) => test.admits(row),
            Self::Bitmap(bitmap) => bitmap.contains(row),
            Self::Not(test) => !test.admits(row),
            Self::All(Joined { tests, bitmap }) => {
                tests.iter().all(|test| test.admits(row))
                    && bitmap.as_ref().is_none_or(|bitmap| bitmap.contains(row))
            }
            Self::Any(Joined { tests, bitmap }) => {
                tests.iter().any(|test| test.admits(row))
                    || bitmap.as_ref().is_some_and(|bitmap| bitmap.contains(row))
            }
        }
    }

    fn word(&self, at: usize) -> u64 {
        match self {
            Self::Ranks(test) => test.word(at),
            Self::Bitmap(bitmap) => word_of(bitmap, at),
            Self::Not(test) => !test.word(at),
            Self::All(Joined { tests, bitmap }) => {
                let tested = tests.iter().fold(u64::MAX, |word, test| word & test.word(at));
                tested & bitmap.as_ref().map_or(u64::MAX, |bitmap| word_of(bitmap, at))
            }
            Self::Any(Joined { tests, bitmap }) => {
                let tested = tests.iter().fold(0, |word, test| word | test.word(at));
                tested | bitmap.as_ref().map_or(0, |bitmap| word_of(bitmap, at))
            }
        }
    }

    /// What "not" is said of; the test itself if it is not said.
    fn undone(self) -> Result<Self, Self> {
        if let Self::Not(inner) = self { Ok(*inner) } else { Err(self) }
    }

    /// The rows that are left out, if those are written down and nothing else is asked.
    fn all_but(&self) -> Option<&RoaringBitmap> {
        if let Self::Not(inner) = self
            && let Self::Bitmap(bitmap) = &**inner
        {
            return Some(bitmap);
        }
        None
    }

    fn and(self, other: Self) -> Self {
        let split = |test| if let Self::All(joined) = test { joined } else { Joined::of(test) };
        Self::All(split(self).with(split(other), |held, more| *held &= more))
    }

    fn or(self, other: Self) -> Self {
        let split = |test| if let Self::Any(joined) = test { joined } else { Joined::of(test) };
        Self::Any(split(self).with(split(other), |held, more| *held |= more))
    }
}

impl<'a> Joined<'a> {
    fn of(test: RowTest<'a>) -> Self {
        if let RowTest::Bitmap(bitmap) = test {
            Self { tests: Vec::new(), bitmap: Some(bitmap) }
        } else {
            Self { tests: vec![test], bitmap: None }
        }
    }

    fn with(mut self, other: Self, join: fn(&mut RoaringBitmap, &RoaringBitmap)) -> Self {
        self.tests.extend(other.tests);
        self.bitmap = match (self.bitmap, other.bitmap) {
            (Some(mut held), Some(more)) => {
                join(Arc::make_mut(&mut held), &more);
                Some(held)
            }
            (held, more) => held.or(more),
        };
        self
    }
}

/// The rows from `64 * at` on, as bits.
fn word_of(bitmap: &RoaringBitmap, at: usize) -> u64 {
    let Ok(first) = u32::try_from(at * 64) else { return 0 };
    let rows = bitmap.range(first..=first | 63);
    rows.fold(0, |word, row| word | 1 << (row % 64))
}
