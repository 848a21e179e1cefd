//! What an index knows about a predicate.

use std::ops::Range;

use roaring::RoaringBitmap;
use vectorizer_model::Cardinality;
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::settings::FieldIndexKind;

use super::FieldIndex;
use super::column::{LISTED_VALUES_MAX, RankSet};
use super::values::{Class, integer_as_float_key};

/// The rows that satisfy a predicate, as far as an index knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// These and no others.
    Exact(RoaringBitmap),
    /// All of `certain`, none outside `possible`; `certain` is a proper part of `possible`.
    Between {
        /// Rows that surely satisfy it.
        certain: RoaringBitmap,
        /// Rows that may.
        possible: RoaringBitmap,
    },
}

impl Answer {
    /// Joins the rows that surely satisfy a predicate with those that may.
    fn new(certain: RoaringBitmap, maybe: RoaringBitmap) -> Self {
        if maybe.is_subset(&certain) {
            return Self::Exact(certain);
        }
        let possible = maybe | &certain;
        Self::Between { certain, possible }
    }
}

/// What a predicate asks of a field whose rows hold one value at most.
#[derive(Debug)]
pub(crate) struct Ranked {
    /// Rows with one of these values satisfy it.
    pub(crate) ranks: RankSet,
    /// So many.
    pub(crate) count: u64,
    /// Rows that surely satisfy it with a value that is not indexed.
    pub(crate) certain: RoaringBitmap,
    /// Rows that may.
    pub(crate) maybe: RoaringBitmap,
}

/// Values of an index that a list of scalars names.
#[derive(Default)]
struct Named {
    /// Ascending, equal for sure.
    equal: Vec<usize>,
    /// Ascending, perhaps of another kind of number.
    perhaps: Vec<usize>,
    /// Classes whose strays may be equal.
    stray: [bool; Class::ALL.len()],
}

impl FieldIndex {
    /// The rows whose field satisfies the predicate.
    ///
    /// Cost: a binary search for each scalar or bound, then the rows of the answer.
    /// [`Predicate::Except`] starts from all rows with a value; it walks the whole index only if a
    /// row holds several values of which two or more are excepted.
    pub fn select(&self, predicate: &Predicate) -> Answer {
        match predicate {
            Predicate::Match(scalar) => self.select_any(std::slice::from_ref(scalar)),
            Predicate::Any(scalars) => self.select_any(scalars),
            Predicate::Except(scalars) => self.select_except(scalars),
            Predicate::Range(range) => Answer::new(
                self.postings.rows_in(&self.values.run_in(self.kind, range), self.rows),
                self.sets.stray(Class::Number).clone(),
            ),
        }
    }

    /// How many rows that will be, without finding them: counted where no row can be counted
    /// twice and no stray interferes, otherwise estimated from above.
    pub fn count(&self, predicate: &Predicate) -> Cardinality {
        match predicate {
            Predicate::Match(scalar) => self.count_any(std::slice::from_ref(scalar)),
            Predicate::Any(scalars) => self.count_any(scalars),
            Predicate::Except(scalars) => self.count_except(scalars),
            Predicate::Range(range) => {
                let run: Range<usize> = self.values.run_in(self.kind, range);
                let strays = self.sets.stray(Class::Number).len();
                self.counted(self.postings.count_in(&run), run.len(), strays)
            }
        }
    }

    /// The predicate as a test of values; none if it cannot be told from them, or only at length.
    pub(crate) fn ranked(&self, predicate: &Predicate) -> Option<Ranked> {
        if !self.sets.multi.is_empty() {
            return None;
        }
        match predicate {
            Predicate::Match(scalar) => self.ranked_any(std::slice::from_ref(scalar)),
            Predicate::Any(scalars) => self.ranked_any(scalars),
            Predicate::Except(scalars) => self.ranked_except(scalars),
            Predicate::Range(range) => {
                let run = self.values.run_in(self.kind, range);
                Some(Ranked {
                    ranks: RankSet::run(&run),
                    count: self.postings.count_in(&run),
                    certain: RoaringBitmap::new(),
                    maybe: self.sets.stray(Class::Number).clone(),
                })
            }
        }
    }

    fn ranked_any(&self, scalars: &[Scalar]) -> Option<Ranked> {
        let named = self.named_for_sure(scalars)?;
        let (maybe, _) = self.strays_by(&named);
        Some(Ranked {
            ranks: RankSet::listed(&named.equal, self.values.len())?,
            count: self.count_of(&named.equal),
            certain: RoaringBitmap::new(),
            maybe,
        })
    }

    fn ranked_except(&self, scalars: &[Scalar]) -> Option<Ranked> {
        let named = self.named_for_sure(scalars)?;
        let (maybe, certain) = self.strays_by(&named);
        Some(Ranked {
            ranks: RankSet::except(&named.equal, self.values.len())?,
            count: self.sets.valued.len().saturating_sub(self.count_of(&named.equal)),
            certain,
            maybe,
        })
    }

    /// The rows with values that are not indexed: those that may be named, and the others.
    fn strays_by(&self, named: &Named) -> (RoaringBitmap, RoaringBitmap) {
        let (mut may_be, mut others) = (RoaringBitmap::new(), RoaringBitmap::new());
        for class in Class::ALL {
            let rows = if named.stray[class as usize] { &mut may_be } else { &mut others };
            *rows |= self.sets.stray(class);
        }
        (may_be, others)
    }

    /// Rows of some values; one that holds several of them counts as often.
    fn count_of(&self, values: &[usize]) -> u64 {
        values.iter().map(|&value| self.postings.count_of(value)).sum()
    }

    /// A count of `values` values' rows, together with rows that may match.
    fn counted(&self, held: u64, values: usize, maybe: u64) -> Cardinality {
        if maybe == 0 && (values <= 1 || self.sets.multi.is_empty()) {
            return Cardinality::Exact(held);
        }
        let bound = held.min(self.sets.valued.len()).saturating_add(maybe);
        Cardinality::Estimate(bound.min(self.rows.into()))
    }

    fn select_any(&self, scalars: &[Scalar]) -> Answer {
        let named = self.named(scalars);
        let mut maybe = self.postings.rows_of_any(&named.perhaps, self.rows);
        maybe |= self.strays_by(&named).0;
        Answer::new(self.rows_of(&named.equal), maybe)
    }

    fn count_any(&self, scalars: &[Scalar]) -> Cardinality {
        let named = self.named(scalars);
        let strays = Class::ALL
            .into_iter()
            .filter(|&class| named.stray[class as usize])
            .map(|class| self.sets.stray(class).len());
        let maybe = self.count_of(&named.perhaps) + strays.sum::<u64>();
        self.counted(self.count_of(&named.equal), named.equal.len(), maybe)
    }

    fn select_except(&self, scalars: &[Scalar]) -> Answer {
        let named = self.named(scalars);
        let mut maybe = RoaringBitmap::new();
        let mut certain = if named.perhaps.is_empty() {
            self.rows_outside(&named.equal)
        } else {
            let mut unsure = [named.equal.as_slice(), &named.perhaps].concat();
            unsure.sort_unstable();
            maybe |= self.rows_outside(&named.equal);
            self.rows_outside(&unsure)
        };
        let (strays, others) = self.strays_by(&named);
        maybe |= strays;
        certain |= others;
        Answer::new(certain, maybe)
    }

    fn count_except(&self, scalars: &[Scalar]) -> Cardinality {
        let named = self.named(scalars);
        let strays: u64 = Class::ALL.into_iter().map(|class| self.sets.stray(class).len()).sum();
        let excepted = self.count_of(&named.equal);
        let (valued, multi) = (self.sets.valued.len(), self.sets.multi.len());
        if strays == 0 && multi == 0 && named.perhaps.is_empty() {
            return Cardinality::Exact(valued.saturating_sub(excepted));
        }
        let single = excepted.saturating_sub(multi * named.equal.len() as u64);
        let bound = valued.saturating_sub(single) + strays;
        Cardinality::Estimate(bound.min(self.rows.into()))
    }

    /// The values that so few scalars name, if it is certain which.
    fn named_for_sure(&self, scalars: &[Scalar]) -> Option<Named> {
        let few = scalars.len() <= LISTED_VALUES_MAX;
        few.then(|| self.named(scalars)).filter(|named| named.perhaps.is_empty())
    }

    fn named(&self, scalars: &[Scalar]) -> Named {
        let mut named = Named::default();
        for scalar in scalars {
            let found = match (self.kind, scalar) {
                (FieldIndexKind::Keyword, Scalar::Keyword(text)) => self.values.find_text(text),
                (FieldIndexKind::Integer, Scalar::Int(integer)) => self.values.find_key(*integer),
                (FieldIndexKind::Bool, Scalar::Bool(truth)) => {
                    self.values.find_key(i64::from(*truth))
                }
                (kind, scalar) => {
                    named.stray[Class::of_scalar(scalar) as usize] = true;
                    if let (FieldIndexKind::Float, Scalar::Int(integer)) = (kind, scalar) {
                        let key = integer_as_float_key(*integer);
                        let found = key.and_then(|key| self.values.find_key(key));
                        named.perhaps.extend(found);
                    }
                    None
                }
            };
            named.equal.extend(found);
        }
        for values in [&mut named.equal, &mut named.perhaps] {
            values.sort_unstable();
            values.dedup();
        }
        named
    }

    fn rows_of(&self, values: &[usize]) -> RoaringBitmap {
        match *values {
            [] => RoaringBitmap::new(),
            [value] => self.postings.rows_of(value),
            _ => self.postings.rows_of_any(values, self.rows),
        }
    }

    /// The rows that hold an indexed value other than these (ascending).
    fn rows_outside(&self, values: &[usize]) -> RoaringBitmap {
        let multi = &self.sets.multi;
        let mut outside = &self.sets.valued - (self.rows_of(values) - multi);
        if values.len() < 2 || multi.is_empty() {
            return outside;
        }
        let (mut once, mut twice) = (RoaringBitmap::new(), RoaringBitmap::new());
        for &value in values {
            let rows = self.postings.rows_of(value) & multi;
            twice |= &rows & &once;
            once |= rows;
        }
        if !twice.is_empty() {
            outside -= &twice;
            outside |= self.postings.rows_outside(values, &twice);
        }
        outside
    }
}
