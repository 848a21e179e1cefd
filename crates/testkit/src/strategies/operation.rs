//! Operations and what they carry.

use std::ops::Range;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use vectorizer_model::operation::{PointBatch, PointSelector};
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{CollectionSettings, Operation, ShardId, VectorName};

use super::{
    collection_name, collection_settings, field_index_kind, filter, key_path, payload, point_id,
    tenant_name, vector,
};

/// Points named by id or by filter.
pub fn point_selector() -> BoxedStrategy<PointSelector> {
    prop_oneof![
        2 => vec(point_id(), 0..6).prop_map(PointSelector::Ids),
        1 => filter().prop_map(PointSelector::Filter),
    ]
    .boxed()
}

/// A batch that fits the settings. Points may repeat, lack vectors and have no payload.
pub fn point_batch(settings: &CollectionSettings, rows: Range<usize>) -> BoxedStrategy<PointBatch> {
    let vectors: Vec<(VectorName, VectorSettings)> =
        settings.vectors.iter().map(|(name, vector)| (name.clone(), vector.clone())).collect();
    let batch = vec(point_id(), rows).prop_flat_map(move |ids| {
        let rows = ids.len();
        let columns: Vec<_> =
            vectors.iter().map(|(name, vector)| column(name.clone(), vector, rows)).collect();
        let payloads = prop_oneof![3 => vec(payload(), rows), 1 => Just(Vec::new())];
        (Just(ids), columns, payloads)
    });
    let assemble = |(ids, columns, payloads): (Vec<_>, Vec<Option<VectorColumn>>, Vec<_>)| {
        PointBatch { ids, vectors: columns.into_iter().flatten().collect(), payloads }
    };
    batch.prop_map(assemble).boxed()
}

/// A column in which some or no rows may be absent; none at all if every row is.
fn column(
    name: VectorName,
    settings: &VectorSettings,
    rows: usize,
) -> BoxedStrategy<Option<VectorColumn>> {
    let dim = settings.dim;
    let flags = prop_oneof![
        2 => Just(vec![true; rows]),
        1 => vec(prop::bool::weighted(0.7), rows)
    ];
    (vec(vector(dim as usize), rows), flags)
        .prop_map(move |(rows, mut present)| {
            if !rows.is_empty() && !present.contains(&true) {
                return None;
            }
            let flagged = rows.into_iter().zip(&present).filter(|(_, present)| **present);
            let values = flagged.flat_map(|(vector, _)| vector).collect();
            if present.iter().all(|&present| present) {
                present.clear();
            }
            Some(VectorColumn { name: name.clone(), dim, values, present })
        })
        .boxed()
}

/// An operation of the log of a shard with these settings: writes, payloads and field indexes.
pub fn shard_operation(settings: &CollectionSettings) -> BoxedStrategy<Operation> {
    prop_oneof![
        6 => point_batch(settings, 0..8).prop_map(Operation::Upsert),
        2 => point_selector().prop_map(Operation::Delete),
        4 => payload_operation(),
        1 => (key_path(), field_index_kind())
            .prop_map(|(key, kind)| Operation::CreateFieldIndex { key, kind }),
        1 => key_path().prop_map(|key| Operation::DropFieldIndex { key }),
    ]
    .boxed()
}

fn payload_operation() -> BoxedStrategy<Operation> {
    let keys = vec(key_path(), 0..3);
    prop_oneof![
        3 => (point_selector(), payload(), weighted(0.4, key_path()))
            .prop_map(|(points, payload, at)| Operation::SetPayload { points, payload, at }),
        1 => (point_selector(), payload())
            .prop_map(|(points, payload)| Operation::OverwritePayload { points, payload }),
        2 => (point_selector(), keys)
            .prop_map(|(points, keys)| Operation::DeletePayload { points, keys }),
        1 => point_selector().prop_map(|points| Operation::ClearPayload { points }),
    ]
    .boxed()
}

/// Any operation, those of the catalogue included.
pub fn operation() -> BoxedStrategy<Operation> {
    let created =
        (collection_name(), any::<u32>().prop_map(ShardId), collection_settings(), tenant_name());
    prop_oneof![
        1 => created.prop_map(|(name, shard, settings, tenant)| {
            Operation::CreateCollection { name, shard, settings: Box::new(settings), tenant }
        }),
        1 => collection_name().prop_map(|name| Operation::DropCollection { name }),
        1 => collection_settings().prop_map(|settings| Operation::UpdateSettings(Box::new(settings))),
        6 => collection_settings().prop_flat_map(|settings| shard_operation(&settings)),
    ]
    .boxed()
}
