//! Sets of rows that are known only from below and above, and their algebra.
//!
//! `not` swaps the bounds: what surely satisfies a condition surely fails its negation, and only
//! what cannot satisfy it surely satisfies the negation.

use roaring::RoaringBitmap;

/// A set of rows that need not be written down when it holds all of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RowSet {
    All,
    Some(RoaringBitmap),
}

impl RowSet {
    pub(super) fn none() -> Self {
        Self::Some(RoaringBitmap::new())
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Some(rows) if rows.is_empty())
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, rows) | (rows, Self::All) => rows,
            (Self::Some(a), Self::Some(b)) => Self::Some(a & b),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Some(a), Self::Some(b)) => Self::Some(a | b),
        }
    }

    fn complement(self, rows: u32) -> Self {
        match self {
            Self::All => Self::none(),
            Self::Some(inner) if inner.is_empty() => Self::All,
            Self::Some(inner) => Self::Some(every(rows) - inner),
        }
    }

    /// The rows themselves.
    pub(super) fn into_bitmap(self, rows: u32) -> RoaringBitmap {
        match self {
            Self::All => every(rows),
            Self::Some(inner) => inner,
        }
    }
}

/// All rows.
pub(super) fn every(rows: u32) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..rows);
    all
}

/// A set that holds all of `certain`, and nothing outside `possible`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    pub(super) certain: RowSet,
    /// Absent if it is `certain`: the set is known.
    pub(super) possible: Option<RowSet>,
}

impl Bounds {
    pub(super) fn exact(rows: RowSet) -> Self {
        Self { certain: rows, possible: None }
    }

    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self { certain: RowSet::none(), possible: Some(RowSet::All) }
    }

    pub(super) fn is_exact(&self) -> bool {
        self.possible.is_none()
    }

    pub(super) fn is_none(&self) -> bool {
        self.possible.as_ref().unwrap_or(&self.certain).is_none()
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.combine(other, RowSet::and)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.combine(other, RowSet::or)
    }

    fn combine(self, other: Self, join: fn(RowSet, RowSet) -> RowSet) -> Self {
        let possible = match (self.possible, other.possible) {
            (None, None) => None,
            (Some(a), Some(b)) => Some(join(a, b)),
            (Some(a), None) => Some(join(a, other.certain.clone())),
            (None, Some(b)) => Some(join(self.certain.clone(), b)),
        };
        let certain = join(self.certain, other.certain);
        Self { possible: possible.filter(|possible| *possible != certain), certain }
    }

    pub(super) fn complement(self, rows: u32) -> Self {
        let certain = self.certain.complement(rows);
        match self.possible {
            None => Self::exact(certain),
            Some(possible) => Self { certain: possible.complement(rows), possible: Some(certain) },
        }
    }
}
