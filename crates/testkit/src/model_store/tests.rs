//! The plain map does what the operations say.

use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{Condition, Value};

use super::*;
use crate::strategies::plain_settings;

/// Stand-ins that are enough here: filters of `HasId` alone, top-level keys.
const FUNCTIONS: PayloadFunctions = PayloadFunctions {
    matches: |filter, id, _| {
        let among =
            |condition: &Condition| matches!(condition, Condition::HasId(ids) if ids.contains(&id));
        filter.must.iter().all(among)
    },
    set_at: |held, _, patch| held.0.extend(patch.0.clone()),
    delete_keys: |held, keys| {
        for key in keys {
            held.0.remove(key.first_key());
        }
    },
};

fn payload(key: &str, number: i64) -> Payload {
    Payload([(key.to_owned(), Value::Int(number))].into())
}

fn batch(ids: &[u64], values: Vec<f32>, present: Vec<bool>) -> Operation {
    let payloads = ids.iter().map(|_| payload("a", 1)).collect();
    let column = VectorColumn { name: VectorName::unnamed(), dim: 2, values, present };
    let ids = ids.iter().copied().map(PointId::Num).collect();
    Operation::Upsert(PointBatch { ids, vectors: vec![column], payloads })
}

fn store(operations: &[Operation]) -> ModelStore {
    let settings = plain_settings(2, Metric::L2);
    let mut store = ModelStore::new(settings, FUNCTIONS);
    for operation in operations {
        store.apply(store.applied.next(), operation);
    }
    store
}

#[test]
fn the_later_row_of_one_id_wins_and_absent_vectors_stay_absent() {
    let operation = batch(&[1, 2, 1], vec![1.0, 0.0, 3.0, 0.0], vec![true, false, true]);
    let store = store(&[operation]);
    assert_eq!(store.points.len(), 2);
    let vector = |id| store.points[&PointId::Num(id)].vectors.get(&VectorName::unnamed());
    assert_eq!(vector(1), Some(&vec![3.0, 0.0]));
    assert_eq!(vector(2), None);
    let hits = store.search(&VectorName::unnamed(), &[0.0, 0.0], &Filter::default(), 9);
    assert_eq!(hits, [Hit { id: PointId::Num(1), distance: 9.0 }]);
}

#[test]
fn payload_operations_touch_selected_points_only() {
    let only = |id| PointSelector::Ids(vec![PointId::Num(id), PointId::Num(99)]);
    let by_filter = |id| {
        let must = vec![Condition::has_id(vec![PointId::Num(id)])];
        PointSelector::Filter(Filter { must, ..Filter::default() })
    };
    let patch = payload("b", 2);
    let store = store(&[
        batch(&[1, 2, 3, 4, 5], vec![0.0; 10], vec![]),
        Operation::SetPayload { points: only(1), payload: patch.clone(), at: None },
        Operation::OverwritePayload { points: by_filter(2), payload: patch.clone() },
        Operation::DeletePayload { points: only(3), keys: vec![KeyPath::key("a")] },
        Operation::ClearPayload { points: only(4) },
        Operation::Delete(by_filter(5)),
    ]);
    let found: Vec<(PointId, u64, Payload)> = store
        .points
        .iter()
        .map(|(id, point)| (*id, point.version.0, point.payload.clone()))
        .collect();
    let mut both = payload("a", 1);
    both.0.extend(patch.0.clone());
    assert_eq!(
        found,
        [
            (PointId::Num(1), 2, both),
            (PointId::Num(2), 3, patch),
            (PointId::Num(3), 4, Payload::new()),
            (PointId::Num(4), 5, Payload::new()),
        ]
    );
}

#[test]
fn settings_and_indexes_follow_the_log() {
    let key = KeyPath::key("a");
    let create = Operation::CreateFieldIndex { key: key.clone(), kind: FieldIndexKind::Integer };
    let indexed = store(std::slice::from_ref(&create));
    assert_eq!(indexed.settings.field_indexes.get(&key), Some(&FieldIndexKind::Integer));
    let dropped = store(&[create, Operation::DropFieldIndex { key }]);
    assert!(dropped.settings.field_indexes.is_empty());
}

#[test]
fn cosine_vectors_are_stored_with_unit_length_and_zero_stays() {
    let settings = plain_settings(2, Metric::Cosine).vectors[&VectorName::unnamed()].clone();
    assert_eq!(stored_vector(&settings, &[3.0, 4.0]), [0.6, 0.8]);
    assert_eq!(stored_vector(&settings, &[0.0, 0.0]), [0.0, 0.0]);
}
