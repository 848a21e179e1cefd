//! What is charged, held against what the allocator took.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vectorizer_cache::{Cache, EvictionPolicy, Footprint, NewEntry, Options, estimate_item_size};
use vectorizer_memory::Tenant;
use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::value::{Payload, Value};
use vectorizer_model::{Condition, Filter, KeyPath, PointId};
use vectorizer_testkit::allocation::heap_of;

use crate::fixture::{NOW, options, unbounded};

/// A cache of `count` values of about `size` bytes: charged, and taken from the allocator.
fn charged_and_taken<V: Footprint + Send + Sync + 'static>(
    size: usize,
    policy: EvictionPolicy,
    value: impl Fn(usize) -> V,
) -> (f64, f64) {
    let count = (8_000_000 / size).clamp(200, 5000);
    let manager = unbounded();
    let with = Options { policy, ..options(1 << 34) };
    let (cache, heap) = heap_of(|| {
        let cache: Arc<Cache<String, V>> = Cache::new(&manager, &with);
        for at in 0..count {
            let key = format!("question number {at}");
            let kept = cache.insert(NewEntry::of(key, value(size)), &Tenant::system(), NOW);
            assert!(kept.is_kept());
        }
        cache
    });
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let taken = heap.taken as f64;
    (cache.memory_usage() as f64, taken)
}

fn agree(what: &str, size: usize, (charged, taken): (f64, f64)) {
    let ratio = charged / taken;
    assert!((0.9..=1.1).contains(&ratio), "{what} of {size} bytes: {ratio:.3} of {taken} charged");
}

#[test]
fn pitfall_9_what_is_charged_is_what_the_allocator_takes() {
    for size in [64, 1 << 10, 6 << 10, 64 << 10] {
        for policy in EvictionPolicy::ALL {
            agree(policy.name(), size, charged_and_taken(size, policy, |size| vec![1_u8; size]));
        }
        let hybrid = EvictionPolicy::Hybrid;
        agree("f32", size, charged_and_taken(size, hybrid, |size| vec![1_f32; size / 4]));
        agree("text", size, charged_and_taken(size, hybrid, |size| "x".repeat(size)));
        agree("payload", size, charged_and_taken(size, hybrid, payload));
        agree("lists", size, charged_and_taken(size, hybrid, lists));
        agree("map", size, charged_and_taken(size, hybrid, map));
    }
}

/// Some keys with texts, numbers and a list, of about so many bytes in all.
fn payload(size: usize) -> Payload {
    let keys = (size / 200).clamp(1, 60);
    let entry = |at: usize| {
        let value = match at % 3 {
            0 => Value::Str("y".repeat(size / keys)),
            1 => Value::Array((0..size / keys / 32).map(|_| Value::Int(7)).collect()),
            _ => Value::Float(0.5),
        };
        (format!("field {at}"), value)
    };
    let mut payload = Payload::new();
    payload.0.extend((0..keys).map(entry));
    payload
}

fn lists(size: usize) -> Vec<(String, Vec<f32>)> {
    (0..(size / 256).max(1)).map(|at| (format!("list {at}"), vec![0.5; 48])).collect()
}

fn map(size: usize) -> HashMap<String, u64> {
    (0..(size / 64).max(1) as u64).map(|at| (format!("name of number {at}"), at)).collect()
}

#[test]
fn capacities_count_and_not_lengths() {
    let mut text = String::with_capacity(1000);
    text.push('x');
    assert_eq!(estimate_item_size(&text), 24 + 1008);
    assert_eq!(estimate_item_size(&7_u64), 8);
    assert_eq!(estimate_item_size(&Vec::<f32>::new()), 24);
    let tree: BTreeMap<u32, u32> = (0..11).map(|at| (at, at)).collect();
    assert_eq!(tree.heap_bytes(), 112, "one node of 104 bytes");
}

/// What is estimated for a value, beside what the allocator took for it.
fn estimated_and_taken<T: Footprint>(make: impl FnOnce() -> T) -> (f64, f64) {
    let (item, heap) = heap_of(make);
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let taken = heap.taken as f64;
    ((estimate_item_size(&item) - size_of::<T>() as u64) as f64, taken)
}

/// Objects in lists in objects, as deep as asked for.
fn nested(depth: usize) -> Value {
    if depth == 0 {
        return Value::Str("a leaf of some length".to_owned());
    }
    let entry = |at: usize| {
        let of = Value::Array((0..=at % 3).map(|_| nested(depth - 1)).collect());
        (format!("key {at}"), of)
    };
    Value::Object(Payload((0..4).map(entry).collect()))
}

/// Conditions of every kind, some of them nested.
fn filter(depth: usize, conditions: usize) -> Filter {
    let condition = |at: usize| {
        let key: KeyPath = format!("field{at}.inner[].name").parse().expect("a path");
        let words = || (0..=at).map(|n| Scalar::Keyword(format!("word {n}").into())).collect();
        let predicate = match at % 4 {
            0 => Predicate::Match(Scalar::Keyword("a word that is looked for".into())),
            1 => Predicate::Any(words()),
            2 => Predicate::Except(words()),
            _ => Predicate::Range(Range { gt: Some(0.5), ..Range::default() }),
        };
        match at % 7 {
            5 => Condition::has_id((0..at as u64 * 10).map(PointId::Num).collect()),
            6 if depth > 0 => Condition::Filter(filter(depth - 1, conditions)),
            4 => Condition::IsEmpty(key),
            _ => Condition::Field { key, predicate },
        }
    };
    let part = |part: usize| (part..conditions + part).map(condition).collect();
    Filter { must: part(0), should: part(1), must_not: part(2) }
}

#[test]
fn structured_values_are_estimated_at_what_they_take() {
    for depth in 1..6 {
        agree("nested payload", depth, estimated_and_taken(|| nested(depth)));
    }
    for (depth, conditions) in [(0, 1), (0, 4), (0, 7), (1, 7), (2, 14)] {
        agree("filter", conditions, estimated_and_taken(|| filter(depth, conditions)));
    }
    agree("path", 1, estimated_and_taken(|| "a.b[].\"c.d\"[3].e".parse::<KeyPath>().expect("one")));
}
