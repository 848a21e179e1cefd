//! Every fault of a batch is found and named.

use super::*;
use crate::settings::VectorSettings;
use crate::{Metric, Payload, Value};

fn settings(datatype: Datatype) -> CollectionSettings {
    let vector = |dim| VectorSettings { datatype, ..VectorSettings::new(dim, Metric::Cosine) };
    CollectionSettings::new([(VectorName::unnamed(), vector(2)), (name("b"), vector(3))])
}

fn name(text: &str) -> VectorName {
    VectorName(text.into())
}

/// Two points; both have the unnamed vector, the second alone has `b`.
fn batch() -> PointBatch {
    let unnamed = VectorColumn { dim: 2, values: vec![0.0, 0.0, 1.0, 2.0], ..Default::default() };
    let b = VectorColumn {
        name: name("b"),
        dim: 3,
        values: vec![1.0, 2.0, 3.0],
        present: vec![false, true],
    };
    PointBatch {
        ids: vec![PointId::Num(7), PointId::Uuid(9)],
        vectors: vec![unnamed, b],
        payloads: Vec::new(),
    }
}

fn fault(change: impl FnOnce(&mut PointBatch)) -> BatchError {
    let mut changed = batch();
    change(&mut changed);
    changed.validate(&settings(Datatype::Float32)).unwrap_err()
}

#[test]
fn a_batch_that_fits_is_accepted_zero_vectors_and_absent_ones_included() {
    assert_eq!(batch().validate(&settings(Datatype::Float32)), Ok(()));
    assert_eq!(PointBatch::default().validate(&settings(Datatype::Uint8)), Ok(()));
}

#[test]
fn lengths_names_and_dimensions_are_checked() {
    let mismatch = |what, expected, found| BatchError::CountMismatch { what, expected, found };
    assert_eq!(fault(|b| b.payloads = vec![Payload::new()]), mismatch("payload", 2, 1));
    assert_eq!(fault(|b| b.vectors[1].present = vec![true]), mismatch("presence flag", 2, 1));
    assert_eq!(fault(|b| b.vectors[1].present[0] = true), mismatch("component", 6, 3));
    assert_eq!(
        fault(|b| b.vectors[1].name = name("c")),
        BatchError::UnknownVector { name: name("c") }
    );
    assert_eq!(
        fault(|b| b.vectors[1] = b.vectors[0].clone()),
        BatchError::RepeatedVector { name: name("") }
    );
    let error = fault(|b| b.vectors[0].dim = 4);
    assert_eq!(error.to_string(), "vector dimension error: expected dim: 2, got 4");
}

#[test]
fn components_that_cannot_be_kept_are_named_by_point_and_index() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = fault(|b| b.vectors[1].values[1] = bad);
        let BatchError::NotFinite { id, name, component, value, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((id, &*name.0, component), (PointId::Uuid(9), "b", 1));
        assert_eq!(value.to_bits(), bad.to_bits());
    }
    let mut large = batch();
    large.vectors[0].values[3] = 70_000.0;
    assert_eq!(large.validate(&settings(Datatype::Float32)), Ok(()));
    let error = large.validate(&settings(Datatype::Float16)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "component 1 of vector `` of point 00000000-0000-0000-0000-000000000009 is 70000, which \
         Float16 cannot keep; give a finite number within its range"
    );
}

#[test]
fn payloads_and_the_number_of_points_are_bounded() {
    let mut deep = Value::Null;
    for _ in 0..limits::DEPTH_MAX {
        deep = Value::Array(vec![deep]);
    }
    let error = fault(|b| {
        b.payloads = vec![Payload::new(), Payload([("k".to_owned(), deep)].into())];
    });
    assert!(matches!(error, BatchError::Payload { id: PointId::Uuid(9), .. }));
    let points = limits::BATCH_POINTS_MAX + 1;
    let error = fault(|b| b.ids = vec![PointId::Num(1); points]);
    assert_eq!(error, BatchError::TooManyPoints { points });
}
