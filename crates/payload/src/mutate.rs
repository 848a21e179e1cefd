//! What operations do to payloads. Every change is total: a path that leads nowhere is either made
//! or does nothing, as stated at each function.

use vectorizer_model::path::PathStep;
use vectorizer_model::{KeyPath, Payload, Value};

/// Writes the keys of `patch` at the top, or into what `at` selects. A null removes its key.
///
/// Keys are replaced, not merged, below the first level of `patch`. On the way along `at`, a value
/// through which a key should lead becomes an object, and one through which `[]` or `[0]` should
/// lead becomes an empty list; elements that a list lacks are not made. A selected value that is no
/// object becomes one.
pub fn set_at(payload: &mut Payload, at: Option<&KeyPath>, patch: &Payload) {
    match at.map(KeyPath::steps).and_then(<[PathStep]>::split_first) {
        Some((PathStep::Key(key), rest)) => set_below(child(payload, key), rest, patch),
        _ => merge(payload, patch),
    }
}

/// Removes what the paths select: a last key from its object, and with a last `[]` all elements of
/// the list. A path that ends in one element, or leads nowhere, does nothing.
pub fn delete_keys(payload: &mut Payload, keys: &[KeyPath]) {
    for path in keys {
        if let Some((PathStep::Key(key), rest)) = path.steps().split_first() {
            delete_in(payload, key, rest);
        }
    }
}

fn merge(into: &mut Payload, patch: &Payload) {
    for (key, value) in &patch.0 {
        if *value == Value::Null {
            into.0.remove(key);
        } else {
            into.0.insert(key.clone(), value.clone());
        }
    }
}

fn child<'a>(object: &'a mut Payload, key: &str) -> &'a mut Value {
    object.0.entry(key.to_owned()).or_insert_with(|| Value::Object(Payload::new()))
}

/// The value as an object; anything else is replaced by an empty one.
fn as_object(value: &mut Value) -> &mut Payload {
    if !matches!(value, Value::Object(_)) {
        *value = Value::Object(Payload::new());
    }
    let Value::Object(object) = value else {
        unreachable!("made an object above");
    };
    object
}

fn set_below(value: &mut Value, steps: &[PathStep], patch: &Payload) {
    let Some((step, rest)) = steps.split_first() else {
        return merge(as_object(value), patch);
    };
    match (step, value) {
        (PathStep::Key(key), value) => set_below(child(as_object(value), key), rest, patch),
        (PathStep::AnyElement, Value::Array(elements)) => {
            for element in elements {
                set_below(element, rest, patch);
            }
        }
        (PathStep::Index(index), Value::Array(elements)) => {
            if let Some(element) = elements.get_mut(*index as usize) {
                set_below(element, rest, patch);
            }
        }
        (PathStep::AnyElement | PathStep::Index(_), value) => *value = Value::Array(Vec::new()),
    }
}

fn delete_in(object: &mut Payload, key: &str, rest: &[PathStep]) {
    if rest.is_empty() {
        object.0.remove(key);
    } else if let Some(value) = object.0.get_mut(key) {
        delete_below(value, rest);
    }
}

fn delete_below(value: &mut Value, steps: &[PathStep]) {
    match (steps, value) {
        ([PathStep::Key(key), rest @ ..], Value::Object(object)) => delete_in(object, key, rest),
        ([PathStep::AnyElement], Value::Array(elements)) => elements.clear(),
        ([PathStep::AnyElement, rest @ ..], Value::Array(elements)) => {
            for element in elements {
                delete_below(element, rest);
            }
        }
        ([PathStep::Index(index), rest @ ..], Value::Array(elements)) => {
            if let Some(element) = elements.get_mut(*index as usize) {
                delete_below(element, rest);
            }
        }
        _ => {}
    }
}
