//! Predicates over points, as users state them. They travel as they are and are judged where the
//! data lies.

use crate::{KeyPath, PointId};

/// A predicate tree. An empty one admits every point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// All of these hold.
    pub must: Vec<Condition>,
    /// At least one of these holds, unless there is none.
    pub should: Vec<Condition>,
    /// None of these holds.
    pub must_not: Vec<Condition>,
}

impl Filter {
    /// Whether it admits every point.
    pub fn is_empty(&self) -> bool {
        self.must.is_empty() && self.should.is_empty() && self.must_not.is_empty()
    }
}

/// One predicate.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A payload field satisfies a predicate; for a list, one of its elements does.
    Field {
        /// Which field.
        key: KeyPath,
        /// What holds for it.
        predicate: Predicate,
    },
    /// The field is absent, null, or an empty list.
    IsEmpty(KeyPath),
    /// The point's id is among these (sorted, without repeats).
    HasId(Vec<PointId>),
    /// A filter within the filter.
    Filter(Filter),
}

impl Condition {
    /// The condition that a point's id is among these, given in any order and with repeats.
    pub fn has_id(mut ids: Vec<PointId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self::HasId(ids)
    }
}

/// What holds for one payload value.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// Equals this scalar.
    Match(Scalar),
    /// Equals one of these scalars.
    Any(Vec<Scalar>),
    /// Is not null and equals none of these scalars, whatever its kind.
    Except(Vec<Scalar>),
    /// Is a number within bounds.
    Range(Range),
}

/// A value that can be matched exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scalar {
    /// Truth value.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Text, or a UUID in any form if the field is indexed as such.
    Keyword(Box<str>),
}

/// Bounds of a number; an absent bound admits all. NaN is refused at the door.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Range {
    /// Greater than.
    pub gt: Option<f64>,
    /// Greater than or equal.
    pub gte: Option<f64>,
    /// Less than.
    pub lt: Option<f64>,
    /// Less than or equal.
    pub lte: Option<f64>,
}

impl Range {
    /// Whether a number lies within.
    pub fn contains(&self, number: f64) -> bool {
        self.gt.is_none_or(|bound| number > bound)
            && self.gte.is_none_or(|bound| number >= bound)
            && self.lt.is_none_or(|bound| number < bound)
            && self.lte.is_none_or(|bound| number <= bound)
    }
}
