//! Filters.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::{Condition, Filter};

use super::{finite, key_path, point_id};

/// A value to match.
pub fn scalar() -> BoxedStrategy<Scalar> {
    prop_oneof![
        2 => any::<bool>().prop_map(Scalar::Bool),
        4 => (-4..4_i64).prop_map(Scalar::Int),
        1 => any::<i64>().prop_map(Scalar::Int),
        4 => "[xyz]{1,2}".prop_map(|text| Scalar::Keyword(text.into())),
        1 => ".{0,20}".prop_map(|text| Scalar::Keyword(text.into())),
    ]
    .boxed()
}

/// Bounds, none of them NaN; they may exclude everything.
pub fn range() -> BoxedStrategy<Range> {
    let bound = || weighted(0.3, finite());
    let bounds = (bound(), bound(), bound(), bound());
    bounds.prop_map(|(gt, gte, lt, lte)| Range { gt, gte, lt, lte }).boxed()
}

/// What holds for a field.
pub fn predicate() -> BoxedStrategy<Predicate> {
    prop_oneof![
        scalar().prop_map(Predicate::Match),
        vec(scalar(), 0..4).prop_map(Predicate::Any),
        vec(scalar(), 0..4).prop_map(Predicate::Except),
        range().prop_map(Predicate::Range),
    ]
    .boxed()
}

/// A filter nested up to three levels.
pub fn filter() -> BoxedStrategy<Filter> {
    let field =
        (key_path(), predicate()).prop_map(|(key, predicate)| Condition::Field { key, predicate });
    let leaf = prop_oneof![
        4 => field,
        1 => key_path().prop_map(Condition::IsEmpty),
        1 => vec(point_id(), 0..6).prop_map(Condition::has_id),
    ];
    let condition =
        leaf.prop_recursive(2, 8, 3, |inner| clauses(&inner).prop_map(Condition::Filter));
    clauses(&condition.boxed())
}

fn clauses(condition: &BoxedStrategy<Condition>) -> BoxedStrategy<Filter> {
    let clause = || vec(condition.clone(), 0..3);
    (clause(), clause(), clause())
        .prop_map(|(must, should, must_not)| Filter { must, should, must_not })
        .boxed()
}
