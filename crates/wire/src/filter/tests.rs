//! Every kind of filter, and every refusal.

use super::*;
use crate::json::decode;
use vectorizer_model::{KeyPath, PointId};

fn read(text: &str) -> Result<Filter> {
    decode::<FilterIn>(text.as_bytes()).and_then(FilterIn::into_filter)
}

fn must(condition: Condition) -> Filter {
    Filter { must: vec![condition], ..Filter::default() }
}

fn field(key: &str, predicate: Predicate) -> Condition {
    Condition::Field { key: key.parse().expect("a path"), predicate }
}

#[test]
fn a_condition_of_nulls_does_not_admit_everything() {
    for text in [
        r#"{"must": [{"has_id": null}]}"#,
        r#"{"must_not": {"is_empty": null}}"#,
        r#"{"must": {"key": null, "match": null}}"#,
        r#"{"should": [{"must": [{"range": null}]}]}"#,
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("a condition is null"), "{text}: {error}");
    }
    assert_eq!(read(r#"{"must": [{}]}"#), Ok(must(Condition::Filter(Filter::default()))));
}

#[test]
fn every_kind_is_read() {
    let word = |text: &str| Scalar::Keyword(text.into());
    let range = Range { gt: Some(1.0), lte: Some(2.5), ..Range::default() };
    let empty = || Condition::IsEmpty(KeyPath::key("a"));
    let cases = [
        ("{}", Filter::default()),
        (r#"{"must": null, "should": []}"#, Filter::default()),
        (
            r#"{"must": [{"key": "a", "match": {"value": "x"}}]}"#,
            must(field("a", Predicate::Match(word("x")))),
        ),
        (
            r#"{"must": {"key": "a.b[]", "match": {"any": [1, -2]}, "range": null}}"#,
            must(field("a.b[]", Predicate::Any(vec![Scalar::Int(1), Scalar::Int(-2)]))),
        ),
        (
            r#"{"must": {"key": "a", "match": {"except": [true]}}}"#,
            must(field("a", Predicate::Except(vec![Scalar::Bool(true)]))),
        ),
        (
            r#"{"must": {"key": "a", "range": {"gt": 1, "lte": 2.5, "lt": null}}}"#,
            must(field("a", Predicate::Range(range))),
        ),
        (r#"{"must": {"is_empty": {"key": "a"}}}"#, must(empty())),
        (r#"{"must": {"key": "a", "is_empty": true}}"#, must(empty())),
        (
            r#"{"must": {"key": "a", "is_empty": false}}"#,
            must(Condition::Filter(Filter { must_not: vec![empty()], ..Filter::default() })),
        ),
        (
            r#"{"must": {"has_id": [3, 1, 3]}}"#,
            must(Condition::HasId(vec![PointId::Num(1), PointId::Num(3)])),
        ),
        (
            r#"{"must": {"should": {"has_id": []}}}"#,
            must(Condition::Filter(Filter {
                should: vec![Condition::HasId(vec![])],
                ..Filter::default()
            })),
        ),
    ];
    for (text, filter) in cases {
        assert_eq!(read(text), Ok(filter), "{text}");
    }
}

#[test]
fn refusals_name_what_is_wrong() {
    for (text, told) in [
        (r#"{"min_should": {"conditions": [], "min_count": 1}}"#, "min_should: this is not"),
        (r#"{"must": [{"key": "a", "geo_radius": {}}]}"#, "must[0].geo_radius"),
        (r#"{"must": [{"nested": {"key": "a", "filter": {}}}]}"#, "nested"),
        (r#"{"must": [{"is_null": {"key": "a"}}]}"#, "is_null"),
        (r#"{"must": [{"key": "a", "match": {"text": "x"}}]}"#, "must[0].match.text"),
        (r#"{"must": [{"key": "a", "values_count": {"gt": 1}}]}"#, "values_count"),
        (r#"{"must": [{"has_vector": "x"}]}"#, "has_vector"),
        (r#"{"must": [{"key": "a", "unheard_of": 1}]}"#, "unknown field `unheard_of`"),
        (r#"{"must": [{"key": "a", "match": {"value": 1.5}}]}"#, "use `range`"),
        (r#"{"must": [{"key": "a", "match": {"value": 1, "any": [1]}}]}"#, "exactly one"),
        (r#"{"must": [{"key": "a", "range": {"gt": "2020-01-01"}}]}"#, "dates"),
        (r#"{"must": [{"key": "a"}]}"#, "says nothing"),
        (r#"{"must": [{"match": {"value": 1}}]}"#, "lacks its `key`"),
        (r#"{"must": [{"key": "a..b", "match": {"value": 1}}]}"#, "not a payload path"),
        (r#"{"must": [{"has_id": [1], "key": "a", "match": {"value": 1}}]}"#, "several"),
        (r#"{"must": 1}"#, "expected a condition"),
        (r#"{"musst": []}"#, "unknown field `musst`"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}
