//! What is written is read; what was not written is refused, never a panic and never a large
//! allocation.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use vectorizer_model::encode::{
    self, Canonical, DecodeError, decode, encode, encode_filter_within, encoded_payload_bytes,
};
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{Condition, Filter, KeyPath, Operation, PointId, VectorName, limits};
use vectorizer_testkit::allocation::heap_of;
use vectorizer_testkit::strategies;

fn encoded<T: Canonical>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    bytes
}

fn returns_from_bytes<T: Canonical + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = encoded(value);
    assert!(bytes.len() >= T::BYTES_MIN, "{value:?}");
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
}

/// Bytes that are read are exactly what would be written: there is one encoding of each value.
fn is_refused_or_canonical(bytes: &[u8]) {
    if let Ok(operation) = encode::decode_operation(bytes) {
        assert_eq!(encoded(&operation), bytes);
    }
}

proptest! {
    #[test]
    fn operations_return(operation in strategies::operation()) {
        returns_from_bytes(&operation);
    }

    #[test]
    fn parts_return(
        payload in strategies::payload(),
        filter in strategies::filter(),
        path in strategies::key_path(),
        settings in strategies::collection_settings(),
        id in strategies::point_id(),
    ) {
        prop_assert_eq!(encoded(&payload).len() as u64, encoded_payload_bytes(&payload));
        returns_from_bytes(&payload);
        returns_from_bytes(&filter);
        returns_from_bytes(&path);
        returns_from_bytes(&settings);
        returns_from_bytes(&id);
    }

    #[test]
    fn flipped_bytes_never_panic(
        operation in strategies::operation(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&operation);
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        is_refused_or_canonical(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(tag in 0..13_u8, rest in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = vec![1, tag];
        bytes.extend(rest);
        is_refused_or_canonical(&bytes);
    }
}

#[test]
fn every_truncation_and_every_addition_is_an_error() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..60 {
        let operation = strategies::operation().new_tree(&mut runner).unwrap().current();
        let mut bytes = encoded(&operation);
        for end in 0..bytes.len() {
            assert!(encode::decode_operation(&bytes[..end]).is_err(), "{end} of {operation:?}");
        }
        bytes.push(0);
        let (what, at, found) = ("count of bytes after the end", bytes.len() - 1, 1);
        let expected = DecodeError::Invalid { what, at, found };
        assert_eq!(encode::decode_operation(&bytes), Err(expected));
    }
}

#[test]
fn unknown_versions_and_tags_are_named() {
    for (bytes, what) in [
        (&[2, 1][..], "version of an operation"),
        (&[1, 13, 0], "tag of an operation"),
        (&[1, 5, 2, 0], "tag of a point selector"),
        (&[1, 5, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0], "tag of a point id"),
        (&[1, 3, 9, 0, 0], "version of settings"),
    ] {
        match encode::decode_operation(bytes) {
            Err(DecodeError::Invalid { what: named, .. }) => assert_eq!(named, what),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hostile_nesting_ends_in_an_error() {
    // An upsert whose one payload value is a list in a list in a list ...
    let mut bytes = vec![1, 4, 0, 0, 1, 1, 1, b'k'];
    bytes.extend([7, 1].repeat(100_000));
    let found = limits::DEPTH_MAX as u64 + 1;
    match encode::decode_operation(&bytes) {
        Err(DecodeError::Invalid { what: "nesting depth", found: depth, .. }) => {
            assert_eq!(depth, found);
        }
        other => panic!("{other:?}"),
    }
    // ... and a delete by filter of filters.
    let mut bytes = vec![1, 5, 1];
    bytes.extend([1, 3].repeat(100_000));
    assert!(matches!(
        encode::decode_operation(&bytes),
        Err(DecodeError::Invalid { what: "nesting depth", .. })
    ));
}

#[test]
fn hostile_counts_allocate_next_to_nothing() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let heads: [&[u8]; 6] = [
        &[1, 4],                         // ids
        &[1, 4, 0],                      // columns
        &[1, 4, 0, 1, 0, 9, 0, 0, 0],    // presence flags
        &[1, 4, 0, 1, 0, 9, 0, 0, 0, 0], // components
        &[1, 4, 0, 0],                   // payloads
        &[1, 4, 0, 0, 1],                // keys
    ];
    for head in heads {
        let bytes = [head, &huge, &[1; 100]].concat();
        let (result, heap) = heap_of(|| encode::decode_operation(&bytes));
        assert!(result.is_err(), "{head:?}");
        assert!(heap.peak < 8 << 10, "{head:?} took {} bytes", heap.peak);
    }
}

#[test]
fn large_batches_are_copied_once() {
    let (rows, dim) = (2000, 128);
    let column = VectorColumn {
        name: VectorName::unnamed(),
        dim,
        values: vec![0.5; rows * dim as usize],
        present: Vec::new(),
    };
    let ids = (0..rows as u64).map(PointId::Num).collect();
    let operation =
        Operation::Upsert(PointBatch { ids, vectors: vec![column], payloads: Vec::new() });
    let bytes = encoded(&operation);
    let components = i64::try_from(rows * dim as usize * 4).unwrap();
    let (decoded, heap) = heap_of(|| encode::decode_operation(&bytes));
    assert_eq!(decoded, Ok(operation));
    assert!(heap.peak < components + components / 4, "{heap:?}");
}

#[test]
fn a_filter_is_encoded_no_further_than_wanted() {
    const MOST: usize = 1000;
    let filter = |condition| Filter { must: vec![condition], ..Filter::default() };
    let one_of = |predicate| filter(Condition::Field { key: KeyPath::key("k"), predicate });
    let text = |bytes| Scalar::Keyword("x".repeat(bytes).into());
    for long in [
        one_of(Predicate::Any((0..1 << 16).map(Scalar::Int).collect())),
        one_of(Predicate::Except((0..1 << 12).map(|_| text(10)).collect())),
        one_of(Predicate::Match(text(1 << 20))),
        filter(Condition::has_id((0..1 << 16).map(PointId::Num).collect())),
        filter(Condition::Filter(Filter {
            must: vec![Condition::IsEmpty(KeyPath::key("k")); 1 << 12],
            ..Filter::default()
        })),
    ] {
        let (bytes, heap) = heap_of(|| encode_filter_within(&long, MOST));
        assert_eq!(bytes, None, "{:?}", encoded(&long).len());
        assert!(heap.peak < i64::try_from(4 * MOST).unwrap_or(0), "{} bytes", heap.peak);
    }
    for bytes in 0..20 {
        let short = one_of(Predicate::Match(text(bytes)));
        let whole = encoded(&short);
        assert_eq!(encode_filter_within(&short, whole.len() - 1), None);
        assert_eq!(encode_filter_within(&short, whole.len()), Some(whole));
    }
}
