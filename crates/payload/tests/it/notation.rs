//! Payloads and conditions as short texts.

use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::{Condition, KeyPath, Payload, PointId, Value};

pub(crate) fn path(text: &str) -> KeyPath {
    text.parse().expect("a path")
}

pub(crate) fn payload(text: &str) -> Payload {
    let Value::Object(payload) = json(text) else {
        panic!("{text} is no payload");
    };
    payload
}

/// `is a 1`, `any a 1 2`, `except a 1`, `range a gt=1 lte=2`, `empty a`, `id 1 2`.
pub(crate) fn condition(text: &str) -> Condition {
    let mut words = text.split(' ');
    let what = words.next().expect("a word");
    if what == "id" {
        return Condition::HasId(words.map(|id| id.parse::<PointId>().expect("an id")).collect());
    }
    let key = path(words.next().expect("a path"));
    if what == "empty" {
        return Condition::IsEmpty(key);
    }
    let predicate = match what {
        "is" => Predicate::Match(scalar(words.next().expect("a scalar"))),
        "any" => Predicate::Any(words.map(scalar).collect()),
        "except" => Predicate::Except(words.map(scalar).collect()),
        "range" => Predicate::Range(range(words)),
        _ => panic!("{what} is no condition"),
    };
    Condition::Field { key, predicate }
}

fn range<'a>(words: impl Iterator<Item = &'a str>) -> Range {
    let mut range = Range::default();
    for word in words {
        let (bound, number) = word.split_once('=').expect("a bound");
        let number: f64 = number.parse().expect("a number");
        let bound = match bound {
            "gt" => &mut range.gt,
            "gte" => &mut range.gte,
            "lt" => &mut range.lt,
            "lte" => &mut range.lte,
            _ => panic!("{bound} is no bound"),
        };
        *bound = Some(number);
    }
    range
}

fn scalar(text: &str) -> Scalar {
    match json(text) {
        Value::Bool(truth) => Scalar::Bool(truth),
        Value::Int(integer) => Scalar::Int(integer),
        Value::Str(text) => Scalar::Keyword(text.into()),
        Value::Null | Value::UInt(_) | Value::Float(_) | Value::Array(_) | Value::Object(_) => {
            panic!("{text} is no scalar")
        }
    }
}

/// JSON without escapes.
pub(crate) fn json(text: &str) -> Value {
    let mut rest = text;
    let value = read(&mut rest);
    assert!(rest.trim().is_empty(), "{rest} is left of {text}");
    value
}

fn eat(rest: &mut &str, token: &str) -> bool {
    let left = rest.trim_start().strip_prefix(token);
    *rest = left.unwrap_or(rest);
    left.is_some()
}

fn read(rest: &mut &str) -> Value {
    if eat(rest, "null") {
        return Value::Null;
    }
    if eat(rest, "true") {
        return Value::Bool(true);
    }
    if eat(rest, "false") {
        return Value::Bool(false);
    }
    if eat(rest, "\"") {
        return Value::Str(read_text(rest));
    }
    if eat(rest, "[") {
        let mut elements = Vec::new();
        while !eat(rest, "]") {
            elements.push(read(rest));
            eat(rest, ",");
        }
        return Value::Array(elements);
    }
    if eat(rest, "{") {
        let mut object = Payload::new();
        while !eat(rest, "}") {
            assert!(eat(rest, "\""), "a key at {rest}");
            let key = read_text(rest);
            assert!(eat(rest, ":"), "a colon at {rest}");
            object.0.insert(key, read(rest));
            eat(rest, ",");
        }
        return Value::Object(object);
    }
    read_number(rest)
}

fn read_text(rest: &mut &str) -> String {
    let (text, left) = rest.split_once('"').expect("a closed text");
    *rest = left;
    text.to_owned()
}

fn read_number(rest: &mut &str) -> Value {
    let text = rest.trim_start();
    let end =
        text.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(text.len());
    let (number, left) = text.split_at(end);
    *rest = left;
    if let Ok(integer) = number.parse() {
        return Value::Int(integer);
    }
    if let Ok(integer) = number.parse() {
        return Value::UInt(integer);
    }
    Value::Float(number.parse().expect("a number"))
}
