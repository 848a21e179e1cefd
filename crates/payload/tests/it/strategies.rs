//! Random payloads and filters, from few values so that they meet.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Condition, Filter, Payload, PointId, Value};

use crate::notation::path;

/// Paths that filters ask for and indexes are built on.
pub(crate) const PATHS: &[&str] = &["a", "b", "a[]", "a[0]", "a.b", "a[].b"];

pub(crate) const KINDS: [FieldIndexKind; 4] =
    [FieldIndexKind::Keyword, FieldIndexKind::Integer, FieldIndexKind::Float, FieldIndexKind::Bool];

const INTEGERS: &[i64] =
    &[-1, 0, 1, 2, 3, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN];
const NUMBERS: &[f64] = &[
    -1.0,
    -0.0,
    0.0,
    0.5,
    1.0,
    2.0,
    2.5,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
    18_446_744_073_709_551_616.0,
    1e300,
    -1e300,
];
const TEXTS: &[&str] = &["", "a", "aa", "b", "\u{e9}"];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::Bool),
        4 => select(INTEGERS).prop_map(Value::Int),
        1 => select(&[1 << 63, u64::MAX, (1 << 63) + 1][..]).prop_map(Value::UInt),
        2 => select(NUMBERS).prop_map(Value::Float),
        3 => select(TEXTS).prop_map(|text| Value::Str(text.to_owned())),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 0..4).prop_map(Value::Array),
            1 => object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Payload> {
    let key = select(&["a", "b"][..]).prop_map(str::to_owned);
    btree_map(key, value, 0..3).prop_map(|keys: BTreeMap<String, Value>| Payload(keys))
}

pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    object(value())
}

/// Payloads whose fields hold one value at most, here and there twice.
pub(crate) fn flat_payload() -> impl Strategy<Value = Payload> {
    object(prop_oneof![
        6 => leaf(),
        1 => (leaf(), 0..3_usize).prop_map(|(value, count)| Value::Array(vec![value; count])),
        1 => object(leaf()).prop_map(Value::Object),
    ])
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        select(INTEGERS).prop_map(Scalar::Int),
        select(TEXTS).prop_map(|text| Scalar::Keyword(text.into())),
    ]
}

pub(crate) fn predicate() -> impl Strategy<Value = Predicate> {
    let bound = || proptest::option::weighted(0.4, select(NUMBERS));
    let range = (bound(), bound(), bound(), bound());
    prop_oneof![
        scalar().prop_map(Predicate::Match),
        vec(scalar(), 0..5).prop_map(Predicate::Any),
        vec(scalar(), 0..5).prop_map(Predicate::Except),
        range.prop_map(|(gt, gte, lt, lte)| Predicate::Range(Range { gt, gte, lt, lte })),
    ]
}

/// The id of a row; ids that are no multiple of three belong to no row.
pub(crate) fn id_of(row: u32) -> PointId {
    PointId::Num(u64::from(row) * 3)
}

fn condition() -> impl Strategy<Value = Condition> {
    let ids = vec((0_u64..130).prop_map(PointId::Num), 0..12);
    prop_oneof![
        6 => (select(PATHS), predicate()).prop_map(|(key, predicate)| Condition::Field {
            key: path(key),
            predicate,
        }),
        1 => select(PATHS).prop_map(|key| Condition::IsEmpty(path(key))),
        1 => ids.prop_map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            Condition::HasId(ids)
        }),
    ]
}

pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    let of = |condition: BoxedStrategy<Condition>| {
        let some = move || vec(condition.clone(), 0..3);
        (some(), some(), some()).prop_map(|(must, should, must_not)| Filter {
            must,
            should,
            must_not,
        })
    };
    let nested = condition().prop_recursive(2, 12, 3, move |inner| {
        prop_oneof![2 => inner.clone(), 1 => of(inner.boxed()).prop_map(Condition::Filter)]
    });
    of(nested.boxed())
}
