//! Whether a filter is bounded and its numbers are numbers.

use crate::filter::{Predicate, Range};
use crate::{Condition, Filter, KeyPath, limits};

/// A filter that cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Too many filters within filters.
    #[error("filter is nested more than {} levels deep; flatten it", limits::DEPTH_MAX)]
    TooDeep,
    /// Too many conditions, those of nested filters included.
    #[error(
        "filter has more than {} conditions; list values in one `any` instead",
        limits::FILTER_CONDITIONS_MAX
    )]
    TooManyConditions,
    /// Too many listed ids or values.
    #[error("filter lists {count} values; at most {} are allowed", limits::FILTER_VALUES_MAX)]
    TooManyValues {
        /// Values listed up to and with the list that goes too far.
        count: usize,
    },
    /// A bound of a range is NaN.
    #[error(
        "bound `{bound}` of the range for `{key}` is not a number; give a number or leave it out"
    )]
    NotANumber {
        /// The field with the range.
        key: KeyPath,
        /// `gt`, `gte`, `lt` or `lte`.
        bound: &'static str,
    },
}

impl Filter {
    /// Checks depth, number of conditions and values, and the bounds of ranges.
    ///
    /// # Errors
    /// [`FilterError`] names the first fault.
    pub fn validate(&self) -> Result<(), FilterError> {
        let mut totals = Totals { conditions: 0, values: 0 };
        totals.add_filter(self, 1)
    }
}

struct Totals {
    conditions: usize,
    values: usize,
}

impl Totals {
    fn add_filter(&mut self, filter: &Filter, depth: usize) -> Result<(), FilterError> {
        if depth > limits::DEPTH_MAX {
            return Err(FilterError::TooDeep);
        }
        let clauses = [&filter.must, &filter.should, &filter.must_not];
        self.conditions += clauses.iter().map(|clause| clause.len()).sum::<usize>();
        if self.conditions > limits::FILTER_CONDITIONS_MAX {
            return Err(FilterError::TooManyConditions);
        }
        clauses.into_iter().flatten().try_for_each(|condition| match condition {
            Condition::Field { key, predicate } => self.add_predicate(key, predicate),
            Condition::IsEmpty(_) => Ok(()),
            Condition::HasId(ids) => self.add_values(ids.len()),
            Condition::Filter(nested) => self.add_filter(nested, depth + 1),
        })
    }

    fn add_predicate(&mut self, key: &KeyPath, predicate: &Predicate) -> Result<(), FilterError> {
        match predicate {
            Predicate::Match(_) => Ok(()),
            Predicate::Any(scalars) | Predicate::Except(scalars) => self.add_values(scalars.len()),
            Predicate::Range(range) => match not_a_number(range) {
                Some(bound) => Err(FilterError::NotANumber { key: key.clone(), bound }),
                None => Ok(()),
            },
        }
    }

    fn add_values(&mut self, count: usize) -> Result<(), FilterError> {
        self.values += count;
        if self.values > limits::FILTER_VALUES_MAX {
            return Err(FilterError::TooManyValues { count: self.values });
        }
        Ok(())
    }
}

fn not_a_number(range: &Range) -> Option<&'static str> {
    let bounds = [("gt", range.gt), ("gte", range.gte), ("lt", range.lt), ("lte", range.lte)];
    let bad = bounds.into_iter().find(|(_, bound)| bound.is_some_and(f64::is_nan));
    bad.map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Scalar;
    use crate::{PointId, encode};

    fn must(condition: Condition) -> Filter {
        Filter { must: vec![condition], ..Filter::default() }
    }

    #[test]
    fn depth_is_bounded_as_the_decoder_bounds_it() {
        let mut filter = Filter::default();
        for _ in 1..limits::DEPTH_MAX {
            filter = must(Condition::Filter(filter));
        }
        assert_eq!(filter.validate(), Ok(()));
        let mut bytes = Vec::new();
        encode::encode_filter(&filter, &mut bytes);
        assert_eq!(encode::decode_filter(&bytes).as_ref(), Ok(&filter));

        let deeper = must(Condition::Filter(filter));
        assert_eq!(deeper.validate(), Err(FilterError::TooDeep));
        bytes.clear();
        encode::encode_filter(&deeper, &mut bytes);
        assert!(encode::decode_filter(&bytes).is_err());
    }

    #[test]
    fn nan_bounds_are_named() {
        let key = KeyPath::key("price");
        let range = Range { gte: Some(1.0), lt: Some(f64::NAN), ..Range::default() };
        let filter =
            must(Condition::Field { key: key.clone(), predicate: Predicate::Range(range) });
        assert_eq!(filter.validate(), Err(FilterError::NotANumber { key, bound: "lt" }));
    }

    #[test]
    fn conditions_and_values_are_counted_over_the_whole_tree() {
        let key = || KeyPath::key("k");
        let full = vec![Condition::IsEmpty(key()); limits::FILTER_CONDITIONS_MAX - 1];
        let mut filter = Filter { should: full, ..Filter::default() };
        filter.must_not = vec![Condition::Filter(Filter::default())];
        assert_eq!(filter.validate(), Ok(()));
        filter.must_not = vec![Condition::Filter(must(Condition::IsEmpty(key())))];
        assert_eq!(filter.validate(), Err(FilterError::TooManyConditions));

        let ids = Condition::HasId(vec![PointId::Num(1); limits::FILTER_VALUES_MAX]);
        let any = Predicate::Any(vec![Scalar::Bool(true)]);
        let one_more = Condition::Field { key: key(), predicate: any };
        let filter = Filter { must: vec![ids, one_more], ..Filter::default() };
        let count = limits::FILTER_VALUES_MAX + 1;
        assert_eq!(filter.validate(), Err(FilterError::TooManyValues { count }));
    }
}
