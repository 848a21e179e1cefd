//! Filters and payload changes, case by case. The expectations are answers of the reference: the
//! local mode of the Python client 1.20.0, run on these very inputs.

use vectorizer_model::filter::{Predicate, Range};
use vectorizer_model::{Condition, Filter, PointId};
use vectorizer_payload::{delete_keys, matches, set_at};

use crate::notation::{condition, json, path, payload};

/// Payload, condition, whether it holds for point 7.
const CONDITIONS: &[(&str, &str, bool)] = &[
    (r#"{"a":1}"#, "is a 1", true),
    (r#"{"a":1.0}"#, "is a 1", false),
    (r#"{"a":true}"#, "is a 1", false),
    (r#"{"a":1}"#, "is a true", false),
    (r#"{"a":true}"#, "is a true", true),
    (r#"{"a":false}"#, "is a 0", false),
    (r#"{"a":"1"}"#, "is a 1", false),
    (r#"{"a":"x"}"#, r#"is a "x""#, true),
    (r#"{"a":"X"}"#, r#"is a "x""#, false),
    (r#"{"a":null}"#, r#"is a "x""#, false),
    ("{}", "is a 1", false),
    (r#"{"a":[1,2]}"#, "is a 2", true),
    (r#"{"a":[[1,2]]}"#, "is a 2", false),
    (r#"{"a":[[1,2]]}"#, "is a[] 2", true),
    (r#"{"a":[[1,2]]}"#, "is a[][] 2", true),
    (r#"{"a":[[1,2]]}"#, "is a[0] 2", true),
    (r#"{"a":[1,2]}"#, "is a[1] 2", true),
    (r#"{"a":[1,2]}"#, "is a[2] 2", false),
    (r#"{"a":[1,2]}"#, "is a[] 2", true),
    (r#"{"a":1}"#, "is a[] 1", false),
    (r#"{"a":1}"#, "is a[0] 1", false),
    (r#"{"a":{"b":1}}"#, "is a.b 1", true),
    (r#"{"a.b":1}"#, "is a.b 1", false),
    (r#"{"a.b":1}"#, r#"is "a.b" 1"#, true),
    (r#"{"a":[{"b":1},{"b":2}]}"#, "is a.b 2", false),
    (r#"{"a":[{"b":1},{"b":2}]}"#, "is a[].b 2", true),
    (r#"{"a":[{"b":1},{"b":2}]}"#, "is a[0].b 2", false),
    (r#"{"a":[{"b":[3,4]}]}"#, "is a[].b 4", true),
    (r#"{"a":[{"b":[{"c":5}]}]}"#, "is a[].b[].c 5", true),
    (r#"{"a":[[{"b":1}]]}"#, "is a[].b 1", false),
    (r#"{"a":9223372036854775808}"#, "is a 9223372036854775807", false),
    (r#"{"a":2}"#, "any a 1 2", true),
    (r#"{"a":"2"}"#, "any a 1 2", false),
    (r#"{"a":2}"#, "any a", false),
    (r#"{"a":[3,"x"]}"#, r#"any a "x" "y""#, true),
    (r#"{"a":1}"#, "except a 1 2", false),
    (r#"{"a":3}"#, "except a 1 2", true),
    (r#"{"a":[1,2]}"#, "except a 1 2", false),
    (r#"{"a":[1,3]}"#, "except a 1 2", true),
    (r#"{"a":[]}"#, "except a 1", false),
    (r#"{"a":null}"#, "except a 1", false),
    (r#"{"a":[null]}"#, "except a 1", false),
    ("{}", "except a 1", false),
    (r#"{"a":"x"}"#, "except a 1", true),
    (r#"{"a":1.0}"#, "except a 1", true),
    (r#"{"a":true}"#, "except a 1", true),
    (r#"{"a":{"b":1}}"#, "except a 1", true),
    (r#"{"a":[[1]]}"#, "except a 1", true),
    (r#"{"a":{}}"#, "except a 1", true),
    (r#"{"a":9223372036854775808}"#, "except a 1", true),
    (r#"{"a":1}"#, "except a", true),
    (r#"{"a":null}"#, "except a", false),
    (r#"{"a":1}"#, "range a gte=1 lt=2", true),
    (r#"{"a":1.5}"#, "range a gte=1 lt=2", true),
    (r#"{"a":2}"#, "range a gte=1 lt=2", false),
    (r#"{"a":true}"#, "range a gte=0", false),
    (r#"{"a":"1"}"#, "range a gte=0", false),
    (r#"{"a":null}"#, "range a", false),
    (r#"{"a":1}"#, "range a", true),
    (r#"{"a":"1"}"#, "range a", false),
    (r#"{"a":[0,5]}"#, "range a gt=1 lt=4", false),
    (r#"{"a":[0,2]}"#, "range a gt=1 lt=4", true),
    (r#"{"a":18446744073709551615}"#, "range a gt=1e18", true),
    (r#"{"a":9007199254740993}"#, "range a lte=9007199254740992", false),
    (r#"{"a":9007199254740993}"#, "range a gt=9007199254740992", true),
    (r#"{"a":-0.0}"#, "range a gte=0.0", true),
    ("{}", "empty a", true),
    (r#"{"a":null}"#, "empty a", true),
    (r#"{"a":[]}"#, "empty a", true),
    (r#"{"a":[null]}"#, "empty a", false),
    (r#"{"a":[[]]}"#, "empty a", false),
    (r#"{"a":[[]]}"#, "empty a[]", true),
    (r#"{"a":[null,[]]}"#, "empty a[]", true),
    (r#"{"a":""}"#, "empty a", false),
    (r#"{"a":{}}"#, "empty a", false),
    (r#"{"a":0}"#, "empty a", false),
    (r#"{"a":false}"#, "empty a", false),
    (r#"{"a":{"b":null}}"#, "empty a.b", true),
    (r#"{"a":[{"b":1},{"c":2}]}"#, "empty a[].b", false),
    (r#"{"a":[{"c":2}]}"#, "empty a[].b", true),
    (r#"{"a":[{"b":1}]}"#, "empty a.b", true),
    (r#"{"a":1}"#, "empty a.b", true),
    ("{}", "id 7 9", true),
    ("{}", "id 8", false),
];

/// Payload, path, patch, payload afterwards.
const SETS: &[(&str, &str, &str, &str)] = &[
    (r#"{"a":1,"b":2}"#, "", r#"{"b":null,"c":3}"#, r#"{"a":1,"c":3}"#),
    (r#"{"a":{"x":1}}"#, "", r#"{"a":{"y":2}}"#, r#"{"a":{"y":2}}"#),
    (r#"{"a":{"x":1}}"#, "a", r#"{"y":2}"#, r#"{"a":{"x":1,"y":2}}"#),
    (r#"{"a":{"x":1}}"#, "a", r#"{"x":null}"#, r#"{"a":{}}"#),
    ("{}", "a", r#"{"y":2}"#, r#"{"a":{"y":2}}"#),
    ("{}", "a", r#"{"y":null}"#, r#"{"a":{}}"#),
    ("{}", "a.b", r#"{"y":2}"#, r#"{"a":{"b":{"y":2}}}"#),
    (r#"{"a":1}"#, "a.b", r#"{"y":2}"#, r#"{"a":{"b":{"y":2}}}"#),
    (r#"{"a":1}"#, "a", r#"{"y":2}"#, r#"{"a":{"y":2}}"#),
    (r#"{"a":[1,{"x":1}]}"#, "a[]", r#"{"y":2}"#, r#"{"a":[{"y":2},{"x":1,"y":2}]}"#),
    (r#"{"a":[1,{"x":1}]}"#, "a[0]", r#"{"y":2}"#, r#"{"a":[{"y":2},{"x":1}]}"#),
    (r#"{"a":[1,{"x":1}]}"#, "a[5]", r#"{"y":2}"#, r#"{"a":[1,{"x":1}]}"#),
    (r#"{"a":[1,{"x":1}]}"#, "a[].b", r#"{"y":2}"#, r#"{"a":[{"b":{"y":2}},{"x":1,"b":{"y":2}}]}"#),
    (r#"{"a":[1,{"x":1}]}"#, "a.b", r#"{"y":2}"#, r#"{"a":{"b":{"y":2}}}"#),
    (r#"{"a":1}"#, "a[]", r#"{"y":2}"#, r#"{"a":[]}"#),
    (r#"{"a":1}"#, "a[0]", r#"{"y":2}"#, r#"{"a":[]}"#),
    ("{}", "a[0]", r#"{"y":2}"#, r#"{"a":[]}"#),
    ("{}", "a[].b", r#"{"y":2}"#, r#"{"a":[]}"#),
    (r#"{"a":[[1],2]}"#, "a[][]", r#"{"y":2}"#, r#"{"a":[[{"y":2}],[]]}"#),
    (r#"{"a":{"b":[{"c":1}]}}"#, "a.b[0].c", r#"{"y":2}"#, r#"{"a":{"b":[{"c":{"y":2}}]}}"#),
    (r#"{"a":[1]}"#, "a[0].b[0]", r#"{"y":2}"#, r#"{"a":[{"b":[]}]}"#),
];

/// Payload, path, payload afterwards.
const DELETIONS: &[(&str, &str, &str)] = &[
    (r#"{"a":1,"b":2}"#, "a", r#"{"b":2}"#),
    (r#"{"a":1}"#, "c", r#"{"a":1}"#),
    (r#"{"a":{"b":1,"c":2}}"#, "a.b", r#"{"a":{"c":2}}"#),
    (r#"{"a":[1,2]}"#, "a[]", r#"{"a":[]}"#),
    (r#"{"a":[1,2]}"#, "a[0]", r#"{"a":[1,2]}"#),
    (r#"{"a":[{"b":1,"c":2},{"b":3}]}"#, "a[].b", r#"{"a":[{"c":2},{}]}"#),
    (r#"{"a":[{"b":1,"c":2},{"b":3}]}"#, "a[1].b", r#"{"a":[{"b":1,"c":2},{}]}"#),
    (r#"{"a":[{"b":1}]}"#, "a.b", r#"{"a":[{"b":1}]}"#),
    (r#"{"a":[[1],[2]]}"#, "a[0][]", r#"{"a":[[],[2]]}"#),
    (r#"{"a":1}"#, "a[]", r#"{"a":1}"#),
    (r#"{"a":1}"#, "a.b", r#"{"a":1}"#),
];

#[test]
fn conditions_hold_as_in_the_reference() {
    for &(before, asked, expected) in CONDITIONS {
        let filter = Filter { must: vec![condition(asked)], ..Filter::default() };
        let found = matches(&filter, PointId::Num(7), &payload(before));
        assert_eq!(found, expected, "{asked} of {before}");
    }
}

#[test]
fn filters_combine_as_in_the_reference() {
    let has = |number: i32| condition(&format!("is x {number}"));
    let all = Filter::default;
    let not = |condition| Filter { must_not: vec![condition], ..all() };
    let any = |should| Filter { should, ..all() };
    let cases = [
        (all(), true),
        (not(Condition::Filter(all())), false),
        (not(has(2)), true),
        (not(condition("is y 2")), true),
        (any(vec![has(2), has(1)]), true),
        (any(vec![has(2)]), false),
        (any(vec![Condition::Filter(all())]), true),
        (Filter { must: vec![has(1)], ..any(vec![has(3)]) }, false),
    ];
    for (filter, expected) in cases {
        let found = matches(&filter, PointId::Num(7), &payload(r#"{"x":1}"#));
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[test]
fn nothing_lies_beyond_a_bound_that_is_no_number() {
    let range = Range { lt: Some(f64::NAN), ..Range::default() };
    let filter = Filter {
        must: vec![Condition::Field { key: path("a"), predicate: Predicate::Range(range) }],
        ..Filter::default()
    };
    for before in [r#"{"a":1}"#, r#"{"a":9007199254740993}"#, r#"{"a":1.5}"#] {
        assert!(!matches(&filter, PointId::Num(7), &payload(before)));
    }
}

#[test]
fn patches_apply_as_in_the_reference() {
    for &(before, at, patch, after) in SETS {
        let mut changed = payload(before);
        let at = (!at.is_empty()).then(|| path(at));
        set_at(&mut changed, at.as_ref(), &payload(patch));
        assert_eq!(changed, payload(after), "{patch} at {at:?} of {before}");
    }
}

#[test]
fn deletions_apply_as_in_the_reference() {
    for &(before, at, after) in DELETIONS {
        let mut changed = payload(before);
        delete_keys(&mut changed, &[path(at)]);
        assert_eq!(changed, payload(after), "{at} of {before}");
    }
    let mut changed = payload(r#"{"a":1,"b":{"c":2},"d":[3]}"#);
    delete_keys(&mut changed, &[path("a"), path("b.c"), path("d[]")]);
    assert_eq!(changed, payload(r#"{"b":{},"d":[]}"#));
    assert_eq!(json("[1, -2.5, null]"), json("[1,-2.5,null]"));
}
