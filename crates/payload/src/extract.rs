//! The values that a path selects in a payload.
//!
//! A key leads only through objects, `[]` and `[0]` only through lists: `a.b` selects nothing in
//! `{"a": [{"b": 1}]}`, `a[].b` does. A selected list counts as its elements, one level deep,
//! except where emptiness is asked.

use vectorizer_model::path::PathStep;
use vectorizer_model::{KeyPath, Payload, Value};

/// The values that predicates judge: what `path` selects, with a selected list replaced by its
/// elements. Empty if nothing is selected.
pub fn values_at<'a>(payload: &'a Payload, path: &KeyPath) -> Vec<&'a Value> {
    let mut values = Vec::new();
    any_value_at(payload, path, &mut |value| {
        values.push(value);
        false
    });
    values
}

/// Whether `judge` holds for one of [`values_at`]; stops at the first.
pub fn any_value_at<'a>(
    payload: &'a Payload,
    path: &KeyPath,
    judge: &mut impl FnMut(&'a Value) -> bool,
) -> bool {
    any_selected(payload, path, &mut |value| match value {
        Value::Array(elements) => elements.iter().any(&mut *judge),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Object(_) => judge(value),
    })
}

/// Whether the field is absent, or all it selects is null or an empty list.
pub fn is_empty_at(payload: &Payload, path: &KeyPath) -> bool {
    let mut holds_something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty(),
        Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Object(_) => true,
    };
    !any_selected(payload, path, &mut holds_something)
}

fn any_selected<'a>(
    payload: &'a Payload,
    path: &KeyPath,
    judge: &mut impl FnMut(&'a Value) -> bool,
) -> bool {
    match path.steps().split_first() {
        Some((PathStep::Key(key), rest)) => match payload.0.get(&**key) {
            Some(value) => any_below(value, rest, judge),
            None => false,
        },
        _ => false,
    }
}

fn any_below<'a>(
    value: &'a Value,
    steps: &[PathStep],
    judge: &mut impl FnMut(&'a Value) -> bool,
) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return judge(value);
    };
    match (step, value) {
        (PathStep::Key(key), Value::Object(object)) => {
            object.0.get(&**key).is_some_and(|child| any_below(child, rest, judge))
        }
        (PathStep::AnyElement, Value::Array(elements)) => {
            elements.iter().any(|element| any_below(element, rest, judge))
        }
        (PathStep::Index(index), Value::Array(elements)) => {
            elements.get(*index as usize).is_some_and(|element| any_below(element, rest, judge))
        }
        _ => false,
    }
}
