//! Sets of rows that are known only from below and above, and their algebra.
//!
//! `not` swaps the bounds: what surely satisfies a condition surely fails its negation, and only
//! what cannot satisfy it surely satisfies the negation.

use crate::rows::Rows;

/// A set that holds all of `certain`, and nothing outside `possible`.
#[derive(Debug, Clone)]
pub(super) struct Bounds<'a> {
    pub(super) certain: Rows<'a>,
    /// Absent if it is `certain`: the set is known.
    pub(super) possible: Option<Rows<'a>>,
}

impl<'a> Bounds<'a> {
    pub(super) fn exact(rows: Rows<'a>) -> Self {
        Self { certain: rows, possible: None }
    }

    pub(super) fn new(certain: Rows<'a>, possible: Option<Rows<'a>>) -> Self {
        let possible = possible.filter(|possible| !possible.is_same(&certain));
        Self { certain, possible }
    }

    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self { certain: Rows::none(), possible: Some(Rows::All) }
    }

    pub(super) fn is_exact(&self) -> bool {
        self.possible.is_none()
    }

    pub(super) fn is_none(&self) -> bool {
        self.possible.as_ref().unwrap_or(&self.certain).is_none()
    }

    pub(super) fn and(self, other: Self, rows: u32) -> Self {
        self.combine(other, |a, b| a.and(b, rows))
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.combine(other, Rows::or)
    }

    fn combine(self, other: Self, join: impl Fn(Rows<'a>, Rows<'a>) -> Rows<'a>) -> Self {
        let possible = match (self.possible, other.possible) {
            (None, None) => None,
            (Some(a), Some(b)) => Some(join(a, b)),
            (Some(a), None) => Some(join(a, other.certain.clone())),
            (None, Some(b)) => Some(join(self.certain.clone(), b)),
        };
        Self::new(join(self.certain, other.certain), possible)
    }

    pub(super) fn complement(self, rows: u32) -> Self {
        let certain = self.certain.complement(rows);
        match self.possible {
            None => Self::exact(certain),
            Some(possible) => Self { certain: possible.complement(rows), possible: Some(certain) },
        }
    }
}
