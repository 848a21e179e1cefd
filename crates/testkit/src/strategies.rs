//! Proptest strategies for every noun of the model.
//!
//! Keys, ids and numbers are drawn from small pools most of the time, so that filters match,
//! operations meet the same points and paths lead somewhere; and from everything allowed the rest
//! of the time. What is drawn passes the checks of the doors.

mod filter;
mod operation;
mod settings;

use proptest::collection::{btree_map, vec};
use proptest::num::f64 as doubles;
use proptest::prelude::*;
use vectorizer_model::{KeyPath, PathStep, Payload, PointId, Value};

pub use filter::{filter, predicate, range, scalar};
pub use operation::{operation, point_batch, point_selector, shard_operation};
pub use settings::{
    collection_name, collection_settings, field_index_kind, metric, plain_settings, tenant_name,
    vector_name, vector_settings,
};

/// A point's id: mostly one of 32.
pub fn point_id() -> BoxedStrategy<PointId> {
    prop_oneof![
        6 => (0..24_u64).prop_map(PointId::Num),
        3 => (0..8_u128).prop_map(PointId::Uuid),
        1 => any::<u64>().prop_map(PointId::Num),
        1 => any::<u128>().prop_map(PointId::Uuid),
    ]
    .boxed()
}

/// A key of a payload: mostly one of four.
pub fn key() -> BoxedStrategy<String> {
    prop_oneof![
        8 => "[abcd]",
        1 => Just("d.e[0]".to_owned()),
        1 => ".{0,6}",
        1 => "[a\"\\[\\].]{0,4}",
    ]
    .boxed()
}

/// A path of one to four steps.
pub fn key_path() -> BoxedStrategy<KeyPath> {
    let step = prop_oneof![
        4 => key().prop_map(|key| PathStep::Key(key.into())),
        2 => Just(PathStep::AnyElement),
        1 => (0..3_u32).prop_map(PathStep::Index),
        1 => any::<u32>().prop_map(PathStep::Index),
    ];
    (key(), vec(step, 0..3))
        .prop_filter_map("a path", |(first, rest)| {
            let first = PathStep::Key(first.into());
            let steps = std::iter::once(first).chain(rest).collect();
            KeyPath::from_steps(steps)
        })
        .boxed()
}

/// A finite double: mostly a small number of halves.
pub fn finite() -> BoxedStrategy<f64> {
    let every = doubles::POSITIVE | doubles::NEGATIVE | doubles::NORMAL | doubles::SUBNORMAL;
    prop_oneof![
        3 => (-8..8_i32).prop_map(|halves| f64::from(halves) / 2.0),
        1 => every | doubles::ZERO,
    ]
    .boxed()
}

/// A payload value: lists and objects are nested up to three levels.
pub fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::Bool),
        4 => (-4..4_i64).prop_map(Value::Int),
        1 => any::<i64>().prop_map(Value::Int),
        1 => (1 << 63..=u64::MAX).prop_map(Value::UInt),
        3 => finite().prop_map(Value::Float),
        4 => "[xyz]{1,2}".prop_map(Value::Str),
        1 => ".{0,20}".prop_map(Value::Str),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map(key(), inner, 0..4).prop_map(|map| Value::Object(Payload(map))),
        ]
    })
    .boxed()
}

/// A payload of up to five keys.
pub fn payload() -> BoxedStrategy<Payload> {
    btree_map(key(), value(), 0..6).prop_map(Payload).boxed()
}

/// A vector of `dim` components from -8 to 8, with many zeros and equal ones.
pub fn vector(dim: usize) -> BoxedStrategy<Vec<f32>> {
    let component = prop_oneof![
        1 => (-2..3_i8).prop_map(f32::from),
        2 => -8.0..8.0_f32,
    ];
    vec(component, dim).boxed()
}

#[cfg(test)]
mod tests;
