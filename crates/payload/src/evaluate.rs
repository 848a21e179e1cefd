//! The truth about filters: whether one payload satisfies one.
//!
//! - A list satisfies a predicate if one of its elements does; an absent field satisfies none.
//! - Exact match keeps kinds apart: `1`, `1.0` and `true` differ. Ranges compare integers and
//!   floats by value, without rounding.
//! - [`Predicate::Except`] holds for any value that is not null and equals none of the scalars,
//!   whatever its kind, objects and truth values included. Of a list, one such element suffices.
//! - An empty list of conditions asks for nothing.

use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::{Condition, Filter, Payload, PointId, Value};

use crate::extract::{any_value_at, is_empty_at};
use crate::numbers::in_range;

/// Whether the filter admits the point.
///
/// Cost: each condition walks the payload along its path and allocates nothing.
pub fn matches(filter: &Filter, id: PointId, payload: &Payload) -> bool {
    let holds = |condition: &Condition| condition_holds(condition, id, payload);
    filter.must.iter().all(holds)
        && !filter.must_not.iter().any(holds)
        && (filter.should.is_empty() || filter.should.iter().any(holds))
}

fn condition_holds(condition: &Condition, id: PointId, payload: &Payload) -> bool {
    match condition {
        Condition::Field { key, predicate } => {
            any_value_at(payload, key, &mut |value| predicate_holds(predicate, value))
        }
        Condition::IsEmpty(key) => is_empty_at(payload, key),
        Condition::HasId(ids) => ids.binary_search(&id).is_ok(),
        Condition::Filter(inner) => matches(inner, id, payload),
    }
}

/// Whether one value, not a list of values, satisfies the predicate.
pub fn predicate_holds(predicate: &Predicate, value: &Value) -> bool {
    match predicate {
        Predicate::Match(scalar) => equals(scalar, value),
        Predicate::Any(scalars) => scalars.iter().any(|scalar| equals(scalar, value)),
        Predicate::Except(scalars) => {
            *value != Value::Null && !scalars.iter().any(|scalar| equals(scalar, value))
        }
        Predicate::Range(range) => in_range(range, value),
    }
}

fn equals(scalar: &Scalar, value: &Value) -> bool {
    match (scalar, value) {
        (Scalar::Bool(wanted), Value::Bool(found)) => wanted == found,
        (Scalar::Int(wanted), Value::Int(found)) => wanted == found,
        (Scalar::Keyword(wanted), Value::Str(found)) => **wanted == **found,
        _ => false,
    }
}
