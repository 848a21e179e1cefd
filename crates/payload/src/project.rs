//! Parts of payloads, for answers that want less than all of it.

use vectorizer_model::path::PathStep;
use vectorizer_model::{KeyPath, Payload, Value};

/// The parts of a payload that the paths select, in the objects and lists they lie in. A path that
/// leads nowhere adds nothing.
pub fn include_keys(payload: &Payload, keys: &[KeyPath]) -> Payload {
    let mut kept = Payload::new();
    for path in keys {
        keep_in(payload, path.steps(), &mut kept);
    }
    kept
}

fn keep_in(from: &Payload, steps: &[PathStep], kept: &mut Payload) {
    let Some((PathStep::Key(key), rest)) = steps.split_first() else { return };
    let Some(value) = from.0.get(&**key) else { return };
    let before = kept.0.remove(&**key);
    if let Some(part) = keep(value, rest, before.as_ref()) {
        kept.0.insert(key.to_string(), part);
    } else if let Some(before) = before {
        kept.0.insert(key.to_string(), before);
    }
}

/// The part of a value that the steps select, joined to a part kept before.
fn keep(value: &Value, steps: &[PathStep], before: Option<&Value>) -> Option<Value> {
    match (steps.first(), value) {
        (None, value) => Some(value.clone()),
        (Some(PathStep::Key(_)), Value::Object(object)) => {
            let mut kept = match before {
                Some(Value::Object(kept)) => kept.clone(),
                _ => Payload::new(),
            };
            keep_in(object, steps, &mut kept);
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        (Some(PathStep::AnyElement), Value::Array(elements)) => {
            let before = |at: usize| match before {
                Some(Value::Array(kept)) if kept.len() == elements.len() => kept.get(at),
                _ => None,
            };
            let parts = elements.iter().enumerate();
            let parts: Vec<Value> =
                parts.filter_map(|(at, element)| keep(element, &steps[1..], before(at))).collect();
            (!parts.is_empty()).then_some(Value::Array(parts))
        }
        (Some(PathStep::Index(at)), Value::Array(elements)) => {
            let element = elements.get(*at as usize)?;
            Some(Value::Array(vec![keep(element, &steps[1..], None)?]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(pairs: &[(&str, Value)]) -> Payload {
        Payload(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    #[test]
    fn keeps_what_is_selected_where_it_lies() {
        let inner = payload(&[("b", Value::Int(1)), ("c", Value::Int(2)), ("d", Value::Int(3))]);
        let whole = payload(&[("a", Value::Object(inner)), ("x", Value::Null)]);
        let paths: Vec<KeyPath> =
            ["a.b", "a.d", "none", "a.none"].iter().map(|p| p.parse().expect("a path")).collect();
        let kept = payload(&[("b", Value::Int(1)), ("d", Value::Int(3))]);
        assert_eq!(include_keys(&whole, &paths), payload(&[("a", Value::Object(kept))]));
    }

    #[test]
    fn elements_keep_their_list() {
        let element = |n| Value::Object(payload(&[("k", Value::Int(n)), ("z", Value::Null)]));
        let whole = payload(&[("l", Value::Array(vec![element(1), element(2)]))]);
        let kept = |n| Value::Object(payload(&[("k", Value::Int(n))]));
        let path: KeyPath = "l[].k".parse().expect("a path");
        let expected = payload(&[("l", Value::Array(vec![kept(1), kept(2)]))]);
        assert_eq!(include_keys(&whole, &[path]), expected);
    }
}
