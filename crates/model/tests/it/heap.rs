//! The estimate of a payload's heap against what the allocator was asked for.

use proptest::prelude::*;
use vectorizer_model::encode::{decode_payload, encode_payload};
use vectorizer_model::value::heap_bytes;
use vectorizer_model::{Payload, Value};
use vectorizer_testkit::allocation::heap_of;
use vectorizer_testkit::strategies;

fn held(make: impl FnOnce() -> Payload) -> (i64, i64) {
    let (payload, heap) = heap_of(make);
    (heap.held, i64::try_from(heap_bytes(&payload)).expect("small"))
}

fn numbered(keys: impl Iterator<Item = usize>) -> Payload {
    Payload(keys.fold(Payload::new().0, |mut map, key| {
        map.insert(format!("{key:08}"), Value::Null);
        map
    }))
}

proptest! {
    #[test]
    fn small_payloads_are_estimated_exactly(payload in strategies::payload()) {
        let mut bytes = Vec::new();
        encode_payload(&payload, &mut bytes);
        let (actual, estimate) = held(|| decode_payload(&bytes).unwrap());
        prop_assert_eq!(estimate, actual);
    }
}

#[test]
fn large_maps_are_estimated_closely_when_filled_in_order() {
    for keys in [1, 11, 12, 50, 84, 85, 500, 5000, 50_000] {
        let (actual, estimate) = held(|| numbered(0..keys));
        let share = estimate as f64 / actual as f64;
        assert!((0.95..=1.25).contains(&share), "{keys} keys: {estimate} for {actual}");
    }
}

#[test]
fn large_maps_are_not_underestimated_when_filled_otherwise() {
    for keys in [100, 1000, 10_007] {
        let scattered = (0..keys).map(|key| key * 7919 % keys);
        let (actual, estimate) = held(|| numbered(scattered));
        let share = estimate as f64 / actual as f64;
        assert!((0.95..=1.6).contains(&share), "{keys} keys: {estimate} for {actual}");

        let dense = || Payload((0..keys).map(|key| (format!("{key:08}"), Value::Null)).collect());
        let (actual, estimate) = held(dense);
        let share = estimate as f64 / actual as f64;
        assert!((1.0..=2.1).contains(&share), "{keys} keys: {estimate} for {actual}");
    }
}
